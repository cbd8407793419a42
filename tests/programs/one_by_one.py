"""The same program, one call after another, as plain Python: the reference result for overlapping calls.

Nothing of the package is used here. The function of each call is called directly; its arguments are checked by pydantic's own
`validate_call`; a reference is evaluated as the Python expression that it is. The reference gets the events from outside: which
calls the user cancelled, which failures the model had seen before it wrote each call, and which replies were cut off.
"""

import functools
import inspect
import traceback
from dataclasses import dataclass

from pydantic import ConfigDict, validate_call

from tests.programs.program import Ref
from tests.programs.time import Time


@dataclass(frozen=True)
class Outcome:
    """The outcome of one call: its status, value, and the exception of its function."""

    status: str
    value: object = None
    error: str = ""

    def __str__(self):
        try:
            return repr(self.value) if self.status == "done" else f"{self.status} {self.error}".strip()
        except BaseException:  # noqa: BLE001 - the value's own code
            return f"a {type(self.value).__name__}"


class NotMade(Exception):
    """The arguments of a call cannot be made, or do not fit its function."""


@functools.cache
def checked(function):
    return validate_call(function, config=ConfigDict(arbitrary_types_allowed=True))


def alone(function, arguments):
    """Call a function that may be a coroutine function, with nothing beside it.

    Raises:
        NotMade: Its body was not reached.
    """
    try:
        value = checked(function)(**arguments)
        return _finished(value) if inspect.iscoroutinefunction(function) else value
    except BaseException as error:
        if _reached(function, error):
            raise
        raise NotMade from error


def _reached(function, error):
    """Return whether an exception comes from the body of a function, or is Python's own reaction to one that does."""
    # Read in this way, an exception's own code does not run.
    chain = [error, BaseException.__cause__.__get__(error)]
    tracebacks = [BaseException.__traceback__.__get__(each) for each in chain if each is not None]
    return any(frame.f_code is function.__code__ for each in tracebacks for frame, _ in traceback.walk_tb(each))


def _finished(coroutine):
    """Run a coroutine to its end; it never waits, since naps take no time here."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a tool waits for something else than a nap")


def plain(function):
    """Return a tool as a plain function, to be called one by one; for the listings of programs."""
    return lambda **arguments: copied(alone(function, {name: copied(value) for name, value in arguments.items()}))


def copied(value):
    """Return a copy of plain data, as the guarantee has it; any other object is shared."""
    if type(value) is dict:
        return {key: copied(item) for key, item in value.items()}
    if type(value) in (list, tuple, set):
        return type(value)(copied(item) for item in value)
    return value


def evaluated(argument, results):
    """Return an argument with each reference replaced by the value of its expression."""
    if isinstance(argument, Ref):
        return copied(eval(argument.text, {"__builtins__": {}}, results))
    if isinstance(argument, dict):
        return {key: evaluated(value, results) for key, value in argument.items()}
    if isinstance(argument, list):
        return [evaluated(value, results) for value in argument]
    return argument


def references(argument):
    """Yield the names of the futures that an argument refers to."""
    if isinstance(argument, Ref):
        yield argument.text.partition(".")[0].partition("[")[0]
    elif isinstance(argument, dict | list):
        for each in argument.values() if isinstance(argument, dict) else argument:
            yield from references(each)


def one_by_one(kind, calls):
    """Make the calls one by one from a new state; return their outcomes by the future's name."""
    kind.begin()
    outcomes = {}
    with Time.none():
        for number, call in enumerate(calls, start=1):
            outcomes[f"f{number}"] = _outcome(kind, call, outcomes)
    return outcomes


def _lost(kind, call, outcomes):
    """Return whether a call is not made because of what happened before it."""
    unseen = [name for name, each in outcomes.items() if each.status != "done" and name not in call.seen_failures]
    if call.tool in kind.irreversible and (call.cut_off or unseen):
        return True
    return any(outcomes[name].status != "done" for name in references(call.arguments))


def _outcome(kind, call, outcomes):
    if call.cancelled:
        return Outcome("cancelled")
    try:
        if _lost(kind, call, outcomes):
            raise NotMade
        try:
            arguments = evaluated(call.arguments, {name: each.value for name, each in outcomes.items()})
        except BaseException as error:
            raise NotMade from error
        if call.tool in kind.asks and not kind.approves(arguments):
            raise NotMade
        return Outcome("done", copied(alone(call.function, arguments)))
    except NotMade:
        return Outcome("not made")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a function raises is its failure
        return Outcome("failed", error=raised(error))


def raised(error):
    """Return an exception as Python shows it, without what led to it."""
    try:
        text = str(error)
    except BaseException as another:  # noqa: BLE001 - the exception's own code
        text = f"its text raised {type(another).__name__}"
    return f"{type(error).__name__}: {text}"
