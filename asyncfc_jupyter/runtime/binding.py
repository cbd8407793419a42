"""What a call's arguments say before and after its references are replaced: what it needs, what it touches, what it gets."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Set
from typing import Any

from asyncfc_jupyter.core.effects import PURE, Effects
from asyncfc_jupyter.core.events import CallIssued, Limit
from asyncfc_jupyter.core.malformed_references import Situation, reject_malformed_references
from asyncfc_jupyter.core.references import Reference, find_references, nested_deeper_than, substitute
from asyncfc_jupyter.errors import CallError, UnknownFuture
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import Tool
from asyncfc_jupyter.tools.nulls import without_nulls
from asyncfc_jupyter.values.snapshot import snapshot

#: What the log keeps of a call's arguments, in characters: enough to recognise the call by.
_ARGUMENTS_SHOWN = 400
#: Made once: `json.dumps` makes an encoder for each text.
_SORTED, _SHOWN = json.JSONEncoder(sort_keys=True, default=str), json.JSONEncoder(ensure_ascii=False, default=str)
#: Levels of nesting in a call's arguments: far beyond any real one, far below where recursion ends.
_DEEPEST = 64


def check_depth(arguments: Mapping[str, Any]) -> CallError | None:
    """Return what is wrong with arguments that are nested beyond reason, or None."""
    if nested_deeper_than(_DEEPEST, arguments):
        return CallError(f"the arguments are nested deeper than {_DEEPEST} levels; pass less.")
    return None


def references_in(call: ToolCall, situation: Situation) -> tuple[Reference, ...]:
    """Return the references in a call's arguments, in order.

    Raises:
        UnknownFuture: One names a future that there is not.
        MalformedReference: A text looks like a reference and is none.
    """
    if call.problem is not None or not call.references:
        return ()
    found = tuple(find_references(dict(call.arguments)))
    for reference in found:
        if reference.future not in situation.known:
            raise UnknownFuture(reference.future, known=tuple(situation.known))
    if call.function is not None:
        reject_malformed_references(call.arguments, situation)
    return found


def effects_of(call: ToolCall) -> Effects:
    """Return what a call touches as far as its arguments are known: widened where they are not."""
    if call.function is None or call.problem is not None:
        return PURE
    if not call.references or not call.function.places_in:
        return call.function.effects.expand(_places(call.function, call.arguments), frozenset())
    known = {n: v for n, v in call.arguments.items() if next(find_references(v), None) is None}
    places = _places(call.function, substitute(known, lambda reference: reference))
    return call.function.effects.expand(places, _unresolved(call.function, call.arguments.keys() - known.keys()))


def issued(call: ToolCall, turn: int, found: tuple[Reference, ...], effects: Effects) -> CallIssued:
    """Return the fact that a call was issued, as the scheduler is to know it."""
    able = call.function if call.problem is None else None
    return CallIssued(
        future=call.name,
        call=call.call_id,
        turn=turn,
        tool=call.tool,
        arguments=show_arguments(call.arguments),
        needs=tuple(dict.fromkeys(reference.future for reference in found)),
        references=tuple(map(str, found)),
        effects=PURE if able is None else effects,
        irreversible=able is not None and able.irreversible,
        approve=able is not None and able.approve,
        detached=call.detached,
        same_as=call.same_as,
    )


def resolve(
    call: ToolCall, value_of: Callable[[Reference], Any], context: ToolContext | None
) -> tuple[inspect.BoundArguments, Effects, tuple[Limit, ...]]:
    """Return the arguments ready to call with, what the call touches exactly, and its limits.

    Raises:
        CallError: The call cannot be made. A value's own code may raise anything else.
    """
    tool = call.function
    if call.problem is not None or tool is None:
        raise call.problem or CallError(f"there is no tool {call.tool!r}")
    given = dict(call.arguments)
    arguments = substitute(given, value_of) if call.references else snapshot(given)
    bound = tool.parameters_of.bind(arguments, context)
    places = _places(tool, arguments)
    own = () if tool.limit is None else (Limit(name=tool.name, places=tool.limit),)
    limits = tuple(template.expand(places) for template in tool.resource_limits)
    return bound, tool.effects.expand(places, frozenset()), (*own, *limits)


def _places(tool: Tool, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments that name places, as the function will see them.

    An argument becomes the same text whenever it is asked, so a path only grows longer when a future resolves.
    """
    if not tool.places_in:
        return {}
    parameters = tool.parameters_of
    if any(value is None for value in arguments.values()):  # a null may stand for "not given"
        arguments = without_nulls(dict(arguments), parameters.schema, parameters.schema)
    known: dict[str, Any] = {}
    for name in tool.places_in:
        written = tool.written_as.get(name, name)
        if written is None:
            continue
        if written in arguments:
            known[name] = arguments[written]
        elif name in parameters.defaults:
            known[name] = parameters.defaults[name]
    return parameters.canonical(known)


def _unresolved(tool: Tool, written: Set[str]) -> Set[str]:
    """Return the parameters that name places and whose arguments, as the model writes them, are not known yet."""
    return {name for name in tool.places_in if tool.written_as.get(name, name) in written}


def share_key(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Return a text that two calls share exactly when they are the same call."""
    return f"{tool.name} {_SORTED.encode(arguments)}"


def show_arguments(arguments: Mapping[str, Any]) -> str:
    """Return arguments as JSON, on one line and cut to a bounded length."""
    return shorten(_SHOWN.encode(arguments), _ARGUMENTS_SHOWN)
