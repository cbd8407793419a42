"""Notices of a run that continues: no filter of the user's hides one, ends a run with one, or loses a result by one."""

from __future__ import annotations

import ast
import asyncio
import warnings
from pathlib import Path
from typing import Any

import pytest

import asyncfc_jupyter
from asyncfc_jupyter import Agent
from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.errors import HistoryFixed
from asyncfc_jupyter.models.catalog import Where
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.notices import dropped_notices, notify
from tests.servers.scripted_server import Answer, HttpError, ScriptedServer, reply, text_chunks

PACKAGE = Path(asyncfc_jupyter.__file__).parent
#: Functions of `warnings` that raise or hide by the filters of the whole process.
FILTERED = {"warn", "warn_explicit", "simplefilter", "filterwarnings", "catch_warnings"}
#: Uses that concern no notice, by file, with the reason.
ELSEWHERE = {"jupyter/cells/prompt_template.py": "it compiles the user's expressions, which Python warns about"}
KEY = "sk-proj-abcdefghijklmnopqrst"


def filtered(source: str) -> set[str]:
    """Return the functions of `warnings` that a file calls, or imports by their names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "warnings":
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.module == "warnings":
            found |= {alias.name for alias in node.names}
    return found & FILTERED


def test_every_notice_of_the_package_is_shown_by_the_one_function_for_it() -> None:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if (used := filtered(path.read_text(encoding="utf-8"))) and name not in ELSEWHERE:
            found[name] = used
    assert found == {}, "call `notify` there: a filter of the user's would end the run"
    assert all(filtered((PACKAGE / name).read_text(encoding="utf-8")) for name in ELSEWHERE)


@pytest.mark.parametrize(
    "source", ["import warnings\nwarnings.warn('a')", "from warnings import warn", "w = warnings.catch_warnings"]
)
def test_a_use_of_the_filters_is_found(source: str) -> None:
    assert len(filtered(source)) == 1


@pytest.mark.parametrize("action", ["error", "ignore", "once", "default", "always"])
def test_a_notice_is_shown_under_each_filter_without_keys(action: Any) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter(action)
        for _ in range(2):
            notify(f"the key is {KEY}\x1b[2J", HistoryFixed)
    texts = [str(each.message) for each in shown]
    assert len(texts) == 2
    assert KEY not in texts[0]
    assert "\x1b" not in texts[0]
    assert "***" in texts[0]
    assert shown[0].category is HistoryFixed


def test_a_function_that_shows_warnings_and_raises_ends_nothing(monkeypatch) -> None:
    raised: list[str] = []

    def show(message: Warning, *_: Any, **__: Any) -> None:
        raised.append(str(message))
        raise SystemExit("no")

    monkeypatch.setattr(warnings, "showwarning", show)
    notify("something")
    assert raised == ["something"]


def test_one_task_drops_its_notices_and_another_shows_its_own() -> None:
    async def quiet(inside: asyncio.Event, shown: asyncio.Event) -> None:
        with dropped_notices():
            inside.set()
            await shown.wait()
            notify("quiet")

    async def loud(inside: asyncio.Event, shown: asyncio.Event) -> None:
        await inside.wait()
        notify("loud")
        shown.set()

    async def both() -> None:
        inside, shown = asyncio.Event(), asyncio.Event()
        await asyncio.gather(quiet(inside, shown), loud(inside, shown))
        notify("after")

    with warnings.catch_warnings(record=True) as caught:
        asyncio.run(both())
    assert [str(each.message) for each in caught] == ["loud", "after"]


def strict(body: dict[str, Any]) -> Answer:
    """A server that refuses options."""
    for name in ("stream_options", "seed"):
        if name in body:
            return HttpError(status=400, message=f"Unrecognized request argument supplied: {name}")
    return reply(text_chunks("hi"))


def test_warnings_as_errors_end_no_run_whose_server_refuses_options() -> None:
    options = {"stream_options": {"include_usage": True}, "seed": 1}
    with ScriptedServer(strict) as server, warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("error")
        run = asyncio.run(Agent("m", base_url=server.base_url, tools=[], model_options=options).run("go"))
    assert run.answer == "hi"
    assert ["left out from now on" in str(each.message) for each in shown] == [True, True]


def test_warnings_as_errors_end_no_run_whose_history_was_damaged() -> None:
    conversation = Conversation()
    conversation.messages = [{"role": "user", "content": "a"}] * 2
    with ScriptedServer(strict) as server, warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("error")
        agent = Agent("m", base_url=server.base_url, tools=[])
        run = asyncio.run(agent.run("go", conversation=conversation))
    assert run.answer == "hi"
    assert [each.category for each in shown] == [HistoryFixed]


def test_the_doctor_shows_no_notices_of_what_its_report_says() -> None:
    with ScriptedServer(strict) as server, warnings.catch_warnings(record=True) as shown:
        report = asyncio.run(examine("m", where=Where(base_url=server.base_url, api="chat")))
    assert "chat" in report.seen
    assert shown == []
