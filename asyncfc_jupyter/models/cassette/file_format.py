"""The form of a cassette file, and how it is written and read.

A cassette is JSON, one fact a line, so that two of them can be compared line by line::

    {"cassette": 1, "model": "gpt-6-luna"}
    {"request": 1, "continues": 0}            the number of an earlier request whose messages it continues, or 0
    {"option": "seed", "value": 1}
    {"tool": {...}}                           its tools, unless they are those of the request that it continues
    {"message": {"role": "user", ...}}        its messages, without those of the request that it continues
    {"at_s": 0.412, "text": "So"}             a part of the reply, with the seconds since the request
    {"at_s": 0.561, "end": "complete"}        or "closed" if it was not read to its end, or {"error": ...}
    {"unused": 1}                             nothing of the reply to this request was used: it was retracted, or lost a race
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from asyncfc_jupyter.checked_json import NotValid, checked, parsed
from asyncfc_jupyter.errors import CassetteError, ServerError, ServerTimedOut
from asyncfc_jupyter.masking import mask_pieces
from asyncfc_jupyter.models.base import (
    CallDelta,
    ChatRequest,
    Delta,
    Finish,
    KeptDelta,
    ReasoningDelta,
    ReplyItem,
    Retrying,
    TextDelta,
    Usage,
)

FORMAT = 1
#: How every cassette begins.
BEGIN = b'{"cassette"'
#: The end of a reply that was not read to its end: the run was interrupted, its time was up, or the reply is unused.
CLOSED = "closed"
_KINDS: dict[str, type[Delta]] = {
    "call": CallDelta, "kept": KeptDelta, "reasoning": ReasoningDelta, "retrying": Retrying, "usage": Usage,
}  # fmt: skip


class _Begin(TypedDict):
    """The first line of a request."""

    request: int
    continues: int


class _End(TypedDict):
    """The end of a request that failed."""

    error: str
    status: int | None
    transient: bool
    retry_after_s: NotRequired[float]
    timed_out: NotRequired[bool]


@dataclasses.dataclass(slots=True, kw_only=True)
class Exchange:
    """One request, and the lines of its reply."""

    number: int
    #: Its options, tools and messages.
    request: dict[str, Any]
    reply: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    #: Whether nothing of the reply was used.
    unused: bool = False

    @property
    def may_be_retried(self) -> bool:
        """Whether its reply failed or is empty: then the same request is often sent again."""
        end = next((line["end"] for line in self.reply if "end" in line), CLOSED)
        holds_any = any("call" in each or "reasoning" in each or each.get("text", "").strip() for each in self.reply)
        return isinstance(end, Mapping) or (end != CLOSED and not holds_any)

    def request_lines(self, written: Sequence[Exchange]) -> list[dict[str, Any]]:
        """Return the lines of the request, which may continue a request that was written before."""
        request, before = self.request, None
        for earlier in reversed(written):
            messages = earlier.request["messages"]
            if earlier.request["tools"] == request["tools"] and messages == request["messages"][: len(messages)]:
                before = earlier
                break
        known = len(before.request["messages"]) if before else 0
        lines: list[dict[str, Any]] = [{"request": self.number, "continues": before.number if before else 0}]
        lines += [{"option": name, "value": value} for name, value in request["options"].items()]
        lines += [] if before else [{"tool": tool} for tool in request["tools"]]
        return lines + [{"message": message} for message in request["messages"][known:]]

    def mark_lines(self) -> list[dict[str, Any]]:
        """Return the line that says that nothing of its reply was used, if that is so."""
        return [{"unused": self.number}] if self.unused else []

    def add(self, line: dict[str, Any]) -> None:
        """Add what a line says.

        Raises:
            NotValid: The line has an unknown form. It is refused when the file is read, not in the middle of a run.
        """
        if "at_s" in line:
            checked(float, line["at_s"])
            if "end" in line:
                checked(_End | Literal["complete", "closed"], line["end"])
            else:
                to_delta(line)
            self.reply.append(line)
        elif "option" in line and "value" in line:
            self.request["options"][checked(str, line["option"])] = line["value"]
        elif "tool" in line:
            self.request["tools"].append(line["tool"])
        else:
            message = line.get("message")
            if not isinstance(message, dict) or not isinstance(message.get("role"), str):
                raise NotValid("it is neither a part of a request nor of a reply")
            self.request["messages"].append(message)


def plain(request: ChatRequest) -> dict[str, Any]:
    """Return a request as plain data, without the model."""
    whole = {"options": dict(request.options), "tools": list(request.tools), "messages": list(request.messages)}
    return json.loads(json.dumps(whole, default=dict))  # type: ignore[no-any-return]


def to_line(delta: Delta) -> dict[str, Any]:
    """Return a delta as a line, without its time."""
    match delta:
        case TextDelta(text=text):
            return {"text": text}
        case Finish(reason=reason):
            return {"finish": reason}
        case ReplyItem(item=item):
            return {"item": item}
    kind = next(name for name, of in _KINDS.items() if isinstance(delta, of))
    fields = {field.name: getattr(delta, field.name) for field in dataclasses.fields(delta)}
    return {kind: {name: value for name, value in fields.items() if value is not None and value is not False}}


def to_delta(line: Mapping[str, Any]) -> Delta:
    """Return the delta of a line.

    Raises:
        NotValid: The line has an unknown form.
    """
    if "text" in line:
        return TextDelta(text=checked(str, line["text"]))
    if "finish" in line:
        return Finish(reason=checked(str, line["finish"]))
    if "item" in line:
        return ReplyItem(item=checked(dict[str, Any], line["item"]))
    kind = next((name for name in _KINDS if name in line), None)
    if kind is None:
        raise NotValid("it is no part of a reply", newer=True)
    delta: Delta = checked(_KINDS[kind], line[kind])
    return delta


def to_end(error: ServerError) -> dict[str, Any]:
    """Return the ``end`` of a request that failed."""
    end: dict[str, Any] = {"error": str(error), "status": error.status, "transient": error.transient}
    if error.retry_after_s is not None:
        end["retry_after_s"] = error.retry_after_s
    return end | ({"timed_out": True} if isinstance(error, ServerTimedOut) else {})


def to_error(end: Mapping[str, Any]) -> ServerError:
    """Return the error of a request that failed."""
    kind = ServerTimedOut if end.get("timed_out") else ServerError
    return kind(end["error"], status=end["status"], transient=end["transient"], retry_after_s=end.get("retry_after_s"))


def read(path: Path) -> tuple[str, list[Exchange]]:
    """Return the recorded model's name and the exchanges, in the order of their numbers.

    Raises:
        CassetteError: The file cannot be read, or is not a cassette; the error names the line.
    """
    number, exchange, exchanges = 1, None, dict[int, Exchange]()
    try:
        # Not `splitlines`, which also splits at separators that JSON may contain.
        first, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        header = checked(dict[str, Any], parsed(first))
        if checked(int, header.get("cassette")) != FORMAT:
            raise CassetteError(f"{path} is a cassette of form {header['cassette']}; this version reads {FORMAT}.")
        model: str = checked(str, header.get("model"))
        for number, text in enumerate(lines, 2):  # noqa: B007 - the error names it
            line = parsed(text)
            if not isinstance(line, dict):
                raise NotValid("it is not an object")
            if "request" in line:
                exchange = _begun(checked(_Begin, line), exchanges)
                exchanges[exchange.number] = exchange
            elif "unused" in line:
                _earlier(checked(int, line["unused"]), exchanges).unused = True
            elif exchange is None:
                raise NotValid("the lines of a cassette begin with a request")
            else:
                exchange.add(line)
    except OSError as error:
        raise CassetteError(f"{path} cannot be read: {error.strerror}; record one first (--record).") from None
    except UnicodeDecodeError as error:
        raise CassetteError(f"{path} is not a cassette: it is not text ({error.reason}).") from None
    except NotValid as error:
        raise CassetteError(f"{path} is not a cassette: line {number}: {error}; record it again (--record).") from None
    return model, [exchanges[key] for key in sorted(exchanges)]


def _begun(begin: _Begin, exchanges: Mapping[int, Exchange]) -> Exchange:
    """Return a new exchange, with what its request has in common with the one that it continues."""
    before: Mapping[str, Any] = {"tools": [], "messages": []}
    if begin["continues"]:
        before = _earlier(begin["continues"], exchanges).request
    request = {"options": {}, "tools": [*before["tools"]], "messages": [*before["messages"]]}
    return Exchange(number=begin["request"], request=request)


def _earlier(number: int, exchanges: Mapping[int, Exchange]) -> Exchange:
    if number not in exchanges:
        raise NotValid(f"there is no request {number} before it")
    return exchanges[number]


def used(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Return the exchanges that a replay makes: those that were used.

    An unused request takes its failed attempts with it. They asked the same, so a replay of one would be followed by another
    attempt, which has no reply.
    """
    kept, unused = list[Exchange](), list[Exchange]()
    for exchange in reversed(exchanges):
        retried = exchange.may_be_retried and any(exchange.request == later.request for later in unused)
        (unused if exchange.unused or retried else kept).append(exchange)
    return kept[::-1]


