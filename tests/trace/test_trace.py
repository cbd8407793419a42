"""A trace is saved and loaded without loss, and other files are refused with a clear error."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal, NewType, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncfc_jupyter.core.effects import Effects, Hazard
from asyncfc_jupyter.core.events import ArgumentsResolved, CallHeld, Event, Stamped
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.trace.trace import Trace, TraceFileError, event_types
from tests.trace.sample_traces import travel

texts = st.text(max_size=12)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values of an annotated type, so that a new field needs no new test."""
    while isinstance(kind, NewType):
        kind = kind.__supertype__
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=3).map(tuple)
    if type(None) in get_args(kind):
        return st.none() | values(next(option for option in get_args(kind) if option is not type(None)))
    if dataclasses.is_dataclass(kind):
        return st.builds(kind, **{name: values(hint) for name, hint in get_type_hints(kind).items()})
    plain = {str: texts, int: st.integers(0, 10**12), bool: st.booleans(), float: st.floats(0, 1e6)}
    return {**plain, Hazard: st.sampled_from(Hazard)}[kind]


def test_no_class_of_events_is_forgotten() -> None:
    assert {kind.__name__ for kind in Event.__subclasses__()} == set(event_types())


@pytest.mark.parametrize("kind", event_types().values(), ids=lambda kind: kind.__name__)
def test_every_class_of_events_is_read_back_unchanged(kind: type[Event]) -> None:
    @given(event=values(kind), at_s=st.floats(0, 1e6))
    def comes_back(event: Event, at_s: float) -> None:
        trace = Trace((Stamped(seq=0, at_s=at_s, event=event),))
        assert Trace.from_json(trace.to_json()) == trace

    comes_back()


def test_a_file_holds_one_event_a_line(tmp_path: Path) -> None:
    travel().save(tmp_path / "run.json")
    lines = (tmp_path / "run.json").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(travel()) + 2
    assert Trace.load(tmp_path / "run.json") == travel()


def test_half_a_surrogate_pair_survives_the_file(tmp_path: Path) -> None:
    wait = Wait(kind="limit", detail="\ud83d alone")
    event = CallHeld(future=FutureName("f1"), wait=wait)
    trace = Trace((Stamped(seq=0, at_s=0.0, event=event),))
    trace.save(tmp_path / "run.json")
    assert Trace.load(tmp_path / "run.json") == trace


def numbered(number: str, data: dict[str, Any] | None = None) -> str:
    """Return a trace with one event, at a time that is written so."""
    kind = "AwaitAnswered" if data is None else "CallProgressed"
    event = {"seq": 0, "at_s": "AT", "type": kind, "data": data or {"call": "c"}}
    return json.dumps({"format": "asyncfc-trace", "version": 1, "events": [event]}).replace('"AT"', number)


GOOD = {"seq": 0, "at_s": 0.0, "type": "AwaitAnswered", "data": {"call": "c1"}}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("not json", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('{"cells": []}', 'it lacks "format": "asyncfc-trace"'),
        ({"version": 99, "events": []}, "it has version 99, this reads version 1; update asyncfc-jupyter"),
        ({"version": 1, "events": {}}, '"events" is not a list'),
        (
            {"version": 1, "events": [7]},
            "event 0 is not a readable trace: an event has seq, at_s, type and data",
        ),
        ({"version": 1, "events": [{**GOOD, "type": "Later"}]}, "the class of events 'Later' is unknown; update"),
        ({"version": 1, "events": [GOOD, {**GOOD, "data": {}}]}, "event 1.AwaitAnswered.call is not a readable trace"),
        (
            {"version": 1, "events": [{**GOOD, "data": {"call": 3}}]},
            "call is not a readable trace: it should be a valid string, and is 3; pass",
        ),
        (
            {"version": 1, "events": [{**GOOD, "data": {"call": "c", "new": 1}}]},
            "new is not a readable trace: this field",
        ),
        (
            {"version": 1, "events": [{**GOOD, "seq": True}]},
            "seq is not a readable trace: it should be a valid integer",
        ),
        (
            numbered("-1"),
            "event 0.at_s is not a readable trace: it should be a number from 0 to 1,000,000,000,000, and is -1.0",
        ),
        (
            numbered("1e308"),
            "event 0.at_s is not a readable trace: it should be a number from 0 to 1,000,000,000,000, and is 1e+308",
        ),
        (numbered("NaN"), "and is nan"),
        (numbered("1e999"), "and is inf"),
        (numbered("1" + "0" * 400), "event 0.at_s is not a readable trace: it should be"),
        (
            numbered("0", data={"future": "f1", "fraction": 1e300, "text": ""}),
            "CallProgressed.fraction is not a readable trace",
        ),
        ({"version": 1, "events": [{**GOOD, "seq": 10**400}]}, "event 0.seq is not a readable trace: it should be"),
        ({"version": 1, "events": [{**GOOD, "data": []}]}, "it should be a dictionary or an instance of AwaitAnswered"),
    ],
)
def test_a_foreign_or_damaged_file_is_refused_by_name_place_and_remedy(
    tmp_path: Path, document: str | dict[str, Any], problem: str
) -> None:
    text = document if isinstance(document, str) else json.dumps({"format": "asyncfc-trace", **document})
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(TraceFileError) as caught:
        Trace.load(tmp_path / "x.json")
    assert isinstance(caught.value, UsageError)
    assert str(tmp_path / "x.json") in str(caught.value)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceFileError, match="it is not text"):
        Trace.load(tmp_path / "x.json")


def test_effects_keep_the_root_path_apart_from_none() -> None:
    effects = Effects(reads=((),), writes=((), ("orders", "42")), declared=False)
    trace = Trace((Stamped(seq=0, at_s=0.0, event=ArgumentsResolved(future=FutureName("f1"), effects=effects)),))
    assert Trace.from_json(trace.to_json()) == trace


def test_the_repr_of_a_trace_is_one_short_line() -> None:
    assert repr(Trace(())) == "<Trace of 0 events in 0.0 s>"
    assert "\n" not in repr(travel())
