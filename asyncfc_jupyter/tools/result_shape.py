"""The shape of a tool's result, from its annotation: ``{order_id: int, lines: [{sku: str}]}``.

In the mode with futures a model writes ``$f1.lines[0].sku`` before there is a result, so it must know what a result has. What a
shape names is what a reference finds (`core.field_access`), by the same name: the JSON of a pydantic model, with its computed
fields and without what it leaves out; the fields of records that are shown. A name with ``?`` may be missing, and a name
without a type is a value of which nothing more is known: a serializer makes it, or its annotation cannot be read.

A shape has 300 characters at most, since it is a part of each request: first without the texts beside types, then without its
inner levels, then without types, and at last with its first names only. It is never wrong to say less.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import abc, deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, Flag
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, TypeVar, Union, Unpack, get_args, get_origin, get_type_hints

from pydantic import PlainSerializer, WrapSerializer
from typing_extensions import is_typeddict

from asyncfc_jupyter.core.own_json import declared_fields, json_names
from asyncfc_jupyter.foreign_code import ForeignCode, plain_text
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.tools.annotations import bare, text_beside, unqualified
from asyncfc_jupyter.values.describe import named_step

#: Characters of a shape: about 100 tokens for a tool, in every request. The result of most tools takes 60.
MOST_CHARACTERS = 300
#: Characters of a text beside a type, and of the values that an enum lists.
_TEXT_CHARACTERS = 60
_PLAIN = (str, int, float, bool, bytes, complex)
_LISTS = (list, tuple, abc.Sequence, abc.MutableSequence, deque)
_SERIALIZERS = (PlainSerializer, WrapSerializer)
#: A record of which nothing is said: one inside itself, or too deep.
_SOME_RECORD = "{...}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Detail:
    """How much is said."""

    levels: int
    texts: bool = False
    types: bool = True
    names: int | None = None


_DETAILS = (
    *(_Detail(levels=levels, texts=texts) for levels in (5, 3, 2) for texts in (True, False)),
    _Detail(levels=1),
    _Detail(levels=1, types=False),
    *(_Detail(levels=1, types=False, names=names) for names in (20, 8, 3)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A field of a record."""

    name: str
    #: Its annotation; `Any` if nothing is known of its value.
    hint: Any
    may_be_missing: bool = False


def result_shape(hint: Any) -> str:
    """Return the shape of results; empty if the annotation says nothing that a model could use, or cannot be read."""
    # Annotations are objects of any kind, with code of their own.
    with ForeignCode():
        origin, args = get_origin(bare(hint)), get_args(bare(hint))
        if args and isinstance(origin, type) and issubclass(origin, abc.Awaitable):
            hint = args[-1]  # the layer awaits it
    for detail in _DETAILS:
        with ForeignCode(), contextlib.suppress(_TooLong):
            text = _Writer(detail).shape_of(hint, ())
            if len(text) <= MOST_CHARACTERS:
                return text
    return ""


class _TooLong(Exception):
    """A shape has too many parts: classes that hold each other would be written for minutes."""


