"""The options of the magics, as plain values.

The magics' own parser ends in IPython's ``UsageError`` with argparse's words and keeps the quotes around a value; here
both become what a reader expects: one line that names the option and the nearest right one, and values without quotes.
"""

from __future__ import annotations

import argparse
import keyword
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.magic_arguments import MagicArgumentParser

from asyncfc_jupyter.errors import UsageError, nearest

MODES = ("sequential", "batch", "eager", "async")
#: How an answer may be shown.
FORMATS = ("markdown", "code", "json", "html", "text")
#: The run's name in the user's namespace when ``--out`` gives none.
DEFAULT_OUT = "_agent"
#: Where a tool may run; written again here because the engine is not loaded with the extension.
PLACES = ("loop", "thread", "process")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """Which model to ask and how: it stays in force until another is given, and its server until another server is."""

    name: str
    base_url: str | None = None
    #: A server by name, such as ``ollama``.
    server: str | None = None
    #: ``chat``, ``responses`` or ``native``; None leaves it to the server.
    api: str | None = None
    api_key_env: str | None = None
    #: Options that only the rehearsal model knows: ``ttft_ms`` and ``tokens_per_s``.
    options: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """What stands behind ``%%agent``."""

    #: None keeps the model of the cell before.
    model: ModelChoice | None
    mode: str
    #: Names of the tools to offer; None offers all.
    tools: tuple[str, ...] | None
    max_turns: int
    #: The limits that were set, by the names that `Budget` gives them: ``requests``, ``tokens``, ``seconds``.
    budget: tuple[tuple[str, float], ...]
    out: str
    #: None keeps the system text of the conversation.
    system: str | None
    #: The system text of a conversation that has none of its own, from the settings.
    usual_system: str | None = None
    #: Calls that may run at once.
    limit: int = 16
    #: The name of the conversation to go on with; None for the main one.
    conversation: str | None = None
    #: Return at once; the run goes on behind the cells.
    background: bool = False
    #: A file that holds the prompt, or what stands above the cell's text.
    file: str | None = None
    #: Send the text as it stands: without replacing expressions and without words on the format.
    raw: bool = False
    #: How the answer is shown: one of `FORMATS`.
    format: str = "markdown"
    #: Cassettes to write and to answer from.
    record: str | None = None
    replay: str | None = None
    speed: str = "1"
    #: Modes to run the cell in, one after the other; with none, it runs once, in ``mode``.
    compare: tuple[str, ...] = ()


def agent_options(
    parser: MagicArgumentParser,
    line: str,
    *,
    defaults: Mapping[str, Any] | None = None,
    in_use: ModelChoice | None = None,
) -> AgentOptions:
    """Parse the line behind ``%%agent``.

    Args:
        parser: That of the magic.
        line: The line.
        defaults: What the settings say for options that the line leaves out; other options have what the parser says.
        in_use: The model that options about reaching one are about, when the line names none.

    Raises:
        UsageError: An option is unknown, incomplete or has a value it cannot have.
    """
    usual = dict(defaults or {})
    usual_system = usual.pop("system", None)
    given = parse(parser, "%%agent", line, hint="the prompt goes on the lines below %%agent", defaults=usual)
    _check(given)
    return _agent_options(given, in_use, usual_system)


def _check(given: argparse.Namespace) -> None:
    if not given.out.isidentifier() or keyword.iskeyword(given.out):
        raise UsageError(f"--out is the run's name in the notebook, and {given.out!r} is not a Python name.")
    if given.speed is not None and given.replay is None:
        raise UsageError("%%agent: --speed says how fast a cassette is replayed; it goes together with --replay FILE.")
    if given.max_turns < 1:
        raise UsageError(f"--max-turns is {given.max_turns}; a run needs at least 1.")
    if given.limit < 1:
        raise UsageError(f"--limit is {given.limit}; give a number of calls of at least 1.")
    if given.compare and given.background:
        raise UsageError("%%agent --compare runs one mode after the other while one waits; leave out --background.")
    if given.compare and given.conversation:
        raise UsageError("%%agent --compare begins a new conversation for each mode; leave out --conversation.")
    if given.compare and (given.record or given.replay):
        raise UsageError("%%agent --compare does not go with a cassette: in each mode the model is asked otherwise.")


def _agent_options(given: argparse.Namespace, in_use: ModelChoice | None, usual_system: str | None) -> AgentOptions:
    return AgentOptions(
        model=_model_choice(given, in_use),
        mode=given.mode,
        tools=_names(given.tools),
        max_turns=given.max_turns,
        budget=_budget(given),
        out=given.out,
        system=given.system,
        usual_system=usual_system,
        limit=given.limit,
        conversation=given.conversation,
        background=given.background,
        file=given.file,
        raw=given.raw,
        format=given.format,
        record=given.record,
        replay=given.replay,
        speed=given.speed or "1",
        compare=_compared(given.compare),
    )


