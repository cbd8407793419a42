"""Outputs of one cell in an order of their own, shown again as they change.

Theory of operation
-------------------
A front end appends outputs and can replace one by its display id; it cannot put one between two others. So an output here is a
slot, and what comes in the middle is shown by moving the content of every slot below one further down. Nothing is reserved for
what may never come, and what is saved is plain outputs in order.

Updates go out from a thread of their own, in the context of the cell and under its header, so that they find it whoever asks
for them, and go on while a function blocks the event loop. Older ipykernels send whatever is displayed under the header of the
cell that runs just then, which is another one once the run goes on in the background. Nobody reads faster than `UPDATES_PER_S`,
each update is a message that the server counts, and a long text costs time to render, which the tools need too: therefore the
pauses.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from IPython.core.getipython import get_ipython
from IPython.display import publish_display_data

#: Reading goes no faster.
UPDATES_PER_S = 10
#: A server drops messages past a thousand a second, of all that a kernel sends.
_MESSAGES_PER_S = 100
#: At most this share of the time goes into rendering.
_RENDERING_SHARE = 0.05

#: Where an output stands among the others.
Place = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a front end is given: a representation by MIME type, and what it should know of each."""

    data: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)


#: An output of no height.
NOTHING = Bundle({"text/html": "", "text/plain": ""})
#: Makes what is to be shown now; None takes the output away.
Render = Callable[[], Bundle | None]


@dataclass(slots=True)
class _Slot:
    display_id: str
    shown: Bundle


class OutputStack:
    """The outputs of a cell below the one it begins with. Made in the cell's own context; used from any thread."""

    def __init__(self) -> None:
        self._context = contextvars.copy_context()
        self._publisher: Any = getattr(get_ipython(), "display_pub", None)
        self._header = getattr(self._publisher, "parent_header", None)
        #: Guards what is to be shown; `_sending` is held while it is shown, and may be held long.
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._changed: dict[Place, Render] = {}
        self._bundles: dict[Place, Bundle] = {}
        self._slots: list[_Slot] = []
        self._due = False
        self._next_s = 0.0

    def show(self, place: Place, render: Render) -> None:
        """Show an output, or show it again, when the next update is due; what it shows is asked for then."""
        with self._lock:
            self._changed[place] = render
            if self._due:
                return
            self._due = True
            timer = threading.Timer(max(0.0, self._next_s - time.monotonic()), self._in_cell, [self.flush])
        timer.name, timer.daemon = "asyncfc outputs", True
        timer.start()

    def flush(self) -> None:
        """Show now whatever has changed."""
        with self._sending:
            began_s = time.monotonic()
            with self._lock:
                changed, self._changed = self._changed, {}
                self._due = False
            for place, render in changed.items():
                self._take(place, render())
            with self._under_the_cell():
                sent = self._send()
            spent_s = time.monotonic() - began_s
            pause_s = max(1 / UPDATES_PER_S, sent / _MESSAGES_PER_S, spent_s / _RENDERING_SHARE)
            self._next_s = time.monotonic() + pause_s

    def reserve(self, place: Place) -> None:
        """Take a slot now, with nothing in it: the cell may end before there is something."""
        self.show(place, lambda: NOTHING)
        self._in_cell(self.flush)

    def _in_cell(self, work: Callable[[], None]) -> None:
        self._context.copy().run(work)

    @contextmanager
    def _under_the_cell(self) -> Iterator[None]:
        """Send what this thread displays under the header of the cell, whichever cell runs now."""
        if self._header is None or not hasattr(self._publisher, "register_hook"):
            yield
            return

        def moved(message: dict[str, Any]) -> dict[str, Any]:
            return message | {"parent_header": self._header}

        self._publisher.register_hook(moved)
        try:
            yield
        finally:
            self._publisher.unregister_hook(moved)

    def _take(self, place: Place, bundle: Bundle | None) -> None:
        if bundle is None:
            self._bundles.pop(place, None)
        elif self._bundles.get(place) != bundle:
            self._bundles[place] = bundle

    def _send(self) -> int:
        """Bring the slots up to date; return how many messages that took."""
        wanted = [self._bundles[place] for place in sorted(self._bundles)]
        wanted += [NOTHING] * (len(self._slots) - len(wanted))
        old = len(self._slots)
        for bundle in wanted[old:]:
            self._slots.append(_Slot(uuid4().hex, bundle))
            publish(bundle, self._slots[-1].display_id, update=False)
        # From the bottom up: a text that moves down is there twice for a moment, and never gone, so that a page that is
        # scrolled to it does not lose its place.
        changed = [(slot, bundle) for slot, bundle in zip(self._slots, wanted, strict=True) if slot.shown is not bundle]
        for slot, bundle in reversed(changed):
            slot.shown = bundle
            publish(bundle, slot.display_id, update=True)
        return len(wanted) - old + len(changed)


def publish(bundle: Bundle, display_id: str, *, update: bool) -> None:
    """Send an output, or what is to stand in its place from now on; of one that cannot be sent its text, and why."""
    send = partial(publish_display_data, transient={"display_id": display_id}, update=update)
    try:
        send(bundle.data, bundle.metadata)
    except Exception as error:  # noqa: BLE001 - it is the user's own, and must not take the other outputs with it
        why = f"[this output cannot be sent to the notebook: {type(error).__name__}: {error}]"
        text = "\n".join(filter(None, [str(bundle.data.get("text/plain", "")), why]))
        send({"text/plain": text.encode("utf-8", "replace").decode("utf-8")})
