"""A kernel or a browser may fail because of the machine: in CI such a test runs a second time, once, and is named.

Other tests are not repeated. pytest-rerunfailures repeats the test; the names are the last lines of the report, and are kept in
``test-artifacts/second-runs.txt``, from which ``.ci/run`` repeats them at its end.
"""

from __future__ import annotations

import os

import pytest

from tests.suite.order import ARTIFACTS

#: Characters of the first failure that are shown.
_SHOWN = 3000
NAMES = ARTIFACTS / "second-runs.txt"


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to repeat every test: an occasional failure is a fault."""
    if config.getoption("reruns", None):
        raise pytest.UsageError(
            "--reruns: only tests of kernels and browsers may run a second time, and do so in CI alone"
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Allow a second run to the tests that start a kernel or a browser, in CI."""
    if os.environ.get("CI") != "true":
        return
    for item in items:
        if item.get_closest_marker("kernel") or item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that ran a second time."""
    failures = {report.nodeid: report for report in terminalreporter.stats.get("rerun", ())}
    ARTIFACTS.mkdir(exist_ok=True)
    NAMES.write_text("".join(f"{name}\n" for name in sorted(failures)), encoding="utf-8")
    if os.environ.get("CI") != "true":
        return
    for name, report in sorted(failures.items()):
        terminalreporter.section(f"failed at first: {name}")
        terminalreporter.line(report.longreprtext[-_SHOWN:])
    terminalreporter.section("run a second time")
    for name in sorted(failures) or ["no test"]:
        terminalreporter.line(name)
