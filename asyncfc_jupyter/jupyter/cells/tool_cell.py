"""Run the body of a ``%%tool`` cell as IPython would run it, and find the functions that it defines.

The body is run here and not as a cell within the cell. So line numbers are those of the cell that the user sees, an error is
shown once, with the user's own lines only, and the cell counts as failed.
"""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Callable
from functools import partial
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
    """Run the lines below ``%%tool`` in the user's namespace, and display the value of a last expression.

    Args:
        shell: The shell that runs the cell.
        body: The lines.
        line: The number of the line with ``%%tool`` in the cell.

    Returns:
        The current values of the functions that the body defines at its top level, by name and in their order. Names that
        start with an underscore are left out.

    Raises:
        CellSyntaxError: The body is not Python.
        UsageError: The body awaits at its top level.
        BaseException: The body's own exception, with a traceback of the body's lines.
    """
    tree, name = _parsed(shell, body, "\n" * (line - 1) + "# %%tool\n")
    last = [tree.body.pop()] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
    # IPython's compiler: Python's own would apply this module's `from __future__` imports to the body.
    compiler: Any = shell.compile
    codes = compiler(tree, name, "exec"), compiler(ast.Interactive(last), name, "single")
    try:
        for code in codes:
            exec(code, shell.user_global_ns, shell.user_ns)  # noqa: S102 - the user's own cell
    except BaseException as error:
        traceback = sys.exc_info()[2]
        body_frames = traceback.tb_next if traceback else None
        render = partial(shell.InteractiveTB.structured_traceback, type(error), error, body_frames, tb_offset=0)
        error._render_traceback_ = render  # type: ignore[attr-defined]
        raise
    definitions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {name: shell.user_ns[name] for name in definitions if not name.startswith("_") and name in shell.user_ns}


def _parsed(shell: InteractiveShell, body: str, above: str) -> tuple[ast.Module, str]:
    # The lines above the body keep the line numbers right, and so do the empty lines that IPython drops at its start.
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