@dataclass(slots=True)
class _Writer:
    detail: _Detail
    #: Parts that it still may have: each takes a character at least.
    left: int = MOST_CHARACTERS

    def shape_of(self, hint: Any, inside: tuple[Any, ...]) -> str:
        """Return the shape of a value; empty if nothing is known of it.

        Args:
            hint: Its annotation.
            inside: The records around it.
        """
        self.left -= 1
        if self.left < 0:
            raise _TooLong
        beside = get_args(unqualified(hint))[1:] if get_origin(unqualified(hint)) is Annotated else ()
        # A serializer beside a type replaces the value in the JSON of a model.
        kind: Any = Any if any(isinstance(each, _SERIALIZERS) for each in beside) else bare(hint)
        while hasattr(kind, "__supertype__"):  # of a `NewType`
            kind = bare(kind.__supertype__)
        origin = get_origin(kind)
        if origin in (Union, UnionType):
            options = dict.fromkeys(self.shape_of(each, inside) for each in get_args(kind))
            return "" if "" in options else " | ".join(options)
        base = NoneType if kind is None else kind if origin is None else origin
        is_enum = isinstance(base, type) and issubclass(base, Enum) and not issubclass(base, Flag)
        if origin is Literal or is_enum:
            return _values(tuple(kind) if is_enum else get_args(kind))
        if not isinstance(base, type) or base in (object, Any):
            return ""
        return self._of_class(base, kind, inside)

    def _of_class(self, base: type, kind: Any, inside: tuple[Any, ...]) -> str:
        args = get_args(kind)
        # A model may write what it holds as JSON: a named tuple has positions there, and a class that is not pydantic's a name.
        written = any("__pydantic_fields__" in vars(each) for each in inside)
        fields = _fields(base, kind)
        if isinstance(fields, _Root):
            return "" if base in inside else self.shape_of(fields.hint, (*inside, base))
        if fields is not None and written and issubclass(base, tuple):
            return self._list(tuple, tuple(each.hint for each in fields), inside)
        is_written = "__pydantic_fields__" in vars(base) or dataclasses.is_dataclass(base) or is_typeddict(base)
        if fields is not None and (is_written or not written):
            return self._record(base, fields, inside)
        if base in _LISTS:
            return self._list(base, args, inside)
        key = bare(args[0]) if args else None
        if issubclass(base, abc.Mapping):
            item = self.shape_of(args[1], inside) if len(args) == 2 else ""
            # A key that is not plain has no text by which a model would know it.
            return f"{{[{key.__name__}]: {item}}}" if item and key in _PLAIN else "dict"
        name = "None" if base is NoneType else plain_text(base.__name__)
        name = f"set[{key.__name__}]" if issubclass(base, abc.Set) and key in _PLAIN else name
        return name if name.partition("[")[0].isidentifier() else ""

    def _list(self, base: type, args: tuple[Any, ...], inside: tuple[Any, ...]) -> str:
        items = [self.shape_of(each, inside) for each in args if each is not ...]
        if base is not tuple or args[1:] == (...,):
            return f"[{items[0]}]" if items and items[0] else "list"
        any_number = any(get_origin(each) is Unpack or get_origin(each) is tuple for each in args)
        return "list" if any_number or not items else f"[{', '.join(each or 'Any' for each in items)}]"

    def _record(self, kind: type, fields: list[_Named], inside: tuple[Any, ...]) -> str:
        if kind in inside or len(inside) >= self.detail.levels:
            return _SOME_RECORD
        shown = []
        for each in fields[: self.detail.names]:
            escaped = each.name.replace("\\", "\\\\").replace("'", "\\'")
            name = each.name if named_step(each.name).startswith(".") else f"'{escaped}'"
            name += "?" if each.may_be_missing else ""
            kind_of_it = self.shape_of(each.hint, (*inside, kind)) if self.detail.types else ""
            text = shorten(text_beside(each.hint), _TEXT_CHARACTERS) if self.detail.texts else ""
            shown.append(f"{name}{': ' if kind_of_it else ''}{kind_of_it}{f' ({text})' if text else ''}")
        more = ["..."] if len(fields) > len(shown) else []
        return f"{{{', '.join((*shown, *more))}}}"


def _values(values: tuple[Any, ...]) -> str:
    """Return the values of a `Literal` or an enum, or their types if they are many."""
    plain = [each.value if isinstance(each, Enum) else each for each in values]
    if not all(each is None or type(each) in _PLAIN for each in plain):
        return ""
    text = " | ".join(map(repr, plain))
    return text if len(text) <= _TEXT_CHARACTERS else " | ".join(dict.fromkeys(type(each).__name__ for each in plain))


# -- records ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Root:
    """A class that is written as one value, as a root model is."""

    hint: Any


