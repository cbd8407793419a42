"""Whole outputs that were checked and kept in files: an output with many figures is compared as a whole.

A test that names three of the hundred figures in a picture or a table lets the others be wrong. The fixture ``expected``
compares with a file in the folder ``expected`` beside the test, and shows the difference. If the new output is right, check it
and have it written: ``python -m pytest tests/trace --accept``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import pytest

#: Lines of a difference that are shown.
_SHOWN = 60

Compare = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that accepts the present outputs."""
    parser.addoption(
        "--accept", action="store_true", help="write the outputs that tests compare with, instead of comparing"
    )


@pytest.fixture
def expected(request: pytest.FixtureRequest) -> Compare:
    """Return a function that compares a text with the file of that name in ``expected``, or writes it with ``--accept``."""

    def compare(name: str, text: str) -> None:
        path = request.path.parent / "expected" / name
        text = text.rstrip("\n") + "\n"
        if request.config.getoption("--accept"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        else:
            _assert_same(path, text, request.path.parent.name)

    return compare


def _assert_same(path: Path, text: str, folder: str) -> None:
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    if text == kept:
        return
    lines = list(
        difflib.unified_diff(kept.splitlines(), text.splitlines(), f"expected/{path.name}", "now", lineterm="")
    )
    more = [f"... and {len(lines) - _SHOWN} lines more"] if len(lines) > _SHOWN else []
    remedy = f"If this is right: python -m pytest tests/{folder} --accept"
    pytest.fail("\n".join([*lines[:_SHOWN], *more, remedy]), pytrace=False)
