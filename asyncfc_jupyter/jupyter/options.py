"""The options of the magics, as plain values.

The magics' own parser ends in IPython's ``UsageError`` with argparse's words and keeps the quotes around a value; here
both become what a reader expects: one line that names the option and the nearest right one, and values without quotes.
"""

from __future__ import annotations

import argparse
import difflib
import shlex
from dataclasses import dataclass
from typing import Any

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.magic_arguments import MagicArgumentParser

from asyncfc_jupyter.core.errors import UsageError

MODES = ("sequential", "batch", "eager", "async")
#: The run's name in the user's namespace when ``--out`` gives none.
DEFAULT_OUT = "_agent"
#: The same as for a tool defined elsewhere; written again here because the engine is not loaded with the extension.
DEFAULT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """Which model to ask and how: it stays in force until another ``--model`` is given."""

    name: str
    base_url: str | None = None
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
    out: str
    #: None keeps the system text of the conversation.
    system: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """What stands behind ``%%tool``. None for both effects declares nothing."""

    reads: tuple[str, ...] | None = None
    writes: tuple[str, ...] | None = None
    pure: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S


def agent_options(parser: MagicArgumentParser, line: str) -> AgentOptions:
    """Parse the line behind ``%%agent``.

    Raises:
        UsageError: An option is unknown, incomplete or has a value it cannot have.
    """
    given = parse(parser, "%%agent", line, hint="the prompt goes on the lines below %%agent")
    if not given.out.isidentifier():
        raise UsageError(f"--out is the run's name in the notebook, and {given.out!r} is not a Python name.")
    if given.max_turns < 1:
        raise UsageError(f"--max-turns is {given.max_turns}; a run needs at least 1.")
    return AgentOptions(
        model=_model_choice(given),
        mode=given.mode,
        tools=_names(given.tools),
        max_turns=given.max_turns,
        out=given.out,
        system=given.system,
    )


def tool_options(parser: MagicArgumentParser, line: str) -> ToolOptions:
    """Parse the line behind ``%%tool``.

    Raises:
        UsageError: An option is unknown, incomplete or has a value it cannot have.
    """
    given = parse(parser, "%%tool", line, hint="the function goes on the lines below %%tool")
    if given.pure and (given.reads or given.writes):
        raise UsageError("%%tool --pure declares that the tool touches no state; leave out --reads and --writes.")
    if given.timeout_s <= 0:
        raise UsageError(f"--timeout-s is {given.timeout_s:g}; it is a number of seconds above 0.")
    return ToolOptions(
        reads=_names(given.reads), writes=_names(given.writes), pure=given.pure, timeout_s=given.timeout_s
    )


def parse(parser: MagicArgumentParser, magic: str, line: str, *, hint: str) -> argparse.Namespace:
    """Parse an option line, and name the nearest option where one is unknown."""
    try:
        given, rest = parser.parse_known_args(shlex.split(line))
    except (IPythonUsageError, ValueError) as error:
        problem = str(error)
    else:
        if not rest:
            return given
        problem = _about_the_rest(parser, rest, hint)
    raise UsageError(f"{magic}: {problem.rstrip('.')}{'' if problem.endswith('?') else '.'}")


def nearest(word: str, known: tuple[str, ...]) -> str:
    """Return ``; did you mean X?`` for the nearest known word, or for two that are both very near; or nothing."""
    found = difflib.get_close_matches(word, known, n=2, cutoff=0.8) or difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _about_the_rest(parser: MagicArgumentParser, rest: list[str], hint: str) -> str:
    known = tuple(name for name in parser._option_string_actions if name not in {"-h", "--help"})  # noqa: SLF001
    option = next((word for word in rest if word.startswith("-")), None)
    if option is None:
        return f"unexpected {' '.join(rest)!r}; {hint}"
    name = option.partition("=")[0]
    if name in {"-h", "--help"}:
        return f"for help, run %%{parser.prog}? in a cell; the options are {', '.join(known)}"
    return f"there is no option {name}" + (nearest(name, known) or f"; the options are {', '.join(known)}")


def _model_choice(given: argparse.Namespace) -> ModelChoice | None:
    options = {"ttft_ms": given.ttft_ms, "tokens_per_s": given.tokens_per_s}
    chosen: tuple[tuple[str, float], ...] = tuple((name, value) for name, value in options.items() if value is not None)
    if given.model is not None:
        return ModelChoice(name=given.model, base_url=given.base_url, api_key_env=given.api_key_env, options=chosen)
    if given.base_url or given.api_key_env or chosen:
        raise UsageError("%%agent: --base-url, --api-key-env, --ttft-ms and --tokens-per-s go together with --model.")
    return None


def _names(words: list[Any] | None) -> tuple[str, ...] | None:
    if words is None:
        return None
    return tuple(name for word in words for name in word.split(",") if name)
