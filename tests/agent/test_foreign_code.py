"""The code of a value, an exception or an observer may raise anything: each call gets an outcome, and the loop lives."""

import asyncio
import dataclasses
import enum
import functools
import gc
import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, BeforeValidator, field_serializer, model_serializer

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.agent.persistence import fork, from_json, to_json
from asyncfc_jupyter.errors import AgentInterrupted, ModelError
from asyncfc_jupyter.testing import Breaks, Calls, Says, ScriptedModel, run_virtually
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import make_tool
from tests.suite.long_form import is_long

RAISED = [
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    RecursionError,
    MemoryError,
    StopIteration,
    AgentInterrupted,
    BaseException,
]
#: Methods and properties of a class, each of which raises in turn.
METHODS = [
    "__len__", "__repr__", "__str__", "__getattr__", "__getattribute__", "__eq__", "__hash__", "__iter__", "__next__",
    "__bool__", "__reduce__", "__reduce_ex__", "__deepcopy__", "__copy__", "__dir__", "__format__", "__del__", "__getitem__",
    "__contains__", "keys", "items", "values", "item", "isoformat", "_repr_html_", "_repr_mimebundle_", "__int__", "__float__",
    "__index__", "__call__", "__await__", "__fspath__", "__instancecheck__", "_make",
]  # fmt: skip
PROPERTIES = [
    "__class__", "__dict__", "__module__", "__dataclass_fields__", "shape", "dtype", "columns", "ndim", "iloc", "_fields",
    "field",
]  # fmt: skip
EXAMPLES = {
    dict: {"field": 1}, list: [1, 2], tuple: (1, 2), set: {1}, str: "text", int: 7, float: 1.5, bytes: b"x", Exception: "why",
}  # fmt: skip


def raising(error):
    def hook(*args, **kwargs):
        raise error("from its own code")

    return hook


def hostile(base, name, error):
    """An object whose method or property of a name raises."""
    kind = type("Hostile", (base,), {name: property(raising(error)) if name in PROPERTIES else raising(error)})
    return kind(EXAMPLES[base]) if base in EXAMPLES else kind()


@dataclasses.dataclass
class Recorded:
    field: Any


def in_containers(hook):
    """Mappings, sequences and sets that raise when their items are asked for."""
    names = {"__len__": lambda self: 1, "__iter__": lambda self: iter(["field"])}
    yield type("Lazy", (Mapping,), names | {"__getitem__": hook})()
    yield type("Row", (Sequence,), names | {"__getitem__": hook})()
    yield type("Bag", (Set,), names | {"__contains__": hook, "__iter__": hook})()
    yield type("Mirror", (dict,), {"items": hook, "__getitem__": hook})(field=1)


def with_serializers(hook):
    """Objects of pydantic whose serializers raise, and an enum whose value does."""

    class Masks(BaseModel):
        field: int = 1

        @field_serializer("field")
        def mask(self, value):
            hook()

    class Whole(BaseModel):
        field: int = 1

        @model_serializer
        def whole(self):
            hook()

    class Odd(enum.Enum):
        ONE = 1
        value = property(hook)

    yield from (Masks(), Whole(), Odd.ONE)


def with_metaclasses(hook):
    """Objects whose class has code of its own for being asked about."""
    meta = type("Meta", (type,), {"__name__": property(hook), "__instancecheck__": hook, "__getattribute__": hook})
    yield meta("Odd", (), {"field": 1})()
    yield meta("OddError", (Exception,), {})("why")


def errors(hook):
    """Exceptions of which every part raises, alone and in a group."""
    parts = ("__cause__", "__context__", "__notes__", "args", "__traceback__", "__suppress_context__")
    kind = type(
        "Parts", (Exception,), dict.fromkeys(parts, property(hook)) | {"add_note": hook, "with_traceback": hook}
    )
    yield kind("why")
    yield ExceptionGroup("several", [kind("why"), type("Mute", (Exception,), {"__str__": hook})("why")])


class Fickle:
    """A key that raises when it is hashed once too often: at some copy of the mapping that holds it."""

    def __init__(self, error, times):
        self._error, self._times = error, times

    def __hash__(self):
        self._times -= 1
        if self._times < 0:
            raise self._error("from its own code")
        return 1


def every(error):
    """Each kind of object with code that raises."""
    for base in (object, *EXAMPLES):
        for name in METHODS + PROPERTIES:
            yield hostile(base, name, error)
    hook = raising(error)
    for kinds in (in_containers, with_serializers, with_metaclasses, errors):
        yield from kinds(hook)
    yield Recorded(hostile(object, "__repr__", error))
    yield from ({Fickle(error, times): 1} for times in range(1, 24))
    yield {"field": hostile(object, "__class__", error), hostile(object, "__str__", error): 1}


VALUE: list[Any] = [None]


def give(n: int = 0) -> Any:
    """Return or raise the value of the test."""
    value = VALUE[0]
    if issubclass(type(value), BaseException):
        raise value
    return value


