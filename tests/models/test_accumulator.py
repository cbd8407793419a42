"""The accumulator: every stream whole, one character at a time and split at every point gives the same reply."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.models.accumulator import (
    Accumulator,
    CallClosedPart,
    CallMalformedPart,
    CallOpenedPart,
    Part,
    Reply,
    ReplyCall,
    TextPart,
)
from asyncfc_jupyter.models.base import CallDelta, Delta, Finish, ReplyItem, TextDelta, Usage
from tests.lines_run import lines_run

STOP, CALLS, LENGTH = Finish(reason="stop"), Finish(reason="tool_calls"), Finish(reason="length")
TRICKY = {"text": 'a "quoted" } brace \\ and {', "nested": {"empty": {}, "list": [{"k": "}"}]}, "emoji": "é🙂"}
TRICKY_JSON = json.dumps(TRICKY, ensure_ascii=False)
ESCAPED_JSON = json.dumps(TRICKY)


def call(index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: Any = None) -> Delta:
    return CallDelta(index=index, call_id=call_id, name=name, arguments=arguments)


def accumulate(deltas: Iterable[Delta]) -> tuple[list[Part], Reply]:
    """All parts in order, with neighbouring texts joined, and the reply without the parts of its end."""
    accumulator, parts = Accumulator("call_"), list[Part]()
    for delta in deltas:
        parts += accumulator.feed(delta)
    reply = accumulator.finish()
    joined: list[Part] = []
    for part in [*parts, *reply.parts]:
        if isinstance(part, TextPart) and joined and isinstance(joined[-1], TextPart):
            joined[-1] = TextPart(text=joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined, dataclasses.replace(reply, parts=())


def closed(call_id: str, name: str, arguments: dict[str, Any]) -> list[Part]:
    return [
        CallOpenedPart(call_id=call_id, name=name),
        CallClosedPart(call_id=call_id, name=name, arguments=arguments),
    ]


def meaning(deltas: Iterable[Delta]) -> tuple[list[Part], Reply]:
    """The meaning of a stream: openings before ends, because smaller pieces can show a call's name a little earlier."""
    parts, reply = accumulate(deltas)
    return sorted(parts, key=lambda part: not isinstance(part, CallOpenedPart)), reply


ONE = [*closed("a", "get", TRICKY)]
TWO = [*closed("a", "get", {"x": 1}), *closed("b", "put", {"y": 2})]
UNNAMED_TWO = [*closed("call_1", "get", {"x": 1}), *closed("call_2", "get", {"y": 2})]

