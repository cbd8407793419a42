"""What gateways do to the stream of a reply without changing its meaning: for tests that read the calls back.

A `Gateway` is one combination of habits. `Gateway.leaves_open` says which of them together have several meanings.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from asyncfc_jupyter.models.base import CallDelta

#: A tool and its arguments.
Call = tuple[str, dict[str, Any]]
#: The tools, each with whether it takes arguments. One name begins with another.
TOOLS = {"get": True, "get_all": True, "put": True, "ping": False}

IDS = ("first delta", "every delta", "another in each delta", "late", "null", "empty")
INDEXES = ("counted", "zero", "missing", "arguments on the next")
NAMES = ("first delta", "every delta", "pieces", "growing")
FORMS = ("pieces", "whole", "object", "packed", "growing", "after an empty object", "after empty text")
REPEATS = ("nothing", "each call", "all at the end", "on the next index", "the stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """How a gateway sends calls."""

    ids: str = "first delta"
    index: str = "counted"
    name: str = "first delta"
    form: str = "pieces"
    repeats: str = "nothing"
    interleaved: bool = False

    @property
    def has_ids(self) -> bool:
        """Whether each call can be recognized by its id."""
        return self.ids not in {"null", "empty"}

    @property
    def counts(self) -> bool:
        """Whether each call has an index of its own."""
        return self.index in {"counted", "arguments on the next"}

    def leaves_open(self, calls: Sequence[Call]) -> bool:
        """Return whether these habits together can mean other calls, too."""
        same_ids = self.ids in {"first delta", "every delta"}
        in_pieces = self.name in {"pieces", "growing"}
        parted = self.index == "arguments on the next"
        prefixed = any(name == "get_all" for name, _ in calls)
        marked = self.has_ids or self.counts
        return any(
            (
                self.interleaved and not (self.counts or (self.ids == "every delta" and not in_pieces)),
                self.interleaved and parted and self.ids != "every delta",
                # An id and a name in each delta are those of a call.
                self.ids == "another in each delta" and self.name == "every delta",
                self.ids == "late" and self.index != "counted",
                parted and (self.name != "first delta" or self.repeats != "nothing"),
                parted and self.form in {"growing", "after an empty object"},
                parted and not all(TOOLS[name] for name, _ in calls),
                self.repeats == "on the next index" and not (same_ids and self.index == "counted"),
                # The beginning of a repetition is another name, or arguments that do not grow.
                self.repeats in {"the stream", "on the next index"} and in_pieces,
                self.repeats == "the stream" and self.form == "growing",
                # One name is the beginning of another.
                prefixed and self.name == "pieces" and not marked,
                prefixed and self.name == "growing" and not same_ids,
                # Without ids on one index, equal calls are one, and only arguments end a call.
                not marked and (len({json.dumps(call) for call in calls}) < len(calls) or not all(a for _, a in calls)),
                not marked and self.form in {"growing", "after an empty object", "after empty text"},
                not marked and self.repeats not in {"nothing", "each call"},
            )
        )

    def deltas(self, calls: Sequence[Call], chance: random.Random) -> list[CallDelta]:
        """Return the deltas of calls."""
        streams = [list(self._call(number, call, chance)) for number, call in enumerate(calls)]
        if self.repeats == "each call":
            streams = [[*stream, self._again(number, calls[number])] for number, stream in enumerate(streams)]
        if self.repeats == "on the next index":
            streams = [
                [*stream, *(replace(delta, index=(delta.index or 0) + 1) for delta in self._call(number, call, chance))]
                for number, (call, stream) in enumerate(zip(calls, streams, strict=True))
            ]
        result = list(_interleaved(streams, chance)) if self.interleaved else [d for stream in streams for d in stream]
        if self.repeats == "all at the end":
            result += [self._again(number, call) for number, call in enumerate(calls)]
        if self.repeats == "the stream":
            result += result
        return result

    def _call(self, number: int, call: Call, chance: random.Random) -> Iterator[CallDelta]:
        name, arguments = call
        names: list[str | None] = [name]
        if self.name in {"pieces", "growing"}:
            cut = chance.randint(1, len(name) - 1)
            names = [name[:cut], name[cut:] if self.name == "pieces" else name]
        texts = list(self._texts(arguments, chance))
        whole = self.form in {"whole", "object"}
        if whole and len(names) == 1:
            bodies: list[tuple[str | None, Any]] = [(name, texts[0])]
        else:
            first = {"after an empty object": "{}", "after empty text": ""}.get(self.form)
            bodies = [*[(each, None) for each in names[:-1]], (names[-1], first)]
            bodies += [(name if self.name == "every delta" else None, text) for text in texts]
        for position, (each, text) in enumerate(bodies):
            yield CallDelta(
                index=self._index(number, begun=text not in {None, ""} if isinstance(text, str | None) else True),
                call_id=self._id(number, position, last=len(bodies) - 1),
                name=each,
                arguments=text,
            )

    def _texts(self, arguments: dict[str, Any], chance: random.Random) -> Iterator[Any]:
        text = json.dumps(arguments, ensure_ascii=self.form == "growing" or chance.random() < 0.5)
        match self.form:
            case "object":
                yield arguments
            case "whole":
                yield text
            case "growing":
                yield from (text[:end] for end in _cuts(text, chance))
            case _:
                text = json.dumps(text) if self.form == "packed" else text
                ends = [0, *_cuts(text, chance)]
                yield from (text[a:b] for a, b in itertools.pairwise(ends))

    def _index(self, number: int, *, begun: bool) -> int | None:
        match self.index:
            case "zero":
                return 0
            case "missing":
                return None
            case "arguments on the next":
                return 2 * number + begun
        return 2 * number

    def _id(self, number: int, position: int, *, last: int) -> str | None:
        match self.ids:
            case "null":
                return None
            case "empty":
                return ""
            case "every delta":
                return f"id{number}"
            case "another in each delta":
                return f"id{number}_{position}"
            case "late":
                return f"id{number}" if position == last else None
        return None if position else f"id{number}"

    def _again(self, number: int, call: Call) -> CallDelta:
        call_id = {"null": None, "empty": "", "another in each delta": f"id{number}_0"}.get(self.ids, f"id{number}")
        arguments = call[1] if self.form == "object" else json.dumps(call[1])
        return CallDelta(index=self._index(number, begun=False), call_id=call_id, name=call[0], arguments=arguments)


def _cuts(text: str, chance: random.Random) -> list[int]:
    """Return where pieces of a text end: at every character, at a few, or only at its end."""
    every = chance.choice([0, 1, 2])
    if every == 1:
        return list(range(1, len(text) + 1))
    return sorted({*(chance.randint(1, len(text)) for _ in range(every * 2)), len(text)})


def _interleaved(streams: list[list[CallDelta]], chance: random.Random) -> Iterator[CallDelta]:
    """Yield the deltas of several calls in a random order that keeps the order of each call, and of their openings."""
    for stream in streams:
        yield stream.pop(0)
    while left := [stream for stream in streams if stream]:
        yield chance.choice(left).pop(0)
