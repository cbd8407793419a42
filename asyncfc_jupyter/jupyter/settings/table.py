"""The options of ``%%agent``, an entry for each, and which of them are settings.

An entry makes the option of the line, its help and its default, and says what the Tab key offers. The entry of a setting also
makes the trait (``%config``, ``ipython_config.py``), the key of ``[tool.asyncfc]`` and the row of ``%agent config``. A new
option takes one entry here, and its use.

Refused: pydantic, which would check values as well. This is loaded with the extension, and pydantic is not.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from IPython.core.magic_arguments import argument
from traitlets import Enum, Float, Int, TraitType, Unicode
from traitlets.config import Configurable

from asyncfc_jupyter.defaults import DEFAULT_LIMIT, DEFAULT_MAX_TURNS, DEFAULT_TOKENS_PER_S, DEFAULT_TTFT_MS
from asyncfc_jupyter.errors import UsageError, nearest
from asyncfc_jupyter.models.profiles import PROFILES, profile_named
from asyncfc_jupyter.models.registry import APIS, api_named
from asyncfc_jupyter.models.secret import hide_keys
from asyncfc_jupyter.modes import Mode
from asyncfc_jupyter.text import truncate

MODES = tuple(mode.value for mode in Mode)
#: How an answer may be shown.
FORMATS = ("markdown", "code", "json", "html", "text")
#: The run's name in the user's namespace when ``--out`` gives none.
DEFAULT_OUT = "_agent"
#: Names under which people write keys, whether or not they are settings.
KEY_LIKE = re.compile(
    r"(?:^|[-_.])(?:api[-_]?)?keys?$|secret|passw(?:or)?d|credential|^(?!max).*token$",
    re.IGNORECASE,
)
#: Characters of a value that an error shows: enough to recognise it.
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be."""

    #: The rule in words, as the end of "must be ...".
    text: str
    #: What a word of the line or of the command line is turned into; bool for an option that takes no value.
    kind: type = str
    #: The only valid values; with `fits`, the best known of them.
    names: tuple[str, ...] = ()
    #: Whether a value of the right kind is valid; by default any number above 0. A text must not be blank.
    fits: Callable[[Any], bool] | None = None

    @property
    def choices(self) -> tuple[str, ...]:
        """The only valid values; empty where others are valid too."""
        return self.names if self.fits is None else ()

    def accepts(self, value: Any) -> bool:
        """Return whether the value is valid."""
        if self.choices:
            return value in self.choices
        if self.kind is str:
            return isinstance(value, str) and bool(value.strip()) and (self.fits is None or self.fits(value))
        fits = self.fits or (lambda number: 0 < number < math.inf)
        return isinstance(value, (int, self.kind)) and not isinstance(value, bool) and fits(value)


def one_of(choices: tuple[str, ...]) -> Rule:
    """Return the rule that a value is one of these."""
    return Rule(f"one of {', '.join(choices)}", names=choices)


def _is_known(named: Callable[[str], object], text: str) -> bool:
    try:
        return bool(named(text))
    except UsageError:
        return False


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    secret = parts.username or parts.password or parts.query
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not secret


