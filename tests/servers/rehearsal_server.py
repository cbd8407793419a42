"""The rehearsal model over real HTTP, in a process of its own: Chat Completions and the Responses API, streamed or whole.

::

    with RehearsalServer(ttft_ms=300, tokens_per_s=60) as server:
        client = AsyncOpenAI(base_url=server.base_url, api_key="any")

Any client can be measured against it: it decides each reply from the messages alone, so it keeps no state between requests. It
writes references if `await_future` is among the tools, Python if `run_code` is, values if not. Its schedule is absolute: a late
token does not delay the next ones. A reply that is not streamed takes as long as one that is.

The process ends when its standard input closes, so it does not outlive a benchmark that was killed. It uses the standard
library and the rehearsal model alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

from asyncfc_jupyter.errors import PlanError
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, Finish, TextDelta, Usage
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from tests.servers.code_rehearsal import RUN_CODE, CodeRehearsal
from tests.servers.response_events import ResponseEvents, chat_request

_SOURCE = Path(__file__).resolve().parents[2]
_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
#: Seconds that its process may take to start and to end.
_PATIENCE_S = 30.0


class RehearsalServer:
    """The server's process; a context manager.

    Args:
        ttft_ms: Milliseconds from a request to the first token.
        tokens_per_s: Tokens per second from then on.

    Attributes:
        base_url: Where it listens, such as ``http://127.0.0.1:40123/v1``.
    """

    def __init__(self, *, ttft_ms: float, tokens_per_s: float) -> None:
        speed = ["--ttft-ms", str(ttft_ms), "--tokens-per-s", str(tokens_per_s)]
        self._command = [sys.executable, "-m", "tests.servers.rehearsal_server", *speed]
        self.base_url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=_SOURCE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        assert port, "the rehearsal server did not start"
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(_PATIENCE_S)
        self._process.stdout.close()

    @property
    def requests(self) -> int:
        """How many requests it has been sent so far."""
        with urllib.request.urlopen(f"{self.base_url}/requests", timeout=_PATIENCE_S) as response:
            return int(json.load(response)["requests"])


# -- the process -----------------------------------------------------------------------------------------------------


class _Service:
    def __init__(self, *, ttft_ms: float, tokens_per_s: float) -> None:
        self._model = RehearsalModel(ttft_ms=ttft_ms, tokens_per_s=tokens_per_s)
        self._code = CodeRehearsal(ttft_ms=ttft_ms, tokens_per_s=tokens_per_s)
        self._requests = 0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after another on a connection that is kept."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                path, body = await _read(reader)
                if path.endswith("/requests"):
                    _whole(writer, 200, {"requests": self._requests})
                elif path.endswith(("/chat/completions", "/responses")):
                    self._requests += 1
                    await self._reply(path, json.loads(body), writer)
                else:
                    _whole(writer, 404, {"error": {"message": f"no such path: {path}"}})
                await writer.drain()
        writer.close()

    async def _reply(self, path: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        responses = path.endswith("/responses")
        request = (
            chat_request(body) if responses else ChatRequest(messages=body["messages"], tools=body.get("tools") or [])
        )
        form = ResponseEvents(body["model"]) if responses else _ChatChunks(body["model"])
        streams, begun = bool(body.get("stream")), False
        writes_code = any(tool["function"]["name"] == RUN_CODE for tool in request.tools)
        try:
            async for delta in (self._code if writes_code else self._model).stream(request):
                events = [_encoded(event) for event in form.events(delta)]
                if streams and events:
                    writer.write((b"" if begun else _STREAM) + _framed(b"".join(events)))
                    begun = True
                    await writer.drain()
        except PlanError as error:  # before any byte was sent
            _whole(writer, 400, {"error": {"message": str(error), "type": "invalid_request_error"}})
            return
        if streams:
            writer.write(_framed(b"".join(map(_encoded, form.end()))) + b"0\r\n\r\n")
        else:
            form.end()
            _whole(writer, 200, form.whole)


class _ChatChunks:
    """A reply in the form of Chat Completions."""

    def __init__(self, model: str) -> None:
        self._head = {"id": "chatcmpl-1", "created": 0, "model": model}
        self._text = ""
        self._calls: list[dict[str, Any]] = []
        self._reason = "stop"
        self._usage: dict[str, int] = {}

    def events(self, delta: Delta) -> list[Mapping[str, Any] | str]:
        """Return the chunks of a delta."""
        match delta:
            case TextDelta(text=text):
                self._text += text
                return [self._chunk({"role": "assistant", "content": text})]
            case CallDelta(index=index, call_id=call_id, name=name, arguments=arguments):
                piece = {"name": name, "arguments": arguments or ""} if name else {"arguments": arguments}
                call = {"index": index, "function": piece}
                if call_id:
                    call |= {"id": call_id, "type": "function"}
                    self._calls.append({"id": call_id, "type": "function", "function": dict(piece)})
                else:
                    self._calls[-1]["function"]["arguments"] += arguments
                return [self._chunk({"role": "assistant", "tool_calls": [call]})]
            case Finish(reason=reason):
                self._reason = reason
                return [self._chunk({}, reason)]
            case Usage(input_tokens=given, output_tokens=made):
                self._usage = {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}
        return []

    def _chunk(self, delta: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}

    def end(self) -> list[Mapping[str, Any] | str]:
        """Return the last chunks."""
        return [{**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self._usage}, "[DONE]"]

    @property
    def whole(self) -> dict[str, Any]:
        """The reply as one object."""
        message: dict[str, Any] = {"role": "assistant", "content": self._text or None}
        if self._calls:
            message["tool_calls"] = self._calls
        choice = {"index": 0, "message": message, "finish_reason": self._reason}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage}


async def _read(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start, *lines = head.split("\r\n")
    lengths = [line.split(":")[1] for line in lines if line.lower().startswith("content-length:")]
    return start.split(" ")[1], await reader.readexactly(int(lengths[0]) if lengths else 0)


def _whole(writer: asyncio.StreamWriter, status: int, document: Mapping[str, Any]) -> None:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status} Rehearsed\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


def _encoded(event: Mapping[str, Any] | str) -> bytes:
    if isinstance(event, str):
        return f"data: {event}\n\n".encode()
    line = f"event: {event['type']}\n" if "type" in event else ""
    return f"{line}data: {json.dumps(event)}\n\n".encode()


def _framed(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def _lines_in() -> AsyncIterator[bytes]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line


async def _serve(service: _Service) -> None:
    server = await asyncio.start_server(service.connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async for _ in _lines_in():
        pass
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ttft-ms", type=float, default=300)
    parser.add_argument("--tokens-per-s", type=float, default=60)
    chosen = parser.parse_args()
    asyncio.run(_serve(_Service(ttft_ms=chosen.ttft_ms, tokens_per_s=chosen.tokens_per_s)))
