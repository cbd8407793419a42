"""What a ``%%agent`` cell shows while its run goes on, and what stays of it.

In a notebook there is the timeline above, which is a live widget during the run and a picture afterwards, then what the
tools put out, a fold for each call, and the answer below. The picture replaces the widget because a saved widget shows
nothing without its kernel, and whatever is saved beside it is ignored; in the page the live timeline moves into the
picture's place, so that one can go on pointing and zooming. In a terminal the answer is printed as it comes, what a call
put out when it is over, and the timeline below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from asyncfc_jupyter.agent import Run
from asyncfc_jupyter.core.events import (
    AwaitOpened,
    CallOpened,
    RequestRetried,
    Stamped,
    TextStreamed,
)
from asyncfc_jupyter.jupyter.display.answer_format import MARKDOWN, AnswerFormat
from asyncfc_jupyter.jupyter.display.markdown import quoted, to_html
from asyncfc_jupyter.jupyter.display.output_slots import NOTHING, Bundle, OutputStack, Place, publish
from asyncfc_jupyter.jupyter.display.route_displays import route_displays, show_traceback
from asyncfc_jupyter.jupyter.display.tool_output import CALL_ENDED, Folds
from asyncfc_jupyter.jupyter.options import DEFAULT_OUT
from asyncfc_jupyter.trace.render.comparison import compare
from asyncfc_jupyter.trace.render.html import static_bundle
from asyncfc_jupyter.trace.view.view import timeline_view
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, View

OnAction = Callable[[str, str | None], None]
#: The answer stands below all else; where it has a format, below what the model said on the way.
_ANSWER: Place = (math.inf,)
_FORMATTED: Place = (math.inf, 1.0)


def timeline_widget(view: View | ComparisonView | None = None, on_action: OnAction | None = None) -> Any:
    """Return a timeline, live unless a view is given; the widgets are loaded here, since a terminal never needs them."""
    from asyncfc_jupyter.jupyter.display.widget import TimelineWidget  # noqa: PLC0415 - see above

    return TimelineWidget(view, on_action=on_action)


class CellOutput(Protocol):
    """What a run is shown through."""

    #: Takes what the tools of the run put out, once it has begun.
    folds: Folds

    def begin(self, on_action: OnAction | None = None, *, name: str = DEFAULT_OUT) -> None:
        """Show that a run begins.

        Args:
            on_action: Called with what the person asks for in the timeline, such as ``cancel``, and the future it is about.
            name: The run's name in the notebook.
        """

    def observe(self, stamped: Stamped) -> None:
        """Take a fact of the run, as it happens."""

    def end(self, run: Run) -> None:
        """Show what the run came to, also after an error."""

    def conclude(self) -> None:
        """Show what several runs came to, side by side."""

    def reserve(self) -> None:
        """Take the places of all outputs now: the cell ends before the run does."""


def output_for(shell: InteractiveShell, form: AnswerFormat = MARKDOWN, *, comparing: bool = False) -> CellOutput:
    """Return the output that suits the shell: a notebook's, or a terminal's where there is no kernel.

    Args:
        shell: Where the cell runs.
        form: How answers are shown.
        comparing: Several runs follow one another, and are compared at the end.
    """
    if getattr(shell, "kernel", None) is None:
        from asyncfc_jupyter.jupyter.display.terminal import LiveTerminalOutput, TerminalOutput, can_be_live  # noqa: PLC0415 - no notebook needs it

        return LiveTerminalOutput(shell, form) if can_be_live() else TerminalOutput(shell, form)
    return ComparingOutput(shell, form) if comparing else NotebookOutput(shell, form)


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
        if isinstance(event, RequestRetried) and event.turn not in self._with_calls:
            return self._turns.pop(event.turn, None) is not None  # a reply that broke off: the next one says it whole
        if isinstance(event, CallOpened | AwaitOpened) and event.turn not in self._with_calls:
            self._with_calls.add(event.turn)
            return event.turn in self._turns
        return False

    @property
    def markdown(self) -> str:
        """The whole text so far; may be asked for from another thread than the one that takes facts."""
        return self.without("")

    def without(self, answer: str) -> str:
        """Return the text so far, but for that of the turns that say just this."""
        turns = {"".join(pieces).strip(): turn for turn, pieces in list(self._turns.items())}
        said = sorted((turn, text) for text, turn in turns.items() if text not in {"", answer.strip()})
        return "\n\n".join(quoted(text) if turn in self._with_calls else text for turn, text in said)


class NotebookOutput:
    """A timeline, below it what the tools put out, and below that the answer."""

    def __init__(self, shell: InteractiveShell, form: AnswerFormat = MARKDOWN) -> None:
        self._shell, self._form = shell, form
        self._timeline_id = uuid4().hex
        self._on_action: OnAction | None = None
        self._widget: Any = None
        self._text = AnswerText()
        self._begun = 0

    def begin(self, on_action: OnAction | None = None, *, name: str = DEFAULT_OUT) -> None:
        """Display the live timeline, or begin it anew for the next of several runs."""
        self._text, self._on_action = AnswerText(), on_action
        if self._widget is not None:
            self._widget.restart()
        else:
            self._stack = OutputStack()
            self._widget = timeline_widget(on_action=None if on_action is None else self._act)
            display(self._widget, display_id=self._timeline_id)
        route_displays(self._shell)
        traceback = partial(show_traceback, self._shell)
        self.folds = Folds(self._stack, traceback, run=name, number=self._begun)
        self._begun += 1

    def _act(self, kind: str, future: str | None) -> None:
        if self._on_action is not None:
            self._on_action(kind, future)

    def observe(self, stamped: Stamped) -> None:
        """Hand a fact to the timeline, its text to the answer, and the end of a call to its fold."""
        self._widget.apply(stamped)
        if isinstance(stamped.event, CALL_ENDED):
            self.folds.end(stamped.event.future)
        if self._text.take(stamped):
            self._stack.show(_ANSWER, lambda: _answer(self._text.markdown))

    def end(self, run: Run) -> None:
        """Put the picture in the place of the widget, for the notebook to save, and the whole answer below it."""
        self._show_answer(run)
        # Of a run in which nothing was said, the error alone tells everything.
        self._finish(None if run.refused else timeline_view(run.trace))

    def conclude(self) -> None:
        """Add nothing: there was one run."""

    def reserve(self) -> None:
        """Show an empty answer: later ones are updates of it, which find their cell also when that has ended."""
        self._stack.reserve(_ANSWER)
        self._stack.reserve(_FORMATTED)

    def _show_answer(self, run: Run) -> None:
        """Show the whole answer, in its format, and all else, as it stands now."""
        shown = self._form.show(run.answer) if run.answer else None
        text = self._text.markdown if shown is None else self._text.without(run.answer)
        notes = (f"*{note}*" for note in (run.note, shown.note if shown else "") if note)
        markdown = "\n\n".join(filter(None, (text, *notes)))
        self._stack.show(_ANSWER, lambda: _answer(markdown) if markdown else None)
        if shown is not None:
            formatted = Bundle(shown.bundle, shown.metadata)
            self._stack.show(_FORMATTED, lambda: formatted)
        self._stack.flush()

    def _finish(self, view: View | ComparisonView | None) -> None:
        """Put the picture of a view in the place of the widget; without one, leave nothing."""
        if view is None:
            publish(NOTHING, self._timeline_id, update=True)
            self._widget.close()
        else:
            self._widget.finish(view)
            publish(Bundle(static_bundle(view, place=self._widget.place)), self._timeline_id, update=True)
        # The widget closes itself once its view has moved. In a page that was reloaded in the middle of the run the picture
        # does not arrive, since nobody there waits for the cell any more, and the view stays where it is.
        self._on_action = None


class ComparingOutput(NotebookOutput):
    """A timeline and an answer for one run after the other, and at the end all of them on one time axis."""

    def __init__(self, shell: InteractiveShell, form: AnswerFormat = MARKDOWN) -> None:
        super().__init__(shell, form)
        self._runs: list[Run] = []

    def end(self, run: Run) -> None:
        """Keep the run for the comparison; of its answer, the last stays."""
        self._show_answer(run)
        self._runs += [] if run.refused else [run]

    def conclude(self) -> None:
        """Put the picture of the comparison in the place of the widget."""
        self._finish(compare(*self._runs).view() if self._runs else None)


def _answer(markdown: str) -> Bundle:
    return Bundle({"text/html": to_html(markdown), "text/plain": markdown})
