"""The doctor, against the scripted server: it sees what a server does, recommends options, and keeps the report."""

import asyncio
import json
from typing import Annotated

import pytest
from pydantic import Field

from asyncfc_jupyter import cli
from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models import doctor
from asyncfc_jupyter.models.catalog import Where
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.tools.definition import make_tool
from tests.servers.response_script import call_item, reasoning_item, response, text_item
from tests.servers.scripted_server import Gate, HttpError, ScriptedServer, call_chunks, reply, text_chunks, usage_chunk

CITY = {"city": "Lisbon"}
TWO = [call_chunks(0, "a", "get_weather", CITY, 4), call_chunks(1, "b", "get_time", CITY, 4)]
NO_RESPONSES = HttpError(status=404, message="no such path")


def server_of(kind):
    """A policy: the server behaves as its kind says, for either API."""

    def policy(body):
        chat = "messages" in body
        answered = any(
            m.get("role") == "tool" or m.get("type") == "function_call_output"
            for m in body.get("messages") or body["input"]
        )
        return kind(body, chat=chat, answered=answered)

    return policy


def plain(body, *, chat, answered):
    """Chat Completions only; usage if it is asked for."""
    if not chat:
        return NO_RESPONSES
    usage = [usage_chunk(40, 12)] if "stream_options" in body else []
    return reply(text_chunks("Sunny."), usage) if answered else reply(*TWO)


def examined(kind, **options):
    with ScriptedServer(server_of(kind)) as server:
        report = asyncio.run(examine("m", where=Where(base_url=server.base_url), **options))
    return report, server


def test_the_behaviour_of_a_plain_server_is_detected() -> None:
    report, _ = examined(plain)
    seen = report.seen["chat"]
    assert (seen.calls, seen.forced, seen.own_ids, seen.indexes, seen.argument_pieces) == (2, False, 2, [0, 1], 8)
    assert (seen.usage, seen.usage_when_asked, seen.placeholder) == (False, True, True)
    assert seen.first_token_s is not None
    assert report.refused == {"responses": "refused (404)", "native": "needs the Responses API"}
    assert (report.api, report.mode, report.options) == ("chat", "async", {"stream_options": {"include_usage": True}})


def test_the_report_is_aligned_and_says_what_to_use() -> None:
    lines = examined(plain)[0].text().splitlines()
    rows = {line[:20].strip(): line[20:] for line in lines}
    assert rows["Chat Completions"] == "yes"
    assert rows["Responses"] == "no: refused (404)"
    assert rows["calls"] == "2 in one reply"
    assert rows["arguments"] == "stream, about 4 pieces a call: a call starts when its JSON closes"
    assert rows["ids, indexes"] == "its own; 0, 1"
    assert rows["use"] == """api="chat", mode="async", model_options={'stream_options': {'include_usage': True}}"""
    assert all(line[20] != " " for line in lines)


def test_refused_placeholders_and_calls_made_only_if_forced_are_detected() -> None:
    def strict(body, *, chat, answered):
        if not chat:
            return NO_RESPONSES
        if answered:
            return HttpError(status=400, message="no")
        if "tool_choice" not in body:
            return reply(text_chunks("I cannot know."))
        whole = {"choices": [{"delta": {"tool_calls": [{"function": {"name": "get_weather", "arguments": CITY}}]}}]}
        return reply(whole)

    report, _ = examined(strict)
    seen = report.seen["chat"]
    assert (seen.calls, seen.forced, seen.own_ids, seen.indexes, seen.placeholder) == (1, True, 0, [], False)
    assert report.mode == "eager"
    assert "missing or repeated, made here; none" in report.text()
    assert "one a reply, only with tool_choice required" in report.text()
    assert "whole: a call starts when the server sends it" in report.text()


def get_weather(city: str, days: Annotated[int, Field(ge=0)] = 0) -> str:
    """Weather of a city.

    Args:
        city:
        days: Days from now.
    """
    return f"{city} {days}"


def test_the_doctor_shows_a_server_the_schemas_that_a_run_shows_it() -> None:
    """The doctor may not import the code that makes them, so it has them written out."""
    tool = make_tool(get_weather)
    for references, shown in ((True, doctor._WIDENED), (False, doctor._PLAIN)):
        assert tool.definition(references=references) == shown[0]


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_refuses_schemas_with_references_is_used_without(status) -> None:
    def knows_no_pattern(body, *, chat, answered):
        if '"pattern"' in json.dumps(body.get("tools")):
            return HttpError(status=status, message="JSON schema conversion failed: Pattern must end with '$'")
        return plain(body, chat=chat, answered=answered)

    report, _ = examined(knows_no_pattern)
    seen = report.seen["chat"]
    assert (seen.calls, seen.placeholder, seen.references, report.mode) == (2, True, False, "eager")
    assert "references          refused in schemas: the mode async cannot be used" in report.text()
    assert examined(plain)[0].seen["chat"].references


@pytest.mark.parametrize("marks", [True, False])
def test_asynchronous_tools_are_recommended_if_calls_are_marked_so(marks) -> None:
    def modern(body, *, chat, answered):
        if chat:
            return plain(body, chat=True, answered=answered)
        if answered:
            return response(text_item("Sunny."))
        extra = {"async": True} if marks and any("async" in tool for tool in body.get("tools", ())) else {}
        calls = [call_item(c, n, CITY, **extra) for c, n in (("a", "get_weather"), ("b", "get_time"))]
        return response(reasoning_item("rs", "Hm"), *calls)

    report, _ = examined(modern)
    assert report.api == ("native" if marks else "responses")
    assert report.seen["responses"].reasoning
    assert report.text(magic=True).splitlines()[-2].split("  ")[-1].strip() == f"--api {report.api} --mode async"


