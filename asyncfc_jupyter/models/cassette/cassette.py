"""Cassettes: a model's requests and replies in a file, and a model that plays them back without a network.

A cassette is JSON, one fact a line, so that two of them can be compared line by line::

    {"cassette": 1, "model": "gpt-6-luna"}
    {"request": 1, "continues": 0}            a request whose messages go on from those of an earlier one (0: of none)
    {"option": "seed", "value": 1}
    {"tool": {...}}                           its tools, unless they are those of the request it continues
    {"message": {"role": "user", ...}}        its messages, but for those of the request it continues
    {"at_s": 0.412, "text": "So"}             what came of it, with the seconds since the request
    {"at_s": 0.561, "end": "complete"}        or "closed", where the run was interrupted, or {"error": ...}

Replayed, a request must be one that was recorded and not played yet: the first of those, or the first that is equal, so
that runs at the same time find their own. Keys are masked when a cassette is written and when it is compared.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from asyncfc_jupyter.core.protocol import decode, read_reports, text_of
from asyncfc_jupyter.errors import AgentInterrupted, CassetteDiffers, CassetteError, ServerError
from asyncfc_jupyter.models.base import ChatModel, ChatRequest, Delta, Message
from asyncfc_jupyter.models.cassette.diff import first_difference
from asyncfc_jupyter.models.cassette.file_format import (
    FORMAT,
    Take,
    mask_streams,
    plain,
    read,
    request_lines,
    to_delta,
    to_end,
    to_error,
    to_line,
    to_text,
)
from asyncfc_jupyter.models.secret import Secret, masked

_INSTANT = "instant"
#: What every cassette begins with.
_BEGIN = b'{"cassette"'
#: The end of a reply that whoever read it wanted no more of: the run was interrupted, or its time was up.
_CLOSED = "closed"


class Recording:
    """A model that writes down what it is asked and what it answers. The file is begun anew with the first request.

    Args:
        model: The model that answers.
        path: The cassette. A file that is there must be one, or empty.

    Raises:
        CassetteError: The file holds something else.
    """

    def __init__(self, model: ChatModel, path: str | Path) -> None:
        self._model, self._path = model, Path(path)
        _check_free(self._path)
        self._requests = 0
        #: Those whose lines are in the file, or will be before any that are written later: a request may go on from them.
        self._written: list[Take] = []
        #: What is written now or was written last: the next waits for it, so that no request is written amid another.
        self._writing: asyncio.Future[None] | None = None

    @property
    def name(self) -> str:
        """The name of the model that answers."""
        return self._model.name

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Yield the model's deltas, and write them down when they end, in whatever way.

        Raises:
            CassetteError: The file cannot be written.
        """
        clock = asyncio.get_running_loop().time
        started_s = clock()
        self._requests += 1
        take = Take(number=self._requests, request=masked(plain(request), *self._secrets), lines=[])

        def note(**line: Any) -> None:
            take.lines.append({"at_s": round(clock() - started_s, 3), **line})

        if take.number == 1:
            await self._write([{"cassette": FORMAT, "model": self.name}], "w")
        end: Any = _CLOSED
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
            mask_streams(take.lines, *self._secrets)
            lines = [*request_lines(take, self._written), *take.lines]
            self._written.append(take)
            await self._write(lines, "a")

    @property
    def _secrets(self) -> Sequence[Secret]:
        secrets: Sequence[Secret] = getattr(self._model, "secrets", ())
        return secrets

    async def _write(self, lines: Sequence[Mapping[str, Any]], how: str) -> None:
        text = "".join(to_text(masked(line, *self._secrets)) for line in lines)
        self._writing = asyncio.ensure_future(_write_after(self._writing, self._path, text, how))
        try:
            # Shielded: a run that is stopped a second time meanwhile leaves no request without its reply.
            await asyncio.shield(self._writing)
        except OSError as error:
            raise CassetteError(f"{self._path} cannot be written: {error.strerror}; name another file.") from None


async def _write_after(before: asyncio.Future[None] | None, path: Path, text: str, how: str) -> None:
    """Write to the file in a thread, once what came before is written or has failed."""
    if before is not None and not before.done():
        await asyncio.wait([before])
    await asyncio.to_thread(_write, path, text, how)


