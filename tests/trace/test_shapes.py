"""The parts of static pictures: signs, gaps, arrows and labels that do not cover each other."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from asyncfc_jupyter.core.events import CallFinished, CallRetried, CallStarted
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.trace.render.layout import END_ROOM, PAD, text_width
from asyncfc_jupyter.trace.render.svg.document import render_svg
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import timeline_view
from tests.trace.sample_traces import Log, everything, interrupted, travel, until

NAMESPACE = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{NAMESPACE}text")]


def marks(svg: str, style: str) -> list[tuple[float, float]]:
    """Return the positions at which signs begin."""
    found = [path for path in ET.fromstring(svg).iter(f"{NAMESPACE}path") if style in path.attrib["class"].split()]
    return [(float(x), float(y)) for path in found for x, y in re.findall(r"^M([\d.]+) ([\d.]+)", path.attrib["d"])]


@pytest.mark.parametrize("width", [320, 400, 900, 1800])
@pytest.mark.parametrize("trace", [everything(), interrupted()], ids=["everything", "interrupted"])
def test_texts_and_signs_do_not_cover_each_other(trace: Trace, width: int) -> None:
    svg = render_svg(timeline_view(trace), width=width)
    for x, y in marks(svg, "s-failed-ink") + marks(svg, "s-cancelled-ink"):
        assert x <= width - PAD
        for text in ET.fromstring(svg).iter(f"{NAMESPACE}text"):
            left, base = float(text.attrib["x"]), float(text.attrib["y"])
            if abs(base - 4 - y) < 6 and left < x and text.get("text-anchor") is None:
                assert left + text_width(text.text or "", float(text.attrib["font-size"])) <= x


def test_a_call_that_never_ran_has_its_sign_before_the_end_of_the_axis() -> None:
    ((x, _),) = marks(render_svg(timeline_view(interrupted()), width=400), "s-cancelled")
    assert x + 8 <= 400 - PAD


def test_a_failed_attempt_is_marked_in_a_gap_of_its_bar() -> None:
    """Many attempts close together are one mark."""
    assert len(marks(render_svg(timeline_view(everything())), "s-failed")) == 1
    log = Log()
    log.add(0.0, CallStarted(future=FutureName("f1")))
    for n in range(12):
        log.add(1 + n / 1000, CallRetried(future=FutureName("f1"), attempt=n + 1, message="no", pause_s=0.0))
    log.add(3.0, CallFinished(future=FutureName("f1"), summary="ok"))
    assert len(marks(render_svg(timeline_view(log.trace())), "s-failed")) == 1


def test_the_end_of_the_run_is_marked_if_calls_ran_longer() -> None:
    """The mark has no label of the axis near it."""
    assert "end" not in texts(render_svg(timeline_view(travel())))
    root = ET.fromstring(render_svg(timeline_view(everything())))
    places = {text.text: (float(text.attrib["x"]), float(text.attrib["y"])) for text in root.iter(f"{NAMESPACE}text")}
    end_x, end_y = places["end"]
    labels = [x for text, (x, y) in places.items() if text != "end" and y == end_y]
    assert len(labels) >= 3
    assert min(abs(x - end_x) for x in labels) >= END_ROOM


def test_arrows_join_only_calls_that_followed_and_only_if_they_are_few() -> None:
    def arrows(trace: Trace) -> int:
        return render_svg(timeline_view(trace)).count('class="arrow')

    assert arrows(travel()) == 4
    chain = Log()
    for n in range(1, 36):
        name = f"f{n}"
        chain.call(name, "step", turn=1, opened=n - 1.0, closed=n - 0.9)
        chain.wait(n - 0.9, name, Wait(kind="same", on=(FutureName(f"f{n - 1}"),)))
        chain.run(name, n - 0.5, n + 0.4, "ok")
    assert arrows(until(chain.trace(), 20.0)) > 10
    assert arrows(chain.trace()) == 0
