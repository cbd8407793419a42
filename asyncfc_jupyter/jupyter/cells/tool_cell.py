"""Run the body of a ``%%tool`` cell as IPython would run it, and find the functions that it defines.

The body runs here rather than in a cell within the cell, so that line numbers are those of the cell one sees, an error
is the user's own error shown once with the user's own lines, and the cell counts as failed.
"""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.errors import UsageError


class CellSyntaxError(UsageError):
    """The cell's body is not Python; shown as IPython shows a syntax error, without the frames of the magic."""

    def __init__(self, error: SyntaxError, rendered: list[str]) -> None:
        self.error, self.rendered = error, rendered
        super().__init__(str(error))

    def _render_traceback_(self) -> list[str]:
        return self.rendered


def run_body(shell: InteractiveShell, body: str, *, line: int = 1) -> dict[str, Callable[..., Any]]:
    """Run the lines below ``%%tool`` in the user's namespace.

    The value of a last expression is displayed, as in any cell.

    Args:
        shell: The shell that the cell is run in.
        body: The lines.
        line: The line of the cell that the magic stands on.

    Returns:
        What the functions defined at the top level of the body are now, by name, in their order. Names that start with
        an underscore are left out.

    Raises:
        CellSyntaxError: The body is not Python.
        UsageError: The body awaits at its top level.
        BaseException: Whatever the body raises, with a traceback of its own lines.
    """
    tree, name = _parsed(shell, body, "\n" * (line - 1) + "# %%tool\n")
    last = [tree.body.pop()] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
    # IPython's compiler, since Python's own would hand down this module's `from __future__` imports.
    compiler: Any = shell.compile
    for code in (compiler(tree, name, "exec"), compiler(ast.Interactive(last), name, "single")):
        _execute(shell, code)
    definitions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {name: shell.user_ns[name] for name in definitions if not name.startswith("_") and name in shell.user_ns}


def _parsed(shell: InteractiveShell, body: str, above: str) -> tuple[ast.Module, str]:
    # What stands above the body keeps the line numbers right, and so do the empty lines that IPython drops at its beginning.
    empty = itertools.takewhile(lambda line: not line.strip(), body.splitlines())
    source = above + "\n" * len(list(empty)) + shell.transform_cell(body)
    name = shell.compile.cache(source, shell.execution_count - 1, raw_code=above + body)
    try:
        tree = shell.compile.ast_parse(source, filename=name)
    except SyntaxError as error:
        rendered = shell.SyntaxTB.structured_traceback(type(error), error, [])  # type: ignore[arg-type]
        raise CellSyntaxError(error, rendered) from None
    if shell.should_run_async(body, transformed_cell=source):
        raise UsageError("%%tool: the cell awaits at its top level; define tools here and await in a cell of its own.")
    return shell.transform_ast(tree), name


def _execute(shell: InteractiveShell, code: CodeType) -> None:
    try:
        exec(code, shell.user_global_ns, shell.user_ns)  # noqa: S102 - the user's own cell
    except BaseException as error:
        _show_only(shell, error, sys.exc_info()[2])
        raise


def _show_only(shell: InteractiveShell, error: BaseException, traceback: TracebackType | None) -> None:
    """Make IPython show the error from the body's own frame on, without those of the magic around it."""
    own = traceback.tb_next if traceback else None

    def render() -> list[str]:
        stb: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, own, tb_offset=0)
        return stb

    error._render_traceback_ = render  # type: ignore[attr-defined]
