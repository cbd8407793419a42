"""From deltas to calls: one accumulator for every adapter, as forgiving as servers are loose.

Theory of operation
-------------------
A call can be started as soon as its own arguments close, long before the reply ends. So each call's text runs through a
`JsonObject`, which knows when the object that it began is complete. Only then is the text parsed, by `json.loads`. What
servers disagree on is which call a delta belongs to:

* The index says so, unless another id comes on it: then a new call takes the index over. Where there is no index, the
  id says so; where there is neither, the delta continues the call before it.
* Without ids, a name that returns after the arguments closed begins a new call, once another object follows it: until
  then it may be a server that repeats the name in every delta. A name that comes in pieces is joined, as long as no
  arguments came.
* A call without arguments means ``{}``. That is known when the reply has ended well, or when a later call's arguments
  begin.
* What follows a closed object is not part of it. Whitespace and the same object once more are ignored; anything else
  becomes a malformed call of its own, at the end of the reply, because the call itself may run already and the model
  should hear of what was dropped.

Calls close in the order in which they opened, which is the order of `Reply.calls`: a model that counts its calls to
name their futures counts as we do, also where a server interleaves them.

Refused: guessing at broken JSON. A call repaired wrongly is worse than one that the model is asked to write again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from asyncfc_jupyter.models.base import (
    CallDelta,
    Delta,
    Finish,
    ReasoningDelta,
    ReplyItem,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.json_object import BLANK, JsonObject, join_halves

#: The reason given for a reply whose stream ended without one.
CUT = "cut"
#: Reasons after which the last call may be incomplete although nothing in its text says so.
_CUT_OFF = frozenset({"length", "content_filter", CUT})
#: Characters of unreadable arguments that are kept: enough to see what went wrong, and no more to feed back.
_SHOWN_CHARS = 2000
#: Servers refuse a history with any other function name.
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
    """The name of a call is known; its arguments may still stream. Once per call that has a name."""

    call_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClosedPart:
    """The arguments of a call are complete, though the reply may go on."""

    call_id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMalformedPart:
    """A call that cannot be read. It takes its place among the calls all the same."""

    call_id: str
    #: What the model wrote, of any form; empty when it named no tool.
    name: str
    #: The beginning of what it wrote as arguments.
    text: str
    #: What is wrong, as half a sentence for the model.
    problem: str


Part = TextPart | ReasoningPart | CallOpenedPart | CallClosedPart | CallMalformedPart


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyCall:
    """A call as it goes back to the server in the assistant message."""

    call_id: str
    #: The name, with what servers refuse in a history replaced. A name that any tool can have is left as it is.
    name: str
    #: The arguments as the model wrote them; ``{}`` where they are malformed, so that the history stays valid.
    arguments_json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole reply, after its stream ended."""

    text: str
    #: In the order in which the calls opened; each was, or is in ``parts``, closed or malformed in that same order.
    calls: tuple[ReplyCall, ...]
    #: The server's own word, or ``cut`` when it gave none.
    finish_reason: str
    usage: Usage | None
    #: The parts that only the end of the reply settled.
    parts: tuple[Part, ...]
    #: What the same model wants to see again beside text and calls: ``items`` of the Responses API, or the reasoning as
    #: ``text`` under the ``field`` in which it came. Empty for most models.
    replay: Mapping[str, Any] = field(default_factory=dict)


