"""The parts that each delta of a stream completes, and the final reply: for every stream of the corpus and many others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from asyncfc_jupyter.models.accumulator import Accumulator
from asyncfc_jupyter.models.base import Delta, Finish, ReasoningDelta, ReplyItem, TextDelta, Usage
from tests.models.test_accumulator import STREAMS, call
from tests.models.test_corpus import FILES, load, parse
from tests.suite.expected import Compare

STOP, CALLS, LENGTH = Finish(reason="stop"), Finish(reason="tool_calls"), Finish(reason="length")

#: Streams on either side of a rule, by the rule.
EDGES: dict[str, list[Delta]] = {
    "an id after the end of a call without one begins no call by itself": [
        call(0, None, "get", "{}"),
        call(0, "a"),
        CALLS,
    ],
    "an id after the end with a name begins a call": [call(0, None, "get", "{}"), call(0, "a", "put"), CALLS],
    "an id after the end with an object begins a call": [
        call(0, None, "get", "{}"),
        call(0, "a", None, '{"x": 1}'),
        CALLS,
    ],
    "an id after the end with blanks begins none": [call(0, None, "get", "{}"), call(0, "a", None, " \n"), CALLS],
    "a nameless call with an id that comes late": [call(0, None, None, "{}"), call(0, "a", "get"), CALLS],
    "another name before any arguments continues the call": [
        call(0, None, "get"),
        call(0, None, "_it"),
        call(0, None, None, "{}"),
    ],
    "another name after an empty piece is another call": [
        call(0, None, "get", ""),
        call(0, None, "put", '{"x": 1}'),
        CALLS,
    ],
    "the name again, then an object": [
        call(0, None, "get", "{}"),
        call(0, None, "get"),
        call(0, None, None, '{"x": 1}'),
        CALLS,
    ],
    "the name again, with the id": [
        call(0, "a", "get", "{}"),
        call(0, "a", "get"),
        call(0, "a", None, '{"x": 1}'),
        CALLS,
    ],
    "an object without a name begins none": [call(0, None, "get", "{}"), call(0, None, None, '{"x": 1}'), CALLS],
    "the name with something else than an object": [call(0, None, "get", "{}"), call(0, None, "get", "[1]"), CALLS],
    "the id comes between the arguments": [call(0, None, "get", '{"x"'), call(0, "a", None, ": 1}"), CALLS],
    "no index, and an unknown id": [
        call(None, "a", "get", "{"),
        call(None, "b", None, "}"),
        call(None, "a", None, "}"),
    ],
    "an index that is new without anything": [call(3), call(3, "", "", ""), call(3, "a", "get", "{}"), CALLS],
    "empty calls before one with arguments": [
        call(0, "a", "get"),
        call(1, "b", "put"),
        call(2, "c", "add", "{"),
        call(2, None, None, "}"),
    ],
    "empty calls, the end well": [call(0, "a", "get"), call(1, "b", "put"), CALLS],
    "empty calls, the end a limit": [call(0, "a", "get"), call(1, "b", "put"), LENGTH],
    "empty calls, filtered": [call(0, "a", "get"), Finish(reason="content_filter")],
    "empty calls, an end of the server's own": [call(0, "a", "get"), Finish(reason="whatever")],
    "a begun call, an end of the server's own": [call(0, "a", "get", "{"), Finish(reason="whatever")],
    "a call after an open one waits for it": [
        call(0, "a", "get", '{"x"'),
        call(1, "b", "put", "{}"),
        call(2, "c", "add", "{"),
        call(0, None, None, ": 1}"),
        call(2, None, None, "}"),
        CALLS,
    ],
    "a nameless call holds back the next until the end": [call(0, "a", None, "{}"), call(1, "b", "put", "{}"), CALLS],
    "a nameless call that is not closed": [call(0, "a", None, "{"), CALLS],
    "arguments that are an empty object": [call(0, "a", "get", {}), CALLS],
    "arguments that begin with blanks alone": [call(0, "a", "get", " \t\r\n"), call(0, None, None, "{}"), CALLS],
    "arguments that begin with a no-break space": [call(0, "a", "get", "\u00a0{}"), CALLS],
    "arguments that are a text": [call(0, "a", "get", '"x"'), call(0, None, None, "more"), CALLS],
    "braces in texts, escapes at the cuts": [
        call(0, "a", "get", '{"x": "\\'),
        call(0, None, None, '"}'),
        call(0, None, None, '\\\\", "y": "{"}'),
        CALLS,
    ],
    "nested objects": [call(0, "a", "get", '{"x": {"y": {}}'), call(0, None, None, "}"), CALLS],
    "constants that JSON lacks": [call(0, "a", "get", '{"x": NaN}'), call(1, "b", "get", '{"x": -Infinity}'), CALLS],
    "the object again, in other words": [call(0, "a", "get", '{"x": 1} {"x":1}'), CALLS],
    "the object again, with blanks": [call(0, "a", "get", '{"x": 1} \n{"x": 1} \n'), CALLS],
    "a trailing brace": [call(0, "a", "get", "{}}"), call(0, None, None, " }"), CALLS],
    "a name of 64 and one of 65 characters": [call(0, "a", "n" * 64, "{}"), call(1, "b", "n" * 64 + "m", "{}"), CALLS],
    "a name that servers refuse": [call(0, "a", "a.b c-d_é9", "{}"), CALLS],
    "ids that were used before": [
        call(0, "old", "get", "{}"),
        call(1, "call_1", "get", "{}"),
        call(2, None, "get", "{}"),
        CALLS,
    ],
    "half characters in every kind of text": [
        TextDelta(text="a\ud83d"),
        TextDelta(text="b"),
        ReasoningDelta(text="c\ud83d"),
        ReasoningDelta(text="\ud83d"),
        call(0, "a", "get", '{"x": "\ud83d'),
        call(0, None, None, 'y"}'),
        TextDelta(text="\ud83d"),
        STOP,
    ],
    "reasoning under a field, then under none": [
        ReasoningDelta(text="H", field="reasoning"),
        ReasoningDelta(text="m"),
        ReasoningDelta(text=""),
        TextDelta(text="a"),
        STOP,
    ],
    "reasoning under two fields": [ReasoningDelta(text="H", field="a"), ReasoningDelta(text="m", field="b"), STOP],
    "items override reasoning": [
        ReasoningDelta(text="H", field="a"),
        ReplyItem(item={"type": "message"}),
        ReplyItem(item={"type": "reasoning"}),
        STOP,
    ],
    "the last reason and the last usage count": [
        STOP,
        LENGTH,
        Usage(input_tokens=1, output_tokens=2),
        Usage(input_tokens=3, output_tokens=4),
    ],
    "nothing at all": [],
}


def shown(delta: object) -> str:
    """A delta or part without its empty fields."""
    fields = ((name, getattr(delta, name)) for name in delta.__dataclass_fields__)  # type: ignore[attr-defined]
    given = ", ".join(f"{name}={value!a}" for name, value in fields if value not in (None, ()) and value is not False)
    return f"{type(delta).__name__}({given})"


def traced(deltas: Iterable[Delta]) -> Iterator[str]:
    """Yield each delta with the parts that it completed, and then the reply."""
    accumulator = Accumulator("call_", taken={"old", "call_2"})
    for delta in deltas:
        parts = accumulator.feed(delta)
        yield f"  {shown(delta)}"
        yield from (f"    -> {shown(part)}" for part in parts)
    reply = accumulator.finish()
    assert accumulator.finish() is reply
    yield from (f"    -> {shown(part)}" for part in reply.parts)
    yield f"  {reply.text!a}, {reply.finish_reason}, {reply.usage}, {dict(reply.replay)}, calls: {accumulator.has_calls}"
    yield from (f"  {shown(made)}" for made in reply.calls)


def whole(streams: dict[str, Iterable[Delta]]) -> str:
    return "\n".join(line for name, deltas in streams.items() for line in (name, *traced(deltas)))


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_every_stream_of_the_corpus_completes_the_same_parts(api: str, expected: Compare) -> None:
    loaded = {path.stem: load(path) for path in FILES}
    streams = {name: list(parse(api, chunks)) for name, (head, chunks) in loaded.items() if head["api"] == api}
    expected(f"parts-of-the-corpus-{api}.txt", whole(streams))


def test_every_stream_on_either_side_of_a_rule_completes_the_same_parts(expected: Compare) -> None:
    expected("parts-by-rule.txt", whole({**{name: deltas for name, (deltas, _) in STREAMS.items()}, **EDGES}))


@pytest.mark.parametrize(("length", "kept"), [(1999, 1999), (2000, 2000), (2001, 2000)])
def test_two_thousand_characters_of_unreadable_arguments_are_kept(length: int, kept: int) -> None:
    for whole_text in ("{" + "x" * (length - 2) + "}", "{" + "x" * (length - 1)):
        accumulator = Accumulator("call_")
        parts = [*accumulator.feed(call(0, "a", "get", whole_text)), *accumulator.finish().parts]
        assert parts[-1].text == whole_text[:kept]


def test_two_thousand_characters_after_an_object_are_kept() -> None:
    for pieces in (["x" * 1999], ["x" * 2000], ["x" * 2001], ["x" * 1999, "yz"], ["x" * 2000, "y"]):
        accumulator = Accumulator("call_")
        accumulator.feed(call(0, "a", "get", "{}"))
        for piece in pieces:
            accumulator.feed(call(0, None, None, piece))
        assert accumulator.finish().parts[-1].text == "".join(pieces)[:2000]
