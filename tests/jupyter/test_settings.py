"""Settings: which source has priority, what ``%agent config`` shows, and how invalid and secret values are refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.jupyter.conftest import AGENT, OFFERED
from tests.kernels.harness import Kernel, running_kernel
from tests.servers.scripted_server import ScriptedServer, reply, text_chunks

pytestmark = pytest.mark.kernel

SECRET = "hunter2-is-a-secret"
REHEARSAL = '[tool.asyncfc]\nmodel = "rehearsal"\nttft_ms = 1\ntokens_per_s = 5000\n'
Begin = Callable[..., Kernel]


@pytest.fixture(scope="module")
def python() -> Path:
    """Settings depend on IPython and traitlets only, so one ipykernel is enough."""
    return Path(sys.executable)


@pytest.fixture
def begin(python: Path, tmp_path: Path) -> Iterator[Begin]:
    """Start a kernel in a notebook's folder, with a pyproject.toml above it and a configuration of IPython."""
    with ExitStack() as stack:

        def start(*, project: str | None = None, profile: str = "") -> Kernel:
            folder = tmp_path / "project" / "notebooks"
            folder.mkdir(parents=True)
            if project is not None:
                (folder.parent / "pyproject.toml").write_text(project)
            home = tmp_path / "home"
            config = home / "ipython" / "profile_default" / "ipython_config.py"
            config.parent.mkdir(parents=True)
            config.write_text(f"c = get_config()\n{profile}\n")
            return stack.enter_context(running_kernel(python, home, folder=folder))

        yield start


def loaded(kernel: Kernel) -> str:
    """Load the extension, and return what it says on stderr."""
    cell = kernel.run("%load_ext asyncfc_jupyter")
    assert cell.error is None, cell.traceback
    return cell.stderr


def row(kernel: Kernel, name: str) -> str:
    """Return a row of the table, with single spaces."""
    lines = kernel.run("%agent config").stdout.splitlines()
    return " ".join(next(line for line in lines if line.split()[:1] == [name]).split())


def test_without_any_setting_the_table_says_what_is_built_in(begin: Begin) -> None:
    kernel = begin()
    assert loaded(kernel) == ""
    assert row(kernel, "mode") == "mode async built in"
    assert row(kernel, "max_turns") == "max_turns 50 built in"
    assert row(kernel, "model") == "model none built in"


def test_a_setting_of_the_line_overrides_session_profile_and_project(begin: Begin, tmp_path: Path) -> None:
    """The session overrides the profile in turn, and the profile the project."""
    kernel = begin(
        project=f'{REHEARSAL}mode = "batch"\nmax_turns = 7\nlimit = 3\n',
        profile="c.AgentMagics.mode = 'eager'\nc.AgentMagics.max_turns = 6",
    )
    assert loaded(kernel) == ""
    pyproject = tmp_path / "project" / "pyproject.toml"
    profile = tmp_path / "home" / "ipython" / "profile_default" / "ipython_config.py"
    assert row(kernel, "model") == f"model rehearsal {pyproject}, line 2"
    assert row(kernel, "mode") == f"mode eager {profile}, line 2 batch ({pyproject}, line 5)"
    kernel.run("%config AgentMagics.mode = 'sequential'")
    here = "set in this kernel (%config)"
    assert row(kernel, "mode") == f"mode sequential {here} eager ({profile}, line 2); batch ({pyproject}, line 5)"
    assert kernel.value("get_ipython().run_line_magic('config', 'AgentMagics.mode')") == "'sequential'"
    assert kernel.run("%%agent\n'x'").status == "ok"
    assert kernel.value("_agent.mode.value") == "'sequential'"
    assert kernel.run("%%agent --mode async\n'x'").status == "ok"
    assert kernel.value("_agent.mode.value") == "'async'"
    kernel.run("%config AgentMagics.mode = None")
    assert kernel.run("%%agent\n'x'").status == "ok"
    assert kernel.value("_agent.mode.value") == "'eager'"
    # Each setting is looked up by itself.
    assert kernel.value("_agent.conversation.driver.scheduler._run_limit[0].places") == "3"


def test_a_limit_and_budgets_of_the_settings_hold_for_a_run(begin: Begin) -> None:
    kernel = begin(project=f"{REHEARSAL}max_requests = 1\nlimit = 1\n")
    loaded(kernel)
    kernel.run("import asyncio, time\nRELEASE = False")
    kernel.run(OFFERED)
    # The first call does not end by itself, so that the second has to wait on a machine of any speed.
    cell = kernel.run("%%agent\na = sleeping(x=1)\nb = quick(x=2)\n\nc = quick(x=a)\n\n'x'")
    assert "BudgetSpent" in cell.traceback
    assert "within 1 requests" in cell.traceback
    assert "limit" in kernel.value("_agent.why('f2')")
    cell = kernel.run("%%agent --max-requests 9 --limit 4\nd = quick(x=1)\n\n'x'")
    assert cell.status == "ok", cell.traceback


