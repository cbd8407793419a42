"""What the machine orders its driver to do, in the imperative."""

from __future__ import annotations

from dataclasses import dataclass

from asyncfc_jupyter.core.events import Wait
from asyncfc_jupyter.core.futures import FutureName


@dataclass(frozen=True, slots=True)
class ResolveArguments:
    """Replace the references, check the values; answer with `ArgumentsResolved` or `CallFailed`."""

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
class SkipCall:
    """Settle the future without calling anything, because one that it needs did not succeed."""

    future: FutureName
    because: FutureName


Command = ResolveArguments | StartCall | HoldCall | SkipCall
