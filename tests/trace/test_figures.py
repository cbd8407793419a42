"""Tables of widths, ticks, places of labels, durations and cleaned texts, and the results exactly at a limit."""

from __future__ import annotations

import itertools
import math

import pytest

from asyncfc_jupyter.trace.render.layout import (
    Scale,
    fit,
    kind_of,
    lay_out_figures,
    lay_out_legend,
    pack,
    place_label,
    text_width,
    ticks,
    wrap,
)
from asyncfc_jupyter.trace.render.svg.shapes import describe_row, draw_key, draw_segment, ends_in_sign
from asyncfc_jupyter.trace.render.text import columns, cut, pad
from asyncfc_jupyter.trace.view.view import show_arguments, timeline_view, wait_reasons
from asyncfc_jupyter.trace.view.wire_format import Figure, RowView, SegmentView
from tests.suite.expected import Compare
from tests.trace.sample_traces import everything, fan_out

# -- widths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "em"),
    [
        *(("ijl.,:;'|!`", 11 * 0.32), (' frt()[]{}/\\-"*', 15 * 0.40), ("mwMWOQ%@—…→", 11 * 0.92)),
        *(("ABCDEFGHJKLNPRSTUVXYZ&+=<>#~$_", 30 * 0.70), ("aeI09", 5 * 0.61), ("é", 0.71), ("e\u0301", 0.61)),
        *(("航空", 2 * 1.05), ("Ａ", 1.05), ("", 0.0)),  # noqa: RUF001 - a wide letter is meant
    ],
)
def test_a_text_is_as_wide_as_its_letters(text: str, em: float) -> None:
    assert text_width(text, 10) == pytest.approx(10 * em)
    assert text_width(text, 20, bold=True) == pytest.approx(22 * em)


def test_a_text_that_fits_exactly_is_whole_and_a_little_less_cuts_it() -> None:
    exact = text_width("abcdef", 10)
    assert fit("abcdef", 10, exact) == "abcdef"
    assert fit("abcdef", 10, exact - 0.01) == "abcd…"
    bold = text_width("abcdef", 10, bold=True)
    assert fit("abcdef", 10, bold, bold=True) == "abcdef"
    assert fit("abcdef", 10, bold - 0.01, bold=True) == "abcd…"
    assert fit("abcdef", 10, exact, bold=True) == "abc…"
    assert fit("abc def", 10, text_width("abc …", 10) + 0.01) == "abc…"


def test_three_letters_and_an_ellipsis_are_the_least_that_is_shown() -> None:
    assert fit("abcdef", 10, text_width("abc…", 10) + 0.01) == "abc…"
    assert fit("abcdef", 10, text_width("abc…", 10) - 0.01) == ""


def test_a_title_is_broken_where_a_word_more_would_not_fit() -> None:
    exact = text_width("one two", 16, bold=True)
    assert wrap("one two three", 16, exact, 2) == ["one two", "three"]
    assert wrap("one two three", 16, exact - 0.01, 3) == ["one", "two", "three"]
    assert wrap("one two three", 16, exact, 1) == ["one t…"]
    assert wrap("", 16, exact, 2) == wrap("  ", 16, exact, 2) == []
    assert wrap("incomprehensibilities one", 16, exact, 2) == ["incom…", "one"]


def test_the_scale_stays_on_its_axis() -> None:
    scale = Scale(100.0, 300.0, 4.0)
    assert [scale(seconds) for seconds in (-1, 0, 1, 3.5, 4, 9)] == [100, 100, 150, 275, 300, 300]


def test_ticks_and_their_labels_are_as_expected(expected: Compare) -> None:
    """The axes are from a hundredth of a second to weeks long, with room for two to twelve ticks."""
    domains = [n * 10.0**power for power in range(-3, 6) for n in (0.5, 1, 1.5, 2, 3, 4.5, 7)] + [60, 59.9, 3600, 4000]
    lines = []
    for domain in sorted(domains):
        for most in (0, 2, 5, 12):
            found = ticks(domain, most)
            shown = [label for _, label in found]
            lines.append(
                f"{domain:g} {most}: {found[-1][0]:g}, {len(found)}: {' '.join(dict.fromkeys([*shown[:3], *shown[-2:]]))}"
            )
    expected("ticks.txt", "\n".join(lines))


