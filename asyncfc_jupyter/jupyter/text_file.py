"""Read a text file that the user names in a cell."""

from __future__ import annotations

from pathlib import Path

from asyncfc_jupyter.errors import UsageError


def read_text_file(file: str, *, kind: str, most_bytes: int) -> str:
    """Return the text of a file in UTF-8, without a byte order mark.

    Args:
        file: The path as the user wrote it; ``~`` is the home directory.
        kind: What the file should hold, for the error: ``prompt``.
        most_bytes: A larger file is refused.

    Raises:
        UsageError: The file cannot be read, is too large, or is not text.
    """
    path = Path(file).expanduser()
    try:
        if path.stat().st_size > most_bytes:
            raise UsageError(f"{file} is too large for a {kind}: more than {most_bytes // 10**6} MB.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not a {kind}: it is not text in UTF-8.") from None
