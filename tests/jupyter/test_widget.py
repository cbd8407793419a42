"""The live timeline's traffic: small batches, one whole view at the end, and a current one on request."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.core.events import RunStarted, Stamped
from asyncfc_jupyter.jupyter.display.answer_format import AnswerFormat
from asyncfc_jupyter.jupyter.display.cell_output import NotebookOutput
from asyncfc_jupyter.jupyter.display.widget import BATCH_S, HEARTBEAT_S, TimelineWidget
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.trace.render.html import asset, static_bundle
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import timeline_view
from tests.trace.sample_traces import everything, fan_out, travel, until


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


def test_a_burst_of_events_is_one_batch_sent_after_the_interval() -> None:
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

    run_virtually(work())


def test_a_flood_of_events_is_never_more_than_twenty_batches_a_second() -> None:
    async def work() -> None:
        widget = Recorded()
        for stamped in fan_out(500):
            widget.apply(stamped)
            await asyncio.sleep(0.001)
        seconds = len(fan_out(500)) * 0.001
        assert seconds / BATCH_S - 2 <= len(widget.sent) <= seconds / BATCH_S
        widget.close()

    run_virtually(work())


def test_a_live_timeline_without_events_reports_each_second_until_it_ends() -> None:
    async def work() -> None:
        widget = Recorded(clock=asyncio.get_running_loop().time)
        widget.apply(travel().events[0])
        await asyncio.sleep(BATCH_S + 3 * HEARTBEAT_S + 0.01)
        assert [round(batch["now"], 2) for batch in widget.sent] == [0.05, 1.05, 2.05, 3.05]
        assert [batch["rows"] for batch in widget.sent] == [[], [], [], []]
        widget.close()
        await asyncio.sleep(5)
        assert len(widget.sent) == 4

    run_virtually(work())


def test_at_the_end_the_whole_view_is_synced_once_and_nothing_follows() -> None:
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

    run_virtually(work())


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
def test_a_malformed_message_of_a_front_end_is_ignored(content: Any) -> None:
    widget = Recorded()
    # Not through the dispatcher, which would log an exception and continue.
    widget._receive(widget, content, [])
    assert widget.sent == []


def test_a_page_that_opens_during_a_run_gets_the_whole_view() -> None:
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


def test_the_saved_picture_needs_no_widget_and_no_script() -> None:
    bundle = static_bundle(timeline_view(travel()))
    assert set(bundle) == {"text/html", "text/plain"}
    html = bundle["text/html"]
    assert "<script" not in html
    assert 'alt="Timeline of a run: Book the cheaper flight' in html
    encoded = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    assert encoded is not None
    assert base64.b64decode(encoded[1]).startswith(b"<svg")
    assert bundle["text/plain"].startswith("Book the cheaper flight")


#: Where the front end's parts send from, and read what they are sent.
SCRIPTS = "".join(asset(name) for name in ("controls.js", "timeline.js", "widget.js"))


def test_every_message_that_the_page_sends_is_one_that_python_acts_on() -> None:
    """The words stand in the script itself: one that is renamed on either side would go unheard, and nothing would fail."""
    words = set(re.findall(r"""\btype: "([a-z-]+)"|\banswer\("([a-z-]+)"\)""", SCRIPTS))
    sent = {word for pair in words for word in pair if word}
    heard = set()

    async def work() -> None:
        for word in sent:
            asked: list[str] = []
            widget = Recorded(on_action=lambda kind, _, asked=asked: asked.append(kind))
            widget.apply(travel().events[0])
            widget._receive(widget, {"type": word, "future": "f1"}, [])
            await asyncio.sleep(0)
            widget.finish()
            if asked or widget.sent:
                heard.add(word)
            widget._receive(widget, {"type": word}, [])
            if widget.comm is None:
                heard.add(word)

    run_virtually(work())
    assert sent == heard
    assert sent == {"hello", "gone", "approve", "decline", "cancel", "cancel-run"}


def test_every_message_that_python_sends_is_one_that_the_page_reads() -> None:
    widget = Recorded()
    widget.apply(travel().events[0])
    widget.flush()
    widget._receive(widget, {"type": "hello"}, [])
    read = set(re.findall(r"""\bmessage\.type === "([a-z-]+)\"""", SCRIPTS))
    assert {message["type"] for message in widget.sent} == read


