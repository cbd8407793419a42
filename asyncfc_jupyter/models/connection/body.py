"""From the bytes of a reply to its chunks, in whatever form a server sends them.

A stream of events was asked for. What comes instead, all of it seen from real servers:

* one JSON document with the whole reply, in one line or many; a list of chunks; a JSON object in each line;
* events without blank lines between them, with a byte order mark, with any ends of lines, with ``data:`` twice, with a data
  line that is no JSON, or with a JSON object in a line of its own between them, which is usually an error;
* the page of a login, or plain text, with status 200.

So the first line decides: it is a field of an event, or else the body is a text. A line with a whole JSON object is a chunk at
once, so a token never waits for the line after it. What is no JSON by itself waits for the end of its event, or of the body.

Each byte is read once, and a page is not kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from asyncfc_jupyter.models.json_object import BLANK

_LINE_END = re.compile(rb"\r\n|\r|\n")
#: The fields of an event, and a comment. Only the first line of a body is compared: JSON and HTML do not begin so.
_FIELD = re.compile(r"(data|event|id|retry)?:")
_DONE = "[DONE]"
_BLANKS = frozenset(BLANK)
#: Characters that are kept of a body that is not read, to be shown.
_SHOWN_CHARS = 2000


class Body:
    """Reads the body of one reply: `feed` takes its bytes, `finish` its end; both yield chunks."""

    def __init__(self) -> None:
        #: Whether the mark of the end came: what follows it does not count.
        self.marked = False
        #: Whether the body said that it is whole: by that mark, or since it is one JSON document.
        self.whole = False
        #: The beginning of what was not read, and whether that is the whole body, such as a page.
        self.unread = ""
        self.is_text = False
        self._pieces: list[bytes] = []
        self._returned = False
        #: Whether it is a stream of events; None before its first line.
        self._is_stream: bool | None = None
        self._event = ""
        #: The lines of one event, or of a JSON document, that are no JSON by themselves.
        self._lines: list[str] = []
        self._documents = 0

    def feed(self, data: bytes) -> Iterator[Any]:
        """Yield the chunks that these bytes complete.

        Raises:
            ValueError: The JSON of an event is broken, so a part of the reply is lost.
        """
        if not data:
            return
        if self._returned and data[:1] == b"\n":
            data = data[1:]
        self._returned = data[-1:] == b"\r"
        *lines, rest = _LINE_END.split(data)
        for line in lines:
            self._pieces.append(line)
            yield from self._line(b"".join(self._pieces))
            self._pieces.clear()
        self._pieces.append(rest)

    def finish(self) -> Iterator[Any]:
        """Yield the chunks that only the end of the body completes.

        Raises:
            ValueError: As for `feed`.
        """
        yield from self._line(b"".join(self._pieces))
        yield from self._line(b"")
        if not self._is_stream and self._lines:
            yield from self._rest()
        self.whole = self.marked or (not self._is_stream and self._documents == 1)

    def _line(self, data: bytes) -> Sequence[Any]:
        """Take a line and return the chunks that it completes."""
        line = data.decode("utf-8", "replace")
        if self._is_stream is None:
            line = line.removeprefix("\ufeff")
            if not line.strip(BLANK):
                return ()
            self._is_stream = _FIELD.match(line) is not None
        if self.marked:
            return ()
        if not self._is_stream:
            return self._text(line)
        if line.startswith("data:"):
            return self._data(line)
        if line.startswith("event:"):
            self._event = line[6:].strip(BLANK)
        elif not line.strip(BLANK):
            chunks = [self._named(json.loads("\n".join(self._lines)))] if self._lines else []
            self._lines.clear()
            self._event = ""
            return chunks
        return _parsed(line) if line.startswith("{") else ()

    def _data(self, line: str) -> Sequence[Any]:
        """Take a data line of an event."""
        text = line[5:].strip(BLANK)
        while text.startswith("data:"):  # some proxies add it to what has it already
            text = text[5:].lstrip(BLANK)
        if text.startswith(_DONE):
            self.marked = True
        elif self._lines:
            self._lines.append(text)
        elif text[:1] not in {"{", "["}:
            self.unread = text[:_SHOWN_CHARS] or self.unread
        elif chunks := _parsed(text):
            return [self._named(chunk) for chunk in chunks]
        else:
            self._lines.append(text)
        return ()

    def _named(self, chunk: Any) -> Any:
        """Return a chunk, and that of an event named ``error`` in the usual form of an error."""
        if self._event != "error" or not isinstance(chunk, dict) or "error" in chunk:
            return chunk
        return chunk if str(chunk.get("type")).startswith(("error", "response.")) else {"error": chunk}

    def _text(self, line: str) -> Sequence[Any]:
        """Take a line of a body that is no stream of events."""
        if not (self._lines or self.is_text) and line.strip(BLANK):
            if chunks := _parsed(line):
                self._documents += 1
                return chunks
            self.is_text = not (self._documents or line.lstrip(BLANK)[0] in "{[")
        if not self.is_text:
            self._lines.append(line)
        elif len(self.unread) < _SHOWN_CHARS:
            self.unread += f"{line[:_SHOWN_CHARS]}\n"
        return ()

    def _rest(self) -> Iterator[Any]:
        """Yield the chunks of JSON documents that have several lines each."""
        text, decoder, at = "\n".join(self._lines).strip(BLANK), json.JSONDecoder(), 0
        try:
            while at < len(text):
                value, at = decoder.raw_decode(text, at)
                self._documents += 1
                yield from value if isinstance(value, list) else [value]
                while text[at : at + 1] in _BLANKS:
                    at += 1
        except (ValueError, RecursionError):
            self.unread, self._documents = text[at : at + _SHOWN_CHARS], 0


def _parsed(text: str) -> Sequence[Any]:
    """Return the chunks in a JSON text: that of an object, those of a list, none of what is no JSON or not a whole one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    return [value] if isinstance(value, dict) else value if isinstance(value, list) else ()
