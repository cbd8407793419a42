"""An OpenAI-compatible streaming server over real HTTP; the test decides every byte that it sends.

::

    script = [reply(call_chunks(0, "a", "get_weather", {"city": "LIS"})), reply(text_chunks("Sunny."))]
    with ScriptedServer(script) as server:
        run = asyncio.run(Agent(model="any", base_url=server.base_url, api_key="k", tools=[...]).run("..."))
    assert server.requests[1].messages[-1]["role"] == "tool"

The script is a list of answers, one for each request in the order of arrival, or a function from the request's body to
an answer, for driving a whole conversation. An answer is a `Stream` (made by `reply`) or an `HttpError`. A stream's
steps are chunks (dicts), text sent as it is (str), a `Delay`, a `Gate` that the test opens, or `CUT`, which breaks the
connection. Where the script runs out, or the function raises, the answer is 500 and the server raises when it closes.

It runs on a thread and a loop of its own, or with ``async with`` on the loop that is running; binds 127.0.0.1, keeps
connections open between requests, and uses the standard library alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

#: How long a wait in a test lasts before it fails: far above what a loaded machine needs, below what a user would wait.
PATIENCE_S: Final = 60.0
#: Connections that may wait to be accepted: a client whose connection does not fit retries after a second.
_QUEUED: Final = 1000
#: The ends of the paths that are answered: OpenAI's, Anthropic's and Gemini's.
_PATHS: Final = ("/chat/completions", "/responses", "/messages", ":streamGenerateContent")
CUT: Final = object()
#: Instead of an answer: the connection closes before a byte is sent.
HANG_UP: Final = object()
Chunk = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Delay:
    """A pause between two chunks, for tests that measure."""

    seconds: float


class Gate:
    """A point in a stream where the server waits until the test opens it. It may be opened before it is reached."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._reached = threading.Event()

    def open(self) -> None:
        """Let every stream pass that waits here or will reach this point."""
        with self._lock:
            self._open = True
            for loop, event in self._waiting:
                with contextlib.suppress(RuntimeError):  # the server has ended already
                    loop.call_soon_threadsafe(event.set)

    def wait_reached(self) -> None:
        """Block until the server has sent everything before the gate."""
        assert self._reached.wait(PATIENCE_S), "the server never reached this gate"

    async def reached(self) -> None:
        """Wait, without blocking the loop, until the server has sent everything before the gate."""
        await asyncio.to_thread(self.wait_reached)

    async def _pass(self) -> None:
        event = asyncio.Event()
        with self._lock:
            if self._open:
                event.set()
            self._waiting.append((asyncio.get_running_loop(), event))
        self._reached.set()
        await event.wait()


Step = Chunk | str | bytes | Delay | Gate | object


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer of server-sent events: dicts become ``data:`` lines, text is sent as it is."""

    steps: tuple[Step, ...]
    #: Opened before the status is sent, as of a server that answers with the first token.
    status_after: Gate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpError:
    """An answer that refuses the request."""

    status: int
    message: str = "scripted"
    #: Further fields of the ``error`` object, such as ``param`` and ``code``.
    fields: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    #: The whole body as text, instead of an ``error`` object.
    body: str | None = None

    def _encoded(self) -> bytes:
        error = {"message": self.message, "type": "scripted", **self.fields}
        return (json.dumps({"error": error}) if self.body is None else self.body).encode()


Answer = Stream | HttpError | object
Policy = Callable[[dict[str, Any]], Answer]


class Recorded:
    """One request as it arrived, and the state of its stream."""

    def __init__(self, path: str, headers: Mapping[str, str], body: dict[str, Any], connection: int) -> None:
        self.path, self.headers, self.body = path, headers, body
        #: The number of the client's connection, from 0.
        self.connection = connection
        self._finished, self._disconnected = threading.Event(), threading.Event()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of the request; of one of the Responses API, its input items."""
        messages: list[dict[str, Any]] = self.body["input" if self.path.endswith("/responses") else "messages"]
        return messages

    @property
    def finished(self) -> bool:
        """Whether the whole answer was sent."""
        return self._finished.is_set()

    @property
    def disconnected(self) -> bool:
        """Whether the client hung up before the answer's end."""
        return self._disconnected.is_set()

    def wait_disconnected(self) -> None:
        """Block until the client hangs up in the middle of the answer."""
        assert self._disconnected.wait(PATIENCE_S), "the client never hung up"


