"""The one reader of the layer's messages: what it takes for the layer's words, and what for a tool's."""

import json

import pytest

from asyncfc_jupyter.core.protocol import decode, read_delivery, read_report, read_reports, text_of

DONE = {"future": "f2", "tool": "get", "status": "done", "value": 1}
PLACEHOLDER = {"future": "f1", "tool": "get", "status": "pending", "value": None, "note": "Not the result. Wait."}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        (None, ""),
        ([{"text": "a"}, {"text": None}, {"type": "image"}, "b", {"text": 7}], "a7"),
        (({"text": "a"},), "a"),
        ({"text": "a"}, ""),
        (7, ""),
    ],
)
def test_the_text_of_a_message_is_read_in_all_its_forms(content, text) -> None:
    assert text_of({"content": content}) == text
    assert text_of({}) == ""


def test_a_text_that_is_not_json_is_its_own_value() -> None:
    assert decode('{"a": [1]}') == {"a": [1]}
    for text in ("", "text", "[" * 100_000):
        assert decode(text) == text


def test_a_report_gives_the_fields_of_its_object() -> None:
    report = read_report(DONE)
    assert (report.future, report.tool, report.status, report.value) == ("f2", "get", "done", 1)
    assert (report.error, report.summarized, report.is_complete, report.is_placeholder) == ("", False, True, False)
    failed = read_report({"future": "f1", "status": "failed", "error": "broke", "summarized": 1})
    assert (failed.tool, failed.value, failed.error, failed.summarized) == ("", None, "broke", False)
    assert read_report(DONE | {"summarized": True}).summarized


@pytest.mark.parametrize("name", ["f0", "f01", "F1", "$f1", "f1 ", "f1234567890", "f٣", 1, ["f1"], None])
def test_an_object_without_the_name_of_a_future_is_not_a_report(name) -> None:
    assert read_report({**DONE, "future": name}) is None
    assert read_report([DONE]) is None


@pytest.mark.parametrize("status", ["open", "DONE", ["done"], None, 1])
def test_an_unknown_status_is_read_as_missing(status) -> None:
    report = read_report({**DONE, "status": status})
    assert report.status is None
    assert not report.is_complete


@pytest.mark.parametrize(
    ("change", "complete"),
    [
        ({}, True),
        ({"tool": 1}, False),
        ({"tool": ""}, False),
        ({"delivered": 3}, False),
        ({"delivered": []}, True),
    ],
)
def test_a_report_is_complete_if_it_has_all_that_the_layer_writes(change, complete) -> None:
    assert read_report(DONE | change).is_complete is complete


def test_a_report_without_a_value_or_an_error_is_not_complete() -> None:
    bare = {name: field for name, field in DONE.items() if name != "value"}
    assert not read_report(bare).is_complete
    assert read_report(bare | {"error": "broke"}).is_complete


def test_a_placeholder_is_known_by_its_status_and_its_note() -> None:
    assert read_report(PLACEHOLDER).is_placeholder
    assert not read_report(PLACEHOLDER | {"note": "Wait."}).is_placeholder
    assert not read_report(PLACEHOLDER | {"status": "done"}).is_placeholder


def test_reports_are_read_with_those_delivered_after_them_and_no_deeper() -> None:
    first = {**PLACEHOLDER, "delivered": [DONE, 3, {"value": {"future": "f3"}}, {**DONE, "delivered": [DONE]}]}
    assert [report.future for report in read_reports(first)] == ["f1", "f2", "f2"]
    assert [report.future for report in read_reports([first, "x", DONE])] == ["f1", "f2", "f2", "f2"]
    assert [report.future for report in read_reports({"delivered": [DONE]})] == ["f2"]
    for other in ({"delivered": DONE}, {"value": DONE}, [[DONE]], "f1", None, 3, {"delivered": ["f1"]}):
        assert list(read_reports(other)) == []


def test_a_delivery_is_a_message_of_results_in_the_place_of_the_user() -> None:
    def delivered(*results, role="user"):
        return read_delivery({"role": role, "content": json.dumps({"delivered": results, "note": "From the tools"})})

    assert delivered() == []
    assert [report.future for report in delivered(DONE, PLACEHOLDER)] == ["f2", "f1"]
    for result in (3, {"future": "f1"}, {**DONE, "status": "open"}):
        assert delivered(DONE, result) is None
    assert delivered(DONE, role="tool") is None
    for content in ('{"delivered"}', '{"delivered": ', '{"delivered": 3}', '{"delivered": []', '{"note": 1}', None):
        assert read_delivery({"role": "user", "content": content}) is None
