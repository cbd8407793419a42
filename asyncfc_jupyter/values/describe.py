"""What can be said of an object in a few lines, without an import of the library that made it.

A kind is recognised by the attributes it has, asked for without running the object's code: an object that answers to every
name is none of them. Nothing that may be long, lazy or spent is gone through: a table is asked for its head, an array for
a corner, an iterator for nothing. What is lazy (a dask or a spark table) has no shape in plain numbers, and is shown by
its own repr.

Text is the same in every run: an address in memory is left out, so that a recorded conversation can be compared.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.core.field_access import field_names
from asyncfc_jupyter.core.references import Field, Item
from asyncfc_jupyter.text import list_names, truncate_with_length

#: Rows of a table's head, and items of each of an array's last two sides: enough to see what kind of thing stands there.
_HEAD = 5
#: Columns named, fields named, axes named: as many as one reads.
_MOST_NAMES = 40
#: Columns and characters of a cell in the head of a table.
_HEAD_COLUMNS, _CELL_CHARACTERS = 12, 40
#: First bytes shown: enough for the mark of a format and the beginning of a text.
_FIRST_BYTES = 64
#: Characters of an object's own repr.
_REPR_CHARACTERS = 1_000
#: Items of a numpy array up to which looking for the least and the greatest takes about a tenth of a millisecond.
_MOST_COMPARED = 200_000

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_NOTHING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen of an object."""

    #: What it is, in one line.
    title: str
    #: What else was seen, the most telling first.
    lines: tuple[str, ...] = ()
    #: Steps that lead to a part of it, such as ``.price``: an example for those who pass it on.
    part: str = ""

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join((self.title, *self.lines))

    @property
    def line(self) -> str:
        """As much of it as fits in the middle of something else."""
        return "; ".join((self.title, *self.lines[:1])).replace("\n", " ")


def look_at(value: Any) -> Look:
    """Return what can be seen of any object; one whose own code raises is shown by its type."""
    for kind in _KINDS:
        with contextlib.suppress(Exception):  # the object's own code: another kind of look may still succeed
            look = kind(value)
            if look is not None:
                return look
    return Look(title=type(value).__name__)


def named_step(name: Any) -> str:
    """Return the step that reaches a key or column, or nothing for one whose name is no text."""
    if not isinstance(name, str):
        return ""
    return str(Field(name)) if name.isidentifier() and not name.startswith("_") else str(Item(name))


# -- tables and arrays -----------------------------------------------------------------------------------------------


def _table(value: Any) -> Look | None:
    shape = _shape(value)
    if len(shape) != 2 or not (_has(value, "columns", "dtypes") or _has(value, "schema")):
        return None
    columns = list(itertools.islice(_columns(value), _MOST_NAMES))
    listed = list_names((_cell(f"{name} {kind}") for name, kind in columns), _MOST_NAMES, shape[1])
    lines = [f"columns: {listed or 'none'}", *_index(value), *_head(value)]
    part = next(filter(None, (named_step(name) for name, _ in columns)), "")
    return Look(
        title=_title(value, shape),
        lines=tuple(lines),
        part=part or (".iloc[0]" if _has(value, "iloc") and shape[0] else ""),
    )


def _columns(value: Any) -> Iterable[tuple[Any, Any]]:
    """Return the columns of a table with their types: of pandas and polars, of other frames with a schema, of pyarrow."""
    if _has(value, "columns", "dtypes"):
        return zip(value.columns, value.dtypes, strict=False)
    schema = value.schema
    return schema.items() if isinstance(schema, Mapping) else zip(schema.names, schema.types, strict=False)


def _series(value: Any) -> Look | None:
    shape = _shape(value)
    if len(shape) != 1 or not _has(value, "dtype", "head", "name"):
        return None
    named = "" if value.name is None else f", named {value.name}"
    title = f"{_title(value, shape)}, {value.dtype}{named}"
    return Look(title=title, lines=(*_index(value), *_head(value)), part="[0]" if shape[0] else "")


def _index(value: Any) -> Iterator[str]:
    if not _has(value, "index") or not len(value.index):
        return
    index = value.index
    names = [str(name) for name in getattr(index, "names", ()) if name is not None]
    named = f" of {', '.join(names)}" if names else ""
    yield f"index: {type(index).__name__}{named}, {_cell(index[0])} to {_cell(index[-1])}"


def _head(value: Any) -> Iterator[str]:
    if not _has(value, "head") or not _shape(value)[0]:
        return
    head = value.head(_HEAD)
    # Not the whole of a wide table, however the reader's own display is set.
    wide = _has(head, "to_string", "columns")
    shown = head.to_string(max_cols=_HEAD_COLUMNS, max_colwidth=_CELL_CHARACTERS) if wide else repr(head)
    yield f"head:\n{shown}"


def _array(value: Any) -> Look | None:
    shape = _shape(value)
    if not shape or not _has(value, "dtype"):
        return None
    lines = [*_extremes(value), *_corner(value, shape)]
    fields = getattr(value.dtype, "names", None)
    part = named_step(fields[0]) if isinstance(fields, tuple) and fields else "[0]"
    return Look(title=f"{_title(value, shape)}, {value.dtype}", lines=tuple(lines), part=part if all(shape) else "")


def _extremes(value: Any) -> Iterator[str]:
    is_numpy = type(value).__module__.partition(".")[0] == "numpy"
    if is_numpy and value.dtype.kind in "iuf" and 0 < value.size <= _MOST_COMPARED:
        yield f"from {value.min()} to {value.max()}"