@pytest.mark.parametrize(
    "step",
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200],
)
def test_a_step_that_gives_just_as_many_ticks_as_have_room_is_taken(step: float) -> None:
    assert ticks(step * 4, 4)[1][0] == step
    assert len(ticks(step * 4, 4)) == 5
    assert ticks(step * 4.04, 4)[1][0] > step


# -- places of labels ------------------------------------------------------------------------------------------------


def test_places_of_labels_are_as_expected(expected: Compare) -> None:
    """The bars have every width, at the left, in the middle and at the right, with and without a mark near them."""
    scale = Scale(100.0, 500.0, 10.0)
    choices = (("city → three flights", "three flights"), ("", "x" * 30), ("ok",), ("", ""), ())
    bars = ((100, 102), (120, 150), (150, 260), (110, 480), (300, 330), (420, 470), (490, 500))
    seens = (None, -4, 3, 5.9, 20, 90)
    lines = []
    for texts, (start, end), seen in itertools.product(choices, bars, seens):
        for keep_left, sign in ((False, False), (True, False), (False, True)):
            found = place_label(
                texts,
                12,
                (start, end),
                left=start - 15,
                scale=scale,
                seen=None if seen is None else end + seen,
                keep_left=keep_left,
                sign=sign,
            )
            shown = (
                f"{found.text!r} {found.x:.1f} {found.anchor} {'inside' if found.inside else ''}" if found else "none"
            )
            flags = f"{'keep_left ' if keep_left else ''}{'sign' if sign else ''}"
            lines.append(f"{'/'.join(texts)[:8]} {start}-{end} {seen} {flags}: {shown.rstrip()}")
    kept, last = [], ""
    for line in lines:
        # Neighbours that differ only in their question would hide the others.
        if line.partition(": ")[2] != last:
            kept.append(line)
        last = line.partition(": ")[2]
    expected("labels.txt", "\n".join(kept))


def test_a_label_that_fits_its_bar_exactly_stands_inside() -> None:
    scale, wide = Scale(0.0, 500.0, 10.0), text_width("aaaa", 10)

    def inside(end: float, **more: object) -> bool:
        found = place_label(("aaaa",), 10, (100.0, end), left=90.0, scale=scale, **{"seen": None, **more})  # type: ignore[arg-type]
        assert found is not None
        return found.inside

    assert inside(100 + wide + 16.001)
    assert not inside(100 + wide + 15.999)
    assert inside(100 + wide + 26.001, sign=True)
    assert not inside(100 + wide + 25.999, sign=True)
    assert inside(300.0, seen=100 + wide + 22.001)
    assert not inside(300.0, seen=100 + wide + 21.999)
    assert not inside(100 + wide + 16.001, seen=100 + wide + 16.001 + 5.9)
    assert inside(100 + wide + 16.001, seen=100 + wide + 16.001 + 6.1)


def test_a_label_beside_its_bar_goes_past_a_mark_in_its_way() -> None:
    scale, wide = Scale(0.0, 500.0, 10.0), text_width("aaaa", 10)

    def at(seen: float) -> float:
        found = place_label(("aaaa",), 10, (100.0, 110.0), left=90.0, scale=scale, seen=seen)
        assert found is not None
        assert (found.anchor, found.inside) == ("start", False)
        return found.x

    assert at(119 + wide + 8.01) == 119
    assert at(119 + wide + 7.99) == pytest.approx(119 + wide + 18.99)
    assert at(102.01) == 119, "a mark inside the bar is in nobody's way"
    assert at(109) == 120
    assert at(101.99) == 119


def test_a_label_is_cut_on_the_right_before_it_covers_others() -> None:
    text = "x" * 30

    def anchor(end: float, *, keep_left: bool) -> str:
        found = place_label(
            (text,), 12, (end - 5, end), left=end - 9, scale=Scale(0, 500, 1), seen=None, keep_left=keep_left
        )
        return found.anchor if found else ""

    assert anchor(500 - 9 - 110, keep_left=True) == "start"
    assert anchor(500 - 9 - 109, keep_left=True) == "end"
    assert anchor(500 - 9 - 110, keep_left=False) == "end"


# -- texts -----------------------------------------------------------------------------------------------------------


