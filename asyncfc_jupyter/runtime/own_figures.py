"""pyplot's figures for each call: two that draw at the same time would draw into one another's current figure.

pyplot keeps its open figures in one dictionary of the class ``Gcf``, the current one last. While calls run, it is replaced by
a `StandIn`, which passes everything on to the dictionary of the call that asks. So a call begins without figures, and
``plt.show`` or ``plt.close("all")`` concerns its own. What it leaves open at its end is shown with its output where figures are
shown at the end of a cell, and else joins the process' own figures.

matplotlib is never imported here. If a call imports it first, the dictionary is replaced right after the import.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

from asyncfc_jupyter.runtime.own_attributes import StandIn
from asyncfc_jupyter.runtime.running_call import RunningCall, running_call

#: The module that holds pyplot's figures.
_MODULE = "matplotlib._pylab_helpers"


class OwnFigures(MetaPathFinder):
    """Gives each call figures of its own while calls run."""

    def __init__(self) -> None:
        #: Shows the open figures of the current call and closes them, where that is done at the end of a cell.
        self.show: Callable[[], None] | None = None
        self._module: ModuleType | None = None
        self._shared: OrderedDict[Any, Any] = OrderedDict()
        self._stand_in = StandIn(self._figures)

    def begin(self) -> None:
        """Replace the dictionary, or have it replaced as soon as it exists."""
        module = sys.modules.get(_MODULE)
        if module is None:
            sys.meta_path.insert(0, self)
        else:
            self._replace(module)

    def end(self) -> None:
        """Restore it."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        if self._module is not None:
            self._module.Gcf.figs = self._shared
            self._module = None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find the module that holds the figures, such that the dictionary is replaced when it has been loaded."""
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target) if fullname == _MODULE else None
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_replace(module: ModuleType) -> None:
            load(module)
            self._replace(module)

        spec.loader.exec_module = load_and_replace  # type: ignore[method-assign]
        return spec

    def end_call(self, call: RunningCall) -> None:
        """Show the figures that the current call has left open, or add them to the process' own."""
        if not call.figures:
            return
        if self.show is not None:
            self.show()
        while call.figures:
            number, manager = call.figures.popitem(last=False)
            if number in self._shared:
                manager.num = number = 1 + max(each for each in self._shared if isinstance(each, int))
                figure = manager.canvas.figure
                setattr(figure, "_number" if hasattr(figure, "_number") else "number", number)
            self._shared[number] = manager

    def _replace(self, module: ModuleType) -> None:
        self._module, self._shared = module, module.Gcf.figs
        module.Gcf.figs = self._stand_in

    def _figures(self) -> OrderedDict[Any, Any]:
        call = running_call()
        return self._shared if call is None else call.figures


#: One for this process, as pyplot's figures are.
FIGURES = OwnFigures()