def test_a_model_that_a_cell_names_holds_until_config_names_another(begin: Begin) -> None:
    kernel = begin(project='[tool.asyncfc]\nmodel = "unreachable"\nbase_url = "http://127.0.0.1:9/v1"\n')
    loaded(kernel)
    assert kernel.run("%agent model").stdout == "unreachable at http://127.0.0.1:9/v1\n"
    assert kernel.run(f"{AGENT}\n'x'").status == "ok"
    assert kernel.run("%%agent\n'x'").status == "ok"
    assert row(kernel, "model").startswith(
        "model rehearsal set in this kernel (by a cell or %agent model) unreachable ("
    )
    kernel.run("%config AgentMagics.model = 'another'")
    assert kernel.run("%agent model").stdout == "another at http://127.0.0.1:9/v1\n"
    kernel.run("%agent model third --server ollama")
    assert kernel.run("%agent model").stdout == "third at ollama\n"
    assert row(kernel, "base_url").startswith(
        "base_url the server's, or OPENAI_BASE_URL built in http://127.0.0.1:9/v1 ("
    )


def test_options_about_the_server_are_about_the_model_of_the_settings(begin: Begin) -> None:
    with ScriptedServer([reply(text_chunks("hello"))]) as server:
        kernel = begin(project='[tool.asyncfc]\nmodel = "m"\nserver = "ollama"\nsystem = "Be brief."\n')
        loaded(kernel)
        cell = kernel.run(f"%%agent --base-url {server.base_url} --api chat\nHello?")
        assert cell.status == "ok", cell.traceback
        body = server.requests[0].body
        assert (body["model"], body["messages"][0]) == ("m", {"role": "system", "content": "Be brief."})


def test_the_system_text_of_a_conversation_overrides_the_settings(
    begin: Begin,
) -> None:
    """Without one, the text that the settings have at the moment is sent."""
    with ScriptedServer([reply(text_chunks("hello"))] * 4) as server:
        kernel = begin(project=f'[tool.asyncfc]\nmodel = "m"\nbase_url = "{server.base_url}"\nsystem = "One."\n')
        loaded(kernel)
        kernel.run("%%agent\nHello?")
        kernel.run("%config AgentMagics.system = 'Two.'")
        kernel.run("%%agent\nHello?")
        kernel.run("%%agent --system Three.\nHello?")
        cell = kernel.run("%%agent\nHello?")
        assert cell.status == "ok", cell.traceback
        said = [request.body["messages"][0]["content"] for request in server.requests]
    assert said == ["One.", "Two.", "Three.", "Three."]


