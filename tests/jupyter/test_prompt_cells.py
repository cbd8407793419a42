"""What an ``%%agent`` cell sends and how its answer is shown, in a real kernel and against a server that keeps requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from asyncfc_jupyter.jupyter.cells.prompt_template import WORDS_ON_FORMAT
from tests.jupyter.conftest import AGENT
from tests.kernels.harness import Cell, Kernel
from tests.servers.scripted_server import ScriptedServer, call_chunks, reply, text_chunks

pytestmark = pytest.mark.kernel


@pytest.fixture
def shell(kernel_of_module: Kernel) -> Iterator[Kernel]:
    """Return a kernel whose conversations are new."""
    kernel_of_module.run("%agent reset")
    yield kernel_of_module
    kernel_of_module.run("%agent reset\n%agent model rehearsal")


def ask(kernel: Kernel, server: ScriptedServer, prompt: str, options: str = "", *, above: str = "") -> Cell:
    return kernel.run(f"{above}%%agent --model m --base-url {server.base_url} --max-turns 5 {options}\n{prompt}")


def answering(*answers: str) -> ScriptedServer:
    return ScriptedServer([reply(text_chunks(answer, pieces=3)) for answer in answers])


def prompts(server: ScriptedServer) -> list[str]:
    """Return what each request says last in the user's place."""
    return [[m["content"] for m in request.messages if m["role"] == "user"][-1] for request in server.requests]


def test_expressions_are_replaced_before_anything_is_sent(shell: Kernel) -> None:
    """Braces in a value are not read as an expression again."""
    shell.run(
        "import pandas as pd\ncity = 'LIS'\nhostile = '{city} {1/0}'\nflights = pd.DataFrame({'price': range(99)})"
    )
    with answering("ok") as server:
        cell = ask(shell, server, "From {city!r}, {{city}}, {len(flights)} rows: {hostile}\n{flights}\n")
        assert cell.status == "ok", cell.traceback
        (sent,) = prompts(server)
    assert sent.startswith("From 'LIS', {city}, 99 rows: {city} {1/0}\nDataFrame 99 x 1\ncolumns: price int64")
    assert shell.value("_agent.prompt") == repr(sent)


@pytest.mark.parametrize("above", ["", "%%time\n"])
@pytest.mark.parametrize(("options", "below"), [("", "a\nSend {nobody}"), ("--system {nobody}", "a"), ("", '{"a": 1}')])
def test_an_expression_that_cannot_be_replaced_is_reported_in_one_line(
    shell: Kernel, above: str, options: str, below: str
) -> None:
    """Nothing is sent, and the answer and the conversation before it are kept."""
    with answering("first", "second") as server:
        assert ask(shell, server, "hello").status == "ok"
        before = shell.value("(_agent.answer, len(_agent.conversation.messages))")
        cell = ask(shell, server, below, options, above=above)
        assert cell.traceback.startswith("UsageError: %%agent: {")
        assert "cannot be replaced by a value" in cell.traceback
        assert "\n" not in cell.traceback.strip()
        assert cell.displays == []
        assert len(server.requests) == 1
        assert shell.value("(_agent.answer, len(_agent.conversation.messages))") == before
        assert ask(shell, server, "again").status == "ok"


def test_raw_sends_json_and_code_unchanged(shell: Kernel) -> None:
    shell.run("x = 1")
    text = 'Mend {"a": {x}} and def f(): return {}'
    with answering("ok") as server:
        assert ask(shell, server, text, "--raw").status == "ok"
        assert prompts(server) == [text]


def test_values_are_inserted_in_nested_and_background_cells_too(shell: Kernel) -> None:
    shell.run("x = 41")
    with answering("one", "two") as server:
        assert ask(shell, server, "{x+1}", above="%%time\n").status == "ok"
        assert ask(shell, server, "{x+2}", "--background").status == "ok"
        assert shell.run("_ = await _agent").status == "ok"
        assert prompts(server) == ["42", "43"]


