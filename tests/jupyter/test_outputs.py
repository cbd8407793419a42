"""What tools put out, in a real kernel: each call's in a fold of its own, in the cell that asked, from every thread."""

from __future__ import annotations

import re
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from asyncfc_jupyter.jupyter.display.output_slots import UPDATES_PER_S
from tests.jupyter.conftest import AGENT, TOOLS
from tests.jupyter.test_without_front_end import in_terminal
from tests.kernels.harness import LIMIT_S, REPOSITORY, Cell, Kernel, environment

pytestmark = pytest.mark.kernel

IMPORTS = """import contextlib, io, queue, sys, threading, warnings
from IPython.display import HTML, SVG, clear_output, display, update_display
from IPython.utils.capture import capture_output
PAIR = threading.Barrier(2, timeout=30)
LEFT = threading.Event()
STEPS, DONE = queue.Queue(), queue.Queue()"""
TALKERS = '''%%tool --pure
def chat(name: str) -> str:
    """Print in turns with another call, so that the lines of the two alternate."""
    for number in range(20):
        PAIR.wait()
        print(name, number)
    return name

async def murmur(name: str) -> str:
    """Print on the loop, in turns with another."""
    for number in range(20):
        print(name, number)
        await asyncio.sleep(0)
    return name

def everything(x: int) -> int:
    """Print to both streams, warn and display, in a thread."""
    print("out <b>bold</b>")
    print("err", file=sys.stderr)
    warnings.warn("careful <script>")
    display(HTML("<i>shown</i>"))
    return x

async def boom(x: int) -> int:
    """Fail on the loop, two functions deep."""
    def deep():
        raise ValueError("no <b>luck</b>\\nand a second line")
    print("before the failure")
    deep()

def boom_in_thread(x: int) -> int:
    """Fail in a thread, because of something else."""
    try:
        {}["missing"]
    except KeyError as error:
        raise RuntimeError("outer") from error

def draws(x: int) -> int:
    """Display pictures."""
    for at in range(x):
        display(SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="{at + 1}" height="1"></svg>'))
    return x

async def late(x: int) -> int:
    """Display after others have."""
    await asyncio.sleep(0.3)
    display(HTML("<i>last</i>"))
    return x

def first_last(x: int) -> int:
    """Wait until another has printed, then print."""
    LEFT.wait(30)
    print("the first future, late")
    return x

def second(x: int) -> int:
    """Print at once."""
    print("the second future, early")
    LEFT.set()
    return x

def updates(x: int) -> int:
    """Change what it displayed, and start over."""
    display(HTML("gone"))
    print("gone too")
    clear_output()
    handle = display(HTML("old"), display_id="own")
    print("stays")
    handle.update(HTML("new"))
    return x

def flood(lines: int) -> int:
    """Print a lot."""
    for number in range(lines):
        print("line", number)
    return lines

def coloured(x: int) -> int:
    """Print what steers a terminal."""
    print("\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07\\x00end")
    for number in range(5):
        print(f"\\r{number} of 4", end="", file=sys.stderr)
    return x

def captures(name: str) -> str:
    """Capture what a library shows, in turns with another call that does the same."""
    with capture_output() as outer:
        PAIR.wait()
        with capture_output() as inner:
            print("inner", name)
        print("outer", name)
        display(HTML(name))
        PAIR.wait()
    print("not captured", name)
    PAIR.wait()
    return f"{outer.stdout}{inner.stdout}{[each.data['text/html'] for each in outer.outputs]}"

def steps(name: str) -> str:
    """Print, display and redirect while cells run, once in each."""
    for number in range(3):
        STEPS.get(timeout=30)
        with contextlib.redirect_stdout(io.StringIO()) as own:
            print("for itself")
        print(name, number, own.getvalue(), end="")
        display(HTML(f"{name} {number}"))
        DONE.put(number)
    return name

def silent(x: int) -> int:
    """Put out nothing."""
    return x
'''
FAR = '''%%tool --pure --run-in process
def far(x: int) -> int:
    """Print and fail in another process."""
    print("from afar")
    return 1 // x
'''


@pytest.fixture(scope="module")
def talking(kernel_of_module: Kernel) -> Kernel:
    """Return a kernel with tools that put out something."""
    for code in (IMPORTS, TALKERS, FAR):
        cell = kernel_of_module.run(code)
        assert cell.error is None, cell.traceback
    return kernel_of_module


