"""The oracle as an OpenAI-compatible streaming server, in its own process.

Each token goes out at its own point in time, counted from the arrival of the request: what sending one costs delays no other.
The clock is that of `faster`.

Run as a module this file is the server: it prints its port and serves until its standard input closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.bfcl_parts.oracle import TOKENS_PER_S, TTFT_S, Piece, pieces_of, reply_to
from tests.benchmarks.fast_clock import run_faster
from tests.servers.scripted_server import chunk, encoded, finish_chunk

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@contextlib.contextmanager
def oracle_server() -> Iterator[str]:
    """Run the server until the block ends and give its base URL."""
    command = [sys.executable, "-m", "tests.benchmarks.bfcl_parts.server"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError("the oracle's server did not start; its error is above")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


async def _serve() -> None:
    server = await asyncio.start_server(_connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    stopped = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stopped), sys.stdin)
    await stopped.read()
    server.close()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            first_s = asyncio.get_running_loop().time() + TTFT_S
            lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
            length = next(int(value) for name, _, value in lines if name == b"content-length")
            await _answer(json.loads(await reader.readexactly(length)), writer, first_s)
    writer.close()


async def _answer(body: dict[str, Any], writer: asyncio.StreamWriter, first_s: float) -> None:
    loop = asyncio.get_running_loop()
    messages = body["messages"]
    futures = any(tool["function"]["name"] == "await_future" for tool in body.get("tools", ()))
    reply = reply_to(messages, futures=futures)
    # Encoded beforehand: with a real model that happens elsewhere, and while nothing waits for it.
    steps = [(piece.token, encoded(_chunk(piece, len(messages)))) for piece in pieces_of(reply, fine=True)]
    writer.write(_HEAD)
    for token, data in steps:
        await asyncio.sleep(first_s + token / TOKENS_PER_S - loop.time())
        _send(writer, data)
    _send(writer, encoded(finish_chunk("tool_calls" if reply.calls else "stop")) + b"data: [DONE]\n\n")
    writer.write(b"0\r\n\r\n")
    await writer.drain()


def _chunk(piece: Piece, messages: int) -> dict[str, Any]:
    if piece.call is None:
        return chunk({"content": piece.text})
    call: dict[str, Any] = {"index": piece.call, "function": {"arguments": piece.text}}
    if piece.name:
        call |= {"id": f"call_{messages}_{piece.call}", "type": "function"}
        call["function"]["name"] = piece.name
    return chunk({"tool_calls": [call]})


def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


if __name__ == "__main__":
    run_faster(_serve())
