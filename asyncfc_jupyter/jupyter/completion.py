"""What the Tab key offers after ``%%agent``, ``%%tool`` and ``%agent``: options, their values, commands and what they act on.

One matcher of IPython's. It reads the line up to the cursor and nothing else, and offers what exists now: the tools, futures
and conversations of the session. It never asks a server: of its models, those that ``%agent model --list`` showed last are
offered. It leaves out what it cannot find out, since an error at a press of Tab helps no user. Where it has something to offer,
Python's own names are left out; in the prompt below the line it offers nothing.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.commands.table import COMMANDS
from asyncfc_jupyter.jupyter.settings.option import Option
from asyncfc_jupyter.jupyter.settings.table import DEFAULT_OUT, OPTIONS, TOOL_OPTIONS
from asyncfc_jupyter.models.aliases import aliases
from asyncfc_jupyter.models.model_options import WELL_KNOWN
from asyncfc_jupyter.models.profiles import PROFILES
from asyncfc_jupyter.models.registry import REHEARSAL, api_names

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session

_LINE = re.compile(r"\s*(%%agent|%%tool|%agent)\s+(.*)", re.DOTALL)
_KEY = re.compile(r"\w*(?:KEY|TOKEN)\w*", re.IGNORECASE)
#: Paths that are offered together.
_MOST_PATHS = 200
_OPTIONS: dict[str, Mapping[str, Option]] = {"%%agent": OPTIONS, "%%tool": TOOL_OPTIONS}


class Matcher:
    """Completes the lines of the magics of one shell."""

    def __init__(self, shell: InteractiveShell, session: Callable[[], Session | None]) -> None:
        """Take the shell, and how to get its session: None before the first cell, since making one loads the engine."""
        self._shell, self._session = shell, session

    def install(self) -> None:
        """Add it to the shell's completer."""

        @context_matcher(identifier="asyncfc_jupyter")
        def matcher(context: CompletionContext) -> SimpleMatcherResult:
            return self.complete(context)

        self._matcher = matcher
        self._shell.Completer.custom_matchers.append(matcher)

    def remove(self) -> None:
        """Remove it from the shell's completer."""
        matchers = self._shell.Completer.custom_matchers
        matchers[:] = [matcher for matcher in matchers if matcher is not self._matcher]

    def complete(self, context: CompletionContext) -> SimpleMatcherResult:
        """Return what may stand at the cursor, for IPython."""
        line = _LINE.fullmatch(context.text_until_cursor)
        if line is None:
            return SimpleMatcherResult(completions=[])
        *words, last = re.split(r"\s+", line[2])
        if line[1] in _OPTIONS:
            fragment, offered = self._of_options(_OPTIONS[line[1]].values(), words, last)
        else:
            fragment, offered = self._of_commands(words, last)
        found = [text for text in dict.fromkeys(offered) if text.startswith(fragment) and text != fragment]
        completions = [SimpleCompletion(text=text, type="magic") for text in found]
        return SimpleMatcherResult(
            completions=completions, matched_fragment=fragment, suppress=bool(found), ordered=True
        )

    def _of_options(self, options: Iterable[Option], words: Sequence[str], last: str) -> tuple[str, Iterable[str]]:
        """Return the text at the cursor, and what may replace it: a value of the option before it, or an option."""
        if (at_value := _value_at(options, words, last)) is not None:
            option, value = at_value
            # Of a list with commas, the last value is completed.
            fragment = value.rpartition(",")[2] if option.several else value
            return fragment, option.rule.choices or self._values(option.value, fragment)
        given = set(words)
        return last, [each.flag for each in options if each.several or not given & {*each.flags}]

    def _of_commands(self, words: Sequence[str], last: str) -> tuple[str, Iterable[str]]:
        """Return the text at the cursor, and what may replace it: a command, or what follows one."""
        if not words:
            return last, COMMANDS
        name, *given = words
        if name not in COMMANDS:
            return last, ()
        command = COMMANDS[name]
        if command.options and (given or last.startswith("-")):
            return self._of_options(command.options, given, last)
        kinds = command.kinds_at(len(given))
        fragment = last.removeprefix("$") if "FUTURE" in kinds else last
        return fragment, [text for kind in kinds for text in self._values(kind, fragment) if text not in given]

    def _values(self, kind: str | None, fragment: str) -> list[str]:
        """Return the values of a kind, by the name that the help has for it: those that begin with the fragment, or all."""
        session = self._session()
        tools = session.registry.tools() if session is not None else ()
        run = session.last if session is not None else None
        kinds: dict[str | None, Callable[[], Iterable[Any]]] = {
            "MODEL": lambda: [
                *([session.model.name] if session is not None and session.model is not None else []),
                REHEARSAL,
                *_aliases(),
                *(session.listed_models if session is not None else ()),
            ],
            "NAME=MODEL": lambda: [f"{name}=" for name in _aliases()],
            "SERVER": lambda: PROFILES,
            "API": api_names,
            "VARIABLE": lambda: sorted(name for name in os.environ if _KEY.fullmatch(name)),
            "NAME=VALUE": lambda: WELL_KNOWN,
            "HEADER": lambda: ('"X-Title: ', '"HTTP-Referer: ', '"anthropic-beta: '),
            "SPEED": lambda: ("instant", "1", "2", "4"),
            "FILE": lambda: _paths(fragment),
            "TOOL": lambda: [tool.name for tool in tools],
            "PATH": lambda: sorted(
                {str(path) for tool in tools for path in (*tool.effects.reads, *tool.effects.writes)}
            ),
            "FUTURE": lambda: run.futures if run is not None else (),
            "CONVERSATION": lambda: session.conversations.names if session is not None else ("main",),
            "RUN": self._runs,
        }
        try:
            return list(kinds[kind]()) if kind in kinds else []
        except OSError:  # a folder that cannot be read
            return []

    def _runs(self) -> list[str]:
        """Return the variables that hold runs; before the engine is loaded there are none."""
        engine: Any = sys.modules.get("asyncfc_jupyter.agent.run")
        values = [] if engine is None else list(self._shell.user_ns.items())
        # Its type alone: asking a value for its class may run its own code.
        held = [name for name, value in values if issubclass(type(value), engine.Run)]
        return sorted(held, key=lambda name: (name.startswith("_") and name != DEFAULT_OUT, name))


def _value_at(options: Iterable[Option], words: Sequence[str], last: str) -> tuple[Option, str] | None:
    """Return the option whose value is at the cursor, and that value; None where no value may stand."""
    flags = {flag: each for each in options for flag in each.flags}
    name, equals, value = last.partition("=")
    if equals and name in flags:
        return flags[name], value
    before = next((word for word in reversed(words) if word.startswith("-")), "")
    option = flags.get(before)
    if option is None or option.rule.kind is bool or last.startswith("-"):
        return None
    return (option, last) if option.several or before == words[-1] else None


def _aliases() -> list[str]:
    try:
        return list(aliases())
    except UsageError:  # a file that cannot be read
        return []


def _paths(fragment: str) -> list[str]:
    """Return the paths that begin with a text, folders with a slash; hidden ones only where a dot asks for them."""
    folder, slash, name = fragment.rpartition("/")
    base = Path(folder + slash or ".").expanduser()
    found = [path for path in base.iterdir() if path.name.startswith(name) and (name or not path.name.startswith("."))]
    shown = [path for path in sorted(found)[:_MOST_PATHS] if " " not in path.name]
    return [f"{folder}{slash}{path.name}{'/' * path.is_dir()}" for path in shown]
