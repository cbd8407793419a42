"""The output of one tool call, folded under a heading below the timeline.

Calls run at the same time, so on the cell's own stream their prints would mix. Each call with output has a heading of its own,
in the order of the futures. Its prints, warnings and traceback are folded below the heading; its displays follow, as real
outputs, in the way the kernel would show them.

Printed text is hostile, since it may repeat what the tool read from anywhere: it is shown as text only. Displays are made by
the user's own function.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from uuid import uuid4

from asyncfc_jupyter.core.events import CallCancelled, CallFailed, CallFinished
from asyncfc_jupyter.core.futures import FutureName, future_number
from asyncfc_jupyter.jupyter.display.output_slots import Bundle, OutputStack
from asyncfc_jupyter.jupyter.display.terminal_text import as_screen, newest_line
from asyncfc_jupyter.masking import mask, mask_pieces
from asyncfc_jupyter.runtime.exception_text import show_exception
from asyncfc_jupyter.runtime.output_buffer import Kept, Stream
from asyncfc_jupyter.text import clean, plural

#: The events after which a call has no more output.
CALL_ENDED = CallFinished | CallFailed | CallCancelled
#: Characters of a call's prints that are shown: some screens. A notebook with much more is slow to open.
SHOWN_CHARACTERS = 20_000
#: Characters of the newest line, or of an error, in a heading.
_BESIDE = 100

_PRE = (
    "margin:2px 0 6px 18px;padding:4px 8px;max-height:24em;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;"
    "border-left:2px solid var(--jp-border-color1,#8888);font-size:var(--jp-code-font-size,13px);line-height:1.4;"
    "background:transparent;color:inherit"
)
_RED = "color:var(--jp-error-color0,var(--jp-error-color1,#c62828))"
_QUIET = "opacity:.7"
_STYLES: dict[Stream | None, str] = {"stdout": "", "stderr": _RED, None: _QUIET}


@dataclass(slots=True)
class Display:
    """One display of a call."""

    bundle: Bundle
    #: The id under which the function itself may replace it.
    display_id: str | None


class ToolOutput:
    """The output of one call: a `Sink` that also takes displays. Its methods may be called in any thread.

    Args:
        name: The future's name.
        tool: The tool's name.
        run: The run's name in the notebook.
        changed: Called after each change.
        traceback: Returns the traceback of an exception as text.
    """

    def __init__(
        self,
        name: str,
        tool: str,
        *,
        run: str,
        changed: Callable[[ToolOutput], None],
        traceback: Callable[[BaseException], str],
    ) -> None:
        self.name, self.tool, self._run = name, tool, run
        self._changed, self._traceback = changed, traceback
        self._key = uuid4().hex
        self._lock = threading.Lock()
        self._kept = Kept(SHOWN_CHARACTERS)
        self._error: BaseException | None = None
        self._error_text = ""
        self._clears = False
        self.displays: list[Display] = []
        self.ended = self.closed = False

    def write(self, text: str, stream: Stream) -> bool:
        """Take printed text; return False if this is closed."""
        with self._lock:
            if self.closed:
                return False
            self._clear_if_due()
            self._kept.add(text, stream)
        self._changed(self)
        return True

    def raised(self, error: BaseException) -> None:
        """Take the exception that the call failed with."""
        self._error = error
        self._changed(self)

    def display(self, bundle: Bundle, display_id: str | None) -> None:
        """Take a display."""
        with self._lock:
            self._clear_if_due()
            self.displays.append(Display(bundle, display_id))
        self._changed(self)

    def update(self, bundle: Bundle, display_id: str) -> None:
        """Replace the displays with an id."""
        with self._lock:
            found = [display for display in self.displays if display.display_id == display_id]
            for display in found:
                display.bundle = bundle
        if found:
            self._changed(self)

    def clear(self, *, wait: bool) -> None:
        """Remove prints and displays, now or when new output arrives: as in a cell, but for this call only."""
        with self._lock:
            self._clears = True
            if not wait:
                self._clear_if_due()
        self._changed(self)

    def end(self, *, closes: bool) -> None:
        """Record that the call has ended. If this closes, what the function still prints goes elsewhere."""
        with self._lock:
            self.ended, self.closed = True, closes
        self._changed(self)

    def _clear_if_due(self) -> None:
        if self._clears:
            self._clears, self._kept = False, Kept(SHOWN_CHARACTERS)
            self.displays.clear()

    def heading(self) -> Bundle | None:
        """Return the heading with the text that is folded below it, or None while there is no output."""
        with self._lock:
            runs = [(as_screen(text), stream) for text, stream in self._kept.runs()]
            cut, lines, displays = self._kept.cut, self._kept.lines, len(self.displays)
        # A key may have been printed with escapes in it, or partly to each stream.
        masked = mask_pieces([text for text, _ in runs])
        texts = [(text, stream) for text, (_, stream) in zip(masked, runs, strict=True)]
        if self._error is not None and not self._error_text:
            self._error_text = mask(as_screen(self._traceback(self._error)))
        error = self._error_text
        if not (lines or displays or error):
            return None
        counts = [
            f"{number:,} {plural(number, noun)}" for number, noun in ((lines, "line"), (displays, "display")) if number
        ]
        counted = ", ".join([*counts, *(["error"] if error else [])])
        beside, style = "", _QUIET
        if self._error is not None:
            beside, style = show_exception(self._error), _RED
        elif not self.ended:
            beside = newest_line(texts)
        head = f"<b>{escape(self.name)}</b> {escape(self.tool)} - {escape(counted)}"
        if beside:
            head += f' <span style="{style}">{escape(clean(beside, _BESIDE))}</span>'
        if cut:
            whole = f'all of it is in {self._run}.futures["{self.name}"].printed'
            texts = [(text if stream else f"{text.rstrip()[:-1]}; {whole}]\n", stream) for text, stream in texts]
        printed = "".join(text for text, _ in texts)
        body = printed + "\n" * bool(printed and error and not printed.endswith("\n")) + error
        indented = [f"  {line}".rstrip() for line in body.rstrip("\n").split("\n") if body]
        plain = "\n".join([f"{self.name} {self.tool} - {counted}", *indented])
        return Bundle({"text/html": self._html(head, texts, error), "text/plain": plain})

    def _html(self, head: str, texts: list[tuple[str, Stream | None]], error: str) -> str:
        spans = "".join(
            f'<span style="{style}">{escape(text)}</span>' if (style := _STYLES[stream]) else escape(text)
            for text, stream in texts
            if text
        )
        if error:
            above, _, last = error.rstrip().rpartition("\n")
            spans += f'{escape(above)}\n<span style="{_RED}">{escape(last)}</span>'
        if not spans:
            return f'<div class="asyncfc-fold">{head}</div>'
        # While the text is replaced, the front end keeps the fold open that has this class, wherever it has moved.
        classes = f"asyncfc-fold asyncfc-fold-of-{self._key}{'' if self.ended else ' asyncfc-fold-live'}"
        return (
            f'<details class="{classes}"><summary style="cursor:pointer">{head}</summary>'
            f'<pre style="{_PRE}">{spans}</pre></details>'
        )


class ToolOutputs:
    """The outputs of a run's calls.

    Args:
        stack: Shows them; a terminal has none.
        traceback: Returns the traceback of an exception as text.
        run: The run's name in the notebook.
        number: The number of the run in its cell, if several follow one another.
    """

    def __init__(
        self, stack: OutputStack | None, traceback: Callable[[BaseException], str], *, run: str, number: int = 0
    ) -> None:
        self._stack, self._traceback, self._run, self._number = stack, traceback, run, number
        self._outputs: dict[FutureName, ToolOutput] = {}
        #: How many displays of each call are on the stack.
        self._displays: dict[str, int] = {}

    def __call__(self, name: FutureName, tool: str) -> ToolOutput:
        """Return the output of a call that starts."""
        output = ToolOutput(name, tool, run=self._run, changed=self._changed, traceback=self._traceback)
        self._outputs[name] = output
        return output

    def end(self, name: FutureName, *, closes: bool = False) -> Bundle | None:
        """Record that a call has ended.

        Args:
            name: The future's name.
            closes: Whether its function's later prints go where they would go without this.

        Returns:
            The whole output if this closes; None for a call without output.
        """
        output = self._outputs.get(name)
        if output is None:
            return None
        output.end(closes=closes)
        return output.heading() if closes else None

    def _changed(self, output: ToolOutput) -> None:
        if self._stack is None:
            return

        def display_at(index: int) -> Bundle | None:
            displays = list(output.displays)
            return displays[index].bundle if index < len(displays) else None

        position = (self._number, future_number(output.name))
        self._stack.show((*position, 0), output.heading)
        number = len(output.displays)
        for index in range(max(number, self._displays.get(output.name, 0))):
            self._stack.show((*position, index + 1), partial(display_at, index))
        self._displays[output.name] = number
