"""Calls that a model writes in its text: read as they are, wherever the text is cut; anything else stays text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.models.accumulator import Accumulator, CallClosedPart, CallMalformedPart
from asyncfc_jupyter.models.base import CallDelta, Finish, TextDelta
from asyncfc_jupyter.models.in_text.calls import OPENINGS, Offered, TextCalls, calls_at_end
from asyncfc_jupyter.models.in_text.reply_reader import ReplyReader
from tests.models.written_calls import ARGUMENTS, FORMATS, TEXTS, TOOLS, written

OFFERED = Offered(TOOLS)


def read(pieces):
    """The text and the calls in these pieces, as name and arguments."""
    calls = TextCalls(OFFERED)
    deltas = [*(delta for piece in pieces for delta in calls.feed(piece)), *calls.finish()]
    text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    return text, [(delta.name, delta.arguments) for delta in deltas if isinstance(delta, CallDelta)]


def cuts(text):
    """The text in pieces of each size, and cut in two at each character."""
    yield from ([text[at : at + size] for at in range(0, len(text), size)] for size in (1, 2, 3, 5, 16))
    yield from ([text[:at], text[at:]] for at in range(len(text) + 1))


@pytest.mark.parametrize("name", FORMATS)
def test_a_call_is_read_in_each_format_wherever_it_is_cut(name) -> None:
    for pieces in cuts(FORMATS[name]):
        text, calls = read(pieces)
        assert [(tool, json.loads(arguments)) for tool, arguments in calls] == [("get_weather", ARGUMENTS)]
        assert text == ("I look it up.\n" if name == "Gemma 3, after a text" else "")


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_without_a_call_stays_as_it_is_wherever_it_is_cut(name) -> None:
    for pieces in cuts(TEXTS[name]):
        assert read(pieces) == (TEXTS[name], [])
    assert calls_at_end(TEXTS[name], OFFERED)[0] == ()


#: Several calls, and text around them: the text that is left, and the tools.
SEVERAL = {
    "two with tags": (
        f"I look.\n<tool_call>\n{written()}\n</tool_call>\n<tool_call>\n{written('get_time')}\n</tool_call>\nDone.",
        "I look.\nDone.",
        ["get_weather", "get_time"],
    ),
    "two in a list": (f"[TOOL_CALLS][{written()}, {written('get_time')}]", "", ["get_weather", "get_time"]),
    "two with names": ("[TOOL_CALLS]get_time[ARGS]{}[TOOL_CALLS]get_weather[ARGS]{}", "", ["get_time", "get_weather"]),
    "two in Python": ("[get_time(city='a)b'), get_weather('Lisbon')]", "", ["get_time", "get_weather"]),
    "two without tags": (f"{written()}; {written('get_time')}", "", ["get_weather", "get_time"]),
    "two in one tag": (f"<tool_call>{written()}\n{written('get_time')}</tool_call>", "", ["get_weather", "get_time"]),
    "two in blocks": (
        f"```json\n{written()}\n```\n\n```json\n{written('get_time')}\n```",
        "",
        ["get_weather", "get_time"],
    ),
    "one that is not offered": (
        f"<tool_call>{written('rm')}</tool_call><tool_call>{written()}</tool_call>",
        f"<tool_call>{written('rm')}</tool_call>",
        ["get_weather"],
    ),
    "one after an opening in a sentence": (
        f"I use <tool_call> now: <tool_call>{written()}</tool_call>",
        "I use <tool_call> now: ",
        ["get_weather"],
    ),
    "a name that begins like another": (written("get_weather_of_all"), "", ["get_weather_of_all"]),
    "one that is no call, in a list": (f"[TOOL_CALLS][{written()}, {{}}]", "{}]", ["get_weather"]),
    "one after another that lacks a brace": (
        f"<tool_call>{written()[:-1]}</tool_call>\n<tool_call>{written('get_time')}</tool_call>",
        "",
        ["get_weather", "get_time"],
    ),
    "a text after a bare one": (f"{written()} is it.", "is it.", ["get_weather"]),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_calls_are_read_and_the_text_around_them_stays(name) -> None:
    whole, expected, tools = SEVERAL[name]
    for pieces in cuts(whole):
        text, calls = read(pieces)
        assert (text, [tool for tool, _ in calls]) == (expected, tools)


#: Calls of an offered tool that cannot be read.
BROKEN = {
    "cut off": '<tool_call>{"name": "get_weather", "arguments": {"city": "Lis',
    "a brace is missing": '<tool_call>{"name": "get_weather", "arguments": {"city": "Lisbon"}</tool_call>',
    "no JSON": '<tool_call>{"name": "get_weather", "arguments": {city: Lisbon}}</tool_call>',
    "quotes of Python": "<tool_call>{'name': 'get_weather', 'arguments': {'city': 'Lisbon'}}</tool_call>",
    "arguments are a word": '<tool_call>{"name": "get_weather", "arguments": "Lisbon"}</tool_call>',
    "arguments are a list": '<tool_call>{"name": "get_weather", "arguments": ["Lisbon"]}</tool_call>',
    "XML cut off": "<function=get_weather>\n<parameter=city>\nLis",
    "XML cut off in a tag": "<function=get_weather>\n<parameter=city>\nLisbon</param",
    "Python with a variable": "[get_weather(city=lisbon)]",
    "Python cut off": "[get_weather(city='Lis",
    "Python that is wrong": "[get_weather(city=)]",
    "a name cut off before the arguments": "[TOOL_CALLS]get_weather[ARGS]{",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_call_that_cannot_be_read_is_malformed_and_not_lost(name) -> None:
    for pieces in cuts(BROKEN[name]):
        reader = ReplyReader(Accumulator("call_", tools={"get_weather": True}), OFFERED)
        parts = [part for piece in pieces for part in reader.feed(TextDelta(text=piece))]
        reader.feed(Finish(reason="stop"))
        reply = reader.finish()
        (malformed,) = [part for part in (*parts, *reply.parts) if isinstance(part, CallMalformedPart)]
        assert (malformed.name, reply.text) == ("get_weather", "")
        assert malformed.problem
    # A text that holds the closing tag of a call is a text.
    arguments = {"city": "</tool_call> {"}
    assert read([f"<tool_call>{written(**arguments)}</tool_call>"]) == ("", [("get_weather", json.dumps(arguments))])


@pytest.mark.parametrize(
    "name", ["Hermes, Qwen", "Mistral, a name", "Llama 3, bare", "Qwen3-Coder", "Kimi K2", "Llama 4"]
)
def test_a_call_starts_when_it_closes_and_not_later(name) -> None:
    reader = ReplyReader(Accumulator("call_", tools={"get_weather": True}), OFFERED)
    whole = FORMATS[name]
    closes = (
        whole.index("</function>") + len("</function>")
        if "</function>" in whole
        else max(whole.rfind("}"), whole.rfind(")")) + 1
    )
    before = [part for piece in whole[: closes - 1] for part in reader.feed(TextDelta(text=piece))]
    assert not any(isinstance(part, CallClosedPart) for part in before)
    assert any(isinstance(part, CallClosedPart) for part in reader.feed(TextDelta(text=whole[closes - 1])))


def test_values_in_xml_have_the_types_of_their_parameters() -> None:
    values = {"city": "12", "days": "3", "unit": "null"}
    inside = "".join(f"<parameter={name}>\n{value}\n</parameter>\n" for name, value in values.items())
    (call,) = read([f"<function=get_weather>\n{inside}</function>"])[1]
    assert json.loads(call[1]) == {"city": "12", "days": 3, "unit": None}


def test_code_in_a_parameter_keeps_its_lines_and_tags() -> None:
    code = "  <b>\n\n</function>\n"
    (call,) = read([f"<function=get_weather>\n<parameter=city>\n{code}\n</parameter>\n</function>"])[1]
    assert json.loads(call[1]) == {"city": code}


@given(st.lists(st.text("abc \nxyz.#*é(){}\"'", min_size=1), max_size=12))
def test_a_text_without_marks_passes_piece_by_piece(pieces) -> None:
    calls = TextCalls(OFFERED)
    calls.feed("It is: ")
    assert [[delta.text for delta in calls.feed(piece)] for piece in pieces] == [[piece] for piece in pieces]


ELEMENTS = (
    written(),
    '{"name": "get_weather"',
    "<function=get_weather>",
    "<parameter=a>",
    "</parameter>",
    "</function>",
)
MARKS = st.sampled_from([*OPENINGS, *ELEMENTS, "```", "```json\n", "</tool_call>", "get_weather", *'{}"\\[]()\n `,x'])


@given(st.lists(MARKS, max_size=14), st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_any_mixture_of_marks_is_read_the_same_wherever_it_is_cut(marks, size) -> None:
    whole = "".join(marks)
    expected = read([whole])
    assert read([whole[at : at + size] for at in range(0, len(whole), size)]) == expected
    assert all(name in OFFERED.tools for name, _ in expected[1])
    if not expected[1]:
        assert expected[0] == whole


def test_a_head_that_names_no_offered_tool_is_passed_at_once() -> None:
    calls = TextCalls(OFFERED)
    passed = [[delta.text for delta in calls.feed(piece)] for piece in ("[TOOL_CALLS]get", "_we", "b ", "x")]
    assert passed == [[], [], ["[TOOL_CALLS]", "get_web "], ["x"]]
