"""Reads the JSON of a file, which anything may have written, as values of known types.

The files are traces, cassettes and reports of the doctor. A file that is damaged, or that another version or a stranger wrote,
is refused where it is read, with the place: else each use of a value would have to expect a wrong type, an infinity or a number
of 400 digits. Refused: to catch what the uses raise, which differs from use to use.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter

#: The largest number in a file, and the longest time in seconds: 30,000 years. Sums and pictures of such numbers stay finite,
#: and the page's script reads each exactly.
MOST = 10**12


class NotValid(Exception):
    """A text is not JSON, or a value is not what the file should hold.

    Attributes:
        place: The path of the value, such as ``.wait.on[0]``.
        problem: What it should be, and what it is.
        newer: Whether a newer version may have written it.
    """

    def __init__(self, problem: str, *, place: str = "", newer: bool = False) -> None:
        self.place, self.problem, self.newer = place, problem, newer
        super().__init__(f"{place}: {problem}" if place else problem)


def parsed(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        NotValid: It is not JSON, or is nested beyond reason.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotValid(f"it is not JSON ({error})") from None


def checked(kind: Any, value: object, *, strict: bool = False) -> Any:
    """Return a value of JSON as a value of a type. All numbers in it are from 0 to `MOST`.

    Args:
        kind: A class, or another annotation that pydantic knows. A dataclass takes an object with its fields and no others.
        value: The value.
        strict: Whether, say, 1 is refused as a truth value.

    Raises:
        NotValid: It does not fit; the error names the first place.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - see `_adapter`

    try:
        (valid,) = _adapter(kind, strict=strict).validate_python((value,))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # The first part of a place is the number in the tuple.
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"][1:])
        if first["type"] == "missing":
            raise NotValid("this field is missing", place=place) from None
        if first["type"] == "unexpected_keyword_argument":
            raise NotValid("this field is unknown", place=place, newer=True) from None
        rule = first["msg"].replace("Input should be", "it should be")
        raise NotValid(f"{rule}, and is {first['input']!r:.60}", place=place) from None
    for place, number in _numbers(valid):
        if not 0 <= number <= MOST:
            raise NotValid(f"it should be a number from 0 to {MOST:,}, and is {number!r:.60}", place=place)
    return valid


def _numbers(value: object, place: str = "") -> Iterator[tuple[str, int | float]]:
    """Yield the numbers in a value, each with its path."""
    if isinstance(value, int | float):
        yield place, value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _numbers(getattr(value, field.name), f"{place}.{field.name}")
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{place}[{index}]")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers(item, f"{place}.{name}")


@cache
def _adapter(kind: Any, *, strict: bool) -> TypeAdapter[Any]:
    # Loading pydantic takes longer than drawing a small trace: only the reading of a file needs it.
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415

    # Of a dataclass itself no configuration may be given; that of the tuple around it holds for all that is in it.
    config = ConfigDict(extra="forbid", strict=strict)
    return TypeAdapter(tuple[kind], config=config)
