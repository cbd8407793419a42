"""Real kernels with the extension loaded: one of this environment, one of the oldest supported ipykernel."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from tests.kernels.harness import Cell, Kernel, KernelsAhead, running_kernel
from tests.virtual_environments import python_holding

#: Has a kernel make the package's blocking calls on its loop errors, and write them down.
WATCH = """
from tests.suite.watching import watch
watch({file!r})
del watch
"""

#: Tools of every kind, with times short enough for tests and long enough to be interrupted.
TOOLS = """
%load_ext asyncfc_jupyter

import asyncio, time

RELEASE = False
"""

OFFERED = '''
%%tool --pure --timeout-s 120
async def quick(x: int) -> int:
    """Return x a little later.

    Args:
        x: Anything.
    """
    await asyncio.sleep(0.01)
    return x

async def sleeping(x: int) -> int:
    """Sleep on the loop for a minute."""
    print("sleeping began")
    await asyncio.sleep(60)
    return x

def threaded(x: int) -> int:
    """Wait in a thread until RELEASE is set."""
    print("threaded began")
    while not RELEASE:
        time.sleep(0.005)
    print("threaded ended")
    return x

async def blocking(x: int) -> int:
    """Block the loop for a minute."""
    print("blocking began")
    time.sleep(60)
    return x

async def stubborn(x: int) -> int:
    """Block the loop and swallow every ordinary exception."""
    while True:
        try:
            print("stubborn began")
            time.sleep(60)
        except Exception:
            print("stubborn shrugs")

async def deaf(x: int) -> int:
    """Ignore being cancelled until RELEASE is set."""
    print("deaf began")
    while not RELEASE:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            print("deaf shrugs")
    return x

def talking(x: int) -> int:
    """Print from a thread."""
    print(f"thread says {x}")
    return x

async def whispering(x: int) -> int:
    """Print from the loop."""
    print(f"loop says {x}")
    return x
'''

#: The rehearsal model, as quick as can be.
AGENT = "%%agent --model rehearsal --ttft-ms 20 --tokens-per-s 2000"


@pytest.fixture(scope="module")
def bare_shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteractiveShell]:
    """Return IPython's shell without a kernel, a terminal or a history; a process has one at a time, so it is shared."""
    config = Config({"HistoryManager": {"enabled": False}})
    main = sys.modules["__main__"]
    shell = InteractiveShell.instance(config=config, ipython_dir=str(tmp_path_factory.mktemp("ipython")))
    yield shell
    InteractiveShell.clear_instance()
    # The shell puts its own namespace there, and no process could be spawned from that.
    sys.modules["__main__"] = main


@pytest.fixture(scope="module", params=[pytest.param("new"), pytest.param("old", marks=pytest.mark.old_kernel)])
def python(request: pytest.FixtureRequest) -> Path:
    """Return an interpreter with each supported kind of ipykernel."""
    return Path(sys.executable) if request.param == "new" else python_holding("ipykernel-6.31", "ipykernel==6.31.*")


@pytest.fixture(scope="module")
def kernels(
    request: pytest.FixtureRequest, python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KernelsAhead]:
    """Return fresh kernels for the tests of this module, each started while the test before it runs."""
    homes = (tmp_path_factory.mktemp("kernel") for _ in itertools.count())
    asking = [item for item in request.session.items if item.path == request.path and _asks(item, python)]
    ahead = KernelsAhead(python, homes, len(asking))
    yield ahead
    ahead.close()


def _asks(item: pytest.Item, python: Path) -> bool:
    """Return whether a test takes a fresh kernel of this interpreter."""
    if not isinstance(item, pytest.Function) or "kernel" not in item.fixturenames:
        return False
    on = item.callspec.params.get("python", "new") if hasattr(item, "callspec") else "new"
    return (on == "new") == (python == Path(sys.executable))


@pytest.fixture
def kernel(python: Path, kernels: KernelsAhead) -> Iterator[Kernel]:
    """Return a fresh kernel with the extension loaded and tools to call."""
    with kernels.take() as started, _with_tools(started):
        version = started.value("__import__('ipykernel').__version__")
        assert version.startswith("'6.31.") == (python != Path(sys.executable)), version
        yield started


@pytest.fixture(scope="module")
def kernel_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Return a kernel of this environment for tests that leave nothing behind."""
    with running_kernel(Path(sys.executable), tmp_path_factory.mktemp("kernel")) as started, _with_tools(started):
        yield started


def assert_interactive_and_kept(cell: Cell) -> None:
    """Check that the cell's one output is a picture, for the notebook to save, and that a widget looks for it."""
    (shown,) = cell.displays
    assert set(shown) == {"text/html", "text/plain"}, "beside a widget view the rest of a saved output is not shown"
    assert "data:image/svg+xml;base64," in shown["text/html"]
    assert re.search(r'class="asyncfc-kept-[0-9a-f]{32}"', shown["text/html"])
    assert cell.widgets, "the widget that takes the picture's place"


@contextmanager
def _with_tools(kernel: Kernel) -> Iterator[Kernel]:
    blocked = kernel.home / "blocked.txt"
    for code in (WATCH.format(file=str(blocked)) + TOOLS, OFFERED):
        cell = kernel.run(code)
        assert cell.error is None, cell.traceback
    yield kernel
    if blocked.exists():  # a file, since a kernel that a test leaves busy would not answer
        pytest.fail("the package blocked the kernel's event loop:\n" + blocked.read_text(), pytrace=False)
