"""The text of a retracted request in a terminal: erased where lines can be erased, else marked as abandoned."""

from __future__ import annotations

import asyncio
import io
import re
from typing import Any

import pytest

from asyncfc_jupyter.core.events import (
    CallFinished,
    Event,
    RequestRetracted,
    RunEnded,
    Stamped,
    TextStreamed,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.jupyter.display.terminal import TerminalOutput

ABANDONED = "(abandoned: the model was asked again, with the results)"
RETRACTED, SECOND = RequestRetracted(turn=1, by=2), TurnStarted(turn=2, instead_of=1)
END = RunEnded(outcome="answered")


class Screen(io.StringIO):
    """Standard output that may be a terminal."""

    def __init__(self, *, erases: bool) -> None:
        super().__init__()
        self._erases = erases

    def isatty(self) -> bool:
        return self._erases


def printed(monkeypatch: pytest.MonkeyPatch, *events: Event, erases: bool, tool_prints: str = "") -> str:
    """Return what stays on the screen: what is printed, without what is drawn and erased."""
    screen = Screen(erases=erases)
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")

    async def run() -> None:
        shell: Any = None
        output = TerminalOutput(shell)
        output.begin()
        for seq, event in enumerate(events):
            if isinstance(event, CallFinished) and tool_prints:
                output._write(tool_prints)
            output.observe(Stamped(seq=seq, at_s=float(seq), event=event))

    asyncio.run(run())
    # A frame of the live picture is erased from its last line up: what follows is drawn in its place.
    shown: list[str] = []
    for part in re.split(r"(\x1b\[1A|\x1b\[2K|\r?\n|\r)", screen.getvalue()):
        if part == "\x1b[1A":
            shown = shown[:-1] if len(shown) > 1 else shown
        elif part == "\x1b[2K":
            shown[-1:] = [""]
        elif part.endswith("\n"):
            shown.append("")
        elif part != "\r":
            text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", part)
            shown[-1:] = [(shown[-1] if shown else "") + text]
    return "\n".join(line.rstrip() for line in shown).strip()


def said(turn: int, text: str) -> TextStreamed:
    return TextStreamed(turn=turn, text=text)


FIRST = (TurnStarted(turn=1), said(1, "I wait "), said(1, "for both."))


def test_a_terminal_that_erases_lines_erases_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    events = (*FIRST, RETRACTED, SECOND, said(2, "It rains."), END)
    assert printed(monkeypatch, *events, erases=True) == "It rains."


def test_a_terminal_that_cannot_erase_says_that_it_was_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    events = (*FIRST, RETRACTED, SECOND, said(2, "It rains."), END)
    assert printed(monkeypatch, *events, erases=False) == f"I wait for both.\n{ABANDONED}\n\nIt rains."


@pytest.mark.parametrize("erases", [True, False])
def test_whole_lines_that_have_scrolled_away_are_marked(erases: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    events = (said(1, "One.\nTw"), RETRACTED, SECOND, said(2, "Three."), END)
    assert printed(monkeypatch, *events, erases=erases) == f"One.\nTw\n{ABANDONED}\n\nThree."


def test_text_above_output_of_a_tool_cannot_be_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    done = CallFinished(future=FutureName("f1"))
    events = (*FIRST, done, RETRACTED, SECOND, said(2, "It rains."), END)
    shown = printed(monkeypatch, *events, erases=True, tool_prints="\nf1 printed\n")
    assert shown == f"I wait for both.\nf1 printed\n{ABANDONED}\n\nIt rains."


@pytest.mark.parametrize("erases", [True, False])
def test_text_of_the_turn_before_stays(erases: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    later = RequestRetracted(turn=2, by=3), TurnStarted(turn=3, instead_of=2)
    events = (said(1, "Looking."), TurnStarted(turn=2), said(2, "I wait."), *later, said(3, "It rains."), END)
    between = "" if erases else f"I wait.\n{ABANDONED}\n\n"
    assert printed(monkeypatch, *events, erases=erases) == f"Looking.\n\n{between}It rains."


@pytest.mark.parametrize("erases", [True, False])
def test_a_request_without_text_leaves_no_mark(erases: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    events = (TurnStarted(turn=1), RETRACTED, SECOND, said(2, "It rains."), END)
    assert printed(monkeypatch, *events, erases=erases) == "It rains."


@pytest.mark.parametrize("erases", [True, False])
def test_of_two_requests_that_race_the_text_of_one_is_printed(erases: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    race = (TurnStarted(turn=1), said(1, "One"), SECOND, said(2, "Two"), said(1, " more"))
    kept = (*race, RequestRetracted(turn=2, by=1), said(1, "."), END)
    assert printed(monkeypatch, *kept, erases=erases) == "One more."
    lost = printed(monkeypatch, *race, RETRACTED, said(2, "."), END, erases=erases)
    assert lost == ("Two." if erases else f"One more\n{ABANDONED}\n\nTwo.")
    assert printed(monkeypatch, *race, RunEnded(outcome="interrupted"), erases=erases) == "One more"
