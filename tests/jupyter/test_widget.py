"""The live timeline's traffic: small batches, one whole view at the end, and a fresh one for whoever asks."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from asyncfc_jupyter.jupyter.widget import BATCH_S, HEARTBEAT_S, TimelineWidget
from asyncfc_jupyter.trace.html import static_bundle
from asyncfc_jupyter.trace.view import timeline_view
from tests.trace.sample import fan_out, travel, until


class Recorded(TimelineWidget):
    """A timeline that keeps what it would have sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.synced: list[set[str]] = []
        super().__init__(*args, **kwargs)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append(json.loads(json.dumps(content, allow_nan=False)))

    def send_state(self, key: Any = None) -> None:
        self.synced.append({key} if isinstance(key, str) else set(key or ()))


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        select = self._selector.select

        def jump(timeout: float | None = None) -> Any:
            self._now += timeout or 0.0
            return select(0)

        self._selector.select = jump

    def time(self) -> float:
        return self._now


def in_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(work())


def test_a_burst_of_events_is_one_batch_that_goes_out_after_the_interval() -> None:
    async def work() -> None:
        widget = Recorded()
        for stamped in until(travel(), 4.0):
            widget.apply(stamped)
        await asyncio.sleep(BATCH_S * 0.99)
        assert widget.sent == []
        await asyncio.sleep(BATCH_S * 0.02)
        (batch,) = widget.sent
        assert batch["type"] == "bars"
        assert {row["future"] for row in batch["rows"]} == {f"f{n}" for n in range(1, 8)}
        widget.close()

    in_loop(work)


def test_a_flood_of_events_is_never_more_than_twenty_batches_a_second() -> None:
    async def work() -> None:
        widget = Recorded()
        for stamped in fan_out(500):
            widget.apply(stamped)
            await asyncio.sleep(0.001)
        seconds = len(fan_out(500)) * 0.001
        assert seconds / BATCH_S - 2 <= len(widget.sent) <= seconds / BATCH_S
        widget.close()

    in_loop(work)


def test_without_news_a_live_timeline_still_reports_every_second_that_it_lives() -> None:
    async def work() -> None:
        widget = Recorded(clock=asyncio.get_running_loop().time)
        widget.apply(travel().events[0])
        await asyncio.sleep(BATCH_S + 3 * HEARTBEAT_S + 0.01)
        assert [round(batch["now"], 2) for batch in widget.sent] == [0.05, 1.05, 2.05, 3.05]
        assert [batch["rows"] for batch in widget.sent] == [[], [], [], []]
        widget.close()
        await asyncio.sleep(5)
        assert len(widget.sent) == 4

    in_loop(work)


def test_at_the_end_the_whole_view_is_synchronised_once_and_nothing_follows() -> None:
    async def work() -> None:
        widget = Recorded()
        for stamped in travel():
            widget.apply(stamped)
        before = len(widget.synced)
        widget.finish()
        widget.finish()
        assert widget.view == timeline_view(travel())
        assert widget.synced[before:] == [{"view"}]
        sent = len(widget.sent)
        widget.apply(travel().events[0])
        widget.flush()
        await asyncio.sleep(10)
        assert len(widget.sent) == sent

    in_loop(work)


def test_a_run_that_broke_off_without_an_end_is_finished_too() -> None:
    widget = Recorded()
    for stamped in until(travel(), 4.0):
        widget.apply(stamped)
    widget.finish()
    assert widget.view["live"] is False
    assert widget.view["subtitle"].startswith("cut off after 3 turns")


def test_a_page_that_is_reloaded_gets_the_view_as_of_now() -> None:
    now = [100.0]
    widget = Recorded(clock=lambda: now[0])
    for stamped in until(travel(), 4.0):
        widget.apply(stamped)
    now[0] = 105.5
    assert widget.view["rows"] == [], "the trait itself is not kept up to date"
    view = widget.get_state()["view"]
    assert (len(view["rows"]), view["now"]) == (7, 5.5)
    assert widget.get_state("_esm").keys() == {"_esm"}


@pytest.mark.parametrize("content", [None, 7, [], {}, {"type": "other"}, {"type": ["hello"]}])
def test_what_a_front_end_asks_for_in_another_way_is_ignored(content: Any) -> None:
    widget = Recorded()
    # Not by way of the dispatcher, which would log what is raised and go on.
    widget._answer(widget, content, [])
    assert widget.sent == []


def test_a_view_that_opens_in_the_middle_of_a_run_is_given_all_of_it() -> None:
    widget = Recorded()
    for stamped in until(travel(), 4.0):
        widget.apply(stamped)
    widget._handle_custom_msg({"type": "hello"}, [])
    (message,) = widget.sent
    assert message["type"] == "snapshot"
    assert len(message["view"]["rows"]) == 7


def test_a_finished_view_can_be_shown_on_its_own() -> None:
    widget = Recorded(timeline_view(travel()))
    assert widget.get_state()["view"]["subtitle"] == "answered in 5 turns, 8 futures, gpt-6-luna"
    widget.finish()
    assert widget.view["live"] is False


def test_the_whole_traffic_of_two_hundred_futures_is_small() -> None:
    widget = Recorded()
    for index, stamped in enumerate(fan_out(200)):
        widget.apply(stamped)
        if index % 16 == 15:
            widget.flush()
    assert len(widget.sent) >= 60
    assert sum(len(json.dumps(message)) for message in widget.sent) < 260 * 1024


def test_what_is_kept_needs_no_widget_and_no_script() -> None:
    bundle = static_bundle(timeline_view(travel()))
    assert set(bundle) == {"text/html", "text/plain"}
    html = bundle["text/html"]
    assert "<script" not in html
    assert 'alt="Timeline of a run: Book the cheaper flight' in html
    encoded = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    assert encoded is not None
    assert base64.b64decode(encoded[1]).startswith(b"<svg")
    assert bundle["text/plain"].startswith("Book the cheaper flight")
