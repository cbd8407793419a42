"""``python -m tests.mutation``: plant faults, and list those that the tests do not find.

By default a random sample of small changes is made to the package, one at a time, and the quick tests that run the changed line
are run. The survivors are listed: each is a line that the tests run without checking its effect, or a change that makes no
difference. ``planted`` makes the faults of ``planted.py``, which the tests must find.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.mutation.copies import ROOT
from tests.mutation.mutants import PACKAGES, Mutant, all_mutants, draw
from tests.mutation.running import Fate, learn, to_stderr, try_all, workers
from tests.mutation.selection import Unsound


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    given = _parser().parse_args(arguments)
    # So a command that is terminated removes its copies.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if given.what == "planted":
        from tests.mutation.planted import check_planted

        return check_planted(given.name)
    try:
        return _sample(given)
    except (Unsound, ValueError) as error:
        print(f"mutation: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["sample", "planted"], default="sample")
    parser.add_argument("name", nargs="*", help="planted: these faults only")
    parser.add_argument("--packages", default=",".join(PACKAGES), help="packages to change (default: %(default)s)")
    parser.add_argument("--count", type=int, default=200, help="mutants to draw (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="draws the same mutants again (default: another each time)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of tests for one mutant, the fastest first (default: %(default)g)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome of each mutant")
    parser.add_argument("--only", type=Path, metavar="FILE", help="try the survivors of an earlier --json again")
    return parser


def _sample(given: argparse.Namespace) -> int:
    packages = [name for name in given.packages.split(",") if name]
    seed = int(time.time()) % 100_000 if given.seed is None else given.seed
    if given.only is None:
        chosen = draw(all_mutants(ROOT, packages), given.count, seed)
        to_stderr(f"{len(chosen)} mutants of {', '.join(packages)}, seed {seed}")
    else:
        chosen = _survivors_again(json.loads(given.only.read_text()))
        to_stderr(f"{len(chosen)} survivors of {given.only}")
    started_s = time.monotonic()
    fates: list[Fate] = []
    with workers(given.workers) as (pool, count):
        learn(pool, count, budget_s=given.seconds, report=to_stderr)
        for fate in try_all(pool, chosen):
            fates.append(fate)
            to_stderr(f"{len(fates):4}/{len(chosen)}  {'LIVES ' if fate.survived else 'killed'}  {fate.mutant}")
            if given.json is not None:
                _write(given.json, seed, packages, fates)
    fates.sort(key=lambda fate: fate.mutant.place)
    for fate in fates:
        if fate.survived:
            print(f"{fate.mutant}  [{_asked(fate)}]")
    print(_table(fates))
    to_stderr(f"{time.monotonic() - started_s:.0f} s")
    return 0


def _asked(fate: Fate) -> str:
    if not fate.tests:
        return "run by no quick test"
    around = "" if fate.seen else ", and none was seen to run this line"
    if fate.ran < fate.tests - len(fate.doubtful):
        around += f"; {fate.tests - fate.ran} more did not decide: they are slow, or failed once and then passed"
    return f"{fate.ran} tests pass{around}"


def _write(path: Path, seed: int, packages: list[str], fates: Iterable[Fate]) -> None:
    mutants = [fate.plain() for fate in sorted(fates, key=lambda fate: fate.mutant.place)]
    path.write_text(json.dumps({"seed": seed, "packages": packages, "mutants": mutants}, indent=1) + "\n")


def _survivors_again(before: dict[str, Any]) -> list[Mutant]:
    """Return the present mutants that survived then: of equal lines, the one nearest to its earlier position."""
    survivors = [mutant for mutant in before["mutants"] if mutant["survived"]]
    present: dict[tuple[Any, ...], list[Mutant]] = defaultdict(list)
    for mutant in all_mutants(ROOT, sorted({Path(each["path"]).parts[1] for each in survivors})):
        present[mutant.path, mutant.source, mutant.operator, mutant.column].append(mutant)
    found: list[Mutant] = []
    for each in survivors:
        alike = present[each["path"], each["source"], each["operator"], each["column"]]
        if alike:
            nearest = min(alike, key=lambda mutant: abs(mutant.line - each["line"]))
            alike.remove(nearest)
            found.append(nearest)
        else:
            to_stderr(f"no longer there: {each['path']}:{each['line']}  {each['operator']}  {each['source']}")
    return found


def _table(fates: Iterable[Fate]) -> str:
    """Return the numbers of each package and of all."""
    numbers: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for fate in fates:
        for row in (Path(fate.mutant.path).parts[1], "all"):
            numbers[row][fate.survived] += 1
    lines = [f"{'package':10}{'drawn':>8}{'killed':>8}{'survived':>10}{'share killed':>14}"]
    for row in sorted(numbers, key=lambda row: (row == "all", row)):
        killed, survived = numbers[row]
        drawn = killed + survived
        lines.append(f"{row:10}{drawn:8}{killed:8}{survived:10}{killed / drawn:14.0%}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