class _CutByScriptError(ConnectionError):
    """The script asked for the connection to break here."""


class ScriptedServer:
    """The server; a context manager.

    Attributes:
        base_url: Where it listens, such as ``http://127.0.0.1:40123/v1``.
        models: What it answers when asked for its models; None for a server without such a list.
        requests: Every request so far, in the order of arrival.
    """

    def __init__(
        self,
        script: Sequence[Answer] | Policy = (),
        *,
        models: Sequence[str] | HttpError | None = None,
        port: int = 0,
    ) -> None:
        self.models, self._port = models, port
        self._policy = script if callable(script) else None
        self._script = iter(() if callable(script) else script)
        self.requests: list[Recorded] = []
        self.base_url = ""
        self._connections = 0
        self._arrived = threading.Condition()
        self._failure: BaseException | None = None
        self._handlers: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted server", daemon=True)
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()
        self._conclude(error)

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        await self._close()
        self._conclude(error)

    def _conclude(self, error: BaseException | None) -> None:
        if self._failure is not None and error is None:
            raise self._failure

    @property
    def open_connections(self) -> int:
        """How many connections are open at this end."""
        return len(self._handlers)

    def hang_up(self) -> None:
        """Close all connections, as a server does with those that are idle."""
        for handler in list(self._handlers):
            self._loop.call_soon_threadsafe(handler.cancel)

    def wait_for_requests(self, count: int) -> None:
        """Block until this many requests have arrived."""
        with self._arrived:
            enough = self._arrived.wait_for(lambda: len(self.requests) >= count, PATIENCE_S)
        assert enough, f"only {len(self.requests)} of {count} requests arrived"

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self._port, backlog=_QUEUED)
        host, port = self._server.sockets[0].getsockname()
        self.base_url = f"http://{host}:{port}/v1"

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self._connections = self._connections, self._connections + 1
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers.add(handler)
        handler.add_done_callback(self._handlers.discard)
        # While an answer streams, the read that will begin the next request also detects that the client hung up.
        ahead = asyncio.ensure_future(reader.read(1))
        try:
            while first := await ahead:
                path, headers, body = await _read_request(reader, first)
                ahead = asyncio.ensure_future(reader.read(1))
                if path.partition("?")[0].endswith(_PATHS):
                    await self._answer(Recorded(path, headers, json.loads(body or "{}"), number), writer, ahead)
                elif path.partition("?")[0].endswith("/models") and self.models is not None:
                    await _refuse(writer, self._list())
                else:
                    await _refuse(writer, HttpError(status=404, message=f"no such path: {path}"))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # also when the server closes: a cancelled handler would be logged as a failure
        finally:
            ahead.cancel()
            writer.close()

    async def _answer(self, request: Recorded, writer: asyncio.StreamWriter, ahead: asyncio.Future[bytes]) -> None:
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        answer = self._choose(request.body)
        if isinstance(answer, HttpError):
            await _refuse(writer, answer)
            request._finished.set()
            return
        try:
            if not isinstance(answer, Stream):
                raise _CutByScriptError
            await _stream(writer, answer, ahead)
        except ConnectionError as error:
            if not isinstance(error, _CutByScriptError):
                request._disconnected.set()
            raise
        request._finished.set()

    def _list(self) -> HttpError:
        """Return the answer to a request for the models."""
        if isinstance(self.models, HttpError):
            return self.models
        data = [{"id": name, "object": "model"} for name in self.models or ()]
        return HttpError(status=200, body=json.dumps({"object": "list", "data": data}))

    def _choose(self, body: dict[str, Any]) -> Answer:
        try:
            return self._policy(body) if self._policy else next(self._script)
        except StopIteration:
            self._failure = AssertionError(f"the script has no answer for request {len(self.requests)}")
        except Exception as error:  # noqa: BLE001 - raised in the test, by __exit__
            self._failure = error
        return HttpError(status=500, message=repr(self._failure), headers={"x-should-retry": "false"})

    async def _close(self) -> None:
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await asyncio.sleep(
            0
        )  # connections close in the loop's next step; closing one whose client does not read would block


