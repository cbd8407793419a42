"""A call's arguments, before and after their references are replaced: what the call needs, touches, and gives its function."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from asyncfc_jupyter.core.effects import PURE, Effects
from asyncfc_jupyter.core.events import CallIssued, Limit
from asyncfc_jupyter.core.malformed_references import Situation, reject_malformed_references
from asyncfc_jupyter.core.references import Reference, find_references, nested_deeper_than, substitute
from asyncfc_jupyter.errors import CallError, UnknownFuture
from asyncfc_jupyter.runtime.call import ShareKey, ToolCall
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import Tool
from asyncfc_jupyter.tools.nulls import without_nulls
from asyncfc_jupyter.values.place_texts import place_texts
from asyncfc_jupyter.values.snapshot import snapshot

#: Characters of a call's arguments in the log: enough to recognise the call.
_ARGUMENTS_SHOWN = 400
#: Made once: `json.dumps` makes an encoder for each text.
_EXACT, _SHOWN = json.JSONEncoder(), json.JSONEncoder(ensure_ascii=False, default=str)
#: Levels of nesting in a call's arguments: far beyond any real one, far below where recursion ends.
_DEEPEST = 64


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


def effects_of(tool: Tool | None, arguments: Mapping[str, Any], *, references: bool) -> Effects:
    """Return what a call touches as far as its arguments are known, widened where they are not; nothing without a tool."""
    if tool is None:
        return PURE
    if not references or not tool.places_in:
        return tool.effects.expand(_texts(tool, arguments))
    known = {name: value for name, value in arguments.items() if next(find_references(value), None) is None}
    unknown = arguments.keys() - known.keys()
    unresolved = {name for name in tool.places_in if tool.written_as.get(name, name) in unknown}
    texts = _texts(tool, substitute(known, lambda reference: reference))
    # A default is not the value of an argument that was given.
    return tool.effects.expand({name: each for name, each in texts.items() if name not in unresolved}, unresolved)


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


def issued(call: ToolCall, turn: int, found: tuple[Reference, ...], effects: Effects) -> CallIssued:
    """Return the event for a new call, as the scheduler needs it."""
    able = call.function if call.problem is None else None
    return CallIssued(
        future=call.name,
        call=call.call_id,
        turn=turn,
        tool=call.tool,
        arguments=shorten(_SHOWN.encode(call.arguments), _ARGUMENTS_SHOWN),
        needs=tuple(dict.fromkeys(reference.future for reference in found)),
        references=tuple(map(str, found)),
        effects=effects,
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
    texts = _texts(tool, arguments)
    own = () if tool.limit is None else (Limit(name=tool.name, places=tool.limit),)
    limits = tuple(limit for template in tool.resource_limits for limit in template.expand(texts))
    return bound, tool.effects.expand(texts), (*own, *limits)


def _texts(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the texts of the arguments that paths use, as the function will get them.

    An argument always has the same texts, so a path only grows longer when a future resolves.
    """
    if not tool.places_in:
        return {}
    parameters = tool.parameters_of
    if any(value is None for value in arguments.values()):  # a null may stand for "not given"
        arguments = without_nulls(dict(arguments), parameters.schema, parameters.schema)
    written = {name: tool.written_as.get(name, name) for name in tool.places_in}
    given = {name: arguments[alias] for name, alias in written.items() if alias is not None and alias in arguments}
    # A function gets its own default, and what a partial has fixed, as it is: no annotation changes it.
    own = {
        name: parameters.defaults[name]
        for name, alias in written.items()
        if alias is not None and name not in given and name in parameters.defaults
    }
    return {name: place_texts(value) for name, value in (own | parameters.canonical(given)).items()}
