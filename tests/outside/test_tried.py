"""The table of servers in the documents is that of the tests."""

from __future__ import annotations

import datetime as dt

import pytest

from asyncfc_jupyter.models.profiles import PROFILES
from tests.docs.pages import ROOT
from tests.outside.tried import COLUMNS, TRIED, table

PAGE = ROOT / "docs" / "servers.md"


def test_the_table_of_servers_is_what_the_tests_see(request: pytest.FixtureRequest) -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index(table()[0])
    end = next(number for number in range(start, len(lines)) if not lines[number].startswith("|"))
    if request.config.getoption("--accept"):
        PAGE.write_text("\n".join([*lines[:start], *table(), *lines[end:]]) + "\n", encoding="utf-8")
    else:
        assert lines[start:end] == table(), "if this is right: python -m pytest tests/outside/test_tried.py --accept"


def test_each_row_has_a_version_a_day_and_only_known_columns() -> None:
    for each in TRIED:
        assert each.version, each.server
        assert dt.date.fromisoformat(each.date) >= dt.date(2026, 11, 30)
        assert each.cells().keys() <= set(COLUMNS)


def test_each_profile_is_tried_or_said_not_to_be() -> None:
    *_, last = table()
    assert {name for name in PROFILES if f"`{name}`" not in last} == {"llamacpp", "litellm"}
