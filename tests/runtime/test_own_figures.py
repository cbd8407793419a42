"""pyplot in calls that overlap: each has its own figures, and the process has those that calls leave open."""

import asyncio
import sys
import threading
import types
from collections import OrderedDict
from pathlib import Path

import pytest

from asyncfc_jupyter.runtime.own_figures import FIGURES
from asyncfc_jupyter.runtime.process_state import PROCESS, end_call
from asyncfc_jupyter.runtime.running_call import RunningCall, context_of
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import attempt_at, ended


class Manager:
    """A figure, its canvas and its manager in one."""

    def __init__(self, num):
        self.num = self.number = num
        self.canvas = self.figure = self


class Pyplot:
    """What pyplot does with its figures."""

    def __init__(self):
        self.Gcf = types.SimpleNamespace(figs=OrderedDict())

    def figure(self, num=None):
        figs = self.Gcf.figs
        num = max(figs, default=0) + 1 if num is None else num
        if num not in figs:
            figs[num] = Manager(num)
        figs.move_to_end(num)
        return figs[num]

    def current(self):
        return next(reversed(self.Gcf.figs.values())) if self.Gcf.figs else self.figure()

    def close(self, num):
        del self.Gcf.figs[num]

    def close_all(self):
        self.Gcf.figs.clear()


@pytest.fixture
def plt(monkeypatch):
    """Return a pyplot that is imported already."""
    plt = Pyplot()
    figs = plt.Gcf.figs
    monkeypatch.setitem(sys.modules, "matplotlib._pylab_helpers", plt)
    yield plt
    assert plt.Gcf.figs is figs, "restored after the last call"


def test_the_current_figure_is_that_of_the_call_in_every_order(plt) -> None:
    mine = plt.figure()
    PROCESS.begin()
    contexts = [context_of(RunningCall(name)) for name in "ab"]
    for context in contexts:
        assert context.run(lambda: list(plt.Gcf.figs)) == []
    first, second = (context.run(plt.figure) for context in contexts)
    assert (first.num, second.num, plt.current()) == (1, 1, mine)
    assert [context.run(plt.current) for context in contexts] == [first, second]
    third = contexts[0].run(plt.figure)
    assert [contexts[0].run(plt.current), contexts[1].run(plt.current)] == [third, second]
    contexts[0].run(plt.figure, 1)
    assert contexts[0].run(plt.current) is first
    contexts[0].run(plt.close_all)
    contexts[1].run(plt.close, 1)
    assert [context.run(lambda: list(plt.Gcf.figs)) for context in contexts] == [[], []]
    PROCESS.end()
    assert list(plt.Gcf.figs.values()) == [mine]


def test_figures_that_a_call_leaves_open_join_those_of_the_process(plt) -> None:
    mine = plt.figure()
    PROCESS.begin()
    context = context_of(RunningCall("a"))
    left = [context.run(plt.figure), context.run(plt.figure, 7)]
    context.run(end_call)
    assert plt.Gcf.figs.keys() == {1, 2, 7}
    PROCESS.end()
    assert list(plt.Gcf.figs.values()) == [mine, *left]
    assert [(each.num, each.number) for each in left] == [(2, 2), (7, 7)]


def test_open_figures_are_shown_in_the_call_where_cells_show_them(plt, monkeypatch, capsys) -> None:
    shown = []

    def show():
        shown.extend(plt.Gcf.figs)
        plt.close_all()
        if len(shown) > 1:
            raise ValueError("cannot be drawn")

    monkeypatch.setattr(FIGURES, "show", show)
    PROCESS.begin()
    for number in (1, 2):
        context = context_of(RunningCall("draws", future=f"f{number}"))
        context.run(plt.figure, number)
        context.run(end_call)
    PROCESS.end()
    assert shown == [1, 2]
    assert plt.Gcf.figs == {}
    assert capsys.readouterr().err == "f2 draws: its figures cannot be shown (ValueError: cannot be drawn)\n"


def test_a_pyplot_that_a_call_imports_first_is_kept_apart_too(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "matplotlib"
    package.mkdir()
    (package / "__init__.py").write_text("")
    text = "from collections import OrderedDict\nclass Gcf:\n    figs = OrderedDict()\n"
    (package / "_pylab_helpers.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("matplotlib", "matplotlib._pylab_helpers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    finders = list(sys.meta_path)
    PROCESS.begin()
    contexts = [context_of(RunningCall(name)) for name in "ab"]

    def imports():
        from matplotlib._pylab_helpers import Gcf

        Gcf.figs[1] = Manager(1)
        return Gcf.figs[1]

    one, two = (context.run(imports) for context in contexts)
    assert one is not two
    assert sys.modules["matplotlib._pylab_helpers"].Gcf.figs.keys() == set()
    PROCESS.end()
    assert sys.meta_path == finders
    assert type(sys.modules["matplotlib._pylab_helpers"].Gcf.figs) is OrderedDict
    for name in ("matplotlib", "matplotlib._pylab_helpers"):
        sys.modules.pop(name)


def test_curves_of_two_threads_do_not_mix() -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib, which no other test needs: 100 MB")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    pair = threading.Barrier(2, timeout=20)

    def draws(at: int) -> list[float]:
        """Draw in turns with another call."""
        for number in range(5):
            pair.wait()
            plt.plot([at, at + number])
        pair.wait()
        assert plt.get_fignums() == [1]
        return [float(line.get_ydata()[0]) for line in plt.gca().lines]

    async def main():
        attempts = [attempt_at(make_tool(draws, pure=True), at=at) for at in (10, 20)]
        return [await ended(attempt) for attempt in attempts]

    first, second = asyncio.run(main())
    assert (first.value, second.value) == ([10.0] * 5, [20.0] * 5)
    assert sorted(plt.get_fignums()) == [1, 2]
    plt.close("all")
