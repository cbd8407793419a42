"""The live timeline in a notebook, and the picture that stays when the notebook is saved.

Traffic is kept small: the view as a whole is synchronised once, when the run has ended; until then the front end gets
custom messages with what changed, at most one in `BATCH_S`. The server drops messages past a thousand a second, and a
synchronised list of two hundred futures would cost ten times the bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from asyncfc_jupyter.core.events import Stamped
from asyncfc_jupyter.trace.html import asset, script
from asyncfc_jupyter.trace.view import LiveTimeline, View

#: Seconds between two batches: twenty pictures a second look smooth, since the front end lets bars grow by itself.
BATCH_S = 0.05
#: Seconds after which a batch goes out although nothing happened. A front end that hears nothing for some seconds takes
#: the kernel to be blocked or gone, and stops the clock.
HEARTBEAT_S = 1.0


class TimelineWidget(anywidget.AnyWidget):
    """One timeline: of a run that goes on, fed with its events, or of a view that is complete.

    `apply` must be called on the running event loop, for the batches are sent from there. Without one, as in a plain
    script, nothing is sent until `flush` or `finish`.
    """

    _esm = script()
    _css = asset("timeline.css")
    view = traitlets.Dict().tag(sync=True)

    def __init__(self, view: View | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeline: LiveTimeline | None = LiveTimeline() if view is None else None
        self._clock = clock
        #: The clock's time at the run's start: with it the present can be told in seconds since the start.
        self._origin: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        super().__init__(view=self._timeline.snapshot() if self._timeline is not None else view)
        self.on_msg(self._answer)

    def apply(self, stamped: Stamped) -> None:
        """Take one event of the run, and show it with the next batch."""
        if self._timeline is None:
            return
        if self._origin is None:
            self._origin = self._clock() - stamped.at_s
        self._timeline.apply(stamped)
        self._schedule(BATCH_S)

    def flush(self) -> None:
        """Send what changed since the last batch, now."""
        if self._timeline is None:
            return
        self._cancel()
        self.send({"type": "bars", **self._timeline.changes(self._now_s())})
        if self._timeline.live:
            self._schedule(HEARTBEAT_S)

    def finish(self) -> None:
        """Send the whole view once more and stop: the run has ended. Calling it again changes nothing."""
        if self._timeline is None:
            return
        self._cancel()
        self._timeline.close()
        timeline, self._timeline = self._timeline, None
        self.view = dict(timeline.snapshot())

    def close(self) -> None:
        """Remove the widget from the notebook; no batch is sent any more."""
        self._cancel()
        self._timeline = None
        super().close()

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:  # noqa: FBT001
        """Return the state for the front end, with the view as of now: a page that is reloaded starts from it."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if "view" in state and self._timeline is not None:
            state["view"] = self._timeline.snapshot(self._now_s())
        return state

    def _answer(self, _widget: Any, content: Any, _buffers: Any) -> None:
        # A front end that opens in the middle of a run holds an old view. What it asks may be malformed.
        if self._timeline is not None and isinstance(content, dict) and content.get("type") == "hello":
            self.send({"type": "snapshot", "view": self._timeline.snapshot(self._now_s())})

    def _now_s(self) -> float | None:
        return None if self._origin is None else self._clock() - self._origin

    def _schedule(self, delay_s: float) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._timer is not None:
            if self._timer.when() <= loop.time() + delay_s:
                return
            self._timer.cancel()
        self._timer = loop.call_later(delay_s, self.flush)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