def tool_options(parser: MagicArgumentParser, line: str) -> dict[str, Any]:
    """Parse the line behind ``%%tool`` into the options of ``@tool``; only those that were given.

    Raises:
        UsageError: An option is unknown, incomplete or has a value it cannot have.
    """
    given = parse(parser, "%%tool", line, hint="the function goes on the lines below %%tool")
    if given.pure and (given.reads or given.writes):
        raise UsageError("%%tool --pure declares that the tool touches no state; leave out --reads and --writes.")
    if given.timeout_s is not None and given.timeout_s <= 0:
        raise UsageError(f"--timeout-s is {given.timeout_s:g}; it is a number of seconds above 0.")
    chosen = vars(given) | {"reads": _names(given.reads), "writes": _names(given.writes), "limit": _limit(given.limit)}
    return {name: value for name, value in chosen.items() if value not in (None, False)}


def _limit(words: list[str] | None) -> int | dict[str, int] | None:
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
    parser: MagicArgumentParser, magic: str, line: str, *, hint: str, defaults: Mapping[str, Any] | None = None
) -> argparse.Namespace:
    """Parse an option line, and name the nearest option where one is unknown."""
    try:
        given, rest = parser.parse_known_args(shlex.split(line), argparse.Namespace(**defaults or {}))
    except (IPythonUsageError, ValueError) as error:
        problem = str(error)
    else:
        if not rest:
            return given
        problem = _about_the_rest(parser, rest, hint)
    raise UsageError(f"{magic}: {problem.rstrip('.')}{'' if problem.endswith('?') else '.'}")


def _about_the_rest(parser: MagicArgumentParser, rest: list[str], hint: str) -> str:
    known = tuple(name for name in parser._option_string_actions if name not in {"-h", "--help"})  # noqa: SLF001
    option = next((word for word in rest if word.startswith("-")), None)
    if option is None:
        return f"unexpected {' '.join(rest)!r}; {hint}"
    name = option.partition("=")[0]
    if name in {"-h", "--help"}:
        return f"for help, run %{parser.prog}? in a cell; the options are {', '.join(known)}"
    return f"there is no option {name}" + (nearest(name, known) or f"; the options are {', '.join(known)}")


def _model_choice(given: argparse.Namespace, in_use: ModelChoice | None) -> ModelChoice | None:
    options = {"ttft_ms": given.ttft_ms, "tokens_per_s": given.tokens_per_s}
    chosen: tuple[tuple[str, float], ...] = tuple((name, value) for name, value in options.items() if value is not None)
    reached = {"base_url": given.base_url, "server": given.server, "api": given.api, "api_key_env": given.api_key_env}
    if given.model is not None:
        return ModelChoice(name=given.model, options=chosen, **reached)
    if not (any(reached.values()) or chosen):
        return None
    if in_use is None:
        raise UsageError(
            "%%agent: --server, --base-url, --api, --api-key-env, --ttft-ms and --tokens-per-s go together with --model."
        )
    kept = {} if given.server or given.base_url else {name: getattr(in_use, name) for name in reached}
    said = {name: value for name, value in reached.items() if value}
    speeds = tuple((dict(in_use.options) | dict(chosen)).items())
    return ModelChoice(name=in_use.name, options=speeds, **kept | said)


def _budget(given: argparse.Namespace) -> tuple[tuple[str, float], ...]:
    limits = {"requests": given.max_requests, "tokens": given.max_tokens, "seconds": given.max_seconds}
    for name, limit in limits.items():
        if limit is not None and not limit > 0:
            raise UsageError(f"--max-{name} is {limit:g}; give a number above 0.")
    return tuple((name, limit) for name, limit in limits.items() if limit is not None)


def _compared(words: list[Any] | None) -> tuple[str, ...]:
    modes = _names(words) or ()
    for mode in modes:
        if mode not in MODES:
            meant = nearest(mode, MODES) or f"; the modes are {', '.join(MODES)}."
            raise UsageError(f"%%agent --compare: there is no mode {mode!r}{meant}")
    if len(modes) == 1 or len(set(modes)) != len(modes):
        raise UsageError("%%agent --compare takes two modes or more, each once, such as --compare sequential,async.")
    return modes


def _names(words: list[Any] | None) -> tuple[str, ...] | None:
    if words is None:
        return None
    return tuple(name for word in words for name in word.split(",") if name)
