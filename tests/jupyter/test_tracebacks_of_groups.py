"""The traceback of a group, in a cell and below a call: those of its exceptions too, which IPython leaves out."""

from __future__ import annotations

import re

import pytest
from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.errors import ToolFailed
from asyncfc_jupyter.jupyter.display.error_report import show_in_cells, show_plainly, with_leaves
from asyncfc_jupyter.jupyter.display.route_displays import show_traceback


def look_up(city):
    raise LookupError(f"no city {city}; use an IATA code")


def group_of(cities):
    errors = []
    for city in cities:
        try:
            look_up(city)
        except LookupError as error:
            errors.append(error)
    return ExceptionGroup("failed", errors)


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def in_a_cell(shell, error):
    failed = ToolFailed("f1", "weather", "it failed")
    failed.__cause__ = error
    show_in_cells(shell)
    try:
        return "\n".join(failed._render_traceback_())
    finally:
        show_plainly()


@pytest.mark.parametrize("shown", [show_traceback, in_a_cell], ids=["below a call", "in a cell"])
def test_each_exception_of_a_group_has_its_traceback(bare_shell: InteractiveShell, shown) -> None:
    text = plain(shown(bare_shell, group_of(["Rome", "Oslo"])))
    first, second = text.split("Exception 2 of 2 in the group:")
    assert "Exception 1 of 2 in the group:" in first
    for part, city in ((first, "Rome"), (second, "Oslo")):
        assert f"LookupError: no city {city}; use an IATA code" in part
        assert 'raise LookupError(f"no city {city}; use an IATA code")' in part


def test_of_many_exceptions_the_first_have_a_traceback() -> None:
    lines = with_leaves(group_of(map(str, range(100))), lambda error: [str(error)])
    assert lines[-1] == "no city 4; use an IATA code"
    assert lines[-2] == "Exception 5 of 100 in the group:"


def test_an_exception_whose_traceback_fails_hides_none_of_the_others() -> None:
    def lines_of(error):
        if "Rome" in str(error):
            raise RuntimeError
        return [str(error)]

    lines = with_leaves(group_of(["Rome", "Oslo"]), lines_of)
    assert "LookupError: no city Rome; use an IATA code" in lines
    assert lines[-1] == "no city Oslo; use an IATA code"
