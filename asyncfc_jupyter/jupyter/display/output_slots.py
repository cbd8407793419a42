"""The outputs of one cell, sorted by position and updated when they change.

Theory of operation
-------------------
A front end appends outputs and can replace one by its display id; it cannot insert one between two others. So an output here
is a slot. To insert an output, the content of every slot below moves one slot down. No slot is reserved for output that may
never come, and the saved notebook has plain outputs in order.

Updates are sent in a thread of their own, in the context of the cell and under its header. So they reach the cell from any
thread, also while a function blocks the event loop. Older ipykernels send displays under the header of the cell that runs at
that moment, which is another one for a run in the background. There are pauses between updates: users cannot read faster than
`UPDATES_PER_S`, the server counts each update as a message, and rendering a long text takes time that the tools need, too.
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

from asyncfc_jupyter.foreign_code import ForeignCode, plain_text, text_of
from asyncfc_jupyter.masking import mask, masked

#: Updates in a second, at most.
UPDATES_PER_S = 10
#: A tenth of what a server accepts: it drops a kernel's messages above a thousand in a second.
_MESSAGES_PER_S = 100
#: At most this share of the time is spent on rendering.
_RENDERING_SHARE = 0.05

#: The position of an output among the others, by which they are sorted.
Position = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """An output for a front end: its representations by MIME type, with metadata for each."""

    data: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)

    def masked(self) -> Bundle:
        """Return this with keys masked."""
        return Bundle(masked(self.data), masked(self.metadata))


#: An output of no height.
NOTHING = Bundle({"text/html": "", "text/plain": ""})
#: Returns the current content of an output; None removes the output.
Render = Callable[[], Bundle | None]


@dataclass(slots=True)
class _Slot:
    display_id: str
    shown: Bundle


class OutputStack:
    """The outputs of a cell after its first one. Created in the cell's own context; used in any thread."""

    def __init__(self) -> None:
        self._context = contextvars.copy_context()
        #: That of the cell, also when another cell has set one for itself.
        self.publisher: Any = getattr(get_ipython(), "display_pub", None)
        self._header = getattr(self.publisher, "parent_header", None)
        #: `_lock` protects the attributes. `_sending` is held, perhaps for long, while updates are sent.
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._changed: dict[Position, Render] = {}
        self._bundles: dict[Position, Bundle] = {}
        self._slots: list[_Slot] = []
        self._due = False
        self._next_s = 0.0

    def show(self, position: Position, render: Render) -> None:
        """Show an output, or update it, with the next update; its content is rendered then."""
        with self._lock:
            self._changed[position] = render
            if self._due:
                return
            self._due = True
            pause_s = max(0.0, self._next_s - time.monotonic())
        # No `threading.Timer`: ipykernel remembers threads for a while, and a timer remembers its function.
        threading.Thread(target=self._in_cell, args=(self.flush, pause_s), name="asyncfc outputs", daemon=True).start()

    def flush(self) -> None:
        """Send all changes now."""
        with self._sending:
            began_s = time.monotonic()
            with self._lock:
                changed, self._changed = self._changed, {}
                self._due = False
            for position, render in changed.items():
                bundle = render()
                if bundle is None:
                    self._bundles.pop(position, None)
                elif self._bundles.get(position) != bundle:
                    self._bundles[position] = bundle
            with self._under_the_cell():
                sent = self._send()
            spent_s = time.monotonic() - began_s
            pause_s = max(1 / UPDATES_PER_S, sent / _MESSAGES_PER_S, spent_s / _RENDERING_SHARE)
            self._next_s = time.monotonic() + pause_s

    def reserve(self, position: Position) -> None:
        """Create an empty slot now: the cell may end before the output has content."""
        self.show(position, lambda: NOTHING)
        self._in_cell(self.flush)

    def _in_cell(self, work: Callable[[], None], pause_s: float = 0.0) -> None:
        if pause_s:  # in a thread of its own: the event loop must not sleep, not even for no time
            time.sleep(pause_s)
        self._context.copy().run(work)

    @contextmanager
    def _under_the_cell(self) -> Iterator[None]:
        """Send the displays of this thread under the header of the cell, even if another cell runs now."""
        if self._header is None or not hasattr(self.publisher, "register_hook"):
            yield
            return

        def moved(message: dict[str, Any]) -> dict[str, Any]:
            return message | {"parent_header": self._header}

        self.publisher.register_hook(moved)
        try:
            yield
        finally:
            self.publisher.unregister_hook(moved)

    def _send(self) -> int:
        """Update the slots, and return the number of messages sent."""
        wanted = [self._bundles[position] for position in sorted(self._bundles)]
        wanted += [NOTHING] * (len(self._slots) - len(wanted))
        old = len(self._slots)
        for bundle in wanted[old:]:
            self._slots.append(_Slot(uuid4().hex, bundle))
            publish(bundle, self._slots[-1].display_id, update=False, publisher=self.publisher)
        # From the bottom up: a text that moves down is then shown twice for a moment. If it were gone for a moment, a page that
        # is scrolled to it would jump.
        changed = [(slot, bundle) for slot, bundle in zip(self._slots, wanted, strict=True) if slot.shown is not bundle]
        for slot, bundle in reversed(changed):
            slot.shown = bundle
            publish(bundle, slot.display_id, update=True, publisher=self.publisher)
        return len(wanted) - old + len(changed)


def publish(bundle: Bundle, display_id: str, *, update: bool, publisher: Any = None) -> None:
    """Send an output, or an update of it, with keys masked. If it cannot be sent, send its text with the reason.

    Args:
        bundle: The output.
        display_id: Its id.
        update: Whether it replaces the output of that id.
        publisher: Sends it; by default that of the shell, which the cell that runs now may have replaced.
    """
    send = partial(
        publish_display_data if publisher is None else publisher.publish,
        transient={"display_id": display_id},
        update=update,
    )
    with ForeignCode() as ran:  # an output of the user's must not prevent the other outputs
        shown = bundle.masked()
        send(shown.data, shown.metadata)
    if ran.error is None:
        return
    why, text = f"[this output cannot be sent to the notebook: {ran.raised}: {text_of(ran.error)}]", ""
    with ForeignCode():
        text = plain_text(str(bundle.data.get("text/plain", "")))
    text = mask("\n".join(filter(None, [text, why])))
    send({"text/plain": text.encode("utf-8", "replace").decode("utf-8")})
