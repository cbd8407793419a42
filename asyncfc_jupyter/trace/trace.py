"""A run's log as a value: it can be saved, loaded and drawn with no model and no tool at hand."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, NewType, TypeGuard, Union, get_args, get_origin, get_type_hints

from asyncfc_jupyter.core import events
from asyncfc_jupyter.core.events import Event, Stamped
from asyncfc_jupyter.errors import UsageError

#: Says at a glance, to people and to `file`-like tools, what the file is.
FORMAT = "asyncfc-trace"
#: Raised when a reader of the old version would misread a new file. Adding a class of events or a field with a default
#: is no reason.
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
        """Return the trace as JSON, one event a line, so that two traces can be compared with a line diff."""
        lines = ",\n".join(json.dumps(_encode_stamped(stamped), allow_nan=False) for stamped in self.events)
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
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise TraceFileError(where, f"it is not JSON ({error})") from None
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
        return cls(tuple(_decode_stamped(item, f"{where}, event {number}") for number, item in enumerate(items)))

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
    return {kind.__name__: kind for kind in vars(events).values() if _is_event(kind)}


def _is_event(value: object) -> TypeGuard[type[Event]]:
    return isinstance(value, type) and issubclass(value, Event) and value is not Event


def _encode_stamped(stamped: Stamped) -> dict[str, Any]:
    event = stamped.event
    return {"seq": stamped.seq, "at_s": stamped.at_s, "type": type(event).__name__, "data": _encode(event)}


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    return value


def _decode_stamped(item: object, where: str) -> Stamped:
    if not isinstance(item, dict) or not {"seq", "at_s", "type", "data"} <= item.keys():
        raise TraceFileError(where, "an event has seq, at_s, type and data")
    kind = event_types().get(str(item["type"]))
    if kind is None:
        raise TraceFileError(where, f"{item['type']!r} is no class of events", "update asyncfc-jupyter")
    return Stamped(
        seq=_decode(int, item["seq"], f"{where}.seq"),
        at_s=_decode(float, item["at_s"], f"{where}.at_s"),
        event=_decode(kind, item["data"], f"{where}.{kind.__name__}"),
    )


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, value: Any, where: str) -> Any:
    """Return ``value`` as an instance of the annotated type ``kind``, or say where it does not fit."""
    while isinstance(kind, NewType):
        kind = kind.__supertype__
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return _decode_optional(kind, value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(get_args(kind)[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is Literal and value in get_args(kind):
        return value
    if isinstance(kind, type):
        return _decode_plain(kind, value, where)
    raise TraceFileError(where, f"it holds {value!r:.60}")


def _decode_optional(kind: Any, value: Any, where: str) -> Any:
    if value is None:
        return None
    (inner,) = (option for option in get_args(kind) if option is not type(None))
    return _decode(inner, value, where)


def _decode_plain(kind: type, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _decode_fields(kind, value, where)
    if issubclass(kind, Enum) and any(value == member.value for member in kind):
        return kind(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type(value) is kind:
        return value
    raise TraceFileError(where, f"it holds {value!r:.60}, not {kind.__name__}")


def _decode_fields(kind: type, value: dict[str, Any], where: str) -> Any:
    hints = _hints(kind)
    if unknown := value.keys() - hints.keys():
        raise TraceFileError(where, f"unknown field {min(unknown)!r}", "update asyncfc-jupyter")
    given = {name: _decode(hints[name], item, f"{where}.{name}") for name, item in value.items()}
    try:
        return kind(**given)
    except TypeError:
        raise TraceFileError(where, f"it holds only {', '.join(sorted(given)) or 'nothing'}") from None
