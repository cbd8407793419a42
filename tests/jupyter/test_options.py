"""The option lines of the magics: what they accept, and the one line that says what is wrong."""

from __future__ import annotations

import inspect
import pkgutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter import options
from asyncfc_jupyter.jupyter.commands.table import COMMANDS, Command
from asyncfc_jupyter.jupyter.settings.settings import ModelChoice, Settings
from asyncfc_jupyter.jupyter.settings.table import SETTINGS, TOOL_OPTIONS, AgentOptions, problem_with


def agent(line: str) -> AgentOptions:
    return options.agent_options(line)


def asked(line: str, folder: Path, *, used: ModelChoice | None = None) -> ModelChoice | None:
    """Return the model that a line asks for when another is in use."""
    shell: Any = SimpleNamespace(config={})
    settings = Settings(shell, folder)
    settings.chosen = used
    return settings.asked(agent(line))


def tool(line: str) -> dict:
    return options.tool_options(line)


@pytest.mark.parametrize(
    "line",
    [
        "--reads a/{x} b",
        "--reads a/{x} --reads b",
        "--reads a/{x},b",
        "--reads 'a/{x}' \"b\"",
        "--reads=a/{x} --reads b",
    ],
)
def test_paths_may_be_repeated_or_separated_by_commas_or_spaces(line: str) -> None:
    assert tool(line) == {"reads": ("a/{x}", "b")}


def test_no_option_at_all_declares_nothing() -> None:
    assert tool("") == {}
    assert tool("--pure") == {"pure": True}


def test_a_model_brings_its_address_key_and_speed_with_it(tmp_path: Path) -> None:
    line = "--model m --base-url http://127.0.0.1:1/v1 --api-key-env KEY --ttft-ms 20 --tokens-per-s 2.5"
    assert asked(line, tmp_path) == ModelChoice(
        name="m", base_url="http://127.0.0.1:1/v1", api_key_env="KEY", ttft_ms=20.0, tokens_per_s=2.5
    )
    assert asked("", tmp_path) is None


def test_options_about_the_server_without_a_model_change_the_one_in_use(tmp_path: Path) -> None:
    used = ModelChoice(name="m", server="ollama", api="chat", api_key_env="KEY", ttft_ms=3)
    assert asked("--api responses", tmp_path, used=used) == ModelChoice(
        name="m", server="ollama", api="responses", api_key_env="KEY", ttft_ms=3
    )
    assert asked("--server vllm", tmp_path, used=used) == ModelChoice(name="m", server="vllm", ttft_ms=3)
    with pytest.raises(UsageError, match=r"--server, --base-url, .* go together with --model"):
        asked("--ttft-ms 3", tmp_path)


def test_values_may_be_quoted_and_tools_listed_as_one_likes() -> None:
    assert agent('--system "be brief, please"').system == "be brief, please"
    assert agent("--system='be brief'").system == "be brief"
    assert agent("--tools a,b c").tools == ("a", "b", "c")
    assert agent("").tools is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--modle x", "there is no option --modle; did you mean --mode or --model?"),
        ("--xyzzy=1", "there is no option --xyzzy; the options are --model, --server, --base-url"),
        ("find me a flight", "unexpected 'find me a flight'; the prompt goes below the %%agent line."),
        ("--mode fast", "argument --mode: invalid choice: 'fast'"),
        ("--max-turns many", "argument --max-turns: invalid int value: 'many'."),
        ("--max-turns 0", "--max-turns is 0, and must be a whole number of at least 1."),
        ("--max-tokens 0", "--max-tokens is 0, and must be a whole number of at least 1."),
        ("--max-seconds nan", "--max-seconds is nan, and must be a number of seconds above 0."),
        ("--model", "argument --model: expected one argument."),
        ("--out 2x", "--out is the run's name in the notebook, and '2x' is not a Python name."),
        ("--system 'open", "No closing quotation."),
        ("--compare sequential,async --background", "leave out --background."),
        ("--compare sequential,async --conversation x", "leave out --conversation."),
        ("--speed 4", "it goes together with --replay FILE."),
    ],
)
def test_a_wrong_agent_line_is_one_line_that_says_what_would_be_right(line: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        agent(line)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value._render_traceback_() == [f"UsageError: {caught.value}"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--reed x", "did you mean --reads?"),
        ("search", "the function goes below the %%tool line."),
        ("--pure --reads x", "leave out --reads and --writes"),
        ("--timeout-s -1", "--timeout-s is -1, and must be a number of seconds above 0."),
        ("--reads", "argument --reads: expected at least one argument."),
    ],
)
def test_a_wrong_tool_line_is_one_line_that_says_what_would_be_right(line: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        tool(line)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_option_of_a_tool_has_its_flag() -> None:
    from asyncfc_jupyter.tools.definition import ToolOptions

    assert {*TOOL_OPTIONS, "name"} == set(ToolOptions.__annotations__)


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("--idempotent --retries 2", {"idempotent": True, "retries": 2}),
        ("--irreversible --approve", {"irreversible": True, "approve": True}),
        ("--detached --run-in process", {"detached": True, "run_in": "process"}),
        ("--limit 2", {"limit": 2}),
        ("--limit api/{host}=2 disk=1", {"limit": {"api/{host}": 2, "disk": 1}}),
        ("--timeout-s 5", {"timeout_s": 5.0}),
    ],
)
def test_how_a_tool_is_run_is_said_on_its_line(line: str, given: dict) -> None:
    assert tool(line) == given


