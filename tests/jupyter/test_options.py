"""The option lines of the magics: what they accept, and the one line that says what is wrong."""

from __future__ import annotations

import re

import pytest
from IPython.core.magic_arguments import MagicArgumentParser

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter import options
from asyncfc_jupyter.jupyter.magics import AgentMagics
from asyncfc_jupyter.jupyter.options import AgentOptions, ModelChoice
from asyncfc_jupyter.jupyter.settings.settings import BUILT_IN

AGENT: MagicArgumentParser = AgentMagics.agent.parser
TOOL: MagicArgumentParser = AgentMagics.tool.parser


def agent(line: str) -> AgentOptions:
    return options.agent_options(AGENT, line)


def tool(line: str) -> dict:
    return options.tool_options(TOOL, line)


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


def test_a_model_brings_its_address_key_and_speed_with_it() -> None:
    given = agent("--model m --base-url http://127.0.0.1:1/v1 --api-key-env KEY --ttft-ms 20 --tokens-per-s 2.5")
    assert given.model == ModelChoice(
        name="m",
        base_url="http://127.0.0.1:1/v1",
        api_key_env="KEY",
        options=(("ttft_ms", 20.0), ("tokens_per_s", 2.5)),
    )
    assert agent("").model is None


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
        ("find me a flight", "unexpected 'find me a flight'; the prompt goes on the lines below %%agent."),
        ("--mode fast", "argument --mode: invalid choice: 'fast'"),
        ("--max-turns many", "argument --max-turns: invalid int value: 'many'."),
        ("--max-turns 0", "--max-turns is 0; a run needs at least 1."),
        ("--max-tokens 0", "--max-tokens is 0; give a number above 0."),
        ("--max-seconds nan", "--max-seconds is nan; give a number above 0."),
        ("--model", "argument --model: expected one argument."),
        ("--out 2x", "--out is the run's name in the notebook, and '2x' is not a Python name."),
        ("--system 'open", "No closing quotation."),
        ("--ttft-ms 3", "go together with --model."),
        ("--server ollama", "go together with --model."),
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
        ("search", "the function goes on the lines below %%tool."),
        ("--pure --reads x", "leave out --reads and --writes"),
        ("--timeout-s -1", "--timeout-s is -1; it is a number of seconds above 0."),
        ("--reads", "argument --reads: expected at least one argument."),
    ],
)
def test_a_wrong_tool_line_is_one_line_that_says_what_would_be_right(line: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        tool(line)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_option_of_a_tool_has_its_flag_and_its_places_are_the_same() -> None:
    from asyncfc_jupyter.tools.definition import PLACES, ToolOptions

    flags = {name.lstrip("-").replace("-", "_") for name in TOOL._option_string_actions} - {"h", "help"}
    assert flags | {"name"} == set(ToolOptions.__annotations__)
    assert options.PLACES == PLACES


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


@pytest.mark.parametrize("parser", [AGENT, TOOL], ids=["agent", "tool"])
def test_the_help_says_the_default_that_holds(parser: MagicArgumentParser) -> None:
    for action in parser._actions:
        said = re.search(r"\(default: (.+?)\)", action.help or "")
        if said is not None and action.default is not None:
            assert said.group(1) == str(action.default), action.option_strings


def test_what_the_table_of_settings_calls_built_in_is_what_holds() -> None:
    given = vars(AGENT.parse_argstring(""))
    assert {name: BUILT_IN[name] for name in ("mode", "max_turns", "limit")} == {
        name: str(given[name]) for name in ("mode", "max_turns", "limit")
    }


def test_the_modes_are_those_of_the_engine() -> None:
    from asyncfc_jupyter.agent import Mode

    assert list(options.MODES) == [mode.value for mode in Mode]


def test_the_limits_that_were_set_make_the_budget() -> None:
    assert agent("--max-tokens 10 --max-seconds 2.5").budget == (("tokens", 10), ("seconds", 2.5))
    assert agent("").budget == ()


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
        ("--compare x,y", "the modes are sequential, batch, eager, async"),
    ],
)
def test_a_comparison_of_one_mode_or_of_an_unknown_one_is_refused(line: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        agent(line)
