"""Calls and results as bytes, for other processes, made and read without holding the interpreter for long.

To pickle a million rows is one call into C of a second or two, in which no other thread runs, and the event loop stands
still. But the library writes and reads its bytes in frames of 64 kB if it has a file, and a file whose methods are Python's
lets other threads run at each frame.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.reduction import ForkingPickler
from typing import Any

from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.values.pauses import PARTS, Pauses
from asyncfc_jupyter.values.plain import CONTAINER_TYPES, are_constants, parts_of_rows
from asyncfc_jupyter.values.snapshot import ROW_PARTS, is_large, is_tree


class _Written:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)


class _Read:
    """Bytes as a file. Not derived from one of Python's own, whose methods are not Python's."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)
        self._pauses = Pauses()

    def read(self, size: int) -> bytes:
        self._pauses.pause()
        return self._file.read(size)

    def readline(self) -> bytes:
        return self._file.readline()


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Stands for a long list or mapping; another process makes that of it when it reads the bytes."""

    join: Callable[..., Any]
    pieces: tuple[bytes, ...]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[bytes, ...]]:
        return self.join, self.pieces


def in_pieces(value: Any) -> Any:
    """Return what is packed in place of a value: the value itself, or one whose long lists and mappings are cut."""
    try:
        return _cut(value) if is_large(value) and is_tree(value) else value
    except RecursionError:  # it holds itself, or is nested too deeply: who takes it says so
        return value


def _cut(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        if len(value) > PARTS:
            return _Pieces(_joined_mapping, (*_pieces(value.items()),))
        return {key: _cut(item) if id(type(item)) in CONTAINER_TYPES else item for key, item in value.items()}
    if kind is list and len(value) > PARTS:
        return _Pieces(_joined_list, (*_pieces(value),))
    if kind is list or kind is tuple:
        return kind(_cut(item) if id(type(item)) in CONTAINER_TYPES else item for item in value)
    return value


def _pieces(items: Iterable[Any]) -> Iterator[bytes]:
    pauses, left = Pauses(), iter(items)
    while piece := [*islice(left, PARTS)]:
        whole = are_constants(piece) or parts_of_rows(piece, ROW_PARTS * PARTS) is not None
        yield _written(pickle.Pickler, piece if whole else [*map(_cut, piece)])
        pauses.pause()


def _joined_list(*pieces: bytes) -> list[Any]:
    joined, pauses = list[Any](), Pauses()
    for piece in pieces:
        joined += pickle.loads(piece)  # noqa: S301 - bytes of a process of this program
        pauses.pause()
    return joined


def _joined_mapping(*pieces: bytes) -> dict[Any, Any]:
    joined, pauses = dict[Any, Any](), Pauses()
    for piece in pieces:
        joined.update(pickle.loads(piece))  # noqa: S301 - bytes of a process of this program
        pauses.pause()
    return joined


def unpacked(content: bytes) -> Any:
    """Return the objects of which another process has sent the bytes."""
    return pickle.Unpickler(_Read(content)).load()  # noqa: S301 - bytes of a process of this program


def packed_for_a_pool(whole: Any) -> bytes:
    """Return bytes for a process of the standard library's pool."""
    return _written(ForkingPickler, whole)


def packed(whole: Any) -> bytes:
    """Return bytes from which another process makes a copy; of a class that is not in a module, with the class."""
    with ForeignCode():
        return pickle.dumps(whole)
    return packed_by_value(whole)


def packed_by_value(whole: Any) -> bytes:
    """Return bytes that hold the functions and classes of a notebook, which no other process can import."""
    from loky.backend.reduction import dump  # noqa: PLC0415 - takes a tenth of a second, which most sessions never need

    written = _Written()
    dump(whole, written)
    return b"".join(written.pieces)


def _written(pickler: Callable[[Any], Any], whole: Any) -> bytes:
    written = _Written()
    pickler(written).dump(whole)
    return b"".join(written.pieces)
