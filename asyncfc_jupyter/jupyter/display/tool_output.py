"""Folds: what one tool call puts out, in one place under the timeline.

Calls run at once, so on the cell's own stream their prints would interleave. Each call that puts anything out has a heading
of its own, in the order of the futures: its prints, warnings and traceback folded below it, and below that its displays,
which are real outputs, as the kernel would show them.

What a tool prints is hostile, as it may repeat what it read from anywhere: it is shown as text alone. What it displays is the
display of the person's own function.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from uuid import uuid4

from asyncfc_jupyter.core.events import CallCancelled, CallFailed, CallFinished
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.jupyter.display.output_slots import Bundle, OutputStack
from asyncfc_jupyter.jupyter.display.terminal_text import as_screen, newest_line
from asyncfc_jupyter.runtime.attempt import show_exception
from asyncfc_jupyter.runtime.output_buffer import Kept, Stream
from asyncfc_jupyter.text import clean, plural

#: The events after which a call puts out nothing more.
CALL_ENDED = CallFinished | CallFailed | CallCancelled
#: What a fold shows of a call's prints, in characters: some screens. A notebook that holds more of it is slow to open.
FOLD_CHARACTERS = 20_000
#: Characters of the newest line, and of an error, beside a heading.
_BESIDE = 100

_PRE = (
    "margin:2px 0 6px 18px;padding:4px 8px;max-height:24em;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;"
    "border-left:2px solid var(--jp-border-color1,#8888);font-size:var(--jp-code-font-size,13px);line-height:1.4;"
    "background:transparent;color:inherit"
)
_RED = "color:var(--jp-error-color0,var(--jp-error-color1,#c62828))"
_QUIET = "opacity:.7"


@dataclass(slots=True)
class Shown:
    """One display of a call."""

    bundle: Bundle
    #: The id under which the function itself may replace it.
    display_id: str | None


class Fold:
    """What one call puts out: a `Sink` that also takes displays. Its methods may be called from any thread.

    Args:
        name: The future's name.
        tool: The tool's name.
        run: The run's name in the notebook.
        changed: Called after each change.
        traceback: Shows an exception as lines of text.
    """

    def __init__(
        self,
        name: str,
        tool: str,
        *,
        run: str,
        changed: Callable[[Fold], None],
        traceback: Callable[[BaseException], str],
    ) -> None:
        self.name, self.tool, self._run = name, tool, run
        self._changed, self._traceback = changed, traceback
        self._key = uuid4().hex
        self._lock = threading.Lock()
        self._kept = Kept(FOLD_CHARACTERS)
        self._error: BaseException | None = None
        self._rendered: str | None = None
        self._clears = False
        self.displays: list[Shown] = []
        self.over = self.closed = False

    def write(self, text: str, stream: Stream) -> bool:
        """Take what is printed, unless the fold is closed."""
        with self._lock:
            if self.closed:
                return False
            self._clear_if_due()
            self._kept.add(text, stream)
        self._changed(self)
        return True

    def raised(self, error: BaseException) -> None:
        """Take what the call failed with."""
        self._error = error
        self._changed(self)

    def display(self, bundle: Bundle, display_id: str | None) -> None:
        """Take what is displayed."""
        with self._lock:
            self._clear_if_due()
            self.displays.append(Shown(bundle, display_id))
        self._changed(self)

    def update(self, bundle: Bundle, display_id: str) -> None:
        """Replace what was displayed under an id."""
        with self._lock:
            found = [shown for shown in self.displays if shown.display_id == display_id]
            for shown in found:
                shown.bundle = bundle
        if found:
            self._changed(self)

    def clear(self, *, wait: bool) -> None:
        """Drop what was printed and displayed, now or when something new comes: as in a cell, but for this call alone."""
        with self._lock:
            self._clears = True
            if not wait:
                self._clear_if_due()
        self._changed(self)

    def end(self, *, closes: bool) -> None:
        """Take note that the call is over, and that what it still prints goes elsewhere if the fold closes."""
        with self._lock:
            self.over, self.closed = True, closes
        self._changed(self)

    def _clear_if_due(self) -> None:
        if self._clears:
            self._clears, self._kept = False, Kept(FOLD_CHARACTERS)
            self.displays.clear()

    # -- as it is shown ----------------------------------------------------------------------------------------------

    def heading(self) -> Bundle | None:
        """Return the heading with what is folded below it; None while there is nothing to show."""
        with self._lock:
            runs = [(as_screen(text), stream) for text, stream in self._kept.runs()]
            cut, lines, displays = self._kept.cut, self._kept.lines, len(self.displays)
        error = self._error_text()
        if not (lines or displays or error):
            return None
        beside = "" if error or self.over else newest_line(runs)
        counted = ", ".join(
            [
                f"{number:,} {plural(number, noun)}"
                for number, noun in ((lines, "line"), (displays, "display"))
                if number
            ]
            + ["error"] * bool(error)
        )
        texts = [(text, stream) for text, stream in runs if text]
        if cut:
            whole = f'all of it is in {self._run}.futures["{self.name}"].printed'
            texts = [
                (text, stream) if stream else (f"{text.rstrip()[:-1]}; {whole}]\n", None) for text, stream in texts
            ]
        return self._bundle(counted, beside, texts, error)

    def _bundle(self, counted: str, beside: str, texts: list[tuple[str, Stream | None]], error: str) -> Bundle:
        title = f"{self.name} {self.tool} - {counted}"
        plain = "".join(text for text, _ in texts)
        body = plain if not error else f"{plain}{'' if plain.endswith(chr(10)) or not plain else chr(10)}{error}"
        text = "\n".join([title, *(f"  {line}".rstrip() for line in body.rstrip("\n").split("\n") if body)])
        said = show_exception(self._error) if self._error is not None else ""
        head = f"<b>{escape(self.name)}</b> {escape(self.tool)} - {escape(counted)}"
        if said:
            head += f' <span style="{_RED}">{escape(clean(said, _BESIDE))}</span>'
        elif beside:
            head += f' <span style="{_QUIET}">{escape(clean(beside, _BESIDE))}</span>'
        if not body:
            return Bundle({"text/html": f'<div class="asyncfc-fold">{head}</div>', "text/plain": text})
        spans = "".join(_span(text, stream) for text, stream in texts)
        if error:
            above, _, last = error.rstrip().rpartition("\n")
            spans += f'{escape(above)}\n<span style="{_RED}">{escape(last)}</span>'
        # The front end keeps a fold open while its text is replaced, and finds it by this name wherever it stands.
        names = f"asyncfc-fold asyncfc-fold-of-{self._key}{'' if self.over else ' asyncfc-fold-live'}"
        html = (
            f'<details class="{names}"><summary style="cursor:pointer">{head}</summary>'
            f'<pre style="{_PRE}">{spans}</pre></details>'
        )
        return Bundle({"text/html": html, "text/plain": text})

    def _error_text(self) -> str:
        if self._error is None:
            return ""
        if self._rendered is None:
            self._rendered = as_screen(self._traceback(self._error))
        return self._rendered


class Folds:
    """The folds of a run's calls.

    Args:
        stack: Where they are shown; a terminal has none.
        traceback: Shows an exception as lines of text.
        run: The run's name in the notebook.
        number: Which of a cell's runs this is, where several follow one another.
    """

    def __init__(
        self, stack: OutputStack | None, traceback: Callable[[BaseException], str], *, run: str, number: int = 0
    ) -> None:
        self._stack, self._traceback, self._run, self._number = stack, traceback, run, number
        self._folds: dict[FutureName, Fold] = {}
        #: How many displays of each call have a place.
        self._placed: dict[str, int] = {}

    def __call__(self, name: FutureName, tool: str) -> Fold:
        """Return a fold for a call that starts."""
        fold = self._folds[name] = Fold(name, tool, run=self._run, changed=self._changed, traceback=self._traceback)
        return fold

    def end(self, name: FutureName, *, closes: bool = False) -> Bundle | None:
        """Take note that a call is over, and return what it has put out, if anything.

        Args:
            name: The future's name.
            closes: What its function still prints goes where it would go without a fold.
        """
        fold = self._folds.get(name)
        if fold is None:
            return None
        fold.end(closes=closes)
        return fold.heading() if closes else None

    def _changed(self, fold: Fold) -> None:
        if self._stack is None:
            return
        place = (self._number, int(fold.name[1:]))
        self._stack.show((*place, 0), fold.heading)
        shown = list(fold.displays)
        for at in range(max(len(shown), self._placed.get(fold.name, 0))):
            self._stack.show((*place, at + 1), partial(_display_at, fold, at))
        self._placed[fold.name] = len(shown)


def _display_at(fold: Fold, at: int) -> Bundle | None:
    shown = list(fold.displays)
    return shown[at].bundle if at < len(shown) else None


def _span(text: str, stream: Stream | None) -> str:
    style = {"stdout": "", "stderr": _RED, None: _QUIET}[stream]
    return f'<span style="{style}">{escape(text)}</span>' if style else escape(text)
