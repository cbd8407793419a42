"""Run a benchmark by its name, or list them.

::

    python -m tests.benchmarks [NAME [--quick] [--json FILE]]

A full run is written into ``docs/benchmarks.md``; a quick one only shows that the benchmark works.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from asyncfc_jupyter.text import did_you_mean
from tests.benchmarks.report import COMMAND


def benchmarks() -> dict[str, str]:
    """Return the benchmarks by name, with the first line of what each says of itself."""
    # They are read and not imported: what one measures must not begin with what others have loaded and started.
    found = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in Path(__file__).parent.glob("[!_]*.py")}
    return {
        name: (ast.get_docstring(module) or "").partition("\n")[0]
        for name, module in sorted(found.items())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in module.body)
    }


def main(words: Sequence[str] | None = None) -> int:
    """List the benchmarks, or run one and return its exit code."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Runs a benchmark, or lists them. A full run is written into docs/benchmarks.md.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="the benchmark; without it they are listed")
    parser.add_argument(
        "words", metavar="...", nargs=argparse.REMAINDER, help="its options: --quick, --json FILE, --help"
    )
    options = parser.parse_args(words)
    found = benchmarks()
    if options.name is None:
        for name, summary in found.items():
            print(f"{name:<10} {summary}")
        return 0
    if options.name not in found:
        meant = did_you_mean(options.name, tuple(found)) or f"; there are: {', '.join(found)}."
        parser.error(f"there is no benchmark {options.name!r}{meant}")
    return int(importlib.import_module(f"tests.benchmarks.{options.name}").main(options.words))


if __name__ == "__main__":
    sys.exit(main())
