"""Several conversations side by side, and cancelling, in a real kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.jupyter.conftest import AGENT
from tests.kernels.harness import Kernel

pytestmark = pytest.mark.kernel

#: The call is waited for, so that a busy machine makes no message more.
ONE = "a = quick(x=1)\nawait a\n\n'one'"
DETACHED = '''%%tool --pure --detached
async def lasting(x: int) -> int:
    """Sleep for a minute."""
    await asyncio.sleep(60)
    return x
'''


@pytest.fixture(scope="module")
def python() -> Path:
    """Conversations are kept by the session: this ipykernel is enough."""
    return Path(sys.executable)


def ask(kernel: Kernel, plan: str, options: str = "") -> str:
    cell = kernel.run(f"{AGENT} {options}\n{plan}")
    assert cell.error is None, cell.traceback
    return str(cell.displays[-1]["text/plain"])


def test_conversations_side_by_side_keep_their_futures_apart(
    kernel: Kernel,
) -> None:
    """A cell that names no conversation continues main."""
    ask(kernel, ONE)
    ask(kernel, "a = quick(x=2)\nawait a\n\n'two'", "--conversation trip --system 'be brief'")
    assert kernel.value("_agent.futures['f1'].result(), len(_agent.futures)") == "(2, 1)"
    ask(kernel, "b = quick(x='$f1')\nawait b\n\n'three'")
    assert kernel.value("_agent.futures['f2'].result()") == "1"
    status = kernel.run("%agent").stdout
    assert "main: 10 messages, 2 futures\n" in status
    assert "trip: 5 messages, 1 future; system text: be brief\n" in status
    assert "trip starts again" in kernel.run("%agent reset trip").stdout
    assert "trip: 0 messages, 0 futures\n" in kernel.run("%agent").stdout


def test_a_fork_starts_from_the_messages_and_values_so_far(kernel: Kernel) -> None:
    ask(kernel, ONE)
    assert "Conversation other: 5 messages, 1 future, a copy of main." in kernel.run("%agent fork other").stdout
    assert ask(kernel, "b = quick(x='$f1')\n\nf'{b}'", "--conversation other") == "1"
    assert kernel.run("%agent").stdout.count("5 messages, 1 future\n") == 1
    assert "there is a conversation 'other' already" in kernel.run("%agent fork other").traceback


def test_a_conversation_is_written_to_a_file_and_continued_from_it(kernel: Kernel) -> None:
    ask(kernel, ONE)
    assert "Wrote main: 5 messages, 1 future to talk.json." in kernel.run("%agent export talk.json").stdout
    assert "Read later: 5 messages, 1 future" in kernel.run("%agent import talk.json later").stdout
    assert ask(kernel, "b = quick(x='$f1')\n\nf'{b}'", "--conversation later") == "1"
    kernel.run("open('other.txt', 'w').write('mine')")
    assert "is not an exported conversation" in kernel.run("%agent export other.txt").traceback
    assert kernel.value("open('other.txt').read()") == "'mine'"
    broken = kernel.run("%agent import other.txt").traceback
    assert broken.startswith("UsageError: %agent import: other.txt is not a conversation: it cannot be read as JSON")
    assert "\n" not in broken.strip()
    assert "No such file" in kernel.run("%agent import nowhere.json").traceback


def test_the_history_is_bounded_and_harmless_whatever_was_said(kernel: Kernel) -> None:
    evil = f"{AGENT}\na = quick(x=1)\nawait a\n\n'<script>\\x1b[2J\\u202eevil'"
    kernel.run(evil)
    for number in range(25):
        ask(kernel, f"'{'long ' * 100}{number}'")
    shown = kernel.run("%agent history").stdout
    assert "... 15 earlier; %agent export FILE main writes all" in shown
    assert max(map(len, shown.splitlines())) < 200
    kernel.run("%agent reset")
    kernel.run(evil)
    lines = kernel.run("%agent history").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["you", "model", "await_future({})", "tool", "tool", "model"]
    assert "quick" in lines[1]
    assert "f1 done 1" in "".join(lines[3:5])
    assert lines[5].endswith("<script>evil")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("%agent reset trp", "%agent reset: there is no conversation 'trp'; the conversations are: main."),
        ("%agent reset mian", "did you mean main?"),
        ("%agent fork", "%agent fork: it takes NEW [CONVERSATION]; it was given none."),
        ("%agent fork 'a b'", "letters, digits, - and _; 'a b' is not."),
        ("%agent export 'open", "%agent export: No closing quotation."),
        ("%agent cancel f1", "there is no run yet"),
        ("%agent cancel f1 main x", "%agent cancel: it takes [FUTURE] [CONVERSATION]"),
        ("%%agent --model rehearsal --conversation ../x\n'x'", "a conversation's name is made of letters"),
    ],
)
def test_a_wrong_line_is_one_line(kernel_of_module: Kernel, line: str, says: str) -> None:
    traceback = kernel_of_module.run(line).traceback
    assert says in traceback
    assert "\n" not in traceback.strip()


def test_a_future_that_outlives_its_run_is_cancelled_by_name(kernel: Kernel) -> None:
    kernel.run(DETACHED)
    ask(kernel, "a = lasting(x=1)\n\n'later'")
    assert "No run to cancel; pending: f1 (lasting) in main; cancel one" in kernel.run("%agent cancel").stdout
    assert kernel.run("%agent cancel f1").stdout.startswith("Cancelled f1 (lasting)")
    assert kernel.value("_agent.futures['f1'].state.value") == "'cancelled'"
    assert "f1 (lasting) is cancelled already" in kernel.run("%agent cancel f1").stdout
    assert "there is no future 'f9'" in kernel.run("%agent cancel f9").traceback


def test_an_export_that_fails_leaves_the_one_before(kernel: Kernel) -> None:
    ask(kernel, ONE)
    kernel.run("%agent export talk.json")
    kernel.run("before = open('talk.json').read()")
    kernel.run("import os, unittest.mock as mock")
    kernel.run("refused = mock.patch('pathlib.Path.replace', side_effect=OSError(28, 'No space left'))")
    told = kernel.run("with refused:\n    %agent export talk.json").traceback
    assert "talk.json cannot be written: No space left." in told
    left = "[name for name in os.listdir() if 'talk' in name]"
    assert kernel.value(f"before == open('talk.json').read(), {left}") == "(True, ['talk.json'])"


def test_why_knows_the_futures_of_earlier_cells_too(kernel: Kernel) -> None:
    ask(kernel, ONE)
    ask(kernel, "b = quick(x='$f1')\nawait b\n\n'two'")
    assert kernel.run("%agent why f1").stdout == "f1 (quick) did not wait\n"
    kernel.run("%agent fork other")
    ask(kernel, "c = quick(x='$f1')\nawait c\n\n'three'", "--conversation other")
    assert kernel.run("%agent why f1").stdout == (
        "f1 (quick) came with its outcome from a fork or a file, and not with its wait\n"
    )


def test_a_hint_about_what_is_pending_can_be_followed(kernel: Kernel) -> None:
    kernel.run(DETACHED)
    ask(kernel, "a = lasting(x=1)\n\n'main'")
    ask(kernel, "a = lasting(x=1)\n\n'trip'", "--conversation trip")
    for name in ("main", "trip"):
        hint = kernel.run("%agent cancel").stdout
        assert f"; cancel one with its conversation's name, as in %agent cancel f1 {name}." in hint
        assert kernel.run(f"%agent cancel f1 {name}").stdout.startswith("Cancelled f1 (lasting);")
    assert kernel.run("%agent cancel").stdout == "No run to cancel.\n"