def test_the_key_of_another_server_is_not_sent_to_the_address_of_a_file(begin: Begin) -> None:
    with ScriptedServer([reply(text_chunks("hello"))]) as server:
        project = '[tool.asyncfc]\nmodel = "m"\nserver = "openai"\napi_key_env = "MY_KEY"\n'
        kernel = begin(project=project, profile=f"c.AgentMagics.base_url = '{server.base_url}'")
        loaded(kernel)
        kernel.run(f"import os; os.environ['MY_KEY'] = os.environ['OPENAI_API_KEY'] = {SECRET!r}")
        assert row(kernel, "api_key_env").startswith("api_key_env the server's built in MY_KEY (")
        kernel.run("%config AgentMagics.base_url = 'http://127.0.0.1:9/v1'")
        assert SECRET not in kernel.run("%agent config").stdout


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('mode = "asinc"', "mode is 'asinc', and must be one of sequential, batch, eager, async; did you mean async?"),
        ("max_turns = 0", "max_turns is 0, and must be a whole number of at least 1."),
        ("max_turns = true", "max_turns is True, and must be a whole number of at least 1."),
        ("max_seconds = inf", "max_seconds is inf, and must be a number of seconds above 0."),
        ("max_token = 5", "there is no setting 'max_token'; did you mean max_tokens"),
        ('server = "olama"', "did you mean ollama?"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line_and_no_run_goes_without_it(begin: Begin, line: str, says: str) -> None:
    kernel = begin(project=f"[project]\nname = 'x'\n\n[tool.asyncfc]\n{line}\n")
    said = loaded(kernel)
    assert said.startswith("asyncfc_jupyter: ")
    assert "pyproject.toml, line 5: " in said
    assert says in said
    assert "\n" not in said.strip()
    cell = kernel.run(f"{AGENT}\n'x'")
    assert says in cell.traceback
    assert cell.traceback.startswith("SettingsError: ")
    assert cell.traceback.strip().endswith("No run was started.")
    assert "\n" not in cell.traceback.strip()
    assert says in kernel.run("%agent config").stdout
    # The setting may be removed from the file, which is read again.
    (name, _, _) = line.partition(" = ")
    kernel.run(f"import pathlib; pathlib.Path('../pyproject.toml').write_text('[tool.asyncfc]\\n# no {name} here')")
    assert kernel.run(f"{AGENT}\n'x'").status == "ok"


def test_a_wrong_value_in_a_file_is_harmless_where_another_overrides_it(begin: Begin) -> None:
    kernel = begin(project='[tool.asyncfc]\nmode = "asinc"\n', profile="c.AgentMagics.max_turns = 'many'")
    said = loaded(kernel)
    assert "ipython_config.py, line 2: max_turns is 'many'" in said
    kernel.run("%config AgentMagics.mode = 'batch'")
    kernel.run("%config AgentMagics.max_turns = 3")
    cell = kernel.run(f"{AGENT}\n'x'")
    assert cell.status == "ok", cell.traceback


@pytest.mark.parametrize(
    ("project", "says"),
    [
        ('[tool.asyncfc]\nmodel = "x\n', "pyproject.toml is not valid TOML: "),
        ("[" * 5000, "pyproject.toml is not valid TOML: "),
        ("[tool]\nasyncfc = 3\n", "tool.asyncfc is not a table"),
    ],
)
def test_a_broken_project_file_keeps_nothing_from_loading(begin: Begin, project: str, says: str) -> None:
    kernel = begin(project=project)
    assert says in loaded(kernel)
    assert says in kernel.run("%agent config").stdout
    assert "No tools yet" in kernel.run("%agent tools").stdout


def test_the_line_that_is_no_toml_is_shown_unless_it_may_hold_a_key(begin: Begin) -> None:
    kernel = begin(project="[tool.asyncfc]\nmax_turns = = 3\n")
    said = loaded(kernel)
    assert "line 2" in said
    assert "max_turns = = 3" in said
    kernel.run(f"import pathlib; pathlib.Path('../pyproject.toml').write_text('[tool.asyncfc]\\napi_key = {SECRET}')")
    shown = kernel.run("%agent config").stdout
    assert "line 2" in shown
    assert SECRET not in shown


@pytest.mark.parametrize("name", ["api_key", "openai_api_key", "token", "password"])
def test_a_key_is_refused_wherever_it_is_set_and_shown_nowhere(begin: Begin, name: str) -> None:
    kernel = begin(project=f'[tool.asyncfc]\n{name} = "{SECRET}"\n', profile=f"c.AgentMagics.{name} = '{SECRET}'")
    said = loaded(kernel)
    assert said.count("keys never go into settings") == 2
    assert "keyring set asyncfc_jupyter openai" in said
    refused = kernel.run(f"%config AgentMagics.{name} = '{SECRET}'")
    assert "keys never go into settings" in refused.stderr
    table, run = kernel.run("%agent config"), kernel.run(f"{AGENT}\n'x'")
    assert "keys never go into settings" in run.traceback
    help_text = kernel.run("%config AgentMagics")
    assert not any(
        SECRET in shown.stdout + shown.stderr + shown.traceback for shown in (refused, table, run, help_text)
    )
    assert SECRET not in said


def test_a_wrong_value_for_config_changes_nothing_and_says_what_it_must_be(begin: Begin) -> None:
    kernel = begin()
    loaded(kernel)
    kernel.run("%config AgentMagics.max_turns = 4")
    said = kernel.run("%config AgentMagics.max_turns = 'many'").stderr
    assert "max_turns is 'many', and must be a whole number of at least 1." in said
    assert row(kernel, "max_turns") == "max_turns 4 set in this kernel (%config)"
    said = kernel.run("%config AgentMagics.base_url = 'http://me:hunter2@127.0.0.1/v1'").stderr
    assert "base_url is (not shown, since it may hold a key)" in said
    assert "hunter2" not in said


def test_reloading_leaves_one_object_to_configure(begin: Begin) -> None:
    kernel = begin()
    loaded(kernel)
    kernel.run("%config AgentMagics.max_turns = 4")
    kernel.run("%reload_ext asyncfc_jupyter")
    before = "%config AgentMagics before the extension was loaded, or a file that ipython_config.py loads"
    assert row(kernel, "max_turns") == f"max_turns 4 {before}"
    kernel.run("%config AgentMagics.max_turns = 5")
    assert row(kernel, "max_turns") == f"max_turns 5 set in this kernel (%config) 4 ({before})"
    names = "[type(each).__name__ for each in get_ipython().configurables].count('AgentMagics')"
    assert kernel.value(names) == "1"
    kernel.run("%unload_ext asyncfc_jupyter")
    assert kernel.value(names) == "0"


def test_a_model_that_is_named_alone_is_asked_at_the_server_in_use(begin: Begin) -> None:
    with ScriptedServer([reply(text_chunks("hello"))] * 2) as server:
        kernel = begin()
        loaded(kernel)
        kernel.run(f"import os; os.environ['OPENAI_API_KEY'] = {SECRET!r}; os.environ['MINE'] = 'mine'")
        kernel.run(f"%%agent --model one --base-url {server.base_url} --api-key-env MINE\nHello?")
        cell = kernel.run("%%agent --model two\nHello?")
        assert cell.status == "ok", cell.traceback
        assert [request.body["model"] for request in server.requests] == ["one", "two"]
        assert {request.headers["authorization"] for request in server.requests} == {"Bearer mine"}
        assert row(kernel, "base_url").startswith(f"base_url {server.base_url} set in this kernel")
        kernel.run("%agent model three --server openai")
        assert row(kernel, "base_url").startswith("base_url the server's, or OPENAI_BASE_URL built in")
        assert row(kernel, "api_key_env").startswith("api_key_env the server's built in")


def test_an_alias_of_the_rehearsal_model_has_its_settings(begin: Begin) -> None:
    kernel = begin(project=REHEARSAL)
    loaded(kernel)
    kernel.run("%agent alias quickly=rehearsal")
    cell = kernel.run("%%agent --model quickly\n'hello'")
    assert cell.status == "ok", cell.traceback
    options = "get_ipython().find_line_magic('agent').__self__.session.model.options"
    assert kernel.value(f"dict({options}) == {{'ttft_ms': 1, 'tokens_per_s': 5000}}") == "True"


def test_settings_apply_to_the_shown_prompt_and_to_every_compared_mode(
    begin: Begin,
) -> None:
    """The shown prompt is the one that a cell would be sent with."""
    with ScriptedServer([reply(text_chunks("hello"))] * 4) as server:
        kernel = begin(
            project=f'[tool.asyncfc]\nmodel = "m"\nbase_url = "{server.base_url}"\nsystem = "One."\nmode = "batch"\n'
        )
        loaded(kernel)
        shown = kernel.run("%agent prompt").stdout
        assert shown.startswith("Nothing was sent yet. In the batch mode a cell of conversation main is sent with:\n")
        assert "\n-- system --\nOne.\n" in shown
        kernel.run("%%agent\nHello?")
        kernel.run("%config AgentMagics.system = 'Two.'")
        cell = kernel.run("%%agent --compare sequential,batch\nHello?")
        assert cell.status == "ok", cell.traceback
        said = [request.body["messages"][0]["content"] for request in server.requests]
    assert said == ["One.", "Two.", "Two."]


def test_calls_in_the_text_are_reported_in_a_cell_and_made_by_a_setting(begin: Begin) -> None:
    written = '<think>Both?</think>I look.\n<tool_call>{"name": "quick", "arguments": {"x": 7}}</tool_call>'
    replies = [reply(text_chunks(written, 9)), reply(text_chunks(written, 9)), reply(text_chunks("It is 7."))]
    with ScriptedServer(replies) as server:
        kernel = begin(project=f'[tool.asyncfc]\nmodel = "m"\nbase_url = "{server.base_url}"\n')
        loaded(kernel)
        kernel.run("import asyncio")
        kernel.run(OFFERED)
        cell = kernel.run("%%agent\nGo.")
        assert cell.status == "ok", cell.traceback
        assert "the server sent a call of quick as text" in cell.text
        assert "Both?" not in kernel.value("_agent.answer")
        kernel.run("%config AgentMagics.calls_in_text = True")
        assert row(kernel, "calls_in_text") == "calls_in_text True set in this kernel (%config)"
        cell = kernel.run("%%agent\nGo.")
        assert cell.status == "ok", cell.traceback
        assert kernel.value("_agent.answer") == "'It is 7.'"
        assert kernel.value("_agent.futures['f1'].result()") == "7"
        assert "Both?" not in str([request.body for request in server.requests])
        kernel.run("from asyncfc_jupyter.trace.fold.spans import fold")
        shown = kernel.value("[span.kind for span in fold(_agent.trace).lane.spans.values()]")
        assert "'reasoning', 'text', 'call'" in shown
