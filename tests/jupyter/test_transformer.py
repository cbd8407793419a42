"""Which cells become an ``await``, and which stay as they are."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

from asyncfc_jupyter.jupyter import load_ipython_extension, unload_ipython_extension
from asyncfc_jupyter.jupyter.cells.transformer import RunningCells


@pytest.fixture
def shell(bare_shell: InteractiveShell) -> Iterator[InteractiveShell]:
    """Return a shell with the extension loaded."""
    load_ipython_extension(bare_shell)
    yield bare_shell
    unload_ipython_extension(bare_shell)
    bare_shell.loop_runner, bare_shell.autoawait = "asyncio", True


def info(raw_cell: str = "x") -> ExecutionInfo:
    return ExecutionInfo(raw_cell, True, False, True, None)


def call_of(transformed: str) -> list[object]:
    """Return the two texts that an ``await ...agent_cell(line, body)`` passes on."""
    tree = ast.parse(transformed, mode="exec")
    assert len(tree.body) == 1
    statement = tree.body[0]
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Await)
    assert isinstance(statement.value.value, ast.Call)
    return [ast.literal_eval(argument) for argument in statement.value.value.args]


@pytest.mark.parametrize(
    ("cell", "line", "body"),
    [
        ("%%agent\nhello", "", "hello\n"),
        ("%%agent --model x  \nhello\n\n  world\n", "--model x", "hello\n\n  world\n"),
        ("%%agent\n", "", ""),
        ("%%agent", "", ""),
        ("# why\n\n# and how\n%%agent --out a\n# a comment for the model", "--out a", "# a comment for the model\n"),
        ("%%agent\n'''\"\\n {x} $y %%agent", "", "'''\"\\n {x} $y %%agent\n"),
    ],
)
def test_a_top_level_agent_cell_becomes_one_await_of_the_same_texts(
    shell: InteractiveShell, cell: str, line: str, body: str
) -> None:
    assert call_of(shell.transform_cell(cell)) == [line, body]
    assert shell.should_run_async(cell, transformed_cell=shell.transform_cell(cell))


@pytest.mark.parametrize(
    "cell",
    ["%%agents\nhello", "%%agent?", "%agent", "x = 1\n%%agent\nhello", "'%%agent'", "#%%agent\n1", "%%timeit\n%%agent"],
)
def test_any_other_cell_is_left_alone(shell: InteractiveShell, cell: str) -> None:
    before = shell.transform_cell(cell)
    assert "await" not in before
    unload_ipython_extension(shell)
    assert shell.transform_cell(cell) == before


def test_a_cell_that_another_cell_runs_stays_an_ordinary_magic(shell: InteractiveShell) -> None:
    outer = info()
    shell.events.trigger("pre_run_cell", outer)
    assert "run_cell_magic('agent'" in shell.transform_cell("%%agent\nhello")
    shell.events.trigger("post_run_cell", ExecutionResult(outer))
    assert "await" in shell.transform_cell("%%agent\nhello")


def test_without_autoawait_or_on_another_loop_it_stays_an_ordinary_magic(shell: InteractiveShell) -> None:
    shell.autoawait = False
    assert "run_cell_magic('agent'" in shell.transform_cell("%%agent\nhello")
    shell.autoawait = True
    shell.loop_runner = "sync"
    assert "run_cell_magic('agent'" in shell.transform_cell("%%agent\nhello")


def test_a_comment_above_a_tool_cell_does_not_hide_the_magic(shell: InteractiveShell) -> None:
    assert shell.transform_cell("# mine\n%%tool\nx") == "get_ipython().run_cell_magic('tool', '', 'x\\n')\n"


def test_a_terminal_keeps_asking_for_lines_of_an_agent_cell(shell: InteractiveShell) -> None:
    assert shell.check_complete("%%agent --model rehearsal\nhello")[0] == "incomplete"
    assert shell.check_complete("%%agent --model rehearsal\nhello\n\n")[0] == "complete"


def test_the_end_of_a_cell_that_was_never_announced_changes_nothing() -> None:
    cells, outer = RunningCells(), info()
    cells.started(outer)
    cells.ended(ExecutionResult(info("")))  # IPython ends an empty cell that it never began
    assert cells.outermost is outer
    cells.started(info("inner"))
    cells.ended(None)  # a cancelled cell has no result
    assert cells.outermost is outer
    cells.ended(ExecutionResult(outer))
    assert cells.outermost is None


def test_loading_twice_transforms_once_and_unloading_leaves_nothing(shell: InteractiveShell) -> None:
    load_ipython_extension(shell)
    ours = [item for item in shell.input_transformers_cleanup if "asyncfc" in type(item).__module__]
    assert len(ours) == 1
    unload_ipython_extension(shell)
    unload_ipython_extension(shell)
    assert not [item for item in shell.input_transformers_cleanup if "asyncfc" in type(item).__module__]
    assert shell.find_cell_magic("agent") is None
    assert shell.find_cell_magic("tool") is None
    assert shell.find_line_magic("agent") is None


@pytest.mark.parametrize(
    ("cell", "transformed"),
    [
        ("%agent doctor", "await get_ipython().asyncfc.server_line('doctor')\n"),
        ("%agent doctor m --base-url {x}  \n", "await get_ipython().asyncfc.server_line('doctor m --base-url {x}')\n"),
        ("%agent model --list", "await get_ipython().asyncfc.server_line('model --list')\n"),
        (
            "%agent model qwen --server x --list",
            "await get_ipython().asyncfc.server_line('model qwen --server x --list')\n",
        ),
        ("a = 1\n%agent doctor \\\n  m\nb", "a = 1\nawait get_ipython().asyncfc.server_line('doctor    m')\nb\n"),
    ],
)
def test_a_doctor_line_at_the_top_level_becomes_an_await(shell: InteractiveShell, cell: str, transformed: str) -> None:
    assert shell.transform_cell(cell) == transformed
    assert shell.should_run_async(cell, transformed_cell=shell.transform_cell(cell))


@pytest.mark.parametrize(
    "cell",
    [
        "text = '''\n%agent doctor\n'''",
        "# %agent doctor",
        "def f():\n    %agent doctor",
        "x = %agent doctor",
        "%agent doctors",
        "%agent model list-of-all",
        "%agent tools --list",
        "%agent tools",
    ],
)
def test_other_lines_are_transformed_by_ipython_only(shell: InteractiveShell, cell: str) -> None:
    assert "await" not in shell.transform_cell(cell)


def test_below_another_magic_and_after_unloading_a_doctor_line_is_ordinary(shell: InteractiveShell) -> None:
    shell.asyncfc.cells.started(info())  # type: ignore[attr-defined]
    assert "run_line_magic" in shell.transform_cell("%agent doctor")
    shell.asyncfc.cells._running.clear()  # type: ignore[attr-defined]
    assert "await" in shell.transform_cell("%agent doctor")
    unload_ipython_extension(shell)
    assert "run_line_magic" in shell.transform_cell("%agent doctor")