def _texts_in(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each text in an object or in those inside it, as the object and the name of its field."""
    for name, inner in value.items() if isinstance(value, dict) else [(None, each) for each in value]:
        if isinstance(inner, str) and name not in {None, "field", "type"}:
            yield value, name
        elif isinstance(inner, (dict, list)):
            yield from _texts_in(inner)


def mask_streams(lines: Sequence[Mapping[str, Any]]) -> None:
    """Mask keys that are divided among several pieces of text, of reasoning, or of the arguments of a call."""
    streams: dict[Any, list[tuple[Any, str]]] = {}
    call: Any = None
    for line in lines:
        if "text" in line:
            streams.setdefault("text", []).append((line, "text"))
        elif "reasoning" in line:
            streams.setdefault("reasoning", []).append((line["reasoning"], "text"))
        elif "kept" in line:
            for holder, name in _texts_in(line["kept"]):
                streams.setdefault(("kept", line["kept"]["field"], name), []).append((holder, name))
        elif "call" in line:
            piece = line["call"]
            call = piece.get("index", piece.get("call_id", call))
            if isinstance(piece.get("arguments"), str):
                streams.setdefault(("call", call), []).append((piece, "arguments"))
    for pieces in streams.values():
        masked = mask_pieces([holder[name] for holder, name in pieces])
        for (holder, name), text in zip(pieces, masked, strict=True):
            holder[name] = text