def test_the_braces_of_a_plan_are_its_own(shell: Kernel) -> None:
    shell.run("a = 'from the notebook'\n%agent alias mock=rehearsal")
    for model in ("rehearsal", "mock"):
        plan = "a = quick(x=7)\n\nf'it is {a}, not {{a}}'"
        cell = shell.run(f"{AGENT.replace('rehearsal', model)}\n{plan}")
        assert cell.displays[-1]["text/plain"].endswith("it is 7, not {a}"), cell.traceback
        assert shell.value("_agent.prompt") == repr(plan)


def test_a_file_is_the_prompt_and_the_cell_follows_it(shell: Kernel) -> None:
    shell.run(
        "from pathlib import Path\ncity, name = 'LIS', 'task.md'\n"
        "_ = Path('task.md').write_text('Book {anything}.\\n')\n_ = Path('plan.txt').write_text('a = quick(x=3)\\n')"
    )
    with answering("one", "two") as server:
        assert ask(shell, server, "", "--file {name}").status == "ok"
        assert ask(shell, server, "In {city}.", "--file task.md").status == "ok"
        assert prompts(server) == ["Book {anything}.", "Book {anything}.\n\nIn LIS."]
        assert "%%agent --file: gone.md cannot be read" in ask(shell, server, "x", "--file gone.md").traceback
    cell = shell.run(f"{AGENT} --file plan.txt\nf'it is {{a}}'")
    assert cell.displays[-1]["text/plain"].endswith("it is 3"), cell.traceback


def test_the_system_text_may_hold_values(shell: Kernel) -> None:
    shell.run('tone = "brief, and don\'t --raw"')
    with answering("ok") as server:
        assert ask(shell, server, "hello", "--mode eager --system 'Be {tone}.'").status == "ok"
        assert server.requests[0].messages[0] == {"role": "system", "content": "Be brief, and don't --raw."}


def shown_as(kernel: Kernel, form: str, answer: str, options: str = "") -> tuple[Cell, str]:
    """Return the cell and the prompt of a run that is shown in a format."""
    with answering(answer) as server:
        cell = ask(kernel, server, "Do it.", f"--format {form} {options}")
        assert cell.status == "ok", cell.traceback
        assert kernel.value("_agent.answer") == repr(answer)
        return cell, prompts(server)[0]


def formatted(cell: Cell) -> dict[str, Any]:
    """Return the last output, and check that what streamed as Markdown above it is gone."""
    assert [display.get("text/plain") for display in cell.displays[1:-1]] in ([], [""])
    return cell.displays[-1]


def test_code_becomes_a_new_cell_and_is_not_run(shell: Kernel) -> None:
    cell, sent = shown_as(shell, "code", "Like this:\n\n```python\nran = 1\n```\n")
    assert sent == f"Do it.\n\n{WORDS_ON_FORMAT['code']}"
    assert cell.payload == [{"source": "set_next_input", "text": "ran = 1", "replace": False}]
    assert '<code class="language-python">ran = 1' in formatted(cell)["text/html"]
    assert shell.value("'ran' in globals()") == "False"


def test_code_of_a_background_run_is_shown_and_no_other_cell_gets_it(shell: Kernel) -> None:
    with answering("```python\nran = 1\n```") as server:
        cell = ask(shell, server, "Do it.", "--format code --background")
        waiting = shell.run("_ = await _agent")
        shell.wait(lambda: "ran = 1" in str(cell.displays[1]), "the answer in its own cell")
        assert cell.payload == waiting.payload == shell.run("pass").payload == []


def test_json_is_a_tree_and_invalid_json_is_kept_with_a_note(shell: Kernel) -> None:
    cell, sent = shown_as(shell, "json", '```json\n{"price": [1]}\n```')
    assert sent.endswith(WORDS_ON_FORMAT["json"])
    assert formatted(cell)["application/json"] == {"price": [1]}
    cell, _ = shown_as(shell, "json", "It costs 3.")
    assert cell.displays[-1] == {"text/plain": "It costs 3."}
    assert "The answer is not JSON, so it is shown as text" in cell.displays[-2]["text/plain"]