def _write(path: Path, text: str, how: str) -> None:
    with path.open(how, encoding="utf-8") as file:
        file.write(text)


def _check_free(path: Path) -> None:
    """Check that a file may be written anew: one that is no cassette was meant for something else."""
    try:
        if not path.is_file():
            return
        with path.open("rb") as file:
            begin = file.read(len(_BEGIN))
    except OSError as error:
        raise CassetteError(f"{path} cannot be read: {error.strerror}; name another file.") from None
    if begin and begin != _BEGIN:
        raise CassetteError(f"{path} holds something else than a cassette; name another file or remove it.")


class Replay:
    """A model that answers from a cassette, at the pace of the recording; needs no network and no key.

    Args:
        path: The cassette.
        speed: How many times as fast as recorded; ``"instant"`` without any pause.
        model: The name to go by; by default the recorded model's.

    Raises:
        CassetteError: The file cannot be read, or the speed is none.
    """

    def __init__(self, path: str | Path, *, speed: float | str = 1.0, model: str | None = None) -> None:
        self._path, self._speed = Path(path), _checked_speed(speed)
        recorded, self._takes = read(self._path)
        self._name = model or recorded
        self._played: set[int] = set()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Yield the deltas that were recorded for this request.

        Raises:
            CassetteDiffers: It is not a request that was recorded; the error names the first difference.
            ServerError: The recorded request ended in one.
            AgentInterrupted: When it was recorded, whoever read the reply was stopped here.
        """
        take = self._find(masked(plain(request)))
        self._played.add(take.number)
        clock = asyncio.get_running_loop().time
        started_s = clock()
        for line in take.lines:
            pause_s = started_s + line["at_s"] / self._speed - clock()
            await asyncio.sleep(max(0.0, pause_s))
            if "end" not in line:
                yield to_delta(line)
            elif isinstance(line["end"], Mapping):
                raise to_error(line["end"])
            elif line["end"] == _CLOSED:
                raise AgentInterrupted(
                    f"the recording {self._path} was interrupted here, in the reply to request {take.number}; record it "
                    "again (--record) to have the rest."
                )

    def foretold(self, messages: Sequence[Message]) -> frozenset[str] | None:
        """Return the futures whose outcomes the recorded request shows that goes on from these messages.

        So the replay keeps the recorded pace, however fast its tools are now: what had returned by then is waited for, and
        what had not is withheld.
        """
        now = masked(json.loads(json.dumps(list(messages), default=dict)))
        for take in self._takes:
            recorded = [message for message in take.request["messages"] if message["role"] != "system"]
            if take.number in self._played or len(recorded) <= len(now):
                continue
            begin = recorded[: len(now)]
            if begin == now or first_difference(begin, now) is None:  # a mask in it stands for any text
                return frozenset(
                    report.future
                    for message in recorded[len(now) :]
                    if message["role"] in {"tool", "user"}
                    for report in read_reports(decode(text_of(message)))
                    if report.status not in {None, "pending"}
                )
        return None

    def _find(self, now: dict[str, Any]) -> Take:
        left = [take for take in self._takes if take.number not in self._played]
        for take in left:
            if first_difference(take.request, now) is None:
                return take
        if not left:
            raise CassetteDiffers(
                str(self._path), request=len(self._takes) + 1, where="", recorded="no such request", now="one more"
            )
        difference = first_difference(left[0].request, now)
        where, recorded, seen = difference or ("", "", "")
        raise CassetteDiffers(str(self._path), request=left[0].number, where=where, recorded=recorded, now=seen)


def _checked_speed(speed: float | str) -> float:
    if speed == _INSTANT:
        return math.inf
    try:
        number = float(speed)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise CassetteError(f"speed is {speed!r}; it is a number above 0, such as 4, or {_INSTANT}.")
    return number


def recorded_model(path: str | Path) -> str:
    """Return the name of the model that a cassette was recorded from.

    Raises:
        CassetteError: The file cannot be read.
    """
    return read(Path(path))[0]
