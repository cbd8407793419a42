"""The Tab key and the question mark after the magics, as a front end asks a real kernel for them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from asyncfc_jupyter.jupyter.commands import table
from asyncfc_jupyter.jupyter.magics import AgentMagics
from asyncfc_jupyter.jupyter.settings.table import FORMATS, MODES
from tests.jupyter.conftest import AGENT
from tests.kernels.harness import Kernel, environment

pytestmark = pytest.mark.kernel

RUN = f"{AGENT} --out mine --conversation trip\na = quick(x=1)\nb = quick(x=a)\n\n'done'"


@pytest.fixture(scope="module")
def python() -> Path:
    """Completion depends on IPython only, so one ipykernel is enough."""
    return Path(sys.executable)


@pytest.fixture
def used(kernel: Kernel) -> Kernel:
    """Return a kernel with a run, a conversation beside the main one, and an alias."""
    assert kernel.run(RUN).error is None
    assert kernel.run("%agent alias small=gpt-6-luna").error is None
    return kernel


def every_flag(parser: object) -> list[str]:
    known = parser._option_string_actions  # type: ignore[attr-defined]
    return [flag for flag in known if flag.startswith("--") and flag != "--help"]


def test_options_of_both_cell_magics_are_offered_in_their_order(kernel: Kernel) -> None:
    assert kernel.complete("%%agent |\nhello") == [f"%%agent {flag}" for flag in every_flag(AgentMagics.agent.parser)]
    assert kernel.complete("%%tool --|\ndef f(): ...") == [
        f"%%tool {flag}" for flag in every_flag(AgentMagics.tool.parser)
    ]
    assert kernel.complete("%%agent --mo|") == ["%%agent --model", "%%agent --mode"]
    assert kernel.complete("# a comment\n%%agent --model m --mo|del") == ["%%agent --model m --mode"]


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("%%agent --mode |", [f"%%agent --mode {mode}" for mode in MODES]),
        ("%%agent --mode=as|", ["%%agent --mode=async"]),
        ("%%agent --compare batch a|", ["%%agent --compare batch async"]),
        ("%%agent --compare batch,a|", ["%%agent --compare batch,async"]),
        ("%%agent -f |", [f"%%agent -f {form}" for form in FORMATS]),
        ("%%agent --format js|", ["%%agent --format json"]),
        ("%%agent --api n|", ["%%agent --api native"]),
        ("%%agent --server ol|", ["%%agent --server ollama"]),
        ("%%agent --speed i|", ["%%agent --speed instant"]),
        ("%%agent --model |", ["%%agent --model rehearsal", "%%agent --model small"]),
        ("%%agent --tools q|", ["%%agent --tools quick"]),
        ("%%agent --tools quick,dea|", ["%%agent --tools quick,deaf"]),
        ("%%agent --conversation t|", ["%%agent --conversation trip"]),
        ("%%agent --out m|", ["%%agent --out mine"]),
        ("%%agent --file not|", ["%%agent --file notes/"]),
        ("%%agent --file notes/|", ["%%agent --file notes/b.txt"]),
        ("%%tool --run-in t|", ["%%tool --run-in thread"]),
        ("%%tool --writes o|", ["%%tool --writes orders/{order_id}"]),
        ("%agent wh|", ["%agent why"]),
        ("%agent tools p|", ["%agent tools pay"]),
        ("%agent model small --server=v|", ["%agent model small --server=vllm"]),
        ("%agent why |", ["%agent why f1", "%agent why f2"]),
        ("%agent why f|", ["%agent why f1", "%agent why f2"]),
        ("%agent why $f|", ["%agent why $f1", "%agent why $f2"]),
        ("%agent cancel f1 t|", ["%agent cancel f1 trip"]),
        ("%agent cancel |", [f"%agent cancel {name}" for name in ("f1", "f2", "main", "trip")]),
        ("%agent history |", ["%agent history main", "%agent history trip"]),
        ("%agent prompt t|", ["%agent prompt trip"]),
        ("%agent fork new t|", ["%agent fork new trip"]),
        ("%agent timeline |", ["%agent timeline mine"]),
        ("%agent compare mine |", []),
        ("%agent model s|", ["%agent model small"]),
        ("%agent model small --s|", ["%agent model small --server"]),
        ("%agent model small --server v|", ["%agent model small --server vllm"]),
        ("%agent doctor small --f|", ["%agent doctor small --fresh"]),
        ("%agent alias s|", ["%agent alias small="]),
        ("%agent import no|", ["%agent import notes/"]),
        ("x = 1\n%agent res|", ["%agent reset"]),
    ],
)
def test_values_commands_and_what_they_act_on_are_offered(used_module: Kernel, code: str, lines: list[str]) -> None:
    found = used_module.complete(code)
    assert found == lines or (not lines and not any("mine" in each.split()[-1] for each in found))


@pytest.fixture(scope="module")
def used_module(kernel_of_module: Kernel) -> Kernel:
    """Return a kernel with a run, conversations, an alias, a path that a tool writes, and a file."""
    declared = '%%tool --writes orders/{order_id}\ndef pay(order_id: str) -> int:\n    """Pay."""\n    return 1'
    files = "from pathlib import Path\nPath('notes').mkdir()\n_ = Path('notes/b.txt').write_text('hello')"
    for code in (declared, files, "%agent alias small=gpt-6-luna", RUN):
        cell = kernel_of_module.run(code)
        assert cell.error is None, cell.traceback
    return kernel_of_module


def test_every_command_is_offered_and_is_in_the_help(kernel: Kernel) -> None:
    assert sorted(kernel.complete("%agent |")) == sorted(f"%agent {command}" for command in table.COMMANDS)
    text = kernel.help("%agent")
    for command, each in table.COMMANDS.items():
        assert f"%agent {command} {each.usage}".rstrip() in text


def test_the_prompt_and_python_are_completed_as_ever(kernel: Kernel) -> None:
    kernel.run("flights = {'Lisbon': 1}")
    assert "x = flights" in kernel.complete("x = flig|")
    assert not any("--" in each for each in kernel.complete("%%agent --model m\nhello |"))
    assert not any("--" in each for each in kernel.complete("%%time |"))


def test_before_the_first_cell_the_engine_is_not_loaded_for_a_press_of_tab(tmp_path: Path) -> None:
    program = """
