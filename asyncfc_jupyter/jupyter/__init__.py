"""The Jupyter extension: ``%load_ext asyncfc_jupyter``.

Loading registers the magics, two transformers of cells, a matcher for the Tab key, two listeners and the
namespace whose keys are masked, and imports nothing beyond IPython. The first cell that needs the engine, the widgets or the
model's client imports them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.jupyter.cells.transformer import AgentCellTransformer, ServerLines
from asyncfc_jupyter.jupyter.display.error_report import show_in_cells, show_plainly
from asyncfc_jupyter.jupyter.magics import AgentMagics
from asyncfc_jupyter.masking import KNOWN

if TYPE_CHECKING:
    from asyncfc_jupyter.agent.future import Future
    from asyncfc_jupyter.trace.render.comparison import Comparison
    from asyncfc_jupyter.trace.render.timeline import Timeline

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_PICTURES = ("asyncfc_jupyter.trace.render.timeline.Timeline", "asyncfc_jupyter.trace.render.comparison.Comparison")
_FUTURE = "asyncfc_jupyter.agent.future.Future"
_MAGICS = (("cell", "agent"), ("cell", "tool"), ("line", "agent"))


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make ``%%tool``, ``%%agent`` and ``%agent`` available. Loading again starts with a new session."""
    unload_ipython_extension(shell)
    magics = AgentMagics(shell)
    show_in_cells(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(AgentCellTransformer(shell, magics.cells))
    shell.input_transformer_manager.token_transformers.append(ServerLines(shell, magics.cells))
    magics.matcher.install()
    magics.stop_watching = KNOWN.watch(lambda: list(shell.user_ns.items()))
    shell.events.register("pre_run_cell", magics.cells.started)
    shell.events.register("post_run_cell", magics.cells.ended)
    if shell.display_formatter is not None:
        for picture in _PICTURES:
            shell.display_formatter.mimebundle_formatter.for_type(picture, _interactive)
        shell.display_formatter.ipython_display_formatter.for_type(_FUTURE, _display)
    # The transformed cell finds the magics through the shell, which every cell can reach.
    shell.asyncfc = magics  # type: ignore[attr-defined]


def _display(future: Future) -> None:
    """Display a future with its result."""
    from asyncfc_jupyter.jupyter.display.future import display_future  # noqa: PLC0415 - see `_interactive`

    display_future(future)


def _interactive(timeline: Timeline | Comparison, **_kwargs: Any) -> dict[str, str]:
    """Return a picture as a notebook saves it; in the page of a running notebook a live timeline replaces it."""
    if getattr(get_ipython(), "kernel", None) is None:
        return timeline._repr_mimebundle_()
    from asyncfc_jupyter.jupyter.display.cell_output import timeline_widget  # noqa: PLC0415 - the extension loads without it
    from asyncfc_jupyter.trace.render.html import static_bundle  # noqa: PLC0415 - see above

    view = timeline.view()
    # The widget exists in the page without an output of its own; the saved notebook could not show such an output.
    return static_bundle(view, place=timeline_widget(view).place)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Undo everything that loading did. Runs and values in the user's namespace stay."""
    magics: AgentMagics | None = getattr(shell, "asyncfc", None)
    if magics is None:
        return
    show_plainly()
    magics.stop_watching()
    shell.configurables.remove(magics)  # type: ignore[arg-type]  # IPython declares a list of shells
    for transformers in (shell.input_transformers_cleanup, shell.input_transformer_manager.token_transformers):
        transformers[:] = [item for item in transformers if not isinstance(item, AgentCellTransformer | ServerLines)]
    magics.matcher.remove()
    shell.events.unregister("pre_run_cell", magics.cells.started)
    shell.events.unregister("post_run_cell", magics.cells.ended)
    if shell.display_formatter is not None:
        for picture in _PICTURES:
            shell.display_formatter.mimebundle_formatter.pop(picture, None)
        shell.display_formatter.ipython_display_formatter.pop(_FUTURE, None)
    if (displays := sys.modules.get("asyncfc_jupyter.jupyter.display.route_displays")) is not None:
        displays.unroute_displays(shell)
    if (questions := sys.modules.get("asyncfc_jupyter.jupyter.session.kernel_input")) is not None:
        questions.leave_turns(getattr(shell, "kernel", shell))
    for kind, name in _MAGICS:
        shell.magics_manager.magics[kind].pop(name, None)
    del shell.asyncfc  # type: ignore[attr-defined]
