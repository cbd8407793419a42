"""From deltas to calls: one accumulator for every adapter, tolerant of what servers send.

Theory of operation
-------------------
A call can start as soon as its own arguments are complete, long before the reply ends. So each call's text runs through a
`JsonObject`, which reports when the object is complete. Only then is the text parsed, by `json.loads`. Servers disagree on
which call a delta belongs to:

* The index decides, unless another id comes with it: then a new call takes over the index. Without an index the id decides;
  without both, the delta continues the call before it.
* Without ids, a name that returns after the arguments closed begins a new call once another object follows it. Until then the
  server may only repeat the name in every delta. A name that comes in pieces is joined, as long as no arguments came.
* A call without arguments means ``{}``. That is known when the reply has ended normally, or when the arguments of a later call
  begin.
* What follows a closed object is not part of it. Whitespace and a repetition of the same object are ignored. Anything else
  becomes a malformed call of its own at the end of the reply: the call itself may run already, and the model should learn what
  was dropped.

Calls close in the order in which they opened, which is the order of `Reply.calls`. A model that counts its calls to name their
futures counts as we do, also where a server interleaves them.

Refused: guesses at broken JSON. A wrongly repaired call is worse than one that the model is asked to write again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncfc_jupyter.models.base import CallDelta, Delta, Finish, ReasoningDelta, ReplyItem, TextDelta, Usage
from asyncfc_jupyter.models.json_object import BLANK, JsonObject, join_halves, strict_json

#: The finish reason of a reply whose stream ended without one.
CUT = "cut"
#: Finish reasons after which the last call may be incomplete although nothing in its text shows it.
_CUT_OFF = frozenset({"length", "content_filter", CUT})
#: Characters of unreadable arguments that are kept: enough to see what is wrong, and little to send back to the model.
_SHOWN_CHARS = 2000
#: Servers refuse a history with any other character in a function's name.
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")
_NAME_CHARS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """A piece of the reply's text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningPart:
    """A piece of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOpenedPart:
    """The name of a call is known; its arguments may still stream. Comes once for each call that has a name."""

    call_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClosedPart:
    """The arguments of a call are complete. The reply may continue."""

    call_id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMalformedPart:
    """A call that cannot be read. It has its position among the calls all the same."""

    call_id: str
    #: As the model wrote it; empty when it named no tool.
    name: str
    #: The beginning of the arguments as the model wrote them.
    text: str
    #: What is wrong, as half a sentence for the model.
    problem: str


Part = TextPart | ReasoningPart | CallOpenedPart | CallClosedPart | CallMalformedPart


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyCall:
    """A call as it is sent back to the server in the assistant message."""

    call_id: str
    #: The name; characters that servers refuse in a history are replaced. The name of a tool never has such.
    name: str
    #: The arguments as the model wrote them; ``{}`` where they are malformed, so that the history stays valid.
    arguments_json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole reply, after its stream ended."""

    text: str
    #: In the order in which they opened, and were reported as closed or malformed; the last of those reports are in ``parts``.
    calls: tuple[ReplyCall, ...]
    #: As the server gave it, or ``cut`` when it gave none.
    finish_reason: str
    usage: Usage | None
    #: The parts that only the end of the reply settled.
    parts: tuple[Part, ...]
    #: What the same model must be sent again beside text and calls: ``items`` of the Responses API, or the reasoning as
    #: ``text`` with the name of its ``field``. Empty for most models.
    replay: Mapping[str, Any] = field(default_factory=dict)


