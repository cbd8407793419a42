"""The tools: live objects of the package's own classes, whose methods take an injected time.

All objects of one conversation are a `World`. A method takes effect somewhere within its time, at a point drawn by seed, and
what it returns is the live object that the class hands out: keeping calls apart and results as they were is the layer's
business, and is what is tested.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import inspect
import itertools
import json
import math
import pickle
import random
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any, get_type_hints

from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import Tool, make_tool
from tests.benchmarks.bfcl_parts.cases import Case, Effects, effects
from tests.benchmarks.bfcl_parts.fetching import fetched

_PACKAGE = "bfcl_eval.eval_checker.multi_turn_eval"
#: No state: when a file was last touched is the clock's account and not the plan's, and the looked-up costs of flights are a
#: notepad, which its reader has just rewritten.
_NOT_STATE = frozenset({"_last_modified", "_flight_cost_lookup", "_api_description"})
#: What a call takes, in seconds, that is to be overtaken by whatever may.
_SLOW_S = 1000.0
#: The ground truth passes a text where the annotation says a number, which the methods themselves do not check.
_UNCHECKED = frozenset({("close_ticket", "ticket_id")})


# -- the package's own code ------------------------------------------------------------------------------------------


@cache
def module(name: str) -> ModuleType:
    """Return a module of the fetched package."""
    folder = str(fetched())
    if folder not in sys.path:
        sys.path.append(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # escapes in its texts that newer Pythons frown upon
        return importlib.import_module(
            f"{_PACKAGE}.{name}" if name else "bfcl_eval.constants.executable_backend_config"
        )


def class_of(owner: str) -> type[Any]:
    """Return one of the eight tool classes."""
    path: str = module("").CLASS_FILE_PATH_MAPPING[owner]
    found: type[Any] = getattr(module(path.removeprefix(f"{_PACKAGE}.")), owner)
    return found


@cache
def _pristine() -> dict[str, bytes]:
    held = vars(module("func_source_code.long_context"))
    # Reading them back takes a fraction of what copying the objects does.
    return {n: pickle.dumps(each) for n, each in held.items() if n.isupper() and isinstance(each, dict | list)}


def restore(case: Case) -> None:
    """Undo what conversations did to the data that all objects of the package share: those with long contexts do."""
    if case.category != "long_context":
        return
    shared = module("func_source_code.long_context")
    for name, kept in _pristine().items():
        held, value = getattr(shared, name), pickle.loads(kept)
        held.clear()
        held.update(value) if isinstance(value, dict) else held.extend(value)


def objects_of(case: Case) -> dict[str, Any]:
    """Return new objects in the state in which a case begins, by the names of their classes."""
    restore(case)
    made = {}
    for owner in case.owners:
        one = class_of(owner)()
        if owner not in module("").STATELESS_CLASSES:
            setting = copy.deepcopy(case.setting.get(owner, {}))
            one._load_scenario(setting, long_context=case.category == "long_context")
        made[owner] = one
    return made


# -- time ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Latency:
    """How long each call takes: always the same, or drawn from a log-normal distribution of this mean."""

    mean_s: float
    sigma: float = 0.0
    seed: int = 0
    #: The number of a call that takes far longer than any other.
    slow: int | None = None

    def of(self, case: str, number: int) -> float:
        """Return what a call takes in seconds: the same in every mode."""
        if number == self.slow:
            return _SLOW_S
        if not self.sigma:
            return self.mean_s
        rng = random.Random(f"{self.seed} {case} {number}")
        return self.mean_s * math.exp(rng.gauss(-(self.sigma**2) / 2, self.sigma))

    def __str__(self) -> str:
        return f"log-normal, mean {self.mean_s:g} s" if self.sigma else f"{self.mean_s:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One execution of a method, in the order of what was observed."""

    number: int
    owner: str
    name: str
    arguments: Mapping[str, Any]
    began: int
    ended: int


@dataclass(slots=True)
class World:
    """The objects of one conversation, and what ran on them."""

    case: Case
    latency: Latency
    objects: dict[str, Any] = field(init=False)
    ran: list[Ran] = field(default_factory=list)
    _clock: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.objects = objects_of(self.case)

    async def run(self, owner: str, name: str, number: int, arguments: Mapping[str, Any]) -> Any:
        """Carry a method out, at some point of the time that it takes."""
        began, latency_s = next(self._clock), self.latency.of(self.case.name, number)
        share = random.Random(f"{self.latency.seed} {number}").random()
        await asyncio.sleep(latency_s * share)
        result = getattr(self.objects[owner], name)(**arguments)
        await asyncio.sleep(latency_s * (1 - share))
        ended = next(self._clock)
        self.ran.append(Ran(number=number, owner=owner, name=name, arguments=dict(arguments), began=began, ended=ended))
        return result


#: The world that the tools act on: tools are made once, since describing them to a model takes long.
_STAGE: list[World] = []


def enter(world: World) -> None:
    """Let the tools act on this world from here on."""
    _STAGE[:] = [world]