#: Streams as servers send them, each with its calls.
STREAMS: dict[str, tuple[list[Delta], list[Part]]] = {
    "text alone": ([TextDelta(text="It is 12° 🙂."), STOP], [TextPart(text="It is 12° 🙂.")]),
    "the form in the books": (
        [call(0, "a", "get", ""), call(0, arguments=TRICKY_JSON[:9]), call(0, arguments=TRICKY_JSON[9:]), CALLS],
        ONE,
    ),
    "all arguments in one delta": ([call(0, "a", "get", ESCAPED_JSON), CALLS], ONE),
    "arguments as an object": ([call(0, "a", "get", TRICKY), CALLS], ONE),
    "an empty object that opens a call": (
        [call(0, "a", "get", {}), call(0, arguments=TRICKY_JSON), CALLS],
        ONE,
    ),
    "finish reason stop with calls": ([call(0, "a", "get", TRICKY_JSON), STOP], ONE),
    "a new id on the index in use": (
        [call(0, "a", "get", '{"x": 1}'), call(0, "b", "put", '{"y": 2}'), CALLS],
        TWO,
    ),
    "the id in every delta": (
        [call(0, "a", "get", '{"x"'), call(0, "a", None, ": 1}"), call(1, "b", "put", '{"y": 2}'), CALLS],
        TWO,
    ),
    "no index": (
        [call(None, "a", "get", '{"x"'), call(arguments=": 1}"), call(None, "b", "put", '{"y": 2}'), CALLS],
        TWO,
    ),
    "no index, by id": (
        [call(None, "a", "get"), call(None, "b", "put"),
         call(None, "a", None, '{"x": 1}'), call(None, "b", None, '{"y": 2}')],
        [CallOpenedPart(call_id="a", name="get"), CallClosedPart(call_id="a", name="get", arguments={"x": 1}),
         CallOpenedPart(call_id="b", name="put"), CallClosedPart(call_id="b", name="put", arguments={"y": 2})],
    ),
    "no ids": ([call(0, None, "get", '{"x": 1}'), call(1, "", "get", '{"y": 2}'), CALLS], UNNAMED_TWO),
    "no ids, one index": ([call(0, None, "get", '{"x": 1}'), call(0, None, "get", '{"y": 2}'), CALLS], UNNAMED_TWO),
    "no ids, no indexes": ([call(None, None, "get", '{"x": 1}'), call(None, None, "get", '{"y": 2}')], UNNAMED_TWO),
    "no ids, other names on one index": (
        [call(0, None, "get", '{"x": 1}'), call(0, None, "put", '{"y": 2}'), CALLS],
        [*closed("call_1", "get", {"x": 1}), *closed("call_2", "put", {"y": 2})],
    ),
    "the name in every delta": (
        [call(0, "a", "get", '{"x"'), call(0, None, "get", ": 1}"), call(0, None, "get", " \n"), CALLS],
        closed("a", "get", {"x": 1}),
    ),
    "the name late": ([call(0, "a", None, TRICKY_JSON), call(0, None, "get"), CALLS], ONE),
    "the name in pieces": ([call(0, "a", "g"), call(0, None, "et"), call(0, None, None, TRICKY_JSON)], ONE),
    "the name growing": ([call(0, "a", "g"), call(0, None, "get"), call(0, None, None, TRICKY_JSON)], ONE),
    "the id late": ([call(0, None, "get"), call(0, "a", None, TRICKY_JSON), CALLS], ONE),
    "no arguments": ([call(0, "a", "get", ""), CALLS], closed("a", "get", {})),
    "no arguments, then a call with some": (
        [call(0, "a", "get", ""), call(1, "b", "put", '{"y": 2}'), CALLS],
        [CallOpenedPart(call_id="a", name="get"), CallOpenedPart(call_id="b", name="put"),
         CallClosedPart(call_id="a", name="get", arguments={}), CallClosedPart(call_id="b", name="put", arguments={"y": 2})],
    ),
    "whitespace around the object": ([call(0, "a", "get", f" \n{TRICKY_JSON}\n "), CALLS], ONE),
    "the object again": ([call(0, "a", "get", TRICKY_JSON), call(0, "a", "get", TRICKY_JSON), CALLS], ONE),
    "a whole call again on the next index": (
        [call(0, "a", "get", ""), call(0, arguments=TRICKY_JSON), call(1, "a", "get", TRICKY_JSON), CALLS], ONE,
    ),
    "a whole call again, then another": (
        [call(0, "a", "get", '{"x": 1}'), call(1, "a", "get", '{"x":1.0}'), call(2, "b", "put", '{"y": 2}'), CALLS], TWO,
    ),
    "an id of its own in each delta": (
        [call(0, "a", "get", '{"x"'), call(0, "a2", None, ": 1}"),
         call(0, "b", "put", '{"y"'), call(0, "b2", None, ": 2}"), CALLS],
        TWO,
    ),
    "the name and the arguments on two indexes": (
        [call(0, "a", "get"), call(1, None, None, TRICKY_JSON), CALLS], ONE,
    ),
    "the name and the arguments on two indexes, with the id": (
        [call(0, "a", "get"), call(1, "a", None, TRICKY_JSON), CALLS], ONE,
    ),
    "the name with the id twice, and the arguments on the second index": (
        [call(0, "a", "get", ""), call(1, "a", "get", ""), call(1, None, None, TRICKY_JSON), CALLS], ONE,
    ),
    "equal calls with two ids": (
        [call(0, "a", "get", '{"x": 1}'), call(1, "b", "get", '{"x": 1}'), CALLS],
        [*closed("a", "get", {"x": 1}), *closed("b", "get", {"x": 1})],
    ),
    "equal calls without ids on two indexes": (
        [call(0, None, "get", '{"x": 1}'), call(1, "", "get", '{"x": 1}'), CALLS],
        [*closed("call_1", "get", {"x": 1}), *closed("call_2", "get", {"x": 1})],
    ),
    "equal calls without ids on one index": (
        [call(0, None, "get", '{"x": 1}'), call(0, None, "get", '{"x": 1}'), CALLS], closed("call_1", "get", {"x": 1}),
    ),
    "one id for all calls": (
        [call(0, "a", "get", '{"x": 1}'), call(1, "a", "get", '{"x": 2}'), CALLS],
        [*closed("a", "get", {"x": 1}), *closed("call_1", "get", {"x": 2})],
    ),
    "an empty object before the arguments": (
        [call(0, "a", "get", "{}"), call(0, arguments=TRICKY_JSON), CALLS], ONE,
    ),
    "an empty object alone": ([call(0, "a", "get", "{}"), CALLS], closed("a", "get", {})),
    "an object that grows": ([call(0, "a", "get", {"text": 1}), call(0, arguments=TRICKY), CALLS], ONE),
    "arguments inside a text": ([call(0, "a", "get", json.dumps(TRICKY_JSON)), CALLS], ONE),
    "an empty object inside a text": ([call(0, "a", "get", json.dumps("{}")), CALLS], closed("a", "get", {})),
    "arguments of the second call before those of the first": (
        [call(0, "a", "get", ""), call(1, "b", "put", ""), call(1, arguments='{"y": 2}'), call(0, arguments='{"x": 1}'), CALLS],
        [CallOpenedPart(call_id="a", name="get"), CallOpenedPart(call_id="b", name="put"),
         CallClosedPart(call_id="a", name="get", arguments={"x": 1}),
         CallClosedPart(call_id="b", name="put", arguments={"y": 2})],
    ),
    "a call without an id that gets one when it is repeated": (
        [call(0, None, "get", '{"x": 1}'), call(0, "a", "get", '{"x": 1}'), call(1, "a", "get", '{"x": 1}'), CALLS],
        closed("call_1", "get", {"x": 1}),
    ),
    "everything again at the end": (
        [call(0, "a", "get", '{"x": 1}'), call(1, "b", "put", '{"y": 2}'),
         call(0, "a", "get", '{"x": 1}'), call(1, "b", "put", '{"y": 2}'), CALLS],
        TWO,
    ),
    "usage after the end": ([call(0, "a", "get", TRICKY_JSON), CALLS, Usage(input_tokens=9, output_tokens=4)], ONE),
    "text before and after a call": (
        [TextDelta(text="So: "), call(0, "a", "get", TRICKY_JSON), TextDelta(text="done"), STOP],
        [TextPart(text="So: "), *ONE, TextPart(text="done")],
    ),
    "empty deltas": ([TextDelta(text=""), call(), call(0, "", "", ""), call(0, "a", "get", TRICKY_JSON), call(0)], ONE),
    "a character cut in two": (
        [TextDelta(text="\ud83d"), TextDelta(text="\ude42!"), TextDelta(text="\ud83d")],
        [TextPart(text="🙂!\ufffd")],
    ),
    "a character of the arguments cut in two": (
        [call(0, "a", "get", '{"x": "\ud83d'), call(0, arguments='\ude42"}')],
        closed("a", "get", {"x": "🙂"}),
    ),
}  # fmt: skip


