"""The command line, as a newcomer runs it."""

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from asyncfc_jupyter import cli
from asyncfc_jupyter.agent import Mode
from asyncfc_jupyter.demo.play import Played
from asyncfc_jupyter.trace.trace import Trace
from tests.servers.scripted_server import ScriptedServer
from tests.trace.hedged_traces import overtaken, retracted
from tests.trace.sample_traces import interrupted, travel


def test_the_demo_runs_every_mode_and_all_give_the_same_answer(tmp_path) -> None:
    command = [
        sys.executable,
        "-m",
        "asyncfc_jupyter.cli",
        "demo",
        "--json",
        tmp_path / "d.json",
        "--html",
        tmp_path / "d.html",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "d.json").read_text())
    assert list(figures["modes"]) == [mode.value for mode in Mode]
    assert len({mode["answer"] for mode in figures["modes"].values()}) == 1
    spans = {name: mode["makespan_s"] for name, mode in figures["modes"].items()}
    assert figures["speedup"] == pytest.approx(spans["sequential"] / spans["async"])
    assert 1 < figures["speedup"] <= figures["bound"] * 1.05
    assert "Every mode left the same database (2 orders)" in done.stdout
    assert "needs $f1[0].id" in done.stdout
    page = (tmp_path / "d.html").read_text()
    assert "search_flights" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_models_of_a_server_are_listed_a_line_each(capsys) -> None:
    with ScriptedServer(models=["b", "a\x1b[31m", "sk-0123456789abcdefghijklmnop"]) as server:
        assert cli.main(["models", "--base-url", server.base_url]) == 0
    assert capsys.readouterr().out.splitlines() == ["a", "b", "***"]


def test_a_server_without_a_list_of_models_ends_the_command(capsys) -> None:
    with ScriptedServer() as server:
        assert cli.main(["models", "--base-url", server.base_url]) == 1
    assert "does not list its models" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "why"), [("nowhere/d.json", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_written_is_refused_before_anything_plays(capsys, tmp_path, name, why) -> None:
    assert cli.main(["demo", "--json", str(tmp_path / name)]) == 2
    assert f"{why}; name another file." in capsys.readouterr().err


@pytest.mark.parametrize(("form", "begin"), [("--html", "<!DOCTYPE html>"), ("--svg", "<svg")])
def test_a_saved_trace_is_drawn_as_a_page_or_a_picture(capsys, tmp_path, form, begin) -> None:
    travel().save(tmp_path / "run.json")
    assert cli.main(["trace", str(tmp_path / "run.json"), form, str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_text().startswith(begin)
    assert capsys.readouterr().out == f"timeline: {tmp_path / 'out'}\n"


def test_a_saved_trace_is_printed_and_several_are_compared(capsys, tmp_path) -> None:
    travel().save(tmp_path / "slow.json")
    interrupted().save(tmp_path / "quick.json")
    assert cli.main(["trace", str(tmp_path / "slow.json")]) == 0
    assert "f6 charge_card" in capsys.readouterr().out
    assert cli.main(["trace", str(tmp_path / "slow.json"), str(tmp_path / "quick.json"), "--text"]) == 0
    assert "2.0 s saved 6.3 s" in capsys.readouterr().out


def test_a_file_that_is_not_a_trace_or_cannot_be_used_is_refused(capsys, tmp_path) -> None:
    (tmp_path / "no.json").write_text("{}")
    travel().save(tmp_path / "run.json")
    assert cli.main(["trace", str(tmp_path / "no.json")]) == 1
    assert "is not a readable trace" in capsys.readouterr().err
    assert cli.main(["trace", str(tmp_path / "none.json")]) == 2
    assert "No such file or directory; name a saved trace." in capsys.readouterr().err
    assert cli.main(["trace", str(tmp_path / "run.json"), "--svg", str(tmp_path)]) == 2
    assert "Is a directory; name another file." in capsys.readouterr().err


def test_an_unknown_command_is_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        cli.main(["dmeo"])
    assert "invalid choice: 'dmeo'" in capsys.readouterr().err


@pytest.mark.parametrize("trace", [retracted(), overtaken()], ids=["retracted", "overtaken"])
def test_a_request_that_replaces_another_ends_no_pause(trace: Trace) -> None:
    run: Any = SimpleNamespace(trace=trace)
    (stall,) = Played(mode=Mode.ASYNC, run=run, database=[]).stalls
    assert str(stall) == "f3 (0.5)"