def test_actions_of_the_buttons_arrive_on_the_loop_of_the_run() -> None:
    asked: list[tuple[str, str | None]] = []
    threads: set[int] = set()

    def act(kind: str, future: str | None) -> None:
        asked.append((kind, future))
        threads.add(threading.get_ident())

    async def work() -> None:
        widget = Recorded(on_action=act)
        assert widget.acts
        for stamped in until(everything(), 5.6):
            widget.apply(stamped)
        messages = [
            {"type": "approve", "future": "f6"},
            {"type": "decline", "future": "f9"},
            {"type": "cancel", "future": "f1"},
            {"type": "cancel-run"},
            {"type": "cancel"},
            {"type": "approve", "future": 6},
            {"type": "destroy", "future": "f1"},
        ]
        # As from another thread: some front ends' messages come in on one.
        await asyncio.to_thread(lambda: [widget._receive(widget, message, []) for message in messages])
        await asyncio.sleep(0)
        widget.finish()
        widget._receive(widget, {"type": "cancel-run"}, [])
        await asyncio.sleep(0)

    run_virtually(work())
    assert asked == [("approve", "f6"), ("decline", "f9"), ("cancel", "f1"), ("cancel-run", None)]
    assert threads == {threading.get_ident()}


def test_the_current_time_is_reported_in_seconds_of_the_run() -> None:
    """That holds for a run that was joined late and for the next run too."""
    now = [100.0]
    widget = Recorded(clock=lambda: now[0])
    widget.apply(Stamped(seq=0, at_s=3.0, event=RunStarted(prompt="x", model="m", mode="async")))
    now[0] = 101.0
    assert widget.get_state()["view"]["now"] == 4.0
    widget.restart()
    now[0] = 200.0
    widget.apply(Stamped(seq=0, at_s=0.0, event=RunStarted(prompt="y", model="m", mode="async")))
    assert widget.get_state()["view"]["now"] == 0.0


@pytest.mark.parametrize("comparing", [False, True])
def test_the_picture_has_the_name_that_the_live_timeline_looks_for(
    comparing: bool, bare_shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[dict[str, str]] = []
    monkeypatch.setattr("asyncfc_jupyter.jupyter.display.cell_output.display", lambda *_, **__: None)
    monkeypatch.setattr(
        "asyncfc_jupyter.jupyter.display.cell_output.publish", lambda bundle, *_, **__: published.append(bundle.data)
    )
    shown = NotebookOutput(bare_shell, AnswerFormat(), comparing=comparing)
    shown.begin()
    shown.end(SimpleNamespace(answer="", note="", refused=False, trace=travel()))  # type: ignore[arg-type]
    shown.conclude()
    assert f'class="asyncfc-kept-{shown._widget.place}"' in published[-1]["text/html"]


def test_a_timeline_without_a_listener_has_no_buttons() -> None:
    assert not Recorded().acts


def test_one_timeline_can_show_one_run_after_the_other() -> None:
    widget = Recorded()
    for stamped in travel():
        widget.apply(stamped)
    widget.restart()
    assert (widget.view["live"], widget.view["rows"]) == (True, [])
    for stamped in fan_out(3):
        widget.apply(stamped)
    widget.finish()
    assert len(widget.view["rows"]) == 3


def test_no_event_is_lost_whenever_the_run_ends() -> None:
    for cut in range(1, len(travel()), 7):
        widget = Recorded()
        for index, stamped in enumerate(travel().events[:cut]):
            widget.apply(stamped)
            if index % 5 == 0:
                widget.flush()
        widget.finish()
        assert widget.view == timeline_view(Trace(travel().events[:cut]))


def test_the_widget_closes_when_its_view_has_moved_after_the_end() -> None:
    widget = Recorded()
    widget._receive(widget, {"type": "gone"}, [])
    assert widget.comm is not None, "a running run may be shown again"
    widget.finish()
    widget._receive(widget, {"type": "gone"}, [])
    assert widget.comm is None