async def give_soon(n: int = 0) -> Any:
    """Return or raise it on the event loop."""
    return give()


def hand_over() -> Any:
    """Return it, also if it is an exception."""
    return VALUE[0]


def take(it: Any) -> Any:
    """Return its argument."""
    return it


def plain() -> str:
    """Return a text."""
    return "fine"


TOOLS = [
    make_tool(give, pure=True),
    make_tool(give, pure=True, name="again", retries=1),
    make_tool(give_soon, pure=True),
    make_tool(hand_over, writes=["x"]),
    make_tool(take, writes=["y"]),
    make_tool(take, name="ask", approve=True, pure=True),
    make_tool(take, name="retry", retries=1, pure=True),
    make_tool(take, name="place", writes=["at/{it}"]),
    make_tool(plain, writes=["x"]),
]
#: The value is returned and raised, shared, retried, passed on, stepped into, shown for approval, and part of a path.
CALLS = [
    ("give", {}), ("give", {}), ("again", {}), ("give_soon", {}), ("hand_over", {}), ("take", {"it": "$f5"}),
    ("take", {"it": "$f5.field"}), ("take", {"it": "$f5[0]"}), ("take", {"it": '$f5["a"]'}), ("take", {"it": "$f5.value"}),
    ("ask", {"it": "$f5"}), ("retry", {"it": "$f5"}), ("place", {"it": "$f5"}), ("take", {"it": {"in": ["$f5", "$f5.x"]}}),
    ("plain", {}),
]  # fmt: skip


async def lived(*, tools=TOOLS, calls=CALLS, more=({"it": "<field>"},), **options):
    """Run calls to the end and what is done with their results afterwards; the last of them works as ever."""
    wrong = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, about: wrong.append(about))
    second = [Calls("take", each) for each in more]
    model = ScriptedModel([Calls(*call) for call in calls], second, *([Says("done")] for _ in range(4)))
    agent = Agent(model, tools=tools, **{"approver": lambda asked: bool(str(asked)), **options.pop("agent", {})})
    run = agent.start("go", **options)
    await asyncio.wait_for(run.wait(), 600)
    assert [future.name for future in run.futures.values() if not future.done()] == []
    assert run.futures[f"f{len(calls)}"].result() == "fine"
    assert len(f"{run.futures} {run!r} {run.certificate()} {run.trace.to_json()}") > 100
    from_json(to_json(run.conversation))
    later = Agent(ScriptedModel([Calls("plain")], *([Says("done")] for _ in range(3))), tools=TOOLS)
    assert (await later.run("go", conversation=fork(run.conversation))).outcome == "answered"
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert wrong == []
    return run


@pytest.fixture(autouse=True)
def died(monkeypatch):
    """Threads that ended with an exception: none may. What `__del__` raises is Python's to report."""
    dead = []
    monkeypatch.setattr(threading, "excepthook", dead.append)
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    yield
    assert dead == []


@pytest.mark.long
@pytest.mark.parametrize("error", RAISED, ids=lambda error: error.__name__)
def test_a_call_has_an_outcome_whatever_the_code_of_its_value_raises(error) -> None:
    # Of all kinds of objects each error takes a share, and in the long form all.
    first, step = (0, 1) if is_long() else (RAISED.index(error), len(RAISED))
    tried = 0
    for value in itertools.islice(every(error), first, None, step):
        VALUE[0] = value
        run_virtually(lived())
        tried += 1
    VALUE[0] = value = None
    gc.collect()  # here, since their `__del__` raises
    assert tried > 50


async def give_later() -> Any:
    """Return it when the run has nothing left to do but to wait for it."""
    await asyncio.sleep(0.3)
    return VALUE[0]


@pytest.mark.parametrize("tool", [give, give_later])
def test_an_interrupt_ends_the_loop_and_the_call_has_an_outcome(tool) -> None:
    """A script without a handler of its own: Python raises it in the code that shows the value."""
    pressed = []

    class Slow(dict):
        def items(self):
            if not pressed:
                pressed.append(True)
                signal.raise_signal(signal.SIGINT)
            return super().items()

    VALUE[0] = Slow(field=1)
    runner = asyncio.Runner()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        loop = runner.get_loop()
        model = ScriptedModel([Calls(tool.__name__)], *([Says("done")] for _ in range(3)))
        started: list[Any] = []
        loop.call_soon(lambda: started.append(Agent(model, tools=[make_tool(tool, pure=True)]).start("go")))
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        (run,) = started
        loop.run_until_complete(asyncio.wait_for(run.ended(), 60))
        assert run.futures["f1"].done()
        assert run.done()
    finally:
        signal.signal(signal.SIGINT, before)
        runner.close()


def bomb(kind, where):
    """Raise when an object is loaded: at once, or in the process of the test only."""
    if where == "anywhere" or os.getpid() == where:
        raise kind("from its own code")
    return "harmless"


class Loads:
    """Can be sent, and raises where it is loaded."""

    def __init__(self, error, where):
        self._made_of = error, where

    def __reduce__(self):
        return bomb, self._made_of


