"""What a benchmark found: printed, and, after a full run, kept in ``docs/benchmarks.md`` with its figures beside it as JSON.

Every benchmark is a module with a ``main`` that takes the words after its name on the command line:

    def main(words: Sequence[str]) -> int:
        options = options_of("its name", __doc__, words)
        ...
        return publish(report, options)
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncfc_jupyter._version import __version__

#: Runs a benchmark whose name follows.
COMMAND = "python -m tests.benchmarks"
DOCS = Path(__file__).resolve().parents[2] / "docs"
_HEAD = """# Benchmarks

A full run of the command that a section names writes the section. Its figures are kept as JSON in `docs/benchmarks/`. Compare
figures within one section only: they are of one run on one machine.
"""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a caption; the first column is aligned to the left, all others to the right."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        lines = [self.header, ["---", *["---:"] * (len(self.header) - 1)], *self.rows]
        return "\n".join([self.caption, "", *(f"| {' | '.join(cells)} |" for cells in lines)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one run of a benchmark found."""

    #: The name that the command takes.
    name: str
    title: str
    #: What was measured, how, and what it cannot show: paragraphs of Markdown.
    text: str
    tables: Sequence[Table]
    #: Whatever the tables were made from, as JSON data.
    figures: Any
    #: What was wrong: a check that failed. The command then ends with an error.
    wrong: Sequence[str] = field(default=())


def options_of(
    name: str, description: str | None, words: Sequence[str], *, compares: bool = False
) -> argparse.Namespace:
    """Read the options that every benchmark has.

    Args:
        name: The name that the command takes.
        description: The module's own docstring, whose first line is shown.
        words: The words after the name.
        compares: Whether it can measure another revision beside this one.
    """
    parser = argparse.ArgumentParser(prog=f"{COMMAND} {name}", description=(description or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small run, which writes nothing into docs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    if compares:
        parser.add_argument("--against", metavar="REV", help="measure the package as of that revision beside it")
    options = parser.parse_args(words)
    options.words = tuple(words)
    return options


def publish(report: Report, options: argparse.Namespace, docs: Path = DOCS) -> int:
    """Print a report, keep it if it is of a full run in which nothing was wrong, and return the command's exit code."""
    print(f"\n{_section(report, options.words)}")
    if options.json is not None:
        options.json.write_text(_json(report), encoding="utf-8")
    for problem in report.wrong:
        print(f"wrong: {problem}", file=sys.stderr)
    if report.wrong:
        return 1
    if not options.quick:
        keep(report, options.words, docs)
    return 0


def keep(report: Report, words: Sequence[str], docs: Path) -> None:
    """Put a report into ``benchmarks.md`` in place of the section it had, and its figures beside it."""
    page = docs / "benchmarks.md"
    text = page.read_text(encoding="utf-8") if page.exists() else _HEAD
    begin, end = f"<!-- {report.name} -->", f"<!-- end of {report.name} -->"
    section = f"{begin}\n{_section(report, words)}\n{end}"
    held = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    text = held.sub(lambda _: section, text) if held.search(text) else f"{text.rstrip()}\n\n{section}\n"
    page.write_text(text, encoding="utf-8")
    figures = docs / "benchmarks" / f"{report.name}.json"
    figures.parent.mkdir(exist_ok=True)
    figures.write_text(_json(report), encoding="utf-8")


def _section(report: Report, words: Sequence[str]) -> str:
    command = " ".join([COMMAND, report.name, *words])
    return "\n\n".join(
        [f"## {report.title}", report.text.strip(), *map(str, report.tables), f"Made by `{command}`: {_made_on()}."]
    )


def _made_on() -> str:
    python = f"Python {platform.python_version()}"
    return f"asyncfc_jupyter {__version__}, {python}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d}"


def _json(report: Report) -> str:
    document = {"benchmark": report.name, "made": _made_on(), "figures": report.figures, "wrong": list(report.wrong)}
    return json.dumps(document, indent=1) + "\n"
