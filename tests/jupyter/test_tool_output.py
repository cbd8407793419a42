"""One fold for each call: what it says, what it drops, and that nothing in it can act."""

from __future__ import annotations

import pytest

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.jupyter.display import output_slots as module
from asyncfc_jupyter.jupyter.display.output_slots import Bundle, OutputStack
from asyncfc_jupyter.jupyter.display.tool_output import SHOWN_CHARACTERS, ToolOutput, ToolOutputs
from tests.jupyter.html_elements import Elements

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def changes() -> list[ToolOutput]:
    """Return the outputs that reported a change, once for each change."""
    return []


@pytest.fixture
def fold(changes: list[ToolOutput]) -> ToolOutput:
    """Return the output of a running call."""
    return made(changes.append)


def made(changed=lambda fold: None, *, tool: str = "look") -> ToolOutput:
    return ToolOutput("f1", tool, run="_agent", changed=changed, traceback=lambda error: f"Traceback\n{error}")


def shown(fold: ToolOutput) -> str:
    heading = fold.heading()
    return "" if heading is None else heading.data["text/plain"]


def test_each_output_of_a_call_is_one_change(fold: ToolOutput, changes: list[ToolOutput]) -> None:
    fold.write("a\n", "stdout")
    fold.display(Bundle({"text/plain": "1"}), None)
    fold.raised(ValueError("no"))
    fold.end(closes=False)
    assert changes == [fold] * 4
    assert shown(fold) == "f1 look - 1 line, 1 display, error\n  a\n  Traceback\n  no"


def test_a_call_without_output_has_no_fold(fold: ToolOutput) -> None:
    fold.end(closes=False)
    assert fold.heading() is None


def test_what_is_printed_after_a_fold_closed_goes_elsewhere(fold: ToolOutput) -> None:
    assert fold.write("in\n", "stdout")
    fold.end(closes=True)
    assert not fold.write("out\n", "stdout")
    assert shown(fold) == "f1 look - 1 line\n  in"


def test_a_display_is_replaced_by_its_id_and_no_other_is(fold: ToolOutput, changes: list[ToolOutput]) -> None:
    for text, display_id in (("one", "a"), ("two", "b")):
        fold.display(Bundle({"text/plain": text}), display_id)
    fold.update(Bundle({"text/plain": "new"}), "b")
    fold.update(Bundle({"text/plain": "lost"}), "elsewhere")
    assert [each.bundle.data["text/plain"] for each in fold.displays] == ["one", "new"]
    assert len(changes) == 3


@pytest.mark.parametrize("wait", [False, True])
def test_output_is_cleared_now_or_when_new_output_arrives(fold: ToolOutput, wait: bool) -> None:
    fold.write("old\n", "stdout")
    fold.display(Bundle({"text/plain": "old"}), None)
    fold.clear(wait=wait)
    assert (shown(fold), len(fold.displays)) == (("f1 look - 1 line, 1 display\n  old", 1) if wait else ("", 0))
    fold.write("new\n", "stdout")
    assert shown(fold) == "f1 look - 1 line\n  new"
    fold.clear(wait=True)
    fold.display(Bundle({"text/plain": "newer"}), None)
    assert (shown(fold), len(fold.displays)) == ("f1 look - 1 display", 1)


def test_a_heading_shows_the_newest_line_of_a_call_and_later_its_error(fold: ToolOutput) -> None:
    """The line is shown only while the call runs."""
    fold.write(f"first\n{HOSTILE}\n", "stdout")
    beside = Elements(fold.heading().data["text/html"].split("</summary>")[0])  # type: ignore[union-attr]
    assert beside.text.endswith(f"2 lines {HOSTILE}")
    fold.end(closes=False)
    over = Elements(fold.heading().data["text/html"].split("</summary>")[0])  # type: ignore[union-attr]
    assert over.text.endswith("2 lines")
    fold.raised(ValueError(f"no {HOSTILE}"))
    failed = Elements(fold.heading().data["text/html"].split("</summary>")[0])  # type: ignore[union-attr]
    assert failed.text.endswith(f"error ValueError: no {HOSTILE}")


def test_nothing_that_a_tool_or_its_author_wrote_can_act() -> None:
    hostile = made(tool=HOSTILE)
    hostile.write(f"{HOSTILE}\x1b[2J\n", "stdout")
    hostile.write(f"{HOSTILE}\n", "stderr")
    for error in (None, ValueError(f"{HOSTILE}\n\x1b[2J{HOSTILE}")):
        if error is not None:
            hostile.raised(error)
        page = Elements(hostile.heading().data["text/html"])  # type: ignore[union-attr]
        assert page.names <= {"details", "summary", "b", "span", "pre"}
        assert page.attributes <= {"class", "style"}
        assert page.text.count(HOSTILE) >= 3
        assert "\x1b" not in page.text
    silent = made(tool=HOSTILE)
    silent.display(Bundle({"text/plain": "x"}), None)
    page = Elements(silent.heading().data["text/html"])  # type: ignore[union-attr]
    assert page.names == {"div", "b"}


def test_long_prints_say_where_all_of_them_are(fold: ToolOutput) -> None:
    fold.write("x" * (SHOWN_CHARACTERS + 5), "stdout")
    assert '[5 characters left out; all of it is in _agent.futures["f1"].printed]' in shown(fold)


def test_an_exception_is_shown_as_a_traceback_once() -> None:
    asked = []

    def traceback(error: BaseException) -> str:
        asked.append(error)
        return "Traceback"

    fold = ToolOutput("f1", "look", run="_agent", changed=lambda fold: None, traceback=traceback)
    fold.raised(ValueError("no"))
    shown(fold)
    shown(fold)
    assert len(asked) == 1


# -- the folds of a run ----------------------------------------------------------------------------------------------


class Stack(OutputStack):
    """Keeps what is to be shown, in its order."""

    def __init__(self) -> None:
        self.positions: dict[module.Position, Bundle | None] = {}

    def show(self, position: module.Position, render: module.Render) -> None:
        self.positions[position] = render()

    @property
    def outputs(self) -> list[str]:
        bundles = (self.positions[position] for position in sorted(self.positions))
        return [bundle.data["text/plain"] for bundle in bundles if bundle]


def test_folds_are_in_the_order_of_futures_with_their_displays_below() -> None:
    stack = Stack()
    folds = ToolOutputs(stack, str, run="_agent")
    second, first = (folds(FutureName(name), "look") for name in ("f10", "f9"))
    second.write("a\n", "stdout")
    for text in ("one", "two"):
        first.display(Bundle({"text/plain": text}), None)
    assert stack.outputs == ["f9 look - 2 displays", "one", "two", "f10 look - 1 line\n  a"]
    first.clear(wait=True)
    first.display(Bundle({"text/plain": "three"}), None)
    assert stack.outputs == ["f9 look - 1 display", "three", "f10 look - 1 line\n  a"]


def test_in_a_terminal_the_output_of_a_call_is_returned_at_its_end() -> None:
    folds = ToolOutputs(None, str, run="_agent")
    fold = folds(FutureName("f1"), "look")
    fold.write("a\n", "stdout")
    assert folds.end(FutureName("f1")) is None
    assert folds.end(FutureName("f2"), closes=True) is None
    bundle = folds.end(FutureName("f1"), closes=True)
    assert bundle is not None
    assert bundle.data["text/plain"] == "f1 look - 1 line\n  a"
