"""The option lines of the magics: what they accept, and the one line that says what is wrong."""

from __future__ import annotations

import pytest
from IPython.core.magic_arguments import MagicArgumentParser

from asyncfc_jupyter.core.errors import UsageError
from asyncfc_jupyter.jupyter import options
from asyncfc_jupyter.jupyter.magics import AsyncFCMagics
from asyncfc_jupyter.jupyter.options import AgentOptions, ModelChoice, ToolOptions

AGENT: MagicArgumentParser = AsyncFCMagics.agent.parser
TOOL: MagicArgumentParser = AsyncFCMagics.tool.parser


def agent(line: str) -> AgentOptions:
    return options.agent_options(AGENT, line)


def tool(line: str) -> ToolOptions:
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
    assert tool(line) == ToolOptions(reads=("a/{x}", "b"))


def test_no_option_at_all_declares_nothing() -> None:
    assert tool("") == ToolOptions()
    assert tool("--pure") == ToolOptions(pure=True)


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
        ("--frobnicate=1", "there is no option --frobnicate; the options are --model, --base-url"),
        ("find me a flight", "unexpected 'find me a flight'; the prompt goes on the lines below %%agent."),
        ("--mode fast", "argument --mode: invalid choice: 'fast'"),
        ("--max-turns many", "argument --max-turns: invalid int value: 'many'."),
        ("--max-turns 0", "--max-turns is 0; a run needs at least 1."),
        ("--model", "argument --model: expected one argument."),
        ("--out 2x", "--out is the run's name in the notebook, and '2x' is not a Python name."),
        ("--system 'open", "No closing quotation."),
        ("--ttft-ms 3", "go together with --model."),
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


def test_the_time_out_is_that_of_tools_defined_elsewhere() -> None:
    from asyncfc_jupyter.runtime.tools import DEFAULT_TIMEOUT_S

    assert options.DEFAULT_TIMEOUT_S == DEFAULT_TIMEOUT_S


def test_the_modes_are_those_of_the_engine() -> None:
    from asyncfc_jupyter.agent import Mode

    assert list(options.MODES) == [mode.value for mode in Mode]