import sys
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "asyncfc_jupyter")
with provisionalcompleter():
    for code in ("%agent ", "%%agent --conversation ", "%%agent --model ", "%%agent --server "):
        print([each.text for each in shell.Completer.completions(code, len(code))])
print([name for name in ("openai", "pydantic", "asyncfc_jupyter.agent") if name in sys.modules])
"""
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=True)
    commands, conversations, models, servers, loaded = map(ast.literal_eval, ran.stdout.splitlines())
    assert commands[:2] == ["status", "prompt"]
    assert (conversations, models, servers[:2], loaded) == (["main"], ["rehearsal"], ["openai", "ollama"], [])


def test_a_file_of_aliases_that_cannot_be_read_costs_only_the_aliases(used: Kernel) -> None:
    used.run("from asyncfc_jupyter.models.aliases import alias_file\n_ = alias_file().write_text('{')")
    assert used.complete("%%agent --model |") == ["%%agent --model rehearsal"]


def test_unloading_removes_completions_and_reloading_does_not_double_them(kernel: Kernel) -> None:
    matchers = "sum(1 for each in get_ipython().Completer.custom_matchers if 'asyncfc' in str(each.matcher_identifier))"
    kernel.run("%reload_ext asyncfc_jupyter")
    assert kernel.value(matchers) == "1"
    kernel.run("%unload_ext asyncfc_jupyter")
    assert kernel.value(matchers) == "0"


def test_help_names_every_option_and_what_becomes_of_braces(kernel: Kernel) -> None:
    for name, parser in (("%%agent", AgentMagics.agent.parser), ("%%tool", AgentMagics.tool.parser)):
        text = kernel.help(name)
        assert f"{name} [--" in text
        for flag in every_flag(parser):
            assert flag in text
    text = kernel.help("%%agent")
    assert "Every {expression} is replaced by its value before anything is sent" in text
    assert "rehearsal model the lines are a plan, whose braces are left alone" in " ".join(text.split())
    assert '_agent.futures["f1"].result()' in text


def test_an_unknown_command_names_the_nearest(kernel: Kernel) -> None:
    assert "there is no command 'promt'; did you mean prompt?" in kernel.run("%agent promt").traceback