def test_arguments_that_are_not_a_json_object_stay_as_they_are() -> None:
    assert show_arguments('{"a": "é", "b": [1, null]}', 80) == 'a="é", b=[1, null]'
    assert show_arguments('{"a": 1}', 2) == "a…"
    assert show_arguments('"abc"', 4) == '"ab…'
    assert show_arguments("{}", 9) == ""
    assert show_arguments("{a\nb", 9) == "{a b"


def test_cells_of_a_terminal_are_counted_filled_and_cut() -> None:
    assert [columns(text) for text in ("", "ab", "é", "e\u0301", "a\u200db", "航", "Ａ")] == [0, 2, 1, 1, 2, 2, 2]  # noqa: RUF001
    assert (pad("ab", 4), pad("ab", 1), pad("航", 3)) == ("ab  ", "ab", "航 ")
    assert (cut("abcd", 4), cut("abcd", 3), cut("a cd", 3), cut("ab", 1), cut("ab", 0)) == (
        "abcd",
        "ab…",
        "a…",
        "…",
        "",
    )
    assert (cut("航空券", 6), cut("航空券", 5), cut("航空券", 4)) == ("航空券", "航空…", "航…")


# -- parts of the picture --------------------------------------------------------------------------------------------


def segment(kind: str, start: float = 0.0, end: float | None = 1.0, **more: str) -> SegmentView:
    return SegmentView(kind=kind, start=start, end=end, **more)  # type: ignore[typeddict-item]


def row(*segments: SegmentView) -> RowView:
    return RowView(
        future="f1",
        tool="t",
        arguments="a=1",
        state="done",
        segments=list(segments),
        label="ok",
        seen=None,
        critical=False,
        needs=[],
        after=[],
    )


def test_a_wait_for_shared_state_is_drawn_by_its_hazard() -> None:
    assert kind_of(segment("hazard", hazard="WAR")) == "hazard-WAR"
    assert kind_of(segment("hazard")) == "hazard-RAW"
    assert kind_of(segment("data", hazard="WAR")) == "data"


def test_figures_stand_side_by_side_where_there_is_room() -> None:
    four = [Figure(value="8.3 s", label="elapsed") for _ in range(4)]
    assert lay_out_figures(four, 519, narrow=True)[0] == [(20, 0), (259.5, 0), (20, 46), (259.5, 46)]
    assert lay_out_figures(four, 520, narrow=True)[0] == [(20, 0), (140, 0), (260, 0), (380, 0)]
    assert lay_out_figures(four[:3], 320, narrow=True) == ([(20, 0), (20 + 280 / 3, 0), (20 + 2 * (280 / 3), 0)], 280)
    assert lay_out_figures([], 320, narrow=True) == ([], 280)
    places, room = lay_out_figures(four[:2], 900, narrow=False)
    wide = max(text_width("8.3 s", 20, bold=True), text_width("elapsed", 11.5))
    assert places == [(pytest.approx(880 - 22 - wide), 37), (880, 37)]
    assert room == pytest.approx(880 - 2 * (22 + wide) - 20)
    assert lay_out_figures([], 900, narrow=False) == ([], 860)


def test_a_legend_is_broken_where_the_next_entry_would_leave_the_picture() -> None:
    view = timeline_view(fan_out(2))
    first = 24 + text_width("to first token", 11.5)
    second = 24 + text_width("a call", 11.5)
    exact = 20 + first + 14 + second + 20
    for width, place in ((math.ceil(exact), (20 + first + 14, 50)), (math.ceil(exact) - 1, (20, 70))):
        found = lay_out_legend([view], 50, width, packed=False)
        assert found[0][:3] == (20, 50, "first_token")
        assert found[1] == (pytest.approx(place[0]), place[1], "call", "a call")


