"""What the scheduler orders its driver to do, in the imperative."""

from __future__ import annotations

from dataclasses import dataclass

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.waits import Wait


@dataclass(frozen=True, slots=True)
class ResolveArguments:
    """Find out what the call touches, now that every value it needs is there.

    If its arguments are the same whenever they are read, bind them, and answer with `ArgumentsResolved` or `CallFailed`. Else
    answer with `EffectsResolved`: `BindArguments` follows. Do nothing if an answer to an earlier command has settled the future
    in the meantime.
    """

    future: FutureName


@dataclass(frozen=True, slots=True)
class BindArguments:
    """Replace the references and check the values of a call that nothing before it can affect any more.

    Answer with `ArgumentsResolved` or `CallFailed`; or with `BindingDelayed`, and with one of these later. Do nothing if an
    answer to an earlier command has settled the future in the meantime.
    """

    future: FutureName


@dataclass(frozen=True, slots=True)
class StartCall:
    """Call the function; answer with `CallFinished`, `CallFailed` or `CallCancelled`."""

    future: FutureName


@dataclass(frozen=True, slots=True)
class HoldCall:
    """Log why the future cannot start yet. This reason replaces the one before."""

    future: FutureName
    wait: Wait


@dataclass(frozen=True, slots=True)
class AskApproval:
    """Ask the user; answer with `ApprovalGiven`, or with `CallSkipped` if the user declines or does not answer."""

    future: FutureName


@dataclass(frozen=True, slots=True)
class SkipCall:
    """Settle the future without a call of the function.

    A call that it needs did not succeed; or it is irreversible, and an earlier call did not succeed or its reply was cut off.
    """

    future: FutureName
    #: The call that did not succeed; None if the reason is the call's own reply.
    because: FutureName | None


@dataclass(frozen=True, slots=True)
class CopyOutcome:
    """Settle the future with the value or error of the call that it repeats."""

    future: FutureName
    of: FutureName


Command = ResolveArguments | BindArguments | StartCall | HoldCall | AskApproval | SkipCall | CopyOutcome
