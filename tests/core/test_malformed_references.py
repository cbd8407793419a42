"""What models write when they mean a future is refused with the right form; literal text is accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncfc_jupyter.core.malformed_references import Situation, reject_malformed_references
from asyncfc_jupyter.core.references import substitute
from asyncfc_jupyter.errors import MalformedReference

ONE = Situation(known={"f1"}, results=lambda: iter([("f1", {"order_id": 42, "items": [], "b c": 1})]))
WAITING = Situation(known={"f1": 0, "f2": 0}, pending={"f1": 0, "f2": 0})


def refused(value, situation=ONE, name="a"):
    with pytest.raises(MalformedReference) as caught:
        reject_malformed_references({name: value}, situation)
    return caught.value


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("f1", "$f1"),
        ("<f1>", "$f1"),
        ("<f1.id>", "$f1.id"),
        ("{f1.id}", "$f1.id"),
        ("${f1}", "$f1"),
        ("{{f1}}", "$f1"),
        ("{{ f1.id }}", "$f1.id"),
        ("f1[0]", "$f1[0]"),
        ("f1.order_id", "$f1.order_id"),
        (" $f1\n", "$f1"),
        ('"$f1"', "$f1"),
        ("'f1'", "$f1"),
        ("`f1`", "$f1"),
        ("@f1", "$f1"),
        ("[f1]", "$f1"),
        ("$F1", "$f1"),
        ("f1.result()", "$f1"),
        ("$f1.result()", "$f1"),
        ("await f1", "$f1"),
        ("await_future(f1)", "$f1"),
        ("result of f1", "$f1"),
        ("The result of f1.order_id", "$f1.order_id"),
        ("<result of f1>", "$f1"),
        ("f1's output", "$f1"),
        ("f1 result", "$f1"),
        ("future: f1", "$f1"),
        ("order_id from f1", "$f1.order_id"),
        ("<order_id of f1>", "$f1.order_id"),
        ("$f1.items.0.sku", "$f1.items[0].sku"),
        ("$f1[order_id]", "$f1.order_id"),
        ("$f1[b c]", r"$f1[\"b c\"]"),
        ("$f1.order-id", r"$f1[\"order-id\"]"),
        ("$f1->order_id", "$f1.order_id"),
        ("$f1[*].sku", "$f1"),
        ("$f1[0:2]", "$f1"),
        ("$f1.get('x')", "$f1"),
        ('$f1["x', "$f1"),
        ("<order_id>", "$f1.order_id"),
        ("<ORDER_ID>", "$f1.order_id"),
        ("<order id>", "$f1.order_id"),
        ("{{order_id}}", "$f1.order_id"),
        ("{order_id}", "$f1.order_id"),
        ("${order_id}", "$f1.order_id"),
        ("$order_id", "$f1.order_id"),
        ('{"future": "f1", "tool": "t", "status": "pending", "value": null}', "$f1"),
        ("{'future': 'f1', 'status': 'pending'}", "$f1"),
    ],
)
def test_a_malformed_reference_is_refused_with_the_right_form(text, right) -> None:
    """These are forms that models write instead of a reference."""
    assert f'write "{right}" for' in str(refused(text))


@pytest.mark.parametrize(
    "value",
    [
        {"future": "f1"},
        {"future": "$f1", "status": "pending"},
        {"future": "f1", "tool": "t", "status": "pending", "value": None, "note": "Not the result."},
        [{"future": "f1", "status": "done", "value": 3}],
    ],
)
def test_a_placeholder_that_is_handed_on_is_refused(value) -> None:
    error = refused(value)
    assert 'write "$f1" in place of the whole object' in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "$f1", "$f1.id", "$$f1", "$$$f1.x", "f2", "<b>", "f1 score", "of1", "{f2}", "F1", "the f1", "call f1", "f1 and f2",
        "$f1 and more", "$f1.total + 1", "$f1/readme.md", "see f1 for the result of the test", "<br>", "<table>", "{}", "[]",
        "pending", "$5", "$HOME", "{name}", "f12", "value", "{'future': 'f9', 'status': 'pending'}", "", " ", "$f1.", "f1: x",
    ],
)  # fmt: skip
def test_references_and_ordinary_text_are_not_refused(text) -> None:
    reject_malformed_references({"a": text}, ONE)


@pytest.mark.parametrize(
    ("name", "text", "right"),
    [
        ("order", "<order_id>", "$f2.order_id"),
        ("flight", "<flight>", "$f2.flight"),
        ("flight", "<FLIGHT NUMBER>", "$f2.flight_number"),
        ("price", "{{total_price}}", "$f2.total_price"),
        ("price", "<result>", "$f2.result"),
        ("price", "pending", "$f2"),
        ("price", "<pending>", "$f2"),
        ("price", "Pending...", "$f2"),
    ],
)
def test_a_value_left_to_be_filled_in_is_refused_while_a_call_is_pending(name, text, right) -> None:
    error = str(refused(text, WAITING, name))
    assert f'write "{right}" for' in error
    assert "(pending: f1, f2)" in error
    reject_malformed_references({name: text}, Situation(known=WAITING.known))


@pytest.mark.parametrize(
    ("name", "text"),
    [("html", "<b>"), ("html", "<br />"), ("html", "<h1>"), ("status", "pending"), ("order_state", "pending"),
     ("search_text", "pending"), ("greeting", "{name}")],
)  # fmt: skip
def test_what_is_plausibly_text_gets_through_while_something_is_pending(name, text) -> None:
    reject_malformed_references({name: text}, WAITING)


def test_what_a_parameter_lists_or_mentions_is_meant() -> None:
    situation = Situation(
        known={"f1"}, pending={"f1"}, meant=lambda name, text: (name, text) in {("a", "f1"), ("a", "pending")}
    )
    reject_malformed_references({"a": ["f1", "pending"]}, situation)
    refused("f1", situation, "b")
    refused("pending", situation, "b")


def test_a_refusal_names_the_argument_its_text_and_the_right_form() -> None:
    """It also says how to write the text itself, if that is meant."""
    error = refused({"lines": ["x", {"order": "f1"}]})
    assert error.argument == "a.lines[1].order"
    assert str(error) == (
        "argument 'a.lines[1].order' is 'f1', which is not a reference; "
        'write "$f1" for the result of f1, or "$text:f1" if the text itself is meant.'
    )


def test_the_form_that_the_error_suggests_is_accepted() -> None:
    for text in ("f1", "<f1.id>", "pending", "<order_id>", "$f1[order_id]", '{"future": "f1", "status": "pending"}'):
        for situation in (ONE, WAITING):
            escaped = {"a": f"$text:{text}"}
            reject_malformed_references(escaped, situation)
            assert substitute(escaped, lambda reference: None) == {"a": text}
    reject_malformed_references({"a": {"future": "$text:f1"}}, ONE)


@given(st.text() | st.text("$fF10.[]<>{}()\"'`*-: aopendig_", max_size=130))
def test_any_text_is_judged_and_none_is_refused_while_there_are_no_futures(text) -> None:
    reject_malformed_references({"a": text}, Situation(known=()))
    for situation in (ONE, WAITING):
        try:
            reject_malformed_references({"a": text}, situation)
        except MalformedReference as error:
            assert error.remedy.startswith("write ")  # noqa: PT017 - whether it raises is not the question


@pytest.mark.parametrize(
    "text", ["{" + '"future": "' * 100_000 + '"status"}', "<" * 500_000, "$f1" + "[a" * 200_000, "f1 " * 200_000]
)
def test_hostile_text_is_judged_in_one_pass(text) -> None:
    reject_malformed_references({"a": text}, ONE)


def test_results_are_looked_through_only_when_a_text_needs_it() -> None:
    situation = Situation(known={"f1"}, results=lambda: pytest.fail("no text asked for a field"))
    reject_malformed_references({"a": ["text", "<b> and more", 3, None, True, {"x": "$f1"}]}, situation)


@pytest.mark.parametrize(
    ("arguments", "situation"),
    [
        ({"a": "$text:result of f1"}, ONE),
        ({"a": "f1" + " " * 130}, ONE),
        ({"a": "f1 of f2"}, WAITING),
        ({"a": "$order_id"}, WAITING),
        ({"flight": {"status": "pending"}}, WAITING),
        ({"a": "(pending)"}, Situation(known={"f1"}, pending={"f1"}, meant=lambda _, text: text == "pending")),
    ],
)
def test_text_that_is_marked_long_ambiguous_or_expected_is_accepted(arguments, situation) -> None:
    """A text is expected where it belongs to its place, as 'pending' does to a status."""
    reject_malformed_references(arguments, situation)


def test_a_name_of_several_words_in_brackets_is_refused_in_any_place() -> None:
    """This holds while a call is pending."""
    assert '"$f2.order_id"' in str(refused("<order_id>", WAITING, name="flight"))
    assert '"$f2.flight"' in str(refused("<flight>", WAITING, name="flight"))
    reject_malformed_references({"flight": "<b>"}, WAITING)


def test_a_field_is_looked_for_in_the_latest_hundred_results() -> None:
    def results(count):
        return lambda: ((f"f{n}", {"order_id": n} if n == 1 else {}) for n in range(count, 0, -1))

    known = {f"f{n}" for n in range(1, 102)}
    assert '"$f1.order_id"' in str(refused("<order_id>", Situation(known=known, results=results(100))))
    reject_malformed_references({"a": "<order_id>"}, Situation(known=known, results=results(101)))


def test_an_object_with_other_keys_is_not_taken_for_a_placeholder() -> None:
    """Only the name of a future in it is refused, and not the whole object."""
    reject_malformed_references({"a": {"future": "$text:f1", "colour": "red"}}, ONE)
    assert refused({"future": "f1", "colour": "red"}).text == "f1"
    assert refused({"future": "f1", "status": "pending"}).text == '{"future": "f1", ...}'
