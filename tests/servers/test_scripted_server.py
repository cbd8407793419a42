"""The server that other tests rely on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from asyncfc_jupyter.errors import ServerError
from asyncfc_jupyter.models.base import TextDelta
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from tests.models.scripted_chat import KEY, ask
from tests.servers.scripted_server import Answer, ScriptedServer, reply, text_chunks


def test_a_script_that_runs_out_fails_the_test() -> None:
    def ask_once_too_often() -> None:
        with ScriptedServer([]) as server, contextlib.suppress(ServerError):
            asyncio.run(ask(OpenAIChat("m", base_url=server.base_url, api_key=KEY)))

    with pytest.raises(AssertionError, match="no answer for request 1"):
        ask_once_too_often()


def test_a_policy_answers_what_was_asked() -> None:
    def echo(body: dict[str, Any]) -> Answer:
        return reply(text_chunks(body["messages"][-1]["content"], pieces=3))

    with ScriptedServer(echo) as server:
        deltas = asyncio.run(ask(OpenAIChat("m", base_url=server.base_url, api_key=KEY)))
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == "private words"
    assert len(deltas) == 4
