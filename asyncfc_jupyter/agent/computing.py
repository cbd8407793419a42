"""What a run says about tools that compute in threads, where Python's lock lets one compute at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from asyncfc_jupyter.core.events import CallIssued, CallMeasured, CallStarted, Stamped
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.text import count

#: Seconds of processor time from which it is worth a sentence.
_WORTH_S = 1.0
#: Waiting over computing from which the calls were in each other's way.
_CROWDED = 0.5
#: Cores in use from which it is not the lock that calls wait for: code without the lock may use several.
_SEVERAL_CORES = 1.2


@dataclass(slots=True, kw_only=True)
class _Computed:
    """The calls of one tool in threads that computed, in seconds."""

    calls: int = 0
    cpu_s: float = 0.0
    waited_s: float = 0.0
    first_s: float = float("inf")
    last_s: float = 0.0


def computing_notes(log: Iterable[Stamped]) -> Iterator[str]:
    """Yield a sentence for each tool whose calls computed in threads and waited for each other, with what would help."""
    tools: dict[FutureName, str] = {}
    started_s: dict[FutureName, float] = {}
    measured: dict[FutureName, tuple[CallMeasured, float]] = {}
    for stamped in log:
        match stamped.event:
            case CallIssued(future=name, tool=tool):
                tools[name] = tool
            case CallStarted(future=name):
                started_s[name] = stamped.at_s
            case CallMeasured(future=name, in_thread=True) as event if name in tools and name in started_s:
                measured[name] = event, stamped.at_s
    found: dict[str, _Computed] = {}
    for name, (event, at_s) in measured.items():
        each = found.setdefault(tools[name], _Computed())
        each.calls, each.cpu_s, each.waited_s = each.calls + 1, each.cpu_s + event.cpu_s, each.waited_s + event.waited_s
        each.first_s, each.last_s = min(each.first_s, started_s[name]), max(each.last_s, at_s)
    for tool, each in found.items():
        lock = each.cpu_s < _SEVERAL_CORES * (each.last_s - each.first_s)
        if lock and each.cpu_s >= _WORTH_S and each.waited_s >= _CROWDED * each.cpu_s:
            yield _sentence(tool, each)


def _sentence(tool: str, computed: _Computed) -> str:
    cores = os.cpu_count() or 1
    elsewhere = f'run_in="process" would use {cores} cores, and ' if cores > 1 else ""
    return (
        f"{count(computed.calls, 'call')} of {tool} computed for {computed.cpu_s:.1f} s in threads and waited "
        f"{computed.waited_s:.1f} s for other calls, since Python's lock lets one compute at a time: {elsewhere}limit=1 would "
        "return the first result sooner"
    )
