"""A ``%%tool`` cell runs as any cell does, and its functions become tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

from asyncfc_jupyter.jupyter import load_ipython_extension, unload_ipython_extension

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def shell(bare_shell: InteractiveShell) -> Iterator[InteractiveShell]:
    """Return a shell with the extension loaded and nothing in its namespace."""
    bare_shell.reset(new_session=False)
    load_ipython_extension(bare_shell)
    yield bare_shell
    unload_ipython_extension(bare_shell)


@pytest.fixture
def run(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[ExecutionResult, str]]:
    """Return a function that runs a cell and returns its result and what it printed, without colours."""

    def run(*lines: str) -> tuple[ExecutionResult, str]:
        result = shell.run_cell("\n".join(lines))
        captured = capsys.readouterr()
        return result, COLOUR.sub("", captured.out + captured.err)

    return run


def test_the_cell_runs_in_the_users_namespace_and_shows_its_last_value(run, shell) -> None:
    shell.user_ns["base"] = 20
    result, text = run("%%tool", "print('hello')", "seen = base + 1", "seen * 2")
    assert result.success
    assert "hello\n" in text
    assert "42" in text
    assert shell.user_ns["seen"] == 21


def test_every_function_at_the_top_level_is_a_tool_and_helpers_are_not(run, shell) -> None:
    _, text = run(
        "%%tool --reads a/{x} --writes b",
        "def one(x: int) -> int:",
        '    """One."""',
        "    def inner(): pass",
        "    return x",
        "async def two(x: str = 'y') -> list[str]:",
        '    """Two."""',
        "    return [x]",
        "def _helper(anything): pass",
        "class C:",
        "    def method(self): pass",
        "double = lambda x: 2 * x",
    )
    assert text == (
        "one(x: int) -> int  [reads a/{x}; writes b]\ntwo(x: str = 'y') -> list[str]  [reads a/{x}; writes b]\n"
    )
    assert shell.user_ns["one"](3) == 3


def test_missing_declarations_and_a_cell_without_functions_are_reported(run) -> None:
    assert run("%%tool", "def f() -> int:", '    """F."""')[1] == (
        "f() -> int  [no effects declared: ordered against everything]\n"
    )
    assert run("%%tool", "x = 1")[1].startswith("No tool: the cell defines no function")


def test_a_declaration_of_the_function_is_kept_and_never_silently_replaced(run) -> None:
    cell = ["from asyncfc_jupyter import tool", "@tool(reads='a')", "def f() -> int:", '    """F."""', "    return 1"]
    assert "[reads a]" in run("%%tool", *cell)[1]
    assert "[reads a]" in run("%%tool --timeout-s 5", *cell)[1]
    assert (
        "both @tool and %%tool declare what it reads and writes; keep one of the two."
        in run("%%tool --writes b", *cell)[1]
    )


def test_the_users_own_error_is_shown_once_with_the_users_own_lines(run) -> None:
    result, text = run("%%tool", "def f(x):", "    return 1 / x", "f(0)")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    assert text.count("ZeroDivisionError: division by zero") == 1
    assert "line 4" in text
    assert "line 3, in f(x)" in text
    assert "run_cell_magic" not in text
    assert "toolcell" not in text


def test_a_syntax_error_names_the_users_line_and_shows_no_frames(run) -> None:
    result, text = run("%%tool", "x = 1", "y = = 2")
    assert not result.success
    assert "line 3" in text
    assert "SyntaxError" in text
    assert "toolcell" not in text


@pytest.mark.parametrize(
    ("definition", "says"),
    [
        ("def f(x):\n    '''F.'''", "tool 'f': parameter 'x' has no annotation"),
        ("def f(x: int): pass", "tool 'f': "),
        ("def await_future(x: int):\n    '''F.'''", "tool 'await_future': the name is the layer's own"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_reported_in_one_line(run, shell, definition, says) -> None:
    """The line names the function, and nothing of the cell is registered."""
    result, text = run("%%tool", "def good() -> int:", "    '''Good.'''", *definition.splitlines())
    assert not result.success
    assert text.strip().startswith(f"ToolDefinitionError: {says}")
    assert "\n" not in text.strip()
    assert run("%agent tools")[1].startswith("No tools yet")


def test_a_path_names_a_parameter_and_not_a_variable_of_the_same_name(run, shell) -> None:
    shell.user_ns["city"] = "LIS"
    text = run("%%tool --reads flights/{city}", "def f(city: str) -> int:", '    """F."""')[1]
    assert "[reads flights/{city}]" in text


def test_an_error_says_where_a_cell_may_await_at_its_top_level(run) -> None:
    assert run("%%tool", "await x")[1].startswith("UsageError: %%tool: the cell awaits at its top level")


def test_annotations_stay_what_the_user_wrote(run, shell) -> None:
    run("%%tool", "def f(x: int) -> int:", '    """F."""')
    assert shell.user_ns["f"].__annotations__ == {"x": int, "return": int}
