"""Calls and results as bytes, for other processes, made and read without holding the interpreter for long.

To pickle a million rows is one call into C of a second or two, in which no other thread runs, and the event loop stands
still. But the library writes and reads its bytes in frames of 64 kB if it has a file, and a file whose methods are Python's
lets other threads run at each frame.
"""

from __future__ import annotations

import io
import pickle
from multiprocessing.reduction import ForkingPickler
from typing import Any

from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.values.pauses import Pauses


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


def unpacked(content: bytes) -> Any:
    """Return the objects of which another process has sent the bytes."""
    return pickle.Unpickler(_Read(content)).load()  # noqa: S301 - bytes of a process of this program


def packed_for_a_pool(whole: Any) -> bytes:
    """Return bytes for a process of the standard library's pool."""
    written = _Written()
    ForkingPickler(written).dump(whole)
    return b"".join(written.pieces)


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
