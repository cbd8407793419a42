"""What the scheduler orders its driver to do, in the imperative."""

from __future__ import annotations

from dataclasses import dataclass

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.waits import Wait


@dataclass(frozen=True, slots=True)
class ResolveArguments:
    """Replace the references, check the values; answer with `ArgumentsResolved` or `CallFailed`.

    Not when an answer to an earlier command has settled the future in the meantime.
    """

    future: FutureName


@dataclass(frozen=True, slots=True)
class StartCall:
    """Call the function; answer with `CallFinished`, `CallFailed` or `CallCancelled`."""

    future: FutureName


@dataclass(frozen=True, slots=True)
class HoldCall:
    """Note why the future cannot start yet. It replaces what was noted before."""

    future: FutureName
    wait: Wait


@dataclass(frozen=True, slots=True)
class AskApproval:
    """Ask the person; answer with `ApprovalGiven`, or with `CallSkipped` when the answer is no or does not come."""

    future: FutureName


@dataclass(frozen=True, slots=True)
class SkipCall:
    """Settle the future without calling anything.

    One that it needs did not succeed; or it is irreversible, and an earlier one did not, or its reply was cut off.
    """

    future: FutureName
    #: The call that did not succeed; None when its own reply is the reason.
    because: FutureName | None


@dataclass(frozen=True, slots=True)
class CopyOutcome:
    """Settle the future as the call that it repeats was settled, with that one's value or error."""

    future: FutureName
    of: FutureName


Command = ResolveArguments | StartCall | HoldCall | AskApproval | SkipCall | CopyOutcome
