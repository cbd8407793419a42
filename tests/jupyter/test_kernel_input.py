"""Tools that ask by ``input`` in real kernels: each gets its own answer, and a question ends with its call."""

from __future__ import annotations

import re

import pytest

from tests.jupyter.conftest import AGENT
from tests.kernels.harness import Cell, Kernel

pytestmark = pytest.mark.kernel

ASKS = '''
%%tool --pure
from getpass import getpass

def ask(question: str) -> str:
    """Ask in a thread."""
    return input(question)

def ask_secret(question: str) -> str:
    """Ask for a secret in a thread."""
    return getpass(question)

async def ask_on_loop(question: str) -> str:
    """Ask on the loop."""
    return input(question)
'''
HURRIES = '''
%%tool --pure --timeout-s 0.2
def hurries(question: str) -> str:
    """Ask, with little time for the answer."""
    return input(question)
'''


@pytest.fixture
def asking(kernel: Kernel) -> Kernel:
    """Return a kernel with tools that ask."""
    for code in (ASKS, HURRIES):
        cell = kernel.run(code)
        assert cell.error is None, cell.traceback
    return kernel


def end(kernel: Kernel, cell: Cell) -> Cell:
    kernel.wait(lambda: cell.ended, "the end of the cell")
    return cell


def results(kernel: Kernel) -> str:
    return kernel.value("[future.result() for future in _agent.futures.values()]")


def test_overlapping_questions_get_their_own_answers(asking: Kernel) -> None:
    tools = ("ask", "ask", "ask_secret", "ask_on_loop")
    plan = [f"{name} = {tool}(question='{name}?')" for name, tool in zip("abcd", tools, strict=True)]
    cell = end(asking, asking.send("\n".join([AGENT, *plan, "", "f'{a} {b} {c} {d}'"]), answers=["1", "2", "3", "4"]))
    assert cell.error is None, cell.traceback
    assert sorted(cell.prompts) == ["a?", "b?", "c?", "d?"]
    typed = {prompt: str(at) for at, prompt in enumerate(cell.prompts, 1)}
    assert results(asking) == repr([typed[prompt] for prompt in ("a?", "b?", "c?", "d?")])
    folds = [bundle["text/plain"] for bundle in cell.displays[1:-1]]
    assert folds == [
        f"f{n} {tool} - 1 line\n  {name}?" for n, (name, tool) in enumerate(zip("abcd", tools, strict=True), 1)
    ]


def test_questions_in_the_same_words_name_their_call(asking: Kernel) -> None:
    plan = ["a = ask(question='Name? ')", "b = ask_secret(question='Name? ')", "", "f'{a} {b}'"]
    cell = end(asking, asking.send("\n".join([AGENT, *plan]), answers=["1", "2"]))
    assert cell.error is None, cell.traceback
    assert len(cell.prompts) == 2
    assert all(re.fullmatch(r"((f1 ask|f2 ask_secret): )?Name\? ", prompt) for prompt in cell.prompts)


def test_an_interrupt_withdraws_the_question_of_a_thread(asking: Kernel) -> None:
    """The next question is asked at once, and its answer is not taken by the thread that asked before."""
    cell = asking.send("\n".join([AGENT, "a = ask(question='never answered? ')", "", "f'{a}'"]), answers=[])
    asking.wait(lambda: cell.prompts == ["never answered? "], "the question")
    asking.interrupt()
    end(asking, cell)
    assert cell.traceback.startswith("AgentInterrupted")
    after = end(asking, asking.send("print('got', input('next? '))", answers=["fine"]))
    assert (after.stdout, after.prompts) == ("got fine\n", ["next? "])


def test_an_interrupt_ends_a_tool_that_asks_on_the_loop(asking: Kernel) -> None:
    cell = asking.send("\n".join([AGENT, "a = ask_on_loop(question='well? ')", "", "f'{a}'"]), answers=[])
    asking.wait(lambda: cell.prompts == ["well? "], "the question")
    asking.interrupt()
    end(asking, cell)
    assert cell.traceback.startswith("AgentInterrupted")
    after = end(asking, asking.send("print('got', input('next? '))", answers=["fine"]))
    assert after.stdout == "got fine\n"


def test_a_question_ends_with_the_time_of_its_call(asking: Kernel) -> None:
    plan = ["a = hurries(question='quick? ')", "", "f'{a}'"]
    cell = end(asking, asking.send("\n".join([AGENT, *plan]), answers=[]))
    assert cell.prompts == ["quick? "]
    assert "hurries took longer than 0.2 s." in cell.text
    after = end(asking, asking.send("print('got', input('next? '))", answers=["fine"]))
    assert after.stdout == "got fine\n"


def test_an_interrupt_of_the_users_own_question_is_a_keyboard_interrupt(asking: Kernel) -> None:
    cell = asking.send("input('mine? ')", answers=[])
    asking.wait(lambda: cell.prompts == ["mine? "], "the question")
    asking.interrupt()
    end(asking, cell)
    assert cell.traceback.endswith("KeyboardInterrupt: Interrupted by user")


def test_unloading_leaves_the_kernels_own_question(asking: Kernel) -> None:
    own = "'_input_request' in vars(get_ipython().kernel)"
    assert asking.value(own) == "True"
    asking.run("%unload_ext asyncfc_jupyter")
    assert asking.value(own) == "False"
    cell = end(asking, asking.send("print('got', input('plain? '))", answers=["fine"]))
    assert cell.stdout == "got fine\n"
