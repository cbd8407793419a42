"""Malformed references: text that means a future but is not written as a reference. The call is refused.

Models that have not yet learned the notation write ``f1``, ``<f1.id>``, ``result of f1``, ``<order_id>`` or ``pending``, or
pass on the placeholder itself. Refused: to substitute what the text seems to mean, which would be a guess in the user's name;
and to pass it on as text, which would make an order for ``<order_id>``. So the call fails, and its error holds the right form,
ready to be copied.

Three rules keep text that is meant as text from being refused. Only a *whole* text is refused, never one that contains such a
form. Text that the parameter's own schema lists or mentions is accepted. Text after ``$text:`` is always accepted.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncfc_jupyter.core.field_access import has_field
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE, REPORT_KEYS
from asyncfc_jupyter.core.references import BARE, TEXT, Field, Item, is_escaped, parse_reference
from asyncfc_jupyter.errors import MalformedReference

#: Malformed references are short phrases. A longer text is accepted as text.
_MOST_CHARACTERS = 120
#: Latest results that are searched for a field with the name in brackets: a model means something that it has just seen.
_MOST_RESULTS = 100

#: A part of every form below that names a future. Most texts lack it and are not compared with the forms.
_NAMED = re.compile(r"[fF][1-9]")
#: ``f1``, ``<f1.id>``, ``{{f1}}``, ``${f1}``, ``"$f1"``, `` `f1` ``: the name in quotes or brackets.
_DECORATED = re.compile(rf"""[$@#&<{{(\[\s"'`]*{BARE}[>}})\]\s"'`]*""", re.DOTALL)
#: ``f1.result()``, ``$f1()``: a call that asks a future of Python for its result.
_ASKED = re.compile(r"(?:\.(?:result|value|output|get))?\(\)\s*$")
#: ``$f1.items.0``, ``$f1[name]``, ``$f1.get('x')``, ``$F1``: steps in other notations.
_MALFORMED = re.compile(
    r"\$[fF](?P<number>[1-9][0-9]*)"
    r"(?P<rest>(?:(?:\.|->)[\w-]+(?:\([^()\s]*\))?|\[[^\[\]\n$]*\]|\[[^\[\]\s$]*\Z)*)"
)
#: One such step that can be written in the right notation.
_REPAIRABLE = re.compile(
    r"(?:\.|->)(?P<index>-?[0-9]{1,9})(?![\w-])|(?:\.|->)(?P<name>[^\W\d][\w-]*)"
    r"|\[(?P<at>-?[0-9]{1,9})\]|\[[\"']?(?P<key>[^\[\]\"':*]+)[\"']?\]"
)
#: The words of a phrase such as ``result of f1``, ``f1's output``, ``await f1``, ``order_id from f1``.
_WORD = re.compile(rf"{BARE}(?!\w)|\w+|\S", re.DOTALL)
#: ``<order_id>``, ``{{order_id}}``, ``${order_id}``, ``$order_id``: a value left blank.
_BLANK = re.compile(r"(?:<{1,2}|\{{1,2}|\$\{)\s*(?P<name>[^\W\d][\w -]*)(?:>{1,2}|\}{1,2})|\$(?P<variable>[^\W\d]\w*)")
#: ``pending``, ``<pending>``, ``(pending)``, ``pending...``
_PENDING = re.compile(r"[<({\[$]*\s*(?:still )?pending\s*[>)}\]]*\.{0,3}", re.IGNORECASE)
#: The name in a placeholder that was passed on as text, in the notation of JSON or Python.
_IN_PLACEHOLDER = re.compile(r"""["']future["']\s*:\s*["']\$?(f[1-9][0-9]*)["']""")

#: Words that mean a future or its result as a whole.
_NAMING = frozenset(
    {"result", "results", "output", "value", "future", "reference", "ref", "await", AWAIT_FUTURE, "placeholder"}
)
_JOINING = frozenset({"the", "of", "from", "in", "s", "call", "return", "returned", "by", "pending"})
_OF = frozenset({"of", "from", "in"})
#: Names of parameters whose value may be the word ``pending``, or any other word.
_MAY_SAY_ANYTHING = re.compile(
    r"stat(e|us)|phase|stage|filter|query|search|text|message|note|body|title|label|tag|comment|reason|kind|type|content|subject"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known when a call is made, by which text is judged."""

    #: Names of all futures of the conversation so far.
    known: Collection[str]
    #: Names of the futures that have no result yet.
    pending: Collection[str] = ()
    #: Returns the results so far, the latest first. Called only if a text requires it.
    results: Callable[[], Iterable[tuple[FutureName, Any]]] = field(default=lambda: ())
    #: Returns whether a parameter of the tool lists or mentions a text, so that the text itself is meant.
    meant: Callable[[str, str], bool] = field(default=lambda _parameter, _text: False)


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a text in the arguments."""

    #: The top-level argument.
    argument: str
    #: The whole path, as the error shows it.
    where: str
    #: The nearest name: that of the argument, or the key that holds the text.
    name: str


def reject_malformed_references(arguments: Mapping[str, Any], situation: Situation) -> None:
    """Refuse text that means a future without being a reference.

    Args:
        arguments: The model's arguments by name, before anything is substituted.
        situation: What is known of futures. The text ``f9`` is ordinary text if no future has that name.

    Raises:
        MalformedReference: Names the argument, the right form, and the form for passing the text itself.
    """
    for name, argument in arguments.items():
        for place, item in _candidates(_Place(name, name, name), argument):
            if isinstance(item, Mapping):
                _reject_placeholder(place, item, situation)
            elif not is_escaped(item) and parse_reference(item) is None and not situation.meant(place.argument, item):
                remedy = _remedy(place, item, situation)
                if remedy:
                    raise MalformedReference(place.where, item, remedy)


def _candidates(place: _Place, argument: Any) -> Iterator[tuple[_Place, Any]]:
    if isinstance(argument, str):
        yield place, argument
    elif isinstance(argument, Mapping):
        yield place, argument
        for key, value in argument.items():
            yield from _candidates(_Place(place.argument, f"{place.where}.{key}", str(key)), value)
    elif isinstance(argument, list):
        for index, value in enumerate(argument):
            yield from _candidates(_Place(place.argument, f"{place.where}[{index}]", place.name), value)


def _reject_placeholder(place: _Place, item: Mapping[str, Any], situation: Situation) -> None:
    name = item.get("future")
    bare = name.removeprefix("$") if isinstance(name, str) else ""
    if bare in situation.known and REPORT_KEYS.issuperset(item):
        as_text = f'"{TEXT}{name}" as its "future" if the object itself is meant'
        remedy = f'write "${bare}" in place of the whole object, or {as_text}'
        raise MalformedReference(place.where, f'{{"future": "{name}", ...}}', remedy)


def _remedy(place: _Place, text: str, situation: Situation) -> str | None:
    """Return what to write instead of a text, or None if the text is accepted."""
    stripped = text.strip()
    if stripped.startswith(("{", "[")) and stripped.endswith(("}", "]")) and "status" in stripped:
        placeholder = _IN_PLACEHOLDER.search(stripped)
        if placeholder and placeholder[1] in situation.known:
            return _write(f"${placeholder[1]}", f"the result of {placeholder[1]}", text)
    if len(text) > _MOST_CHARACTERS:
        return None
    reference = _reference_meant(text, situation.known) if _NAMED.search(text) else None
    if reference is None:
        return _remedy_for_blank(place, text, situation) or _remedy_for_pending(place, text, situation)
    name = reference.removeprefix("$")
    if reference.lstrip("$f0123456789"):
        return _write(reference, "that value", text)
    meaning = f"the result of {name}"
    if text.startswith(f"${name}"):
        meaning += f', "${name}.name", "${name}[0]" or "${name}[\\"a key\\"]" for a part of it'
    return _write(reference, meaning, text)


def _reference_meant(text: str, known: Collection[str]) -> str | None:
    """Return the reference that a text with a future's name in it means, or None if it means none."""
    decorated = _DECORATED.fullmatch(_ASKED.sub("", text))
    if decorated and decorated["future"] in known:
        return f"${decorated['future']}{decorated['steps']}"
    malformed = _MALFORMED.fullmatch(text)
    if malformed and f"f{malformed['number']}" in known:
        return f"$f{malformed['number']}{_repaired(malformed['rest'])}"
    matches = list(_WORD.finditer(text))
    futures = [match for match in matches if match["future"] in known]
    if len(futures) != 1:
        return None
    reference = f"${futures[0]['future']}{futures[0]['steps']}"
    words = [match[0].lower() for match in matches if match is not futures[0] and match[0][0].isalnum()]
    others = [word for word in words if word not in _NAMING | _JOINING]
    if not others:
        return reference if _NAMING.intersection(words) else None
    is_field = len(words) <= 3 and len(others) == 1 and others[0].isidentifier() and _OF.intersection(words)
    return f"{reference}.{others[0]}" if is_field and not futures[0]["steps"] else None


def _repaired(rest: str) -> str:
    """Return steps of other notations in the right one, or nothing if one of them has no counterpart."""
    steps, at = "", 0
    while at < len(rest):
        step = _REPAIRABLE.match(rest, at)
        if step is None:
            return ""
        index, name = step["index"] or step["at"], step["name"] or step["key"]
        steps += f"[{index}]" if index else str(Field(name) if name.isidentifier() else Item(name))
        at = step.end()
    return steps


def _remedy_for_blank(place: _Place, text: str, situation: Situation) -> str | None:
    match = _BLANK.fullmatch(text.strip())
    if match is None:
        return None
    name = match["variable"] or re.sub(r"[ -]", "_", match["name"].strip())
    for future, result in itertools.islice(situation.results(), _MOST_RESULTS):
        for spelled in (name,) if match["variable"] else (name, name.lower()):
            if has_field(result, spelled):
                return _write(f"${future}{Field(spelled)}", "that value", text)
    # A name in brackets of one word only may be, say, an HTML tag.
    words = set(name.lower().split("_"))
    is_value = len(words) > 1 or bool(words & (_NAMING | {*place.name.lower().split("_")}))
    if not situation.pending or match["variable"] or not is_value:
        return None
    waiting = list(situation.pending)
    meaning = f"a field of a result to come (pending: {', '.join(waiting[-3:])})"
    return _write(f"${waiting[-1]}{Field(name.lower())}", meaning, text)


def _remedy_for_pending(place: _Place, text: str, situation: Situation) -> str | None:
    if (
        not situation.pending
        or _PENDING.fullmatch(text.strip()) is None
        or _MAY_SAY_ANYTHING.search(place.name.lower())
        or situation.meant(place.argument, "pending")
    ):
        return None
    waiting = list(situation.pending)
    return _write(f"${waiting[-1]}", f"the result to come (pending: {', '.join(waiting[-3:])})", text)


def _write(reference: str, meaning: str, text: str) -> str:
    """Return the remedy: the right form, and the form for the text itself unless the text is too long to repeat."""
    as_text = f', or "{_in_json(TEXT + text)}" if the text itself is meant' if len(text) <= _MOST_CHARACTERS else ""
    return f'write "{_in_json(reference)}" for {meaning}{as_text}'


def _in_json(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
