"""Descriptions of objects in a few words or lines, without an import of the library that made them.

A kind of object is recognised by its attributes, which are looked up without running the object's code. So an object that
returns something for every name is of no kind by mistake. Nothing that may be long, lazy or used up is read to its end: a table
is asked for its head, an array for a corner, an iterator for nothing. A lazy object (a dask or a spark table) has no shape in
plain numbers, and is described by its own repr.

A description is the same in every run: addresses in memory are left out, so that recorded conversations can be compared.
"""

from __future__ import annotations

import inspect
import io
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.core.field_access import field_names
from asyncfc_jupyter.core.own_json import Unwritable, holds_own_json, own_json
from asyncfc_jupyter.core.references import Field, Item
from asyncfc_jupyter.foreign_code import ForeignCode, plain_text, text_of, type_name
from asyncfc_jupyter.text import count, list_names, shorten, truncate_with_length

#: Rows of a table that are shown: enough to see what kind of data it is.
_HEAD_ROWS = 5
#: Items of each of an array's last two sides that are shown.
_CORNER = 5
#: Columns, fields or axes that are named.
_MOST_NAMES = 40
#: Columns in the head of a table, and characters of a cell.
_HEAD_COLUMNS, _CELL_CHARACTERS = 12, 40
#: First bytes shown: enough for the mark of a format and the beginning of a text.
_FIRST_BYTES = 64
#: Characters of an object's own repr.
_REPR_CHARACTERS = 1_000
#: Items of a numpy array up to which finding the least and the greatest takes about a tenth of a millisecond.
_MOST_COMPARED = 200_000
#: Entries of a mapping that can have a part in a label.
_MOST_IN_LABEL = 12
_SCALARS = (str, bool, int, float)
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_NOTHING = object()


# -- in a few words --------------------------------------------------------------------------------------------------


def label(value: Any) -> str:
    """Return a few words on a value for users: ``3 items``, ``sunny``, ``DataFrame 100 x 4``."""
    with ForeignCode() as ran:
        return plain_text(_label(value))
    return f"{type_name(value)} (describing it raised {ran.raised})"


def _label(value: Any) -> str:
    value = plain_scalar(value)
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and all(isinstance(side, int) for side in shape):
        return _title(value, shape)
    if value is None or isinstance(value, _SCALARS):
        return shorten(plain_text(value if isinstance(value, str) else repr(value)))
    if isinstance(value, list | tuple | set):
        return count(len(value), "item")
    if not isinstance(value, Mapping):
        return type_name(value)
    parts = []
    for key, item in itertools.islice(value.items(), _MOST_IN_LABEL):
        scalar = plain_scalar(item)
        parts.append(f"{key}: {scalar if scalar is None or isinstance(scalar, _SCALARS) else label(scalar)}")
    return shorten(", ".join(parts) or "empty")


def plain_scalar(value: Any) -> Any:
    """Return the Python value of an array library's scalar, a time as text, and any other value as it is."""
    if value is None or type(value) in _SCALARS:  # exact types: an array library's numbers are derived from them
        return value
    item = getattr(value, "item", None)
    if not callable(item) or getattr(value, "shape", None) != ():
        return value
    # In Python, a time of an array library would be a number of nanoseconds.
    return str(value) if getattr(getattr(value, "dtype", None), "kind", None) in {"M", "m"} else item()


# -- in a few lines --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What an object is."""

    #: What it is, in one line.
    title: str
    #: Further facts, the most important first.
    lines: tuple[str, ...] = ()
    #: Steps of a reference to a part of it, such as ``.price``, as an example.
    part: str = ""

    @property
    def text(self) -> str:
        """The whole description."""
        return "\n".join((self.title, *self.lines))

    @property
    def line(self) -> str:
        """The title and the first fact, on one line."""
        return "; ".join((self.title, *self.lines[:1])).replace("\n", " ")


def describe(value: Any) -> Description:
    """Return a description of any object; if its own code raises, at least its type."""
    for kind in _KINDS:
        with ForeignCode():  # if it raises, the next kind may still succeed
            description = kind(value)
            if description is not None:
                return description
    return Description(title=type_name(value))


def named_step(name: Any) -> str:
    """Return the step of a reference that reaches a key or column; an empty text if its name is not text."""
    if not isinstance(name, str):
        return ""
    return str(Field(name)) if name.isidentifier() and not name.startswith("_") else str(Item(name))


