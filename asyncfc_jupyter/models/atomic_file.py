"""Files that are there whole or as they were before."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write a file in UTF-8; whatever goes wrong, and whoever reads it meanwhile, an earlier one stays as it was.

    Raises:
        OSError: It cannot be written.
        UnicodeEncodeError: The text holds half a surrogate pair.
    """
    path = path.resolve()  # a link goes on pointing at it
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        if path.exists():
            shutil.copymode(path, fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
