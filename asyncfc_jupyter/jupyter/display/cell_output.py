"""The output of an ``%%agent`` cell, during its run and afterwards.

In a notebook the timeline is above: a live widget during the run, a picture afterwards. The output of each tool call follows,
folded, and then the answer. The picture replaces the widget because a saved widget shows nothing without its kernel, and
front ends ignore a picture that is saved beside it. In the open page the live timeline moves to where the picture is, so
that the user can still point and zoom. `terminal` is the same for a terminal.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from asyncfc_jupyter.agent import Run
from asyncfc_jupyter.core.events import (
    AwaitOpened,
    CallOpened,
    Event,
    ReasoningStreamed,
    RequestRetracted,
    RequestRetried,
    RunEnded,
    Stamped,
    TextStreamed,
    TextWithdrawn,
    TurnEnded,
)
from asyncfc_jupyter.jupyter.display.answer_format import MARKDOWN, AnswerFormat
from asyncfc_jupyter.jupyter.display.markdown import quoted, to_html
from asyncfc_jupyter.jupyter.display.output_slots import NOTHING, Bundle, OutputStack, Position, publish
from asyncfc_jupyter.jupyter.display.race import Race
from asyncfc_jupyter.jupyter.display.route_displays import route_displays, show_traceback
from asyncfc_jupyter.jupyter.display.tool_output import CALL_ENDED, ToolOutputs
from asyncfc_jupyter.jupyter.settings.table import DEFAULT_OUT
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.text import printable
from asyncfc_jupyter.trace.render.comparison import compare
from asyncfc_jupyter.trace.render.html import static_bundle
from asyncfc_jupyter.trace.view.view import timeline_view
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, View

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.display.terminal import TerminalOutput
    from asyncfc_jupyter.jupyter.display.widget import OnAction

#: The output of a cell with one run, or with several that are compared.
CellOutput: TypeAlias = "NotebookOutput | TerminalOutput"

#: The answer is below everything else; in another format than Markdown, below the text of earlier turns.
_ANSWER: Position = (math.inf,)
_FORMATTED: Position = (math.inf, 1.0)
#: The events of a reply after which the text of the request that it replaced is gone.
_ENDS_THE_TEXT_BEFORE = (
    *(TextStreamed, ReasoningStreamed, CallOpened),
    *(TurnEnded, RequestRetried, RequestRetracted),
)


def timeline_widget(view: View | ComparisonView | None = None, on_action: OnAction | None = None) -> Any:
    """Return a timeline, live unless a view is given. The widgets are loaded here: a terminal never needs them."""
    from asyncfc_jupyter.jupyter.display.widget import TimelineWidget  # noqa: PLC0415 - see above

    return TimelineWidget(view, on_action=on_action)


class AnswerText:
    """The model's text as it arrives.

    Text of a turn that is not the last, since it makes calls or the layer answers it with missing results, is shown as a
    quotation. If a later turn repeats it, as an answer that was held back usually does, it is not shown.

    Text of a retracted request stays until a piece of the reply in its place arrives, or that ends: the page would jump if the
    answer were empty in between.
    """

    def __init__(self) -> None:
        self._race = Race()
        self._turns: dict[int, list[str]] = {}
        self._with_calls: set[int] = set()
        #: The retracted turns with text, by the turn that takes their place.
        self._retracted: dict[int, int] = {}

    def take(self, stamped: Stamped) -> bool:
        """Take an event, and return whether it changes the text."""
        changes = [self._take(event) for event in self._race.take(stamped.event)]
        return any(changes)

    def _take(self, event: Event) -> bool:
        if isinstance(event, RequestRetracted):
            self._retracted[event.by] = event.turn
        ended: list[int] = []
        if isinstance(event, RunEnded):
            ended = list(self._retracted.values())
        elif isinstance(event, _ENDS_THE_TEXT_BEFORE) and event.turn in self._retracted:
            ended = [self._retracted.pop(event.turn)]
        gone = [self._turns.pop(turn, None) for turn in ended]
        return self._take_text(event) or any(gone)

    def _take_text(self, event: Event) -> bool:
        if isinstance(event, TextStreamed):
            self._turns.setdefault(event.turn, []).append(event.text)
            return True
        if isinstance(event, RequestRetried) and event.turn not in self._with_calls:
            return self._turns.pop(event.turn, None) is not None  # the reply broke off: the next one repeats it whole
        if isinstance(event, TextWithdrawn):
            return self._turns.pop(event.turn, None) is not None
        if isinstance(event, CallOpened | AwaitOpened) and event.turn not in self._with_calls:
            self._with_calls.add(event.turn)
            return event.turn in self._turns
        return False

    @property
    def markdown(self) -> str:
        """The whole text so far. May be read in another thread than the one that takes events."""
        return self.without("")

    def without(self, answer: str) -> str:
        """Return the text so far, except that of turns that say exactly this."""
        turns = {printable("".join(pieces)).strip(): turn for turn, pieces in list(self._turns.items())}
        said = sorted((turn, text) for text, turn in turns.items() if text not in {"", answer.strip()})
        return mask("\n\n".join(quoted(text) if turn in self._with_calls else text for turn, text in said))


class NotebookOutput:
    """A timeline, below it the output of the tools, and below that the answer. Several runs use them in turn.

    `begin` and `end` enclose each run, `conclude` follows the last one.

    Args:
        shell: The shell of the cell.
        form: How answers are shown.
        comparing: Whether the cell has several runs, which are compared at the end.
    """

    def __init__(self, shell: InteractiveShell, form: AnswerFormat = MARKDOWN, *, comparing: bool = False) -> None:
        self._shell, self._form, self._comparing = shell, form, comparing
        self._timeline_id = uuid4().hex
        self._widget: Any = None
        self._text = AnswerText()
        self._runs: list[Run] = []
        self._begun = 0

    def begin(self, on_action: OnAction | None = None, *, name: str = DEFAULT_OUT) -> None:
        """Display the live timeline, or restart it for the next of several runs.

        Args:
            on_action: Called when the user clicks in the timeline, with the action, such as ``cancel``, and its future.
            name: The run's name in the notebook.
        """
        self._text = AnswerText()
        if self._widget is not None:
            self._widget.restart(on_action)
        else:
            self._stack = OutputStack()
            self._widget = timeline_widget(on_action=on_action)
            display(self._widget, display_id=self._timeline_id)
        route_displays(self._shell)
        traceback = partial(show_traceback, self._shell)
        self.tool_outputs = ToolOutputs(self._stack, traceback, run=name, number=self._begun)
        self._begun += 1

    def observe(self, stamped: Stamped) -> None:
        """Pass an event to the timeline, its text to the answer, and the end of a call to the call's output."""
        self._widget.apply(stamped)
        if isinstance(stamped.event, CALL_ENDED):
            self.tool_outputs.end(stamped.event.future)
        if self._text.take(stamped):
            self._stack.show(_ANSWER, lambda: _answer(self._text.markdown))

    def end(self, run: Run) -> None:
        """Show the whole answer in its format, in place of the answer of an earlier run."""
        # Before the format: in HTML or Markdown a key is not the same text any more. What is not printable may stand in a key.
        answer = mask(printable(run.answer))
        shown = self._form.show(answer) if answer else None
        text = self._text.markdown if shown is None else self._text.without(answer)
        notes = (f"*{note}*" for note in (run.note, shown.note if shown else "") if note)
        markdown = "\n\n".join(filter(None, (text, *notes)))
        self._stack.show(_ANSWER, lambda: _answer(markdown) if markdown else None)
        if shown is not None:
            formatted = Bundle(shown.bundle, shown.metadata)
            self._stack.show(_FORMATTED, lambda: formatted)
        self._stack.flush()
        # A run that was refused shows its error only.
        self._runs += [] if run.refused else [run]

    def conclude(self) -> None:
        """Replace the widget by a picture, which the notebook saves; by nothing if there is no run to show."""
        if not self._runs:
            publish(NOTHING, self._timeline_id, update=True, publisher=self._stack.publisher)
            self._widget.close()
        else:
            view = compare(*self._runs).view() if self._comparing else timeline_view(self._runs[0].trace)
            self._widget.finish(view)
            picture = Bundle(static_bundle(view, place=self._widget.place))
            publish(picture, self._timeline_id, update=True, publisher=self._stack.publisher)
        # The widget closes itself when its view has moved. In a page that was reloaded during the run the view stays where
        # it is: the picture does not arrive there, since that page does not wait for the cell any more.

    def reserve(self) -> None:
        """Show an empty answer: updates of it reach their cell after the cell has ended, new outputs do not."""
        self._stack.reserve(_ANSWER)
        self._stack.reserve(_FORMATTED)


def _answer(text: str) -> Bundle:
    markdown = mask(printable(text))  # with the notes
    return Bundle({"text/html": to_html(markdown), "text/plain": markdown})


def output_for(shell: InteractiveShell, form: AnswerFormat = MARKDOWN, *, comparing: bool = False) -> CellOutput:
    """Return the output for a shell: a notebook's, or a terminal's if there is no kernel; see `NotebookOutput`."""
    if getattr(shell, "kernel", None) is None:
        from asyncfc_jupyter.jupyter.display.terminal import TerminalOutput  # noqa: PLC0415 - no notebook needs it

        return TerminalOutput(shell, form, comparing=comparing)
    return NotebookOutput(shell, form, comparing=comparing)
