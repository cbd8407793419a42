"""The documents of the repository: their text, their examples, their tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: What a fence may hold that no test runs: commands of a shell, settings, pictures.
_NOT_PYTHON = {"bash", "toml", "mermaid"}
#: A fence with the comment before it that says why it cannot run, or a comment that holds a cell a reader need not see.
_PARTS = re.compile(
    r"<!-- run first:\n(?P<hidden>.*?)-->"
    r"|(?:<!-- not run: (?P<reason>[^\n]*?) -->\n)?^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A fence of a page that holds Python or a cell."""

    line: int
    code: str
    #: Why it cannot run, or nothing.
    reason: str = ""

    @property
    def is_script(self) -> bool:
        """Whether it starts an event loop of its own, as no cell can."""
        return "asyncio.run(" in self.code


def name_of(page: Path) -> str:
    """Return a page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def examples(text: str) -> list[Example]:
    """Return the examples of a page in order: fences marked ``python``, and unmarked ones that start with a magic."""
    found = []
    for match in _PARTS.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["hidden"] is not None:
            found.append(Example(line=line, code=match["hidden"]))
        elif match["language"] == "python" or (not match["language"] and match["code"].startswith("%")):
            found.append(Example(line=line, code=match["code"], reason=match["reason"] or ""))
        else:
            assert not match["language"] or match["language"] in _NOT_PYTHON, f"line {line}: {match['language']!r}"
    return found


def table_below(text: str, heading: str) -> list[list[str]]:
    """Return the rows of the first table whose heading row starts so, each a list of its cells."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
    return rows


def quoted(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)
