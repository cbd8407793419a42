"""Where a text is quoted code: in a fenced block, or between backticks. Markers there are talked about and not used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

#: The bar in the marks of DeepSeek, which is wider than the one on a keyboard; what its later models begin tags with.
BAR = "\uff5c"
DSML = f"{BAR}DSML{BAR}"
#: Characters of a line's beginning that are kept: Markdown allows three blanks before a fence.
_KEPT = 6
#: Characters of a piece in which each mark costs a copy of what follows.
_SHORT = 4096


def short_pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces that are short enough to cut their rest off again and again."""
    if len(text) <= _SHORT:
        yield text
    else:
        yield from (text[at : at + _SHORT] for at in range(0, len(text), _SHORT))


class Lines:
    """Follows a text piece by piece."""

    __slots__ = ("_beginning", "_fenced", "_length", "_ticks")

    def __init__(self) -> None:
        self._fenced = False
        #: The beginning of the line that is not complete, its length and its backticks.
        self._beginning = ""
        self._length = self._ticks = 0

    @property
    def quoted(self) -> bool:
        """Whether what follows stands in a code block or between backticks."""
        return self._fenced or self._ticks % 2 == 1 or self._is_fence

    @property
    def fenced(self) -> bool:
        """Whether what follows stands in a code block."""
        return self._fenced

    @property
    def begins(self) -> bool:
        """Whether what follows begins a line."""
        return not self._beginning.strip() and self._length <= _KEPT

    @property
    def _is_fence(self) -> bool:
        return self._beginning.lstrip().startswith("```")

    def feed(self, text: str) -> None:
        """Take the next piece of the text."""
        if "\n" not in text:
            self._add(text)
            return
        *whole, last = text.split("\n")
        for line in whole:
            self._add(line)
            if self._is_fence:
                self._fenced = not self._fenced
            self._beginning, self._length, self._ticks = "", 0, 0
        self._add(last)

    def _add(self, text: str) -> None:
        if self._length < _KEPT:
            self._beginning = (self._beginning + text)[:_KEPT]
        self._length += len(text)
        if "`" in text:
            self._ticks += text.count("`")


class Marks:
    """Marks of which the end of a text may hold the beginning.

    Args:
        marks: The marks.
    """

    def __init__(self, marks: Sequence[str]) -> None:
        #: Every proper beginning of a mark.
        self.beginnings = frozenset(mark[:length] for mark in marks for length in range(1, len(mark)))
        self._longest = max(map(len, self.beginnings), default=0)
        self._firsts = re.compile("|".join({re.escape(mark[0]) for mark in marks}))

    def held_from(self, text: str) -> int:
        """Return where a mark may begin at the end of a text, which only the next piece shows; its length if nowhere."""
        length = len(text)
        return next(
            (at for at in range(max(length - self._longest, 0), length) if text[at:] in self.beginnings), length
        )
