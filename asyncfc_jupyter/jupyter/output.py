"""What a ``%%agent`` cell shows while its run goes on, and what stays of it.

In a notebook there are two outputs: the timeline above, which is a live widget during the run and a picture afterwards,
and the answer below. The picture replaces the widget because a saved widget shows nothing without its kernel, and
whatever is saved beside it is ignored. In a terminal the answer is printed as it comes, and the timeline below it.
"""

from __future__ import annotations

import asyncio
import sys
import time
import unicodedata
from collections.abc import Callable
from typing import Any, Protocol
from uuid import uuid4

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display, publish_display_data

from asyncfc_jupyter.agent import Run
from asyncfc_jupyter.core.events import AwaitOpened, CallOpened, Stamped, TextStreamed
from asyncfc_jupyter.jupyter.markdown import quoted, to_html
from asyncfc_jupyter.trace.html import static_bundle
from asyncfc_jupyter.trace.view import View, timeline_view

#: Reading goes no faster, and each update is a message that the server counts.
UPDATES_PER_S = 10
#: At most this share of the time goes into rendering a long answer again and again: the same loop runs the tools.
_RENDERING_SHARE = 0.05
_NOTHING = {"text/html": "", "text/plain": ""}


def timeline_widget(view: View | None = None) -> Any:
    """Return a timeline, live unless a view is given; the widgets are loaded here, since a terminal never needs them."""
    from asyncfc_jupyter.jupyter.widget import TimelineWidget  # noqa: PLC0415 - see above

    return TimelineWidget(view)


class CellOutput(Protocol):
    """What a run is shown through."""

    def begin(self) -> None:
        """Show that the run begins."""

    def observe(self, stamped: Stamped) -> None:
        """Take a fact of the run, as it happens."""

    def end(self, run: Run) -> None:
        """Show what the run came to, also after an error."""


def output_for(shell: InteractiveShell) -> CellOutput:
    """Return the output that suits the shell: a notebook's, or a terminal's where there is no kernel."""
    return NotebookOutput() if getattr(shell, "kernel", None) is not None else TerminalOutput()


class AnswerText:
    """The model's text as it comes.

    Text of a turn that makes calls, or that the layer answers with results still missing, is said along the way and shown
    as a quotation; not at all when a later turn says the same, as an answer that was held back usually is.
    """

    def __init__(self) -> None:
        self._turns: dict[int, list[str]] = {}
        self._with_calls: set[int] = set()

    def take(self, stamped: Stamped) -> bool:
        """Take a fact, and return whether it changes the text."""
        event = stamped.event
        if isinstance(event, TextStreamed):
            self._turns.setdefault(event.turn, []).append(event.text)
            return True
        if isinstance(event, CallOpened | AwaitOpened) and event.turn not in self._with_calls:
            self._with_calls.add(event.turn)
            return event.turn in self._turns
        return False

    @property
    def markdown(self) -> str:
        """The whole text so far."""
        turns = {"".join(pieces).strip(): turn for turn, pieces in self._turns.items()}
        said = sorted((turn, text) for text, turn in turns.items() if text)
        return "\n\n".join(quoted(text) if turn in self._with_calls else text for turn, text in said)


class NotebookOutput:
    """A timeline and, below it, the answer."""

    def __init__(self) -> None:
        self._timeline_id, self._answer = uuid4().hex, AnswerDisplay()
        self._widget: Any = None
        self._text = AnswerText()

    def begin(self) -> None:
        """Display the live timeline."""
        self._widget = timeline_widget()
        display(self._widget, display_id=self._timeline_id)

    def observe(self, stamped: Stamped) -> None:
        """Hand a fact to the timeline, and its text to the answer."""
        self._widget.apply(stamped)
        if self._text.take(stamped):
            self._answer.show_soon(lambda: self._text.markdown)

    def end(self, run: Run) -> None:
        """Put the picture in the place of the widget, and the whole answer below it."""
        note = f"*{run.note}*" if run.note else ""
        self._answer.show_now("\n\n".join(filter(None, (self._text.markdown, note))))
        # Of a run in which nothing was said, the error alone tells everything.
        bundle = _NOTHING if run.refused else static_bundle(timeline_view(run.trace))
        _publish(bundle, self._timeline_id, update=True)
        self._widget.close()


class AnswerDisplay:
    """One output that is shown again as the answer grows, not faster than one can read."""

    def __init__(self) -> None:
        self._id = uuid4().hex
        self._shown = ""
        self._timer: asyncio.TimerHandle | None = None
        self._next_s = 0.0

    def show_soon(self, markdown: Callable[[], str]) -> None:
        """Show the text when the next update is due; asks for it then."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._next_s), lambda: self.show_now(markdown()))

    def show_now(self, markdown: str) -> None:
        """Show the text, unless it is the one shown already."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if markdown == self._shown:
            return
        began_s = time.perf_counter()
        bundle = {"text/html": to_html(markdown), "text/plain": markdown}
        _publish(bundle, self._id, update=bool(self._shown))
        self._shown = markdown
        pause_s = max(1 / UPDATES_PER_S, (time.perf_counter() - began_s) / _RENDERING_SHARE)
        self._next_s = asyncio.get_running_loop().time() + pause_s


class TerminalOutput:
    """The answer as plain text while it comes, then the timeline as text."""

    def __init__(self) -> None:
        self._turn = 0

    def begin(self) -> None:
        """Show nothing yet: a terminal cannot take it back."""

    def observe(self, stamped: Stamped) -> None:
        """Print text as it comes, each turn's in a paragraph of its own."""
        event = stamped.event
        if isinstance(event, TextStreamed):
            sys.stdout.write("\n\n" * (self._turn not in {0, event.turn}) + _printable(event.text))
            sys.stdout.flush()
            self._turn = event.turn

    def end(self, run: Run) -> None:
        """Print the timeline."""
        if not run.refused:
            note = f"\n({run.note})" if run.note else ""
            sys.stdout.write(f"{note}\n\n{run.timeline()}\n")


def _printable(text: str) -> str:
    """Return text without the characters that steer a terminal."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")


def _publish(bundle: dict[str, Any], display_id: str, *, update: bool) -> None:
    publish_display_data(bundle, transient={"display_id": display_id}, update=update)
