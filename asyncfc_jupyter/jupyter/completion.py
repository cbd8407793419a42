"""What the Tab key offers behind ``%%agent``, ``%%tool`` and ``%agent``: options, their values, commands and what they act on.

One matcher of IPython's. It reads the line up to the cursor and nothing else, and looks at what there is now: the tools,
futures and conversations of the session. It never asks a server, and what it cannot find out it leaves out, since an error
at a press of Tab helps nobody. Where it has something to offer, Python's own names are left out; in the prompt below the
line it has nothing to say.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic_arguments import MagicArgumentParser

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter import options
from asyncfc_jupyter.models.profiles import PROFILES
from asyncfc_jupyter.models.registry import REHEARSAL, api_names

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.magics import AgentMagics
    from asyncfc_jupyter.jupyter.session.session import Session

_LINE = re.compile(r"\s*(?:(%%)(agent|tool)|%(agent))\s+(.*)", re.DOTALL)
_KEY = re.compile(r"\w*(?:KEY|TOKEN)\w*", re.IGNORECASE)
#: A command in the help of `%agent`; the commands themselves come with the engine, which takes a second to load.
_COMMAND = re.compile(r"^ *%agent (\w+)", re.MULTILINE)
#: Paths that are offered at once.
_MOST_PATHS = 200
#: What stands behind each word of `%agent`: a kind for each place, of which the last repeats where `...` follows.
_PLACES: dict[str, tuple[str, ...]] = {
    "tools": ("tool",),
    "why": ("future",),
    "cancel": ("future or conversation", "conversation"),
    "timeline": ("run",),
    "compare": ("run", "..."),
    "prompt": ("conversation",),
    "history": ("conversation",),
    "reset": ("conversation",),
    "fork": ("nothing", "conversation"),
    "export": ("path", "conversation"),
    "import": ("path", "conversation"),
    "model": ("model", "..."),
    "doctor": ("model", "..."),
    "alias": ("alias",),
}
#: The options of `%agent model` and `%agent doctor`.
_MODEL_OPTIONS = ("--server", "--base-url", "--api", "--api-key-env")
#: The kind of an option's values; those of others are in the parser, or nobody can know them.
_VALUES = {
    "--model": "model",
    "--server": "server",
    "--api": "api",
    "--api-key-env": "key variable",
    "--compare": "mode",
    "--tools": "tool",
    "--conversation": "conversation",
    "--file": "path",
    "--record": "path",
    "--replay": "path",
    "--speed": "speed",
    "--out": "run",
    "--reads": "state",
    "--writes": "state",
}


class Matcher:
    """Completes the lines of the magics of one shell."""

    def __init__(self, shell: InteractiveShell, magics: AgentMagics) -> None:
        self._shell, self._magics = shell, magics
        self._kinds: dict[str, Callable[[str], Iterable[str]]] = {
            "model": self._models,
            "server": lambda _: PROFILES,
            "api": lambda _: api_names(),
            "mode": lambda _: options.MODES,
            "speed": lambda _: ("instant", "1", "2", "4"),
            "key variable": lambda _: sorted(name for name in os.environ if _KEY.fullmatch(name)),
            "path": _paths,
            "tool": lambda _: self._asked(lambda session: [tool.name for tool in session.registry.tools()]),
            "state": lambda _: self._asked(_state),
            "future": lambda _: self._asked(_futures),
            "conversation": lambda _: self._asked(lambda session: session.conversations.names) or ("main",),
            "future or conversation": lambda _: self._asked(lambda s: [*_futures(s), *s.conversations.names]),
            "run": lambda _: self._runs(),
            "alias": lambda _: [f"{name}=" for name in _aliases()],
        }

    def install(self) -> None:
        """Add it to the shell's completer."""

        @context_matcher(identifier="asyncfc_jupyter")
        def matcher(context: CompletionContext) -> SimpleMatcherResult:
            return self.complete(context)

        self._matcher = matcher
        self._shell.Completer.custom_matchers.append(matcher)

    def remove(self) -> None:
        """Take it away again."""
        matchers = self._shell.Completer.custom_matchers
        matchers[:] = [matcher for matcher in matchers if matcher is not self._matcher]

    def complete(self, context: CompletionContext) -> SimpleMatcherResult:
        """Return what may stand at the cursor, for IPython."""
        before = context.text_until_cursor
        line = _LINE.fullmatch(before)
        if line is None:
            return SimpleMatcherResult(completions=[])
        cell, cell_name, _, rest = line.groups()
        *words, last = re.split(r"\s+", rest)
        if cell:
            parser = (self._magics.agent if cell_name == "agent" else self._magics.tool).parser
            fragment, offered = self._in_options(parser, words, last)
        else:
            fragment, offered = self._in_command(words, last)
        found = [text for text in dict.fromkeys(offered) if text.startswith(fragment) and text != fragment]
        completions = [SimpleCompletion(text=text, type="magic") for text in found]
        return SimpleMatcherResult(
            completions=completions, matched_fragment=fragment, suppress=bool(found), ordered=True
        )

    def _in_options(self, parser: MagicArgumentParser, words: Sequence[str], last: str) -> tuple[str, Iterable[str]]:
        """Return what stands at the cursor, and what may: a value of the option before it, or an option."""
        known = parser._option_string_actions  # noqa: SLF001 - argparse shows its options nowhere else
        name, equals, value = last.partition("=")
        if equals and name in known:
            return self._listed(name, known[name], value)
        before = next((word for word in reversed(words) if word.startswith("-")), "")
        action = None if last.startswith("-") else known.get(before)
        if action is not None and (action.nargs == "+" or (action.nargs is None and before == words[-1])):
            return self._listed(before, action, last)
        given = set(words)
        names = [
            flag
            for action in dict.fromkeys(known.values())
            if "--help" not in action.option_strings and (action.nargs == "+" or not given & {*action.option_strings})
            for flag in action.option_strings[-1:]
        ]
        return last, names

    def _listed(self, name: str, action: Any, value: str) -> tuple[str, Iterable[str]]:
        """Return the values of an option; of a list with commas, behind the last of them."""
        fragment = value.rpartition(",")[2] if action.nargs == "+" else value
        return fragment, action.choices or self._of_kind(_VALUES.get(name, ""), fragment)

    def _in_command(self, words: Sequence[str], last: str) -> tuple[str, Iterable[str]]:
        if not words:
            return last, _COMMAND.findall(inspect.getdoc(self._magics.agent_line) or "")
        command, *behind = words
        if command in {"model", "doctor"}:
            name, equals, value = last.partition("=")
            if equals and name in _MODEL_OPTIONS:
                return value, self._of_kind(_VALUES.get(name, ""), value)
            if behind and behind[-1] in _MODEL_OPTIONS:
                return last, self._of_kind(_VALUES.get(behind[-1], ""), last)
            if last.startswith("-") or behind:
                return last, [*_MODEL_OPTIONS, *(["--fresh"] if command == "doctor" else [])]
        places = _PLACES.get(command, ())
        kind = places[0] if places[1:] == ("...",) else (*places, *[""] * len(words))[len(behind)]
        fragment = last.removeprefix("$") if kind.startswith("future") else last
        return fragment, [text for text in self._of_kind(kind, fragment) if text not in behind]

    def _of_kind(self, kind: str, fragment: str) -> list[str]:
        try:
            return list(self._kinds[kind](fragment)) if kind in self._kinds else []
        except OSError:  # a folder that cannot be read
            return []

    def _asked(self, ask: Callable[[Session], Iterable[str]]) -> list[str]:
        """Return what the session knows; nothing while there is none, since making one loads the engine."""
        session = self._magics.__dict__.get("session")
        return [] if session is None else list(ask(session))

    def _models(self, _: str) -> list[str]:
        used = self._asked(lambda session: [session.model.name] if session.model else [])
        return [*used, REHEARSAL, *_aliases()]

    def _runs(self) -> list[str]:
        """Return the variables that hold runs, of which there are none before the engine is loaded."""
        engine: Any = sys.modules.get("asyncfc_jupyter.agent.run")
        values = [] if engine is None else list(self._shell.user_ns.items())
        # Its type alone: asking a value for its class may run its own code.
        held = [name for name, value in values if issubclass(type(value), engine.Run)]
        return sorted(held, key=lambda name: (name.startswith("_") and name != options.DEFAULT_OUT, name))


def _futures(session: Session) -> list[str]:
    return [] if session.last is None else list(session.last.futures)


def _state(session: Session) -> list[str]:
    effects = [tool.effects for tool in session.registry.tools()]
    return sorted({str(path) for each in effects for path in (*each.reads, *each.writes)})


def _aliases() -> list[str]:
    from asyncfc_jupyter.models.aliases import aliases  # noqa: PLC0415 - loading the extension stays quick

    try:
        return list(aliases())
    except UsageError:  # a file that cannot be read
        return []


def _paths(fragment: str) -> list[str]:
    """Return the paths that begin with a text, folders with a slash; hidden ones only where a dot asks for them."""
    folder, name = fragment.rpartition("/")[::2]
    base = Path(f"{folder}/" if "/" in fragment else ".").expanduser()
    found = [path for path in base.iterdir() if path.name.startswith(name) and (name or not path.name.startswith("."))]
    begin = f"{folder}/" if "/" in fragment else ""
    return [f"{begin}{path.name}{'/' * path.is_dir()}" for path in sorted(found)[:_MOST_PATHS] if " " not in path.name]
