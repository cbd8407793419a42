"""Text of two streams in the order in which it was written, bounded: of a long text the beginning and the end are kept."""

from __future__ import annotations

import contextlib
import io
import itertools
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal

Stream = Literal["stdout", "stderr"]
#: A text and the stream that it was written to.
Piece = tuple[str, Stream]

#: Characters up to which pieces of one stream are joined. ``print`` writes a line in two pieces and a progress bar in hundreds:
#: kept one by one they would cost more than their text.
_JOINED = 4_096
#: Characters that are sent from another process, all in one message.
_SENT_CHARACTERS = 1_000_000


class Kept:
    """Written text, bounded: the first half and the last half of what fits, and how much was cut between them.

    Args:
        characters: Characters that are kept at most.
    """

    def __init__(self, characters: int) -> None:
        self._room = characters // 2
        self._most = characters - self._room
        self._head: list[Piece] = []
        self._tail: deque[Piece] = deque()
        self._held = 0
        #: Characters between the two halves that are not kept.
        self.cut = 0
        #: Line breaks in all that was written.
        self.breaks = 0
        self._ends_in_line = False

    def add(self, text: str, stream: Stream) -> None:
        """Append what was written."""
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
        while (excess := self._held - self._most) > 0:
            oldest, its_stream = self._tail.popleft()
            gone = min(excess, len(oldest))
            if gone < len(oldest):
                self._tail.appendleft((oldest[gone:], its_stream))
            self._held -= gone
            self.cut += gone

    @property
    def lines(self) -> int:
        """Lines in all that was written, an unfinished one included."""
        return self.breaks + self._ends_in_line

    def runs(self) -> Iterator[tuple[str, Stream | None]]:
        """Yield what is kept as long pieces of one stream each; a note of what was cut has no stream."""
        if not self.cut:
            yield from merged([*self._head, *self._tail])
            return
        yield from merged(self._head)
        yield f"\n[{self.cut:,} characters left out]\n", None
        yield from merged(self._tail)

    @property
    def pieces(self) -> list[Piece]:
        """What is kept, each piece with its stream; a note of what was cut goes to stdout."""
        return [(text, stream or "stdout") for text, stream in self.runs()]

    @property
    def text(self) -> str:
        """What is kept, as one text."""
        return "".join(text for text, _ in self.runs())

    def __bool__(self) -> bool:
        return bool(self._head)


def merged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield pieces with neighbours of one stream joined."""
    for stream, group in itertools.groupby(pieces, key=lambda piece: piece[1]):
        yield "".join(text for text, _ in group), stream


def _append(pieces: list[Piece] | deque[Piece], text: str, stream: Stream) -> None:
    if pieces and pieces[-1][1] == stream and len(pieces[-1][0]) + len(text) <= _JOINED:
        text = pieces.pop()[0] + text
    pieces.append((text, stream))


class _KeepingStream(io.TextIOBase):
    """A stream that keeps what is written to it."""

    def __init__(self, kept: Kept, stream: Stream) -> None:
        self._kept, self._stream = kept, stream

    def write(self, text: str, /) -> int:
        self._kept.add(text, self._stream)
        return len(text)


@contextlib.contextmanager
def listening() -> Iterator[Kept]:
    """Keep what this whole process prints meanwhile, instead of showing it."""
    kept = Kept(_SENT_CHARACTERS)
    out, err = _KeepingStream(kept, "stdout"), _KeepingStream(kept, "stderr")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield kept


def print_here(pieces: list[Piece]) -> None:
    """Print what was kept in another process."""
    for text, stream in pieces:
        target = sys.stdout if stream == "stdout" else sys.stderr
        if target is not None:
            target.write(text)