def test_a_report_is_kept_per_server_and_model_until_fresh_is_asked_for() -> None:
    with ScriptedServer(server_of(plain)) as server:

        def ask(model="m", **options):
            return asyncio.run(examine(model, where=Where(base_url=server.base_url), **options))

        first = ask()
        asked = len(server.requests)
        again = ask()
        assert len(server.requests) == asked
        assert again.cached
        assert (again.seen, again.examined_at) == (first.seen, first.examined_at)
        assert "kept; --fresh asks again" in again.text()
        ask("another")
        assert len(server.requests) == 2 * asked
        assert not ask(fresh=True).cached


def test_a_server_that_wants_another_key_is_an_error_of_the_doctor() -> None:
    """The rehearsal model needs no doctor, and to ask for one is an error too."""

    def locked(body, *, chat, answered):
        return HttpError(status=401)

    with pytest.raises(ServerError, match="asks for a key"):
        examined(locked)
    with pytest.raises(UsageError, match="rehearsal model needs no doctor"):
        asyncio.run(examine("rehearsal", where=Where()))


def test_the_command_prints_the_report_or_its_json(capsys) -> None:
    with ScriptedServer(server_of(plain)) as server:
        assert cli.main(["doctor", "m", "--base-url", server.base_url]) == 0
        assert "Chat Completions    yes" in capsys.readouterr().out
        assert cli.main(["doctor", "m", "--base-url", server.base_url, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["seen"]["chat"]["calls"] == 2
    assert cli.main(["doctor", "m", "--server", "olama"]) == 1
    assert "there is no server 'olama'" in capsys.readouterr().err


def test_the_command_sends_options_and_headers_and_keeps_each_report(capsys, monkeypatch) -> None:
    monkeypatch.setenv("MY_GATEWAY_KEY", "gw-c93jf02mfk38fj3l")
    given = [
        "--option",
        "seed=7",
        "--option",
        "top_p=",
        "--header",
        "X-Title: mine",
        "--header",
        "x-key: env:MY_GATEWAY_KEY",
    ]
    with ScriptedServer(server_of(plain)) as server:
        place = ["doctor", "m", "--base-url", server.base_url]
        assert cli.main([*place, *given]) == 0
        for request in server.requests:
            assert (request.body["seed"], "top_p" in request.body) == (7, False)
            assert (request.headers["x-title"], request.headers["x-key"]) == ("mine", "gw-c93jf02mfk38fj3l")
        asked = len(server.requests)
        assert cli.main([*place, *given]) == cli.main([*place, "--option", "seed=8"]) == 0
        assert {request.body["seed"] for request in server.requests[asked:]} == {8}
    capsys.readouterr()
    for wrong in (["--option", "api_key=hunter2"], ["--header", "x-key: hunter2"], ["--option", "seed"]):
        with pytest.raises(SystemExit):
            cli.main([*place, *wrong])
        said = capsys.readouterr().err
        assert "env:MY_KEY" in said or "NAME=VALUE" in said
        assert "hunter2" not in said


def test_a_model_that_only_talks_is_cut_short_and_then_forced_to_call() -> None:
    def talkative(body, *, chat, answered):
        if answered or "tool_choice" in body:
            return plain(body, chat=chat, answered=answered)
        return reply(text_chunks("and so on and on " * 20, pieces=200), Gate()) if chat else NO_RESPONSES

    report, server = examined(talkative)
    assert (report.seen["chat"].forced, report.seen["chat"].calls) == (True, 2)
    server.requests[0].wait_disconnected()


def test_the_answer_to_a_placeholder_is_limited_to_a_few_tokens() -> None:
    """The limit has the name that each API gives it."""

    def both(body, *, chat, answered):
        if chat:
            return plain(body, chat=True, answered=answered)
        if answered:
            return response(text_item("Sunny."))
        return response(call_item("a", "get_weather", CITY), call_item("b", "get_time", CITY))

    report, server = examined(both)
    limits = [{name: body[name] for name in body if "tokens" in name} for body in (r.body for r in server.requests)]
    assert limits[:5] == [{}, {"max_tokens": 16}, {}, {"max_output_tokens": 16}, {}]
    assert limits[5:] == [{"max_tokens": 16}] * 6  # alone and two at once, two times each
    assert report.seen["native"].placeholder is False  # not asked: it would not be used


def test_a_single_api_is_examined_in_full_and_progress_is_reported(home) -> None:
    def calls(body, *, chat, answered):
        return response(text_item("Sunny.")) if answered else response(call_item("a", "get_weather", CITY))

    steps_reported: list[str] = []
    with ScriptedServer(server_of(calls)) as server:
        where = Where(base_url=server.base_url, api="native")
        report = asyncio.run(examine("m", where=where, progress=steps_reported.append))
        steps = [
            doing for doing in steps_reported if ";" not in doing
        ]  # on a busy machine also how many pieces have come
        doings = ("asks for two calls", "gives a placeholder", "makes two requests at once")
        assert steps == [f"asynchronous tools: {doing}" for doing in doings]
        assert report.seen["native"].placeholder
        steps_reported.clear()
        asyncio.run(examine("m", where=where, progress=steps_reported.append))
    assert steps_reported == []  # a kept report needs no waiting


def test_a_cache_that_cannot_be_written_does_not_fail_the_examination(home, monkeypatch) -> None:
    """Only the next examination has to ask again."""
    (home / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "a file"))
    assert examined(plain)[0].api == "chat"
