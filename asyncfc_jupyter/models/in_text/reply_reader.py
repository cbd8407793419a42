"""Reads one reply: parts its text, where more than text stands in it, and gives all of it to the accumulator.

It stands above the adapters and above cassettes, which record what the server sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from asyncfc_jupyter.models.accumulator import Accumulator, Part, Reply
from asyncfc_jupyter.models.base import Delta, TextDelta
from asyncfc_jupyter.models.in_text.calls import Offered, TextCalls
from asyncfc_jupyter.models.in_text.reasoning import Parted, ReasoningTags, Withdrawn


class ReplyReader:
    """Turns the deltas of one reply into parts, as `Accumulator` does.

    Args:
        accumulator: Takes the deltas after their text was read.
        offered: The tools whose calls are read in the text; None to read none.
    """

    def __init__(self, accumulator: Accumulator, offered: Offered | None = None) -> None:
        #: What the deltas go into.
        self.accumulator = accumulator
        self._tags = ReasoningTags()
        self._offered = offered if offered and offered.tools else None
        self._calls = TextCalls(self._offered) if self._offered else None
        self._reply: Reply | None = None

    def feed(self, delta: Delta) -> tuple[Part, ...]:
        """Take a delta and return the parts that it completed: often none."""
        if isinstance(delta, TextDelta):
            return tuple(self._parts(self._tags.feed(delta.text)))
        return self.accumulator.feed(delta)

    @property
    def names(self) -> list[str]:
        """The names of the calls that have begun, as far as they have arrived: one may be empty, or a part of a name."""
        half = self._calls.begun if self._calls else None
        return [*self.accumulator.names, *([] if half is None else [half])]

    def finish(self) -> Reply:
        """Settle what is open after the end of the stream and return the whole reply: always the same one."""
        if self._reply is None:
            held = list(self._parts(self._tags.finish()))
            for delta in self._calls.finish() if self._calls else ():
                held += self.accumulator.feed(delta)
            reply = self.accumulator.finish()
            self._reply = replace(reply, parts=(*held, *reply.parts))
        return self._reply

    def _parts(self, read: Iterable[Parted]) -> Iterator[Part]:
        for each in read:
            if isinstance(each, Withdrawn):
                if self._calls is not None and self._offered:
                    yield from self.accumulator.feed(TextDelta(text=self._calls.held))
                    self._calls = TextCalls(self._offered, earlier=self._calls.count)
                yield self.accumulator.withdraw_text()
            elif isinstance(each, TextDelta) and self._calls is not None:
                for delta in self._calls.feed(each.text):
                    yield from self.accumulator.feed(delta)
            else:
                yield from self.accumulator.feed(each)
