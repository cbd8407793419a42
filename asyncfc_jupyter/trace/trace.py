"""A run's log as a value: it can be saved, loaded and drawn with no model and no tool at hand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from asyncfc_jupyter.checked_json import NotValid, checked, parsed
from asyncfc_jupyter.core import events
from asyncfc_jupyter.core.effects import show_path
from asyncfc_jupyter.core.events import Event, Stamped
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.masking import mask, masked

#: Says at a glance, to people and to `file`-like tools, what the file is.
FORMAT = "asyncfc-trace"
#: Increased when a reader of the old version would misread a new file. A new class of events or a new field with a default
#: needs no new version.
VERSION = 1


class TraceFileError(UsageError):
    """A text is not a trace, or not one that this version can read."""

    def __init__(self, where: str, problem: str, remedy: str = "pass a file that Trace.save wrote") -> None:
        self.where, self.problem, self.remedy = where, problem, remedy
        super().__init__(f"{where} is not a readable trace: {problem}; {remedy}.")


@dataclass(frozen=True, slots=True, repr=False)
class Trace:
    """The ordered facts of one run."""

    events: tuple[Stamped, ...]

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Stamped]:
        return iter(self.events)

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} events in {self.end_s:.1f} s>"

    @property
    def end_s(self) -> float:
        """Time of the last fact, in seconds since the run started; 0 for an empty trace."""
        return max((stamped.at_s for stamped in self.events), default=0.0)

    def to_json(self) -> str:
        """Return the trace as JSON, one event a line, so that two traces can be compared with a line diff. Keys are masked."""
        items = [
            {"seq": s.seq, "at_s": s.at_s, "type": type(s.event).__name__, "data": _encode(s.event)}
            for s in self.events
        ]
        lines = ",\n".join(json.dumps(item, allow_nan=False) for item in masked(items))
        return f'{{"format": "{FORMAT}", "version": {VERSION}, "events": [\n{lines}\n]}}\n'

    @classmethod
    def from_json(cls, text: str, *, where: str = "the text") -> Trace:
        """Read what `to_json` wrote.

        Args:
            text: The JSON.
            where: What to call the text in an error, such as its file name.

        Raises:
            TraceFileError: The text is something else, was damaged, or was written by a newer version.
        """
        try:
            document = parsed(text)
        except NotValid as error:
            raise TraceFileError(where, error.problem) from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise TraceFileError(where, f'it lacks "format": "{FORMAT}"')
        if document.get("version") != VERSION:
            found = document.get("version")
            raise TraceFileError(
                where, f"it has version {found!r}, this reads version {VERSION}", "update asyncfc-jupyter"
            )
        items = document.get("events")
        if not isinstance(items, list):
            raise TraceFileError(where, '"events" is not a list')
        return cls(tuple(_decode(item, f"{where}, event {number}") for number, item in enumerate(items)))

    def save(self, path: str | Path) -> None:
        """Write the trace to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read a trace from a file that `save` wrote.

        Raises:
            TraceFileError: The file is something else, was damaged, or was written by a newer version.
            OSError: The file cannot be opened.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise TraceFileError(str(path), f"it is not text ({error.reason})") from None
        return cls.from_json(text, where=str(path))


@cache
def event_types() -> dict[str, type[Event]]:
    """Return every class of events by its name.

    Not ``Event.__subclasses__()``: a dataclass with slots replaces the class it decorates, and the one it replaced stays
    on that list until it is collected.
    """
    classes = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    return {kind.__name__: kind for kind in classes if kind is not Event}


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        items = [_encode(item) for item in value]
        path = show_path(value) if value and all(isinstance(item, str) for item in value) else ""
        # A key with a slash in it is divided among the parts of a path.
        return items if (shown := mask(path, stale=True)) == path else shown.split("/")
    return value


def _decode(item: object, where: str) -> Stamped:
    if not isinstance(item, dict) or not {"seq", "at_s", "type", "data"} <= item.keys():
        raise TraceFileError(where, "an event has seq, at_s, type and data")
    kind = event_types().get(str(item["type"]))
    if kind is None:
        raise TraceFileError(where, f"the class of events {item['type']!r} is unknown", "update asyncfc-jupyter")
    return Stamped(
        seq=_validated(int, item["seq"], f"{where}.seq", strict=True),
        at_s=_validated(float, item["at_s"], f"{where}.at_s", strict=True),
        event=_validated(kind, item["data"], f"{where}.{kind.__name__}"),
    )


def _validated(kind: type, value: object, where: str, *, strict: bool = False) -> Any:
    """Return ``value`` as an instance of ``kind``, or name the first place where it does not fit."""
    try:
        return checked(kind, value, strict=strict)
    except NotValid as error:
        where += error.place
        if error.newer:
            raise TraceFileError(where, error.problem, "update asyncfc-jupyter") from None
        raise TraceFileError(where, error.problem) from None