# -- tools -----------------------------------------------------------------------------------------------------------


def tools_of(case: Case, *, table: Effects | None, detached: bool) -> list[Tool]:
    """Return the tools of a case.

    Args:
        case: The case.
        table: What methods read and write; None to declare nothing.
        detached: Whether calls may outlive the user turn that made them.
    """
    return [tool for owner in case.owners for tool in _tools_of(owner, _Table(table), detached)]


class _Table:
    """A table of effects that can be a key: by identity, and the true one for nothing."""

    def __init__(self, table: Effects | None) -> None:
        self.table = table

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Table) and self.table is other.table

    def __hash__(self) -> int:
        return id(self.table)


@cache
def _tools_of(owner: str, declared: _Table, detached: bool) -> tuple[Tool, ...]:
    methods = inspect.getmembers(class_of(owner), inspect.isfunction)
    return tuple(
        _tool(owner, name, method, declared.table, detached) for name, method in methods if not name.startswith("_")
    )


def _tool(owner: str, name: str, method: Callable[..., Any], table: Effects | None, detached: bool) -> Tool:
    async def call(context: ToolContext, **arguments: Any) -> Any:
        return await _STAGE[0].run(owner, name, int(context.future[1:]) - 1, arguments)

    hints = {each: hint for each, hint in get_type_hints(method).items() if each != "return"}
    hints |= {each: Any for each in hints if (name, each) in _UNCHECKED}
    whole = inspect.signature(method)
    by_name = inspect.Parameter.KEYWORD_ONLY
    mine = [p.replace(kind=by_name, annotation=hints[p.name]) for p in whole.parameters.values() if p.name != "self"]
    context = inspect.Parameter("context", by_name, annotation=ToolContext)
    call.__signature__ = whole.replace(parameters=[*mine, context])  # type: ignore[attr-defined]
    call.__annotations__ = {**hints, "context": ToolContext}
    call.__name__, call.__doc__ = name, method.__doc__
    options: dict[str, Any] = {"timeout_s": None, "detached": detached}
    if table is not None:
        touched = table.get(owner, {}).get(name, {"reads": [], "writes": []})
        options |= {"reads": touched["reads"], "writes": touched["writes"]}
    return make_tool(call, **options)


# -- the outcome -----------------------------------------------------------------------------------------------------


def as_text(result: Any) -> str:
    """Return a result as the package itself writes it."""
    if isinstance(result, dict):
        try:
            return json.dumps(result)
        except TypeError:
            return str(result)
    return str(result)


def fingerprint(value: Any) -> Any:
    """Return the whole state of objects, private parts and random generators included, as data to compare.

    The order of a folder's contents is state, since a listing shows it; that of any other mapping is not.
    """
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, dict):
        ordered = any(hasattr(each, "contents") or hasattr(each, "content") for each in value.values())
        items = [(str(key), fingerprint(each)) for key, each in value.items()]
        return items if ordered else sorted(items, key=lambda item: item[0])
    if isinstance(value, list | tuple):
        return [fingerprint(each) for each in value]
    if isinstance(value, set):
        return sorted(map(repr, value))
    if value is None or isinstance(value, str | bool | int | float):
        return value
    held = {name: each for name, each in vars(value).items() if name not in _NOT_STATE and name != "parent"}
    if "_current_dir" in held:
        held["_current_dir"] = value.pwd()
    return [type(value).__name__, fingerprint(held)]


def one_by_one(case: Case) -> tuple[list[Any], dict[str, Any]]:
    """Return each result of the plan and the objects at its end, when called directly and in order."""
    objects = objects_of(case)
    results = []
    for call in case.calls:
        arguments = copy.deepcopy(dict(call.arguments))  # some methods keep them, and change them later
        results.append(copy.deepcopy(getattr(objects[call.owner], call.name)(**arguments)))
    return results, objects


def touched(call_owner: str, name: str, arguments: Mapping[str, Any], table: Effects | None = None) -> Any:
    """Return the reads and writes of a call, each a list of paths, worked out here and not by the layer."""
    rows = (effects() if table is None else table).get(call_owner, {}).get(name, {"reads": [], "writes": []})
    return [_path(text, arguments) for text in rows["reads"]], [_path(text, arguments) for text in rows["writes"]]


def _path(template: str, arguments: Mapping[str, Any]) -> list[str]:
    path: list[str] = []
    for part in template.split("/"):
        if not part.startswith("{"):
            path.append(part)
            continue
        value = arguments.get(part[1:-1])
        places = [] if value is None else [place for place in str(value).split("/") if place]
        if not places:
            break
        path += places
    return path


def conflict(one: Any, other: Any) -> bool:
    """Return whether two calls, as `touched` gives them, may not overlap."""
    (reads, writes), (later_reads, later_writes) = one, other
    pairs = itertools.chain(
        itertools.product(writes, later_reads),
        itertools.product(reads, later_writes),
        itertools.product(writes, later_writes),
    )
    return any(a[: len(b)] == b[: len(a)] for a, b in pairs)
