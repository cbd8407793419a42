"""The log of a run: stamps each event with its number and its time, and passes it to the observers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from asyncfc_jupyter.core.events import Event, Stamped

#: Returns seconds from a fixed moment; a loop's own ``time`` in practice, a virtual one in tests.
Clock = Callable[[], float]
Observer = Callable[[Stamped], None]

_logger = logging.getLogger("asyncfc_jupyter")


class EventLog:
    """The events of one run, in order.

    An observer that raises is dropped and named in the Python log; the run and the other observers continue.
    """

    def __init__(self, clock: Clock, observers: Sequence[Observer] = ()) -> None:
        self.events: list[Stamped] = []
        self._clock = clock
        self._zero = clock()
        self._observers = list(observers)

    def now_s(self) -> float:
        """Return the seconds since the log began."""
        return self._clock() - self._zero

    def record(self, event: Event) -> Stamped:
        """Append an event and pass it to the observers."""
        stamped = Stamped(seq=len(self.events), at_s=self.now_s(), event=event)
        self.events.append(stamped)
        for observer in tuple(self._observers):
            try:
                observer(stamped)
            except Exception:
                self._observers.remove(observer)
                _logger.exception("observer %r raised and is dropped from this run", observer)
        return stamped
