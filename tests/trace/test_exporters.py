"""A picture is saved in the format of its suffix, by an exporter of this package or of another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncfc_jupyter import compare
from asyncfc_jupyter.cli import main
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.plugins import PartNotUsable
from asyncfc_jupyter.trace.render.exporters import FORMATS, GROUP, UnknownFormat, suffixes
from asyncfc_jupyter.trace.render.timeline import Timeline
from tests.trace.sample_traces import interrupted, travel

#: The exporters of another package: of text, of bytes, and some that cannot be used.
MODULE = """
def titles(view):
    return view["title"] + "\\n"

def packed(view):
    return view["title"].encode("utf-16")
"""
POINTS = f"""[{GROUP}]
titles = afc_export_test:titles
PACKED = afc_export_test:packed
needy = afc_export_needy:export
extra = afc_export_needy:export [pictures]
wrong = afc_export_test:not_there
svg = afc_export_test:titles
"""


@pytest.fixture
def another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with exporters during a test."""
    site = tmp_path / "site"
    info = site / "afc_export_test-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: afc-export-test\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    (site / "afc_export_test.py").write_text(MODULE, encoding="utf-8")
    (site / "afc_export_needy.py").write_text("import afc_not_there.part\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.parametrize(("name", "begin"), [("run.svg", "<svg"), ("run.HTML", "<!DOCTYPE"), ("run.txt", "Book")])
def test_a_timeline_is_saved_in_the_format_its_name_ends_in(tmp_path: Path, name: str, begin: str) -> None:
    path = Timeline(travel()).save(tmp_path / name)
    assert path.read_text(encoding="utf-8").startswith(begin)


@pytest.mark.parametrize("name", ["run.pdf", "run"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownFormat, match=rf"'{name}'; end the name in \.html, \.svg, \.txt\.$") as caught:
        Timeline(travel()).save(tmp_path / name)
    assert isinstance(caught.value, UsageError)
    assert caught.value.known == suffixes() == tuple(f".{each}" for each in sorted(FORMATS))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("another_package")
def test_another_package_adds_formats_by_its_entry_points(tmp_path: Path) -> None:
    assert {".titles", ".packed"} < set(suffixes())
    title = Timeline(travel()).view()["title"]
    assert Timeline(travel()).save(tmp_path / "a.titles").read_text(encoding="utf-8") == f"{title}\n"
    assert compare(travel(), interrupted()).save(tmp_path / "a.packed").read_bytes().decode("utf-16")


@pytest.mark.usefixtures("another_package")
def test_another_package_does_not_replace_a_format(tmp_path: Path) -> None:
    assert Timeline(travel()).save(tmp_path / "a.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.usefixtures("another_package")
@pytest.mark.parametrize(
    ("suffix", "problem"),
    [
        ("needy", "the package 'afc_not_there' is not installed; run pip install 'afc_not_there'."),
        ("extra", "the package 'afc_not_there' is not installed; run pip install 'afc-export-test[pictures]'."),
        ("wrong", "afc_export_test:not_there cannot be imported"),
    ],
)
def test_an_exporter_that_cannot_be_imported_says_what_to_install(tmp_path: Path, suffix: str, problem: str) -> None:
    with pytest.raises(PartNotUsable) as caught:
        Timeline(travel()).save(tmp_path / f"a.{suffix}")
    assert f"the exporter for .{suffix} cannot be used: {problem}" in str(caught.value)
    assert not (tmp_path / f"a.{suffix}").exists()


def test_the_command_line_writes_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    travel().save(tmp_path / "run.json")
    assert main(["trace", str(tmp_path / "run.json"), "--output", str(tmp_path / "run.txt")]) == 0
    assert (tmp_path / "run.txt").read_text(encoding="utf-8") == Timeline(travel()).text()
    assert main(["trace", str(tmp_path / "run.json"), "--output", str(tmp_path / "run.pdf")]) == 1
    assert "end the name in .html, .svg, .txt" in capsys.readouterr().err
