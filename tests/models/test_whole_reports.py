"""The doctor's whole report, as text and from a magic, for every kind of server; and its measurements, at each limit."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from asyncfc_jupyter.errors import ServerError
from asyncfc_jupyter.models import doctor
from asyncfc_jupyter.models.accumulator import ReplyCall
from asyncfc_jupyter.models.base import (
    CallDelta,
    ChatRequest,
    Delta,
    Finish,
    ReasoningDelta,
    ReplyItem,
    Retrying,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.catalog import Where
from asyncfc_jupyter.models.doctor import Examination, TimedReply, examine
from asyncfc_jupyter.models.doctor_report import AtOnce, Report, Seen
from asyncfc_jupyter.testing import run_virtually
from tests.models.test_doctor import NO_RESPONSES, plain, server_of
from tests.servers.response_script import call_item, reasoning_item, response, text_item
from tests.servers.scripted_server import HttpError, ScriptedServer, call_chunks, reply, text_chunks, usage_chunk
from tests.suite.expected import Compare

CITY = {"city": "Lisbon"}
SEEN = Seen(
    calls=2,
    forced=False,
    text_pieces=0,
    reasoning=False,
    argument_pieces=8,
    own_ids=2,
    indexes=[0, 1],
    usage=False,
    usage_when_asked=True,
    placeholder=True,
    native=False,
    first_token_s=0.125,
    tokens_per_s=17.5,
    references=True,
    text_calls=[],
)


AT_ONCE = AtOnce(alone_s=0.5, first_s=0.5, second_s=0.6, overlapped=True)


def report(**seen: Seen) -> Report:
    return Report(model="m", address="http://host/v1", examined_at="2026-01-02T03:04:05+00:00", seen=seen)


def but(**changes: Any) -> Seen:
    return dataclasses.replace(SEEN, **changes)


REPORTS: dict[str, Report] = {
    "a plain server": dataclasses.replace(
        report(chat=SEEN), refused={"responses": "refused (404)", "native": "needs the Responses API"}
    ),
    "kept": dataclasses.replace(report(chat=SEEN), cached=True),
    "no calls": report(
        chat=but(calls=0, own_ids=0, indexes=[], argument_pieces=0, first_token_s=None, tokens_per_s=None)
    ),
    "calls in the text": report(
        chat=but(calls=0, own_ids=0, indexes=[], argument_pieces=0, text_calls=["<tool_call>", "json"])
    ),
    "calls in the text of a server that is named": dataclasses.replace(
        report(chat=but(calls=0, own_ids=0, indexes=[], argument_pieces=0, text_calls=["JSON", "json"])), server="vllm"
    ),
    "calls in the text, and forced": report(chat=but(forced=True, text_calls=["[TOOL_CALLS]", "json"])),
    "one call": report(chat=but(calls=1, own_ids=1, indexes=[0], argument_pieces=1)),
    "one call, in two pieces": report(chat=but(calls=1, own_ids=0, indexes=[], argument_pieces=2)),
    "two calls, whole": report(chat=but(argument_pieces=2, own_ids=1)),
    "two calls, in three pieces": report(chat=but(argument_pieces=3, own_ids=3)),
    "forced": report(chat=but(forced=True, calls=1, own_ids=1)),
    "forced, two": report(chat=but(forced=True)),
    "usage counted": report(chat=but(usage=True)),
    "usage never": report(chat=but(usage_when_asked=False)),
    "reasoning": report(chat=but(reasoning=True)),
    "no placeholder": report(chat=but(placeholder=False)),
    "responses alone": report(responses=SEEN),
    "both, alike": report(chat=SEEN, responses=SEEN),
    "both, responses with reasoning": report(chat=SEEN, responses=but(reasoning=True, calls=0)),
    "both, chat with more calls": report(chat=SEEN, responses=but(calls=1)),
    "both, responses forced": report(chat=but(calls=1), responses=but(forced=True)),
    "both, chat forced": report(chat=but(forced=True), responses=but(calls=1)),
    "both, responses without calls": report(chat=but(calls=1, forced=True), responses=but(calls=0)),
    "both, chat refuses placeholders": report(chat=but(placeholder=False), responses=but(calls=1)),
    "both, responses refuses placeholders": report(chat=but(calls=1), responses=but(placeholder=False)),
    "both refuse placeholders": report(chat=but(placeholder=False), responses=but(placeholder=False)),
    "asynchronous tools": report(chat=SEEN, responses=SEEN, native=but(native=True)),
    "asynchronous tools that are not marked": report(chat=SEEN, responses=SEEN, native=SEEN),
    "side by side": dataclasses.replace(report(chat=SEEN), at_once=AT_ONCE),
    "side by side, at the limit": dataclasses.replace(
        report(chat=SEEN), at_once=dataclasses.replace(AT_ONCE, second_s=0.645)
    ),
    "side by side, each slower": dataclasses.replace(
        report(chat=SEEN), at_once=dataclasses.replace(AT_ONCE, first_s=0.625, second_s=0.646)
    ),
    "one after the other": dataclasses.replace(
        report(chat=SEEN), at_once=dataclasses.replace(AT_ONCE, second_s=0.55, overlapped=False)
    ),
    "asynchronous tools, no placeholder": report(native=but(native=True, placeholder=False)),
}


def test_every_kind_of_report_reads_as_expected(expected: Compare) -> None:
    texts = []
    for name, each in REPORTS.items():
        magic = [line for line in each.text(magic=True).splitlines() if line not in each.text().splitlines()]
        texts.append("\n".join([f"-- {name} --", each.text(), *magic]))
    expected("reports.txt", "\n\n".join(texts))


# -- servers, over HTTP ----------------------------------------------------------------------------------------------


def calls_of(body: dict[str, Any], **more: Any) -> list[Any]:
    return [call_item(call_id, name, CITY, **more) for call_id, name in (("a", "get_weather"), ("b", "get_time"))]


def modern(body, *, chat, answered):
    """Both APIs, with reasoning, and asynchronous tools that are marked so."""
    if chat:
        return plain(body, chat=True, answered=answered)
    if answered:
        return response(text_item("Sunny."))
    return response(
        reasoning_item("rs", "Hm"), *calls_of(body, **{"async": any("async" in tool for tool in body.get("tools", ()))})
    )


def unmarked(body, *, chat, answered):
    """Both APIs; asynchronous tools are accepted but never used."""
    return (
        plain(body, chat=True, answered=answered)
        if chat
        else modern({**body, "tools": []}, chat=False, answered=answered)
    )


def without_async(body, *, chat, answered):
    """The Responses API with tools that the server does not know to be asynchronous."""
    if '"async"' in json.dumps(body):
        return HttpError(status=400, message="Unknown parameter: 'tools[0].async'.")
    return unmarked(body, chat=chat, answered=answered)


def strict(body, *, chat, answered):
    """One whole call without id and index, if forced; placeholders are refused."""
    if not chat:
        return NO_RESPONSES
    if answered:
        return HttpError(status=400, message="no")
    if "tool_choice" not in body:
        return reply(text_chunks("I cannot know."))
    return reply({"choices": [{"delta": {"tool_calls": [{"function": {"name": "get_weather", "arguments": CITY}}]}}]})


def mute(body, *, chat, answered):
    """No calls, and an error when calls are forced."""
    if not chat:
        return NO_RESPONSES
    return (
        HttpError(status=400, message="no")
        if "tool_choice" in body
        else reply(text_chunks("I cannot know."), usage_chunk(9, 4))
    )


def responses_alone(body, *, chat, answered):
    return HttpError(status=405) if chat else modern(body, chat=False, answered=answered)


def repeats(body, *, chat, answered):
    """Both calls with the same id, usage unasked, reasoning as text."""
    if not chat:
        return HttpError(status=500, headers={"x-should-retry": "false"})
    if answered:
        return reply(text_chunks("Sunny."))
    thought = {"choices": [{"delta": {"reasoning": "Hm"}}]}
    return reply(
        thought, call_chunks(0, "a", "get_weather", CITY), call_chunks(1, "a", "get_time", CITY), usage_chunk(9, 4)
    )


def as_text(body, *, chat, answered):
    """Calls are sent as text, after reasoning between tags."""
    if not chat:
        return NO_RESPONSES
    call = '<tool_call>{"name": "%s", "arguments": {"city": "Lisbon"}}</tool_call>'
    return reply(text_chunks(f"<think>Both.</think>{call % 'get_weather'}{call % 'get_time'}", 9))


KINDS = [plain, modern, unmarked, strict, mute, responses_alone, repeats, as_text]


def still(each: Report, address: str) -> Report:
    """A report without the figures that change from run to run."""
    seen = {
        api: dataclasses.replace(one, first_token_s=None if one.first_token_s is None else 0.5, tokens_per_s=None)
        for api, one in each.seen.items()
    }
    assert each.address == address
    assert dt.datetime.fromisoformat(each.examined_at).utcoffset() == dt.timedelta(0)
    at_once = AT_ONCE if each.at_once else None
    return dataclasses.replace(each, seen=seen, at_once=at_once, address="ADDRESS", examined_at="then")


def test_every_kind_of_server_has_the_expected_report(expected: Compare) -> None:
    """The questions are the expected ones, too, compared without the dummy tools, which may change."""
    texts = []
    for kind in KINDS:
        with ScriptedServer(server_of(kind)) as server:
            told: list[str] = []
            found = asyncio.run(examine("m", where=Where(base_url=server.base_url), progress=told.append))
        shown = still(found, server.base_url)
        asked = [
            f"{request.path}: {len(request.messages)} messages, {sorted(request.body.keys() - {'messages', 'input', 'tools'})}"
            for request in server.requests
        ]
        steps = [step for step in told if ";" not in step]
        refused = [f"{api}: {why}" for api, why in found.refused.items()]
        seen = [f"{api}: {one}" for api, one in shown.seen.items()]
        texts.append("\n".join([f"-- {kind.__name__} --", *asked, *steps, *refused, *seen, shown.text()]))
    expected("reports-of-servers.txt", "\n\n".join(texts))


def test_a_server_that_refuses_asynchronous_tools_is_used_without_them() -> None:
    with ScriptedServer(server_of(without_async)) as server:
        found = asyncio.run(examine("m", where=Where(base_url=server.base_url)))
    assert (found.api, found.mode, found.seen["native"].native) == ("responses", "async", False)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_the_first_request_refuses_is_an_error(status: int) -> None:
    with ScriptedServer([HttpError(status=status)]) as server, pytest.raises(ServerError) as caught:
        asyncio.run(examine("m", where=Where(base_url=server.base_url)))
    assert caught.value.status == status


def test_a_server_that_refuses_every_api_fails_as_the_first_did() -> None:
    # A request that is refused with 400 is repeated with schemas that take no references.
    second = HttpError(status=400, message="second")
    answers = iter([HttpError(status=404, message="first"), second, second])
    with ScriptedServer(lambda _: next(answers)) as server, pytest.raises(ServerError, match="first") as caught:
        asyncio.run(examine("m", where=Where(base_url=server.base_url)))
    assert (caught.value.status, len(server.requests)) == (404, 3)


def test_a_key_that_one_api_refuses_later_is_only_noted() -> None:
    def kind(body, *, chat, answered):
        return plain(body, chat=True, answered=answered) if chat else HttpError(status=403)

    with ScriptedServer(server_of(kind)) as server:
        found = asyncio.run(examine("m", where=Where(base_url=server.base_url)))
    assert found.refused == {"responses": "refused (403)", "native": "needs the Responses API"}


# -- what is seen ----------------------------------------------------------------------------------------------------


def piece(
    index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: Any = None
) -> CallDelta:
    return CallDelta(index=index, call_id=call_id, name=name, arguments=arguments)


def looked_at(*deltas: tuple[float, Delta], calls: int = 0, **flags: bool) -> Seen:
    given = dict.fromkeys(("forced", "placeholder", "usage_when_asked", "native", "references"), False)
    made = [ReplyCall(call_id="c", name="get", arguments_json="{}")] * calls
    return TimedReply(deltas, made).seen(**(given | flags))


def test_the_figures_of_a_reply_are_counted_in_every_column(expected: Compare) -> None:
    calls = [(1.0, piece(0, "a", "get", "")), (1.5, piece(0, None, None, "{")), (2.0, piece(1, "b", "put", "{}"))]
    replies: dict[str, Seen] = {
        "nothing": looked_at(),
        "the end alone": looked_at((1.0, Finish(reason="stop")), (1.0, Usage(input_tokens=1, output_tokens=5))),
        "one piece": looked_at((0.1234, TextDelta(text="a"))),
        "two pieces": looked_at((0.12345, TextDelta(text="a")), (0.62345, TextDelta(text="b"))),
        "two pieces at once": looked_at((1.0, TextDelta(text="a")), (1.0, TextDelta(text="b"))),
        "usage of one token": looked_at(
            (1.0, TextDelta(text="a")), (2.0, TextDelta(text="b")), (2.0, Usage(input_tokens=1, output_tokens=1))
        ),
        "usage of three tokens": looked_at(
            (1.0, TextDelta(text="a")), (3.0, TextDelta(text="b")), (4.0, Usage(input_tokens=1, output_tokens=3))
        ),
        "usage twice": looked_at(
            (1.0, TextDelta(text="a")),
            (3.0, TextDelta(text="b")),
            (4.0, Usage(input_tokens=1, output_tokens=3)),
            (4.0, Usage(input_tokens=1, output_tokens=8)),
        ),
        "reasoning and items": looked_at(
            (0.5, ReplyItem(item={})), (1.0, ReasoningDelta(text="a")), (2.0, TextDelta(text="b"))
        ),
        "calls": looked_at(*calls, calls=2, forced=True),
        "calls, all flags": looked_at(*calls, calls=2, placeholder=True, usage_when_asked=True, native=True),
        "ids again": looked_at((1.0, piece(0, "a", "get")), (1.0, piece(0, "a")), (1.0, piece(2, "a", "put")), calls=2),
        "no ids, no indexes": looked_at(
            (1.0, piece(None, None, "get", {})), (1.0, piece(None, None, None, {"x": 1})), calls=1
        ),
    }
    expected("seen.txt", "\n".join(f"{name}: {seen}" for name, seen in replies.items()))


class Streams:
    """A model that yields these deltas for every request, with so many seconds between them."""

    name = "m"

    def __init__(self, deltas: Sequence[Delta], every_s: float = 0.0) -> None:
        self._deltas, self._every_s = deltas, every_s
        self.given: list[int] = []
        self.requests: list[ChatRequest] = []

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        self.requests.append(request)
        self.given.append(0)
        for delta in self._deltas:
            await asyncio.sleep(self._every_s)
            self.given[-1] += 1
            yield delta


TEXT, ARGUMENT = TextDelta(text="a"), piece(0, None, None, " ")


@pytest.mark.parametrize(
    ("deltas", "read"),
    [
        ([TEXT] * 79, 79),
        ([TEXT] * 80, 80),
        ([TEXT] * 81, 80),
        ([ReasoningDelta(text="a")] * 399, 399),
        ([ReasoningDelta(text="a")] * 401, 400),
        ([piece(0, "a", "get")] + [TEXT] * 100, 101),
        ([TEXT] * 79 + [piece(0, "a", "get")] + [TEXT] * 100, 180),
        ([Retrying(attempt=1, message="", pause_s=0)] * 9 + [TEXT] * 81, 89),
    ],
)
def test_a_reply_is_read_only_as_far_as_needed(deltas: list[Delta], read: int) -> None:
    model = Streams(deltas)
    heard = run_virtually(Examination(model, "chat", lambda _: None)._ask("asks"))
    assert model.given == [read]
    assert len(heard.deltas) == read - sum(isinstance(delta, Retrying) for delta in deltas)


def test_the_answer_to_a_brief_question_is_read_at_any_length() -> None:
    model = Streams([TEXT] * 401)
    run_virtually(Examination(model, "chat", lambda _: None)._ask("asks", briefly=True))
    assert model.given == [400]


@pytest.mark.parametrize(
    ("every_s", "reported"),
    [
        (
            0.5,
            [
                "Chat Completions: asks; 0 pieces in 0 s",
                "Chat Completions: asks; 1 pieces in 1 s",
                "Chat Completions: asks; 2 pieces in 2 s",
            ],
        ),
        (0.25, ["Chat Completions: asks; 1 pieces in 0 s"]),
        (0.1, []),
    ],
)
def test_progress_is_reported_every_half_second(every_s: float, reported: list[str]) -> None:
    steps: list[str] = []
    run_virtually(Examination(Streams([TEXT] * 3, every_s), "chat", steps.append)._ask("asks"))
    assert steps == ["Chat Completions: asks", *reported]


def test_each_delta_has_the_seconds_since_its_request() -> None:
    async def later() -> TimedReply:
        await asyncio.sleep(5)
        return await Examination(Streams([TEXT, ARGUMENT], 0.25), "chat", lambda _: None)._ask("asks")

    assert run_virtually(later()).deltas == [(0.25, TEXT), (0.5, ARGUMENT)]


def test_calls_are_answered_by_one_placeholder_and_one_value() -> None:
    made = [
        piece(place, call_id, name, "{}")
        for place, call_id, name in ((0, "a", "put"), (1, "b", "get"), (2, "c", "get"))
    ]
    offered = [tool["function"]["name"] for tool in doctor._WIDENED]
    for deltas, tools in ((made, ["put", "get"]), (made[:1], ["put"]), ([TEXT], offered)):
        model = Streams(deltas)
        run_virtually(Examination(model, "chat", lambda _: None).run(compared=False))
        question, reply_message, *answers = model.requests[-1].messages
        assert question["role"] == "user"
        assert [call["function"]["name"] for call in reply_message["tool_calls"]] == tools
        assert [call["id"] for call in reply_message["tool_calls"]] == [answer["tool_call_id"] for answer in answers]
        reported = [json.loads(answer["content"]) for answer in answers]
        assert [(each["tool"], each["status"]) for each in reported] == list(
            zip(tools, ["pending", "done"], strict=False)
        )
        assert model.requests[-1].options == {"stream_options": {"include_usage": True}}
        assert model.requests[-1].most_tokens == 16


@pytest.mark.parametrize("api", ["responses", "native"])
def test_usage_is_asked_for_of_chat_completions_alone(api: str) -> None:
    model = Streams([piece(0, "a", "get", "{}")])
    seen = run_virtually(Examination(model, api, lambda _: None).run(compared=False))
    assert (model.requests[-1].options, model.requests[-1].most_tokens) == ({}, 16)
    assert (seen.placeholder, seen.usage_when_asked, seen.native) == (True, False, False)


def test_asynchronous_tools_that_will_not_be_used_are_not_answered() -> None:
    model = Streams([piece(0, "a", "get", "{}")])
    seen = run_virtually(Examination(model, "native", lambda _: None).run(compared=True))
    assert (len(model.requests), seen.placeholder) == (1, False)
    other = Streams([piece(0, "a", "get", "{}")])
    run_virtually(Examination(other, "responses", lambda _: None).run(compared=True))
    assert len(other.requests) == 2


# -- the cache -------------------------------------------------------------------------------------------------------


def test_a_report_is_kept_by_server_model_and_api_and_read_unchanged(home, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "open_model", lambda *_, **__: Streams([TEXT]))
    for model in ("m", "n"):
        for url in ("http://host/v1", "http://other/v1"):
            for api in (None, "chat"):
                asyncio.run(examine(model, where=Where(base_url=url, api_key="key", api=api)))
    paths = list((home / "cache" / "asyncfc_jupyter" / "doctor").iterdir())
    assert len(paths) == 8
    assert all(len(path.stem) == 2 * 16 + 1 for path in paths)
    assert len({path.stem[:16] for path in paths}) == 4  # the first half is of the server and the model
    path = home / "another" / "report.json"
    assert Report.load(path) is None
    REPORTS["a plain server"].save(path)
    assert Report.load(path) == dataclasses.replace(REPORTS["a plain server"], cached=True)
    assert path.read_text().startswith('{\n  "model": "m",\n')
    for text in ("", "{}", "[]", '{"seen": {}}', '{"seen": {"chat": {}}}', '{"seen": {"chat": 7}}'):
        path.write_text(text)
        assert Report.load(path) is None
