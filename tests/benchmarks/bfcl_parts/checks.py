"""Whether a conversation came out right, judged by what the layer has no part in.

* Every result, the whole private state, and a digest of what the model saw are those of calling one by one.
* The package's own checkers accept the live objects and the results against its ground truth, played by its own executor.
* No two calls that conflict by the table of effects overlapped, and each such pair ran in the order of the plan. Each call that
  touches anything ran: only one that touches nothing may share the outcome of another.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from tests.benchmarks.bfcl_parts.cases import Case, cases
from tests.benchmarks.bfcl_parts.oracle import Style
from tests.benchmarks.bfcl_parts.playing import Played, play_virtually, wrong_in
from tests.benchmarks.bfcl_parts.world import Latency, conflict, module, restore, touched


def out_of_order(played: Played) -> list[str]:
    """Return every pair of calls that conflict and overlapped or ran in the wrong order, and every call that did not run."""
    effects = [touched(ran.owner, ran.name, ran.arguments) for ran in played.ran]
    ran = {each.number for each in played.ran}
    wrong = [
        f"{played.case.name}: call {call.number} ({call.name}) was not made"
        for call in played.case.calls
        if call.number not in ran and any(touched(call.owner, call.name, call.arguments))
    ]
    for (one, mine), (other, others) in itertools.combinations(zip(played.ran, effects, strict=True), 2):
        first, second = (one, other) if one.number < other.number else (other, one)
        if first.ended > second.began and conflict(mine, others):
            wrong.append(f"{played.case.name}: call {second.number} ({second.name}) began before {first.number} ended")
    return wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The package's ground truth of a case, played by its own executor."""

    results: tuple[tuple[str, ...], ...]
    objects: dict[str, Any]


@lru_cache(maxsize=16)
def truth_of(name: str) -> Truth:
    """Return what the package itself makes of a case."""
    case, utils = cases()[name], module("multi_turn_utils")
    restore(case)
    results, objects = [], {}
    before = set(vars(utils))
    for calls in case.truth:
        given, objects = utils.execute_multi_turn_func_call(
            func_call_list=list(calls),
            initial_config=copy.deepcopy(dict(case.setting)),
            involved_classes=list(case.owners),
            model_name="truth",
            test_entry_id=name,
            long_context=case.category == "long_context",
            is_evaL_run=True,
        )
        results.append(tuple(given))
    for left in set(vars(utils)) - before:  # it keeps its objects in its module, by the names of the cases
        delattr(utils, left)
    return Truth(results=tuple(results), objects=objects)


def refused(played: Played) -> list[str]:
    """Return what the package's own checkers hold against a conversation."""
    checker, truth = module("multi_turn_checker"), truth_of(played.case.name)
    verdicts = [checker.state_checker(played.objects, truth.objects)]
    texts = iter(played.texts)
    so_far: list[str] = []
    for turn, (calls, meant) in enumerate(zip(played.case.turns, truth.results, strict=True)):
        so_far += itertools.islice(texts, len(calls))
        verdicts.append(checker.response_checker(so_far, list(meant), turn))
    return [f"{played.case.name}: {each['error_message']}" for each in verdicts if not each["valid"]]


@cache
def expected(name: str) -> Played:
    """Return a case called one by one through the layer, which must give what the plan says."""
    played = play_virtually(cases()[name], mode="sequential", style=Style(), latency=Latency(0.1))
    meant = [call.result for call in played.case.calls]
    assert played.texts == meant, f"{name} called one by one does not give what the plan says"
    return played


def all_wrong(played: Played, *, official: bool = True) -> list[str]:
    """Return everything that is wrong with a conversation."""
    case: Case = played.case
    # Between user turns the model has not seen everything where results may stay pending.
    answers: Sequence[int] | None = [len(case.turns) - 1] if played.style.pending and played.mode == "async" else None
    wrong = wrong_in(played, expected(case.name), answers=answers) + out_of_order(played)
    return wrong + (refused(played) if official else [])