class _Call:
    """One call in the making."""

    __slots__ = (
        "_half", "announced", "arguments", "arguments_seen", "call_id", "json_text", "name", "opened", "problem",
        "raw_id", "text", "trailing",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        #: The id as the server gave it; ``call_id`` is the one we use, fixed when the first part mentions it.
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
        """Return whether a delta that found this call by its place belongs to a new one."""
        content = arguments.lstrip(BLANK)
        if delta.call_id:
            if self.raw_id:
                return delta.call_id != self.raw_id
            return self.settled and bool(self.name) and bool(delta.name or content)
        if delta.name and self.name and delta.name != self.name:
            return self.arguments_seen
        # Only an object begins one: junk from a server that repeats the name in every delta does not.
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
        if delta.arguments is not None:
            self.arguments_seen = True
            whole, self._half = join_halves(self._half, arguments)
            self._take_arguments(whole)

    def _take_arguments(self, text: str) -> None:
        if not self.settled:
            text = self.json_text.feed(text)
            if self.json_text.closed:
                self.settle()
        if text and self.arguments is not None and len(self.trailing) < _SHOWN_CHARS:
            self.trailing = (self.trailing + text).lstrip(BLANK)[:_SHOWN_CHARS]

    def settle(self) -> None:
        """Read the arguments as they are; none at all are an empty object."""
        self.text = self.json_text.text or "{}"
        if self.text[0] != "{":
            self.problem = f"its arguments must be one JSON object, but they begin with {self.text[0]!r}"
            return
        try:
            self.arguments = json.loads(self.text, parse_constant=_refuse_constant)
        except RecursionError:
            self.problem = "its arguments are nested too deeply to be read"
        except ValueError as error:
            self.problem = f"its arguments are not valid JSON: {error}"

    def cut_off(self, reason: str) -> None:
        """Settle a call that the reply ended in the middle of."""
        why = f"was cut off ({reason})" if reason in _CUT_OFF else "ended"
        self.text = self.json_text.text
        self.problem = f"the reply {why} before its arguments were complete"


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
        self._released = 0
        self._ended = False
        self._reply: Reply | None = None
        self._reason = CUT
        self._usage: Usage | None = None

    def feed(self, delta: Delta) -> tuple[Part, ...]:
        """Take a delta and return what it completed: often nothing."""
        if isinstance(delta, CallDelta):
            return self._feed_call(delta)
        if isinstance(delta, TextDelta):
            text, self._half = join_halves(self._half, delta.text)
            return self._add_text(text)
        if isinstance(delta, ReasoningDelta):
            return self._add_reasoning(delta)
        if isinstance(delta, ReplyItem):
            self._items.append(delta.item)
        elif isinstance(delta, Finish):
            self._reason = delta.reason
        elif isinstance(delta, Usage):
            self._usage = delta
        return ()

    @property
    def has_calls(self) -> bool:
        """Whether a call has opened."""
        return bool(self._calls)

    def finish(self) -> Reply:
        """Settle what is open, now that the stream has ended, and return the whole reply: the same when asked again."""
        if self._reply is None:
            self._reply = self._finish()
        return self._reply

    def _finish(self) -> Reply:
        parts: list[Part] = [*self._add_text("\ufffd" if self._half else "")]
        for call in self._calls[self._released :]:
            if not call.settled:
                if call.json_text.begun or self._reason in _CUT_OFF:
                    call.cut_off(self._reason)
                else:
                    call.settle()
            if not call.name:
                call.arguments, call.problem = None, "it names no tool"
        for call in self._calls[:]:
            trailing = call.trailing.rstrip(BLANK)
            if trailing and trailing != call.text:
                extra = self._begin(None, call.name)
                extra.text, extra.problem = trailing, "text follows the closed arguments; write each call separately"
        self._ended = True
        parts += self._release()
        return Reply(
            text="".join(self._text),
            calls=tuple(_reply_call(call) for call in self._calls),
            finish_reason=self._reason,
            usage=self._usage,
            parts=tuple(parts),
            replay=self._replay(),
        )

    def _replay(self) -> dict[str, Any]:
        if self._items:
            return {"items": self._items}
        if self._reasoning_field:
            return {"field": self._reasoning_field, "text": "".join(self._reasoning)}
        return {}

    def _add_reasoning(self, delta: ReasoningDelta) -> tuple[Part, ...]:
        # A request cannot hold half a character; of reasoning, one lost at a cut is no loss.
        text, _ = join_halves("", delta.text)
        if not text:
            return ()
        self._reasoning_field = delta.field or self._reasoning_field
        self._reasoning.append(text)
        return (ReasoningPart(text=text),)

    def _add_text(self, text: str) -> tuple[Part, ...]:
        if not text:
            return ()
        self._text.append(text)
        return (TextPart(text=text),)

    def _feed_call(self, delta: CallDelta) -> tuple[Part, ...]:
        arguments = _arguments_text(delta.arguments)
        call = self._find(delta)
        if call is None and not (delta.call_id or delta.name or arguments):
            return ()
        if call is None or call.begins_another(delta, arguments):
            call = self._begin(delta.index, call.announced if call and not delta.name else "")
        begun = call.json_text.begun
        call.take(delta, arguments)
        if call.raw_id:
            self._by_id[call.raw_id] = call
        if call.json_text.begun and not begun:
            self._settle_empty_before(call)
        self._current = call
        return tuple(self._release())

    def _find(self, delta: CallDelta) -> _Call | None:
        if delta.index is not None:
            return self._by_index.get(delta.index)
        return self._by_id.get(delta.call_id) if delta.call_id else self._current

    def _begin(self, index: int | None, name: str) -> _Call:
        call = _Call(name)
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _settle_empty_before(self, later: _Call) -> None:
        for call in self._calls[self._released :]:
            if call is later:
                return
            if not call.settled and not call.json_text.begun:
                call.settle()

    def _release(self) -> list[Part]:
        """Return the parts that became due: names as they are known, ends in the order of the calls."""
        parts: list[Part] = []
        last = len(self._calls) - 1
        for place in range(self._released, last + 1):
            call = self._calls[place]
            # A name may go on until arguments come or something else does.
            if not call.opened and call.name and (call.arguments_seen or call.settled or place < last):
                call.opened = True
                parts.append(CallOpenedPart(call_id=self._fix_id(call), name=call.name))
            if place == self._released and call.settled and (call.name or self._ended):
                self._released += 1
                parts.append(self._end(call))
        return parts

    def _end(self, call: _Call) -> Part:
        call_id = self._fix_id(call)
        if call.arguments is not None:
            return CallClosedPart(call_id=call_id, name=call.name, arguments=call.arguments)
        return CallMalformedPart(call_id=call_id, name=call.name, text=call.text[:_SHOWN_CHARS], problem=call.problem)

    def _fix_id(self, call: _Call) -> str:
        """Return the call's id; the first use decides it, so an id that comes later than that is not taken up."""
        if not call.call_id:
            call_id = call.raw_id
            while not call_id or call_id in self._used or call_id in self._taken:
                self._made += 1
                call_id = f"{self._id_prefix}{self._made}"
            self._used.add(call_id)
            call.call_id = call_id
        return call.call_id


def _arguments_text(arguments: str | Mapping[str, Any] | None) -> str:
    """Return arguments as text. An empty object stands for none yet: some servers open a call with one."""
    if isinstance(arguments, str):
        return arguments
    return json.dumps(arguments, ensure_ascii=False) if arguments else ""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _reply_call(call: _Call) -> ReplyCall:
    name = _UNSAFE_IN_NAME.sub("_", call.name)[:_NAME_CHARS] or "unnamed"
    return ReplyCall(call_id=call.call_id, name=name, arguments_json="{}" if call.arguments is None else call.text)
