"""The Jupyter extension: ``%load_ext asyncfc_jupyter``.

Loading registers the magics, a cell transformer and two listeners, and imports nothing beyond IPython: the engine, the
widgets and the model's client come with the first cell that needs them.
"""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.jupyter.magics import AsyncFCMagics
from asyncfc_jupyter.jupyter.transformer import AgentCellTransformer

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_MAGICS = (("cell", "agent"), ("cell", "tool"), ("line", "agent"))


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make ``%%tool``, ``%%agent`` and ``%agent`` available. Loading again starts afresh."""
    unload_ipython_extension(shell)
    magics = AsyncFCMagics(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(AgentCellTransformer(shell, magics.cells))
    shell.events.register("pre_run_cell", magics.cells.started)
    shell.events.register("post_run_cell", magics.cells.ended)
    # The transformed cell finds its way back through the shell, which every cell can reach.
    shell.asyncfc = magics  # type: ignore[attr-defined]


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take everything back that loading put in place. Runs and values in the user's namespace stay."""
    magics: AsyncFCMagics | None = getattr(shell, "asyncfc", None)
    if magics is None:
        return
    transformers = shell.input_transformers_cleanup
    transformers[:] = [item for item in transformers if not isinstance(item, AgentCellTransformer)]
    shell.events.unregister("pre_run_cell", magics.cells.started)
    shell.events.unregister("post_run_cell", magics.cells.ended)
    for kind, name in _MAGICS:
        shell.magics_manager.magics[kind].pop(name, None)
    del shell.asyncfc  # type: ignore[attr-defined]
