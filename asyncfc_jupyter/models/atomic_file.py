"""Files that are replaced as a whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def replace_file(path: Path, text: str, *, private: bool = False) -> None:
    """Write a file in UTF-8. A reader sees the old file or the new one, and after an error the old one is unchanged.

    Args:
        path: The file.
        text: Its new text.
        private: Whether only its owner may read it; otherwise it keeps its mode.

    Raises:
        OSError: It cannot be written.
        UnicodeEncodeError: The text holds half a surrogate pair.
    """
    path = path.resolve()  # so that a link is kept
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.touch(mode=0o600 if private else 0o666)
        fresh.write_text(text, encoding="utf-8")
        if path.exists() and not private:
            shutil.copymode(path, fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
