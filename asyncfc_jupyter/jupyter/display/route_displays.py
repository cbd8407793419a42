"""Sends the displays of a tool to the output of the call that made them, in whichever thread it runs.

``display`` ends in the shell's publisher, which sends a message for the running cell. Two of its methods are replaced by
versions that first check whether the code runs for a call. Refused: the hooks of ipykernel's publisher, which are kept by
thread, while a tool has a thread of its own.

IPython's ``capture_output`` sets another publisher. So the shell's class gets a property: a call sets the publisher for itself,
and its displays do not go to one that the user's cell has set meanwhile, such as ``%%capture`` during a run in the background.
"""

from __future__ import annotations

import sys
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.ultratb import AutoFormattedTB

from asyncfc_jupyter.foreign_code import ForeignCode, traceback_of
from asyncfc_jupyter.jupyter.display.error_report import with_leaves
from asyncfc_jupyter.jupyter.display.output_slots import Bundle
from asyncfc_jupyter.jupyter.display.tool_output import ToolOutput
from asyncfc_jupyter.runtime.exception_text import show_exception
from asyncfc_jupyter.runtime.own_figures import FIGURES
from asyncfc_jupyter.runtime.running_call import current_sink, running_call

#: What a call that captures its displays sets, as the user knows it.
_PUBLISHER = "get_ipython().display_pub"


def route_displays(shell: InteractiveShell) -> None:
    """Send displays of tools to the outputs of their calls from now on. Each publisher is changed once."""
    publisher: Any = shell.display_pub
    _give_calls_their_own(shell)  # with each run: the first may have been in a cell with ``%%capture``
    FIGURES.show = _show_figures
    if _is_routed(publisher):
        return
    publish, clear_output = publisher.publish, publisher.clear_output

    def routed(data: Any, metadata: Any = None, *args: Any, **options: Any) -> Any:
        output = current_sink()
        if not isinstance(output, ToolOutput):
            return publish(data, metadata, *args, **options)
        display_id = (options.get("transient") or {}).get("display_id")
        # Copies: the function may change its own dictionaries later.
        bundle = Bundle(dict(data), dict(metadata or {}))
        if not options.get("update"):
            return output.display(bundle, display_id)
        output.update(bundle, str(display_id))
        # The display may also be in another cell.
        shown = bundle.masked()
        return publish(shown.data, shown.metadata, *args, **options)

    def cleared(wait: bool = False) -> None:  # noqa: FBT001 - the publisher's own signature
        output = current_sink()
        if isinstance(output, ToolOutput):
            output.clear(wait=wait)
        else:
            clear_output(wait)

    routed._shows_elsewhere = True  # type: ignore[attr-defined] # noqa: SLF001 - our own mark
    publisher.publish, publisher.clear_output = routed, cleared


def _give_calls_their_own(shell: InteractiveShell) -> None:
    publisher = shell.display_pub

    def get(shell: InteractiveShell) -> Any:
        call = running_call()
        if call is None:
            return vars(shell)["display_pub"]
        return call.own.get(_PUBLISHER, [publisher])[-1]

    def set_(shell: InteractiveShell, value: Any) -> None:
        call = running_call()
        if call is None:
            vars(shell)["display_pub"] = value
        else:
            call.set_own(_PUBLISHER, value, shared=publisher)

    type(shell).display_pub = property(get, set_)  # type: ignore[assignment]


def unroute_displays(shell: InteractiveShell) -> None:
    """Restore the publisher's own methods."""
    publisher: Any = shell.display_pub
    if _is_routed(publisher):
        del publisher.publish, publisher.clear_output
    FIGURES.show = None
    if "display_pub" in vars(type(shell)):
        del type(shell).display_pub  # type: ignore[misc]


def _show_figures() -> None:
    """Show the figures that the current call has left open, and close them, as IPython does at the end of a cell."""
    inline: Any = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is not None and "inline" in inline.matplotlib.get_backend() and inline.matplotlib.is_interactive():
        inline.show()


def _is_routed(publisher: Any) -> bool:
    return "publish" in vars(publisher) and hasattr(publisher.publish, "_shows_elsewhere")


def show_traceback(shell: InteractiveShell, error: BaseException) -> str:
    """Return an exception as the shell shows it, in the user's own ``%xmode``."""
    with ForeignCode():  # a traceback that fails must not hide that the tool failed
        # The shell's own formatter keeps state, and another thread may be using it.
        formatter: Any = AutoFormattedTB(mode=shell.InteractiveTB.mode, tb_offset=0)

        def lines_of(each: BaseException) -> list[str]:
            lines: list[str] = formatter.structured_traceback(type(each), each, traceback_of(each))
            return lines

        return "\n".join(with_leaves(error, lines_of))
    return show_exception(error)
