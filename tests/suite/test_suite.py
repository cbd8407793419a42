"""The rules of the suite, broken one by one: each break is reported by name."""

from __future__ import annotations

import ast
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.suite import leftovers
from tests.suite.long_form import chosen_form

REPOSITORY = Path(__file__).resolve().parents[2]
#: A name is read in lists and in lines of failures; the docstring says the rest.
LONGEST_NAME = 70

pytest_plugins = ("pytester",)
Play = Callable[..., pytest.RunResult]
Step = Callable[[], object]
HERE = Path.cwd()
MAIN = sys.modules["__main__"]
#: The plugins for a second run.
AGAIN = "pytest_rerunfailures tests.suite.second_run"


@pytest.fixture
def play(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Return a function that runs a test file in its own pytest, with these plugins and no others."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("CI", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)

    def run(plugins: str, source: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(test_inner=source)
        pytester.makeini("[pytest]\nmarkers =\n  kernel: a kernel\n  browser: a browser\n  long: has a long form\n")
        return pytester.runpytest_subprocess(*(f"-p{name}" for name in plugins.split()), *options)

    return run


def leave_a_variable() -> None:
    os.environ["LEFT"] = "a secret"


def leave_a_handler() -> None:
    logging.getLogger("asyncfc_jupyter").addHandler(logging.StreamHandler())


@pytest.mark.parametrize(
    ("leave", "take_back", "named"),
    [
        (leave_a_variable, lambda: os.environ.pop("LEFT"), "environment variable LEFT"),
        (lambda: os.chdir("/"), lambda: os.chdir(HERE), "working directory"),
        (lambda: sys.path.append("/nowhere"), lambda: sys.path.remove("/nowhere"), "import path"),
        (
            lambda: signal.signal(signal.SIGUSR1, print),
            lambda: signal.signal(signal.SIGUSR1, signal.SIG_DFL),
            "SIGUSR1",
        ),
        (leave_a_handler, logging.getLogger("asyncfc_jupyter").handlers.pop, "log handlers asyncfc_jupyter"),
        (lambda: sys.modules.update(__main__=pytest), lambda: sys.modules.update(__main__=MAIN), "main module"),
    ],
    ids=["variable", "directory", "import path", "signal handler", "log handler", "main module"],
)
def test_each_change_that_is_left_is_named(leave: Step, take_back: Step, named: str) -> None:
    before = leftovers.state()
    leave()
    try:
        found = leftovers.left(before)
    finally:
        take_back()
    assert len(found) == 1
    assert named in found[0]
    assert "a secret" not in found[0]
    assert leftovers.left(before) == []


def test_a_thread_and_a_process_are_left_until_they_end() -> None:
    before = leftovers.state()
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="idler")
    thread.start()
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    found = leftovers.left(before, grace_s=0)
    end.set()
    process.communicate()
    assert [line.partition(":")[0].split()[0] for line in found] == ["process", "thread"]
    assert "idler" in found[1]
    assert leftovers.left(before) == []


def test_a_test_that_leaves_something_fails_and_a_wider_fixture_may(play: Play) -> None:
    done = play(
        "tests.suite.leftovers",
        """
        import os, pytest, threading

        @pytest.fixture(scope="module")
        def wide():
            os.environ["WIDE"] = "1"
            end = threading.Event()
            threading.Thread(target=end.wait).start()
            yield
            end.set()
            del os.environ["WIDE"]

        def test_first(wide, monkeypatch):
            monkeypatch.setenv("MINE", "1")

        def test_leaves(wide):
            os.environ["LEFT"] = "a secret"

        def test_last(wide):
            thread = threading.Thread(target=print)
            thread.start()
        """,
    )
    done.assert_outcomes(passed=3, errors=1)
    done.stdout.fnmatch_lines(["the test has not cleaned up:", "  environment variable LEFT"])
    assert "a secret" not in done.stdout.str()


def test_a_test_that_hangs_fails_and_shows_where_its_tasks_wait(play: Play) -> None:
    done = play(
        "pytest_timeout tests.suite.limits",
        """
        import asyncio

        async def waits_for_nothing():
            await asyncio.Event().wait()

        class Odd:
            @property
            def __class__(self):
                raise RuntimeError("asked for its class")

        odd = Odd()

        def test_it():
            asyncio.run(waits_for_nothing())

        def test_next():
            pass
        """,
        "--timeout=1",
    )
    done.assert_outcomes(failed=1, passed=1)
    done.stdout.fnmatch_lines(["*asyncio tasks*", "*in waits_for_nothing*", "FAILED*Timeout*1.0s*"])


def test_a_kernel_test_runs_a_second_time_in_ci_and_is_named(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    once = "import pathlib, pytest\n\ndef fails_once(name):\n    file = pathlib.Path(name)\n    seen = file.exists()\n"
    once += "    file.touch()\n    assert seen\n\n"
    tests = "@pytest.mark.kernel\ndef test_kernel():\n    fails_once('a')\n\ndef test_plain():\n    fails_once('b')\n"
    always = "\n@pytest.mark.browser\ndef test_always():\n    assert False\n"
    done = play(AGAIN, once + tests + always)
    done.assert_outcomes(passed=1, failed=2)
    said = done.stdout.str()
    assert said.index("run a second time") < said.index("test_inner.py::test_always\n")
    done.stdout.fnmatch_lines(["*run a second time*", "test_inner.py::test_always", "test_inner.py::test_kernel"])
    assert "\ntest_inner.py::test_plain\n" not in said


def test_outside_ci_nothing_runs_a_second_time(play: Play) -> None:
    done = play(AGAIN, "import pytest\n\n@pytest.mark.kernel\ndef test_it():\n    assert False\n")
    done.assert_outcomes(failed=1)
    assert "1 rerun" not in done.stdout.str()


def test_an_output_is_compared_as_a_whole_and_accepted_on_request(play: Play, pytester: pytest.Pytester) -> None:
    source = "def test_it(expected):\n    expected('out.txt', 'one\\ntwo')\n"
    plugin = "tests.suite.expected"
    play(plugin, source).assert_outcomes(failed=1)
    play(plugin, source, "--accept").assert_outcomes(passed=1)
    assert (pytester.path / "expected" / "out.txt").read_text() == "one\ntwo\n"
    play(plugin, source).assert_outcomes(passed=1)
    done = play(plugin, source.replace("two", "three"))
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["-two", "+three", "If this is right: python -m pytest * --accept"])


def test_running_any_test_again_is_refused(play: Play) -> None:
    done = play(AGAIN, "def test_it():\n    pass\n", "--reruns", "2")
    done.stderr.fnmatch_lines(["*--reruns: only tests of kernels and browsers may run a second time*"])


def test_slow_files_come_first_and_the_order_is_written(play: Play, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_z="import pytest\n\n@pytest.mark.browser\ndef test_slow():\n    pass\n")
    source = "import tests.suite.order\n\ndef test_one():\n    pass\n\ndef test_two():\n    pass\n"
    where = pytester.path / "conftest.py"
    where.write_text(
        f"import pathlib, tests.suite.order as order\norder.ARTIFACTS = pathlib.Path({str(pytester.path)!r})"
    )
    done = play("xdist.plugin tests.suite.order", source, "-n1", "--dist=loadfile", "--no-loadscope-reorder")
    done.assert_outcomes(passed=3)
    lines = (pytester.path / "order" / "gw0.txt").read_text().splitlines()
    names = ["test_z.py::test_slow", "test_inner.py::test_one", "test_inner.py::test_two"]
    assert [line.split("\t")[1] for line in lines] == names


@pytest.mark.parametrize(
    ("expression", "form"),
    [("", "short"), ("long", "long"), ("not long", "short"), ("long and not kernel", "long"), ("not kernel", "short")],
)
def test_the_long_form_is_run_if_the_mark_is_selected(expression: str, form: str) -> None:
    assert chosen_form(expression) == form


def test_a_name_of_a_test_is_a_sentence_of_at_most_70_characters() -> None:
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                assert len(node.name) <= LONGEST_NAME, f"{path.name}::{node.name}"


def test_a_test_is_named_alike_in_every_process(request: pytest.FixtureRequest) -> None:
    assert [item.nodeid for item in request.session.items if re.search(r" at 0x[0-9a-f]+", item.nodeid)] == []


def test_every_supported_python_is_in_ci() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    named = [c.rpartition(" ")[2] for c in project["classifiers"] if re.search(r":: Python :: \d\.\d+$", c)]
    in_ci = re.search(r"^pythons=\((.*)\)$", (REPOSITORY / ".ci" / "run").read_text(), re.MULTILINE)
    assert in_ci is not None
    assert in_ci.group(1).split() == named
    assert project["requires-python"] == f">={named[0]}"
