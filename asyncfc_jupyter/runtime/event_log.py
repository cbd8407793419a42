"""The log of a run: stamps each event with its number and its time, and passes it to the observers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from asyncfc_jupyter.core.events import Event, Stamped
from asyncfc_jupyter.foreign_code import ForeignCode, plain_text, traceback_of, type_name
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.runtime.event_mask import EventMask

#: Returns seconds from a fixed moment; a loop's own ``time`` in practice, a virtual one in tests.
Clock = Callable[[], float]
Observer = Callable[[Stamped], None]

#: Seconds by which a clock that keeps real time may differ from the machine's: clocks of some systems tick every 16 ms.
_ALIKE_S = 0.05
_logger = logging.getLogger("asyncfc_jupyter")


def mask_record(record: logging.LogRecord) -> bool:
    """Mask keys in a message of the Python log: the exception of an observer may quote an event."""
    record.msg, record.args = mask(record.getMessage()), ()
    if record.exc_info:
        record.exc_text, record.exc_info = mask(logging.Formatter().formatException(record.exc_info)), None
    return True


_logger.addFilter(mask_record)


class EventLog:
    """The events of one run, in order.

    An observer that raises is dropped and named in the Python log; the run and the other observers continue. Observers may hold
    much, such as the output of a cell, so what outlives the run keeps the log `without_observers`.
    """

    def __init__(self, clock: Clock, observers: Sequence[Observer] = ()) -> None:
        self.events: list[Stamped] = []
        self._clock = clock
        self._zero, self._real_zero = clock(), time.perf_counter()
        self._observers = list(observers)
        self._mask = EventMask()

    def without_observers(self) -> EventLog:
        """Return a log of the same events, these and later ones, that passes none on."""
        log = EventLog(self._clock)
        log.events, log._zero, log._real_zero = self.events, self._zero, self._real_zero
        return log

    def now_s(self) -> float:
        """Return the seconds since the log began."""
        return self._clock() - self._zero

    @property
    def keeps_real_time(self) -> bool:
        """Whether its clock has run as the machine's did: in virtual time, measured seconds are not seconds of the log."""
        return abs(self.now_s() - (time.perf_counter() - self._real_zero)) < _ALIKE_S

    def record(self, event: Event) -> None:
        """Append an event, with keys masked, and pass it to the observers."""
        for each in self._mask.take(event):
            stamped = Stamped(seq=len(self.events), at_s=self.now_s(), event=each)
            self.events.append(stamped)
            if self._observers:
                self._notify(stamped)

    def _notify(self, stamped: Stamped) -> None:
        for observer in tuple(self._observers):
            with ForeignCode() as ran:
                observer(stamped)
            if ran.error is not None:
                self._observers = [each for each in self._observers if each is not observer]
                dropped("observer", observer, ran.error)


def dropped(kind: str, part: object, error: BaseException) -> None:
    """Log that a part that the user gave raised, and is dropped from this run."""
    named = type_name(part)
    with ForeignCode():
        named = plain_text(repr(part))
    message = "%s %s raised and is dropped from this run"
    with ForeignCode() as ran:  # the log writes the exception's text
        _logger.error(message, kind, named, exc_info=(type(error), error, traceback_of(error)))
    if ran.error is not None:
        with ForeignCode():  # the log has handlers of the user
            _logger.error(f"{message}: %s", kind, named, type_name(error))
