"""A run says when its tools compute in threads and wait for each other, with numbers, and only then."""

import pytest

from asyncfc_jupyter.agent.computing import computing_notes
from asyncfc_jupyter.core.events import CallFinished, CallIssued, CallMeasured, CallStarted, Stamped
from asyncfc_jupyter.core.futures import CallId, FutureName


def log_of(calls=8, *, cpu_s=1.0, waited_s=7.0, took_s=8.0, in_thread=True, tool="prime"):
    """Return the log of some calls that began together."""
    facts = []
    for number in range(1, calls + 1):
        name = FutureName(f"f{number}")
        facts += [
            (0.0, CallIssued(future=name, call=CallId("c"), turn=1, tool=tool, arguments="{}")),
            (0.0, CallStarted(future=name)),
            (took_s / 2, CallMeasured(future=name, cpu_s=cpu_s / 2, waited_s=waited_s / 2, in_thread=in_thread)),
            (took_s, CallMeasured(future=name, cpu_s=cpu_s, waited_s=waited_s, in_thread=in_thread)),
            (took_s, CallFinished(future=name)),
        ]
    return [
        Stamped(seq=seq, at_s=at_s, event=event) for seq, (at_s, event) in enumerate(sorted(facts, key=lambda f: f[0]))
    ]


@pytest.fixture(autouse=True)
def cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)


def test_calls_that_compute_in_threads_are_named_with_a_way_out() -> None:
    (note,) = computing_notes(log_of())
    assert note == (
        "8 calls of prime computed for 8.0 s in threads and waited 56.0 s for other calls, since Python's lock lets one "
        'compute at a time: run_in="process" would use 4 cores, and limit=1 would return the first result sooner'
    )


def test_on_a_machine_with_one_core_processes_are_not_advised(monkeypatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    (note,) = computing_notes(log_of())
    assert note.endswith("at a time: limit=1 would return the first result sooner")


@pytest.mark.parametrize(
    "calls",
    [
        log_of(in_thread=False),
        log_of(waited_s=0.1),
        log_of(1, waited_s=0.0, took_s=1.0),
        log_of(cpu_s=0.1, waited_s=0.7, took_s=0.8),
        log_of(cpu_s=2.0, waited_s=6.0, took_s=4.0),
        [],
    ],
    ids=["in processes", "waited little", "alone", "soon over", "on several cores", "no calls"],
)
def test_nothing_is_said_where_it_would_not_be_true(calls) -> None:
    assert list(computing_notes(calls)) == []


def test_a_call_of_an_earlier_run_that_ends_in_this_one_is_left_out() -> None:
    late = [stamped for stamped in log_of() if isinstance(stamped.event, CallMeasured | CallFinished)]
    assert list(computing_notes(late)) == []