def _corner(value: Any, shape: tuple[int, ...]) -> Iterator[str]:
    with contextlib.suppress(Exception):  # what cannot be sliced is shown without it
        sides = [1] * (len(shape) - 2) + [_HEAD] * min(2, len(shape))
        corner = value[tuple(slice(0, side) for side in sides)].tolist()
        whole = all(side >= length for side, length in zip(sides, shape, strict=True))
        yield f"{'all of it' if whole else 'begins'}: {truncate_with_length(str(corner), _REPR_CHARACTERS)}"


def _shape(value: Any) -> tuple[int, ...]:
    with contextlib.suppress(Exception):  # the object's own code
        shape = value.shape if _has(value, "shape") else ()
        if isinstance(shape, tuple) and all(type(side) is int for side in shape):
            return tuple(shape)
    return ()


def _title(value: Any, shape: tuple[int, ...]) -> str:
    return f"{type(value).__name__}{' ' if shape else ''}{' x '.join(map(str, shape))}"


# -- pictures, bytes, files, iterators -------------------------------------------------------------------------------


def _image(value: Any) -> Look | None:
    if not _has(value, "size", "mode"):
        return None
    size, mode = value.size, value.mode
    if not (isinstance(size, tuple) and len(size) == 2 and isinstance(mode, str)):
        return None
    return Look(title=f"{type(value).__name__}, an image of {size[0]} x {size[1]} pixels, mode {mode}")


def _figure(value: Any) -> Look | None:
    if not _has(value, "axes", "get_size_inches"):
        return None
    width, height = (float(side) for side in value.get_size_inches())
    axes = list(value.axes)
    titles = [_cell(axis.get_title()) or "no title" for axis in axes[:_MOST_NAMES]]
    title = f"{type(value).__name__} of {width:g} x {height:g} inches with {len(axes)} axes"
    return Look(title=title, lines=(f"titles: {list_names(titles, _MOST_NAMES, len(axes))}",) if axes else ())


def _bytes(value: Any) -> Look | None:
    if not isinstance(value, bytes | bytearray | memoryview):
        return None
    first = bytes(value[:_FIRST_BYTES])
    count = value.nbytes if isinstance(value, memoryview) else len(value)
    return Look(title=f"{type(value).__name__}, {count} in all", lines=(f"begins: {first!r}",))


def _file(value: Any) -> Look | None:
    if not isinstance(value, io.IOBase):
        return None
    state = "closed" if value.closed else "open"
    name, mode = getattr(value, "name", None), getattr(value, "mode", None)
    where = "in memory" if name is None else repr(name)
    return Look(title=f"{type(value).__name__} {where}, {f'mode {mode}, ' if mode is not None else ''}{state}")


def _iterator(value: Any) -> Look | None:
    if isinstance(value, Iterator | AsyncIterator):
        told = "its items come one by one and only once, so it was not looked into: pass it to one tool"
    elif isinstance(value, Awaitable):
        told = "it has to be awaited, once, and was not: pass it to one tool"
    else:
        return None
    made_by = getattr(value, "__qualname__", "")
    return Look(title=f"{type(value).__name__}{f' of {made_by}' if made_by else ''}", lines=(told,))


def _exception(value: Any) -> Look | None:
    if not isinstance(value, BaseException):
        return None
    said = truncate_with_length(str(value), _REPR_CHARACTERS)
    return Look(title=f"exception {type(value).__name__}{f': {said}' if said else ''}")


def _long_number(value: Any) -> Look | None:
    # Python refuses to write out a number of more than 4,300 digits.
    return Look(title=f"{type(value).__name__} of {value.bit_length()} bits") if isinstance(value, int) else None


# -- everything else -------------------------------------------------------------------------------------------------


def _object(value: Any) -> Look:
    names = _names(value)
    # The repr that every object has says its address and nothing else.
    own = getattr(type(value), "__repr__", None) is not object.__repr__
    # A repr of its own says what the class wants to be seen: what it leaves out may be a secret.
    held = {} if own else getattr(value, "__dict__", {})
    listed = [_field(name, held.get(name, _NOTHING)) for name in names[:_MOST_NAMES]]
    fields = (f"fields: {list_names(map(_cell, listed), _MOST_NAMES, len(names))}",) if names else ()
    try:
        shown = f": {truncate_with_length(_ADDRESS.sub('', repr(value)), _REPR_CHARACTERS)}" if own else ""
    except Exception as error:  # noqa: BLE001 - the object's own code
        shown = f": its repr raised {type(error).__name__}"
    return Look(
        title=f"{_title(value, _shape(value))}{shown}", lines=fields, part=named_step(names[0]) if names else ""
    )


def _field(name: str, value: Any) -> str:
    """Return a field's name, with its value where that is short and there without running the object's code."""
    plain = value is None or type(value) in {bool, int, float, str}
    return f"{name} = {_cell(repr(value[:_CELL_CHARACTERS] if isinstance(value, str) else value))}" if plain else name


def _names(value: Any) -> tuple[str, ...]:
    with contextlib.suppress(Exception):  # the object's own code
        return field_names(value)
    return ()


_KINDS: tuple[Callable[[Any], Look | None], ...] = (
    _table,
    _series,
    _array,
    _image,
    _figure,
    _bytes,
    _file,
    _iterator,
    _exception,
    _long_number,
    _object,
)


def _has(value: Any, *names: str) -> bool:
    """Return whether an object has attributes, without running code that would make them up."""
    return all(inspect.getattr_static(value, name, _NOTHING) is not _NOTHING for name in names)


def _cell(value: Any) -> str:
    return " ".join(truncate_with_length(str(value), _CELL_CHARACTERS).split())
