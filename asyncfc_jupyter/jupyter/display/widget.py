"""The live timeline in a notebook.

Traffic is kept small: the whole view is synchronised once, when the run has ended. Until then the front end gets custom
messages with the changes, at most one in `BATCH_S`. The server drops messages above a thousand in a second, and a synchronised
list of two hundred futures would cost ten times the bytes.

ipywidgets keeps every widget of the process until it is closed. A page closes a timeline that it has taken over. Where there is
no page (papermill, nbconvert, a console) nothing would ever be closed, so only the latest finished timelines stay open.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import uuid4

import anywidget
import traitlets

from asyncfc_jupyter.core.events import Stamped
from asyncfc_jupyter.trace.render.html import script, style
from asyncfc_jupyter.trace.view.view import LiveTimeline
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, View

#: Seconds between two batches: twenty in a second look smooth, since the front end animates running bars itself.
BATCH_S = 0.05
#: Seconds after which a batch is sent without changes. A front end that gets no message for some seconds assumes that the
#: kernel is blocked or gone, and stops the clock.
HEARTBEAT_S = 1.0
#: Finished timelines that wait for a page: more than are shown while a page loads, and about a megabyte. A page that comes
#: later shows the picture.
MOST_FINISHED = 20

#: Takes the action of a button and its future: ``approve``, ``decline`` and ``cancel`` have one, ``cancel-run`` has None.
OnAction = Callable[[str, str | None], None]
_ON_A_FUTURE = frozenset({"approve", "decline", "cancel"})


class TimelineWidget(anywidget.AnyWidget):
    """One timeline: of a run, fed with its events, or of a complete view.

    `apply` must be called on the running event loop, which sends the batches. Without a loop, as in a plain script, nothing is
    sent until `flush` or `finish`.

    Args:
        view: The view of a run that has ended, or of several; None for a run that begins.
        on_action: Called with the action of a button and its future, on the loop that `apply` was last called on, whichever
            thread received the front end's message.
        clock: Returns the current time in seconds.
    """

    _esm = script()
    _css = style()
    view = traitlets.Dict().tag(sync=True)
    #: Whether there are buttons: only if `on_action` is given.
    acts = traitlets.Bool(default_value=False).tag(sync=True)
    #: The name of the picture of this timeline. The page moves the timeline to where that picture is published.
    place = traitlets.Unicode("").tag(sync=True)
    #: Those that wait for a page, the oldest first.
    _finished: ClassVar[deque[TimelineWidget]] = deque()

    def __init__(
        self,
        view: View | ComparisonView | None = None,
        *,
        on_action: OnAction | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeline: LiveTimeline | None = LiveTimeline() if view is None else None
        self._clock, self._on_action = clock, on_action
        self._loop: asyncio.AbstractEventLoop | None = None
        #: The clock's time at the run's start.
        self._origin: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        shown = self._timeline.snapshot() if self._timeline is not None else view
        super().__init__(view=shown, acts=on_action is not None, place=uuid4().hex)
        self.on_msg(self._receive)
        if self._timeline is None:
            self._wait_for_page()

    def apply(self, stamped: Stamped) -> None:
        """Take an event of the run, and show it with the next batch."""
        if self._timeline is None:
            return
        if self._origin is None:
            self._origin = self._clock() - stamped.at_s
        self._timeline.apply(stamped)
        self._schedule(BATCH_S)

    def flush(self) -> None:
        """Send the changes since the last batch now."""
        if self._timeline is None:
            return
        self._cancel_timer()
        self.send({"type": "bars", **self._timeline.changes(self._now_s())})
        if self._timeline.live:
            self._schedule(HEARTBEAT_S)

    def restart(self, on_action: OnAction | None = None) -> None:
        """Show another run in the same output; its actions go to ``on_action``."""
        self._cancel_timer()
        self._timeline, self._origin, self._on_action = LiveTimeline(), None, on_action
        self.view = dict(self._timeline.snapshot())

    def finish(self, view: View | ComparisonView | None = None) -> None:
        """Send the whole view and stop: the run has ended. A second call changes nothing.

        Args:
            view: The view to show from now on, if not that of the run.
        """
        if self._timeline is None:
            return
        self._cancel_timer()
        self._timeline.close()
        timeline, self._timeline = self._timeline, None
        self.view = dict(timeline.snapshot() if view is None else view)
        self._wait_for_page()

    def _wait_for_page(self) -> None:
        # Its buttons act on the run no more, and must not keep it in memory.
        self._on_action = self._loop = None
        self._finished.append(self)
        while len(self._finished) > MOST_FINISHED:
            self._finished.popleft().close()

    def close(self) -> None:
        """Remove the widget from the notebook, and send no more batches."""
        self._cancel_timer()
        self._timeline = self._on_action = self._loop = None
        if self in self._finished:
            self._finished.remove(self)
        self.layout.close()
        super().close()

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:  # noqa: FBT001
        """Return the state for the front end with the current view: a page that is reloaded starts from it."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if "view" in state and self._timeline is not None:
            state["view"] = self._timeline.snapshot(self._now_s())
        return state

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        # A front end's message may be malformed.
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "hello" and self._timeline is not None:
            # A page that opens during a run has an old view.
            self.send({"type": "snapshot", "view": self._timeline.snapshot(self._now_s())})
        elif kind == "gone" and self._timeline is None:
            # The timeline in the page needs no kernel any more.
            self.close()
        elif kind == "cancel-run":
            self._act(kind, None)
        elif isinstance(kind, str) and kind in _ON_A_FUTURE and isinstance(content.get("future"), str):
            self._act(kind, content["future"])

    def _act(self, kind: str, future: str | None) -> None:
        # A message may arrive in a thread of its own; its action belongs on the loop of the run.
        if self._on_action is None or self._timeline is None or self._loop is None or self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._on_action, kind, future)

    def _now_s(self) -> float | None:
        return None if self._origin is None else self._clock() - self._origin

    def _schedule(self, delay_s: float) -> None:
        try:
            loop = self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._timer is not None:
            if self._timer.when() <= loop.time() + delay_s:
                return
            self._timer.cancel()
        self._timer = loop.call_later(delay_s, self.flush)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
