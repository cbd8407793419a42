"""The wire format of the timeline: all that any rendering needs.

Python computes it and JavaScript draws it; the static pictures are made from it too. ``frontend/format.js`` says the same
for the other side. It is plain JSON. Times are seconds since the run started; what has an ``end`` of null still lasts
and is drawn until the present. Every text in it is bounded and without control characters (``prints``
alone has several lines), but may hold anything else that a model or a tool wrote: each renderer escapes it. Keys that are
`NotRequired` are left out where they have no value, since a long run has thousands of rows.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict, final

from asyncfc_jupyter.trace.fold.decode_lane import DecodeKind
from asyncfc_jupyter.trace.fold.future_rows import SegmentKind

#: Raised when a front end of the old version would misread a new view.
VIEW_VERSION: Literal[3] = 3


class Figure(TypedDict):
    """One of the numbers at the head of the picture."""

    value: str
    label: str
    #: The value is the time since the start: the front end may let it grow by itself.
    clock: NotRequired[bool]


class DecodeView(TypedDict):
    """A stretch of the decode lane."""

    id: str
    kind: DecodeKind
    start: float
    end: float | None
    label: str
    #: Where two requests raced: the first is in the upper half of the lane, the second in the lower. Spans of the lower half do
    #: not overlap in time, and neither do all others.
    half: NotRequired[Literal["upper", "lower"]]


class SegmentView(TypedDict):
    """A stretch of a future's life."""

    kind: SegmentKind
    start: float
    end: float | None
    reason: NotRequired[str]
    #: ``RAW``, ``WAR`` or ``WAW``, where it waited for shared state.
    hazard: NotRequired[str]


class RetryView(TypedDict):
    """An attempt that failed, and when."""

    at: float
    message: str


class RowView(TypedDict):
    """One future."""

    future: str
    tool: str
    arguments: str
    state: str
    segments: list[SegmentView]
    #: The result's summary, or the error.
    label: str
    #: When the model first saw the outcome.
    seen: float | None
    critical: bool
    #: Futures whose values it takes.
    needs: list[str]
    #: Earlier futures it was held for, because of what both touch.
    after: list[str]
    #: What the user is asked about, and has not answered: the arguments with their values.
    asks: NotRequired[str]
    #: From 0 to 1, as the running function reported.
    progress: NotRequired[float]
    #: What the running function does at the moment, in its words.
    activity: NotRequired[str]
    retries: NotRequired[list[RetryView]]
    #: The end of what it printed, with its line breaks.
    prints: NotRequired[str]
    #: ``irreversible``, ``approve``, ``detached``.
    marks: NotRequired[list[str]]
    #: What it used of the processor, and how long it waited for other calls while it ran, in words.
    used: NotRequired[str]


class Head(TypedDict):
    """What is true of a run as a whole."""

    title: str
    subtitle: str
    live: bool
    #: The present of a live run; else its end.
    now: float
    #: Length of the time axis: to the end of the run and, where calls ran on, some way past it.
    span: float
    figures: list[Figure]


@final
class View(Head):
    """A whole timeline."""

    version: Literal[3]
    decode: list[DecodeView]
    #: Start times of the turns that did not begin beside another one.
    turns: list[float]
    rows: list[RowView]
    #: When the model decoded while at least one function ran.
    overlap: list[list[float | None]]


class TurnsPatch(TypedDict):
    """``turns[first:]`` becomes ``items``."""

    first: int
    items: list[float]


class OverlapPatch(TypedDict):
    """``overlap[first:]`` becomes ``items``."""

    first: int
    items: list[list[float | None]]


class Changes(Head):
    """What changed since the last changes: items of ``decode`` and ``rows`` replace those with their id, or are new."""

    decode: list[DecodeView]
    #: The ids of spans of ``decode`` that are no more.
    gone: list[str]
    rows: list[RowView]
    turns: TurnsPatch
    overlap: OverlapPatch


class RunView(TypedDict):
    """One run of a comparison."""

    name: str
    #: ``saved 3.2 s``, ``slowest``, ...: against the slowest of the runs.
    note: str
    view: View


@final
class ComparisonView(TypedDict):
    """Several runs on one time axis."""

    version: Literal[3]
    title: str
    subtitle: str
    #: Length of the axis, in seconds.
    span: float
    figures: list[Figure]
    runs: list[RunView]
