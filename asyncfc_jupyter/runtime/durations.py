"""How long the latest calls of each tool took, from which the duration of its next call is expected."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from asyncfc_jupyter.tools.definition import Tool

#: Calls on which an expectation is based: recent enough to follow a service that slows down.
RECENT = 9
#: Tools that are kept, the latest called: far more than a notebook has, and few enough for a small file.
MOST_TOOLS = 500


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of the calls of one tool."""

    #: What the latest calls took, in seconds, from the oldest to the newest.
    recent_s: tuple[float, ...] = ()
    #: All calls that were measured.
    calls: int = 0

    @property
    def median_s(self) -> float | None:
        """The median of the latest calls, in seconds; None before the first."""
        return median(self.recent_s) if self.recent_s else None

    def followed_by(self, taken_s: tuple[float, ...], calls: int) -> Measured:
        """Return this with further calls, of which the latest took so many seconds."""
        return Measured((*self.recent_s, *taken_s)[-RECENT:], self.calls + calls)


class Durations:
    """The measured calls by tool (`Tool.identity`), for as long as its owner keeps it.

    Runs on several loops may share one: what is read never changes, and the worst that two writers can do is to lose a call.
    """

    def __init__(self) -> None:
        #: By `Tool.identity`, the tool that was called last at the end.
        self.by_tool: dict[str, Measured] = {}

    def note(self, tool: Tool, seconds: float) -> None:
        """Note the duration of a call that ran to its end, or until its time was up."""
        measured = self.by_tool.pop(tool.identity, Measured()).followed_by((seconds,), 1)
        self.by_tool[tool.identity] = measured
        for oldest in [*self.by_tool][:-MOST_TOOLS]:
            self.by_tool.pop(oldest, None)

    def of(self, tool: Tool) -> Measured:
        """Return what is known of a tool."""
        return self.by_tool.get(tool.identity, Measured())