def test_a_limit_that_is_no_number_is_shown_with_the_right_forms() -> None:
    with pytest.raises(UsageError, match=r"--limit is 'api'; write a number of calls, such as 2, or numbers by path"):
        tool("--limit api")


def test_what_no_line_and_no_setting_says_is_the_default_of_the_engine() -> None:
    given = agent("")
    assert (given.mode, given.max_turns, given.limit) == ("async", 50, 16)


def test_modes_to_compare_are_several_and_known() -> None:
    assert agent("--compare sequential,async").compare == ("sequential", "async")
    assert agent("--compare batch eager").compare == ("batch", "eager")
    assert agent("").compare == ()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--compare async", "takes two modes or more, each once"),
        ("--compare async,async", "takes two modes or more, each once"),
        ("--compare async,batsh", "no mode 'batsh'; did you mean batch?"),
        ("--compare x,y", "the modes are: sequential, batch, eager, async"),
    ],
)
def test_a_comparison_of_one_mode_or_of_an_unknown_one_is_refused(line: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        agent(line)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_the_function_of_a_command_takes_the_words_of_its_usage(command: Command) -> None:
    function = pkgutil.resolve_name(f"asyncfc_jupyter.jupyter.commands.{command.function}")
    words = [word for word in command.takes.split() if word != "..."]
    needed = [word for word in words if not word.startswith("[")]
    for given in (needed, words):
        inspect.signature(function).bind(None, *given)
    if needed:
        with pytest.raises(TypeError):
            inspect.signature(function).bind(None, *needed[1:])


@pytest.mark.parametrize(
    ("command", "place", "kinds"),
    [
        ("why", 0, ["FUTURE"]),
        ("why", 1, []),
        ("cancel", 0, ["FUTURE", "CONVERSATION"]),
        ("cancel", 1, ["CONVERSATION"]),
        ("fork", 0, ["NEW"]),
        ("fork", 1, ["CONVERSATION"]),
        ("compare", 0, ["RUN"]),
        ("compare", 3, ["RUN"]),
        ("status", 0, []),
    ],
)
def test_the_words_of_a_command_say_what_may_stand_at_each_place(command: str, place: int, kinds: list[str]) -> None:
    assert COMMANDS[command].kinds_at(place) == kinds


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        ("model", ["m"], ["", " ", 3]),
        ("server", ["ollama", "llama.cpp"], ["olama", ""]),
        ("base_url", ["https://h/v1"], ["h/v1", "ftp://h", "http://u:p@h/v1", "http://h/v1?key=x", "http://[", 1]),
        ("api_key_env", ["MY_KEY", "key"], ["MY-KEY", "2X"]),
        ("mode", ["async"], ["Async", 1, ["async"]]),
        ("max_turns", [1], [0, -1, 1.5, True, "1"]),
        ("max_seconds", [0.5, 600], [0, float("inf"), float("nan"), False, "9"]),
        ("ttft_ms", [0, 0.5], [-1, float("inf")]),
        ("tokens_per_s", [0.5], [0]),
    ],
)
def test_a_setting_takes_values_of_its_rule_and_no_others(name: str, valid: list[Any], invalid: list[Any]) -> None:
    assert [problem_with(name, value) for value in (*valid, None)] == [None] * (len(valid) + 1)
    for value in invalid:
        assert f"must be {SETTINGS[name].rule.text}" in str(problem_with(name, value))
