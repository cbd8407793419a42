"""The arguments of one call, in every form in which servers send them.

* In pieces, as the APIs document it. The text runs through a `JsonObject`, which reports when the object is complete. Only
  then is it parsed, by `json.loads`.
* As a growing text: each delta repeats all that came before it. The same deltas could be pieces, so a growing text counts
  only where the pieces make no object.
* As an object, which a later object of the same call replaces. It counts at the end of the reply.
* As the whole, where the server says so. It replaces the pieces of a call that has not closed.
* As JSON inside a JSON text, which is unpacked.

An empty object says no more than no arguments at all: some servers open every call with one and send the arguments
afterwards. So it closes nothing, unless the server says that it is the whole, and text that follows it begins again.
`close_empty` and `conclude` say when it counts.

What follows a closed object is not part of it. Whitespace and further copies of the same object are ignored. Everything else
is kept in ``dropped``.

Refused: guesses at broken JSON. A wrongly repaired call is worse than one that the model is asked to write again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from asyncfc_jupyter.models.json_object import BLANK, JsonObject, join_halves, same_json, strict_json

#: Characters of unreadable arguments that are kept: enough to see what is wrong, and little to send back to the model.
SHOWN_CHARS = 2000


class Arguments:
    """The arguments of one call in the making."""

    __slots__ = (
        "_copy", "_failed", "_grown", "_grown_whole", "_grows", "_half", "_json", "_object",
        "came", "dropped", "empty", "problem", "text", "value",
    )  # fmt: skip

    def __init__(self) -> None:
        #: The object once it is complete, and its text.
        self.value: dict[str, Any] | None = None
        self.text = ""
        #: What is wrong, as half a sentence for the model; empty unless the arguments cannot be read.
        self.problem = ""
        #: Whether a delta had the field, even with an empty text; whether an empty object came.
        self.came = self.empty = False
        #: The beginning of what followed the object.
        self.dropped = ""
        self._json, self._half = JsonObject(), ""
        #: The pieces, where they closed and are not an object.
        self._failed = ""
        #: The last delta while each repeats the one before it, else None. Whether there were several; whether it is an object.
        self._grown: str | None = ""
        self._grows = self._grown_whole = False
        #: The last that came as an object, as text.
        self._object = ""
        #: What follows the closed object, and may be a copy of it.
        self._copy = JsonObject()

    @property
    def settled(self) -> bool:
        """Whether the arguments are complete or can never be."""
        return self.value is not None or bool(self.problem)

    @property
    def closed(self) -> bool:
        """Whether they seem complete: as text, or in a form that may still be replaced."""
        return self.settled or bool(self._object) or self._grown_whole

    @property
    def open(self) -> bool:
        """Whether text came that does not yet make an object."""
        return self._json.begun and not self.closed

    @property
    def begun(self) -> bool:
        """Whether any came, apart from whitespace and empty objects."""
        return self.settled or self._json.begun or bool(self._object)

    def feed(self, arguments: Any, *, whole: bool = False) -> None:
        """Take the arguments of one delta.

        Args:
            arguments: A text, or an object; some servers send other values, too.
            whole: Whether this is all, and final, rather than a piece.
        """
        self.came = True
        if isinstance(arguments, str):
            text, self._half = join_halves(self._half, arguments)
        else:
            text = json.dumps(arguments, ensure_ascii=False) if arguments else ""
            if isinstance(arguments, Mapping) and not (whole or self.settled):
                self._object, self.empty = text, self.empty or not text
                return
        if self.settled:
            self._follow(text)
        elif whole and not (text or self.begun):
            self.close_empty()
        elif text and whole:
            self._json, self._failed, self._grown, self._grows = JsonObject(), "", None, False
            self._take(text)
        elif text:
            if self._grown is not None:
                self._grows = bool(self._grown)
                self._grown = text if text.startswith(self._grown) else None
                if self._grows:
                    self._grown_whole = isinstance(_parsed(self._grown or ""), dict)
            self._take(text)

    def close_empty(self) -> None:
        """Settle arguments of which none came and none will: they are an empty object."""
        self.value, self.text = {}, "{}"

    def conclude(self, *, cut: bool) -> None:
        """Settle at the end of the reply what is complete although its text did not show it. The rest stays as it is.

        Args:
            cut: Whether the reply was cut off, so that more might have followed.
        """
        if not self.settled:
            if self._grows and self._grown:
                self._read(self._grown)
            if self._object and not (cut or self.settled):
                self._read(self._object)
            if self._failed and not self.settled:
                self.text, self.problem = self._failed, str(_parsed(self._failed))
            if not (self.begun or cut):
                self.close_empty()
        if self._copy.begun:
            self._drop(self._copy.text)
            self._copy = JsonObject()
        self.dropped = self.dropped.rstrip(BLANK)

    def fail(self, problem: str) -> None:
        """Note why the arguments cannot be used."""
        self.text = self.text or self._json.text
        self.value, self.problem = None, problem

    def same_as(self, other: Arguments) -> bool:
        """Return whether both are complete and equal."""
        return self.value is not None and other.value is not None and same_json(self.text, other.text)

    def _take(self, text: str) -> None:
        while text and not (self._failed or self.settled):
            if self.empty and not self._json.begun and text.lstrip(BLANK)[:1] not in ("", "{", '"'):
                self.close_empty()  # what follows the empty object cannot be the arguments
                break
            text = self._json.feed(text)
            if not self._json.closed:
                return
            closed = _unpacked(self._json.text)
            if _is_empty(closed):
                self.empty, self._json = True, JsonObject()
            elif not self._read(closed):
                self._failed = self._json.text
        if not self._failed:
            self._follow(text)
        elif not self._grows or self._grown is None:
            self.text, self.problem = self._failed, str(_parsed(self._failed))
        else:
            self._read(self._grown)

    def _read(self, text: str) -> bool:
        """Settle with a text if it is an object, and return whether it is."""
        value = _parsed(text)
        if isinstance(value, str):
            return False
        self.value, self.text = value, text
        return True

    def _follow(self, text: str) -> None:
        """Read what follows the closed object."""
        while text and self.value is not None:
            if not self._copy.begun:
                text = text if self.dropped else text.lstrip(BLANK)
                if self.dropped or text[:1] not in ("{", '"'):
                    self._drop(text)
                    return
            elif (
                text[0] == "{" and text.startswith(self._copy.text) and not self.text.startswith(self._copy.text + text)
            ):
                self._copy = JsonObject()  # the copy is a growing text
            text = self._copy.feed(text)
            if self._copy.closed:
                copy, self._copy = _unpacked(self._copy.text), JsonObject()
                if not (_is_empty(copy) or same_json(copy, self.text)):
                    self._drop(copy)

    def _drop(self, text: str) -> None:
        self.dropped = (self.dropped + text)[:SHOWN_CHARS]


def _parsed(text: str) -> dict[str, Any] | str:
    """Return the object that a text holds, or why it holds none, as half a sentence for the model."""
    if text[:1] != "{":
        return f"its arguments must be one JSON object, but they begin with {text[:1]!r}"
    try:
        return dict(strict_json(text))
    except RecursionError:
        return "its arguments are nested too deeply to be read"
    except ValueError as error:
        return f"its arguments are not valid JSON: {error}"


def _unpacked(text: str) -> str:
    """Return the JSON inside a JSON text, however often it was packed, and any other text as it is."""
    inner: Any = text
    while isinstance(inner, str) and inner[:1] == '"':
        try:
            inner = json.loads(inner).strip(BLANK)
        except ValueError:
            return text
    return inner if inner[:1] in {"", "{"} else text


def _is_empty(text: str) -> bool:
    return not text or (text[0] == "{" and text[-1] == "}" and not text[1:-1].strip(BLANK))