TEXT = Rule("a text")
FLAG = Rule("given or not", bool)
COUNT = Rule("a whole number of at least 1", int)
SECONDS = Rule("a number of seconds above 0", float)
MILLISECONDS = Rule("a number of milliseconds, 0 or more", float, fits=lambda number: 0 <= number < math.inf)
SPEED = Rule("a number above 0", float)
ADDRESS = Rule("an address such as http://127.0.0.1:8080/v1, without a name, a password or a query", fits=_is_address)
SERVER = Rule(f"one of {', '.join(PROFILES)}", names=tuple(PROFILES), fits=partial(_is_known, profile_named))
API = Rule(f"one of {', '.join(APIS)}, or one of another package", names=APIS, fits=partial(_is_known, api_named))
VARIABLE = Rule(
    "the name of an environment variable, such as MY_KEY",
    fits=lambda text: re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) is not None,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a cell magic."""

    name: str
    help: str
    rule: Rule
    default: Any
    #: What holds without a value where `default` is None: a number, or words.
    usual: float | str = ""
    #: What its value is called in the help; the Tab key offers values of that name (`completion`).
    value: str | None = None
    #: Takes several values, separated by spaces or commas.
    several: bool = False
    #: A second flag, such as ``-f``.
    short: str | None = None
    #: Whether it is a setting too.
    setting: bool = False

    @property
    def flag(self) -> str:
        """The option as it is written on the line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def flags(self) -> tuple[str, ...]:
        """Every way to write it on the line."""
        return (self.flag,) if self.short is None else (self.short, self.flag)

    @property
    def built_in(self) -> str:
        """What holds where nothing is set, in words; empty for nothing."""
        value = self.usual or self.default
        return f"{value:g}" if isinstance(value, float) else str(value or "")

    def argument(self) -> argument:
        """Return the argument of the magic's parser."""
        words = self.help + (f" (default: {self.built_in})" if self.built_in else "")
        if self.rule.kind is bool:
            return argument(*self.flags, action="store_true", help=words)
        if self.several:
            return argument(*self.flags, nargs="+", action="extend", metavar=self.value, help=words)
        choices = self.rule.choices or None
        metavar = None if choices else self.value
        return argument(
            *self.flags, type=self.rule.kind, default=self.default, choices=choices, metavar=metavar, help=words
        )

    def trait(self) -> TraitType[Any, Any]:
        """Return the trait of a setting; None is a value that is not set."""
        words = f"{self.help}. Must be {self.rule.text}. By default {self.built_in or 'not set'}."
        if self.rule.choices:
            kind: Any = Enum(self.rule.choices, default_value=None, allow_none=True, help=words)
        else:
            kind = {str: Unicode, int: Int, float: Float}[self.rule.kind](None, allow_none=True, help=words)
        return kind.tag(config=True)  # type: ignore[no-any-return]


def option(
    help: str,  # noqa: A002 - argparse's and traitlets' word
    rule: Rule = TEXT,
    default: Any = None,
    *,
    value: str | None = None,
    usual: float | str = "",
    several: bool = False,
    short: str | None = None,
    setting: bool = False,
) -> Any:
    """Declare an option: a field of a dataclass that holds the options of one magic. `Option` has the meaning of each."""
    facts = {"help": help, "rule": rule, "value": value, "usual": usual, "several": several, "short": short}
    return dataclasses.field(default=default, metadata={**facts, "setting": setting})


