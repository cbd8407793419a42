"""The four ways to call functions, on one engine, so that they can be compared."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, get_args

from asyncfc_jupyter.errors import UsageError

#: How settled results are delivered: with a tool message that goes out anyway, or in a message in the user's place.
Deliver = Literal["tool", "user"]


class Mode(StrEnum):
    """When calls start, and how they are answered at the end of a reply."""

    #: Calls run one at a time after the reply has ended; the next turn waits for all.
    SEQUENTIAL = "sequential"
    #: A reply's calls run together after it has ended; the next turn waits for all. What most frameworks do.
    BATCH = "batch"
    #: Each call starts when its own arguments close; the next turn waits for all.
    EAGER = "eager"
    #: Each call starts when its arguments close and returns a future; the next turn waits for none.
    ASYNC = "async"

    @property
    def futures(self) -> bool:
        """Whether the model is given futures rather than values."""
        return self is Mode.ASYNC

    @property
    def starts_while_streaming(self) -> bool:
        """Whether a call starts before the reply that holds it has ended."""
        return self in (Mode.EAGER, Mode.ASYNC)


class Hedge(StrEnum):
    """What is done with a request that holds placeholders, when their values come while its reply shows no tool call yet.

    In the async mode only. Hedged requests are known from "The Tail at Scale" (Dean and Barroso, 2013).
    """

    #: Nothing: the reply is read to its end.
    OFF = "off"
    #: The request is abandoned, and sent again with the values.
    RETRACT = "retract"
    #: A second request is made with the values, and the first of the two that opens a tool call is used.
    RACE = "race"
    #: A race where a request costs nothing and the server is known to run two at once, else `RETRACT`.
    AUTO = "auto"


class Remember(StrEnum):
    """For how long it is remembered how long tools take, and what a model does with futures."""

    #: For the conversation.
    OFF = "off"
    #: For as long as the kernel, or another process, lives.
    KERNEL = "kernel"
    #: Also in a file in the user's cache.
    DISK = "disk"


def parse_mode(text: str) -> Mode:
    """Return the mode of that name.

    Raises:
        UsageError: No mode has this name; the error lists them.
    """
    try:
        return Mode(text)
    except ValueError:
        raise UsageError(f"there is no mode {text!r}; the modes are: {', '.join(Mode)}.") from None


def parse_hedge(text: str) -> Hedge:
    """Return the way to hedge of that name.

    Raises:
        UsageError: No way has this name; the error lists them.
    """
    try:
        return Hedge(text)
    except ValueError:
        raise UsageError(f"hedge is {text!r}; it can be: {', '.join(Hedge)}.") from None


def parse_remember(text: str) -> Remember:
    """Return the way to remember of that name.

    Raises:
        UsageError: No way has this name; the error lists them.
    """
    try:
        return Remember(text)
    except ValueError:
        raise UsageError(f"remember is {text!r}; it can be: {', '.join(Remember)}.") from None


def parse_deliver(text: str) -> Deliver:
    """Return the way of delivery of that name.

    Raises:
        UsageError: No way has this name; the error lists them.
    """
    ways: tuple[Deliver, ...] = get_args(Deliver)
    for way in ways:
        if text == way:
            return way
    raise UsageError(f"deliver is {text!r}; it can be: {', '.join(ways)}.")
