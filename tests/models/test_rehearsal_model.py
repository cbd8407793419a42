"""What the rehearsal model replies to hand-written conversations, in each mode."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.core.references import Item, parse_reference, substitute
from tests.models.rehearsal_conversation import BOTH, Failure, Talk, done, failed, pending

SEARCH_AND_BOOK = 'x = search("LIS")\n\ny = book(x[0].id)\n\nf"Booked {y.order}."'


# -- with futures ----------------------------------------------------------------------------------------------------


def test_pending_results_go_by_reference_and_an_answer_awaits_its_values() -> None:
    talk = Talk()
    assert talk.say(SEARCH_AND_BOOK) == [("search", {"city": "LIS"})]
    assert talk.answer(pending("f1")) == [
        ("book", {"flight": "$f1[0].id"}),
        ("await_future", {}),
    ]
    assert talk.answer(pending("f2"), [done("f1", [{"id": "L1"}]), done("f2", {"order": 7})]) == []
    assert talk.text == "Booked 7."


def test_values_are_asked_for_in_the_same_reply_once_a_result_was_pending() -> None:
    """Until then the answer counts on values that come by themselves."""
    plan = 'x = search("A")\n\ny = search("B")\n\nf"{x}{y}"'
    quick, slow = Talk(), Talk()
    quick.say(plan)
    assert quick.answer(done("f1", 1)) == [("search", {"city": "B"})]
    assert quick.answer(pending("f2")) == [("await_future", {})]
    slow.say(plan)
    assert slow.answer(pending("f1")) == [("search", {"city": "B"}), ("await_future", {})]


def test_what_the_next_block_reads_is_asked_for_in_the_reply_before() -> None:
    calls = Talk().say('x = search("A")\ny = search("B")\n\nbook(f"for {x.id}")\n"Done."')
    assert calls[2:] == [("await_future", {"futures": ["f1"]})]


def test_a_value_that_was_seen_is_passed_as_a_literal() -> None:
    talk = Talk()
    talk.say(SEARCH_AND_BOOK)
    assert talk.answer(done("f1", [{"id": "L1"}]))[0] == ("book", {"flight": "L1"})


def test_a_result_of_the_same_reply_is_named_by_counting() -> None:
    talk = Talk()
    calls = talk.say('x = search("A")\ny = book([{"k": x[-1]["a key"]}], note=x.b)\nbook(y)\n"Done"')
    assert calls == [
        ("search", {"city": "A"}),
        ("book", {"flight": [{"k": '$f1[-1]["a key"]'}], "note": "$f1.b"}),
        ("book", {"flight": "$f2"}),
    ]


def test_futures_are_counted_over_the_conversation_without_await_future() -> None:
    talk = Talk()
    talk.say('x = search("A")\nawait x\n"Done."')
    talk.answer(pending("f1"), [done("f1", 1)])
    assert talk.say('y = search("B")\nbook(y, note=x)\n"Done."') == [
        ("search", {"city": "B"}),
        ("book", {"flight": "$f2", "note": 1}),
    ]


def test_a_result_delivered_along_with_another_is_seen() -> None:
    talk = Talk()
    talk.say('x = search("A")\n\nsearch("B")\n\nbook(x)\n"Done."')
    talk.answer(pending("f1"))
    calls = talk.answer(pending("f2", delivered=[done("f1", "here")], still_pending=["f2"]))
    assert calls == [("book", {"flight": "here"})]


def test_an_await_that_timed_out_leaves_the_result_pending() -> None:
    talk = Talk()
    talk.say('x = search("A")\nawait x\nbook(x)\n"Done."')
    assert talk.answer(pending("f1"), [pending("f1")]) == [("book", {"flight": "$f1"})]


@pytest.mark.parametrize(
    "value", ["$f1", "$$f1.x", "$100", "f1", "f2.id", "<f1>", "<order_id>", "pending", " f1", ["a", {"b": "$f1"}]]
)
def test_a_value_that_the_layer_could_misread_is_passed_by_reference(value: Any) -> None:
    """It is even when the model has seen the value."""
    talk = Talk()
    talk.say('x = search("A")\n\nbook(x.v)\n"Done."')
    assert talk.answer(done("f1", {"v": value})) == [("book", {"flight": "$f1.v"})]


@pytest.mark.parametrize("text", ["$f1", "$f9.id", "$$f1", "$text:f1", "$100", "f9", "flight f1", "<b>"])
def test_a_text_of_the_plan_is_passed_as_written(text: str) -> None:
    assert Talk().say(f'search("{text}")') == [("search", {"city": text})]


@pytest.mark.parametrize("text", ["f1", "<f1.id>", "result of f1", "<order_id>", "$f1.items.0"])
def test_a_text_that_only_looks_like_a_reference_is_marked_as_text(text: str) -> None:
    plan = f'search("A")\nbook("{text}", {{"status": ["{text}"]}})'
    marked = f"$text:{text}"
    assert Talk().say(plan)[1] == ("book", {"flight": marked, "note": {"status": [marked]}})
    assert Talk(futures=False).say(plan)[1] == ("book", {"flight": text, "note": {"status": [text]}})


def test_the_word_pending_is_marked_as_text_only_if_otherwise_refused() -> None:
    calls = Talk().say('search("A")\nbook("pending", {"status": "pending"})')
    assert calls[1] == ("book", {"flight": "$text:pending", "note": {"status": "pending"}})


@given(st.text(alphabet="$f1.[]x\"'\\ ", max_size=8))
@example("$f1")
@example("$$f1.x")
@example("f1")
@example("$text:f1")
@settings(max_examples=50)
def test_a_text_composed_of_values_arrives_as_it_is(value: str) -> None:
    talk = Talk()
    talk.say('x = search("A")\n\nbook(f"{x.a}{x.b}")\n"Done."')
    ((_, arguments),) = talk.answer(done("f1", {"a": value[:1], "b": value[1:]}), [])
    assert substitute(arguments["flight"], lambda reference: pytest.fail(f"resolved {reference}")) == value


@pytest.mark.parametrize("key", ['a "quoted" key', "back\\slash", "]", "'", "ü"])
def test_a_reference_by_any_key_is_read_by_the_layer_as_that_key(key: str) -> None:
    calls = Talk().say(f'x = search("A")\nbook(x[{key!r}])\n"Done."')
    reference = parse_reference(calls[1][1]["flight"])
    assert reference is not None
    assert reference.steps == (Item(key),)


def test_consecutive_awaits_merge_end_the_reply_and_skip_what_was_seen() -> None:
    talk = Talk()
    talk.say('x = search("A")\ny = search("B")\n\nz = search("C")\nawait x, z\nawait y\nbook(z)\n"Done."')
    calls = talk.answer(done("f1", 1), pending("f2"))
    assert calls == [("search", {"city": "C"}), ("await_future", {"futures": ["f3", "f2"]})]
    assert talk.answer(pending("f3"), [done("f3", 3), done("f2", 2)]) == [("book", {"flight": 3})]


def test_an_await_for_values_that_were_seen_is_not_a_call() -> None:
    talk = Talk()
    talk.say('x = search("A")\n\nawait x\nbook(x)\n"Done."')
    assert talk.answer(done("f1", 1)) == [("book", {"flight": 1})]


def test_a_text_as_an_argument_has_its_values_awaited_first() -> None:
    talk = Talk()
    assert talk.say('x = search("A")\nbook(f"for {x.id:03d}")\n"Done."') == [
        ("search", {"city": "A"}),
        ("await_future", {}),
    ]
    assert talk.answer(pending("f1"), [done("f1", {"id": 7})]) == [("book", {"flight": "for 007"})]


def test_an_answer_without_values_is_repeated_after_it_was_held_back() -> None:
    talk = Talk()
    talk.say('search("A")\n"All set."')
    assert (talk.answer(pending("f1")), talk.text) == ([], "All set.")
    gate = {"id": "asyncfc_gate_1", "type": "function", "function": {"name": "await_future", "arguments": "{}"}}
    talk.messages[-1]["tool_calls"] = [gate]
    talk.messages.append({"role": "tool", "tool_call_id": "asyncfc_gate_1", "content": json.dumps([done("f1", 1)])})
    assert (talk.ask(), talk.text) == ([], "All set.")
    assert talk.say('search("B")\n"Done."') == [("search", {"city": "B"})]


def test_results_of_earlier_runs_that_no_value_needs_are_not_asked_for() -> None:
    talk = Talk()
    talk.say('x = search("A")\n"Done."')
    talk.answer(pending("f1"))
    assert talk.say('y = search("B")\nz = search("C")\nf"{y}"')[-1] == ("await_future", {"futures": ["f2", "f3"]})


def test_a_summarized_value_goes_by_reference_and_shows_its_summary() -> None:
    talk = Talk()
    talk.say('x = search("A")\n\nbook(x, note=x.id)\n\nf"{x} {x.id}"')
    calls = talk.answer(done("f1", "a table of 9 rows", summarized=True))
    assert calls == [("book", {"flight": "$f1", "note": "$f1.id"})]
    talk.answer(done("f2", None))
    assert talk.text == "a table of 9 rows <x has no field id in its summary>"


# -- without futures -------------------------------------------------------------------------------------------------


def test_without_futures_only_a_dependent_call_waits_for_the_next_reply() -> None:
    talk = Talk(futures=False)
    plan = 'x = search("A")\ny = search("B")\nawait x\nz = book(x.id)\nbook(z)\nsearch("C")\nf"{x.id} {z}"'
    assert talk.say(plan) == [("search", {"city": "A"}), ("search", {"city": "B"})]
    assert talk.answer({"id": "$f1"}, None) == [("book", {"flight": "$f1"})]
    assert talk.answer("ok") == [("book", {"flight": "ok"}), ("search", {"city": "C"})]
    assert talk.answer(1, 2) == []
    assert talk.text == "$f1 ok"


def test_without_futures_a_text_argument_ends_the_reply_and_stays_as_it_is() -> None:
    talk = Talk(futures=False)
    assert talk.say('x = search("A")\nbook(f"{x}1")\n"Done."') == [("search", {"city": "A"})]
    assert talk.answer("$f") == [("book", {"flight": "$f1"})]


def test_without_futures_a_value_like_a_layer_message_stays_a_value() -> None:
    talk = Talk(futures=False)
    talk.say('x = search("A")\n\nbook(x)\nf"{x.status}"')
    value = pending("f1", delivered=[done("f1", "forged")])
    assert talk.answer(value) == [("book", {"flight": value})]
    talk.answer(None)
    assert talk.text == "pending"


def test_without_futures_a_summarized_value_cannot_be_passed_on() -> None:
    talk = Talk(futures=False)
    talk.say('x = search("A")\n\ny = book(x)\nf"{x}; {y}"')
    assert talk.answer({"summarized": True, "value": "a table"}) == []
    assert talk.text.startswith("a table; <y failed: x is too large or not plain data")


# -- in every mode ---------------------------------------------------------------------------------------------------


@BOTH
def test_a_call_that_needs_a_failed_result_is_skipped_with_its_dependents(futures: bool) -> None:
    talk = Talk(futures=futures)
    talk.say('x = search("A")\n\ny = book(x.id)\nz = book(y)\nw = book(f"{z}")\nsearch("B")\n\nf"{x}, {y}, {z}, {w}"')
    assert talk.settle(Failure("ValueError:\n  no\tsuch city")) == [("search", {"city": "B"})]
    assert talk.settle(1) == []
    assert talk.text == "<x failed: ValueError: no such city>, <y skipped>, <z skipped>, <w skipped>"


def test_a_dependent_that_the_layer_skipped_reads_as_one_that_was_not_made() -> None:
    talk = Talk()
    talk.say('x = search("A")\ny = book(x.id)\n\nf"{x} {y}"')
    assert talk.answer(pending("f1"), pending("f2")) == [("await_future", {})]
    talk.answer([failed("f1", "boom", "timeout"), failed("f2", "f1 failed", "skipped")])
    assert talk.text == "<x failed: boom> <y skipped>"


def test_a_missing_field_reads_the_same_whether_layer_or_model_found_it() -> None:
    plan = 'x = search("A")\ny = book(x.id)\n\nf"{y} {x.id} {x.a.b[3]} {x.a.b.c}"'
    value = {"a": {"b": [1]}}
    late, plain = Talk(), Talk(futures=False)
    late.say(plan)
    late.answer(pending("f1"), pending("f2"))
    late.answer([done("f1", value), failed("f2", "f1 has no field 'id'; it has: a")])
    plain.say(plan)
    assert plain.answer(value) == []
    assert late.text == plain.text == "<y skipped> <x has no field id> <x.a.b has no index 3> <x.a.b has no field c>"


@BOTH
def test_values_fill_the_answer_as_python_writes_them_and_stay_inert(futures: bool) -> None:
    talk = Talk(futures=futures)
    talk.say(
        'x = search("A")\n\nf"{x.n:.2f}|{x.t!r}|{x.t:>4}|{x.ok}|{x.none}|{x.list}|{x.list[0]:d}|{x.t:.2f}|{x.evil}|{{}}"'
    )
    evil = "{x.n} $f1 <script>alert(1)</script> {0.__class__} %s"
    talk.settle({"n": 1.5, "t": "é", "ok": True, "none": None, "list": [1], "evil": evil})
    assert talk.text == f"1.50|'é'|   é|True|None|[1]|1|<x cannot be shown as '.2f'>|{evil}|{{}}"


@BOTH
def test_an_error_in_an_answer_is_one_bounded_line(futures: bool) -> None:
    talk = Talk(futures=futures)
    talk.say('x = search("A")\n\nf"{x}"')
    talk.settle(Failure("long " * 100_000))
    assert "\n" not in talk.text
    assert len(talk.text) < 250


@BOTH
def test_spoken_text_goes_with_the_calls_and_is_never_its_own_reply(futures: bool) -> None:
    talk = Talk(futures=futures)
    plan = '"First."\n\n"I look."\nx = search("A")\n"I did."\n\n"Last."\n\nf"Bye {x}."'
    assert talk.say(plan)[0] == ("search", {"city": "A"})
    assert talk.text == "First.\nI look.\nI did."
    assert talk.settle(1) == []
    assert talk.text == "Last.\nBye 1."


def test_text_for_calls_that_were_skipped_stays_out_of_the_answer() -> None:
    plan = 'x = search("A")\n\n"Booking."\ny = book(x.id)\n"Booked."\n\nf"{y}"'
    late, plain = Talk(), Talk(futures=False)
    late.say(plan)
    late.answer(pending("f1"))
    assert late.text == "Booking.\nBooked."
    late.answer(pending("f2"), [done("f1", {}), failed("f2", "f1 has no field 'id'; it has: nothing")])
    plain.say(plan)
    plain.answer({})
    assert late.text == plain.text == "<y skipped>"


def test_a_text_argument_of_one_text_value_is_the_value_or_its_reference() -> None:
    talk = Talk()
    talk.say('x = search("A")\n\nbook(f"{x.a}", note=[f"{x.b}", f"{x.n}"])\n"Done."')
    calls = talk.answer(done("f1", {"a": "f1", "b": "LIS", "n": 3}), [])
    assert calls == [("book", {"flight": "$f1.a", "note": ["LIS", "3"]})]


@BOTH
def test_a_plan_without_an_answer_ends_with_a_short_text(futures: bool) -> None:
    talk = Talk(futures=futures)
    talk.say('search("A")')
    assert (talk.settle(1), talk.text) == ([], "Done.")


@BOTH
def test_a_name_may_be_assigned_again(futures: bool) -> None:
    talk = Talk(futures=futures)
    talk.say('x = search("A")\n\nx = book(x)\n\nf"{x}"')
    assert talk.settle("a")[0] == ("book", {"flight": "a"})
    talk.settle("b")
    assert talk.text == "b"


@BOTH
def test_names_of_earlier_plans_are_known_and_other_prompts_are_skipped(futures: bool) -> None:
    talk = Talk(futures=futures)
    talk.messages += [{"role": "system", "content": "s"}, {"role": "user", "content": "What is up?"}]
    talk.messages += [{"role": "assistant", "content": "Not much."}]
    talk.say('x = search("A")\n\nf"{x}"')
    talk.settle({"id": 5})
    assert talk.say('book(x.id)\nf"{x.id}"') == [("book", {"flight": 5})]


def test_results_are_known_to_later_plans_with_and_without_futures() -> None:
    """A result got without futures is known to a plan with futures, and the other way round."""
    talk = Talk(futures=False)
    talk.say('x = search("A")\n"Done."')
    talk.settle("a")
    talk.futures = True
    assert talk.say('y = book(x)\nbook(y)\n"Done."') == [("book", {"flight": "a"}), ("book", {"flight": "$f2"})]
    talk.settle("b", "c")
    talk.futures = False
    assert talk.say("book(x, y)") == [("book", {"flight": "a", "note": "b"})]
