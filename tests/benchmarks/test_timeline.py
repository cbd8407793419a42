"""The timeline's cost grows with what is in sight, not with what there is; and the kernel's with the futures, linearly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from asyncfc_jupyter.trace.view.view import timeline_view
from tests.benchmarks.timeline import browser, kernel_cost, moved, open_page
from tests.trace.sample_traces import fan_out

#: The time that it takes to paint two seconds of a run, as the least of several.
PAINT = """
() => {
  shown.choose({ start: 4, end: 6 });
  const once = () => {
    const begun = performance.now();
    for (let n = 0; n < 20; n += 1) shown.paint();
    return performance.now() - begun;
  };
  return Math.min(...Array.from({ length: 7 }, once));
}
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.mark.browser
def test_a_window_costs_about_the_same_for_200_and_for_10_000_futures(chromium: Browser) -> None:
    few, many = (open_page(chromium, timeline_view(fan_out(count))).evaluate(PAINT) for count in (200, 10_000))
    assert many < 3 * few


@pytest.mark.browser
def test_every_frame_of_a_movement_is_painted_once(chromium: Browser) -> None:
    page = open_page(chromium, timeline_view(fan_out(200)))
    moved(page, "pan")
    assert page.evaluate("shown.chosen !== null")


def test_the_kernels_cost_of_a_future_does_not_grow_with_their_number() -> None:
    few, many = (min(kernel_cost(count).share for _ in range(3)) for count in (500, 2_000))
    # The share of the run's time: the runs are as long as they have futures.
    assert many < 3 * few
