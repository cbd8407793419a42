"""A model that records requests and replies in a cassette, and a model that replays them without a network.

A replayed request must equal a recorded one that was not replayed yet; of several equal ones the first is taken. So runs at
the same time find their own replies. Requests of which nothing was used are in the file, and are not replayed: a replay makes
none. Keys are masked when a cassette is written and when requests are compared.

`file_format` describes the file.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from asyncfc_jupyter.core.protocol import NOTHING_PENDING, decode, read_reports, text_of
from asyncfc_jupyter.errors import AgentInterrupted, CassetteDiffers, CassetteError, ServerError
from asyncfc_jupyter.masking import masked
from asyncfc_jupyter.models.base import ChatModel, ChatRequest, Delta, Message, server_address
from asyncfc_jupyter.models.cassette.diff import Difference, first_difference
from asyncfc_jupyter.models.cassette.file_format import (
    BEGIN,
    CLOSED,
    FORMAT,
    Exchange,
    mask_streams,
    plain,
    read,
    to_delta,
    to_end,
    to_error,
    to_line,
    used,
)
from asyncfc_jupyter.models.json_object import encodable_json

_INSTANT = "instant"


class Recording:
    """A model that writes down its requests and replies. The first request begins the file, and replaces an earlier cassette.

    Args:
        model: The model that answers.
        path: The cassette. An existing file must be a cassette or empty.

    Raises:
        CassetteError: The file cannot be read, or is something else than a cassette.
    """

    def __init__(self, model: ChatModel, path: str | Path) -> None:
        self._model, self._path = model, Path(path)
        begin = b""
        try:
            if self._path.is_file():
                with self._path.open("rb") as file:
                    begin = file.read(len(BEGIN))
        except OSError as error:
            raise CassetteError(f"{path} cannot be read: {error.strerror}; name another file.") from None
        if begin not in {b"", BEGIN}:
            raise CassetteError(f"{path} holds something else than a cassette; name another file or remove it.")
        #: The requests as they were given, and what is written of them.
        self._asked: list[tuple[ChatRequest, Exchange]] = []
        #: Exchanges whose lines are in the file, or will be before any later ones: a request may continue them.
        self._written: list[Exchange] = []
        #: The last writing, finished or not: the next one waits for it, so that the lines of two requests do not mix.
        self._writing: asyncio.Future[None] | None = None

    @property
    def name(self) -> str:
        """The name of the model that answers."""
        return self._model.name

    @property
    def address(self) -> str:
        """The address of the server of the model that answers; empty if it has none."""
        return server_address(self._model)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Yield the model's deltas, and write them down when they end, in whatever way.

        Raises:
            CassetteError: The file cannot be written.
        """
        clock = asyncio.get_running_loop().time
        started_s = clock()
        exchange = Exchange(number=len(self._asked) + 1, request=masked(plain(request)))
        self._asked.append((request, exchange))

        def note(**line: Any) -> None:
            exchange.reply.append({"at_s": round(clock() - started_s, 3), **line})

        if exchange.number == 1:
            await self._write([{"cassette": FORMAT, "model": self.name}], "w")
        end: Any = CLOSED
        try:
            async with aclosing(self._model.stream(request)) as deltas:
                async for delta in deltas:
                    note(**to_line(delta))
                    yield delta
            end = "complete"
        except ServerError as error:
            end = to_end(error)
            raise
        finally:
            note(end=end)
            mask_streams(exchange.reply)
            lines = [*exchange.request_lines(self._written), *exchange.reply, *exchange.mark_lines()]
            self._written.append(exchange)
            await self._write(lines, "a")

    async def mark_unused(self, request: ChatRequest) -> None:
        """Note that nothing of the reply to a request is used, so that a replay does not wait for that request.

        Args:
            request: The object that was given to `stream`.

        Raises:
            CassetteError: The file cannot be written.
        """
        exchange = next((exchange for asked, exchange in reversed(self._asked) if asked is request), None)
        if exchange is None or exchange.unused:
            return
        exchange.unused = True
        if exchange.reply and "end" in exchange.reply[-1]:  # else the line is written with the reply
            await self._write(exchange.mark_lines(), "a")

    async def _write(self, lines: Sequence[Mapping[str, Any]], mode: str) -> None:
        # A piece of text may end in half a character, whose other half comes with the next piece.
        text = "".join(encodable_json(masked(line)) + "\n" for line in lines)
        self._writing = asyncio.ensure_future(_write_after(self._writing, self._path, text, mode))
        try:
            # Shielded: if a run is stopped a second time meanwhile, the request still gets its reply.
            await asyncio.shield(self._writing)
        except OSError as error:
            raise CassetteError(f"{self._path} cannot be written: {error.strerror}; name another file.") from None


