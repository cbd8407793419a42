"""The lines of a cassette: to a request and what came of it, and back. `cassette` says what they look like."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asyncfc_jupyter.errors import CassetteError, ServerError, ServerTimedOut
from asyncfc_jupyter.models.base import (
    CallDelta,
    ChatRequest,
    Delta,
    Finish,
    ReasoningDelta,
    ReplyItem,
    Retrying,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.secret import Secret, mask_pieces

FORMAT = 1
_KINDS: dict[str, type[Delta]] = {
    "call": CallDelta, "reasoning": ReasoningDelta, "retrying": Retrying, "usage": Usage,
}  # fmt: skip


@dataclasses.dataclass(slots=True, kw_only=True)
class Take:
    """One request, and the lines of what came of it."""

    number: int
    request: dict[str, Any]
    lines: list[dict[str, Any]]


def plain(request: ChatRequest) -> dict[str, Any]:
    """Return a request as plain data, without the model."""
    whole = {"options": dict(request.options), "tools": list(request.tools), "messages": list(request.messages)}
    return json.loads(json.dumps(whole, default=dict))  # type: ignore[no-any-return]


def request_lines(take: Take, written: Sequence[Take]) -> list[dict[str, Any]]:
    """Return the lines of a request, which may go on from one that was written."""
    request, before = take.request, _continued(take, written)
    lines: list[dict[str, Any]] = [{"request": take.number, "continues": before.number if before else 0}]
    lines += [{"option": name, "value": value} for name, value in request["options"].items()]
    known = len(before.request["messages"]) if before else 0
    lines += [] if before else [{"tool": tool} for tool in request["tools"]]
    return lines + [{"message": message} for message in request["messages"][known:]]


def _continued(take: Take, written: Sequence[Take]) -> Take | None:
    """Return the latest take so far whose tools are the same and whose messages are the first of this one's."""
    messages, tools = take.request["messages"], take.request["tools"]
    for other in reversed(written):
        theirs = other.request["messages"]
        if theirs == messages[: len(theirs)] and other.request["tools"] == tools:
            return other
    return None


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
    return {kind: {name: value for name, value in fields.items() if value is not None}}


def to_delta(line: Mapping[str, Any]) -> Delta:
    """Return the delta that a line holds."""
    if "text" in line:
        return TextDelta(text=line["text"])
    if "finish" in line:
        return Finish(reason=line["finish"])
    if "item" in line:
        return ReplyItem(item=line["item"])
    kind = next(name for name in _KINDS if name in line)
    return _KINDS[kind](**line[kind])


def to_end(error: ServerError) -> dict[str, Any]:
    """Return the end of a request that failed, as it stands in its last line."""
    end: dict[str, Any] = {"error": str(error), "status": error.status, "transient": error.transient}
    if error.retry_after_s is not None:
        end["retry_after_s"] = error.retry_after_s
    return end | ({"timed_out": True} if isinstance(error, ServerTimedOut) else {})


def to_error(end: Mapping[str, Any]) -> ServerError:
    """Return the error in which a request ended."""
    kind = ServerTimedOut if end.get("timed_out") else ServerError
    return kind(end["error"], status=end["status"], transient=end["transient"], retry_after_s=end.get("retry_after_s"))


def to_text(line: Mapping[str, Any]) -> str:
    """Return a line as it is written."""
    text = json.dumps(line, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, whose other half may come with the next piece
        text = json.dumps(line)
    return f"{text}\n"


def read(path: Path) -> tuple[str, list[Take]]:
    """Return the recorded model's name and the takes, in the order of their numbers.

    Raises:
        CassetteError: The file cannot be read.
    """
    number = 0
    try:
        # JSON may hold separators that `splitlines` takes for the end of a line.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        header = json.loads(lines[0])
        if header["cassette"] != FORMAT:
            raise CassetteError(f"{path} is a cassette of form {header['cassette']}; this version reads {FORMAT}.")
        model = str(header["model"])
        takes: dict[int, Take] = {}
        take: Take | None = None
        for number, text in enumerate(lines[1:], 2):  # noqa: B007 - told in the error
            take = _take_line(json.loads(text), take, takes)
    except OSError as error:
        raise CassetteError(f"{path} cannot be read: {error.strerror}; record one first (--record).") from None
    except (ValueError, KeyError, IndexError, TypeError, StopIteration) as error:
        raise CassetteError(f"{path} is not a cassette: line {max(number, 1)} ({type(error).__name__}).") from None
    return model, [takes[key] for key in sorted(takes)]


def _take_line(line: dict[str, Any], take: Take | None, takes: dict[int, Take]) -> Take:
    if "request" in line:
        before = takes[line["continues"]].request if line["continues"] else {"tools": [], "messages": []}
        request = {"options": {}, "tools": [*before["tools"]], "messages": [*before["messages"]]}
        take = takes[line["request"]] = Take(number=line["request"], request=request, lines=[])
        return take
    if take is None:
        raise ValueError("a cassette's lines begin with a request")
    if "at_s" in line:
        if "end" not in line:
            to_delta(line)  # a line that means nothing is found now, and not in the middle of a run
        take.lines.append(line)
    elif "option" in line:
        take.request["options"][line["option"]] = line["value"]
    elif "tool" in line:
        take.request["tools"].append(line["tool"])
    else:
        take.request["messages"].append(line["message"])
    return take


def mask_streams(lines: Sequence[Mapping[str, Any]], *known: Secret) -> None:
    """Mask the keys that a model says in pieces, none of which shows one: text, reasoning, or the arguments of a call."""
    streams: dict[Any, list[tuple[Any, str]]] = {}
    call: Any = None
    for line in lines:
        if "text" in line:
            streams.setdefault("text", []).append((line, "text"))
        elif "reasoning" in line:
            streams.setdefault("reasoning", []).append((line["reasoning"], "text"))
        elif "call" in line:
            piece = line["call"]
            call = piece.get("index", piece.get("call_id", call))
            if isinstance(piece.get("arguments"), str):
                streams.setdefault(("call", call), []).append((piece, "arguments"))
    for pieces in streams.values():
        masked = mask_pieces([holder[name] for holder, name in pieces], *known)
        for (holder, name), text in zip(pieces, masked, strict=True):
            holder[name] = text