def options_of(table: type) -> dict[str, Option]:
    """Return the options that a dataclass declares, by name."""
    return {
        field.name: Option(name=field.name, default=field.default, **field.metadata)
        for field in dataclasses.fields(table)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """The options of a ``%%agent`` line. What the line leaves out has the value of the settings, else the default.

    The options about the model are an exception: `Settings.reach` fills them in, since they depend on each other.
    """

    model: str | None = option(
        "a model's name, or rehearsal for the built-in one; kept until another is given",
        Rule("the name of a model"), value="MODEL", setting=True,
    )  # fmt: skip
    server: str | None = option(f"the model's server: {', '.join(PROFILES)}", SERVER, value="SERVER", setting=True)
    base_url: str | None = option(
        "address of an OpenAI-compatible server",
        ADDRESS, value="URL", usual="the server's, or OPENAI_BASE_URL", setting=True,
    )  # fmt: skip
    api: str | None = option(
        f"the API of the model: {', '.join(APIS)}, or one of another package",
        API,
        value="API",
        usual="what suits the server",
        setting=True,
    )
    api_key_env: str | None = option(
        "environment variable that holds the key",
        VARIABLE, value="VARIABLE", usual="the server's", setting=True,
    )  # fmt: skip
    mode: str = option("how calls and decoding interleave", one_of(MODES), Mode.ASYNC.value, value="MODE", setting=True)
    compare: tuple[str, ...] = option(
        "run the cell in each of these modes, and compare", one_of(MODES), (), value="MODE", several=True
    )
    tools: tuple[str, ...] | None = option("offer these tools only", value="TOOL", several=True)
    max_turns: int = option(
        "turns of the model after which the run stops", COUNT, DEFAULT_MAX_TURNS, value="N", setting=True
    )
    max_requests: int | None = option(
        "requests after which the run stops, retries included", COUNT, value="N", setting=True
    )
    max_tokens: int | None = option(
        "tokens in and out, of all requests, after which the run stops", COUNT, value="N", setting=True
    )
    max_seconds: float | None = option("seconds after which the run stops", SECONDS, value="S", setting=True)
    limit: int = option("calls of a conversation that may run at once", COUNT, DEFAULT_LIMIT, value="N", setting=True)
    out: str = option("the run's name in the notebook", default=DEFAULT_OUT, value="RUN")
    system: str | None = option("text for the system role; kept by the conversation", value="TEXT", setting=True)
    file: str | None = option("a file that holds the prompt; the cell's text follows it", value="FILE")
    raw: bool = option("send the text as it stands: braces are braces", FLAG, default=False)
    format: str = option("how the answer is shown", one_of(FORMATS), "markdown", short="-f")
    conversation: str | None = option("the conversation to continue or to begin", value="CONVERSATION", usual="main")
    background: bool = option("return the run at once; it continues while other cells run", FLAG, default=False)
    record: str | None = option("write requests and replies to a cassette", value="FILE")
    replay: str | None = option("answer from a cassette: no server, no key", value="FILE")
    speed: str | None = option("replay: times as fast as recorded, or instant", value="SPEED", usual="1")
    tokens_per_s: float | None = option(
        "rehearsal: speed of decoding", SPEED, value="N", usual=DEFAULT_TOKENS_PER_S, setting=True
    )
    ttft_ms: float | None = option(
        "rehearsal: milliseconds to the first token",
        MILLISECONDS,
        value="MS",
        usual=DEFAULT_TTFT_MS,
        setting=True,
    )


OPTIONS = options_of(AgentOptions)
#: The settings by name, in the order in which they are shown.
SETTINGS = {name: each for name, each in OPTIONS.items() if each.setting}
#: How a server is reached; the first two name one. `%agent model` and `%agent doctor` take these options too.
REACH = ("server", "base_url", "api", "api_key_env")
#: The pace of the rehearsal model.
PACE = ("ttft_ms", "tokens_per_s")


class Declared(Configurable):
    """The settings as traits. None means that a setting is not set."""

    # A class's traits must exist when it is made, and this dictionary becomes the class.
    vars().update({name: each.trait() for name, each in SETTINGS.items()})


def problem_with(name: str, value: object) -> str | None:
    """Return what is wrong with a setting, or None: the rule, what was seen and the way out. Never shows a key."""
    if name not in SETTINGS and KEY_LIKE.search(name):
        return f"{name}: {_KEYS_STAY_OUT}"
    if isinstance(value, str) and hide_keys(value) != value:
        return f"{name} holds what looks like a key; {_KEYS_STAY_OUT}"
    if name not in SETTINGS:
        return f"there is no setting {name!r}{nearest(name, tuple(SETTINGS)) or f'; the settings are: {_LISTED}.'}"
    rule = SETTINGS[name].rule
    if value is None or rule.accepts(value):
        return None
    shown = truncate(repr(value), _SHOWN)
    if name == "api_key_env" or (name == "base_url" and re.search("[@?]", str(value))):
        shown = "(not shown, since it may hold a key)"
    meant = nearest(value, rule.names) if isinstance(value, str) else ""
    return f"{name} is {shown}, and must be {rule.text}{meant or '.'}"


_LISTED = ", ".join(SETTINGS)
_KEYS_STAY_OUT = (
    "keys never go into settings, which are shown, saved and shared. Take it out, put the key into an environment variable and "
    'name that (api_key_env = "MY_KEY"), or keep it in the keyring: keyring set asyncfc_jupyter openai.'
)
