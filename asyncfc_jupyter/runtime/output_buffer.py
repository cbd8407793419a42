"""Text of two streams, in the order in which it was written, and of more than fits the beginning and the end."""

from __future__ import annotations

import contextlib
import io
import sys
from collections import deque
from collections.abc import Iterator
from typing import Literal

Stream = Literal["stdout", "stderr"]

#: Characters up to which pieces of one stream are joined. ``print`` writes a line in two pieces and a progress bar in hundreds:
#: kept one by one they would cost more than their text.
_JOINED = 4_096
#: Characters that travel from another process: it is all in one message.
_TRAVELS = 1_000_000


class Kept:
    """What was written, bounded: the first half of what fits and the last, and how much there was between.

    Args:
        characters: What is kept at most.
    """

    def __init__(self, characters: int) -> None:
        self._room = characters // 2
        self._most = characters - self._room
        self._head: list[tuple[str, Stream]] = []
        self._tail: deque[tuple[str, Stream]] = deque()
        self._held = 0
        #: Characters between the two that are not kept.
        self.cut = 0
        #: Line breaks in all that was written.
        self.breaks = 0
        self._ends_in_line = False

    def add(self, text: str, stream: Stream) -> None:
        """Keep what was written behind what is there."""
        if not text:
            return
        self.breaks += text.count("\n")
        self._ends_in_line = not text.endswith("\n")
        if self._room:
            first, text = text[: self._room], text[self._room :]
            self._room -= len(first)
            _append(self._head, first, stream)
        if text:
            _append(self._tail, text, stream)
            self._held += len(text)
            self._shed()

    def _shed(self) -> None:
        while (excess := self._held - self._most) > 0:
            text, stream = self._tail.popleft()
            gone = min(excess, len(text))
            if gone < len(text):
                self._tail.appendleft((text[gone:], stream))
            self._held -= gone
            self.cut += gone

    @property
    def lines(self) -> int:
        """Lines in all that was written, an unfinished one among them."""
        return self.breaks + self._ends_in_line

    def runs(self) -> Iterator[tuple[str, Stream | None]]:
        """Yield what is kept, as long pieces of one stream each; what says that some is missing is of none."""
        yield from _merged(self._head if self.cut else [*self._head, *self._tail])
        if self.cut:
            yield f"\n[{self.cut:,} characters left out]\n", None
            yield from _merged(list(self._tail))

    @property
    def pieces(self) -> list[tuple[str, Stream]]:
        """What is kept, each piece with its stream; where some is missing, the first says so on stdout."""
        return [(text, stream or "stdout") for text, stream in self.runs()]

    @property
    def text(self) -> str:
        """What is kept, as one text."""
        return "".join(text for text, _ in self.runs())

    def __bool__(self) -> bool:
        return bool(self._head)


class _Noting(io.TextIOBase):
    """A stream that keeps what is written to it."""

    def __init__(self, kept: Kept, stream: Stream) -> None:
        self._kept, self._stream = kept, stream

    def write(self, text: str, /) -> int:
        self._kept.add(text, self._stream)
        return len(text)


@contextlib.contextmanager
def listening() -> Iterator[Kept]:
    """Keep what this whole process prints meanwhile; it goes nowhere else."""
    kept = Kept(_TRAVELS)
    with contextlib.redirect_stdout(_Noting(kept, "stdout")), contextlib.redirect_stderr(_Noting(kept, "stderr")):
        yield kept


def print_here(pieces: list[tuple[str, Stream]]) -> None:
    """Print what was kept elsewhere."""
    for text, stream in pieces:
        target = sys.stdout if stream == "stdout" else sys.stderr
        if target is not None:
            target.write(text)


def _append(pieces: list[tuple[str, Stream]] | deque[tuple[str, Stream]], text: str, stream: Stream) -> None:
    if pieces and pieces[-1][1] == stream and len(pieces[-1][0]) + len(text) <= _JOINED:
        text = pieces.pop()[0] + text
    pieces.append((text, stream))


def _merged(pieces: list[tuple[str, Stream]]) -> Iterator[tuple[str, Stream]]:
    while pieces:
        stream = pieces[0][1]
        end = next((at for at, piece in enumerate(pieces) if piece[1] != stream), len(pieces))
        yield "".join(text for text, _ in pieces[:end]), stream
        pieces = pieces[end:]