def _fields(base: type, kind: Any) -> list[_Named] | _Root | None:
    """Return the fields of a record that a reference finds and that are shown; None for any other class.

    Args:
        base: The class.
        kind: The class with the types for its variables, as in ``Page[Order]``.
    """
    if "__pydantic_fields__" in vars(base):
        return _of_pydantic(base)
    hints: dict[str, Any] = {}
    with ForeignCode():  # an annotation may be evaluated, and names may be unknown
        hints = get_type_hints(base, include_extras=True)
    variables = dict(zip(getattr(base, "__parameters__", ()), get_args(kind), strict=False))
    return [
        _Named(name=name, hint=_filled(hints.get(name, Any), variables), may_be_missing=missing)
        for name, missing in _declared(base, hints).items()
        if isinstance(name, str) and name.isprintable()
    ] or None


def _declared(kind: Any, hints: Mapping[str, Any]) -> dict[Any, bool]:
    """Return the names that a class declares and shows, each with whether it may be missing in an object of it."""
    if is_typeddict(kind):
        # Python does not see a `NotRequired` in annotations that are strings.
        return {
            name: name not in kind.__required_keys__ or get_origin(hints.get(name)) is NotRequired for name in hints
        }
    shown: dict[Any, bool] = {}
    if dataclasses.is_dataclass(kind):
        for each in dataclasses.fields(kind):
            is_set = (
                each.init or each.default is not dataclasses.MISSING or each.default_factory is not dataclasses.MISSING
            )
            shown |= {each.name: not is_set} if each.repr else {}
    elif "__attrs_attrs__" in vars(kind):
        shown = {each.name: False for each in kind.__attrs_attrs__ if each.repr}
    else:
        names = getattr(kind, "_fields" if issubclass(kind, tuple) else "__struct_fields__", ())
        shown = dict.fromkeys(names if isinstance(names, tuple) else (), False)
    # A mapping has its keys and nothing else, and a reference finds nothing private in a record.
    is_closed = issubclass(kind, abc.Mapping)
    return {name: missing for name, missing in shown.items() if not (is_closed or str(name).startswith("_"))}


def _filled(hint: Any, variables: Mapping[Any, Any]) -> Any:
    """Return an annotation with types in place of its variables."""
    if isinstance(hint, TypeVar):
        return variables.get(hint, hint.__bound__ or Any)
    parameters = getattr(hint, "__parameters__", ())
    if not parameters or isinstance(hint, type) or get_origin(hint) is NotRequired:
        return hint
    return hint[tuple(_filled(each, variables) for each in parameters)]


def _of_pydantic(kind: Any) -> list[_Named] | _Root | None:
    decorated = kind.__pydantic_decorators__
    own_schema = any(
        "__get_pydantic_core_schema__" in vars(each) and not each.__module__.startswith("pydantic.")
        for each in kind.__mro__
    )
    if decorated.model_serializers or own_schema:
        return _Root(Any)
    serialized = {name for each in decorated.field_serializers.values() for name in each.info.fields}
    fields, computed = declared_fields(kind)
    found = []
    for name, shown in json_names(kind).items():
        info = fields.get(name) or computed[name]
        if getattr(info, "exclude", False) or info.repr is False:
            continue
        metadata = tuple(getattr(info, "metadata", ()))
        hint = info.annotation if name in fields else info.return_type
        if {name, "*"} & serialized or any(isinstance(each, _SERIALIZERS) for each in metadata):
            hint = Any
        beside = (info.description,) if info.description else metadata
        hint = Annotated[(hint, *beside)] if beside else hint
        may_be_missing = getattr(info, "exclude_if", None) is not None
        found.append(_Named(name=shown, hint=hint, may_be_missing=may_be_missing))
    if getattr(kind, "__pydantic_root_model__", False):
        return _Root(found[0].hint if found else Any)
    return [each for each in found if each.name.isprintable()] or None
