"""``python -m tests.benchmarks``: the benchmarks are listed, an unknown name is refused, and a known one is run."""

import json
import runpy
import sys

import pytest

from tests.benchmarks import policies

NAMES = [
    "bfcl",
    "compute",
    "hedge",
    "large_values",
    "overhead",
    "peers",
    "policies",
    "scheduler",
    "search",
    "swe",
    "timeline",
]


@pytest.fixture
def command(monkeypatch):
    """The command as Python runs it: from its words to its exit code."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["", *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("tests.benchmarks", run_name="__main__")
        return ended.value.code

    return run


def test_without_a_name_the_benchmarks_are_listed_and_none_of_their_parts(command, capsys) -> None:
    assert command() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    assert lines[NAMES.index("policies")].endswith(f" {policies.__doc__.splitlines()[0]}")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("schedule", "; did you mean scheduler?"), ("replay", f"; there are: {', '.join(NAMES)}.")],
)
def test_an_unknown_name_is_refused_with_the_nearest_or_with_all(command, capsys, name, suggestion) -> None:
    assert command(name, "--quick") == 2
    assert f"there is no benchmark {name!r}{suggestion}\n" in capsys.readouterr().err


def test_a_benchmark_is_run_with_the_words_after_its_name(command, capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(policies, "POLICIES", policies.POLICIES[3:4])
    assert command("policies", "--quick", "--json", str(tmp_path / "figures.json")) == 0
    measured = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert {row["policy"] for row in measured} == {"diamond"}
    assert "Made by `python -m tests.benchmarks policies --quick --json " in capsys.readouterr().out


def test_the_exit_code_is_that_of_the_benchmark(command, monkeypatch) -> None:
    monkeypatch.setattr(policies, "main", lambda words: 7 if words == ["--quick"] else 0)
    assert command("policies", "--quick") == 7


def test_a_benchmarks_help_is_of_the_command_as_it_is_typed(command, capsys) -> None:
    assert command("scheduler", "--help") == 0
    assert "usage: python -m tests.benchmarks scheduler [-h] [--quick]" in capsys.readouterr().out