async def _write_after(before: asyncio.Future[None] | None, path: Path, text: str, mode: str) -> None:
    """Write to the file in a thread, after the writing before has finished or failed."""

    def write() -> None:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)

    if before is not None and not before.done():
        await asyncio.wait([before])
    await asyncio.to_thread(write)


class Replay:
    """A model that answers from a cassette, at the pace of the recording; needs no network and no key.

    Args:
        path: The cassette.
        speed: How many times as fast as recorded; ``"instant"`` without any pause.
        model: The name of the model; by default the recorded model's.

    Raises:
        CassetteError: The file cannot be read, or the speed is not a number above 0.
    """

    def __init__(self, path: str | Path, *, speed: float | str = 1, model: str | None = None) -> None:
        self._speed = math.inf
        if speed != _INSTANT:
            try:
                self._speed = float(speed)
            except (TypeError, ValueError):
                self._speed = math.nan
            if not 0 < self._speed < math.inf:
                raise CassetteError(f"speed is {speed!r}; it is a number above 0, such as 4, or {_INSTANT}.")
        self._path = Path(path)
        recorded, exchanges = read(self._path)
        self._exchanges = used(exchanges)
        self._name = model or recorded
        self._played: set[int] = set()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Yield the deltas that were recorded for this request.

        Raises:
            CassetteDiffers: No such request was recorded; the error names the first difference.
            ServerError: The recorded request ended in one.
            AgentInterrupted: The recorded run was interrupted here.
        """
        exchange = self._find(masked(plain(request)))
        self._played.add(exchange.number)
        clock = asyncio.get_running_loop().time
        started_s = clock()
        for line in exchange.reply:
            pause_s = started_s + line["at_s"] / self._speed - clock()
            await asyncio.sleep(max(0.0, pause_s))
            if "end" not in line:
                yield to_delta(line)
            elif isinstance(line["end"], Mapping):
                raise to_error(line["end"])
            elif line["end"] == CLOSED:
                raise AgentInterrupted(
                    f"the recording {self._path} was interrupted here, in the reply to request {exchange.number}; record it "
                    "again (--record) to have the rest."
                )

    def foretold(self, messages: Sequence[Message]) -> frozenset[str] | None:
        """Return the futures whose outcomes are shown in the recorded request that continues these messages.

        So a replay keeps the recorded pace, however fast its tools are now: it waits for results that had arrived by then,
        and withholds those that had not.
        """
        following = self._following(messages)
        if following is None:
            return None
        return frozenset(
            report.future
            for message in following
            if message["role"] in {"tool", "user"}
            for report in read_reports(decode(text_of(message)))
            if report.status not in {None, "pending"}
        )

    def foretold_wait(self, messages: Sequence[Message], call_id: str) -> tuple[str, ...] | None:
        """Return the futures in the recorded answer to an ``await_future``, in order; none if nothing was pending."""
        for message in self._following(messages) or ():
            if message.get("tool_call_id") == call_id:
                content = decode(text_of(message))
                if content[:1] == [NOTHING_PENDING]:
                    return ()
                return tuple(report.future for report in read_reports(content))
        return None

    def _following(self, messages: Sequence[Message]) -> list[Message] | None:
        """Return what the recorded request that continues these messages has after them; or None if nothing does."""
        now = masked(json.loads(json.dumps(list(messages), default=dict)))
        for exchange in self._exchanges:
            recorded = [message for message in exchange.request["messages"] if message["role"] != "system"]
            if exchange.number in self._played or len(recorded) <= len(now):
                continue
            begin = recorded[: len(now)]
            if begin == now or first_difference(begin, now) is None:  # a mask in it stands for any text
                return recorded[len(now) :]
        return None

    def _find(self, now: dict[str, Any]) -> Exchange:
        """Return the first exchange that has this request and was not played yet."""
        first: tuple[int, Difference] | None = None
        for exchange in self._exchanges:
            if exchange.number not in self._played:
                difference = first_difference(exchange.request, now)
                if difference is None:
                    return exchange
                first = first or (exchange.number, difference)
        last = self._exchanges[-1].number if self._exchanges else 0
        number, (where, recorded, seen) = first or (last + 1, ("", "no such request", "one more"))
        raise CassetteDiffers(str(self._path), request=number, where=where, recorded=recorded, now=seen)


def recorded_model(path: str | Path) -> str:
    """Return the name of the model that a cassette was recorded from.

    Raises:
        CassetteError: The file cannot be read.
    """
    return read(Path(path))[0]