def test_a_legend_explains_saved_time_from_half_a_millisecond_on() -> None:
    one, other = timeline_view(fan_out(2)), timeline_view(fan_out(2))

    def kinds(saved_s: float) -> set[str]:
        one["now"], other["now"] = 1.0, 1.0 - saved_s
        return {kind for *_, kind, _ in lay_out_legend([one, other], 0, 900, packed=True)}

    one["now"] = 1.0
    assert "saved" in kinds(0.0006)
    assert "saved" not in kinds(0.0004)
    assert lay_out_legend([], 0, 900, packed=True) == []


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        *((segment("queued", 0.0, 0.001), True), (segment("queued", 0.0, 0.0009), False)),
        *((segment("queued", 1.0, None), True), (segment("discarded", 2.0, 3.0), True)),
        *((segment("discarded", 9.9, None), True), (segment("discarded", 10.0, None), False)),
        *((segment("done", 1.0, 1.0), True), (segment("discarded", 3.0, 3.0), False)),
    ],
)
def test_a_legend_leaves_out_what_has_no_width_in_the_picture(part: SegmentView, *, shown: bool) -> None:
    view = timeline_view(fan_out(1))
    view["span"], view["rows"] = 10.0, [row(part)]
    kinds = {kind for *_, kind, _ in lay_out_legend([view], 0, 900, packed=True)}
    assert (part["kind"] in kinds) is shown


def test_lanes_are_reused_as_soon_as_they_are_free() -> None:
    rows = [
        row(segment("queued", start, start + 0.5), segment("done", start + 0.5, end))
        for start, end in ((0, 2), (1, 3), (2, 4), (2.5, 5))
    ]
    for number, each in enumerate(rows):
        each["future"] = f"f{number}"
    endless, nothing, moment = row(segment("running", 1.5, None)), row(), row(segment("skipped", 2.0, 2.0))
    endless["future"], moment["future"] = "endless", "moment"
    lanes = [[each["future"] for each in lane] for lane in pack([*rows, endless, nothing, moment])]
    assert lanes == [["f0", "f2"], ["f1"], ["endless"], ["moment", "f3"]]


def test_each_key_of_a_legend_is_drawn_as_expected(expected: Compare) -> None:
    kinds = [kind for *_, kind, _ in lay_out_legend([timeline_view(everything())], 0, 900, packed=False)]
    kinds += ["running", "cancelled", "critical", "hazard-WAW", "saved"]
    expected("keys.txt", "\n".join(f"{kind}: {''.join(draw_key(kind, 100, 50))}" for kind in kinds))


def test_each_segment_is_drawn_as_expected_at_each_width(expected: Compare) -> None:
    lines = []
    for kind in (
        "arguments",
        "queued",
        "data",
        "hazard",
        "running",
        "done",
        "failed",
        "cancelled",
        "skipped",
        "discarded",
    ):
        for wide in (0.0, 0.4, 1.0, 2.0, 2.5, 17.9, 18.0, 60.0):
            part = segment(kind, 0.0, 0.0 if wide == 0 else 1.0)
            for critical, left, half in ((False, 100.0, 13.0), (True, 380.0, 4.0)):
                drawn = "".join(draw_segment(part, left, left + wide, 50.0, half, critical=critical, right=394.0))
                lines.append(f"{kind} {wide} {critical}: {drawn or 'nothing'}")
    expected("stretches.txt", "\n".join(lines))
    assert [ends_in_sign(segment(kind), 18.0) for kind in ("failed", "cancelled", "done")] == [True, True, False]
    assert not ends_in_sign(segment("failed"), 17.9)


def test_the_tooltip_of_a_call_has_all_its_facts() -> None:
    waited = row(
        segment("arguments", 0.0, 1.0),
        segment("data", 1.0, 2.256, reason="needs $f2"),
        segment("limit", 3.0, None, reason="limit 2"),
        segment("same", 4.0, 5.0),
    )
    assert describe_row(waited) == "f1 t(a=1): done\nok\nwaited 1.26 s: needs $f2\nwaited: limit 2\nwaited 1.00 s: "
    waited["label"] = ""
    assert describe_row({**waited, "segments": []}) == "f1 t(a=1): done"


def test_reasons_to_wait_are_listed_once_each_and_in_order() -> None:
    parts = [
        segment("data", reason="needs $f1, $f2"),
        segment("queued"),
        segment("data", reason="needs $f2"),
        segment("limit", reason="limit 2"),
        segment("data", reason="needs $f3"),
        segment("limit", reason="limit 2"),
        segment("done", reason="no reason to wait"),
    ]
    assert wait_reasons(row(*parts)) == "needs $f1, $f2; limit 2; needs $f3"
    assert wait_reasons(row()) == ""
