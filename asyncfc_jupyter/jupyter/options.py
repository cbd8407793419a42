"""The lines of the magics, read into plain values.

argparse and its version in IPython raise errors of their own and keep the quotes around a value. Here an error is one line that
names the option and the nearest right one, and values come without quotes.
"""

from __future__ import annotations

import argparse
import keyword
import shlex
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.magic_arguments import MagicArgumentParser

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.settings.option import Option
from asyncfc_jupyter.jupyter.settings.table import MODES, OPTIONS, TOOL_OPTIONS, AgentOptions
from asyncfc_jupyter.text import did_you_mean, no_such

Magic = TypeVar("Magic", bound=Callable[..., Any])


def takes(options: dict[str, Option]) -> Callable[[Magic], Magic]:
    """List options in the help of a magic; to be used below ``@magic_arguments``."""

    def decorate(magic: Magic) -> Magic:
        for each in reversed(options.values()):
            magic = each.argument()(magic)
        return magic

    return decorate


def agent_options(line: str, *, defaults: Mapping[str, Any] | None = None) -> AgentOptions:
    """Parse the line after ``%%agent``.

    Args:
        line: The line.
        defaults: What the settings say for options that the line leaves out; the other options have their own defaults.

    Raises:
        UsageError: An option is unknown, incomplete or has a value it cannot have.
    """
    hint = "the prompt goes below the %%agent line"
    try:
        given = AgentOptions(**parse("%%agent", line, OPTIONS.values(), hint=hint, defaults=defaults))
        if not given.out.isidentifier() or keyword.iskeyword(given.out):
            raise UsageError(f"--out is the run's name in the notebook, and {given.out!r} is not a Python name.")
        if given.speed is not None and given.replay is None:
            raise UsageError("--speed says how fast a cassette is replayed; it goes together with --replay FILE.")
        if given.compare:
            _check_comparison(given)
    except UsageError as error:
        raise UsageError(f"%%agent: {error}") from None
    return given


def _check_comparison(given: AgentOptions) -> None:
    if given.background:
        raise UsageError("--compare runs one mode after the other while you wait; leave out --background.")
    if given.conversation:
        raise UsageError("--compare begins a new conversation for each mode; leave out --conversation.")
    if given.record or given.replay:
        raise UsageError("--compare takes no cassette: the requests of each mode differ.")
    for mode in given.compare:
        if mode not in MODES:
            raise UsageError(f"--compare: {no_such('mode', mode, MODES)}")
    if len(given.compare) == 1 or len(set(given.compare)) != len(given.compare):
        raise UsageError("--compare takes two modes or more, each once, such as --compare sequential,async.")


def tool_options(line: str) -> dict[str, Any]:
    """Parse the line after ``%%tool`` into the options of ``@tool``; only those that were given.

    Raises:
        UsageError: An option is unknown, incomplete or has a value it cannot have.
    """
    hint = "the function goes below the %%tool line"
    try:
        given = parse("%%tool", line, TOOL_OPTIONS.values(), hint=hint)
        if given["pure"] and (given["reads"] or given["writes"]):
            raise UsageError("--pure declares that the tool touches no state; leave out --reads and --writes.")
        given["limit"] = _limit(given["limit"])
    except UsageError as error:
        raise UsageError(f"%%tool: {error}") from None
    return {name: value for name, value in given.items() if value not in (None, False)}


def _limit(words: tuple[str, ...] | None) -> int | dict[str, int] | None:
    if words is None:
        return None
    if len(words) == 1 and words[0].isdigit():
        return int(words[0])
    paths: dict[str, int] = {}
    for word in words:
        path, equals, places = word.rpartition("=")
        if not (path and equals and places.isdigit()):
            raise UsageError(
                f"--limit is {' '.join(words)!r}; write a number of calls, such as 2, or numbers by path: api/{{host}}=2."
            )
        paths[path] = int(places)
    return paths


def parse(
    magic: str,
    line: str | tuple[str, ...],
    options: Collection[Option],
    *,
    hint: str,
    positional: str = "",
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Parse a line, and return the values of its options by name.

    Args:
        magic: Whose help lists the options, such as ``%%agent``.
        line: The line, or its words.
        options: Those that the line may have.
        hint: Where a word belongs that no option takes.
        positional: A name for the list of words that no option takes, if there may be such.
        defaults: Values of options that the line leaves out, in place of their own defaults.

    Raises:
        UsageError: An option is unknown, incomplete or has a value it cannot have, or no option takes a word.
    """
    parser = MagicArgumentParser()
    if positional:
        parser.add_argument(positional, nargs="*")
    for each in options:
        each.argument().add_to_parser(parser, None)
    try:
        words = shlex.split(line) if isinstance(line, str) else [*line]
        given, rest = parser.parse_known_args(words, argparse.Namespace(**defaults or {}))
    except (IPythonUsageError, ValueError) as error:
        raise UsageError(f"{str(error).rstrip('.')}.") from None
    if rest:
        raise UsageError(_unexpected(magic, rest, options, hint))
    values = vars(given)
    for each in options:
        value = values[each.name]
        if each.entry is not None:
            values[each.name] = None if value is None else dict(map(each.entry, value))
        elif each.several:
            listed = tuple(name for word in value or () for name in word.split(",") if name)
            values[each.name] = each.default if value is None else listed
        elif each.rule.kind in {int, float} and value is not None and not each.rule.accepts(value):
            raise UsageError(f"{each.flag} is {value:g}, and must be {each.rule.text}.")
    return values


def _unexpected(magic: str, words: list[str], options: Collection[Option], hint: str) -> str:
    flags = tuple(flag for each in options for flag in each.flags)
    listed = ", ".join(flags)
    word = next((word for word in words if word.startswith("-")), None)
    if word is None:
        return f"unexpected {' '.join(words)!r}; {hint}."
    name = word.partition("=")[0]
    if name in {"-h", "--help"}:
        return f"for help, run {magic}? in a cell; the options are {listed}."
    return f"there is no option {name}{did_you_mean(name, flags) or f'; the options are {listed}.'}"
