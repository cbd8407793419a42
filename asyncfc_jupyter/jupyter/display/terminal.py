"""The output of an ``%%agent`` cell in a terminal.

The model's text is printed as it arrives, the output of a call when the call has ended, and the timeline as text at the end
of the run. In a terminal that can erase lines, the timeline is also live: it is drawn below all that is printed, a few times a
second, and erased at the end. No thread is needed: the timer belongs to the loop of the run.

While a call asks for approval the live timeline is hidden: the question is answered on a line of input, which nothing may
overwrite.
"""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial

from IPython.core.interactiveshell import InteractiveShell
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from asyncfc_jupyter.agent import Run
from asyncfc_jupyter.core.events import (
    ApprovalAsked,
    ApprovalGiven,
    CallCancelled,
    CallSkipped,
    Event,
    RequestRetracted,
    RunEnded,
    Stamped,
    TextStreamed,
)
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.jupyter.display.answer_format import MARKDOWN, AnswerFormat
from asyncfc_jupyter.jupyter.display.race import Race
from asyncfc_jupyter.jupyter.display.route_displays import show_traceback
from asyncfc_jupyter.jupyter.display.tool_output import CALL_ENDED, ToolOutputs
from asyncfc_jupyter.jupyter.settings.table import DEFAULT_OUT
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.text import printable
from asyncfc_jupyter.trace.render.comparison import compare
from asyncfc_jupyter.trace.render.text import render_text
from asyncfc_jupyter.trace.view.view import LiveTimeline

#: A few pictures a second are enough for the eye, and little enough for a slow connection.
_PAUSE_S = 0.2
#: At most this share of the time is spent on drawing: the same loop runs the tools.
_DRAWING_SHARE = 0.05
#: Lines of the picture that are not rows: its heading, the axis, decoding, a race, the legend, and the line of text above.
_AROUND = 13
_LEAST_ROWS = 3
#: Characters after which a line is printed although it has no end: it is joined and drawn again with each piece.
_LONGEST_LINE = 2_000


#: Stands below the text of a retracted request that cannot be erased.
_ABANDONED = "(abandoned: the model was asked again, with the results)"


class TerminalOutput:
    """The answer as plain text, the output of each call after its end, and the timeline as text after the run."""

    def __init__(self, shell: InteractiveShell, form: AnswerFormat = MARKDOWN, *, comparing: bool = False) -> None:
        self._shell, self._form, self._comparing = shell, form, comparing
        self._turn = 0
        self._runs: list[Run] = []
        self._in_line = False
        self._console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
        #: Whether lines can be erased, as a live timeline needs it.
        self._erases = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live: Live | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timeline, self._began_s = LiveTimeline(), 0.0
        #: The last line of the printed text while there is a live timeline: it is not complete.
        self._line = ""
        #: That line without the text of the turn, for as long as all of the turn's text is in it and can be erased.
        self._before: str | None = None
        self._asked: set[FutureName] = set()

    def begin(self, on_action: object = None, *, name: str = DEFAULT_OUT) -> None:  # noqa: ARG002 - there are no buttons
        """Show the live timeline of a run that has done nothing yet."""
        self._turn, self._race = 0, Race()
        self.tool_outputs = ToolOutputs(None, partial(show_traceback, self._shell), run=name)
        self._timeline, self._asked = LiveTimeline(), set()
        self._began_s = asyncio.get_running_loop().time()
        self._show()

    def observe(self, stamped: Stamped) -> None:
        """Print the text of an event, draw the rest of it soon, and hide the live timeline during a question."""
        event = stamped.event
        if self._erases:
            self._timeline.apply(stamped)
        for shown in self._race.take(event):
            self._show_text(shown)
        if isinstance(event, CALL_ENDED) and (output := self.tool_outputs.end(event.future, closes=True)):
            self._write("\n" * self._in_line + output.data["text/plain"] + "\n")
        match event:
            case ApprovalAsked(future=future):
                self._asked.add(future)
                self._hide()
            case ApprovalGiven(future=future) | CallSkipped(future=future) | CallCancelled(future=future):
                if future in self._asked:
                    self._asked.discard(future)
                    if not self._asked:
                        self._show()
            case RunEnded():  # here and not only in `end`, which is not called for a run that was abandoned
                self._hide()

    def end(self, run: Run) -> None:
        """Print the rest of the answer, the notes on the run and its whole timeline."""
        self._hide()
        if not run.refused:
            self._runs.append(run)
            shown = self._form.show(mask(printable(run.answer))) if run.answer else None
            notes = "".join(f"\n({note})" for note in (run.note, shown.note if shown else "") if note)
            self._write(f"{printable(notes)}\n\n{run.timeline()}\n")

    def conclude(self) -> None:
        """Print the comparison, if there are several runs."""
        if self._comparing and self._runs:
            self._write(f"\n{compare(*self._runs)}\n")

    def reserve(self) -> None:
        """Do nothing: printed text needs no output of its own."""

    def _show_text(self, event: Event) -> None:
        """Print a piece of text; erase that of a retracted request, or say below it that it was abandoned."""
        if isinstance(event, TextStreamed):
            if event.turn != self._turn:
                self._write("\n\n" * (self._turn != 0))
                self._turn, self._before = event.turn, self._line
            self._write(printable(event.text))
        elif isinstance(event, RequestRetracted) and event.turn == self._turn:
            if self._live is not None and self._before is not None:
                self._turn, self._line, self._in_line = 0, self._before, False
            else:
                self._write("\n" * self._in_line + _ABANDONED)

    def _write(self, text: str) -> None:
        text = mask(text)
        if text:
            self._in_line = not text.endswith("\n")
        if self._live is None:
            sys.stdout.write(text)
            sys.stdout.flush()
            self._before = None
            return
        *lines, self._line = (self._line + text).split("\n")
        if len(self._line) > _LONGEST_LINE:
            lines, self._line = [*lines, self._line], ""
        self._before = None if lines else self._before
        for line in lines:
            self._console.print(Text(line), soft_wrap=True)

    def _show(self) -> None:
        if self._erases and self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._draw()

    def _hide(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._live is not None:
            # `stop` draws the last picture again, cut to the screen, before it erases it.
            self._live.update(Text(""))
            self._live.stop()
            self._live = None
        self._write(self._line)
        self._line = ""

    def _draw(self) -> None:
        if self._live is None:
            return
        loop, drawn_s = asyncio.get_running_loop(), time.perf_counter()
        view = self._timeline.snapshot(loop.time() - self._began_s)
        view["rows"] = view["rows"][-max(_LEAST_ROWS, self._console.height - _AROUND) :]
        picture = Text(render_text(view, width=self._console.width - 1), no_wrap=True, overflow="crop")
        self._live.update(Group(Text(self._line), Text(), picture), refresh=True)
        pause_s = max(_PAUSE_S, (time.perf_counter() - drawn_s) / _DRAWING_SHARE)
        self._timer = loop.call_later(pause_s, self._draw)
