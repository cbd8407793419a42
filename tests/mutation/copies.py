"""Copies of the tree in which mutants are made, and processes that run tests there.

A process that has imported the third parties, but nothing of the package and of its tests, is forked for each mutant. So their
imports are paid once, and the tests import the copy, whatever else is installed.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import importlib.util
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import time
import traceback
import types
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.mutants import PACKAGE

ROOT = Path(__file__).resolve().parents[2]
#: The parts of the tree that tests read.
_COPIED = (PACKAGE, "tests", "docs", "notebooks", "README.md", "CHANGELOG.md", "pyproject.toml", ".ci")
QUICK = "not kernel and not browser and not old_kernel and not old_client and not real_model and not outside"
#: Tests that are left out: they prove figures, need a browser or a minute, or are about the suite itself.
_NOT_ASKED = ("tests/benchmarks/", "tests/browser/", "tests/mutation/", "tests/suite/", "tests/agent/test_chaos.py")
#: Imported before the fork, if installed.
_THIRD_PARTIES = (
    "pydantic", "openai", "hypothesis", "hypothesis.strategies", "IPython", "IPython.core.interactiveshell", "ipykernel",
    "ipywidgets", "anywidget", "jsonschema", "numpy", "pandas", "rich.console", "tenacity", "loky", "nest_asyncio2",
    "markdown_it", "platformdirs", "nbformat", "jupyter_client", "coverage",
)  # fmt: skip
#: A test gets so many times its duration and so many seconds more; the time before the first test gets the last number.
_LONGER, _LIMIT_S, _LOADING_S = 5.0, 10.0, 60.0
#: However busy the machine is, no limit is multiplied by more than this.
_MOST_BUSY = 4.0
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")


def preload() -> None:
    """Import third parties, so that every fork has them."""
    for name in _THIRD_PARTIES:
        if importlib.util.find_spec(name.partition(".")[0]) is not None:
            importlib.import_module(name)
    # The entry points that pytest loads at the start of each session.
    for entry in importlib.metadata.entry_points(group="pytest11"):
        with contextlib.suppress(Exception):
            entry.load()
    loaded = [name for name in sys.modules if name.partition(".")[0] == PACKAGE]
    assert not loaded, f"the fork server has {loaded}"


def test_files(root: Path) -> list[str]:
    """Return the files of the tests that may run, from the root, with slashes."""
    found = (path.relative_to(root).as_posix() for path in (root / "tests").rglob("test_*.py"))
    return sorted(path for path in found if not path.startswith(_NOT_ASKED) and "node_modules" not in path)


def busy() -> float:
    """Return the factor by which other processes slow this one down: 1 or more."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 1.0
    return min(_MOST_BUSY, max(1.0, load))


def steady_id(node_id: str) -> str:
    """Return a test's id without addresses in memory, which differ from process to process."""
    return _ADDRESS.sub("0x", node_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The first failure."""

    #: The test's id, or the file that could not be collected; empty if the process ended without a result.
    test: str
    why: str


class Copy:
    """A copy of the tree in its own directory."""

    def __init__(self, home: Path) -> None:
        """Make the copy below ``home``."""
        self.home, self.root = home, home / "tree"
        self._allowed = home / "allowed.json"
        self.root.mkdir(parents=True)
        ignored = shutil.ignore_patterns("__pycache__", "node_modules", ".pytest_cache", ".hypothesis")
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.root / name, ignore=ignored)
            elif source.exists():
                shutil.copy2(source, self.root / name)
        modules = ROOT / "tests" / "frontend" / "node_modules"
        if modules.is_dir():
            (self.root / "tests" / "frontend" / "node_modules").symlink_to(modules)

    @contextlib.contextmanager
    def changed(self, path: str, text: bytes) -> Iterator[None]:
        """Give a file other contents within the block.

        Python uses the compiled file beside a source if time and size agree, and both may agree here: so that file is moved
        away meanwhile.
        """
        file = self.root / path
        before, times = file.read_bytes(), file.stat()
        compiled = list((file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"))
        aside = [(each, each.with_suffix(".aside")) for each in compiled]
        for each, other in aside:
            each.rename(other)
        file.write_bytes(text)
        try:
            yield
        finally:
            file.write_bytes(before)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
            for each, other in aside:
                other.replace(each)

    def run(self, work: Callable[[], Any], *, limit_s: float, keep_compiled: bool = False) -> Any:
        """Call a function in a fork whose imports come from this copy, and return its value, which must be plain data.

        Args:
            work: The function.
            limit_s: After so many seconds the fork and its processes are ended, unless it asks for more (`allow`).
            keep_compiled: Whether compiled files are written; never while a file is changed.

        Raises:
            TimeoutError: Time ran out; it names the purpose of the last limit.
            ChildProcessError: The process ended without an answer.
        """
        answer, log = self.home / "answer.json", self.home / "log.txt"
        answer.unlink(missing_ok=True)
        self._allowed.unlink(missing_ok=True)
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            self._be_the_child(work, answer, log, keep_compiled=keep_compiled)
        with contextlib.suppress(OSError):
            os.setpgid(child, child)
        late = self._wait(child, time.monotonic() + limit_s)
        with contextlib.suppress(OSError):
            os.killpg(child, signal.SIGKILL)
        if late is not None:
            os.waitpid(child, 0)
            raise TimeoutError(late)
        if not answer.exists():
            raise ChildProcessError(log.read_text(errors="replace")[-2000:])
        return json.loads(answer.read_text())

    def allow(self, seconds: float, what: str) -> None:
        """In a fork: set the limit to so many seconds from now."""
        partial = self._allowed.with_suffix(".partial")
        partial.write_text(json.dumps([time.monotonic() + seconds, what]))
        partial.rename(self._allowed)

    def _allowance(self) -> tuple[float, str] | None:
        try:
            until, what = json.loads(self._allowed.read_text())
        except OSError:
            return None
        return until, what

    def _wait(self, child: int, until: float) -> str | None:
        """Wait for a fork; return the purpose of its limit if its time ran out, or None when it has ended."""
        what, pause_s = "", 0.002
        while not os.waitpid(child, os.WNOHANG)[0]:
            until, what = self._allowance() or (until, what)
            if time.monotonic() > until:
                return what
            time.sleep(pause_s)
            pause_s = min(0.05, pause_s * 1.5)
        return None

    def _be_the_child(self, work: Callable[[], Any], answer: Path, log: Path, *, keep_compiled: bool) -> None:
        try:
            with contextlib.suppress(OSError):
                os.setpgid(0, 0)
            _end_with_parent()
            nothing, written = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for number, to in ((0, nothing), (1, written), (2, written)):
                os.dup2(to, number)
            self._import_from_here(keep_compiled=keep_compiled)
            value = work()
            partial = answer.with_suffix(".partial")
            partial.write_text(json.dumps(value))
            partial.rename(answer)
        except BaseException:  # noqa: BLE001 - after any error the fork must not continue as its parent
            traceback.print_exc()
        finally:
            os._exit(0)

    def _import_from_here(self, *, keep_compiled: bool) -> None:
        os.chdir(self.root)
        for name in [name for name in sys.modules if name.partition(".")[0] in {PACKAGE, "tests"}]:
            del sys.modules[name]
        # A package that is installed for development has its own path, on which its tests would be found, too.
        others = [path for path in sys.path if path and not (Path(path) / PACKAGE).is_dir()]
        sys.path[:] = [str(self.root), *others]
        sys.path_importer_cache.clear()
        importlib.invalidate_caches()
        os.environ["PYTHONPATH"] = str(self.root)
        # Processes that tests start must not write compiled files.
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = not keep_compiled
        # A process of a pool may not have children, but tests start some.
        multiprocessing.current_process()._config["daemon"] = False
        # As under pytest: a process that a test spawns runs this module first.
        sys.modules["__main__"] = types.ModuleType("__main__")
        sys.argv[:] = ["pytest"]
        from hypothesis import settings

        settings.register_profile("mutation", derandomize=True, database=None, deadline=None)
        settings.load_profile("mutation")


def _end_with_parent() -> None:
    """Have this process end with its parent, if the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def session(copy: Copy, files: Sequence[str], plugin: object, *options: str) -> int:
    """Run pytest on files of a copy; called in a fork."""
    arguments = ["-q", "-m", QUICK, "-p", "no:cacheprovider", "--basetemp", str(copy.home / "temporary"), *options]
    # Plugins are imported before the fork; they contain no test whose asserts pytest would rewrite.
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*arguments, *files], plugins=[plugin]))