class Leaves:
    """Raises when it is sent."""

    def __init__(self, error):
        self._error = error

    def __reduce__(self):
        raise self._error("from its own code")


class LeavesBadly(Exception):
    def __reduce__(self):
        raise self.args[0]("from its own code")


def far(kind: str, error: int, here: int) -> Any:
    """Return or raise, in another process, what cannot travel back."""
    raised = RAISED[error]
    if kind == "raises":
        raise LeavesBadly(raised)
    return Leaves(raised) if kind == "leaves" else Loads(raised, here)


def returning(value, name):
    """A tool that returns a value."""

    def returns() -> Any:
        """Return it."""
        return value

    return make_tool(returns, pure=True, name=name)


def sink_into(it: Any) -> str:
    """Take an argument in another process."""
    return "taken"


def test_a_call_in_our_processes_has_an_outcome_whatever_copying_raises() -> None:
    check_copies(asyncio.CancelledError, "process")


def test_a_call_in_ones_own_processes_ends_whatever_copying_raises() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        check_copies(KeyboardInterrupt, pool)


def check_copies(error, run_in):
    number, here = RAISED.index(error), os.getpid()
    tools = [
        make_tool(far, pure=True, run_in=run_in),
        make_tool(sink_into, pure=True, run_in=run_in),
        make_tool(plain, pure=True, run_in=run_in),
        returning(Leaves(error), "leaves"),
        returning(Loads(error, "anywhere"), "loads"),
        make_tool(take, writes=["y"]),
    ]
    kinds = [("far", {"kind": kind, "error": number, "here": here}) for kind in ("leaves", "loads", "raises")]
    calls = [
        *kinds,
        ("leaves", {}),
        ("loads", {}),
        ("sink_into", {"it": "$f4"}),
        ("sink_into", {"it": "$f5"}),
        ("plain", {}),
    ]
    run = asyncio.run(lived(tools=tools, calls=calls))
    states = [str(run.futures[f"f{n}"].state) for n in range(1, 9)]
    assert states == ["failed", "failed", "failed", "done", "done", "failed", "failed", "done"]
    assert error.__name__ in repr(run.futures["f1"])
    assert "the result cannot be sent from another process" in repr(run.futures["f2"])
    assert "the arguments cannot be sent to another process" in repr(run.futures["f7"])


class Sink:
    """Takes a call's output and raises at one of its methods."""

    def __init__(self, name, error):
        self._name, self._error = name, error

    def write(self, text, stream):
        return self._raise("write")

    def raised(self, error):
        self._raise("raised")

    def _raise(self, name):
        if name == self._name:
            raise self._error("from its own code")
        return False


class Unequal:
    """An observer that raises when it is called, compared or shown."""

    def __init__(self, error):
        self._error = error

    def __call__(self, stamped):
        raise self._error("from its own code")

    __eq__ = __repr__ = __hash__ = __bool__ = lambda self, *_: self()


def talk(context: ToolContext) -> str:
    """Print, report and fail."""
    print("a line")
    context.progress(0.5, "half")
    raise ValueError("why")


def check(value):
    return VALUE[0](value)


def validated(it: Annotated[str, BeforeValidator(check)]) -> str:
    """Take what a validator refuses."""
    return it


@pytest.mark.parametrize("error", RAISED, ids=lambda error: error.__name__)
def test_a_run_ends_whatever_its_observers_sinks_and_approvers_raise(error) -> None:
    hook = raising(error)

    async def hook_later(_asked):
        hook()

    def made_later(_asked):
        return hook_later(None)

    VALUE[0] = hook
    tools = [*TOOLS, make_tool(talk, pure=True), make_tool(validated, pure=True)]
    tools.append(make_tool(validated, writes=["of/{it}"], name="placed"))
    calls = [("talk", {}), ("validated", {"it": "a"}), ("placed", {"it": "a"}), ("ask", {"it": 1}), ("plain", {})]
    seen = []
    for approver in (hook, hook_later, made_later):
        for capture in (
            hook,
            functools.partial(lambda name, *_: Sink(name, error), "write"),
            lambda *_: Sink("raised", error),
        ):
            run = run_virtually(
                lived(
                    tools=tools,
                    calls=calls,
                    observers=[Unequal(error), Unequal(error), seen.append],
                    capture=capture,
                    agent={"approver": approver},
                )
            )
            assert [str(run.futures[f"f{n}"].state) for n in range(1, 5)] == ["failed", "failed", "failed", "skipped"]
            assert seen[-1] is run.trace.events[-1]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
def test_a_run_whose_model_raises_fails_with_an_error_of_this_package(error) -> None:
    async def main():
        run = Agent(ScriptedModel([Breaks(error("of its own"))])).start("go")
        with pytest.raises(ModelError, match=error.__name__):
            await run.wait()
        return run.outcome, asyncio.all_tasks() == {asyncio.current_task()}

    assert run_virtually(main()) == ("failed", True)
