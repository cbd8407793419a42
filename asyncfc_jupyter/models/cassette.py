"""Cassettes: a model's requests and replies in a file, and a model that plays them back without a network.

A cassette is JSON, one fact a line, so that two of them can be compared line by line::

    {"cassette": 1, "model": "gpt-6-luna"}
    {"request": 1, "continues": 0}            a request whose messages go on from those of an earlier one (0: of none)
    {"option": "seed", "value": 1}
    {"tool": {...}}                           its tools, unless they are those of the request it continues
    {"message": {"role": "user", ...}}        its messages, but for those of the request it continues
    {"at_s": 0.412, "text": "So"}             what came of it, with the seconds since the request
    {"at_s": 0.561, "end": "complete"}

Replayed, a request must be one that was recorded and not played yet: the first of those, or the first that is equal, so
that runs at the same time find their own. Keys are masked when a cassette is written and when it is compared.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from asyncfc_jupyter.core.errors import CassetteDiffers, CassetteError, ServerError
from asyncfc_jupyter.models.base import (
    CallDelta,
    ChatModel,
    ChatRequest,
    Delta,
    Finish,
    Message,
    ReasoningDelta,
    ReplyItem,
    Retrying,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.differences import first_difference
from asyncfc_jupyter.models.secret import Secret, hide_keys

_FORMAT = 1
_KINDS: dict[str, type[Delta]] = {
    "call": CallDelta, "reasoning": ReasoningDelta, "retrying": Retrying, "usage": Usage,
}  # fmt: skip
_INSTANT = "instant"


@dataclasses.dataclass(slots=True, kw_only=True)
class _Take:
    """One request, and the lines of what came of it."""

    number: int
    request: dict[str, Any]
    lines: list[dict[str, Any]]


class Recording:
    """A model that writes down what it is asked and what it answers. The file is begun anew with the first request.

    Args:
        model: The model that answers.
        path: The cassette.
    """

    def __init__(self, model: ChatModel, path: str | Path) -> None:
        self._model, self._path = model, Path(path)
        self._requests = 0
        #: Those whose lines are in the file: a request may go on from them.
        self._written: list[_Take] = []

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
        take = _Take(number=self._requests, request=self._masked(_plain(request)), lines=[])

        def note(**line: Any) -> None:
            take.lines.append({"at_s": round(clock() - started_s, 3), **line})

        if take.number == 1:
            self._write([{"cassette": _FORMAT, "model": self.name}], "w")
        end: Any = "closed"  # whoever read it wanted no more
        try:
            async with aclosing(self._model.stream(request)) as deltas:
                async for delta in deltas:
                    note(**_line(delta))
                    yield delta
            end = "complete"
        except ServerError as error:
            end = {"error": str(error), "status": error.status, "transient": error.transient}
            raise
        finally:
            note(end=end)
            self._write([*_request_lines(take, self._written), *take.lines], "a")
            self._written.append(take)

    def _masked(self, value: Any) -> Any:
        return json.loads(self._mask(json.dumps(value)))

    def _mask(self, text: str) -> str:
        secrets: Sequence[Secret] = getattr(self._model, "secrets", ())
        return hide_keys(text, *secrets)

    def _write(self, lines: Sequence[Mapping[str, Any]], how: str) -> None:
        text = "".join(self._mask(json.dumps(line, ensure_ascii=False)) + "\n" for line in lines)
        try:
            with self._path.open(how, encoding="utf-8", errors="replace") as file:
                file.write(text)
        except OSError as error:
            raise CassetteError(f"{self._path} cannot be written: {error.strerror}; name another file.") from None


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
        recorded, self._takes = _read(self._path)
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
        """
        take = self._find(json.loads(hide_keys(json.dumps(_plain(request)))))
        self._played.add(take.number)
        clock = asyncio.get_running_loop().time
        started_s = clock()
        for line in take.lines:
            pause_s = started_s + line["at_s"] / self._speed - clock()
            await asyncio.sleep(max(0.0, pause_s))
            if "end" not in line:
                yield _delta(line)
            elif isinstance(line["end"], Mapping):
                end = line["end"]
                raise ServerError(end["error"], status=end["status"], transient=end["transient"])

    def foretold(self, messages: Sequence[Message]) -> frozenset[str] | None:
        """Return the futures whose outcomes the recorded request shows that goes on from these messages.

        So the replay keeps the recorded pace, however fast its tools are now: what had returned by then is waited for, and
        what had not is withheld.
        """
        now = json.loads(hide_keys(json.dumps(list(messages), default=dict)))
        for take in self._takes:
            recorded = [message for message in take.request["messages"] if message["role"] != "system"]
            if take.number not in self._played and len(recorded) > len(now) and recorded[: len(now)] == now:
                return frozenset(_outcomes(recorded[len(now) :]))
        return None

    def _find(self, now: dict[str, Any]) -> _Take:
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
    return _read(Path(path))[0]