class _Call:
    """One call in the making."""

    __slots__ = (
        "_half", "announced", "arguments", "arguments_seen", "call_id", "json_text", "name", "opened", "problem",
        "raw_id", "text", "trailing",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        #: The id as the server gave it. ``call_id`` is the id that is used, fixed when the first part mentions it.
        self.raw_id = self.call_id = ""
        self.opened = self.arguments_seen = False
        self.json_text = JsonObject()
        self.arguments: dict[str, Any] | None = None
        self.problem = ""
        #: A name that came after the arguments closed: a repetition, or the beginning of another call.
        self.announced = ""
        self.text = self.trailing = self._half = ""

    @property
    def settled(self) -> bool:
        """Whether the arguments are complete or can never be."""
        return self.arguments is not None or bool(self.problem)

    def begins_another(self, delta: CallDelta, arguments: str) -> bool:
        """Return whether a delta that has this call's index or id belongs to a new call."""
        content = arguments.lstrip(BLANK)
        if delta.call_id:
            if self.raw_id:
                return delta.call_id != self.raw_id
            return self.settled and bool(self.name) and bool(delta.name or content)
        if delta.name and self.name and delta.name != self.name:
            return self.arguments_seen
        # Only an object begins a call: a server that repeats the name in every delta may send other text after it.
        return self.settled and content.startswith("{") and bool(self.name and (delta.name or self.announced))

    def take(self, delta: CallDelta, arguments: str) -> None:
        """Add a delta that belongs to this call."""
        self.raw_id = self.raw_id or delta.call_id or ""
        if delta.name:
            if not self.name:
                self.name = delta.name
            elif self.settled:
                self.announced = "" if delta.call_id else delta.name
            elif not self.arguments_seen:
                self.name = delta.name if delta.name.startswith(self.name) else self.name + delta.name
        if delta.arguments is None:
            return
        self.arguments_seen = True
        text, self._half = join_halves(self._half, arguments)
        if not self.settled:
            text = self.json_text.feed(text)
            if self.json_text.closed:
                self.settle()
        if text and self.arguments is not None and len(self.trailing) < _SHOWN_CHARS:
            self.trailing = (self.trailing + text).lstrip(BLANK)[:_SHOWN_CHARS]

    def settle(self) -> None:
        """Parse the arguments. No text at all means an empty object."""
        self.text = self.json_text.text or "{}"
        if self.text[0] != "{":
            self.problem = f"its arguments must be one JSON object, but they begin with {self.text[0]!r}"
            return
        try:
            self.arguments = strict_json(self.text)
        except RecursionError:
            self.problem = "its arguments are nested too deeply to be read"
        except ValueError as error:
            self.problem = f"its arguments are not valid JSON: {error}"

    def settle_at_end(self, finish_reason: str) -> None:
        """Settle a call whose arguments were not complete when the reply ended."""
        if self.json_text.begun or finish_reason in _CUT_OFF:
            why = f"was cut off ({finish_reason})" if finish_reason in _CUT_OFF else "ended"
            self.text = self.json_text.text
            self.problem = f"the reply {why} before its arguments were complete"
        else:
            self.settle()


class Accumulator:
    """Turns the deltas of one reply into parts as they complete, and into a `Reply` at the end.

    Args:
        id_prefix: Beginning of the ids given to calls that have none of their own, or one that is in use.
        taken: Ids that earlier replies of the conversation have used.
    """

    def __init__(self, id_prefix: str, taken: Container[str] = ()) -> None:
        self._id_prefix, self._taken = id_prefix, taken
        self._used: set[str] = set()
        self._made = 0
        self._text: list[str] = []
        self._half = ""
        self._reasoning: list[str] = []
        self._reasoning_field = ""
        self._items: list[Mapping[str, Any]] = []
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._current: _Call | None = None
        #: How many calls were reported as closed or malformed.
        self._released = 0
        self._ended = False
        self._reply: Reply | None = None
        self._reason = CUT
        self._usage: Usage | None = None

    def feed(self, delta: Delta) -> tuple[Part, ...]:
        """Take a delta and return the parts that it completed: often none."""
        match delta:
            case CallDelta():
                return self._feed_call(delta)
            case TextDelta():
                text, self._half = join_halves(self._half, delta.text)
                return self._add_text(text)
            case ReasoningDelta():
                # A request cannot hold half a character. Of reasoning, a character that was split may be lost.
                text, _ = join_halves("", delta.text)
                if text:
                    self._reasoning_field = delta.field or self._reasoning_field
                    self._reasoning.append(text)
                    return (ReasoningPart(text=text),)
            case ReplyItem():
                self._items.append(delta.item)
            case Finish():
                self._reason = delta.reason
            case Usage():
                self._usage = delta
        return ()

    @property
    def has_calls(self) -> bool:
        """Whether a call has opened."""
        return bool(self._calls)

    def finish(self) -> Reply:
        """Settle the open calls after the end of the stream and return the whole reply: always the same one."""
        if self._reply is not None:
            return self._reply
        parts: list[Part] = [*self._add_text("\ufffd" if self._half else "")]
        for call in self._calls[self._released :]:
            if not call.settled:
                call.settle_at_end(self._reason)
            if not call.name:
                call.arguments, call.problem = None, "it names no tool"
        for call in self._calls[:]:
            trailing = call.trailing.rstrip(BLANK)
            if trailing and trailing != call.text:
                extra = self._begin(None, call.name)
                extra.text, extra.problem = trailing, "text follows the closed arguments; write each call separately"
        self._ended = True
        parts += self._release()
        replay: dict[str, Any] = {}
        if self._items:
            replay = {"items": self._items}
        elif self._reasoning_field:
            replay = {"field": self._reasoning_field, "text": "".join(self._reasoning)}
        self._reply = Reply(
            text="".join(self._text),
            calls=tuple(
                ReplyCall(
                    call_id=call.call_id,
                    name=_UNSAFE_IN_NAME.sub("_", call.name)[:_NAME_CHARS] or "unnamed",
                    arguments_json="{}" if call.arguments is None else call.text,
                )
                for call in self._calls
            ),
            finish_reason=self._reason,
            usage=self._usage,
            parts=tuple(parts),
            replay=replay,
        )
        return self._reply

    def _add_text(self, text: str) -> tuple[Part, ...]:
        if not text:
            return ()
        self._text.append(text)
        return (TextPart(text=text),)

    def _feed_call(self, delta: CallDelta) -> tuple[Part, ...]:
        arguments = delta.arguments or ""  # an empty object means that none came yet: some servers open a call with it
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if delta.index is not None:
            call = self._by_index.get(delta.index)
        else:
            call = self._by_id.get(delta.call_id) if delta.call_id else self._current
        if call is None and not (delta.call_id or delta.name or arguments):
            return ()
        if call is None or call.begins_another(delta, arguments):
            call = self._begin(delta.index, call.announced if call and not delta.name else "")
        begun = call.json_text.begun
        call.take(delta, arguments)
        if call.raw_id:
            self._by_id[call.raw_id] = call
        if call.json_text.begun and not begun:
            for earlier in self._calls[self._released : self._calls.index(call)]:
                if not earlier.settled and not earlier.json_text.begun:
                    earlier.settle()
        self._current = call
        return tuple(self._release())

    def _begin(self, index: int | None, name: str) -> _Call:
        call = _Call(name)
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _release(self) -> list[Part]:
        """Return the parts that are due: names when they are known, ends in the order of the calls."""
        parts: list[Part] = []
        last = len(self._calls) - 1
        for position in range(self._released, last + 1):
            call = self._calls[position]
            # More of a name may come until arguments or another call follow.
            if not call.opened and call.name and (call.arguments_seen or call.settled or position < last):
                call.opened = True
                parts.append(CallOpenedPart(call_id=self._fix_id(call), name=call.name))
            if position == self._released and call.settled and (call.name or self._ended):
                self._released += 1
                call_id = self._fix_id(call)
                if call.arguments is not None:
                    parts.append(CallClosedPart(call_id=call_id, name=call.name, arguments=call.arguments))
                else:
                    text = call.text[:_SHOWN_CHARS]
                    parts.append(CallMalformedPart(call_id=call_id, name=call.name, text=text, problem=call.problem))
        return parts

    def _fix_id(self, call: _Call) -> str:
        """Return the call's id. The first use fixes it, so an id of the server's that comes later is ignored."""
        if not call.call_id:
            call_id = call.raw_id
            while not call_id or call_id in self._used or call_id in self._taken:
                self._made += 1
                call_id = f"{self._id_prefix}{self._made}"
            self._used.add(call_id)
            call.call_id = call_id
        return call.call_id
