"""A call's arguments, before and after they are bound: what the call needs, touches, and gives its function.

To bind means to replace the references, to check the values and to make the defaults. That may read objects which an earlier
call still changes, and run code that looks at the world. So effects are found out early and without it (`effects_of`), and
arguments are bound (`bind`) when the call may start; or at once, where that makes no difference.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from asyncfc_jupyter.core.effects import PURE, Effects
from asyncfc_jupyter.core.events import CallIssued, Limit
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.malformed_references import Situation, reject_malformed_references
from asyncfc_jupyter.core.references import Reference, find_references, nested_deeper_than, substitute
from asyncfc_jupyter.errors import CallError, MissingField, UnknownFuture
from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.runtime.attempt import in_thread
from asyncfc_jupyter.runtime.call import ShareKey, ToolCall
from asyncfc_jupyter.runtime.outcome import Outcome, Raised, Returned, raised
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import Tool
from asyncfc_jupyter.values.place_texts import place_texts
from asyncfc_jupyter.values.plain import is_constant
from asyncfc_jupyter.values.release import release_all
from asyncfc_jupyter.values.snapshot import is_large, snapshot

#: Characters of a call's arguments in the log: enough to recognise the call.
_ARGUMENTS_SHOWN = 400
#: Made once: `json.dumps` makes an encoder for each text.
_EXACT, _SHOWN = json.JSONEncoder(), json.JSONEncoder(ensure_ascii=False, default=str)
#: Levels of nesting in a call's arguments: far beyond any real one, far below where recursion ends.
_DEEPEST = 64


#: Arguments ready to call with, what the call touches exactly, and its limits.
Bound = tuple[inspect.BoundArguments, Effects, tuple[Limit, ...]]


class Values:
    """The values of references to the calls of a conversation."""

    def __init__(self, calls: Mapping[FutureName, ToolCall]) -> None:
        self._calls = calls

    def find(self, reference: Reference) -> Any:
        """Return the value of a reference; the result itself, or a part of it.

        Raises:
            MissingField: It finds nothing.
        """
        return reference.resolve(self._calls[reference.future].value)

    def are_plain(self, references: Iterable[Reference]) -> bool:
        """Return whether all have a value, and one that is the same whenever it is read."""
        return not references or all(self._calls[each.future].gives_plain(each) for each in references)


def check_depth(arguments: Mapping[str, Any]) -> CallError | None:
    """Return the problem of arguments that are nested beyond reason, or None."""
    if nested_deeper_than(_DEEPEST, arguments):
        return CallError(f"the arguments are nested deeper than {_DEEPEST} levels; pass less.")
    return None


def references_in(tool: Tool | None, arguments: Mapping[str, Any], situation: Situation) -> tuple[Reference, ...]:
    """Return the references in a call's arguments, in order.

    Raises:
        UnknownFuture: A reference names a future that does not exist.
        MalformedReference: A text resembles a reference and is not a valid one.
    """
    found = tuple(find_references(dict(arguments)))
    for reference in found:
        if reference.future not in situation.known:
            raise UnknownFuture(reference.future, known=tuple(situation.known))
    if tool is not None:
        reject_malformed_references(arguments, situation)
    return found


def is_known(call: ToolCall, values: Values) -> bool:
    """Return whether a call's arguments are the same whenever they are bound, or cannot be bound at all.

    They are if they consist of the model's own JSON and of plain data, and if each check is closed.
    """
    tool = call.function
    return call.problem is not None or tool is None or (not tool.parameters_of.open and values.are_plain(call.found))


def effects_of(
    tool: Tool | None, arguments: Mapping[str, Any], found: tuple[Reference, ...], values: Values | None
) -> Effects:
    """Return what a call touches as far as that is known by now; nothing without a tool.

    A path is widened where an argument is not known: where it may depend on when it is read. An object that is not plain data
    is shared, and the call reads it. Each reference may turn out to be to one while it has no value.

    Args:
        tool: The tool; None if the call cannot be made.
        arguments: The call's arguments, as the model wrote them.
        found: The references in them.
        values: The values of references; None if what resembles one is text.
    """
    if tool is None:
        return PURE
    if values is None or values.are_plain(found):
        return tool.effects.expand(*_texts(tool, arguments, frozenset(), values))
    named = arguments.items() if tool.places_in else ()
    unknown = {name for name, each in named if not values.are_plain(find_references(each))}
    return tool.effects.expand(*_texts(tool, arguments, unknown, values)).with_shared_objects()


def late_effects(call: ToolCall, values: Values) -> Effects:
    """Return what a call touches that has its futures and whose arguments are not known before it may start.

    Raises:
        CallError: They will not fit: one is missing or unknown.
    """
    if call.function is not None:
        call.function.parameters_of.check_names(call.arguments)
    return effects_of(call.function, call.arguments, call.found, values if call.references else None)


def share_key(tool: Tool | None, arguments: Mapping[str, Any], *, references: bool) -> ShareKey | None:
    """Return what calls have in common exactly if they are the same call of a repeatable tool; None for any other call.

    The same tool is the same object: a function that was redefined under the same name is another. Arguments may come in
    any order. The keys inside of one may not, since the function sees their order.
    """
    if tool is None or not tool.repeatable:
        return None
    try:
        return tool, references, _EXACT.encode(sorted(arguments.items()))
    except TypeError:
        return None  # a script passed what no model can write, and a text of it may be that of something else


def issued(call: ToolCall, turn: int, effects: Effects) -> CallIssued:
    """Return the event for a new call, as the scheduler needs it."""
    able = call.function if call.problem is None else None
    return CallIssued(
        future=call.name,
        call=call.call_id,
        turn=turn,
        tool=call.tool,
        arguments=shorten(_SHOWN.encode(call.arguments), _ARGUMENTS_SHOWN),
        needs=tuple(dict.fromkeys(reference.future for reference in call.found)),
        references=tuple(map(str, call.found)),
        effects=effects,
        irreversible=able is not None and able.irreversible,
        approve=able is not None and able.approve,
        detached=call.detached,
        same_as=call.same_as,
    )


def find_values(call: ToolCall, values: Values) -> list[Any]:
    """Return what the references in a call's arguments find, in order: the results themselves, or parts of them.

    Raises:
        CallError: The call cannot be made, or a reference finds nothing. A value's own code may raise anything else.
    """
    if call.problem is not None or call.function is None:
        raise call.problem or CallError(f"there is no tool {call.tool!r}")
    return [values.find(reference) for reference in call.found]


def bind(
    call: ToolCall,
    values: Values,
    context: ToolContext | None,
    found: Sequence[Any] | None = None,
    *,
    most: int | None = None,
) -> Bound:
    """Return the arguments ready to call with, what the call touches exactly, and its limits.

    Args:
        call: The call.
        values: The values of references.
        context: What the function takes as its context.
        found: What the references find, if that is known.
        most: Parts of a value that are copied at most.

    Raises:
        TooLarge: A value has more parts; nothing has been checked.
        CallError: The call cannot be made. A value's own code, and that which checks it, may raise anything else.
    """
    arguments = _copied(call, find_values(call, values) if found is None else found, most)
    return _checked(call, values, context, arguments, large=False)


async def bind_in_thread(call: ToolCall, values: Values, context: ToolContext | None, found: Sequence[Any]) -> Outcome:
    """Bind large arguments in a thread, so that the event loop does not stand still; return the outcome of `bind`.

    Validators of the user's own run on the loop if the function does, since they may expect that.
    """
    tool = call.function
    if tool is not None and tool.run_in == "loop" and tool.parameters_of.open:
        outcome = await in_thread(_copied, call, found, None)
        if isinstance(outcome, Raised):
            return outcome
        with ForeignCode() as ran:
            return Returned(value=_checked(call, values, context, outcome.value, large=True))
        return raised(ran.error)
    return await in_thread(lambda: _checked(call, values, context, _copied(call, found, None), large=True))


def _copied(call: ToolCall, found: Sequence[Any], most: int | None) -> dict[str, Any]:
    """Return the arguments with references replaced.

    Plain data is copied: what one tool does to its argument must reach neither another tool nor the result itself.
    """
    given = dict(call.arguments)
    if not call.references:
        copy: dict[str, Any] = snapshot(given)
        return copy
    rest = iter(found)
    replaced: dict[str, Any] = substitute(given, lambda _: snapshot(next(rest), most))
    return replaced


def _checked(
    call: ToolCall, values: Values, context: ToolContext | None, arguments: dict[str, Any], *, large: bool
) -> Bound:
    tool = call.function
    if tool is None:
        raise AssertionError("the arguments of a call without a tool are not bound")
    try:
        bound = tool.parameters_of.bind(arguments, context, large=large)
    finally:
        if large:  # the check may have made others
            release_all([arguments.pop(name) for name in tuple(arguments)])
    defaults = tool.parameters_of.defaults
    texts = {name: place_texts(bound.arguments.get(name, defaults.get(name))) for name in tool.places_in}
    effects = tool.effects.expand(texts)
    if not values.are_plain(call.found):
        effects = effects.with_shared_objects()
    own = () if tool.limit is None else (Limit(name=tool.name, places=tool.limit),)
    limits = tuple(limit for template in tool.resource_limits for limit in template.expand(texts))
    return bound, effects, (*own, *limits)


def _texts(
    tool: Tool, arguments: Mapping[str, Any], unknown: Set[str], values: Values | None
) -> tuple[Mapping[str, Sequence[str]], Set[str]]:
    """Return the texts of the arguments that paths use, as the function will get them; and the names of the unknown ones.

    Args:
        tool: The tool.
        arguments: The call's arguments, as the model wrote them.
        unknown: The names under which the model wrote those that are not known.
        values: The values of the references in the others; None if what resembles one is text.
    """
    if not tool.places_in:
        return {}, unknown
    parameters = tool.parameters_of
    arguments = parameters.given(arguments)
    given: dict[str, Any] = {}  # no copies: a closed check changes nothing
    own: dict[str, Any] = {}  # no annotation changes a default, nor what a partial has fixed
    unresolved: set[str] = set()
    for name in tool.places_in:
        written = tool.written_as.get(name, name)
        if written in unknown or name in parameters.open or written is None:
            unresolved.add(name)
        elif written in arguments:
            given[name] = arguments[written]
        elif name in parameters.defaults and is_constant(parameters.defaults[name]):
            own[name] = parameters.defaults[name]
        else:
            unresolved.add(name)
    try:
        given = given if values is None else substitute(given, values.find)
    except MissingField:
        return {}, tool.places_in  # the call fails by it when its arguments are bound
    large = {name for name, value in given.items() if is_large(value)}  # no text says which value it is
    unresolved |= large
    seen = parameters.canonical({name: given[name] for name in given if name not in large}) | own
    return {name: place_texts(value) for name, value in seen.items()}, unresolved