def split_at(delta: Delta, at: int) -> list[Delta]:
    if isinstance(delta, TextDelta):
        return [TextDelta(text=delta.text[:at]), TextDelta(text=delta.text[at:])]
    assert isinstance(delta, CallDelta)
    assert isinstance(delta.arguments, str)
    rest = call(delta.index, arguments=delta.arguments[at:])
    return [dataclasses.replace(delta, arguments=delta.arguments[:at]), rest]


def text_of(delta: Delta) -> str:
    if isinstance(delta, TextDelta):
        return delta.text
    return delta.arguments if isinstance(delta, CallDelta) and isinstance(delta.arguments, str) else ""


def by_characters(deltas: list[Delta]) -> Iterator[Delta]:
    for delta in deltas:
        rest = delta
        while len(text_of(rest)) > 1:
            first, rest = split_at(rest, 1)
            yield first
        yield rest


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_means_its_calls_in_every_form(stream: str) -> None:
    parts, reply = accumulate(STREAMS[stream][0])
    assert parts == STREAMS[stream][1]
    ends = [part for part in parts if isinstance(part, CallClosedPart)]
    assert [(c.call_id, c.name, json.loads(c.arguments_json)) for c in reply.calls] == [
        (end.call_id, end.name, end.arguments) for end in ends
    ]
    assert reply.text == "".join(part.text for part in parts if isinstance(part, TextPart))


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_means_the_same_one_character_at_a_time(stream: str) -> None:
    assert meaning(by_characters(STREAMS[stream][0])) == meaning(STREAMS[stream][0])


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_means_the_same_split_at_every_point(stream: str) -> None:
    deltas = STREAMS[stream][0]
    whole = meaning(deltas)
    for place, delta in enumerate(deltas):
        for at in range(len(text_of(delta)) + 1 if text_of(delta) else 0):
            assert meaning([*deltas[:place], *split_at(delta, at), *deltas[place + 1 :]]) == whole, (place, at)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists), min_size=1
    ),
    st.data(),
)
def test_any_object_closes_at_its_last_character_and_not_before(arguments: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(arguments, ensure_ascii=data.draw(st.booleans()))
    cuts = sorted({0, len(text) - 1, *data.draw(st.lists(st.integers(0, len(text) - 1), max_size=8))})
    accumulator = Accumulator("call_")
    accumulator.feed(call(0, "a", "get", ""))
    for start, end in itertools.pairwise(cuts):
        assert accumulator.feed(call(0, arguments=text[start:end])) == ()
    assert accumulator.feed(call(0, arguments=text[-1])) == (
        CallClosedPart(call_id="a", name="get", arguments=arguments),
    )


def test_a_call_opens_with_its_name_and_closes_with_its_last_brace() -> None:
    """It closes before the reply ends."""
    accumulator = Accumulator("call_")
    assert accumulator.feed(call(0, "a", "get", "")) == (CallOpenedPart(call_id="a", name="get"),)
    assert accumulator.feed(call(0, arguments='{"x": {}')) == ()
    assert accumulator.feed(call(0, arguments="}")) == (CallClosedPart(call_id="a", name="get", arguments={"x": {}}),)


def test_interleaved_calls_close_in_the_order_in_which_they_opened() -> None:
    accumulator = Accumulator("call_")
    accumulator.feed(call(0, "a", "get", '{"x"'))
    assert accumulator.feed(call(1, "b", "put", '{"y": 2}')) == (CallOpenedPart(call_id="b", name="put"),)
    ends = accumulator.feed(call(0, arguments=": 1}"))
    assert [end.call_id for end in ends if isinstance(end, CallClosedPart)] == ["a", "b"]
    assert [c.call_id for c in accumulator.finish().calls] == ["a", "b"]


def test_a_reply_holds_usage_and_reason_even_if_they_come_after_the_end() -> None:
    """The reason is the one that the server gave."""
    _, reply = accumulate([TextDelta(text="x"), LENGTH, Usage(input_tokens=9, output_tokens=4)])
    assert reply == Reply(
        text="x", calls=(), finish_reason="length", usage=Usage(input_tokens=9, output_tokens=4), parts=()
    )
    assert accumulate([TextDelta(text="x")])[1].finish_reason == "cut"


@pytest.mark.parametrize(
    ("deltas", "problem"),
    [
        ([call(0, "a", "get", '{"x": 1'), LENGTH], "the reply was cut off (length) before its arguments were complete"),
        ([call(0, "a", "get", ""), LENGTH], "the reply was cut off (length) before its arguments were complete"),
        ([call(0, "a", "get", '{"x')], "the reply was cut off (cut) before its arguments were complete"),
        ([call(0, "a", "get", '{"x": "}'), CALLS], "the reply ended before its arguments were complete"),
        ([call(0, "a", "get", "{x: 1}"), CALLS], "its arguments are not valid JSON: Expecting property name"),
        ([call(0, "a", "get", '{"x": NaN}'), CALLS], "its arguments are not valid JSON: NaN is not a JSON value"),
        ([call(0, "a", "get", "{" + '"a":{' * 100_000 + "}" * 100_001), CALLS], "its arguments are nested too deeply"),
        ([call(0, "a", "get", "[1, {}]"), CALLS], "its arguments must be one JSON object, but they begin with '['"),
        ([call(0, "a", None, "{}"), CALLS], "it names no tool"),
    ],
)
def test_a_call_that_cannot_be_read_says_why_and_leaves_the_history_valid(deltas: list[Delta], problem: str) -> None:
    parts, reply = accumulate(deltas)
    malformed = parts[-1]
    assert isinstance(malformed, CallMalformedPart)
    assert malformed.problem.startswith(problem)
    assert len(malformed.text) <= 2000
    name = malformed.name or "unnamed"
    assert reply.calls == (ReplyCall(call_id="a", name=name, arguments_json="{}"),)


def test_broken_json_is_reported_when_it_closes_and_delays_no_other_call() -> None:
    accumulator = Accumulator("call_")
    parts = accumulator.feed(call(0, "a", "get", "{x}"))
    assert isinstance(parts[-1], CallMalformedPart)
    assert parts[-1].text == "{x}"
    closed_part = CallClosedPart(call_id="b", name="put", arguments={"y": 2})
    assert accumulator.feed(call(1, "b", "put", '{"y": 2}'))[-1] == closed_part


@pytest.mark.parametrize("trailing", ['{"x": 2}', "}", ', "y": 2}', "null"])
def test_text_after_a_closed_object_is_a_malformed_call_of_its_own(trailing: str) -> None:
    """It is reported at the end."""
    deltas = [call(0, "a", "get", '{"x": 1} ' + trailing), call(1, "b", "put", "{}"), CALLS]
    parts, reply = accumulate(deltas)
    assert parts[:2] == closed("a", "get", {"x": 1})
    assert parts[2:4] == closed("b", "put", {})
    assert isinstance(parts[-1], CallMalformedPart)
    assert (parts[-1].name, parts[-1].text) == ("get", trailing)
    assert [c.call_id for c in reply.calls] == ["a", "b", "call_1"]
    assert accumulate(by_characters(deltas)) == (parts, reply)


def test_junk_after_the_object_is_a_single_malformed_call() -> None:
    """It stays one however often the server repeats the name."""
    deltas = [call(0, None, "get", '{"x": 1}'), *[call(0, None, "get", piece) for piece in ("ju", "n", "k")], CALLS]
    parts, _ = accumulate(deltas)
    assert parts[:2] == closed("call_1", "get", {"x": 1})
    assert [(part.name, part.text) for part in parts if isinstance(part, CallMalformedPart)] == [("get", "junk")]


def test_an_id_used_before_in_the_reply_or_the_conversation_is_replaced() -> None:
    accumulator = Accumulator("call_", taken={"old", "call_1"})
    for index, call_id in enumerate(["old", "new", "new"]):
        accumulator.feed(call(index, call_id, "get", f'{{"x": {index}}}'))
    assert [c.call_id for c in accumulator.finish().calls] == ["call_2", "new", "call_3"]


def test_an_invalid_name_is_made_safe_in_the_history_and_kept_for_errors() -> None:
    """No server accepts such a name in the history."""
    parts, reply = accumulate([call(0, "a", "functions.get\n" + "x" * 99, "{}"), CALLS])
    assert isinstance(parts[1], CallClosedPart)
    assert parts[1].name.startswith("functions.get\n")
    assert reply.calls[0].name == ("functions_get_" + "x" * 99)[:64]


def test_a_text_that_grows_with_each_delta_is_the_last_one_at_the_end() -> None:
    growing = [call(0, "a", "get", TRICKY_JSON[:end]) for end in range(1, len(TRICKY_JSON) + 1, 7)]
    parts, reply = accumulate([*growing, call(0, "a", "get", TRICKY_JSON), call(0, "a", "get", TRICKY_JSON), CALLS])
    assert parts == ONE
    assert reply.calls[0].arguments_json == TRICKY_JSON


def test_a_piece_that_repeats_the_last_is_a_piece_where_that_is_json() -> None:
    parts, _ = accumulate([call(0, "a", "get", '{"a":'), call(0, arguments='{"a":1}'), call(0, arguments="}"), CALLS])
    assert parts == closed("a", "get", {"a": {"a": 1}})


def test_a_closed_call_is_issued_once_whatever_repeats_it_later() -> None:
    accumulator = Accumulator("call_")
    accumulator.feed(call(0, "a", "get", ""))
    issued = accumulator.feed(call(0, arguments='{"x": 1}'))
    assert [type(part) for part in issued] == [CallClosedPart], "while the reply continues"
    for again in (
        call(0, "a", "get", '{"x": 1}'),
        call(1, "a", "get", '{"x": 1}'),
        call(0, arguments='{"x": 1}'),
        CALLS,
    ):
        assert accumulator.feed(again) == ()
    assert accumulator.finish().parts == ()


def test_an_empty_object_closes_a_call_at_once_for_a_tool_without_any() -> None:
    accumulator = Accumulator("call_", tools={"ping": False, "get": True})
    parts = [*accumulator.feed(call(0, "a", "ping", "{}")), *accumulator.feed(call(1, "b", "get", "{}"))]
    assert [(type(part), part.call_id) for part in parts] == [
        (CallOpenedPart, "a"), (CallClosedPart, "a"), (CallOpenedPart, "b"),
    ]  # fmt: skip
    assert accumulator.feed(call(1, arguments='{"x": 1}'))[-1] == CallClosedPart(
        call_id="b", name="get", arguments={"x": 1}
    )


def test_a_call_without_parameters_closes_when_later_arguments_begin() -> None:
    accumulator = Accumulator("call_", tools={"ping": False, "get": True})
    assert accumulator.feed(call(0, "a", "ping", "")) == (CallOpenedPart(call_id="a", name="ping"),)
    parts = accumulator.feed(call(1, "b", "get", '{"x"'))
    assert parts[0] == CallClosedPart(call_id="a", name="ping", arguments={})


def test_a_name_that_begins_like_a_tool_is_opened_when_it_is_whole() -> None:
    accumulator = Accumulator("call_", tools={"get_all": True})
    assert accumulator.feed(call(0, "a", "get", "")) == ()
    assert accumulator.feed(call(0, None, "_all", "")) == (CallOpenedPart(call_id="a", name="get_all"),)


@pytest.mark.parametrize(
    "deltas",
    [
        [call(0, "a", "get"), call(1, "b", "put"), call(2, None, None, '{"x": 1}'), call(3, None, None, '{"y": 2}')],
        [call(0, "a", "get", '{"x":'), call(1, "a", "get", '{"y": 1}'), call(2, "a", "get", "}")],
        [call(0, "a", "get"), call(1, "a", "get", '{"x":'), call(2, "a", "get", '{"y": 1}'), call(3, "a", "get", "}")],
        [call(0, "a", "get", '{"x"'), call(1, "a", "get", '{"x": 1}')],
        [call(0, "a", "get", ""), call(0, "b", "get", ""), call(0, "c", "get", "{")],
    ],
)
def test_where_it_is_unclear_whose_arguments_they_are_nothing_runs(deltas: list[Delta]) -> None:
    parts, reply = accumulate([*deltas, CALLS])
    assert not [part for part in parts if isinstance(part, CallClosedPart)]
    assert [part.problem for part in parts if isinstance(part, CallMalformedPart)]
    assert all(made.arguments_json == "{}" for made in reply.calls)


def test_a_copy_longer_than_what_is_kept_of_unreadable_text_is_a_copy() -> None:
    long = json.dumps({"x": "y" * 5000})
    parts, _ = accumulate([call(0, "a", "get", long), call(0, arguments=long), CALLS])
    assert parts == closed("a", "get", {"x": "y" * 5000})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1", "1.0", True),
        ("1e2", "100", True),
        ("1", "true", False),
        ("1", '"1"', False),
        ("9007199254740993", "9007199254740992", False),
    ],
)
def test_numbers_are_equal_by_their_value_and_only_to_numbers(one: str, other: str, same: bool) -> None:
    calls = [call(0, "a", "get", f'{{"x": {one}}}'), call(1, "a", "get", f'{{"x": {other}}}'), CALLS]
    assert len(accumulate(calls)[1].calls) == (1 if same else 2)


