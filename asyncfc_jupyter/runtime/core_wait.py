"""How long a thread has waited for a processor core: Linux counts it; other systems do not, and it is 0 there.

It is read without passing on Python's lock (`ctypes.PyDLL`). A read of a file in Python would pass it on, and get it back after
other threads that compute.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

#: Its three figures: nanoseconds on a core, nanoseconds of waiting for one, and how often the thread got one.
_FILE = "/proc/thread-self/schedstat"
_BYTES = 64


@functools.cache
def _library() -> Any:
    """Return the C library, which also makes buffers; None where there is no such file."""
    if not Path(_FILE).exists():
        return None
    import ctypes  # noqa: PLC0415 - takes some milliseconds, which most sessions never need

    library: Any = ctypes.PyDLL(None)
    library.pread.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_long]
    library.pread.restype = ctypes.c_ssize_t
    library.new_buffer = functools.partial(ctypes.create_string_buffer, _BYTES)
    return library


class CoreWait:
    """The waiting of the thread that makes it. Any thread may read it, one at a time."""

    def __init__(self) -> None:
        library = _library()
        self._file = -1 if library is None else library.open(_FILE.encode(), os.O_RDONLY | os.O_CLOEXEC)

    def read_s(self) -> float:
        """Return the seconds for which the thread has waited since it began; 0 where that is not known."""
        if self._file < 0:
            return 0.0
        library = _library()
        buffer = library.new_buffer()  # its own: between the reading and the next line another thread may read
        size = library.pread(self._file, buffer, _BYTES, 0)
        return int(buffer.raw[:size].split()[1]) / 1e9 if size > 0 else 0.0

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            _library().close(self._file)
            self._file = -1
