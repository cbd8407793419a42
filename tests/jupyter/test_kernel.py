"""What happens around ``%%agent`` in a real kernel: queued cells, interrupts, nesting, and whose cell an output lands in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.jupyter.conftest import AGENT
from tests.kernels.harness import Cell, Kernel, environment
from tests.servers.scripted_server import ScriptedServer, call_chunks, reply, text_chunks

pytestmark = [pytest.mark.kernel, pytest.mark.every_python]


def agent(*plan: str, options: str = "") -> str:
    return "\n".join([f"{AGENT} {options}".rstrip(), *plan])


def answer_of(cell: Cell) -> str:
    """Return the text below the timeline."""
    return str(cell.displays[-1]["text/plain"])


def answered(kernel: Kernel, plan: str = "a = quick(x=7)\n\nf'it is {a}'") -> None:
    """Check that the conversation is usable: a run in it comes to its answer."""
    cell = kernel.run(agent(plan))
    assert cell.status == "ok", cell.traceback
    assert kernel.value("_agent.outcome") == "'answered'"
    assert answer_of(cell).endswith("it is 7")


def begun(kernel: Kernel, tool: str, *, above: str = "") -> Cell:
    """Send a cell whose run calls the tool, and return it once the tool is running."""
    cell = kernel.send(above + agent(f"a = {tool}(x=1)", "await a", "'never'"))
    kernel.wait(lambda: f"{tool} began" in cell.text, f"{tool} to begin")
    return cell


def assert_one_line(cell: Cell, starts: str) -> None:
    assert cell.status == "error"
    assert cell.traceback.startswith(starts)
    assert "\n" not in cell.traceback.strip()


def test_every_cell_queued_after_an_agent_cell_runs(kernel: Kernel) -> None:
    first = kernel.send(agent("a = quick(x=1)", "", "f'one {a}'"))
    rest = [kernel.send("print('two')"), kernel.send(agent("'three'")), kernel.send("print('four')")]
    kernel.wait(lambda: all(cell.ended for cell in [first, *rest]), "all four cells")
    assert [cell.status for cell in [first, *rest]] == ["ok"] * 4
    assert answer_of(first) == "one 1"
    assert [rest[0].stdout, answer_of(rest[1]), rest[2].stdout] == ["two\n", "three", "four\n"]


def test_nested_below_time_it_works_and_the_next_cells_run(kernel: Kernel) -> None:
    cells = [kernel.send("%%time\n" + agent("a = quick(x=2)", "", "f'one {a}'"))]
    cells += [kernel.send(f"print({number})") for number in range(5)]
    cells += [kernel.send("%%time\n" + agent("'again'")), kernel.send("print('last')")]
    kernel.wait(lambda: all(cell.ended for cell in cells), "all cells")
    assert [cell.status for cell in cells] == ["ok"] * len(cells)
    assert answer_of(cells[0]) == "one 2"
    assert "Wall time" in cells[0].stdout
    assert [cell.stdout for cell in cells[1:6]] == [f"{number}\n" for number in range(5)]
    assert cells[-1].stdout == "last\n"


def test_an_interrupt_cancels_an_async_tool_and_the_history_stays_valid(kernel: Kernel) -> None:
    cell = begun(kernel, "sleeping")
    kernel.interrupt()
    kernel.wait(lambda: cell.ended, "the interrupted cell")
    assert_one_line(cell, "AgentInterrupted: the run was interrupted")
    assert kernel.value("_agent.outcome, _agent.futures['f1'].state.value") == "('interrupted', 'cancelled')"
    answered(kernel)


def test_an_interrupt_leaves_a_thread_running_and_says_so(kernel: Kernel) -> None:
    """What the thread prints afterwards stays in its own cell."""
    cell = begun(kernel, "threaded")
    kernel.interrupt()
    kernel.wait(lambda: cell.ended, "the interrupted cell")
    assert_one_line(cell, "AgentInterrupted: ")
    assert "still runs in its thread" in cell.traceback
    answered(kernel)
    following = kernel.run("RELEASE = True")
    kernel.wait(lambda: "threaded ended" in cell.text, "the thread's last words in its own cell")
    assert following.text == ""


def test_an_interrupt_ends_a_tool_that_blocks_the_loop(kernel: Kernel) -> None:
    cell = begun(kernel, "blocking")
    kernel.interrupt()
    kernel.wait(lambda: cell.ended, "the interrupted cell")
    assert_one_line(cell, "AgentInterrupted: ")
    answered(kernel)


@pytest.mark.parametrize("tool", ["sleeping", "blocking"])
def test_an_interrupt_ends_a_nested_run(kernel: Kernel, tool: str) -> None:
    cell = begun(kernel, tool, above="%%time\n")
    kernel.interrupt()
    kernel.wait(lambda: cell.ended, "the interrupted cell")
    assert "AgentInterrupted: " in cell.traceback
    answered(kernel)


def test_a_second_interrupt_is_a_keyboard_interrupt(kernel: Kernel) -> None:
    """It is one even when a tool swallowed the first interrupt."""
    cell = begun(kernel, "stubborn")
    kernel.interrupt()
    kernel.wait(lambda: "stubborn shrugs" in cell.text, "the tool to swallow the first interrupt")
    kernel.interrupt()
    kernel.wait(lambda: cell.ended, "the end of the cell")
    assert_one_line(cell, "KeyboardInterrupt: ")
    answered(kernel)


def test_an_interrupt_ends_a_run_and_names_a_tool_that_ignores_cancelling(kernel: Kernel) -> None:
    cell = begun(kernel, "deaf")
    kernel.interrupt()
    kernel.wait(lambda: cell.ended, "the end of the cell")
    assert_one_line(cell, "AgentInterrupted: ")
    assert "ignores being cancelled; the result will be discarded: f1 (deaf)" in cell.traceback
    answered(kernel)


def test_prints_of_tools_appear_in_the_cell_that_asked(kernel: Kernel) -> None:
    before = kernel.send("print('before')")
    cell = kernel.send(agent("a = talking(x=1)", "b = whispering(x=2)", "", "'done'"))
    after = kernel.send("print('after')")
    kernel.wait(lambda: before.ended and cell.ended and after.ended, "all cells")
    folds = [display["text/plain"] for display in cell.displays[1:-1]]
    assert folds == ["f1 talking - 1 line\n  thread says 1", "f2 whispering - 1 line\n  loop says 2"]
    assert (before.text, cell.stdout, after.text) == ("before\n", "", "after\n")


def test_a_run_that_ended_leaves_a_picture_and_no_widget(kernel: Kernel) -> None:
    cell = kernel.run(agent("a = quick(x=1)", "", "'**done**'"))
    picture, answer = cell.displays
    assert "application/vnd.jupyter.widget-view+json" not in picture
    assert "data:image/svg+xml;base64," in picture["text/html"]
    assert "quick" in picture["text/plain"]
    assert answer == {"text/html": "<p><strong>done</strong></p>\n", "text/plain": "**done**"}


def test_trouble_of_the_environment_is_one_line_with_its_variable(kernel: Kernel) -> None:
    """In a run and in the doctor; what the user corrects in a cell counts at once."""
    setting = "ALL_PROXY='socks4://127.0.0.1:9', SSL_CERT_FILE='/nonexistent', NO_PROXY='models.example'"
    kernel.run(f"import os\nbefore = dict(os.environ)\nos.environ.update({setting})")
    for server, says in (
        (
            "http://gpubox:1/v1",
            "UsageError: the proxy socks4://127.0.0.1:9 (ALL_PROXY) is not a proxy that can be used;",
        ),
        (
            "https://models.example/v1",
            "UsageError: SSL_CERT_FILE is '/nonexistent', which cannot be read (No such file",
        ),
        ("http://127.0.0.1:9/v1", "ServerError: no server answers at http://127.0.0.1:9/v1;"),
    ):
        options = f"--server ollama --base-url {server}"
        assert_one_line(kernel.run(f"%%agent --model m {options}\nhello"), says)
        assert_one_line(kernel.run(f"%agent doctor m {options}"), says)
    kernel.run("os.environ.clear()\nos.environ.update(before, NO_PROXY='gpubox')\ndel before")
    cell = kernel.run("%%agent --model m --server ollama --base-url http://gpubox:1/v1\nhello")
    assert_one_line(cell, "ServerError: the name 'gpubox' in http://gpubox:1/v1 is not known")
    kernel.run("del os.environ['NO_PROXY']\n%agent reset")
    answered(kernel)


@pytest.mark.parametrize(
    ("options", "plan", "says"),
    [
        ("", "import os", "PlanError: plan, line 1: plans have no imports: 'import os';"),
        (
            "--model m --base-url http://127.0.0.1:9/v1",
            "hello",
            "ServerError: no server answers at http://127.0.0.1:9/v1;",
        ),
    ],
)
def test_a_run_without_any_text_shows_its_error_and_nothing_else(
    kernel: Kernel, options: str, plan: str, says: str
) -> None:
    cell = kernel.run(f"%%agent {options}\n{plan}" if options else agent(plan))
    assert_one_line(cell, says)
    assert [set(display.values()) for display in cell.displays] == [{""}]
    kernel.run("%agent reset")
    answered(kernel)


def test_the_key_of_the_named_variable_goes_to_the_server_and_nowhere_else(kernel: Kernel) -> None:
    secret = "sk-planted-in-the-environment"
    kernel.run(f"import os; os.environ['MY_KEY'] = {secret!r}")
    # The call is waited for, so that a busy machine makes no request more.
    calls = [call_chunks(0, "a", "quick", {"x": 4}), call_chunks(1, "b", "await_future", {})]
    script = [reply(*calls), reply(text_chunks("It is **4**.", pieces=3))]
    with ScriptedServer(script) as server:
        cell = kernel.run(f"%%agent --model m --base-url {server.base_url} --api-key-env MY_KEY\nHow much?")
        assert cell.status == "ok", cell.traceback
        headers = {name.lower(): value for name, value in server.requests[0].headers.items()}
        assert headers["authorization"] == f"Bearer {secret}"
        assert [tool["function"]["name"] for tool in server.requests[0].body["tools"]][-1] == "await_future"
    assert answer_of(cell) == "It is **4**."
    status = kernel.run("%agent")
    shown = [str(display) for display in cell.displays] + [
        cell.stdout,
        status.stdout,
        kernel.value("_agent.trace.to_json()"),
    ]
    assert not any(secret in text for text in shown)


def test_running_a_tool_cell_again_replaces_what_it_defined(kernel: Kernel) -> None:
    first = '%%tool --pure\ndef one(x: int) -> int:\n    """Give one."""\n    return 1\n'
    cell = kernel.run(first + first.replace("one", "two").removeprefix("%%tool --pure\n"), cell_id="a-cell")
    assert cell.stdout == "one(x: int) -> int  [pure]\ntwo(x: int) -> int  [pure]\n"
    kernel.run(first.replace("return 1", "return 11"), cell_id="a-cell")
    assert "two" not in kernel.run("%agent tools").text
    cell = kernel.run(agent("a = one(x=1)", "", "f'it is {a}'"))
    assert answer_of(cell) == "it is 11"
    assert kernel.value("one(1)") == "11"


def test_two_tool_magics_in_one_cell_register_both_tools_until_it_reruns(kernel: Kernel) -> None:
    code = (
        "for name in NAMES:\n    get_ipython().run_cell_magic("
        "'tool', '--pure', f'def {name}(x: int) -> int:\\n    \"Doc.\"\\n    return x\\n')"
    )
    kernel.run("NAMES = ('one', 'two')")
    for _ in range(2):
        assert kernel.run(code, cell_id="a-cell").stdout == "one(x: int) -> int  [pure]\ntwo(x: int) -> int  [pure]\n"
        told = kernel.run("%agent tools").text
        assert "one(x: int)" in told
        assert "two(x: int)" in told
    kernel.run("NAMES = ('two', 'three')")
    kernel.run(code, cell_id="a-cell")
    told = kernel.run("%agent tools").text
    assert ("one(x: int)" in told, "two(x: int)" in told, "three(x: int)" in told) == (False, True, True)


def test_the_run_is_there_after_an_error(kernel: Kernel) -> None:
    cell = kernel.run(
        agent("a = quick(x=1)", "", "b = quick(x=2)", "", "'x'", options="--out mine --max-turns 1 --mode batch")
    )
    assert_one_line(cell, "TurnLimitReached: ")
    assert kernel.value("mine.outcome, mine.futures['f1'].result()") == "('stopped', 1)"
    answered(kernel)


def test_a_conversation_continues_from_cell_to_cell_until_it_is_reset(kernel: Kernel) -> None:
    kernel.run(agent("a = quick(x=5)", "", "'one'"))
    cell = kernel.run("%%agent\nb = quick(x=6)\n\nf'{b}'")
    assert answer_of(cell) == "6"
    assert kernel.value("list(_agent.futures)") == "['f1', 'f2']"
    kernel.run("%agent reset")
    kernel.run("%%agent\na = quick(x=1)\n\n'x'")
    assert kernel.value("list(_agent.futures)") == "['f1']"


def test_loading_imports_neither_a_model_client_nor_widgets(python: Path, tmp_path: Path) -> None:
    program = """
import sys
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance().run_line_magic("load_ext", "asyncfc_jupyter")
late = ("openai", "pydantic", "ipywidgets", "anywidget", "nest_asyncio2")
print([name for name in late if name in sys.modules])
"""
    command = [str(python), "-c", program]
    ran = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_loading_twice_starts_a_new_session_and_unloading_leaves_nothing(kernel: Kernel) -> None:
    assert "quick" in kernel.run("%agent tools").text
    kernel.run("%reload_ext asyncfc_jupyter")
    assert kernel.run("%agent tools").stdout.startswith("No tools yet")
    transformers = "sum('asyncfc' in type(item).__module__ for item in get_ipython().input_transformers_cleanup)"
    assert kernel.value(transformers) == "1"
    kernel.run("%unload_ext asyncfc_jupyter")
    assert kernel.value(transformers) == "0"
    assert "`%agent` not found" in kernel.run("%agent").stderr
    kernel.run("%load_ext asyncfc_jupyter")
    answered(kernel, "'it is 7'")
