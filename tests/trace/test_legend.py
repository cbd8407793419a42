"""Every kind that can be drawn has a look, and looks that appear side by side differ."""

from __future__ import annotations

import json
import re
from typing import Any, cast, get_args

import pytest

from asyncfc_jupyter.core.events import CallFinished, CallHeld, CallStarted, Stamped
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.waits import WAITS, Reason, Wait, WaitKind
from asyncfc_jupyter.trace.analysis.why import explain_wait
from asyncfc_jupyter.trace.fold.decode_lane import DecodeKind
from asyncfc_jupyter.trace.fold.future_rows import SegmentKind
from asyncfc_jupyter.trace.render.html import script, style
from asyncfc_jupyter.trace.render.timeline import Timeline
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.legend import HATCHES, LOOKS, PALETTE, Look, text_keys


def test_every_reason_to_wait_is_in_the_table() -> None:
    assert tuple(WAITS) == get_args(WaitKind)


def test_every_kind_of_segment_and_span_has_a_look() -> None:
    kinds = {*get_args(SegmentKind), *get_args(DecodeKind)}
    assert kinds <= LOOKS.keys()
    for kind in kinds:
        assert len(text_keys([kind])) == 1, kind


def test_the_colours_and_patterns_of_a_look_exist() -> None:
    for kind, look in LOOKS.items():
        assert look.colour in PALETTE or kind == "hazard", kind
        assert not look.hatch or look.hatch in HATCHES, kind


def test_each_reason_to_wait_looks_different() -> None:
    drawn = [
        (look.hatch, look.colour) for kind, look in LOOKS.items() if look.hatch and kind not in {"saved", "abandoned"}
    ]
    assert len(drawn) == len(set(drawn)) == len(WAITS) + 2, "a wait for shared state has three looks"
    assert LOOKS["abandoned"].hatch not in {hatch for hatch, _ in drawn}, "its colour is that of text"
    assert len({LOOKS[kind].cell for kind in WAITS}) == len(WAITS)


def test_the_page_is_given_the_looks_and_the_colours() -> None:
    (looks,) = re.findall(r"^export const LOOKS = (.*);$", script(), re.MULTILINE)
    assert {kind: look["words"] for kind, look in json.loads(looks).items()} == {k: v.words for k, v in LOOKS.items()}
    assert "  --afc-failed: light-dark(#c03a12, #ff8a5c);\n" in style()


def test_a_new_reason_to_wait_needs_an_entry_in_each_of_two_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rendering then draws it and gives its sentence."""
    monkeypatch.setitem(cast("Any", WAITS), "rain", Reason(group="user", sentence=lambda wait: f"{wait.detail} ends"))
    look = Look(words="held: rain", colour="limit", hatch="crossed", cell="☂")
    monkeypatch.setitem(cast("Any", LOOKS), "rain", look)
    f1 = FutureName("f1")
    wait: Any = Wait(kind=cast("Any", "rain"), detail="once it")
    facts = (CallHeld(future=f1, wait=wait), CallStarted(future=f1), CallFinished(future=f1))
    trace = Trace(tuple(Stamped(seq=n, at_s=4.0 * n, event=event) for n, event in enumerate(facts)))
    svg, text = Timeline(trace).svg(), Timeline(trace).text()
    for part in ('<pattern id="rain"', 'fill="url(#rain)"', ">held: rain</text>", "once it ends"):
        assert part in svg
    for part in ("☂☂☂", "☂ held: rain", "4.0 s: once it ends"):
        assert part in text
    for part in ('"rain": {"words": "held: rain"', '["rain", "user"]'):
        assert part in script.__wrapped__()
    assert explain_wait(trace, f1) == "f1 () waited 4.0 s: once it ends"