@pytest.fixture
def kernel(talking: Kernel) -> Kernel:
    """Return the kernel with nothing said yet."""
    talking.run("%agent reset\nLEFT.clear()")
    return talking


def ask(kernel: Kernel, *plan: str, options: str = "") -> Cell:
    cell = kernel.run("\n".join([f"{AGENT} {options}".rstrip(), *plan]))
    assert cell.status == "ok", cell.traceback
    return cell


def folds(cell: Cell) -> list[str]:
    """Return what stands between the timeline and the answer, as text."""
    return [bundle["text/plain"] for bundle in cell.displays[1:-1]]


def test_calls_that_print_in_parallel_threads_have_a_fold_each(kernel: Kernel) -> None:
    """The streams of the cell get nothing."""
    cell = ask(kernel, "a = chat(name='one')", "b = chat(name='two')", "", "f'{a} {b}'")
    lines = {name: "".join(f"\n  {name} {number}" for number in range(20)) for name in ("one", "two")}
    assert folds(cell) == [f"f1 chat - 20 lines{lines['one']}", f"f2 chat - 20 lines{lines['two']}"]
    assert (cell.stdout, cell.stderr) == ("", "")
    assert kernel.value("_agent.futures['f2'].printed") == repr("".join(f"two {n}\n" for n in range(20)))


def test_calls_on_the_loop_are_kept_apart_too(kernel: Kernel) -> None:
    cell = ask(kernel, "a = murmur(name='one')", "b = murmur(name='two')", "", "f'{a} {b}'")
    assert [set(re.findall("one|two", fold)) for fold in folds(cell)] == [{"one"}, {"two"}]
    assert [fold.count("\n") for fold in folds(cell)] == [20, 20]


def test_streams_warnings_and_displays_are_shown_under_their_call(kernel: Kernel) -> None:
    """A silent call has no fold."""
    cell = ask(kernel, "s = silent(x=1)", "a = everything(x=1)", "", "f'{a} {s}'")
    heading, shown = cell.displays[1:-1]
    assert heading["text/plain"].startswith("f2 everything - 4 lines, 1 display\n  out <b>bold</b>\n  err\n")
    assert "UserWarning: careful <script>" in heading["text/plain"]
    assert "out &lt;b&gt;bold&lt;/b&gt;" in heading["text/html"]
    assert "<script>" not in heading["text/html"]
    assert heading["text/html"].startswith("<details ")
    assert shown == {"text/html": "<i>shown</i>", "text/plain": "<IPython.core.display.HTML object>"}
    assert (cell.stdout, cell.stderr) == ("", "")


def test_folds_are_in_the_order_of_futures_with_their_displays_below(kernel: Kernel) -> None:
    cell = ask(kernel, "l = late(x=1)", "d = draws(x=3)", "", "f'{l} {d}'")
    kinds = [bundle.get("image/svg+xml") or bundle["text/plain"] for bundle in cell.displays[1:]]
    assert kinds[0] == "f1 late - 1 display"
    assert cell.displays[2]["text/html"] == "<i>last</i>"
    assert kinds[2] == "f2 draws - 3 displays"
    assert [f'width="{at + 1}"' in kinds[3 + at] for at in range(3)] == [True] * 3
    assert kinds[6] == "1 3"


def test_the_fold_of_a_later_future_moves_down_when_an_earlier_one_prints(kernel: Kernel) -> None:
    cell = ask(kernel, "a = first_last(x=1)", "b = second(x=2)", "", "f'{a} {b}'")
    assert folds(cell) == [
        "f1 first_last - 1 line\n  the first future, late",
        "f2 second - 1 line\n  the second future, early",
    ]


def test_a_traceback_shows_the_users_frames_and_the_model_gets_one_line(kernel: Kernel) -> None:
    cell = ask(kernel, "a = boom(x=1)", "b = boom_in_thread(x=2)", "", "f'{a} {b}'")
    first, second = folds(cell)
    assert first.startswith("f1 boom - 1 line, error\n  before the failure\n")
    assert re.search(r"Cell In\[\d+\], line \d+, in boom\(x\)", first)
    assert 'raise ValueError("no <b>luck</b>' in first
    assert first.endswith("ValueError: no <b>luck</b>\n  and a second line")
    assert "direct cause" in second
    assert "KeyError: 'missing'" in second
    assert second.endswith("RuntimeError: outer")
    assert "asyncfc_jupyter" not in first + second
    assert "no &lt;b&gt;luck&lt;/b&gt;" in cell.displays[1]["text/html"]
    sent = kernel.value("[m['content'] for m in _agent.conversation.messages if m['role'] == 'tool']")
    assert "ValueError: no <b>luck</b> and a second line" in sent
    assert "Traceback" not in sent
    assert "Cell In" not in sent


