"""Where the figures of a benchmark go: a section of its own is replaced, others stay, and a wrong run is not kept."""

import json

import pytest

from tests.benchmarks.report import Report, Table, options_of, publish


def a_report(name="one", figure="1.0", wrong=()):
    table = Table("Ratios:", ("mode", "ratio"), [("async", figure)])
    return Report(name=name, title=f"On {name}", text="What.", tables=[table], figures=[float(figure)], wrong=wrong)


def test_a_full_run_replaces_its_own_section_and_leaves_the_others(tmp_path, capsys) -> None:
    full = options_of("one", "A benchmark.", ["--json", str(tmp_path / "mine.json")])
    assert publish(a_report(), full, tmp_path) == 0
    assert publish(a_report("two", "2.0"), full, tmp_path) == 0
    assert publish(a_report(figure="1.5"), full, tmp_path) == 0
    page = (tmp_path / "benchmarks.md").read_text()
    assert page.count("## On one") == page.count("## On two") == 1
    assert "| async | 1.5 |" in page
    assert "| async | 1.0 |" not in page
    assert "| --- | ---: |" in page
    assert "Made by `python -m tests.benchmarks one --json" in page
    assert json.loads((tmp_path / "benchmarks" / "one.json").read_text())["figures"] == [1.5]
    assert json.loads((tmp_path / "mine.json").read_text())["benchmark"] == "one"
    assert page in capsys.readouterr().out or "| async | 1.5 |" in page


@pytest.mark.parametrize(("words", "wrong", "code"), [(["--quick"], (), 0), ([], ("states differ",), 1)])
def test_a_small_or_wrong_run_is_printed_and_not_kept(tmp_path, capsys, words, wrong, code) -> None:
    assert publish(a_report(wrong=wrong), options_of("one", "A benchmark.", words), tmp_path) == code
    printed = capsys.readouterr()
    assert "| async | 1.0 |" in printed.out
    assert list(tmp_path.iterdir()) == []
    assert printed.err == "".join(f"wrong: {problem}\n" for problem in wrong)
