"""Every kind that can be drawn has a look, and looks that appear side by side differ."""

from __future__ import annotations

import json
import re
from typing import get_args

from asyncfc_jupyter.core.waits import WAITS, WaitKind
from asyncfc_jupyter.trace.fold.decode_lane import DecodeKind
from asyncfc_jupyter.trace.fold.future_rows import SegmentKind
from asyncfc_jupyter.trace.render.html import script, style
from asyncfc_jupyter.trace.view.legend import HATCHES, LOOKS, PALETTE, text_keys


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
    drawn = [(look.hatch, look.colour) for kind, look in LOOKS.items() if look.hatch and kind != "saved"]
    assert len(drawn) == len(set(drawn)) == len(WAITS) + 2, "a wait for shared state has three looks"
    assert len({LOOKS[kind].cell for kind in WAITS}) == len(WAITS)


def test_the_page_is_given_the_looks_and_the_colours() -> None:
    (looks,) = re.findall(r"^export const LOOKS = (.*);$", script(), re.MULTILINE)
    assert {kind: look["words"] for kind, look in json.loads(looks).items()} == {k: v.words for k, v in LOOKS.items()}
    assert "  --afc-failed: light-dark(#c03a12, #ff8a5c);\n" in style()
