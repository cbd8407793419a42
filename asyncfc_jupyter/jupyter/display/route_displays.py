"""Displays of tools: each goes to the fold of the call that made it, from whichever thread.

``display`` ends in the shell's publisher, which sends a message for the cell that runs. Its two methods are replaced by ones
that look first whether the code runs for a call that has a fold. Hooks of ipykernel's publisher do not serve: they are kept by
thread, and a tool has one of its own.
"""

from __future__ import annotations

from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.ultratb import AutoFormattedTB

from asyncfc_jupyter.jupyter.display.output_slots import Bundle
from asyncfc_jupyter.jupyter.display.tool_output import ToolOutput
from asyncfc_jupyter.runtime.attempt import show_exception
from asyncfc_jupyter.runtime.output_capture import current_sink


def route_displays(shell: InteractiveShell) -> None:
    """Let displays of tools go to their folds from now on. Doing it again changes nothing."""
    publisher: Any = shell.display_pub
    if "publish" in vars(publisher) and hasattr(publisher.publish, "_shows_elsewhere"):
        return
    publish, clear_output = publisher.publish, publisher.clear_output

    def routed(data: Any, metadata: Any = None, *args: Any, **options: Any) -> Any:
        fold = current_sink()
        if not isinstance(fold, ToolOutput):
            return publish(data, metadata, *args, **options)
        display_id = (options.get("transient") or {}).get("display_id")
        # As it stands now: the function may go on with its own dictionaries.
        bundle = Bundle(dict(data), dict(metadata or {}))
        if not options.get("update"):
            return fold.display(bundle, display_id)
        fold.update(bundle, str(display_id))
        # It may also stand in another cell.
        return publish(data, metadata, *args, **options)

    def cleared(wait: bool = False) -> None:  # noqa: FBT001 - as the publisher has it
        fold = current_sink()
        if isinstance(fold, ToolOutput):
            fold.clear(wait=wait)
        else:
            clear_output(wait)

    routed._shows_elsewhere = True  # type: ignore[attr-defined] # noqa: SLF001 - our own mark
    publisher.publish, publisher.clear_output = routed, cleared


def unroute_displays(shell: InteractiveShell) -> None:
    """Give the publisher its own methods back."""
    publisher: Any = shell.display_pub
    if "publish" in vars(publisher) and hasattr(publisher.publish, "_shows_elsewhere"):
        del publisher.publish, publisher.clear_output


def show_traceback(shell: InteractiveShell, error: BaseException) -> str:
    """Return an exception as the shell shows it, in the person's own ``%xmode``."""
    try:
        # The shell's own formatter keeps state, and may be at work in another thread.
        formatter: Any = AutoFormattedTB(mode=shell.InteractiveTB.mode, tb_offset=0)
        lines: list[str] = formatter.structured_traceback(type(error), error, error.__traceback__)
    except Exception:  # noqa: BLE001 - an exception that cannot be shown is still the tool's failure
        return show_exception(error)
    return "\n".join(lines)
