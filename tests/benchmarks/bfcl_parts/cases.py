"""The cases: the user's messages, the calls, the effects of each call, and the values that it needs.

Calls are numbered over the whole conversation, from 0, as futures are from ``f1``.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.benchmarks.bfcl_parts.fetching import fetched

_DATA = Path(__file__).resolve().parents[1] / "data"
CATEGORIES = ("base", "long_context", "miss_func", "miss_param")
_STEP = re.compile(r"\.(\w+)|\[(\d+|\"[^\"]*\")\]")

Steps = tuple[str | int, ...]
Effects = Mapping[str, Mapping[str, Mapping[str, list[str]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """An argument, or a part of one, that is a part of an earlier call's result."""

    argument: Steps
    source: int
    path: str
    #: Whether the source is of an earlier user turn.
    earlier_turn: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a plan."""

    number: int
    turn: int
    owner: str
    name: str
    arguments: Mapping[str, Any]
    tokens: int
    takes: tuple[Takes, ...]
    #: Numbers of the calls whose results must be read before this one can be written.
    sees: tuple[int, ...]
    #: What the tool returned when the plan ran call by call, as text.
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A conversation: for each user turn what is said, and the calls that answer it."""

    name: str
    said: tuple[str, ...]
    turns: tuple[tuple[Call, ...], ...]
    owners: tuple[str, ...]
    setting: Mapping[str, Any]
    #: The official ground truth: for each user turn, calls as Python text.
    truth: tuple[tuple[str, ...], ...]

    @property
    def category(self) -> str:
        """Such as ``long_context``."""
        return self.name.removeprefix("multi_turn_").rpartition("_")[0]

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls, in order."""
        return tuple(call for turn in self.turns for call in turn)

    @property
    def reads_results(self) -> bool:
        """Whether the model must read a result in the middle of a turn."""
        return any(call.sees for call in self.calls)


@cache
def cases() -> dict[str, Case]:
    """Return all cases by name.

    Raises:
        BfclUnavailableError: The package that holds the questions cannot be fetched.
    """
    plans = json.loads(lzma.decompress((_DATA / "bfcl_plans.json.xz").read_bytes()))
    data = fetched() / "bfcl_eval" / "data"
    found = {}
    for category in CATEGORIES:
        file = f"BFCL_v4_multi_turn_{category}.json"
        answers = {each["id"]: each["ground_truth"] for each in _lines(data / "possible_answer" / file)}
        for question in _lines(data / file):
            if plan := plans.get(question["id"]):
                found[question["id"]] = _case(question, plan, answers[question["id"]])
    return found


@cache
def effects() -> Effects:
    """Return what each method of each class reads and writes, as path templates."""
    table: Effects = json.loads((_DATA / "bfcl_effects.json").read_text(encoding="utf-8"))
    return table


def _lines(file: Path) -> Iterator[Any]:
    return map(json.loads, file.read_text(encoding="utf-8").splitlines())


def _case(question: Mapping[str, Any], plan: list[list[dict[str, Any]]], truth: list[list[str]]) -> Case:
    said = tuple(" ".join(each["content"] for each in turn) for turn in question["question"])
    turns: list[tuple[Call, ...]] = []
    before: list[Call] = []
    for place, listed in enumerate(plan):
        known, first = " ".join(said[: place + 1]), len(before)
        calls = []
        for each in listed:
            takes = _takes(each, first) + _takes_of_earlier_turns(each, before, known)
            calls.append(_call(each, first + len(calls), place, takes, first))
        turns.append(tuple(calls))
        before += calls
    return Case(
        name=question["id"],
        said=said,
        turns=tuple(turns),
        owners=tuple(question["involved_classes"]),
        setting=question["initial_config"],
        truth=tuple(map(tuple, truth)),
    )


def _call(listed: Mapping[str, Any], number: int, turn: int, takes: list[Takes], first: int) -> Call:
    return Call(
        number=number,
        turn=turn,
        owner=listed["cls"],
        name=listed["name"],
        arguments=listed["args"],
        tokens=listed["tokens"],
        takes=tuple(takes),
        sees=tuple(first + source for source in listed["see"]),
        result=listed["result"],
    )


def _takes(listed: Mapping[str, Any], first: int) -> list[Takes]:
    return [
        Takes(argument=steps(ref["arg"]), source=first + ref["src"], path=ref["path"], earlier_turn=False)
        for ref in listed["refs"]
    ]


def _takes_of_earlier_turns(listed: Mapping[str, Any], before: list[Call], known: str) -> list[Takes]:
    """Return what a call can only know from an earlier turn's result: the plans say so within a turn alone."""
    taken = {steps(ref["arg"]) for ref in listed["refs"]}
    found = []
    for place, value in leaves(listed["args"]):
        if place not in taken and not _told(value, known) and (source := _latest(value, before)):
            found.append(Takes(argument=place, source=source[0], path=show(source[1]), earlier_turn=True))
    return found


def _told(value: Any, known: str) -> bool:
    """Return whether the user has named a value, or it is empty."""
    return value is None or isinstance(value, bool) or str(value) in known


def _latest(value: Any, before: list[Call]) -> tuple[int, Steps] | None:
    """Return where a value stands in the latest result of an earlier turn that holds it."""
    for call in reversed(before):
        try:
            result = json.loads(call.result)
        except ValueError:
            continue
        for place, held in leaves(result):
            if place and held == value and type(held) is type(value):
                return call.number, place
    return None


# -- places in plain data --------------------------------------------------------------------------------------------


def steps(path: str) -> Steps:
    """Return the steps of a path such as ``.orders[0].id`` or ``["a key"]``."""
    return tuple(key or json.loads(place) for key, place in _STEP.findall(path))


def show(place: Steps) -> str:
    """Return steps as a path, in the form that a reference takes."""
    return "".join(
        f"[{each}]" if isinstance(each, int) else f".{each}" if each.isidentifier() else f"[{json.dumps(each)}]"
        for each in place
    )


def at(value: Any, place: Steps) -> Any:
    """Return what stands at a place."""
    for step in place:
        value = value[step]
    return value


def leaves(value: Any, place: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """Yield every scalar in plain data with its place."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*place, index))
    else:
        yield place, value
