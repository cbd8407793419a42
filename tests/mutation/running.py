"""Runs the tests on each mutant in several processes, and reports the outcome."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.copies import ROOT, Chosen, Copy, Failure, first_failure, preload, session, test_files
from tests.mutation.mutants import Mutant, all_mutants, all_packages
from tests.mutation.selection import Kept, Selection, Unsound, batches, measure, within

_WARMING_S = 300.0
#: At most so many tests are left out that fail with a mutant and then pass with the same mutant.
_DOUBTS = 3
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """The outcome of a mutant."""

    mutant: Mutant
    #: The test that failed; empty if the mutant survived, or if the process ended without a result.
    killed_by: str
    #: The failure's first line; empty if the mutant survived.
    why: str
    #: Whether coverage saw a test run its line; if not, the tests of the function around it are run.
    seen: bool
    #: The number of tests that run its code, and of those that were run, up to the first failure.
    tests: int
    ran: int
    #: Tests that failed once and then passed with the same mutant.
    doubtful: tuple[str, ...]
    seconds: float

    @property
    def survived(self) -> bool:
        """Whether no test failed."""
        return not self.why

    def plain(self) -> dict[str, Any]:
        """Return the outcome as plain data."""
        mutant = {name: getattr(self.mutant, name) for name in ("path", "line", "column", "operator", "source", "text")}
        return (
            mutant
            | {"survived": self.survived}
            | {name: value for name, value in asdict(self).items() if name != "mutant"}
        )


class _Worker:
    """The state of each process of the pool: a copy, and the measurements."""

    copy: Copy
    selection: Selection
    budget_s: float
    #: All processes wait here for each other, so that each of them does the work once.
    barrier: Any


def _begin(home: Path, barrier: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _Worker.copy, _Worker.barrier = Copy(home / str(os.getpid())), barrier


def _measured(file: str) -> tuple[str, dict[str, Any] | str]:
    try:
        return file, measure(_Worker.copy, file)
    except Unsound as error:
        return file, str(error)


def _learn(task: tuple[Selection, float]) -> None:
    """Store the measurements and compile every test file, so that no mutant pays for it; runs once in each process."""
    _Worker.selection, _Worker.budget_s = task
    _Worker.barrier.wait(_WARMING_S)
    copy = _Worker.copy

    def collect() -> int:
        return session(copy, test_files(copy.root), Chosen(copy, (), (), {}), "--collect-only")

    code = copy.run(collect, limit_s=_WARMING_S, keep_compiled=True)
    if code != pytest.ExitCode.OK:
        raise Unsound(
            f"the tests cannot be collected in a copy of the tree: {(copy.home / 'log.txt').read_text()[-2000:]}"
        )


def _tried(mutant: Mutant) -> Fate:
    """Run the tests of a mutant, until one fails twice."""
    copy, selection = _Worker.copy, _Worker.selection
    started_s = time.monotonic()
    covering, seen = selection.tests_for(mutant)
    chosen = within(covering, selection.seconds, _Worker.budget_s)
    known, doubtful = selection.seconds.keys(), set[str]()
    failure: Failure | None = None
    ran = 0

    def run(tests: set[str]) -> tuple[Failure | None, int]:
        files = batches(mutant, tests, selection.seconds)
        return first_failure(copy, files, tests, known, selection.seconds)

    with copy.changed(mutant.path, mutant.apply((copy.root / mutant.path).read_bytes())):
        while chosen - doubtful:
            failure, ran = run(chosen - doubtful)
            if failure is None or failure.test not in chosen or len(doubtful) == _DOUBTS:
                break
            if run({failure.test})[0] is not None:
                break
            doubtful.add(failure.test)
            failure = None
    return Fate(
        mutant=mutant,
        killed_by=failure.test if failure else "",
        why=failure.why or "failed" if failure else "",
        seen=seen,
        tests=len(covering),
        ran=ran,
        doubtful=tuple(sorted(doubtful)),
        seconds=round(time.monotonic() - started_s, 2),
    )


@contextmanager
def workers(count: int) -> Iterator[tuple[Pool, int]]:
    """Yield a pool of processes, each with a copy of the tree, and their number."""
    preload()
    context = multiprocessing.get_context("fork")
    home = Path(tempfile.mkdtemp(prefix="asyncfc-mutation-"))
    try:
        with context.Pool(count, _begin, (home, context.Barrier(count))) as pool:
            yield pool, count
    finally:
        shutil.rmtree(home, ignore_errors=True)


def learn(pool: Pool, count: int, *, budget_s: float, report: Report) -> None:
    """Measure the tests that were not measured before, and pass the result to every process.

    Raises:
        Unsound: A test fails although nothing was changed.
    """
    kept, selection = Kept(ROOT), Selection()
    found = {file: kept.get(file) for file in test_files(ROOT)}
    missing = [file for file, known in found.items() if known is None]
    # The longest first, judged by size, so that no process waits for another in the end.
    missing.sort(key=lambda file: -(ROOT / file).stat().st_size)
    if missing:
        report(f"measuring {len(missing)} of {len(found)} files of tests: which lines each test runs")
    problems: list[str] = []
    for file, measured in pool.imap_unordered(_measured, missing):
        if isinstance(measured, str):
            problems.append(measured)
            report(f"  {measured}")
        else:
            kept.put(file, measured)
            found[file] = measured
    if problems:
        raise Unsound("the tests must pass before a mutant is made: " + "; ".join(problems))
    for file, known in found.items():
        selection.add(file, known or {"tests": {}, "shared": {}})
    if not selection.knows_lines:
        raise Unsound("coverage saw no test run a line of the package")
    selection.know_functions(all_mutants(ROOT, all_packages(ROOT)))
    report(f"{len(selection.seconds)} tests, {sum(selection.seconds.values()):.0f} s of work")
    pool.map(_learn, [(selection, budget_s)] * count, chunksize=1)


def try_all(pool: Pool, mutants: Sequence[Mutant]) -> Iterator[Fate]:
    """Yield the outcome of each mutant as soon as it is known."""
    yield from pool.imap_unordered(_tried, mutants)


def to_stderr(text: str) -> None:
    """Report the progress."""
    print(text, file=sys.stderr, flush=True)
