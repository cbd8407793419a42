"""One tool call and its future: what it knows of itself, and what it keeps."""

from asyncfc_jupyter.core.futures import State
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import PAY, call_of, pay


def test_a_future_knows_its_place_and_whether_it_is_detached() -> None:
    assert [call_of(number).order for number in (1, 12)] == [1, 12]
    assert call_of().detached is False
    assert call_of(function=PAY).detached is False
    assert call_of(function=make_tool(pay, detached=True)).detached is True


def test_a_future_knows_how_long_it_has_been_running() -> None:
    now = [100.0]
    call = call_of(log=EventLog(lambda: now[0]))
    assert call.elapsed_s is None
    call.started_s = 2.0
    now[0] = 105.0
    assert call.elapsed_s == 3.0


def test_a_settled_future_drops_the_data_that_only_a_call_needs() -> None:
    class Opened:
        closed = 0
        errors = ()

        def close(self):
            self.closed += 1

        def raised(self, error):
            self.errors = (*self.errors, error)

    context, printed = Opened(), Opened()
    call = call_of(share_key=(PAY, True, "[]"), context=context, prints=printed, bound=object(), attempt=object())
    error = ValueError("no")
    call.settle(State.FAILED, error="ValueError: no", exception=error)
    assert (context.closed, printed.closed, printed.errors) == (1, 1, (error,))
    assert (call.bound, call.attempt, call.prints, call.share_key) == (None, None, None, None)
    assert (call.status, call.error, call.exception) == ("failed", "ValueError: no", error)
    other = call_of()
    other.settle(State.DONE, value=7)
    assert (other.status, other.value) == ("done", 7)
