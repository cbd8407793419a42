"""Wrong tables of effects, and whether the checks notice: a check that passes everything proves nothing.

Each mutant drops one path that a method reads or writes, or all paths of a class, or all there are. It can only do harm where
two calls are kept apart by nothing else. Such pairs are looked for in all cases, and where no case has one, a conversation is
made up of two calls that the cases have apart. The earlier call of a pair is made slow, so that the later one overtakes it if
it may.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from tests.benchmarks.bfcl_parts.cases import Call, Case, Effects, cases, effects
from tests.benchmarks.bfcl_parts.checks import all_wrong, out_of_order
from tests.benchmarks.bfcl_parts.oracle import Style
from tests.benchmarks.bfcl_parts.playing import play_virtually
from tests.benchmarks.bfcl_parts.world import Latency, conflict, touched

#: Pairs that are tried before a mutant counts as missed: a call that waits for a value may hold others back by itself.
_MOST_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mutant:
    """A table that is wrong in one thing."""

    name: str
    table: Effects
    #: The methods of which it says less than is true.
    methods: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the checks made of a mutant."""

    mutant: str
    #: None when no two calls are kept apart by what it drops alone, in the cases or made up of them.
    noticed: bool | None
    #: Whether that took a conversation that is in no case.
    made_up: bool = False
    #: Whether a result, the state or an answer was wrong, too, and not just the order.
    harmed: bool = False


def mutants() -> Iterator[Mutant]:
    """Yield every mutant."""
    table = effects()
    for owner, methods in table.items():
        for name, kind in itertools.product(methods, ("reads", "writes")):
            for path in methods[name][kind]:
                changed = copy.deepcopy({each: dict(rows) for each, rows in table.items()})
                changed[owner][name][kind].remove(path)  # type: ignore[index]
                yield Mutant(name=f"{name} {kind} {path}", table=changed, methods=frozenset({(owner, name)}))
    for owners in (*((owner,) for owner in table if table[owner]), tuple(table)):
        emptied = {
            owner: {name: {"reads": [], "writes": []} if owner in owners else row for name, row in rows.items()}
            for owner, rows in table.items()
        }
        gone = frozenset((owner, name) for owner in owners for name in table[owner])
        yield Mutant(name=f"all of {' and '.join(owners)}", table=emptied, methods=gone)


def judged(mutant: Mutant) -> Verdict:
    """Return whether the checks notice a mutant."""
    found = list(itertools.islice(_chances(mutant), _MOST_TRIES))
    made_up = not found
    verdict = Verdict(mutant=mutant.name, noticed=None, made_up=made_up)
    for case, first in found or _made_up(mutant):
        verdict = replace(verdict, noticed=bool(verdict.noticed))
        played = play_virtually(
            case,
            mode="async",
            style=Style(several=True, pending=True),
            latency=Latency(0.1, slow=first),
            table=mutant.table,
        )
        if order := out_of_order(played):
            harmed = not made_up and len(all_wrong(played)) > len(order)
            verdict = replace(verdict, noticed=True, harmed=harmed)
            if not made_up:
                break
    return verdict


def _made_up(mutant: Mutant) -> Iterator[tuple[Case, int]]:
    """Yield a conversation of two calls that the mutant alone lets overlap; it is a case for as long as it is played."""
    for one, other in itertools.product(_calls(), repeat=2):
        mine = {(one.owner, one.name), (other.owner, other.name)}
        if one.owner != other.owner or mine.isdisjoint(mutant.methods):
            continue
        true, false = (
            [touched(call.owner, call.name, call.arguments, table) for call in (one, other)]
            for table in (effects(), mutant.table)
        )
        if conflict(*true) and not conflict(*false):
            case = next(case for case in cases().values() if one.owner in case.owners)
            calls = [replace(each, number=n, turn=0, takes=(), sees=()) for n, each in enumerate((one, other))]
            name = f"made-up:{mutant.name}".replace(" ", "-").replace(":", "-")
            cases()[name] = replace(case, name=name, said=("",), turns=(tuple(calls),), truth=())
            yield cases()[name], 0
            del cases()[name]
            return


@cache
def _calls() -> tuple[Call, ...]:
    """Return every call that the cases make, each once, with literal arguments."""
    each = {
        (call.owner, call.name, json.dumps(call.arguments)): call for case in cases().values() for call in case.calls
    }
    return tuple(each.values())


def _chances(mutant: Mutant) -> Iterator[tuple[Case, int]]:
    """Yield cases with a call that a later one may overtake by the mutant, and must not by the true table."""
    for case in cases().values():
        if mutant.methods.isdisjoint((call.owner, call.name) for call in case.calls):
            continue
        true = [touched(call.owner, call.name, call.arguments) for call in case.calls]
        behind = _behind(case, mutant.table)
        for first, second in itertools.combinations(range(len(case.calls)), 2):
            if conflict(true[first], true[second]) and first not in behind[second]:
                yield case, first
                break


def _behind(case: Case, table: Effects) -> list[set[int]]:
    """Return, for each call, all calls that have ended when it begins, whatever they take."""
    mine = [touched(call.owner, call.name, call.arguments, table) for call in case.calls]
    behind: list[set[int]] = []
    read = set[int]()  # what the model has seen the results of by then
    for call in case.calls:
        for number in call.sees:
            read |= {number, *behind[number]}
        before = set(read)
        ordered = [n for n in range(call.number) if conflict(mine[n], mine[call.number])]
        for number in (*ordered, *(each.source for each in call.takes)):
            before |= {number, *behind[number]}
        behind.append(before)
    return behind
