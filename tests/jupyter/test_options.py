"""The option lines of the magics: what they accept, and the one line that says what is wrong."""

from __future__ import annotations

import inspect
import pkgutil
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter import options
from asyncfc_jupyter.jupyter.cells.prompt_template import expanded_line, replaced_line
from asyncfc_jupyter.jupyter.commands.table import COMMANDS, Command
from asyncfc_jupyter.jupyter.settings.settings import ModelChoice, Settings
from asyncfc_jupyter.jupyter.settings.table import SETTINGS, TOOL_OPTIONS, AgentOptions, problem_with
from asyncfc_jupyter.models.doctor_report import Report, Seen


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


EXTRA = {"strict": True, "cache_control": {"type": "ephemeral"}}


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


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("--option temperature=0.2 --option tool_choice=required", {"temperature": 0.2, "tool_choice": "required"}),
        ("--option temperature=0.2 tool_choice=required", {"temperature": 0.2, "tool_choice": "required"}),
        ("--option=seed=7 --option user='\"7\"' --option a=b=c", {"seed": 7, "user": "7", "a": "b=c"}),
        ("""--option 'stream_options={"include_usage": true}'""", {"stream_options": {"include_usage": True}}),
        ('--option \'stop=["a", "b,c"]\' --option x=nan,1 y=NaN', {"stop": ["a", "b,c"], "x": "nan,1", "y": "NaN"}),
        ("--option temperature= top_p=null", {"temperature": None, "top_p": None}),
        ("--option temperature=1 --option temperature=2", {"temperature": 2}),
    ],
)
def test_an_option_of_the_model_is_json_where_it_is_valid_json(line: str, given: dict[str, Any]) -> None:
    assert agent(line).model_options == given
    assert agent(shlex.join(shlex.split(line))).model_options == given


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "--option temperature",
            "'temperature' is not an option of a model; write NAME=VALUE, such as temperature=0.2",
        ),
        ("--option =3", "'=3' is not an option of a model"),
        ("--option api_key=hunter2", "api_key holds what looks like a key"),
        ("--option user=sk-proj-0123456789abcdefghij", "user holds what looks like a key"),
        ('--option x=[{"a":"sk-proj-0123456789abcdefghij"}]', "looks like a key"),
        ("--option sk-proj-0123456789abcdefghij", "this is not an option of a model"),
        ("--header X-Title", 'a header is written as "NAME: VALUE", in quotes'),
        ("--header X-Title: my notebook", "in quotes"),
        ("--header 'x-api-key: hunter2'", '"x-api-key: env:MY_KEY"'),
        ("--header 'Authorization: Bearer hunter2'", "(--api-key-env)"),
        ("--header 'X-Note: a\nb'", "one line of printable ASCII"),
    ],
)
def test_an_option_or_a_header_that_cannot_be_sent_names_the_way_out(line: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        agent(line)
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "0123456789" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_are_kept_with_the_model_and_changed_by_their_name(tmp_path: Path) -> None:
    used = ModelChoice(name="m", server="ollama", model_options={"temperature": 0.2, "seed": 7})
    changed = asked("--option temperature=1 --option top_k=5", tmp_path, used=used)
    assert changed is not None
    assert changed.options == {"temperature": 1, "seed": 7, "top_k": 5}
    left_out = asked("--option seed=", tmp_path, used=used)
    assert left_out is not None
    assert (left_out.options, left_out.server) == ({"temperature": 0.2}, "ollama")
    other = asked("--model n", tmp_path, used=used)
    assert other is not None
    assert other.options == {}


def test_headers_belong_to_the_server_that_they_were_given_with(tmp_path: Path) -> None:
    used = ModelChoice(name="m", base_url="http://a:1/v1", headers={"X-Title": "mine"})
    more = asked("--header 'x-title: yours' --header 'X-Other: 1'", tmp_path, used=used)
    assert more is not None
    assert more.sent_headers == {"x-title": "yours", "X-Other": "1"}
    less = asked("--header X-Title:", tmp_path, used=used)
    assert less is not None
    assert (less.sent_headers, less.base_url) == ({}, "http://a:1/v1")
    for line in ("--base-url http://b:1/v1", "--server ollama", "--model n --server ollama"):
        elsewhere = asked(line, tmp_path, used=used)
        assert elsewhere is not None
        assert elsewhere.sent_headers == {}


def settings_of(folder: Path, project: str) -> Settings:
    (folder / "pyproject.toml").write_text(project)
    shell: Any = SimpleNamespace(config={})
    return Settings(shell, folder)


PROJECT = """
[tool.asyncfc]
model = "m"
base_url = "http://a:1/v1"
headers = {"X-Title" = "mine", "x-key" = "env:MY_KEY"}

[tool.asyncfc.model_options]
temperature = 0.2
stream_options = {include_usage = true}
"""


def test_options_and_headers_of_settings_are_added_to_name_by_name(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, PROJECT)
    assert settings.problems() == []
    settings.change({"model_options": {"seed": 7, "temperature": 0.5}})

    def reached(line: str) -> ModelChoice:
        choice = settings.reach(settings.asked(agent(line)))
        assert choice is not None
        return choice

    usage = {"stream_options": {"include_usage": True}}
    assert reached("").options == {"temperature": 0.5, "seed": 7, **usage}
    assert reached("").sent_headers == {"X-Title": "mine", "x-key": "env:MY_KEY"}
    assert reached("--option temperature=1 --option stream_options=").options == {"temperature": 1, "seed": 7}
    assert reached("--header X-Title:").sent_headers == {"x-key": "env:MY_KEY"}
    assert reached("--base-url http://b:1/v1").sent_headers == {}
    assert reached("--model n --server ollama").sent_headers == {}
    assert reached("--model n --server ollama").options == {"temperature": 0.5, "seed": 7, **usage}
    assert reached("--model rehearsal").options == {}
    settings.change({"model_options": {"temperature": None}})
    assert reached("").options == usage
    settings.change({"model_options": None})
    assert reached("").options == {"temperature": 0.2, **usage}
    rows = {name: (given, overridden) for name, given, overridden in settings.rows()}
    given, overridden = rows["model_options"]
    assert given is not None
    assert (given.value, overridden) == ({"temperature": 0.2, **usage}, ())
    assert given.source.endswith("pyproject.toml, line 7")


def test_options_of_an_earlier_model_are_not_those_of_another(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "[tool.asyncfc]\nmodel_options = {top_p = 1}\n")
    for line in ("--model m --server ollama --option temperature=0.2", "--model n"):
        choice = settings.reach(settings.asked(agent(line)))
        assert choice is not None
        settings.choose(choice)
    assert settings.chosen is not None
    assert (settings.chosen.server, settings.chosen.options) == ("ollama", {"top_p": 1})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("model_options", "temperature=1", "must be names and values, such as"),
        ("model_options", {"api_key": "hunter2"}, "api_key holds what looks like a key"),
        ("model_options", {"x": float("inf")}, "the value of x is not JSON"),
        ("model_options", {1: 2}, "is a text, such as temperature"),
        ("headers", "x-api-key: hunter2", "not shown, since it may hold a key"),
        ("headers", {"x-api-key": "hunter2"}, '"x-api-key: env:MY_KEY"'),
        ("headers", {"X-Title": 1}, "one line of printable ASCII"),
    ],
)
def test_a_wrong_mapping_of_the_settings_is_named_and_shows_no_key(name: str, value: Any, says: str) -> None:
    problem = problem_with(name, value)
    assert problem is not None
    assert says in problem
    assert "hunter2" not in problem


