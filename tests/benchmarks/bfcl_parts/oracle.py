"""A model that knows the plan and reads what the layer feeds back: what to say next follows from the messages alone.

It passes a value that it has been given as a literal, cut out of what it was given, and a reference where the result is
pending. It asks with ``await_future`` only for what it must read before it can write the next call. It ends each user turn with
a digest of all values that it has seen: two conversations with the same answers have shown their models the same values.

While results are pending it has nothing to digest, and says so in a few words, as the layer asks it to.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.bfcl_parts.cases import Call, Case, at, cases, steps

TTFT_S = 0.3
TOKENS_PER_S = 60.0
ANSWER_TOKENS = 40
_DRAFT_TOKENS = 4
_AWAIT = "await_future"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How the model plays a plan."""

    #: Whether a reply holds all calls that can be written, rather than one.
    several: bool = False
    #: Whether a user turn may end while results are pending: only the last one waits for them.
    pending: bool = False

    def prompt(self, case: Case, turn: int) -> str:
        """Return the user's message, with everything that the model needs to know before it."""
        style = f"{'several' if self.several else 'one'} {'pending' if self.pending else 'settled'}"
        return f"{case.name} {turn} {style}: {case.said[turn]}"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A call as it is written."""

    name: str
    arguments: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model says next: calls, or a text."""

    calls: tuple[Spoken, ...] = ()
    text: str = ""
    text_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Its length."""
        return self.text_tokens + sum(call.tokens for call in self.calls)


@dataclass(frozen=True, slots=True)
class _Seen:
    value: Any
    #: Whether it was shown whole, so that a part of it can be cut out.
    whole: bool


class Memory:
    """What the messages say: which turn it is, what was called, and which values came back."""

    def __init__(self, messages: Sequence[Mapping[str, Any]], *, futures: bool) -> None:
        self.futures = futures
        self.seen: dict[int, _Seen] = {}
        self.made = 0
        self.prompt = ""
        numbers: dict[str, int] = {}
        for message in messages:
            if message["role"] == "user":
                self.prompt = message["content"]
            for call in message.get("tool_calls") or ():
                if call["function"]["name"] != _AWAIT:
                    numbers[call["id"]] = self.made
                    self.made += 1
            if message["role"] == "tool":
                self._read(json.loads(message["content"]), numbers.get(message["tool_call_id"], -1))

    def _read(self, content: Any, number: int) -> None:
        if not self.futures:
            whole = not (isinstance(content, dict) and content.get("summarized"))
            self.seen[number] = _Seen(content if whole else content["value"], whole)
            return
        for one in _objects(content):
            if one.get("status") == "done":
                self.seen[_number(one["future"])] = _Seen(one["value"], not one.get("summarized"))
            elif one.get("status", "pending") != "pending":
                self.seen[_number(one["future"])] = _Seen({"error": one["error"]}, whole=False)

    def digest(self) -> str:
        """Return an answer that holds a digest of all values seen."""
        shown = json.dumps([[number, self.seen[number].value] for number in sorted(self.seen)], sort_keys=True)
        return f"{len(self.seen)} values: {hashlib.sha256(shown.encode()).hexdigest()}"


def _objects(content: Any) -> Iterator[Mapping[str, Any]]:
    for one in content if isinstance(content, list) else [content]:
        yield one
        yield from one.get("delivered", ())


def _number(future: str) -> int:
    return int(future.removeprefix("f")) - 1


def reply_to(messages: Sequence[Mapping[str, Any]], *, futures: bool) -> Reply:
    """Return what the model says next."""
    memory = Memory(messages, futures=futures)
    head = memory.prompt.partition(":")[0].split()
    case, turn = cases()[head[0]], int(head[1])
    calls = case.turns[turn]
    done = memory.made - sum(map(len, case.turns[:turn]))
    if done < len(calls):
        return _next_calls(memory, calls[done:], several=head[2] == "several")
    missing = [number for number in range(memory.made) if number not in memory.seen]
    if not missing:
        return Reply(text=memory.digest(), text_tokens=ANSWER_TOKENS)
    if head[3] == "pending" and turn + 1 < len(case.turns):
        return Reply(text=memory.digest(), text_tokens=ANSWER_TOKENS)
    left = [number for number in missing if number < memory.made - len(calls)]
    if head[3] == "pending" and left:
        return _wait_for(left)  # nothing else waits for what an earlier turn has left running
    return Reply(text=f"To come: {missing[0] + 1}.", text_tokens=_DRAFT_TOKENS)


def _next_calls(memory: Memory, calls: Sequence[Call], *, several: bool) -> Reply:
    spoken: list[Spoken] = []
    for call in calls:
        unseen = [number for number in call.sees if number not in memory.seen]
        if not memory.futures:  # values pass through the model alone
            unseen += [each.source for each in call.takes if each.source not in memory.seen]
        if unseen and not spoken:
            return _wait_for(unseen)
        if unseen:
            break
        spoken.append(_written(memory, call))
        if not several:
            break
    return Reply(calls=tuple(spoken))


def _wait_for(numbers: Iterable[int]) -> Reply:
    arguments = json.dumps({"futures": [f"f{number + 1}" for number in dict.fromkeys(numbers)]})
    # The plans estimate the length of a call in the same way.
    return Reply(calls=(Spoken(_AWAIT, arguments, 12 + len(arguments) // 4),))


def _written(memory: Memory, call: Call) -> Spoken:
    arguments: Any = copy.deepcopy(dict(call.arguments))
    for each in call.takes:
        # In the plain modes there are no references: what was too long to be shown whole is known from the plan.
        value = f"$f{each.source + 1}{each.path}" if memory.futures else at(arguments, each.argument)
        seen = memory.seen.get(each.source)
        if seen and seen.whole:
            with contextlib.suppress(LookupError, TypeError):  # a wrong result: the layer says so of the reference
                value = at(seen.value, steps(each.path))
        at(arguments, each.argument[:-1])[each.argument[-1]] = value
    return Spoken(call.name, json.dumps(arguments), call.tokens)


# -- as a stream -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a reply, and the number of the token, from 1, with which it is out."""

    token: int
    #: The call that it is of, by place in the reply; None for text.
    call: int | None
    text: str
    #: The tool's name, in a call's first piece.
    name: str | None = None


def pieces_of(reply: Reply, *, fine: bool) -> Iterator[Piece]:
    """Yield a reply token by token, or, when not fine, each call and each text in its first and its last token alone."""
    spoken = 0
    for place, call in enumerate(reply.calls):
        yield Piece(spoken + 1, place, "", call.name)
        for token, text in _cut(call.arguments, call.tokens - 1 if fine else 1):
            yield Piece(spoken + (token + 1 if fine else call.tokens), place, text)
        spoken += call.tokens
    for token, text in _cut(reply.text, reply.text_tokens if fine else 1):
        yield Piece(spoken + (token if fine else reply.text_tokens), None, text)


def _cut(text: str, count: int) -> Iterator[tuple[int, str]]:
    """Yield the parts of a text that is cut into so many, each with its number from 1; the last is never empty."""
    for number in range(1, count + 1):
        part = text[(number - 1) * len(text) // count : number * len(text) // count]
        if part:
            yield number, part