def test_items_of_the_reply_name_its_calls_by_the_ids_that_are_used() -> None:
    items = [ReplyItem(item={"type": "reasoning"}), *[ReplyItem(item={"type": "function_call", "call_id": "old"})] * 2]
    accumulator = Accumulator("call_", taken={"old"})
    for delta in (call(0, "old", "get", '{"x": 1}'), call(1, "old", "get", '{"x": 2}'), *items, CALLS):
        accumulator.feed(delta)
    reply = accumulator.finish()
    named = [item["call_id"] for item in reply.replay["items"] if item["type"] == "function_call"]
    assert named == [made.call_id for made in reply.calls] == ["call_1", "call_2"]


def test_the_work_for_long_arguments_grows_linearly_with_their_length() -> None:
    def work(kilobytes: int) -> int:
        text = json.dumps({"x": '"{}\\' * (kilobytes * 1000 // 6)})
        pieces = [call(0, "a", "get", text[i : i + 16]) for i in range(0, len(text), 16)]
        return lines_run(lambda: accumulate(pieces))

    assert work(160) < 9 * work(20)


@pytest.mark.parametrize(
    "begun", [["{}"], ['{"x":'], ["", '{"x": 1}']], ids=["the first is empty", "the first stays open", "all open first"]
)
def test_the_work_for_many_calls_grows_linearly_with_their_number(begun: list[str]) -> None:
    def work(number: int) -> int:
        deltas = [call(0, "c0", "get", begun[0])]
        deltas += [call(n, f"c{n}", "get", '{"x": 1}' if len(begun) == 1 else begun[0]) for n in range(1, number)]
        deltas += [call(n, None, None, text) for text in begun[1:] for n in range(number)]
        return lines_run(lambda: accumulate([*deltas, CALLS]))

    assert work(400) < 2.2 * work(200)
