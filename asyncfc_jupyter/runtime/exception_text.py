"""What an exception says, on one bounded line: its own text, its notes, what a group holds, and what led to it.

The line goes to the model, the log and the cell. A group says by itself how many exceptions it holds and none of them, and a
library often raises one exception of its own for every cause. So each of these is shown in short, as far as it says more.

Every part of an exception may be hostile: its text, its notes, a class that holds itself. Attributes are read as Python's own
classes define them, each exception is visited once, and the number and the length of what is shown are bounded.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from asyncfc_jupyter.foreign_code import ForeignCode, plain_text, text_of, type_name
from asyncfc_jupyter.text import shorten

#: Characters of an exception's text that are shown to the model and the user: a tool may put a whole page into one.
_MESSAGE_CHARACTERS = 2_000
#: Characters of each note and each further exception, and how many of these are shown in all.
_INSIDE_CHARACTERS, _MOST_INSIDE = 300, 8
#: Characters of the name of a type, which a program may make up.
_NAME_CHARACTERS = 100
#: Exceptions that raised each other: a loop of retries makes such chains.
_LONGEST_CHAIN = 100
#: How the note begins that holds the frames of another process.
TRACEBACK_NOTE = "In its own process, most recent call last:"


def show_exception(error: BaseException | None) -> str:
    """Return an exception with its notes, leaves and cause on one bounded line. A note replaces a text that raises."""
    return "no exception" if error is None else _shown(error, _MESSAGE_CHARACTERS, [_MOST_INSIDE], set())


def leaves_of(error: BaseException) -> list[BaseException]:
    """Return the exceptions that a group and the groups in it hold, each once; none for any other exception."""
    leaves: list[BaseException] = []
    inside, seen = list(reversed(_members(error))), {id(error)}
    while inside:
        each = inside.pop()
        if id(each) not in seen:
            seen.add(id(each))
            members = _members(each)
            inside += reversed(members)
            leaves += [] if members else [each]
    return leaves


def origin_of(error: BaseException) -> tuple[BaseException | None, str]:
    """Return the exception that led to another one as Python shows it, and the words between the two."""
    cause, context = (BaseException.__dict__[name].__get__(error) for name in ("__cause__", "__context__"))
    if cause is not None:
        # An executor makes one of the traceback of another process, which is no exception.
        return (None, "") if type_name(cause).endswith("RemoteTraceback") else (cause, "caused by")
    return (None, "") if BaseException.__dict__["__suppress_context__"].__get__(error) else (context, "while handling")


def chain_of(error: BaseException) -> list[BaseException]:
    """Return an exception and those that led to it."""
    chain, each = {id(error): error}, origin_of(error)[0]
    while each is not None and id(each) not in chain and len(chain) < _LONGEST_CHAIN:
        chain[id(each)] = each
        each = origin_of(each)[0]
    return list(chain.values())


def _shown(error: BaseException, characters: int, left: list[int], seen: set[int]) -> str:
    """Return an exception in short.

    Args:
        error: The exception.
        characters: How much of its text is shown.
        left: How many further notes and exceptions may be shown; reduced by those that are.
        seen: The identities of the exceptions that are shown already.
    """
    seen.add(id(error))
    name, text = shorten(type_name(error), _NAME_CHARACTERS), shorten(text_of(error), characters)
    line = f"{name}: {text}" if text else name
    notes = [shorten(note, _INSIDE_CHARACTERS) for note in islice(_notes(error), left[0])]
    left[0] -= len(notes)
    line += f" ({'; '.join(notes)})" if notes else ""
    leaves, parts = [leaf for leaf in leaves_of(error) if id(leaf) not in seen], list[str]()
    while len(parts) < len(leaves) and left[0]:
        left[0] -= 1
        parts.append(_shown(leaves[len(parts)], _INSIDE_CHARACTERS, left, seen))
    if len(leaves) == 1 == len(parts):
        line += f": {parts[0]}"
    elif parts:
        line += ": " + "; ".join(f"({n}) {part}" for n, part in enumerate(parts, 1))
        line += f"; and {len(leaves) - len(parts)} more" if len(leaves) > len(parts) else ""
    origin, words = origin_of(error)
    if origin is not None and id(origin) not in seen and left[0]:
        said = shorten(text_of(origin), _INSIDE_CHARACTERS)
        if not (said and said in line):  # a text that repeats its cause says it all
            left[0] -= 1
            line += f" ({words} {_shown(origin, _INSIDE_CHARACTERS, left, seen)})"
    return line


def _members(error: BaseException) -> tuple[BaseException, ...]:
    is_group = issubclass(type(error), BaseExceptionGroup)
    members: tuple[BaseException, ...] = BaseExceptionGroup.__dict__["exceptions"].__get__(error) if is_group else ()
    return members


def _notes(error: BaseException) -> list[str]:
    notes: Any = None
    with ForeignCode():
        notes = getattr(error, "__notes__", None)
    notes = notes if type(notes) is list else []
    texts = [plain_text(note) for note in notes[:_MOST_INSIDE] if isinstance(note, str)]
    return [text for text in texts if not text.startswith(TRACEBACK_NOTE)]
