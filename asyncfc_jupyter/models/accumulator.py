"""From deltas to calls: one accumulator for every adapter, tolerant of what servers send.

Theory of operation
-------------------
A call can start as soon as its own arguments are complete, long before the reply ends. `arguments` says when that is, in
whatever form they come; `readings` says which call a delta belongs to. Here is what only the whole reply shows:

* What follows the arguments of a closed call is a repetition if it is equal. If it is more, the call cannot be changed: it
  may run already. The rest becomes a malformed call of its own at the end of the reply, so that the model learns what was
  dropped.
* A call without arguments, or with an empty object, is complete when the reply has ended normally. Servers that interleave
  calls, or open each with an empty object, send its arguments later. For a tool that takes none, the empty object closes the
  call, and so do the arguments of a later call.
* A name that comes in pieces is joined, as long as no arguments came. The names of the request's tools show where a name
  ends.
* A name may come after the arguments, and on another index. So a nameless call waits for the end of the reply. Then it is the
  arguments of the call before it, if that has none, or a repetition, or malformed.

Calls close in the order in which they opened, which is the order of `Reply.calls`. A model that counts its calls to name
their futures counts as we do, also where a server interleaves them.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from typing import Any

from asyncfc_jupyter.models.arguments import SHOWN_CHARS, Arguments
from asyncfc_jupyter.models.base import CallDelta, Delta, Finish, KeptDelta, ReasoningDelta, ReplyItem, TextDelta, Usage
from asyncfc_jupyter.models.json_object import BLANK, join_halves
from asyncfc_jupyter.models.kept import Kept, joined
from asyncfc_jupyter.models.readings import READINGS, Mark, Reading, State

#: The finish reason of a reply whose stream ended without one.
CUT = "cut"
#: Finish reasons after which the last call may be incomplete although nothing in its text shows it.
_CUT_OFF = frozenset({"length", "content_filter", CUT})
#: Servers refuse a history with any other character in a function's name.
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")
_NAME_CHARS = 64
#: The problem of calls whose arguments the server mixed up.
_UNCLEAR = "the server did not show which arguments are its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """A piece of the reply's text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningPart:
    """A piece of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextWithdrawnPart:
    """All text of the reply so far was reasoning."""


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


Part = TextPart | ReasoningPart | TextWithdrawnPart | CallOpenedPart | CallClosedPart | CallMalformedPart


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
    #: ``text`` with the name of its ``field``; beside them data of its own in ``fields`` and ``calls``. Empty for most models.
    replay: Mapping[str, Any] = field(default_factory=dict)


class _Call:
    """One call in the making."""

    __slots__ = ("announced", "arguments", "call_id", "extra", "index", "name", "number", "opened", "raw_id", "repeats")

    def __init__(self, number: int, index: int | None, name: str, repeats: _Call | None) -> None:
        #: Its number in the order in which the calls began.
        self.number = number
        #: The index at which it began.
        self.index = index
        self.name = name
        #: The id as the server gave it. ``call_id`` is the id that is used, fixed when the first part mentions it.
        self.raw_id = self.call_id = ""
        self.opened = False
        #: What the server sent in it beside id, name and arguments.
        self.extra: dict[str, Any] | None = None
        self.arguments = Arguments()
        #: The call that this one may repeat; None once it is known to be a call of its own.
        self.repeats = repeats
        #: Whether the name returned after the arguments closed.
        self.announced = False


class Accumulator:
    """Turns the deltas of one reply into parts as they complete, and into a `Reply` at the end.

    Args:
        id_prefix: Beginning of the ids given to calls that have none of their own, or one that is in use.
        taken: Ids that earlier replies of the conversation have used.
        tools: The names of the request's tools, each with whether the tool takes arguments.
    """

    def __init__(self, id_prefix: str, taken: Container[str] = (), tools: Mapping[str, bool] | None = None) -> None:
        self._id_prefix, self._taken, self._tools = id_prefix, taken, tools or {}
        #: The calls by the ids that they have here.
        self._used: dict[str, _Call] = {}
        self._made = 0
        self._text: list[str] = []
        self._half = ""
        self._reasoning: list[str] = []
        self._reasoning_field = ""
        self._items: list[Mapping[str, Any]] = []
        self._kept = Kept()
        self._calls: list[_Call] = []
        #: The last call at each index; that of deltas without one is at None.
        self._by_index: dict[int | None, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._current: _Call | None = None
        #: How many calls have begun, those included that were dropped.
        self._begun = 0
        # Those of the calls, in order, that a delta can settle: a reply with many calls is read in a time that grows with their
        # number alone. They may repeat another, lack arguments, or have not been reported as opened.
        self._undecided: dict[_Call, None] = {}
        self._unsettled: dict[_Call, None] = {}
        self._unopened: dict[_Call, None] = {}
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
            case KeptDelta():
                self._kept.add(delta)
            case ReplyItem():
                self._items.append(delta.item)
            case Finish():
                self._reason = delta.reason
            case Usage():
                self._usage = delta
        return ()

    def withdraw_text(self) -> TextWithdrawnPart:
        """Take the text so far as reasoning."""
        self._text = []
        return TextWithdrawnPart()

    @property
    def has_calls(self) -> bool:
        """Whether a call has opened."""
        return bool(self._calls)

    @property
    def names(self) -> list[str]:
        """The names of the calls that have begun, as far as they have arrived: one may be empty, or a part of a name."""
        return [call.name for call in self._calls]

    @property
    def has_ended(self) -> bool:
        """Whether the server said why the reply ends."""
        return self._reason != CUT

    def server_id(self, call_id: str) -> str:
        """Return the id that the server gave the call of this id; empty if it gave none."""
        call = self._used.get(call_id)
        return call.raw_id if call else ""

    def finish(self) -> Reply:
        """Settle the open calls after the end of the stream and return the whole reply: always the same one."""
        if self._reply is not None:
            return self._reply
        parts: list[Part] = [*self._add_text("\ufffd" if self._half else "")]
        self._settle_calls()
        self._ended = True
        parts += self._release()
        replay: dict[str, Any] = {}
        if self._items:
            replay = {"items": list(self._items_with_ids())}
        elif self._reasoning_field:
            replay = {"field": self._reasoning_field, "text": "".join(self._reasoning)}
        extras = {call.call_id: call.extra for call in self._calls if call.extra}
        replay |= self._kept.replay(extras, cut=self._reason in _CUT_OFF)
        self._reply = Reply(
            text="".join(self._text),
            calls=tuple(
                ReplyCall(
                    call_id=call.call_id,
                    name=_UNSAFE_IN_NAME.sub("_", call.name)[:_NAME_CHARS] or "unnamed",
                    arguments_json="{}" if call.arguments.value is None else call.arguments.text,
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
        if not (delta.call_id or delta.name or delta.arguments) and self._known(delta) is None:
            return ()
        call = self._call_of(delta)
        self._current = self._by_index[delta.index] = call
        if delta.call_id:
            call.raw_id = call.raw_id or delta.call_id
            self._by_id[delta.call_id] = call
        if delta.extra:
            call.extra = joined(call.extra, dict(delta.extra))
        if delta.name:
            call.announced = call.arguments.closed and bool(call.name)
            if not (call.name and call.arguments.begun):
                call.name = _joined(call.name, delta.name)
        begun = call.arguments.begun
        if delta.arguments is not None:
            call.arguments.feed(delta.arguments, whole=delta.whole)
        if begun and call.arguments.open and not (delta.call_id or delta.name):
            return ()  # a piece in the middle completes nothing
        self._close_empty(call, others=call.arguments.begun and not begun)
        for each in tuple(self._undecided):
            if each.repeats is not None:
                self._judge(each, each.repeats)
        return tuple(self._release())

    def _close_empty(self, call: _Call, *, others: bool) -> None:
        """Close a call, and those before it if arguments of this one came, whose tools take none.

        Such a tool needs no arguments: an empty object closes its call, and so do the arguments of a later call.
        """
        closed = [call] if call.arguments.empty or call.arguments.settled else []
        if others:
            closed += takewhile(lambda each: each.number < call.number, self._unsettled)
        for each in closed:
            if not (each.arguments.begun or each.repeats or self._tools.get(each.name, True)):
                each.arguments.close_empty()
            if each.arguments.settled:
                self._unsettled.pop(each, None)

    def _known(self, delta: CallDelta) -> _Call | None:
        """Return the call that a delta seems to belong to, by its index and its id."""
        by_id = self._by_id.get(delta.call_id or "")
        at_index = self._by_index.get(delta.index)
        if delta.index is None and not (delta.name or by_id):
            at_index = self._current
        if by_id is None or (at_index is not None and at_index.raw_id == delta.call_id):
            return at_index
        return by_id

    def _call_of(self, delta: CallDelta) -> _Call:
        """Return the call that a delta belongs to: a known one, or a new one."""
        known, given = self._known(delta), delta.arguments
        if known is not None and known.arguments.open and not (delta.call_id or delta.name):
            return known  # as the table says, too: this is nearly every delta
        start = given.lstrip(BLANK)[:1] if isinstance(given, str) else "{" if given else ""
        # Arguments that cannot begin an object are the rest of one that is open.
        rest_only = start not in {"", "{", '"'}
        if known is None:
            current = self._current
            return (
                current if current and current.arguments.open and rest_only and not delta.name else self._begin(delta)
            )
        reading = READINGS[self._marks(delta, known)]
        if reading is Reading.REPEATS and delta.index is not None and delta.index not in self._by_index:
            first = known.repeats or known
            for call in (known, first):
                if rest_only and call.arguments.open:
                    return call
            return self._begin(delta, repeats=first)
        if reading is Reading.REPEATS and not rest_only and (known.raw_id or start):
            return self._begin(delta, repeats=known, name="" if known.raw_id else known.name)
        return self._begin(delta) if reading is Reading.BEGINS else known

    def _marks(self, delta: CallDelta, known: _Call) -> tuple[Mark, Mark, Mark, State]:
        """Compare a delta with the call that it seems to belong to."""
        index = Mark.MISSING if delta.index is None else Mark.SAME if delta.index in self._by_index else Mark.NEW
        of_known = delta.call_id in {None, "", known.raw_id} or self._by_id.get(delta.call_id or "") is known
        call_id = Mark.MISSING if not known.raw_id else Mark.SAME if of_known else Mark.NEW
        name = Mark.SAME
        if not delta.name:
            name = Mark.SAME if known.announced else Mark.MISSING
        elif known.name not in {"", delta.name}:
            begins_tool = any(tool.startswith(_joined(known.name, delta.name)) for tool in self._tools)
            whole = delta.name in self._tools and (known.name in self._tools or not delta.name.startswith(known.name))
            if known.arguments.begun or known.arguments.empty or (whole and not (begins_tool and call_id is Mark.SAME)):
                name = Mark.NEW
            elif begins_tool and call_id is Mark.NEW:
                call_id = (
                    Mark.SAME
                )  # a gateway that makes an id for each delta: the names of the tools are the better sign
        state = State.OPEN if known.arguments.open else State.CLOSED if known.arguments.closed else State.UNBEGUN
        return index, call_id, name, state

    def _begin(self, delta: CallDelta, *, repeats: _Call | None = None, name: str = "") -> _Call:
        self._begun += 1
        call = _Call(self._begun, delta.index, name, repeats)
        self._calls.append(call)
        self._unsettled[call] = self._unopened[call] = None
        if repeats is not None:
            self._undecided[call] = None
        return call

    def _judge(self, call: _Call, other: _Call) -> None:
        """Decide, if that is possible now, whether a call repeats another."""
        if call.raw_id and other.raw_id and call.raw_id != other.raw_id:
            if call.name:
                self._decide(call)  # an id and a name of its own
            return
        if self._is_repetition(call):
            self._drop(call, other)
        elif call.arguments.value is not None and other.arguments.value is not None:
            self._decide(call)

    def _decide(self, call: _Call) -> None:
        """Note that a call is one of its own, or is dropped."""
        call.repeats = None
        self._undecided.pop(call, None)

    def _is_repetition(self, call: _Call) -> bool:
        """Return whether a call equals the one that it repeats, or, without ids, any that came at its index."""
        others = [call.repeats] if call.repeats else []
        if not call.raw_id:
            earlier = self._calls[: self._calls.index(call)]
            others += [each for each in earlier if each.index == call.index and each.name == call.name]
        return any(call.arguments.same_as(each.arguments) for each in others)

    def _drop(self, call: _Call, other: _Call) -> None:
        """Remove a call that is only a repetition; what follows it belongs to the other."""
        self._calls.remove(call)
        self._decide(call)
        self._unsettled.pop(call, None)
        self._unopened.pop(call, None)
        other.raw_id, other.extra = other.raw_id or call.raw_id, other.extra or call.extra
        for places in (self._by_index, self._by_id):
            for place in [place for place, held in places.items() if held is call]:
                places[place] = other  # type: ignore[index]
        self._current = other if self._current is call else self._current

    def _settle_calls(self) -> None:
        """Settle every call at the end of the reply."""
        cut = self._reason in _CUT_OFF
        self._join_nameless()
        repeating = [call for call in self._calls if call.repeats]
        bare = {call for call in self._calls if not call.arguments.begun}
        for call in self._calls:
            call.arguments.conclude(cut=cut)
        for call in repeating:
            self._settle_repetition(call, bare)
        last = {(call.index, call.name): call for call in self._calls}
        for call in bare:
            # The same call, from a gateway that makes an id for each delta, or another: the model should decide.
            unclear = last.get((call.index, call.name), call) is not call and not call.arguments.empty
            if unclear and self._tools.get(call.name, True):
                call.arguments.fail(_UNCLEAR)
        why = f"was cut off ({self._reason})" if cut else "ended"
        for call in self._calls:
            if not call.arguments.settled:
                call.arguments.fail(f"the reply {why} before its arguments were complete")
            if not call.name:
                call.arguments.fail("it names no tool")
        for call in self._calls[:]:
            if dropped := call.arguments.dropped:
                extra = self._begin(CallDelta(), name=call.name)
                extra.arguments.text = dropped
                extra.arguments.problem = "text follows the closed arguments; write each call separately"

    def _join_nameless(self) -> None:
        """Drop nameless calls that repeat the arguments before them; give the others to the calls that lack arguments."""
        for call in [call for call in self._calls if not call.name]:
            before = call.repeats or next(
                (each for each in reversed(self._calls[: self._calls.index(call)]) if each.name), None
            )
            call.arguments.conclude(cut=True)
            if before and (call.arguments.same_as(before.arguments) or (call.repeats and not call.arguments.begun)):
                self._drop(call, before)
            self._decide(call)
        lacking = [
            call
            for call in self._calls[self._released :]
            if call.name and not (call.arguments.begun or call.repeats) and self._tools.get(call.name, True)
        ]
        nameless = [call for call in self._calls if not call.name]
        before_them = [before for before, call in pairwise([None, *self._calls]) if call in nameless]
        if lacking == before_them:
            for before, call in zip(lacking, nameless, strict=True):
                before.arguments = call.arguments
                self._drop(call, before)
        elif any(call.arguments.begun for call in nameless):
            for call in lacking:
                call.arguments.fail(_UNCLEAR)

    def _settle_repetition(self, call: _Call, bare: set[_Call]) -> None:
        """Decide at the end of the reply whether a call repeats another.

        Args:
            call: The call.
            bare: The calls for which no arguments came.
        """
        other = call.repeats
        if other is None:
            return
        repeated = self._is_repetition(call)
        self._decide(call)
        same_id = bool(call.raw_id) and call.raw_id == other.raw_id
        family = [each for each in self._calls if each.raw_id == call.raw_id] if same_id else []
        if repeated or (same_id and call in bare):
            self._drop(call, other)
        elif any(each not in bare and each.arguments.value is None for each in family):
            for each in family:
                if each not in self._calls[: self._released] and not each.arguments.problem:
                    each.arguments.fail(_UNCLEAR)
        elif same_id and other in bare:
            other.arguments = call.arguments
            bare.remove(other)
            self._drop(call, other)

    def _items_with_ids(self) -> Iterator[Mapping[str, Any]]:
        """Yield the items of the reply, with the ids that its calls have here."""
        ids: dict[str, list[str]] = {}
        for call in self._calls:
            ids.setdefault(call.raw_id, []).append(call.call_id)
        for item in self._items:
            known = ids.get(item["call_id"] or "") if "call_id" in item else None
            yield {**item, "call_id": known.pop(0)} if known else item

    def _release(self) -> list[Part]:
        """Return the parts that are due: names when they are known, ends in the order of the calls."""
        parts: list[Part] = []
        while self._released < len(self._calls):
            call = self._calls[self._released]
            if call.repeats is not None:
                return parts
            parts += self._open(call)
            arguments = call.arguments
            if not (arguments.settled and (call.name or self._ended)):
                break
            self._released += 1
            self._unsettled.pop(call, None)
            self._unopened.pop(call, None)
            call_id = self._fix_id(call)
            if arguments.value is not None:
                parts.append(CallClosedPart(call_id=call_id, name=call.name, arguments=arguments.value))
            else:
                text, problem = arguments.text[:SHOWN_CHARS], arguments.problem
                parts.append(CallMalformedPart(call_id=call_id, name=call.name, text=text, problem=problem))
        for call in tuple(self._unopened):
            if call.repeats is not None:
                break
            parts += self._open(call)
        return parts

    def _open(self, call: _Call) -> list[Part]:
        """Report the name of a call, if that is known and was not reported yet."""
        # More of a name may come until it is that of a tool, or until arguments or another call follow.
        whole = not self._tools or call.name in self._tools
        named = whole and (call.arguments.came or call is not self._calls[-1])
        if call.opened or not call.name or not (named or call.arguments.begun):
            return []
        call.opened = True
        self._unopened.pop(call, None)
        return [CallOpenedPart(call_id=self._fix_id(call), name=call.name)]

    def _fix_id(self, call: _Call) -> str:
        """Return the call's id. The first use fixes it, so an id of the server's that comes later is ignored."""
        if not call.call_id:
            call_id = call.raw_id
            while not call_id or call_id in self._used or call_id in self._taken:
                self._made += 1
                call_id = f"{self._id_prefix}{self._made}"
            self._used[call_id] = call
            call.call_id = call_id
        return call.call_id


def _joined(name: str, piece: str) -> str:
    """Return a name with what follows it, which some servers send with the beginning."""
    return piece if piece.startswith(name) else name + piece
