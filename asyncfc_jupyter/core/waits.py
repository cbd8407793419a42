"""Every reason why a future has not started: one table of kinds, each with its sentence and with what ends the wait.

To add a reason: add its kind here, its look to ``trace/view/legend.py``, and hold the call for it in ``scheduler.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from asyncfc_jupyter.core.effects import Hazard, Path, show_path
from asyncfc_jupyter.core.futures import FutureName

WaitKind = Literal["data", "hazard", "irreversible", "approval", "limit", "same"]
#: What ends a wait: values that the arguments take, earlier calls, the user's answer, or a free place under a limit.
Group = Literal["values", "calls", "user", "places"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One reason why a future has not started. Its text is the sentence that users read."""

    kind: WaitKind
    #: The futures it waits for. Empty for a limit and for an approval.
    on: tuple[FutureName, ...] = ()
    #: For data: the references that wait, such as ``$f1.order_id``. For a limit: its name, such as ``limit 2 on search``.
    detail: str = ""
    hazard: Hazard | None = None
    path: Path = ()
    #: False when the conflict is with, or of, a tool that declares nothing.
    declared: bool = True
    #: For a hazard: the path is the other call's, and stands for a family until that one's arguments are known.
    widened: bool = False

    @property
    def group(self) -> Group:
        """What ends this wait."""
        return WAITS[self.kind].group

    def __str__(self) -> str:
        return WAITS[self.kind].sentence(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A kind of waits."""

    group: Group
    #: Returns the sentence that explains a wait of this kind.
    sentence: Callable[[Wait], str]


def _first(wait: Wait) -> str:
    """Return the call that is waited for; a damaged file may not name it."""
    return wait.on[0] if wait.on else "an earlier call"


def _hazard(wait: Wait) -> str:
    blocker = _first(wait)
    if not wait.declared:
        return f"{blocker} goes first: no effects declared ({wait.hazard})"
    verb = "read" if wait.hazard is Hazard.WAR else "write"
    if wait.widened:
        family = f"{show_path(wait.path)}/..." if wait.path else "anything"
        return f"{blocker} may {verb} {family}: its path is not known yet"
    return f"{blocker} {verb}s {show_path(wait.path)} ({wait.hazard})"


def _irreversible(wait: Wait) -> str:
    cause = f"{_first(wait)} may still fail" if wait.on else "the reply may still be cut off"
    return f"held: irreversible, {cause}"


WAITS: Final[Mapping[str, Reason]] = {
    "data": Reason(group="values", sentence=lambda wait: f"needs {wait.detail}"),
    "hazard": Reason(group="calls", sentence=_hazard),
    "irreversible": Reason(group="calls", sentence=_irreversible),
    "approval": Reason(group="user", sentence=lambda _: "held: approval"),
    "limit": Reason(group="places", sentence=lambda wait: wait.detail),
    "same": Reason(group="calls", sentence=lambda wait: f"the same call as {_first(wait)}"),
}