def test_what_the_doctor_recommends_is_read_as_it_is_printed() -> None:
    recommended = {"stream_options": {"include_usage": True}}
    seen = Seen(
        calls=2, forced=False, text_pieces=0, reasoning=False, argument_pieces=2, own_ids=2, indexes=[0, 1], usage=False,
        usage_when_asked=True, placeholder=True, native=False, first_token_s=0.1, tokens_per_s=9.0, references=True,
        text_calls=["<tool_call>", "json"],
    )  # fmt: skip
    report = Report(model="m", address="http://a:1/v1", examined_at="now", seen={"chat": seen})
    line = next(row for row in report.text(magic=True).splitlines() if row.startswith("use ")).partition(" ")[2].strip()
    given = agent(replaced_line(line, eval))
    assert (given.api, given.mode, given.model_options, given.calls_in_text) == ("chat", "async", recommended, True)
    assert expanded_line(f"model m {line}", {}).split()[-2:] == line.split()[-2:]


def test_json_on_a_line_is_left_alone_and_expressions_are_replaced() -> None:
    values = {"t": 0.5, "name": "m"}
    assert replaced_line("--option temperature={t} 'a={\"b\":5}'", lambda text: values[text]) == (
        "--option temperature=0.5 'a={\"b\":5}'"
    )
    assert expanded_line("model {name} --option t=$t", values) == "model m --option t=0.5"
    assert expanded_line("model {name} --option 'a={\"b\":5}'", values) == "model m --option 'a={\"b\":5}'"
    with pytest.raises(UsageError, match="cannot be replaced by a value"):
        replaced_line("--option 'a={b:'", eval)


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

    assert {*TOOL_OPTIONS, "name", "description"} == set(ToolOptions.__annotations__)


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("--idempotent --retries 2", {"idempotent": True, "retries": 2}),
        ("--irreversible --approve", {"irreversible": True, "approve": True}),
        ("--detached --run-in process", {"detached": True, "run_in": "process"}),
        ("--limit 2", {"limit": 2}),
        ("--limit api/{host}=2 disk=1", {"limit": {"api/{host}": 2, "disk": 1}}),
        ("--timeout-s 5", {"timeout_s": 5.0}),
        ("--expected-s 2", {"expected_s": 2.0}),
        ('--extra strict=true --extra cache_control=\'{"type": "ephemeral"}\'', {"extra": EXTRA}),
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
        ("calls_in_text", [True, False], [1, 0, "true", "false"]),
    ],
)
def test_a_setting_takes_values_of_its_rule_and_no_others(name: str, valid: list[Any], invalid: list[Any]) -> None:
    assert [problem_with(name, value) for value in (*valid, None)] == [None] * (len(valid) + 1)
    for value in invalid:
        assert f"must be {SETTINGS[name].rule.text}" in str(problem_with(name, value))