def _table(value: Any) -> Description | None:
    shape = shape_of(value)
    if len(shape) != 2 or not (has_attributes(value, "columns", "dtypes") or has_attributes(value, "schema")):
        return None
    pairs: Iterable[tuple[Any, Any]]
    if has_attributes(value, "columns", "dtypes"):  # pandas and polars
        pairs = zip(value.columns, value.dtypes, strict=False)
    elif isinstance(value.schema, Mapping):  # other frames
        pairs = value.schema.items()
    else:  # pyarrow
        pairs = zip(value.schema.names, value.schema.types, strict=False)
    columns = list(itertools.islice(pairs, _MOST_NAMES))
    listed = list_names((_cell(f"{name} {kind}") for name, kind in columns), _MOST_NAMES, shape[1])
    first_row = ".iloc[0]" if has_attributes(value, "iloc") and shape[0] else ""
    return Description(
        title=_title(value, shape),
        lines=(f"columns: {listed or 'none'}", *_index_and_head(value)),
        part=next(filter(None, (named_step(name) for name, _ in columns)), first_row),
    )


def _series(value: Any) -> Description | None:
    shape = shape_of(value)
    if len(shape) != 1 or not has_attributes(value, "dtype", "head", "name"):
        return None
    named = "" if value.name is None else f", named {value.name}"
    title = f"{_title(value, shape)}, {value.dtype}{named}"
    return Description(title=title, lines=tuple(_index_and_head(value)), part="[0]" if shape[0] else "")


def _index_and_head(value: Any) -> Iterator[str]:
    """Yield the index and the first rows of a table or a series, as far as it has them."""
    if has_attributes(value, "index") and len(value.index):
        index = value.index
        names = [str(name) for name in getattr(index, "names", ()) if name is not None]
        named = f" of {', '.join(names)}" if names else ""
        yield f"index: {type(index).__name__}{named}, {_cell(index[0])} to {_cell(index[-1])}"
    if has_attributes(value, "head") and shape_of(value)[0]:
        head = value.head(_HEAD_ROWS)
        if has_attributes(head, "values") and not callable(head.values) and holds_own_json(head.values.tolist()):
            return  # its rows are shown by the reprs of their cells
        # A part of a wide table only, whatever the user's display options are.
        wide = has_attributes(head, "to_string", "columns")
        shown = head.to_string(max_cols=_HEAD_COLUMNS, max_colwidth=_CELL_CHARACTERS) if wide else repr(head)
        yield f"head:\n{shown}"


def _array(value: Any) -> Description | None:
    shape = shape_of(value)
    if not shape or not has_attributes(value, "dtype"):
        return None
    lines = []
    is_numpy = type(value).__module__.partition(".")[0] == "numpy"
    if is_numpy and value.dtype.kind in "iuf" and 0 < value.size <= _MOST_COMPARED:
        lines.append(f"from {value.min()} to {value.max()}")
    with ForeignCode():  # an array that cannot be sliced is described without its beginning
        sides = [1] * (len(shape) - 2) + [_CORNER] * min(2, len(shape))
        corner = value[tuple(slice(0, side) for side in sides)].tolist()
        corner = f"{type_name(value)} of objects" if holds_own_json(corner) else corner
        whole = all(side >= length for side, length in zip(sides, shape, strict=True))
        lines.append(f"{'all of it' if whole else 'begins'}: {truncate_with_length(str(corner), _REPR_CHARACTERS)}")
    fields = getattr(value.dtype, "names", None)
    part = named_step(fields[0]) if isinstance(fields, tuple) and fields else "[0]"
    title = f"{_title(value, shape)}, {value.dtype}"
    return Description(title=title, lines=tuple(lines), part=part if all(shape) else "")


def _image(value: Any) -> Description | None:
    if not has_attributes(value, "size", "mode"):
        return None
    size, mode = value.size, value.mode
    if not (isinstance(size, tuple) and len(size) == 2 and isinstance(mode, str)):
        return None
    return Description(title=f"{type_name(value)}, an image of {size[0]} x {size[1]} pixels, mode {mode}")


def _figure(value: Any) -> Description | None:
    if not has_attributes(value, "axes", "get_size_inches"):
        return None
    width, height = (float(side) for side in value.get_size_inches())
    axes = list(value.axes)
    titles = [_cell(axis.get_title()) or "no title" for axis in axes[:_MOST_NAMES]]
    return Description(
        title=f"{type_name(value)} of {width:g} x {height:g} inches with {len(axes)} axes",
        lines=(f"titles: {list_names(titles, _MOST_NAMES, len(axes))}",) if axes else (),
    )