class Chosen:
    """A plugin that runs the chosen tests only, and keeps the first failure.

    A test with an unknown name runs as well: a mutant may change a parameter, and so a name.
    """

    def __init__(self, copy: Copy, chosen: Collection[str], known: Collection[str], seconds: dict[str, float]) -> None:
        self._copy, self._chosen, self._known, self._seconds = copy, chosen, known, seconds
        # For loading and collecting, before the first test.
        copy.allow(_LOADING_S * busy(), "")
        self.failure: dict[str, str] | None = None
        self.ran = 0

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Choose the tests, and put the fastest of each file first."""
        kept, left = [], []
        for item in items:
            name = steady_id(item.nodeid)
            (kept if name in self._chosen or name not in self._known else left).append(item)
        places = {file: place for place, file in enumerate(dict.fromkeys(item.path for item in kept))}
        kept.sort(key=lambda item: (places[item.path], self._seconds.get(steady_id(item.nodeid), 0.0)))
        config.hook.pytest_deselected(items=left)
        items[:] = kept
        package = sys.modules.get(PACKAGE)
        if package is not None:
            found = Path(str(package.__file__)).parents[1]
            assert found == self._copy.root, f"the tests import {found}, not the copy"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be collected."""
        if report.failed:
            self._note(report.nodeid, report)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Give each test its own limit, so that one that never ends is detected soon."""
        name = steady_id(nodeid)
        self._copy.allow((_LIMIT_S + _LONGER * self._seconds.get(name, 0.0)) * busy(), name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that fails."""
        self.ran += report.when == "call"
        if report.failed:
            self._note(report.nodeid, report)

    def _note(self, name: str, report: Any) -> None:
        if self.failure is None:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = crash.message if crash is not None else str(report.longrepr).strip().rpartition("\n")[2]
            self.failure = {"test": steady_id(name), "why": why.partition("\n")[0][:200]}


def first_failure(
    copy: Copy,
    batches: Sequence[Sequence[str]],
    chosen: Collection[str],
    known: Collection[str],
    seconds: dict[str, float],
) -> tuple[Failure | None, int]:
    """Run tests in a fork, one batch of files after the other, until one fails.

    Returns:
        The failure, or None when all pass, and how many tests were run.
    """

    def work() -> Any:
        ran = 0
        for files in batches:
            plugin = Chosen(copy, chosen, known, seconds)
            code = session(copy, files, plugin, "-x")
            ran += plugin.ran
            if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
                return [plugin.failure or {"test": "", "why": f"pytest ended with {code}"}, ran]
        return [None, ran]

    try:
        failure, ran = copy.run(work, limit_s=_LOADING_S * busy())
    except TimeoutError as error:
        return Failure(test=str(error), why="time ran out"), 0
    except ChildProcessError as error:
        return Failure(test="", why=f"the process died: {str(error)[-200:]}"), 0
    return (None if failure is None else Failure(**failure)), ran