def _outcomes(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the names of the futures whose outcomes tool messages show."""
    for message in messages:
        try:
            content = json.loads(message["content"]) if message["role"] == "tool" else None
        except ValueError:
            continue
        told = content if isinstance(content, list) else [content]
        for shown in told:
            if isinstance(shown, Mapping):
                also = shown.get("delivered")
                for each in (shown, *(also if isinstance(also, list) else ())):
                    if "future" in each and each.get("status", "pending") != "pending":
                        yield str(each["future"])


# -- lines -----------------------------------------------------------------------------------------------------------


def _plain(request: ChatRequest) -> dict[str, Any]:
    plain = {"options": dict(request.options), "tools": list(request.tools), "messages": list(request.messages)}
    return json.loads(json.dumps(plain, default=dict))  # type: ignore[no-any-return]


def _request_lines(take: _Take, written: Sequence[_Take]) -> list[dict[str, Any]]:
    request, before = take.request, _continued(take, written)
    lines: list[dict[str, Any]] = [{"request": take.number, "continues": before.number if before else 0}]
    lines += [{"option": name, "value": value} for name, value in request["options"].items()]
    known = len(before.request["messages"]) if before else 0
    lines += [] if before else [{"tool": tool} for tool in request["tools"]]
    return lines + [{"message": message} for message in request["messages"][known:]]


def _continued(take: _Take, written: Sequence[_Take]) -> _Take | None:
    """Return the latest take so far whose tools are the same and whose messages are the first of this one's."""
    messages, tools = take.request["messages"], take.request["tools"]
    for other in reversed(written):
        theirs = other.request["messages"]
        if theirs == messages[: len(theirs)] and other.request["tools"] == tools:
            return other
    return None


def _line(delta: Delta) -> dict[str, Any]:
    match delta:
        case TextDelta(text=text):
            return {"text": text}
        case Finish(reason=reason):
            return {"finish": reason}
        case ReplyItem(item=item):
            return {"item": item}
    kind = next(name for name, of in _KINDS.items() if isinstance(delta, of))
    fields = {field.name: getattr(delta, field.name) for field in dataclasses.fields(delta)}
    return {kind: {name: value for name, value in fields.items() if value is not None}}


def _delta(line: Mapping[str, Any]) -> Delta:
    if "text" in line:
        return TextDelta(text=line["text"])
    if "finish" in line:
        return Finish(reason=line["finish"])
    if "item" in line:
        return ReplyItem(item=line["item"])
    kind = next(name for name in _KINDS if name in line)
    return _KINDS[kind](**line[kind])


def _read(path: Path) -> tuple[str, list[_Take]]:
    """Return the recorded model's name and the takes, in the order of their numbers."""
    number = 0
    try:
        # JSON may hold separators that `splitlines` takes for the end of a line.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        header = json.loads(lines[0])
        if header["cassette"] != _FORMAT:
            raise CassetteError(f"{path} is a cassette of form {header['cassette']}; this version reads {_FORMAT}.")
        takes: dict[int, _Take] = {}
        take: _Take | None = None
        for number, text in enumerate(lines[1:], 2):  # noqa: B007 - told in the error
            take = _take_line(json.loads(text), take, takes)
    except OSError as error:
        raise CassetteError(f"{path} cannot be read: {error.strerror}; record one first (--record).") from None
    except (ValueError, KeyError, IndexError, TypeError, StopIteration) as error:
        raise CassetteError(f"{path} is not a cassette: line {max(number, 1)} ({type(error).__name__}).") from None
    return str(header["model"]), [takes[key] for key in sorted(takes)]


def _take_line(line: dict[str, Any], take: _Take | None, takes: dict[int, _Take]) -> _Take:
    if "request" in line:
        before = takes[line["continues"]].request if line["continues"] else {"tools": [], "messages": []}
        request = {"options": {}, "tools": [*before["tools"]], "messages": [*before["messages"]]}
        take = takes[line["request"]] = _Take(number=line["request"], request=request, lines=[])
        return take
    if take is None:
        raise ValueError("a cassette's lines begin with a request")
    if "at_s" in line:
        if "end" not in line:
            _delta(line)  # a line that means nothing is found now, and not in the middle of a run
        take.lines.append(line)
    elif "option" in line:
        take.request["options"][line["option"]] = line["value"]
    elif "tool" in line:
        take.request["tools"].append(line["tool"])
    else:
        take.request["messages"].append(line["message"])
    return take
