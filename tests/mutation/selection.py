"""Which tests run which lines, and how long each takes: measured once per file of tests, and kept until something changes.

Each file of tests runs in its own process under coverage, which is notified of the beginning of each test. The result is kept
in ``.cache/mutation`` under a hash of everything that the tests of a file may depend on, so that after adding a test to one
file only that file is measured again.

Lines that run in other processes, before any test or for several tests count for all tests of the file. If a value is computed
once and cached, the other tests that depend on it are not seen.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.copies import Copy, first_failure, session, steady_id, test_files
from tests.mutation.mutants import PACKAGE, Mutant

#: Increase it when the form of the kept files changes.
_FORM = 4
_MEASURING_S = 900.0
#: Trees whose measurements are kept: those of a few branches.
_TREES = 4
#: Linux: the nanoseconds that a thread has run, and those for which it waited for its turn.
_WAITED = Path("/proc/thread-self/schedstat")
#: The context of a test is its id; of code that runs before any test or for several, this.
_SHARED = ""

#: Lines by file.
Lines = dict[str, list[int]]


class Unsound(Exception):
    """The tests fail although nothing was changed."""


class _Measuring:
    """A plugin that notifies coverage of the running test, and measures its duration."""

    def __init__(self, switch: Callable[[str], None]) -> None:
        self._switch, self._now = switch, _SHARED
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    def _enter(self, name: str) -> str:
        before, self._now = self._now, name
        self._switch(name)
        return before

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        name = steady_id(item.nodeid)
        started_s = _undisturbed_s()
        self._enter(name)
        try:
            return (yield)
        finally:
            self._enter(_SHARED)
            self.seconds[name] = self.seconds.get(name, 0.0) + _undisturbed_s() - started_s

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """A fixture for several tests runs in the first of them only, but all depend on it."""
        before = self._enter(_SHARED if fixturedef.scope != "function" else self._now)
        try:
            return (yield)
        finally:
            self._enter(before)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(steady_id(report.nodeid))


def measure(copy: Copy, file: str) -> dict[str, Any]:
    """Run one file of tests under coverage and return the lines that its tests run.

    Raises:
        Unsound: A test fails, and fails again without coverage, which makes some tests too slow.
    """

    def work() -> dict[str, Any]:
        import coverage

        elsewhere = _watch_other_processes(copy)
        watching = coverage.Coverage(
            data_file=None,
            include=[f"{copy.root}/{PACKAGE}/*"],
            config_file=False,
            messages=False,
            concurrency="thread",
        )
        watching.start()
        plugin = _Measuring(watching.switch_context)
        code = session(copy, [file], plugin)
        watching.stop()
        data, lines = watching.get_data(), defaultdict(lambda: defaultdict(list))
        for path in data.measured_files():
            short = Path(path).relative_to(copy.root).as_posix()
            for line, contexts in data.contexts_by_lineno(path).items():
                for context in contexts:
                    lines[context][short].append(line)
        # Pools of processes end here, and write down their lines; coverage's own data is gone afterwards.
        atexit._run_exitfuncs()
        for file_of_process in elsewhere.glob("lines.*"):
            of_process = coverage.CoverageData(str(file_of_process))
            of_process.read()
            for path in of_process.measured_files():
                lines[_SHARED][Path(path).relative_to(copy.root).as_posix()] += of_process.lines(path) or ()
        tests = {name: [seconds, lines.get(name, {})] for name, seconds in plugin.seconds.items()}
        return {"tests": tests, "shared": lines.get(_SHARED, {}), "failed": plugin.failed, "code": code}

    try:
        found = copy.run(work, limit_s=_MEASURING_S, keep_compiled=True)
    except (TimeoutError, ChildProcessError) as error:
        raise Unsound(f"{file} cannot be run: {str(error) or 'time ran out'}") from error
    failed = set(found.pop("failed"))
    if found.pop("code") not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}:
        raise Unsound(f"{file} cannot be collected; run pytest on it to see why.")
    if failed:
        found_seconds = {name: seconds for name, (seconds, _) in found["tests"].items()}
        failure, _ = first_failure(copy, [[file]], failed, set(found["tests"]), found_seconds)
        if failure is not None:
            raise Unsound(f"{failure.test or file} fails although nothing was changed: {failure.why}")
    return found


def _watch_other_processes(copy: Copy) -> Path:
    """Have each Python process that a test starts record its lines, and return the folder of the records."""
    folder = copy.home / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    settings = (
        f"[run]\ndata_file = {folder}/lines\nparallel = true\nsigterm = true\ninclude = {copy.root}/{PACKAGE}/*\n"
    )
    (folder / "settings").write_text(settings)
    (folder / "sitecustomize.py").write_text("import coverage\ncoverage.process_startup()\n")
    os.environ["COVERAGE_PROCESS_START"] = str(folder / "settings")
    os.environ["PYTHONPATH"] += f"{os.pathsep}{folder}"
    return folder


def _undisturbed_s() -> float:
    """Return a clock that stops while this thread waits for a processor, if the system reports that."""
    try:
        waited_ns = int(_WAITED.read_text().split()[1])
    except (OSError, IndexError, ValueError):
        waited_ns = 0
    return time.perf_counter() - waited_ns / 1e9


class Kept:
    """Earlier measurements, in files."""

    def __init__(self, root: Path) -> None:
        self._root = root
        own = {root / file for file in test_files(root)}
        digest = hashlib.sha256(f"{_FORM} {sys.version}".encode())
        for folder in (PACKAGE, "tests", "docs", "notebooks"):
            for path in sorted((root / folder).rglob("*")):
                inside = path.relative_to(root).as_posix()
                skipped = inside.startswith("tests/mutation/") or "__pycache__" in inside or "node_modules" in inside
                if path.is_file() and path not in own and not skipped:
                    digest.update(f"{inside}\0".encode() + path.read_bytes() + b"\0")
        digest.update((root / "pyproject.toml").read_bytes())
        self.key = digest.hexdigest()[:16]
        self._home = root / ".cache" / "mutation" / self.key

    def _place(self, file: str) -> Path:
        digest = hashlib.sha256(file.encode() + b"\0" + (self._root / file).read_bytes()).hexdigest()[:16]
        return self._home / f"{Path(file).stem}-{digest}.json"

    def get(self, file: str) -> dict[str, Any] | None:
        """Return the measurement of a file of tests in its present form, or None."""
        try:
            found: dict[str, Any] = json.loads(self._place(file).read_text())
        except (OSError, ValueError):
            return None
        return found

    def put(self, file: str, found: dict[str, Any]) -> None:
        """Keep a measurement."""
        if not self._home.is_dir():
            self._home.mkdir(parents=True)
            former = sorted(self._home.parent.iterdir(), key=lambda path: path.stat().st_mtime)
            for old in former[:-_TREES]:
                shutil.rmtree(old, ignore_errors=True)
        self._place(file).write_text(json.dumps(found))


def _sets() -> dict[Any, set[str]]:
    return defaultdict(set)


@dataclass(slots=True, kw_only=True)
class Selection:
    """Finds the tests that run a line."""

    #: Seconds by test, under coverage.
    seconds: dict[str, float] = field(default_factory=dict)
    #: Tests by file and line, of lines that run during a test.
    _by_line: dict[tuple[str, int], set[str]] = field(default_factory=_sets)
    #: Tests by file of the package of which they run a function.
    _by_file: dict[str, set[str]] = field(default_factory=_sets)
    #: Files of tests by line, of lines that run while they are imported or set up.
    _shared: dict[tuple[str, int], set[str]] = field(default_factory=_sets)
    _of_file: dict[str, set[str]] = field(default_factory=_sets)

    def add(self, file: str, found: dict[str, Any]) -> None:
        """Add the measurement of a file of tests."""
        for path, lines in found["shared"].items():
            for line in lines:
                self._shared[path, line].add(file)
        for test, (seconds, by_path) in found["tests"].items():
            self.seconds[test] = seconds
            self._of_file[file].add(test)
            for path, lines in by_path.items():
                for line in lines:
                    self._by_line[path, line].add(test)

    @property
    def knows_lines(self) -> bool:
        """Whether coverage saw any test run a line."""
        return bool(self._by_line)

    def know_functions(self, mutants: Iterable[Mutant]) -> None:
        """Learn from these mutants which lines belong to functions: other lines run in the first test only."""
        for mutant in mutants:
            if not mutant.once:
                self._by_file[mutant.path] |= self._by_line.get((mutant.path, mutant.line), set())

    def tests_for(self, mutant: Mutant) -> tuple[set[str], bool]:
        """Return the tests that run the mutant's code, and whether coverage saw it run.

        If not, they are the tests that run the function around it: a process that is killed does not report its lines.
        """
        seen = next(filter(None, (self._that_run(mutant.path, line) for line in mutant.look)), set())
        if mutant.once:
            # For code that runs once, coverage sees the first test only; tests that run the file's functions depend on it.
            return self._by_file.get(mutant.path) or seen, True
        if seen or mutant.opening is None:
            return seen, bool(seen)
        return self._that_run(mutant.path, mutant.opening), False

    def _that_run(self, path: str, line: int) -> set[str]:
        return self._by_line.get((path, line), set()) | self._tests_of(self._shared.get((path, line), ()))

    def _tests_of(self, files: Collection[str]) -> set[str]:
        return set().union(*(self._of_file[file] for file in files))


def within(tests: Iterable[str], seconds: dict[str, float], budget_s: float) -> set[str]:
    """Return the fastest tests that fit into a time; at least one."""
    chosen: set[str] = set()
    spent_s = 0.0
    for test in sorted(tests, key=lambda test: (seconds[test], test)):
        spent_s += seconds[test]
        if chosen and spent_s > budget_s:
            break
        chosen.add(test)
    return chosen


def batches(mutant: Mutant, chosen: Iterable[str], seconds: dict[str, float]) -> list[list[str]]:
    """Return the files of the tests in the order in which to run them, in growing batches.

    Tests that are named after the module come first, then those of its package, then the cheapest: most mutants are killed
    early, and then no other file must be imported.
    """
    cost: dict[str, float] = defaultdict(float)
    for test in chosen:
        cost[test.partition("::")[0]] += seconds[test]
    package, stem = Path(mutant.path).parts[1], Path(mutant.path).stem

    def rank(file: str) -> tuple[bool, bool, float, str]:
        return Path(file).stem != f"test_{stem}", Path(file).parts[1] != package, cost[file], file

    files = sorted(cost, key=rank)
    found, size = [], 1
    while files:
        found.append(files[:size])
        files, size = files[size:], size * 3
    return found