def test_another_process_sends_what_it_printed_and_where_it_failed(kernel: Kernel) -> None:
    cell = ask(kernel, "a = far(x=0)", "", "f'{a}'")
    (fold,) = folds(cell)
    assert fold.startswith("f1 far - 1 line, error\n  from afar\n")
    assert re.search(r"In its own process, most recent call last:\n.*, line \d+, in far", fold)
    assert cell.stdout == ""


def test_a_call_may_change_and_clear_its_own_output_and_nothing_else(kernel: Kernel) -> None:
    cell = ask(kernel, "d = draws(x=1)", "a = updates(x=1)", "", "f'{a} {d}'")
    assert [fold.split("\n") for fold in folds(cell)[2:3]] == [["f2 updates - 1 line, 1 display", "  stays"]]
    assert cell.displays[-2]["text/html"] == "new"
    assert "data:image/svg+xml" in cell.displays[0]["text/html"]
    assert "clear_output" not in cell.types
    kernel.run("update_display(HTML('newer'), display_id='own')")
    assert kernel.value("_agent.futures['f2'].printed") == repr("gone too\nstays\n")


def test_a_flood_is_cut_in_its_fold_which_says_where_the_whole_is(kernel: Kernel) -> None:
    began_s = time.monotonic()
    cell = ask(kernel, "a = flood(lines=50000)", "", "f'{a}'", options="--out mine")
    took_s = time.monotonic() - began_s
    (fold,) = folds(cell)
    assert fold.startswith("f1 flood - 50,000 lines\n  line 0\n  line 1\n")
    assert fold.endswith("line 49999")
    assert re.search(r'\n  \[\d{3},\d{3} characters left out; all of it is in mine\.futures\["f1"\]\.printed\]\n', fold)
    assert len(cell.displays[1]["text/html"]) < 30_000
    assert kernel.value("mine.futures['f1'].printed == ''.join(f'line {n}\\n' for n in range(50000))") == "True"
    kinds = [kind for kind in cell.types if "display" in kind]
    # The first showings of the outputs; and, however long a busy machine takes to print all that, two outputs at each update.
    assert len(kinds) < 20 + 2 * took_s * UPDATES_PER_S


def test_terminal_codes_are_hidden_and_a_progress_bar_shows_its_last_state(kernel: Kernel) -> None:
    cell = ask(kernel, "a = coloured(x=1)", "", "f'{a}'")
    assert folds(cell) == ["f1 coloured - 2 lines\n  red  end\n  4 of 4"]
    assert "\x1b" not in str(cell.displays)


def test_runs_that_are_compared_keep_their_folds_one_run_after_the_other(kernel: Kernel) -> None:
    cell = ask(kernel, "a = second(x=1)", "", "f'{a}'", options="--compare sequential async")
    assert [fold.split(" - ")[0] for fold in folds(cell)] == ["f1 second", "f1 second"]


def test_two_runs_in_the_background_show_output_in_their_own_cells(kernel: Kernel) -> None:
    cells = [kernel.run(f"{AGENT} --background --out run{n}\na = chat(name='{n}')\nawait a\nf'{{a}}'") for n in (1, 2)]
    done = kernel.run("await run1; await run2; print('done')")
    assert done.text.endswith("done\n")
    shown = [lambda cell=cell: [bundle["text/plain"] for bundle in cell.displays] for cell in cells]
    for number in (1, 2):
        expected = "f1 chat - 20 lines" + "".join(f"\n  {number} {line}" for line in range(20))
        kernel.wait(lambda expected=expected, number=number: expected in shown[number - 1](), "the fold of a run")
        assert cells[number - 1].stdout == ""


