"""The Jupyter extension: ``%load_ext asyncfc_jupyter``.

Loading registers the magics, two transformers of cells, a matcher for the Tab key and two listeners, and imports nothing beyond
IPython: the engine, the widgets and the model's client come with the first cell that needs them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.jupyter.cells.transformer import AgentCellTransformer, DoctorLines
from asyncfc_jupyter.jupyter.display.error_report import show_in_cells, show_plainly
from asyncfc_jupyter.jupyter.magics import AgentMagics

if TYPE_CHECKING:
    from asyncfc_jupyter.agent.future import Future
    from asyncfc_jupyter.trace.render.comparison import Comparison
    from asyncfc_jupyter.trace.render.timeline import Timeline

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_PICTURES = (
    ("asyncfc_jupyter.trace.render.timeline", "Timeline"),
    ("asyncfc_jupyter.trace.render.comparison", "Comparison"),
)
_FUTURE = ("asyncfc_jupyter.agent.future", "Future")
_MAGICS = (("cell", "agent"), ("cell", "tool"), ("line", "agent"))


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make ``%%tool``, ``%%agent`` and ``%agent`` available. Loading again starts afresh."""
    unload_ipython_extension(shell)
    magics = AgentMagics(shell)
    show_in_cells(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(AgentCellTransformer(shell, magics.cells))
    shell.input_transformer_manager.token_transformers.append(DoctorLines(shell, magics.cells))
    magics.matcher.install()
    shell.events.register("pre_run_cell", magics.cells.started)
    shell.events.register("post_run_cell", magics.cells.ended)
    if shell.display_formatter is not None:
        for picture in _PICTURES:
            shell.display_formatter.mimebundle_formatter.for_type_by_name(*picture, _interactive)
        shell.display_formatter.ipython_display_formatter.for_type_by_name(*_FUTURE, _displayed)
    # The transformed cell finds its way back through the shell, which every cell can reach.
    shell.asyncfc = magics  # type: ignore[attr-defined]


def _forget_printers(shell: InteractiveShell) -> None:
    if shell.display_formatter is None:
        return
    for formatter in (shell.display_formatter.mimebundle_formatter, shell.display_formatter.ipython_display_formatter):
        for name in (*_PICTURES, _FUTURE):
            formatter.deferred_printers.pop(name, None)
        for kind in [
            kind for kind, printer in formatter.type_printers.items() if printer in {_interactive, _displayed}
        ]:
            del formatter.type_printers[kind]


def _displayed(future: Future) -> None:
    """Display a future with its result."""
    from asyncfc_jupyter.jupyter.display.future import display_future  # noqa: PLC0415 - see `_interactive`

    display_future(future)


def _interactive(timeline: Timeline | Comparison, **_kwargs: Any) -> dict[str, str]:
    """Return a picture as a notebook keeps it; in the page of a running notebook a live timeline takes its place."""
    if getattr(get_ipython(), "kernel", None) is None:
        return timeline._repr_mimebundle_()
    from asyncfc_jupyter.jupyter.display.cell_output import timeline_widget  # noqa: PLC0415 - the engine comes when it is needed
    from asyncfc_jupyter.trace.render.html import static_bundle  # noqa: PLC0415 - see above

    view = timeline.view()
    # A widget needs no output to exist in the page, and an output that held it would be saved as nothing.
    return static_bundle(view, place=timeline_widget(view).place)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take everything back that loading put in place. Runs and values in the user's namespace stay."""
    magics: AgentMagics | None = getattr(shell, "asyncfc", None)
    if magics is None:
        return
    show_plainly()
    shell.configurables.remove(magics)  # type: ignore[arg-type]  # IPython declares a list of shells
    for transformers in (shell.input_transformers_cleanup, shell.input_transformer_manager.token_transformers):
        transformers[:] = [item for item in transformers if not isinstance(item, AgentCellTransformer | DoctorLines)]
    magics.matcher.remove()
    shell.events.unregister("pre_run_cell", magics.cells.started)
    shell.events.unregister("post_run_cell", magics.cells.ended)
    _forget_printers(shell)
    if (displays := sys.modules.get("asyncfc_jupyter.jupyter.display.route_displays")) is not None:
        displays.unroute_displays(shell)
    for kind, name in _MAGICS:
        shell.magics_manager.magics[kind].pop(name, None)
    del shell.asyncfc  # type: ignore[attr-defined]
