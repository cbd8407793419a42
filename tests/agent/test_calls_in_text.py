"""Calls that a server sends as text: reported by default, and made where the user says so."""

import json
import re

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.core.events import CallIssued, CallStarted, FirstTokenArrived
from asyncfc_jupyter.models.in_text.calls import OPENINGS
from asyncfc_jupyter.models.in_text.formats import remedies, unread_note
from asyncfc_jupyter.models.profiles import PROFILES
from asyncfc_jupyter.testing import Calls, Says, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import new_answers, play, times
from tests.agent.strict_server import StrictModel
from tests.models.written_calls import FORMATS, TEXTS, written
from tests.whole_outputs import sections

WEATHER = FORMATS["Hermes, Qwen"]
#: The same without a reference.
PLAIN = WEATHER.replace("$f1.days", "3")


def weather_tools():
    made = []

    async def forecast() -> dict:
        """Say how far the forecast reaches."""
        return {"days": 3}

    async def get_weather(city: str, days: int = 0) -> str:
        """Weather of a city."""
        made.append((city, days))
        return f"rain in {city}"

    return made, tuple(make_tool(function, pure=True) for function in (forecast, get_weather))


@pytest.mark.parametrize("mode", ["async", "eager", "batch", "sequential"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_call_in_the_text_is_made_in_each_format_and_mode(name, mode) -> None:
    made, tools = weather_tools()
    whole = FORMATS[name] if mode == "async" else FORMATS[name].replace("$f1.days", "3")
    pieces = [Says(whole[at : at + 7]) for at in range(0, len(whole), 7)]
    run, model = play([Calls("forecast")], pieces, [Says("It rains.")], tools=tools, mode=mode, calls_in_text=True)
    assert (run.answer, run.note, made) == ("It rains.", "", [("Lisbon", 3)])
    said, answer = model.requests[2].messages[-2:]
    assert said["content"] == ("I look it up.\n" if name == "Gemma 3, after a text" else None)
    assert [call["function"]["name"] for call in said["tool_calls"]] == ["get_weather"]
    assert "rain in Lisbon" in answer["content"]


@pytest.mark.parametrize("name", FORMATS)
def test_without_the_option_nothing_is_called_and_the_user_learns_why(name) -> None:
    made, tools = weather_tools()
    run, model = play([Says(FORMATS[name])], tools=tools)
    assert (run.answer, made, len(model.requests)) == (FORMATS[name], [], 1)
    assert run.note.startswith("the server sent a call of get_weather as text (")
    assert run.note.endswith("; or have calls in the text read: --calls-in-text, or Agent(..., calls_in_text=True)")


@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if text.strip()])
@pytest.mark.parametrize("calls_in_text", [False, True])
def test_a_text_without_a_call_is_an_answer(name, calls_in_text) -> None:
    made, tools = weather_tools()
    run, model = play([Says(TEXTS[name])], tools=tools, calls_in_text=calls_in_text)
    assert (run.answer, run.note, made, len(model.requests)) == (TEXTS[name], "", [], 1)


def test_a_call_that_the_answer_only_mentions_is_not_reported() -> None:
    _, tools = weather_tools()
    assert play([Says(f"{WEATHER}\nis how I would ask.")], tools=tools)[0].note == ""
    assert play([Says(WEATHER)], tools=())[0].note == ""


def test_calls_in_the_text_start_while_the_reply_streams() -> None:
    _, tools = weather_tools()
    run, _ = play(
        [Says(PLAIN), Thinks(5), Says("I wait.")],
        [Says("Rain.")],
        tools=tools,
        calls_in_text=True,
    )
    assert times(run, CallStarted) == times(run, FirstTokenArrived)[:1]


