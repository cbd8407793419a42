"""The order of the tests: slow files first, and a record of which test ran when in which worker.

Workers take whole files (``--dist=loadfile``). The slow ones come first, so that none begins after all others have ended.

A failure that depends on the order can be repeated. Each worker appends to its own file while it runs, so that the file also
names the test in which a worker died. To repeat an order, give pytest the names in the file:
``cut -f2- test-artifacts/order/gw0.txt > names; python -m pytest @names``.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

#: Files that help to understand a run; not under version control.
ARTIFACTS = Path(__file__).resolve().parents[2] / "test-artifacts"


#: Seconds that a test takes on two cores, roughly, by its most expensive mark; a cell of a notebook has none.
_COST_S = {"browser": 4.0, "old_client": 30.0, "real_model": 4.0, "outside": 3.0, "long": 6.0, "kernel": 2.0}
_CELL_S = 0.8
_QUICK_S = 0.05


class OrderLog:
    """Writes a line when a test begins: the seconds since the worker began, and the test's name."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._began = file, time.monotonic()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Write the line before anything of the test runs."""
        name = item.nodeid.replace("\n", "\\n").replace("\r", "\\r")
        self._file.write(f"{time.monotonic() - self._began:.2f}\t{name}\n")
        self._file.flush()
        return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Begin this worker's file; the process that distributes the tests empties the folder first."""
    if config.option.collectonly:
        return
    folder = ARTIFACTS / "order"
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    if worker is None and config.getoption("numprocesses", None):
        return
    file = (folder / f"{worker or 'alone'}.txt").open("w", encoding="utf-8")
    config.add_cleanup(file.close)
    config.pluginmanager.register(OrderLog(file), "order-log")


def cost_s(item: pytest.Item) -> float:
    """Return the rough duration of a test, in seconds."""
    if not isinstance(item, pytest.Function):
        return _CELL_S
    return max((cost for mark, cost in _COST_S.items() if item.get_closest_marker(mark)), default=_QUICK_S)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, in a worker; within a file the order stays."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    costs: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        costs[item.path] += cost_s(item)
    items.sort(key=lambda item: (-costs[item.path], str(item.path)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are processors: kernels and browsers wait most of the time."""
    return (os.cpu_count() or 1) + 1
