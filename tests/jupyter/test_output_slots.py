"""Outputs in an order of their own: what a front end is sent for it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from asyncfc_jupyter.jupyter.display import output_slots as module
from asyncfc_jupyter.jupyter.display.output_slots import UPDATES_PER_S, Bundle, OutputStack

WHERE = ContextVar("WHERE", default="elsewhere")


class FrontEnd:
    """Keeps outputs as a front end does: it appends, and replaces by display id."""

    def __init__(self) -> None:
        self.outputs: dict[str, str] = {}
        self.times: list[float] = []
        self.history: list[list[str]] = []
        self.lock = threading.Lock()
        #: Where each of them was sent from.
        self.places: list[str] = []

    def publish(self, bundle: Bundle, display_id: str, *, update: bool, publisher: Any) -> None:
        with self.lock:
            assert update == (display_id in self.outputs)
            self.outputs[display_id] = bundle.data["text/plain"]
            self.times.append(time.monotonic())
            self.history.append(self.shown)
            self.places.append(WHERE.get())

    @property
    def shown(self) -> list[str]:
        return list(self.outputs.values())


@pytest.fixture
def front_end(monkeypatch: pytest.MonkeyPatch) -> FrontEnd:
    """Return what the stack publishes to."""
    front_end = FrontEnd()
    monkeypatch.setattr(module, "publish", front_end.publish)
    return front_end


def text(what: str) -> Any:
    return lambda: Bundle({"text/plain": what})


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_output_in_the_middle_moves_the_outputs_below_it_down(front_end: FrontEnd) -> None:
    stack = OutputStack()
    for place, what in (((9.0,), "answer"), ((2.0,), "two"), ((1.0, 1.0), "one's"), ((1.0, 0.0), "one")):
        before = set(front_end.shown)
        front_end.history.clear()
        stack.show(place, text(what))
        stack.flush()
        # At no moment is what was shown gone: a page that is scrolled to it would lose its place.
        assert all(before <= set(shown) for shown in front_end.history)
    assert front_end.shown == ["one", "one's", "two", "answer"]


def test_a_removed_output_leaves_an_empty_output_at_the_end(front_end: FrontEnd) -> None:
    stack = OutputStack()
    for number in (1, 2, 3):
        stack.show((number,), text(str(number)))
    stack.flush()
    stack.show((2,), lambda: None)
    stack.flush()
    assert front_end.shown == ["1", "3", ""]


def test_an_unchanged_output_is_not_sent_again(front_end: FrontEnd) -> None:
    stack = OutputStack()
    for _ in range(5):
        stack.show((1,), text("same"))
        stack.flush()
    assert len(front_end.times) == 1


def test_an_output_that_did_not_change_is_not_rendered_again(front_end: FrontEnd) -> None:
    stack, asked = OutputStack(), []
    stack.show((1,), lambda: asked.append(1))
    stack.flush()
    stack.show((2,), text("other"))
    stack.flush()
    assert asked == [1]


def test_a_reserved_slot_is_created_immediately(front_end: FrontEnd) -> None:
    OutputStack().reserve((1,))
    assert front_end.shown == [""]


def test_updates_are_sent_in_the_context_of_the_cell_from_any_thread(front_end: FrontEnd) -> None:
    token = WHERE.set("the cell")
    stack = OutputStack()
    WHERE.reset(token)
    stack.reserve((2,))
    stack.show((1,), text("one"))
    wait(lambda: "one" in front_end.shown)
    assert set(front_end.places) == {"the cell"}


@pytest.mark.parametrize(("outputs", "rendering_s"), [(40, 0.0), (1, 0.02)])
def test_many_messages_or_long_rendering_put_the_next_update_off(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch, outputs: int, rendering_s: float
) -> None:
    pauses_s: list[float] = []
    # A clock that advances with the rendering only, whatever else the machine does.
    clock = SimpleNamespace(now_s=0.0)

    class Later(threading.Thread):
        def __init__(self, *, args: tuple[Any, float], **_: Any) -> None:
            super().__init__()
            pauses_s.append(args[1])

    def slow() -> Bundle:
        clock.now_s += rendering_s
        return Bundle({"text/plain": "slow"})

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    monkeypatch.setattr(module.threading, "Thread", Later)
    stack = OutputStack()
    for number in range(outputs):
        stack.show((number,), slow)
    stack.flush()
    assert len(front_end.shown) == outputs
    stack.show((99,), text("next"))
    assert len(pauses_s) == 2
    assert pauses_s[0] == 0
    assert pauses_s[1] > 3 / UPDATES_PER_S


def test_many_changes_from_threads_make_few_updates_and_show_the_last(
    front_end: FrontEnd,
) -> None:
    stack = OutputStack()
    began = time.monotonic()

    def change(place: int) -> None:
        for number in range(300):
            stack.show((place,), text(f"{place}: {number}"))
            time.sleep(0.001)

    threads = [threading.Thread(target=change, args=(place,)) for place in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stack.flush()
    took_s = time.monotonic() - began
    assert front_end.shown == ["1: 299", "2: 299"]
    assert len(front_end.times) <= 2 * (took_s * UPDATES_PER_S + 2)


def test_updates_continue_while_the_calling_thread_is_blocked(front_end: FrontEnd) -> None:
    stack = OutputStack()
    stack.show((1,), text("first"))
    stack.flush()
    stack.show((1,), text("second"))
    wait(lambda: front_end.shown == ["second"])  # sleeping, as a tool that blocks the loop does


class Surface:
    """What a kernel's session does with a display: it refuses values that are not JSON, and keeps the rest."""

    def __init__(self) -> None:
        self.shown: dict[str, dict[str, Any]] = {}

    def publish(self, data: dict[str, Any], _metadata: Any = None, *, transient: dict[str, str], update: bool) -> None:
        json.dumps(data, ensure_ascii=False).encode("utf-8")
        assert update == (transient["display_id"] in self.shown)
        self.shown[transient["display_id"]] = data


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"application/x-mine": {"a": object()}, "text/plain": "mine"}, "mine\n[this output cannot be sent"),
        ({"text/plain": "caf\ud800"}, "caf?\n[this output cannot be sent to the notebook: UnicodeEncodeError"),
        ({"text/html": object()}, "[this output cannot be sent to the notebook: TypeError: "),
    ],
)
def test_an_output_that_cannot_be_sent_is_reported_and_others_are_sent(
    monkeypatch: pytest.MonkeyPatch, data: dict[str, Any], text: str
) -> None:
    surface = Surface()
    monkeypatch.setattr(module, "publish_display_data", surface.publish)
    stack = OutputStack()
    for place, shown in enumerate(({"text/plain": "before"}, data, {"text/plain": "after"})):
        stack.show((place,), partial(Bundle, shown))
    stack.flush()
    stack.show((1,), partial(Bundle, data | {"text/latex": "x"}))
    stack.flush()
    before, told, after = (shown["text/plain"] for shown in surface.shown.values())
    assert (before, after) == ("before", "after")
    assert told.startswith(text)


def test_outputs_go_to_the_publisher_of_their_own_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later cell with ``%%capture`` sets another publisher for the shell."""
    own, captures = Surface(), Surface()
    shell = SimpleNamespace(display_pub=own)
    monkeypatch.setattr(module, "get_ipython", lambda: shell)
    monkeypatch.setattr(module, "publish_display_data", captures.publish)
    stack = OutputStack()
    for number in range(2):
        stack.show((1,), text(f"{number}"))
        stack.flush()
        shell.display_pub = captures
    assert [shown["text/plain"] for shown in own.shown.values()] == ["1"]
    assert captures.shown == {}
