"""Text that stands in the place of a value and means a future, but is no reference: refused, never guessed at.

Models that have not yet learned the notation write ``f1``, ``<f1.id>``, ``result of f1``, ``<order_id>``, ``pending``,
or hand the placeholder itself on. Substituting what they seem to mean would be a guess on somebody's order; passing it
as text would make an order for ``<order_id>``. So the call fails, and its error holds the right form, to be copied.

The opposite mistake, refusing text that is meant, is bounded in three ways: only a *whole* text is ever refused, never
one that contains such a thing; what a parameter itself lists or mentions is meant; and ``$text:`` in front of it always
gets it through.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.core.field_access import has_field
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE, REPORT_KEYS
from asyncfc_jupyter.core.references import BARE, TEXT, Field, Item, is_escaped, parse_reference
from asyncfc_jupyter.errors import LookAlike

#: A look-alike is a phrase: longer text says something, whatever it says.
_MOST_CHARACTERS = 120
#: Results, the latest first, whose fields a name in angle brackets is looked for in: a model means something it has
#: just seen.
_MOST_RESULTS = 100

#: What each of the forms below holds somewhere: most texts do not, and need not be compared with them.
_NAMED = re.compile(r"[fF][1-9]")
#: ``f1``, ``<f1.id>``, ``{{f1}}``, ``${f1}``, ``"$f1"``, `` `f1` ``: the name and nothing but decoration around it.
_DECORATED = re.compile(rf"""[$@#&<{{(\[\s"'`]*{BARE}[>}})\]\s"'`]*""", re.DOTALL)
#: ``f1.result()``, ``$f1()``: the future as an object of Python that is asked for its result.
_ASKED = re.compile(r"(?:\.(?:result|value|output|get))?\(\)\s*$")
#: ``$f1.items.0``, ``$f1[name]``, ``$f1.get('x')``, ``$F1``: steps as other notations write them, and nothing else.
_MALFORMED = re.compile(
    r"\$[fF](?P<number>[1-9][0-9]*)"
    r"(?P<rest>(?:(?:\.|->)[\w-]+(?:\([^()\s]*\))?|\[[^\[\]\n$]*\]|\[[^\[\]\s$]*\Z)*)"
)
#: One such step that can be written rightly.
_REPAIRABLE = re.compile(
    r"(?:\.|->)(?P<index>-?[0-9]{1,9})(?![\w-])|(?:\.|->)(?P<name>[^\W\d][\w-]*)"
    r"|\[(?P<at>-?[0-9]{1,9})\]|\[[\"']?(?P<key>[^\[\]\"':*]+)[\"']?\]"
)
#: The words of a phrase such as ``result of f1``, ``f1's output``, ``await f1``, ``order_id from f1``.
_WORD = re.compile(rf"{BARE}(?!\w)|\w+|\S", re.DOTALL)
#: ``<order_id>``, ``{{order_id}}``, ``${order_id}``, ``$order_id``: a value left to be filled in.
_BLANK = re.compile(r"(?:<{1,2}|\{{1,2}|\$\{)\s*(?P<name>[^\W\d][\w -]*)(?:>{1,2}|\}{1,2})|\$(?P<variable>[^\W\d]\w*)")
#: ``pending``, ``<pending>``, ``(pending)``, ``pending...``
_PENDING = re.compile(r"[<({\[$]*\s*(?:still )?pending\s*[>)}\]]*\.{0,3}", re.IGNORECASE)
#: The name in a placeholder that was handed on as text, as JSON or as Python shows it.
_IN_PLACEHOLDER = re.compile(r"""["']future["']\s*:\s*["']\$?(f[1-9][0-9]*)["']""")

#: Words that say of a future no more than that it is one.
_NAMING = frozenset(
    {"result", "results", "output", "value", "future", "reference", "ref", "await", AWAIT_FUTURE, "placeholder"}
)
_JOINING = frozenset({"the", "of", "from", "in", "s", "call", "return", "returned", "by", "pending"})
_OF = frozenset({"of", "from", "in"})
#: Names of parameters that may well hold the word ``pending``, or any other word.
_MAY_SAY_ANYTHING = re.compile(
    r"stat(e|us)|phase|stage|filter|query|search|text|message|note|body|title|label|tag|comment|reason|kind|type|content|subject"
)


def _never(_name: str, _text: str) -> bool:
    return False


def _nobody() -> Iterable[tuple[FutureName, Any]]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What there is when a call is made, by which text is told from a look-alike."""

    #: Names of all futures of the conversation so far.
    known: Collection[str]
    #: Names of those that have no result yet.
    pending: Collection[str] = ()
    #: The results there are, the latest first; only asked for when a text needs them.
    results: Callable[[], Iterable[tuple[FutureName, Any]]] = _nobody
    #: Whether a parameter of the tool lists or mentions a text, so that it is meant.
    meant: Callable[[str, str], bool] = _never


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the arguments a text stands."""

    #: The top-level argument.
    argument: str
    #: The whole way, for people.
    where: str
    #: The nearest name: the argument's, or the key that holds the text.
    name: str


def reject_look_alikes(arguments: Mapping[str, Any], situation: Situation) -> None:
    """Refuse text that means a future without being a reference.

    Args:
        arguments: The model's arguments by name, before anything is substituted.
        situation: What futures there are. The text ``f9`` is ordinary while no future has that name.

    Raises:
        LookAlike: Says which argument it is, how to write what is meant, and how to pass the text if it is meant.
    """
    for name, argument in arguments.items():
        for place, item in _candidates(_Place(name, name, name), argument):
            if isinstance(item, Mapping):
                _reject_placeholder(place, item, situation)
            elif not is_escaped(item) and parse_reference(item) is None and not situation.meant(place.argument, item):
                _reject_text(place, item, situation)


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
        raise LookAlike(place.where, f'{{"future": "{name}", ...}}', remedy)


def _reject_text(place: _Place, text: str, situation: Situation) -> None:
    handed_on = _handed_on(text)
    if handed_on in situation.known:
        raise LookAlike(place.where, text, _write(f"${handed_on}", f"the result of {handed_on}", text))
    if len(text) > _MOST_CHARACTERS:
        return
    for meaning in (_decorated, _malformed, _told) if _NAMED.search(text) else ():
        reference = meaning(text, situation)
        if reference is not None:
            raise LookAlike(place.where, text, _write(reference, _meaning(reference, text), text))
    remedy = _blank(place, text, situation) or _pending(place, text, situation)
    if remedy:
        raise LookAlike(place.where, text, remedy)


# -- what is meant ---------------------------------------------------------------------------------------------------


def _handed_on(text: str) -> str:
    stripped = text.strip()
    if not (stripped.startswith(("{", "[")) and stripped.endswith(("}", "]")) and "status" in stripped):
        return ""
    match = _IN_PLACEHOLDER.search(stripped)
    return match[1] if match else ""


def _decorated(text: str, situation: Situation) -> str | None:
    match = _DECORATED.fullmatch(_ASKED.sub("", text))
    return f"${match['future']}{match['steps']}" if match and match["future"] in situation.known else None


def _malformed(text: str, situation: Situation) -> str | None:
    match = _MALFORMED.fullmatch(text)
    if match is None or f"f{match['number']}" not in situation.known:
        return None
    future, steps, at = f"$f{match['number']}", "", 0
    while at < len(match["rest"]):
        step = _REPAIRABLE.match(match["rest"], at)
        if step is None:
            return future
        steps, at = steps + _rightly(step), step.end()
    return future + steps


def _rightly(step: re.Match[str]) -> str:
    index, name = step["index"] or step["at"], step["name"] or step["key"]
    return f"[{index}]" if index else str(Field(name) if name.isidentifier() else Item(name))


def _told(text: str, situation: Situation) -> str | None:
    matches = list(_WORD.finditer(text))
    futures = [match for match in matches if match["future"] in situation.known]
    if len(futures) != 1:
        return None
    reference = f"${futures[0]['future']}{futures[0]['steps']}"
    words = [match[0].lower() for match in matches if match is not futures[0] and match[0][0].isalnum()]
    others = [word for word in words if word not in _NAMING | _JOINING]
    if not others:
        return reference if _NAMING.intersection(words) else None
    is_field = len(words) <= 3 and len(others) == 1 and others[0].isidentifier() and _OF.intersection(words)
    return f"{reference}.{others[0]}" if is_field and not futures[0]["steps"] else None


def _blank(place: _Place, text: str, situation: Situation) -> str | None:
    match = _BLANK.fullmatch(text.strip())
    if match is None:
        return None
    name = match["variable"] or re.sub(r"[ -]", "_", match["name"].strip())
    for future, result in itertools.islice(situation.results(), _MOST_RESULTS):
        for spelled in (name,) if match["variable"] else (name, name.lower()):
            if has_field(result, spelled):
                return _write(f"${future}{_field(spelled)}", "that value", text)
    if not situation.pending or match["variable"] or not _to_be_filled_in(place, name):
        return None
    waiting = list(situation.pending)
    return _write(
        f"${waiting[-1]}{_field(name.lower())}", f"a field of a result to come (pending: {_few(waiting)})", text
    )


def _field(name: str) -> str:
    return str(Field(name))


def _to_be_filled_in(place: _Place, name: str) -> bool:
    """Return whether a name in brackets is that of a value rather than, say, an HTML tag."""
    words = set(name.lower().split("_"))
    return len(words) > 1 or bool(words & ({*place.name.lower().split("_")} | _NAMING))


def _pending(place: _Place, text: str, situation: Situation) -> str | None:
    if (
        not situation.pending
        or _PENDING.fullmatch(text.strip()) is None
        or _MAY_SAY_ANYTHING.search(place.name.lower())
    ):
        return None
    if situation.meant(place.argument, "pending"):
        return None
    waiting = list(situation.pending)
    return _write(f"${waiting[-1]}", f"the result to come (pending: {_few(waiting)})", text)


# -- what the error says ---------------------------------------------------------------------------------------------


def _few(names: list[str]) -> str:
    return ", ".join(names[-3:])


def _meaning(reference: str, text: str) -> str:
    name, steps = reference.removeprefix("$"), reference.lstrip("$f0123456789")
    if steps:
        return "that value"
    parts = (
        f', "${name}.name", "${name}[0]" or "${name}[\\"a key\\"]" for a part of it'
        if text.startswith(f"${name}")
        else ""
    )
    return f"the result of {name}{parts}"


def _write(reference: str, meaning: str, text: str = "") -> str:
    as_text = (
        f', or "{_in_json(TEXT + text)}" if the text itself is meant' if text and len(text) <= _MOST_CHARACTERS else ""
    )
    return f'write "{_in_json(reference)}" for {meaning}{as_text}'


def _in_json(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
