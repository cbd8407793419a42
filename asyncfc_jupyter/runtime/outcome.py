"""The outcome of an attempt of a call: always a value, also where the function raised."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.runtime.exception_text import show_exception
from asyncfc_jupyter.runtime.tracebacks import own_frames
from asyncfc_jupyter.values.release import release
from asyncfc_jupyter.values.snapshot import TooLarge, keep


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """The function returned."""

    value: Any
    #: The longest stretch, in seconds, for which an async function kept the event loop to itself.
    blocked_s: float = 0.0
    #: Once the value is kept as it was: where it holds anything but plain data (`values.snapshot`). Before, None.
    mixed: Set[int] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The function raised, or ran out of time."""

    kind: Literal["error", "timeout"]
    message: str
    error: BaseException | None = None
    #: Its time was up, and its function runs on.
    still_running: bool = False


Outcome = Returned | Raised


def kept(outcomes: list[Outcome], most: int | None = None, *, private: bool = False) -> Outcome:
    """Return an outcome whose value is kept as it is now.

    Args:
        outcomes: Holds the outcome, and nothing else does; it is emptied. A large value could not be freed little by little if
            a caller's variable held it.
        most: As for `values.snapshot.keep`, like the next.
        private: Whether nothing else holds the value.

    Raises:
        TooLarge: It is too large to be copied at once; the list is as before.
    """
    outcome = outcomes[0]
    if not isinstance(outcome, Returned):
        return outcomes.pop()
    with ForeignCode() as ran:
        copy = keep(outcome.value, most, private=private)
        outcomes.clear()
        outcome = replace(outcome, value=copy.value, mixed=copy.mixed)
        release(copy.originals)
        return outcome
    if most is not None and isinstance(ran.error, TooLarge):
        raise ran.error
    outcomes.clear()
    if isinstance(ran.error, RecursionError):
        message = "RecursionError: the result holds itself, or is nested too deeply, to be kept as it is now"
        return Raised(kind="error", message=message, error=ran.error)
    return raised(ran.error)


def raised(error: BaseException | None) -> Raised:
    """Return an exception as a value. Its traceback keeps the user's frames only."""
    return Raised(kind="error", message=show_exception(error), error=None if error is None else own_frames(error))