def _of_python(value: Any) -> Description | None:
    """Return the description of bytes, a file, an iterator, an awaitable, an exception or a long number."""
    kind, fact = type_name(value), ""
    match value:
        case bytes() | bytearray() | memoryview():
            size = value.nbytes if isinstance(value, memoryview) else len(value)
            title, fact = f"{kind}, {size} in all", f"begins: {bytes(value[:_FIRST_BYTES])!r}"
        case io.IOBase():
            name, mode = getattr(value, "name", None), getattr(value, "mode", None)
            where, state = "in memory" if name is None else repr(name), "closed" if value.closed else "open"
            title = f"{kind} {where}, {f'mode {mode}, ' if mode is not None else ''}{state}"
        case Iterator() | AsyncIterator() | Awaitable():
            made_by = getattr(value, "__qualname__", "")
            title = f"{kind}{f' of {made_by}' if made_by else ''}"
            fact = "it has to be awaited, once, and was not: pass it to one tool"
            if isinstance(value, Iterator | AsyncIterator):
                fact = "its items come one by one and only once, so it was not looked into: pass it to one tool"
        case BaseException():
            message = truncate_with_length(text_of(value), _REPR_CHARACTERS)
            title = f"exception {kind}{f': {message}' if message else ''}"
        case int():  # Python refuses to write out a number of more than 4,300 digits
            title = f"{kind} of {value.bit_length()} bits"
        case _:
            return None
    return Description(title=title, lines=(fact,) if fact else ())


def _written_by_its_class(value: Any) -> Description | None:
    """Return the names of a pydantic object's fields: its repr shows values that its JSON masks."""
    own = own_json(value)
    if type(value) is Unwritable:
        return Description(title=value.reason)
    if own is None:
        return None
    names = field_names(value)
    return Description(
        title=type_name(value),
        lines=(f"fields: {list_names(map(_cell, names), _MOST_NAMES, len(names))}",) if names else (),
        part=named_step(names[0]) if names else "",
    )


def _object(value: Any) -> Description:
    names: tuple[str, ...] = ()
    with ForeignCode():
        names = field_names(value)
    # The repr that every object has says its address and nothing else.
    has_repr = True
    held: Any = {}
    with ForeignCode():
        has_repr = getattr(type(value), "__repr__", None) is not object.__repr__
        # A repr of its own says what the class wants to be seen: what it leaves out may be a secret.
        held = {} if has_repr else getattr(value, "__dict__", {})
    fields = []
    for name in names[:_MOST_NAMES]:
        with ForeignCode():
            item = held.get(name, _NOTHING)
            # Other values would run the object's code, or be long.
            if item is None or type(item) in _SCALARS:
                item = repr(item[:_CELL_CHARACTERS] if isinstance(item, str) else item)
                fields.append(_cell(f"{name} = {_cell(item)}"))
            else:
                fields.append(_cell(name))
    shown = ""
    with ForeignCode() as ran:
        if has_repr and not holds_own_json(value):
            shown = f": {truncate_with_length(_ADDRESS.sub('', repr(value)), _REPR_CHARACTERS)}"
    if ran.error is not None:
        shown = f": its repr raised {ran.raised}"
    return Description(
        title=f"{_title(value, shape_of(value))}{shown}",
        lines=(f"fields: {list_names(fields, _MOST_NAMES, len(names))}",) if names else (),
        part=named_step(names[0]) if names else "",
    )


_KINDS: tuple[Callable[[Any], Description | None], ...] = (
    _table,
    _series,
    _array,
    _image,
    _figure,
    _of_python,
    _written_by_its_class,
    _object,
)


def has_attributes(value: Any, *names: str) -> bool:
    """Return whether an object has attributes, without running code that would make them up."""
    return all(inspect.getattr_static(value, name, _NOTHING) is not _NOTHING for name in names)


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the lengths of an array's or a table's sides; nothing for any other object, or a lazy one."""
    with ForeignCode():
        shape = value.shape if has_attributes(value, "shape") else ()
        if isinstance(shape, tuple) and all(type(side) is int for side in shape):
            return tuple(shape)
    return ()


def _title(value: Any, shape: tuple[int, ...]) -> str:
    return f"{type_name(value)}{' ' if shape else ''}{' x '.join(map(str, shape))}"


def _cell(value: Any) -> str:
    return " ".join(truncate_with_length(plain_text(str(value)), _CELL_CHARACTERS).split())