def test_calls_that_capture_prints_and_displays_have_their_own(kernel: Kernel) -> None:
    """Of two that overlap, neither has the other's, and the cells after them are shown."""
    cell = ask(kernel, "a = captures(name='a')", "b = captures(name='b')", "", "f'{a} {b}'")
    assert folds(cell) == [f"f{n} captures - 1 line\n  not captured {name}" for n, name in ((1, "a"), (2, "b"))]
    for future, name in (("f1", "a"), ("f2", "b")):
        captured = f"outer {name}\ninner {name}\n['{name}']"
        assert kernel.value(f"_agent.futures[{future!r}].result()") == repr(captured)
    after = kernel.run("print('printed'); display(HTML('displayed'))\n1 + 1")
    assert after.stdout == "printed\n"
    assert [bundle.get("text/html", bundle["text/plain"]) for bundle in after.displays] == ["displayed", "2"]


def test_cells_that_capture_do_not_disturb_a_run_in_the_background(kernel: Kernel) -> None:
    cell = kernel.run(f"{AGENT} --background --out mine\na = steps(name='tool')\nawait a\nf'{{a}}'")
    one_step = "STEPS.put(1); print('cell'); display(HTML('cell')); done = DONE.get(timeout=30)"
    for code in (
        f"%%capture captured\n{one_step}",
        f"with contextlib.redirect_stdout(io.StringIO()) as buffer:\n    {one_step}",
    ):
        assert kernel.run(code).status == "ok"
    plain = kernel.run(one_step)
    assert kernel.run("answer = (await mine).answer").status == "ok"
    kernel.wait(lambda: "data:image" in cell.displays[0].get("text/html", ""), "the picture at the end of the run")
    printed = "".join(f"\n  tool {number} for itself" for number in range(3))
    assert cell.displays[1]["text/plain"] == f"f1 steps - 3 lines, 3 displays{printed}"
    shown = [bundle.get("text/html", "") for bundle in cell.displays]
    assert [html for html in shown if html.startswith("tool")] == ["tool 0", "tool 1", "tool 2"]
    captured = kernel.value("captured.stdout, [each.data['text/html'] for each in captured.outputs], buffer.getvalue()")
    assert captured == r"('cell\n', ['cell'], 'cell\n')"
    assert plain.stdout == "cell\n"


PLOTS = '''%%tool --pure
import matplotlib.pyplot as plt
import matplotlib_inline

def plots(title: str) -> str:
    """Draw in turns with another call, and show nothing."""
    for number in range(3):
        PAIR.wait()
        plt.plot([number])
    plt.title(title)
    return f"{len(plt.gca().lines)} {plt.get_fignums()}"
'''


def test_figures_are_shown_with_the_call_that_draws_them(kernel: Kernel) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib, which no other test needs: 100 MB")
    kernel.run(f"sys.path.append({str(Path(matplotlib.__file__).parents[1])!r})")
    assert kernel.run(PLOTS).error is None
    cell = ask(kernel, "a = plots(title='a')", "b = plots(title='b')", "", "f'{a} {b}'")
    assert kernel.value("[each.result() for each in _agent.futures.values()]") == "['3 [1]', '3 [1]']"
    heads = [bundle["text/plain"] for bundle in cell.displays[1:-1]]
    assert heads[::2] == ["f1 plots - 1 display", "f2 plots - 1 display"]
    assert ["image/png" in bundle for bundle in cell.displays[1:-1]] == [False, True, False, True]
    assert kernel.value("plt.get_fignums()") == "[]"


def test_a_run_in_a_captured_cell_leaves_later_runs_as_they_are(kernel: Kernel) -> None:
    magic = AGENT.removeprefix("%%agent ")
    inner = f"get_ipython().run_cell_magic('agent', {magic!r}, 'a = updates(x=1)')"
    captured = kernel.run(f"%%capture captured\n{inner}")
    assert (captured.status, captured.displays) == ("ok", [])
    own = kernel.run("shown = display(HTML('first'), display_id='own')")
    cell = ask(kernel, "b = updates(x=2)", "", "f'{b}'")
    assert cell.displays[-2]["text/html"] == "new"
    assert own.displays[0]["text/html"] == "new", "an update of the call reaches the display of an earlier cell"


def test_a_future_displays_its_state_and_its_result_as_the_kernel_would(kernel: Kernel) -> None:
    kernel.run('%%tool --pure\ndef chart(x: int) -> object:\n    """Chart."""\n    return SVG("<svg/>")\n')
    ask(kernel, "a = chart(x=1)", "b = boom(x=1)", "", "f'{b}'")
    head, figure = kernel.run("display(_agent.futures['f1'])").displays
    assert (head["text/plain"], figure["image/svg+xml"]) == ("<Future f1 chart: done: SVG>", "<svg/>")
    (failed,) = kernel.run("_agent.futures['f2']").displays
    assert "failed: ValueError: no &lt;b&gt;luck&lt;/b&gt;" in failed["text/html"]
    assert kernel.run("display(_agent.futures['f1'].result())").displays[0]["image/svg+xml"] == "<svg/>"


