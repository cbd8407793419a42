"""Files are replaced as a whole: after an error the old one is unchanged."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from asyncfc_jupyter.models.atomic_file import replace_file

POSIX = pytest.mark.skipif(os.name != "posix", reason="files have such modes on POSIX alone")


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(mode)
    replace_file(path, "néw\n")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == ("néw\n".encode(), mode)
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        replace_file(path, "half \ud83d")

    def fails(*_: Any) -> None:
        raise OSError("full")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="full"):
        replace_file(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]  # no other file is left


def test_a_link_still_points_to_the_file_that_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    path, link = tmp_path / "deep" / "a.txt", tmp_path / "link"
    path.write_text("old")
    link.symlink_to(path)
    replace_file(link, "new")
    assert (link.is_symlink(), path.read_text()) == (True, "new")


def test_a_missing_file_is_created(tmp_path: Path) -> None:
    replace_file(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
