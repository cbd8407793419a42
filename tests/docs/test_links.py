"""No document names a file, a page or a heading that is not there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, name_of, quoted, table_below

_LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)\s]+)\)")
#: A path in backticks, with a folder and an ending, or a folder of the repository's own.
_PATH = re.compile(r"`((?:[\w.]+/)+[\w.]*)`")


def anchors(page: Path) -> set[str]:
    """Return the anchors that a renderer makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_a_page_lead_to_files_and_headings(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        assert not anchor or anchor in anchors(target), f"{name_of(page)} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_in_a_page_are_those_of_files_in_the_repository(page: Path) -> None:
    """Relative to the repository or to the package; templates of state such as ``orders/42`` are no such path."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    files = set(listed) | {folder.as_posix() for file in listed for folder in Path(file).parents}
    folders = {file.split("/")[0] for file in listed} | {file.split("/")[1] for file in listed if "/" in file}
    for path in _PATH.findall(page.read_text(encoding="utf-8")):
        bare = path.rstrip("/")
        if path.split("/")[0] in folders and path.split("/")[0] != "test-artifacts":
            assert bare in files or f"asyncfc_jupyter/{bare}" in files, f"{name_of(page)} names {path}"


def test_the_table_of_changes_names_files_of_the_package() -> None:
    rows = table_below((ROOT / "docs" / "design.md").read_text(encoding="utf-8"), "to change")
    assert len(rows) >= 10
    for change, where in rows:
        assert quoted(where), change
        for path in quoted(where):
            assert "/" not in path.strip("/") or (ROOT / "asyncfc_jupyter" / path).exists() or "." not in path, path
            assert not path.endswith(".py") or (ROOT / "asyncfc_jupyter" / path).is_file(), f"{change}: {path}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "design").glob("*.md")), ids=name_of)
def test_a_page_of_the_design_is_read_in_five_minutes(page: Path) -> None:
    """At 240 words a minute, which is a slow reader's pace."""
    assert len(page.read_text(encoding="utf-8").split()) <= 1200