def test_html_is_drawn_in_a_frame_and_text_is_plain(shell: Kernel) -> None:
    cell, _ = shown_as(shell, "html", "<b>hi</b><script>alert(1)</script>")
    assert '<iframe sandbox=""' in formatted(cell)["text/html"]
    assert "<script" not in formatted(cell)["text/html"]
    cell, _ = shown_as(shell, "text", "# <b>hi</b>")
    assert formatted(cell) == {"text/plain": "# <b>hi</b>"}


def test_text_of_earlier_turns_stays_above_a_formatted_answer(shell: Kernel) -> None:
    script = [reply(text_chunks("Looking."), call_chunks(0, "a", "quick", {"x": 4})), reply(text_chunks('{"x": 4}'))]
    with ScriptedServer(script) as server:
        cell = ask(shell, server, "How much?", "-f json --mode eager")
        assert cell.status == "ok", cell.traceback
    assert [display.get("text/plain") for display in cell.displays[1:]] == ["> Looking.", '{\n  "x": 4\n}']


def test_the_prompt_command_shows_what_the_model_was_sent(shell: Kernel) -> None:
    shell.run("%reload_ext asyncfc_jupyter")
    empty = shell.run("%agent prompt").stdout
    assert empty.startswith("Nothing was sent yet. In the async mode a cell of conversation main is sent with:")
    assert "(no system text)" in empty
    shell.run('%%tool --pure\ndef quick(x: int) -> int:\n    """Return x."""\n    return x')
    assert "quick: Return x." in shell.run("%agent prompt").stdout
    shell.run("city = 'LIS'")
    # The call is waited for, so that a busy machine makes no request more.
    calls = [call_chunks(0, "a", "quick", {"x": 4}), call_chunks(1, "b", "await_future", {})]
    script = [reply(*calls), reply(text_chunks("4")), reply(text_chunks("5"))]
    with ScriptedServer(script) as server:
        ask(shell, server, "How much is {city}?", "--system 'Be brief.'")
        first = shell.run("%agent prompt").stdout
        ask(shell, server, "And {{OPO}}?", "--mode eager")
        second = shell.run("%agent prompt main").stdout
        asked = server.requests
    assert first.startswith("Sent to m, mode async.\n\n-- system --\nBe brief.\n\nTool calls run asynchronously.")
    assert asked[0].messages[0]["content"] in first
    for each in asked[0].body["tools"]:
        assert f"{each['function']['name']}: " in first
        assert json.dumps(each["function"]["parameters"], ensure_ascii=False) in first
    assert "-- prompt --\nHow much is LIS?\n" in first
    assert "-- 3 messages after the prompt, up to the latest request: see %agent history --" in first
    assert second.startswith("Sent to m, mode eager.\n\n-- system --\nBe brief.\n\n-- tools --\nquick: ")
    assert "-- 5 messages before the prompt: see %agent history --\n\n-- prompt --\nAnd {OPO}?" in second
    assert shell.value("_agent.request.messages[-1]['content']") == "'And {OPO}?'"
    assert "there is no conversation 'mian'; did you mean main?" in shell.run("%agent prompt mian").traceback
    assert "it takes [CONVERSATION]; it was given 2: a b." in shell.run("%agent prompt a b").traceback


def test_a_hostile_prompt_or_tool_cannot_steer_the_terminal_that_shows_it(shell: Kernel) -> None:
    shell.run("text = 'a\\x1b[2Jb\\u202ec'")
    with answering("ok") as server:
        ask(shell, server, "{text}")
    assert "a [2Jbc" in shell.run("%agent prompt").stdout


def test_the_run_is_a_variable_of_the_given_name(shell: Kernel) -> None:
    shell.run(f"{AGENT}\na = quick(x=5)\n\nf'{{a}}'")
    assert shell.value("(_agent.answer, _agent.futures['f1'].result())") == "('5', 5)"
    shell.run(f"{AGENT} --out mine\na = quick(x=6)\n\nf'{{a}}'")
    assert shell.value("(mine.answer, mine.futures['f2'].result(), _agent.answer)") == "('6', 6, '5')"
    with answering("ok") as server:
        ask(shell, server, "{mine.answer} and {mine.futures['f1'].result()}")
        assert prompts(server) == ["6 and 5"]
