"""A short exchange with a model of the scripted server, and the texts that must never appear."""

from __future__ import annotations

import asyncio
import traceback
import types
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from asyncfc_jupyter.errors import ServerError
from asyncfc_jupyter.models.base import ChatModel, ChatRequest, Delta
from asyncfc_jupyter.models.connection import adapter
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from tests.servers.scripted_server import Answer, ScriptedServer

KEY = "sk-very-secret-0123456789"
MESSAGES = [{"role": "user", "content": "private words"}]
TOOL = {"type": "function", "function": {"name": "get", "description": "", "parameters": {"type": "object"}}}
#: Makes the library retry without its pauses, which are for real servers.
AT_ONCE = {"retry-after-ms": "1"}


async def ask(model: ChatModel, **request: Any) -> list[Delta]:
    return [delta async for delta in model.stream(ChatRequest(messages=MESSAGES, **request))]


def talk(
    answers: Sequence[Answer], *, asks: int = 1, options: Any = None, **request: Any
) -> tuple[list[Delta], ScriptedServer]:
    """The deltas of the last of several requests of one model, and the server that has seen them."""

    async def requests(model: ChatModel) -> list[Delta]:
        for _ in range(asks - 1):
            await ask(model, **request)
        return await ask(model, **request)

    with ScriptedServer(answers) as server:
        deltas = asyncio.run(requests(OpenAIChat("m", base_url=server.base_url, api_key=KEY, options=options)))
    return deltas, server


def failure(answer: Answer, times: int = 1) -> ServerError:
    with pytest.raises(ServerError) as caught:
        talk([answer] * times)
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert "private words" not in shown
    assert "\n" not in str(caught.value)
    return caught.value


def answer_with(
    post: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, *, close: Exception | None = None
) -> list[bool]:
    """Answer each request with the body that a function returns, without a server; return a list of the closed responses.

    Args:
        post: Gets what the client library would.
        monkeypatch: Undoes it after the test.
        close: What closing the response raises.
    """
    closed = []

    class Response:
        """Stands for the stream of the library, and for its response."""

        def __init__(self, body: bytes) -> None:
            self.response, self._body = self, body

        async def aiter_bytes(self) -> AsyncIterator[bytes]:
            yield self._body

        async def close(self) -> None:
            closed.append(True)
            if close:
                raise close

    async def posted(path: str, **parameters: Any) -> Response:
        return Response(post(path, **parameters))

    async def client(*_: Any) -> Any:
        return types.SimpleNamespace(post=posted, base_url="http://x/v1/")

    monkeypatch.setattr(adapter, "client_for", client)
    return closed