async def _read_request(reader: asyncio.StreamReader, first: bytes) -> tuple[str, dict[str, str], bytes]:
    head = first + await reader.readuntil(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").split("\r\n")[:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return start.split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", "0")))


async def _refuse(writer: asyncio.StreamWriter, error: HttpError) -> None:
    body = error._encoded()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {error.status} Scripted\r\n{lines}\r\n".encode() + body)
    await writer.drain()


async def _stream(writer: asyncio.StreamWriter, stream: Stream, ahead: asyncio.Future[bytes]) -> None:
    """Send a stream, chunked.

    Raises:
        ConnectionError: The client hung up, or the script cut the connection.
    """
    if stream.status_after is not None:
        await _wait(stream.status_after, ahead)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for step in stream.steps:
        if isinstance(step, (Delay, Gate)):
            await writer.drain()
            await _wait(step, ahead)
        elif step is CUT:
            raise _CutByScriptError
        else:
            data = step if isinstance(step, bytes) else encoded(step)
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await writer.drain()
        if ahead.done() and not ahead.result():
            raise ConnectionResetError("the client hung up")
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _wait(step: Delay | Gate, ahead: asyncio.Future[bytes]) -> None:
    """Wait until a delay or a gate is over.

    Raises:
        ConnectionError: The client hung up meanwhile.
    """
    wait = asyncio.sleep(step.seconds) if isinstance(step, Delay) else step._pass()
    pause: asyncio.Future[None] = asyncio.ensure_future(wait)
    await asyncio.wait((pause, ahead), return_when=asyncio.FIRST_COMPLETED)
    pause.cancel()
    if ahead.done() and not ahead.result():
        raise ConnectionResetError("the client hung up")


def encoded(step: Step) -> bytes:
    """Return a chunk, or text as it is, as it goes over the wire. A dict with a type gets the event line of that name."""
    if isinstance(step, str):
        return step.encode()
    assert isinstance(step, dict)
    event = f"event: {step['type']}\n" if "type" in step else ""
    return f"{event}data: {json.dumps(step)}\n\n".encode()


# -- the parts of scripts --------------------------------------------------------------------------------------------


def reply(*steps: Step | Sequence[Step], finish: str | None = "auto", done: bool = True) -> Stream:
    """Return a whole reply: these steps, a finish reason and the end mark.

    Args:
        steps: Steps, or lists of them as the functions below make.
        finish: The reason, None for none; ``auto`` is ``tool_calls`` after calls and ``stop`` after text alone.
        done: Whether the end mark is sent.
    """
    flat: list[Step] = []
    for step in steps:
        flat += step if isinstance(step, (list, tuple)) else [step]
    if finish == "auto":
        finish = "tool_calls" if any("tool_calls" in json.dumps(s) for s in flat if isinstance(s, dict)) else "stop"
    if finish is not None:
        flat.append(finish_chunk(finish))
    return Stream((*flat, "data: [DONE]\n\n") if done else tuple(flat))


def chunk(delta: Mapping[str, Any], finish_reason: str | None = None, **extra: Any) -> Chunk:
    """Return a chunk with one choice that holds this delta."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice], **extra}


def text_chunks(text: str, pieces: int = 1) -> list[Chunk]:
    """Return text, cut into so many chunks."""
    return [chunk({"content": piece}) for piece in cut_up(text, pieces)]


def call_chunks(
    index: int, call_id: str, name: str, arguments: Mapping[str, Any] | str, pieces: int = 3
) -> list[Chunk]:
    """Return a tool call in the usual form: id and name first, then the arguments, cut into so many chunks."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    first = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
    rest = [{"index": index, "function": {"arguments": piece}} for piece in cut_up(text, pieces)]
    return [chunk({"tool_calls": [call]}) for call in [first, *rest]]


def finish_chunk(reason: str) -> Chunk:
    """Return the chunk that says why the reply ends."""
    return chunk({}, reason)


def usage_chunk(input_tokens: int, output_tokens: int) -> Chunk:
    """Return the last chunk of some servers, which has no choices."""
    usage = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
    return {**chunk({}), "choices": [], "usage": {**usage, "total_tokens": input_tokens + output_tokens}}


def cut_up(text: str, pieces: int) -> Iterator[str]:
    """Yield text in so many pieces."""
    size = max(1, -(-len(text) // pieces))
    return (text[at : at + size] for at in range(0, len(text), size))
