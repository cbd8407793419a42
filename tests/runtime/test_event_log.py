"""The log of a run and its observers."""

import logging

from asyncfc_jupyter.core.events import (
    CallCancelled,
)
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.runtime.event_log import EventLog


def test_a_log_stamps_each_event_and_drops_an_observer_that_raises(caplog) -> None:
    now, heard = [100.0], []

    def rude(stamped):
        heard.append(("rude", stamped.seq))
        raise ValueError("no")

    log = EventLog(lambda: now[0], [rude, lambda stamped: heard.append(("kind", stamped.seq))])
    event = CallCancelled(future=FutureName("f1"))
    with caplog.at_level(logging.ERROR, logger="asyncfc_jupyter"):
        for now[0] in (100.0, 102.5):
            log.record(event)
            assert log.events[-1].event is event
    assert [(stamped.seq, stamped.at_s, stamped.event) for stamped in log.events] == [(0, 0.0, event), (1, 2.5, event)]
    assert heard == [("rude", 0), ("kind", 0), ("kind", 1)]
    assert [record.getMessage() for record in caplog.records] == [
        f"observer {rude!r} raised and is dropped from this run"
    ]
    assert log.now_s() == 2.5
