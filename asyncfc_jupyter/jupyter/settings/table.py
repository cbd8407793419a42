"""The options of ``%%agent`` and ``%%tool``, an entry for each, and which of them are settings.

An entry makes the option of the line, its help and its default, and says what the Tab key offers. The entry of a setting also
makes the trait (``%config``, ``ipython_config.py``), the key of ``[tool.asyncfc]`` and the row of ``%agent config``. To add an
option, add its entry here, and use its value in ``session/session.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from asyncfc_jupyter.defaults import (
    DEFAULT_LIMIT,
    DEFAULT_MAX_TURNS,
    DEFAULT_TIMEOUT_S,
    DEFAULT_TOKENS_PER_S,
    DEFAULT_TTFT_MS,
    RUN_IN,
)
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.settings.option import FLAG, SWITCH, Rule, one_of, option, options_of, setting
from asyncfc_jupyter.masking import holds_key
from asyncfc_jupyter.models.address import is_http
from asyncfc_jupyter.models.headers import problem_with_header, read_header
from asyncfc_jupyter.models.model_options import RULE, problem_with_option, read_option
from asyncfc_jupyter.models.profiles import PROFILES, profile_named
from asyncfc_jupyter.models.registry import APIS, api_named
from asyncfc_jupyter.modes import Hedge, Mode, Remember
from asyncfc_jupyter.text import did_you_mean, no_such, truncate

MODES = tuple(mode.value for mode in Mode)
HEDGES = tuple(hedge.value for hedge in Hedge)
REMEMBER = tuple(each.value for each in Remember)
#: How an answer may be shown.
FORMATS = ("markdown", "code", "json", "html", "text")
#: The run's name in the user's namespace when ``--out`` gives none.
DEFAULT_OUT = "_agent"
#: Names under which people write keys, whether or not they are settings.
KEY_LIKE = re.compile(r"(?:^|[-_.])(?:api[-_]?)?keys?$|secret|passw(?:or)?d|credential|^(?!max).*token$", re.IGNORECASE)
#: Characters of a value that an error shows: enough to recognise it.
_SHOWN = 80


def _is_known(named: Callable[[str], object], text: str) -> bool:
    try:
        return bool(named(text))
    except UsageError:
        return False


def _is_address(text: str) -> bool:
    if not is_http(text):
        return False
    parts = urlsplit(text)
    return not (parts.username or parts.password or parts.query)


COUNT = Rule("a whole number of at least 1", int)
SECONDS = Rule("a number of seconds above 0", float)
TIMEOUT = Rule("a number of seconds above 0", float, fits=lambda number: number > 0)  # inf means no limit
WHOLE = Rule("a whole number, 0 or more", int, fits=lambda number: number >= 0)
MILLISECONDS = Rule("a number of milliseconds, 0 or more", float, fits=lambda number: 0 <= number < math.inf)
SPEED = Rule("a number above 0", float)
ADDRESS = Rule("an address such as http://127.0.0.1:8080/v1, without a name, a password or a query", fits=_is_address)
SERVER = Rule(f"one of {', '.join(PROFILES)}", names=tuple(PROFILES), fits=partial(_is_known, profile_named))
API = Rule(f"one of {', '.join(APIS)}, or one of another package", names=APIS, fits=partial(_is_known, api_named))
VARIABLE = Rule(
    "the name of an environment variable, such as MY_KEY",
    fits=lambda text: re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) is not None,
)
HEADERS = Rule('names and texts, such as {"X-Title": "my notebook"}', dict)
MODEL_OPTIONS = Rule('names and values, such as {"temperature": 0.2}', dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """The options of a ``%%agent`` line. What the line leaves out has the value of the settings, else the default.

    The options about the model are an exception: `Settings.reach` fills them in, since they depend on each other.
    """

    model: str | None = setting(
        "a model's name, or rehearsal for the built-in one; kept until another is given",
        Rule("the name of a model"),
        value="MODEL",
    )
    server: str | None = setting(f"the model's server: {', '.join(PROFILES)}", SERVER, value="SERVER")
    base_url: str | None = setting(
        "address of an OpenAI-compatible server", ADDRESS, value="URL", usual="the server's, or OPENAI_BASE_URL"
    )
    api: str | None = setting(
        f"the API of the model: {', '.join(APIS)}, or one of another package",
        API,
        value="API",
        usual="what suits the server",
    )
    api_key_env: str | None = setting(
        "environment variable that holds the key", VARIABLE, value="VARIABLE", usual="the server's"
    )
    headers: Mapping[str, str | None] | None = setting(
        'an extra header of each request to this server, such as "X-Title: my notebook"; a key in one stands in a variable: '
        '"x-api-key: env:MY_KEY"',
        HEADERS,
        value="HEADER",
        several=True,
        entry=read_header,
        word="header",
    )
    model_options: Mapping[str, Any] | None = setting(
        f"an option of the model, such as temperature=0.2; kept with the model. A value is {RULE}",
        MODEL_OPTIONS,
        value="NAME=VALUE",
        several=True,
        entry=read_option,
        word="option",
    )
    mode: str = setting("how calls and decoding interleave", one_of(MODES), Mode.ASYNC.value)
    compare: tuple[str, ...] = option(
        "run the cell in each of these modes, and compare", one_of(MODES), (), value="MODE", several=True
    )
    hedge: str = setting(
        "when values come before a reply shows a tool call: ask again with them, or race both requests",
        one_of(HEDGES),
        Hedge.AUTO.value,
    )
    remember: str = setting(
        "for how long it counts what tools took and what the model did with futures: off for the conversation, kernel, or disk "
        "for a file in your cache too",
        one_of(REMEMBER),
        Remember.DISK.value,
    )
    tools: tuple[str, ...] | None = option("offer these tools only", value="TOOL", several=True)
    max_turns: int = setting("turns of the model after which the run stops", COUNT, DEFAULT_MAX_TURNS, value="N")
    max_requests: int | None = setting("requests after which the run stops, retries included", COUNT, value="N")
    max_tokens: int | None = setting("tokens in and out, of all requests, after which the run stops", COUNT, value="N")
    max_reply_tokens: int | None = setting("tokens of one reply, at which it is cut off", COUNT, value="N")
    max_seconds: float | None = setting("seconds after which the run stops", SECONDS, value="S")
    limit: int = setting("calls of a conversation that may run at once", COUNT, DEFAULT_LIMIT, value="N")
    calls_in_text: bool = setting("make the calls that the model writes in its text, too", SWITCH, default=False)
    out: str = option("the run's name in the notebook", default=DEFAULT_OUT, value="RUN")
    system: str | None = setting("text for the system role; kept by the conversation", value="TEXT")
    file: str | None = option("a file that holds the prompt; the cell's text follows it", value="FILE")
    raw: bool = option("send the text as it stands: braces are braces", FLAG, default=False)
    format: str = option("how the answer is shown", one_of(FORMATS), "markdown", short="-f")
    conversation: str | None = option("the conversation to continue or to begin", value="CONVERSATION", usual="main")
    background: bool = option(
        "start the run and return at once; it continues while other cells run", FLAG, default=False
    )
    record: str | None = option("write requests and replies to a cassette", value="FILE")
    replay: str | None = option("answer from a cassette: no server, no key", value="FILE")
    speed: str | None = option("replay: times as fast as recorded, or instant", value="SPEED", usual="1")
    tokens_per_s: float | None = setting("rehearsal: speed of decoding", SPEED, value="N", usual=DEFAULT_TOKENS_PER_S)
    ttft_ms: float | None = setting(
        "rehearsal: milliseconds to the first token", MILLISECONDS, value="MS", usual=DEFAULT_TTFT_MS
    )


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
    retries: int | None = option("how often a failed call is retried; if idempotent or pure", WHOLE, value="N")
    extra: Mapping[str, Any] | None = option(
        "a further field of its description, for servers that have it, such as strict=true",
        MODEL_OPTIONS,
        value="NAME=VALUE",
        several=True,
        entry=read_option,
    )
    run_in: str | None = option("where it runs", one_of(RUN_IN), usual="async on the loop, others in a thread")
    expected_s: float | None = option(
        "seconds that a call is expected to take, until calls have been measured", SECONDS, value="S"
    )
    timeout_s: float | None = option("seconds after which a call fails", TIMEOUT, value="S", usual=DEFAULT_TIMEOUT_S)


OPTIONS, TOOL_OPTIONS = options_of(AgentOptions), options_of(ToolOptions)
#: The settings by name, in the order in which they are shown.
SETTINGS = {name: each for name, each in OPTIONS.items() if each.setting}
#: How a server is reached; the first two name one. `%agent model` and `%agent doctor` take these options too.
REACH = ("server", "base_url", "api", "api_key_env", "headers")
#: The pace of the rehearsal model.
PACE = ("ttft_ms", "tokens_per_s")
#: All that belongs to a choice of a model, and is kept with it.
OF_MODEL = (*REACH, "model_options", *PACE)
#: Settings whose values are names with values. Each source adds to those of lower priority; None leaves a name out.
NAMED = tuple(name for name, each in SETTINGS.items() if each.rule.kind is dict)
_PROBLEMS = {"headers": problem_with_header, "model_options": problem_with_option}


def problem_with(name: str, value: object) -> str | None:
    """Return what is wrong with a setting, or None: the rule, what was seen and the way out. Never shows a key."""
    if name not in SETTINGS and KEY_LIKE.search(name):
        return f"{name}: {_KEYS_STAY_OUT}"
    # What an address may not hold, its own rule says.
    if isinstance(value, str) and holds_key(value) and not (name == "base_url" and re.search("[@?]", value)):
        return f"{name} holds what looks like a key; {_KEYS_STAY_OUT}"
    if name not in SETTINGS:
        return no_such("setting", name, SETTINGS)
    rule = SETTINGS[name].rule
    if value is None or rule.accepts(value):
        entries = value.items() if isinstance(value, Mapping) else ()
        problems = (_PROBLEMS[name](each, inner) for each, inner in entries if inner is not None)
        problem = next(filter(None, problems), None)
        return f"{name}: {problem}." if problem else None
    shown = truncate(repr(value), _SHOWN)
    if name in {"api_key_env", "headers"} or (name == "base_url" and re.search("[@?]", str(value))):
        shown = "(not shown, since it may hold a key)"
    meant = did_you_mean(value, rule.names) if isinstance(value, str) else ""
    return f"{name} is {shown}, and must be {rule.text}{meant or '.'}"


_KEYS_STAY_OUT = (
    "keys never go into settings, which are shown, saved and shared. Take it out, put the key into an environment variable and "
    'name that (api_key_env = "MY_KEY"), or keep it in the keyring: keyring set asyncfc_jupyter openai.'
)