def test_calls_in_text_and_of_the_server_have_futures_in_their_order() -> None:
    _, tools = weather_tools()
    run, _ = play(
        [
            Says(f"<tool_call>{written(city='Porto')}</tool_call>"),
            Calls("get_weather", {"city": "Faro"}),
            Says(PLAIN),
        ],
        [Says("Rain.")],
        tools=tools,
        calls_in_text=True,
    )
    issued = [stamped.event for stamped in run.trace if isinstance(stamped.event, CallIssued)]
    assert [(event.future, json.loads(event.arguments)["city"]) for event in issued] == [
        ("f1", "Porto"),
        ("f2", "Faro"),
        ("f3", "Lisbon"),
    ]


def test_a_malformed_call_in_the_text_is_explained_to_the_model() -> None:
    made, tools = weather_tools()
    broken = '<tool_call>{"name": "get_weather", "arguments": {"city": "Lisbon"}</tool_call>'
    run, model = play([Says(broken)], [Says(PLAIN)], [Says("Rain.")], tools=tools, calls_in_text=True)
    (answer,) = new_answers(model, 1).values()
    assert (
        "the arguments of get_weather cannot be read: the reply ended before its arguments were complete"
        in answer["error"]
    )
    assert (run.answer, made) == ("Rain.", [("Lisbon", 3)])


def test_a_reply_cut_off_in_a_call_starts_nothing() -> None:
    made, tools = weather_tools()
    run, _ = play([Says("<tool_call>" + written()[:-4])], [Says("Rain.")], tools=tools, calls_in_text=True)
    assert (run.answer, made) == ("Rain.", [])


def test_calls_in_reasoning_and_in_results_of_tools_are_not_made() -> None:
    made, tools = weather_tools()

    async def read_page() -> str:
        """Read a page that a stranger wrote."""
        return PLAIN

    thought = f"<think>I could {WEATHER}</think>"
    run, _ = play(
        [Says(thought), Calls("read_page")],
        [Says("The page holds a call.")],
        tools=(*tools, make_tool(read_page, pure=True)),
        calls_in_text=True,
    )
    assert (run.answer, made) == ("The page holds a call.", [])


def test_a_withdrawn_reasoning_withdraws_the_beginning_of_a_call_in_it() -> None:
    _, tools = weather_tools()
    run, _ = play([Says('I could <tool_call>{"name": "get_wea\n</think>\n\nRain.')], tools=tools, calls_in_text=True)
    assert run.answer == "Rain."


def test_a_recording_holds_what_the_server_sent_and_replays_the_same(tmp_path) -> None:
    made, tools = weather_tools()
    whole = f"<think>hm</think>{WEATHER.replace('$f1.days', '3')}"
    cassette = tmp_path / "talk.jsonl"
    model = StrictModel([Says(whole)], [Says("Rain.")])
    run_virtually(Agent(model, tools=tools, calls_in_text=True, record=cassette).run("go"))
    recorded = [json.loads(line) for line in cassette.read_text(encoding="utf-8").splitlines()]
    assert any(
        whole in json.dumps(line, ensure_ascii=False).replace('\\"', '"').replace("\\n", "\n") for line in recorded
    )
    again = run_virtually(
        Agent("scripted", tools=tools, calls_in_text=True, replay=cassette, speed="instant").run("go")
    )
    assert (again.answer, made) == ("Rain.", [("Lisbon", 3), ("Lisbon", 3)])


def test_the_note_names_the_remedy_of_each_server(expected) -> None:
    forms = ("json", "xml", "glm", "python", "json in a block")
    notes = [("no server is named", unread_note(["get_weather"], "<tool_call>", "json"))]
    notes += [
        (f"the server {name}", unread_note(["get_weather", "get_time", "get_time"], "<tool_call>", "json", name))
        for name in PROFILES
    ]
    parsers = []
    for opening in (*OPENINGS, "<function=", "<invoke name=", "JSON", "```json", "```tool_code"):
        by_form = dict.fromkeys(" or ".join(re.findall("parser ([^ ,]+)", remedies(opening, form))) for form in forms)
        parsers.append((f"parsers of {opening}", ", ".join(by_form)))
    expected("unread-calls.txt", sections([*notes, *parsers]))
