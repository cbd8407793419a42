"""The option lines of the magics, read into plain values.

The magics' own parser raises IPython's ``UsageError`` with argparse's words, and keeps the quotes around a value. Here an
error is one line that names the option and the nearest right one, and values come without quotes.
"""

from __future__ import annotations

import argparse
import keyword
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.magic_arguments import MagicArgumentParser

from asyncfc_jupyter.defaults import DEFAULT_TIMEOUT_S, RUN_IN
from asyncfc_jupyter.errors import UsageError, nearest
from asyncfc_jupyter.jupyter.settings.table import (
    FLAG,
    MODES,
    OPTIONS,
    AgentOptions,
    Option,
    Rule,
    one_of,
    option,
    options_of,
)

Magic = TypeVar("Magic", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """The options of a ``%%tool`` line; their names are those of ``@tool``."""

    reads: tuple[str, ...] | None = option("state it reads, such as orders/{order_id}", value="PATH", several=True)
    writes: tuple[str, ...] | None = option("state it writes", value="PATH", several=True)
    pure: bool = option("it touches no state at all", FLAG, default=False)
    idempotent: bool = option("calling twice does no more than once: may be retried and shared", FLAG, default=False)
    irreversible: bool = option("starts only after every earlier call has succeeded", FLAG, default=False)
    approve: bool = option("ask me before each call, while everything else continues", FLAG, default=False)
    detached: bool = option("the end of a run does not wait for it", FLAG, default=False)
    limit: tuple[str, ...] | None = option("calls at once: 2, or by path api/{host}=2", value="N", several=True)
    retries: int | None = option(
        "how often a failed call is retried; if idempotent or pure",
        Rule("a whole number, 0 or more", int, fits=lambda number: number >= 0), value="N",
    )  # fmt: skip
    run_in: str | None = option("where it runs", one_of(RUN_IN), usual="async on the loop, others in a thread")
    timeout_s: float | None = option(
        "seconds after which a call fails",
        Rule("a number of seconds above 0", float, fits=lambda number: number > 0), value="S", usual=DEFAULT_TIMEOUT_S,
    )  # fmt: skip


def takes(table: type) -> Callable[[Magic], Magic]:
    """Give a magic the options that a dataclass declares; to be used below ``@magic_arguments``."""

    def decorate(magic: Magic) -> Magic:
        for each in reversed(options_of(table).values()):
            magic = each.argument()(magic)
        return magic

    return decorate


def agent_options(parser: MagicArgumentParser, line: str, *, defaults: Mapping[str, Any] | None = None) -> AgentOptions:
    """Parse the line after ``%%agent``.

    Args:
        parser: The parser of the magic.
        line: The line.
        defaults: What the settings say for options that the line leaves out; the other options have their own defaults.

    Raises:
        UsageError: An option is unknown, incomplete or has a value it cannot have.
    """
    hint = "the prompt goes on the lines below %%agent"
    given = AgentOptions(**parse(parser, line, OPTIONS.values(), hint=hint, prefix="%%agent: ", defaults=defaults))
    if not given.out.isidentifier() or keyword.iskeyword(given.out):
        raise UsageError(f"--out is the run's name in the notebook, and {given.out!r} is not a Python name.")
    if given.speed is not None and given.replay is None:
        raise UsageError("%%agent: --speed says how fast a cassette is replayed; it goes together with --replay FILE.")
    if given.compare:
        _check_comparison(given)
    return given


def _check_comparison(given: AgentOptions) -> None:
    if given.background:
        raise UsageError("%%agent --compare runs one mode after the other while one waits; leave out --background.")
    if given.conversation:
        raise UsageError("%%agent --compare begins a new conversation for each mode; leave out --conversation.")
    if given.record or given.replay:
        raise UsageError("%%agent --compare takes no cassette: the requests of each mode differ.")
    for mode in given.compare:
        if mode not in MODES:
            meant = nearest(mode, MODES) or f"; the modes are {', '.join(MODES)}."
            raise UsageError(f"%%agent --compare: there is no mode {mode!r}{meant}")
    if len(given.compare) == 1 or len(set(given.compare)) != len(given.compare):
        raise UsageError("%%agent --compare takes two modes or more, each once, such as --compare sequential,async.")


def tool_options(parser: MagicArgumentParser, line: str) -> dict[str, Any]:
    """Parse the line after ``%%tool`` into the options of ``@tool``; only those that were given.

    Raises:
        UsageError: An option is unknown, incomplete or has a value it cannot have.
    """
    hint = "the function goes on the lines below %%tool"
    given = parse(parser, line, options_of(ToolOptions).values(), hint=hint, prefix="%%tool: ")
    if given["pure"] and (given["reads"] or given["writes"]):
        raise UsageError("%%tool --pure declares that the tool touches no state; leave out --reads and --writes.")
    given["limit"] = _limit(given["limit"])
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
    parser: argparse.ArgumentParser,
    words: str | list[str],
    options: Iterable[Option],
    *,
    hint: str,
    prefix: str = "",
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Parse an option line, and name the nearest option where one is unknown.

    Args:
        parser: The parser of the line.
        words: The line, or its words.
        options: Those that the parser knows.
        hint: Where a word belongs that no option takes.
        prefix: What an error begins with.
        defaults: Values of options that the line leaves out.

    Raises:
        UsageError: An option is unknown, incomplete or has a value it cannot have; the line has a word that no option takes.
    """
    try:
        split = shlex.split(words) if isinstance(words, str) else words
        given, rest = parser.parse_known_args(split, argparse.Namespace(**defaults or {}))
    except (IPythonUsageError, ValueError) as error:
        raise UsageError(f"{prefix}{str(error).rstrip('.')}.") from None
    values = vars(given)
    if rest:
        flags = tuple(flag for each in options for flag in each.flags)
        raise UsageError(f"{prefix}{_about_the_rest(parser, rest, flags, hint)}")
    for each in options:
        value = values[each.name]
        if each.several:
            listed = tuple(name for word in value or () for name in word.split(",") if name)
            values[each.name] = each.default if value is None else listed
        elif each.rule.kind in {int, float} and value is not None and not each.rule.accepts(value):
            raise UsageError(f"{prefix}{each.flag} is {value:g}, and must be {each.rule.text}.")
    return values


def _about_the_rest(parser: argparse.ArgumentParser, rest: list[str], flags: tuple[str, ...], hint: str) -> str:
    word = next((word for word in rest if word.startswith("-")), None)
    if word is None:
        return f"unexpected {' '.join(rest)!r}; {hint}."
    name = word.partition("=")[0]
    if name in {"-h", "--help"}:
        return f"for help, run %{parser.prog}? in a cell; the options are {', '.join(flags)}."
    return f"there is no option {name}" + (nearest(name, flags) or f"; the options are {', '.join(flags)}.")