def test_unloading_leaves_the_publisher_as_it_was(kernel: Kernel) -> None:
    own = "'publish' in vars(get_ipython().display_pub)"
    assert kernel.value(own) == "True"
    kernel.run("%unload_ext asyncfc_jupyter")
    assert kernel.value(own) == "False"
    kernel.run("%load_ext asyncfc_jupyter")
    for code in (TALKERS, FAR):
        assert kernel.run(code).error is None


def test_a_program_that_runs_a_notebook_keeps_folds_that_need_no_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    plan = f"{AGENT}\na = everything(x=1)\nb = boom(x=1)\n\nf'{{a}} {{b}}'"
    cells = [nbformat.v4.new_code_cell(code.strip()) for code in (TOOLS, IMPORTS, TALKERS, plan)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    resources = {"metadata": {"path": str(REPOSITORY)}}
    NotebookClient(notebook, timeout=LIMIT_S, kernel_name="python3", resources=resources).execute()
    outputs = notebook.cells[-1].outputs
    assert [output["output_type"] for output in outputs] == ["display_data"] * 5
    assert [output["data"]["text/plain"].split("\n")[0] for output in outputs[1:4]] == [
        "f1 everything - 4 lines, 1 display",
        "<IPython.core.display.HTML object>",
        "f2 boom - 1 line, error",
    ]
    exported, _ = HTMLExporter().from_notebook_node(notebook)
    assert exported.count('<details class="asyncfc-fold') == 2
    assert "careful &lt;script&gt;" in exported


def test_a_terminal_prints_the_output_of_a_call_at_its_end(tmp_path: Path) -> None:
    plan = f"{AGENT}\na = chat(name='one')\nb = chat(name='two')\nc = boom(x=1)\n\nf'{{a}} {{b}} {{c}}'"
    out = in_terminal(tmp_path, TOOLS, IMPORTS, TALKERS, plan).stdout
    for future, name in (("f1", "one"), ("f2", "two")):
        assert f"{future} chat - 20 lines\n" + "".join(f"  {name} {number}\n" for number in range(20)) in out
    assert re.search(r"f3 boom - 1 line, error\n  before the failure\n(  .*\n|\n)*  ValueError: no <b>luck</b>\n", out)


HOSTILE = """
import asyncio
RAISED = [SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit]

class Odd:
    def __init__(self, error):
        self._error = error
    def _repr_html_(self):
        raise self._error("html")
    __repr__ = __len__ = __str__ = _repr_html_

class OddError(Exception):
    def __str__(self):
        raise SystemExit("text")
    __cause__ = property(__str__)
"""
RETURNING = '''%%tool --pure
def odd(n: int):
    """Return an object that raises when it is shown."""
    return Odd(RAISED[n])

def fails(n: int):
    """Raise an exception that raises when it is shown."""
    raise OddError("why")

async def kills(n: int):
    """Raise on the loop."""
    raise RAISED[n]("kill")

def shows(n: int):
    """Display an object that raises."""
    display(Odd(RAISED[n]))
'''


def test_a_cell_shows_what_it_can_of_objects_that_raise_when_shown(kernel: Kernel) -> None:
    for cell in ("from IPython.display import display", HOSTILE, RETURNING):
        assert kernel.run(cell).status == "ok"
    for number in range(4):
        plan = "\n".join(f"{tool[0]} = {tool}(n={number})" for tool in ("odd", "fails", "kills", "shows"))
        kernel.run("%agent reset")
        cell = kernel.run(f"{AGENT}\n{plan}\n\n'done'")
        assert cell.status == "ok", cell.traceback
        assert str(cell.displays[-1]["text/plain"]).endswith("done")
        assert kernel.value("[str(each.state) for each in _agent.futures.values()]") == str(["done", *["failed"] * 3])
        assert "the result cannot be shown: its own code raised" in kernel.run('_agent.futures["f1"]').text
        failed = kernel.run('_agent.futures["f2"].result()')
        assert "ToolFailed: f2 (fails) failed: OddError: its text raised SystemExit" in failed.traceback
        assert kernel.run("print('lives')").stdout == "lives\n"
