"""The Jupyter extension: ``%load_ext asyncfc_jupyter``.

Loading registers the magics, a cell transformer and two listeners, and imports nothing beyond IPython: the engine, the
widgets and the model's client come with the first cell that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.jupyter.magics import AsyncFCMagics
from asyncfc_jupyter.jupyter.transformer import AgentCellTransformer

if TYPE_CHECKING:
    from asyncfc_jupyter.trace.timeline import Timeline

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_TIMELINE = ("asyncfc_jupyter.trace.timeline", "Timeline")
_MAGICS = (("cell", "agent"), ("cell", "tool"), ("line", "agent"))


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make ``%%tool``, ``%%agent`` and ``%agent`` available. Loading again starts afresh."""
    unload_ipython_extension(shell)
    magics = AsyncFCMagics(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(AgentCellTransformer(shell, magics.cells))
    shell.events.register("pre_run_cell", magics.cells.started)
    shell.events.register("post_run_cell", magics.cells.ended)
    if shell.display_formatter is not None:
        shell.display_formatter.mimebundle_formatter.for_type_by_name(*_TIMELINE, _interactive)
    # The transformed cell finds its way back through the shell, which every cell can reach.
    shell.asyncfc = magics  # type: ignore[attr-defined]


def _forget_timelines(shell: InteractiveShell) -> None:
    if shell.display_formatter is None:
        return
    formatter = shell.display_formatter.mimebundle_formatter
    formatter.deferred_printers.pop(_TIMELINE, None)
    for kind in [kind for kind, printer in formatter.type_printers.items() if printer is _interactive]:
        del formatter.type_printers[kind]


def _interactive(timeline: Timeline, **_kwargs: Any) -> dict[str, Any]:
    """Return a timeline as a notebook shows it: with the widget, and for what cannot show one, as it shows itself."""
    from asyncfc_jupyter.jupyter.output import timeline_widget  # noqa: PLC0415 - the engine comes when it is needed

    still: dict[str, Any] = timeline._repr_mimebundle_()
    if getattr(get_ipython(), "kernel", None) is None:
        return still
    return still | _widget_view(timeline_widget(timeline.view()))


def _widget_view(widget: Any) -> dict[str, Any]:
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle or {}
    return {kind: value for kind, value in data.items() if kind not in {"text/plain", "text/html"}}


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take everything back that loading put in place. Runs and values in the user's namespace stay."""
    magics: AsyncFCMagics | None = getattr(shell, "asyncfc", None)
    if magics is None:
        return
    transformers = shell.input_transformers_cleanup
    transformers[:] = [item for item in transformers if not isinstance(item, AgentCellTransformer)]
    shell.events.unregister("pre_run_cell", magics.cells.started)
    shell.events.unregister("post_run_cell", magics.cells.ended)
    _forget_timelines(shell)
    for kind, name in _MAGICS:
        shell.magics_manager.magics[kind].pop(name, None)
    del shell.asyncfc  # type: ignore[attr-defined]
