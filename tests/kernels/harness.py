"""A real kernel and the messages to its front end, with a hard limit on every wait.

A cell that is sent is followed by its message id: every message on IOPub names the cell it belongs to, so the outputs
of cells that run, wait or have ended long ago are kept apart just as a front end keeps them apart.
"""

from __future__ import annotations

import os
import queue
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager

from tests.suite.leftovers import lasting

REPOSITORY = Path(__file__).resolve().parents[2]
#: Far above what any cell of the tests takes on a busy machine, and the end of a test that hangs.
LIMIT_S = 60.0
#: Seconds that a user needs to press a button after seeing something.
_HAND_S = 0.15

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Cell:
    """One cell that was sent, and its messages so far."""

    msg_id: str
    status: str = "sent"
    #: MIME bundles after all display updates, in order of appearance.
    displays: list[dict[str, Any]] = field(default_factory=list)
    stdout: str = ""
    stderr: str = ""
    error: dict[str, Any] | None = None
    #: Message types in order, for tests on traffic.
    types: list[str] = field(default_factory=list)
    #: The kernel's prompts for input, and the ids of the widgets that the cell made.
    prompts: list[str] = field(default_factory=list)
    widgets: list[str] = field(default_factory=list)
    #: Requests to the front end besides outputs, such as to add a cell.
    payload: list[dict[str, Any]] = field(default_factory=list)
    #: The user's inputs, in order; None if the front end takes no input.
    answers: list[str] | None = None

    @property
    def text(self) -> str:
        """All text that the cell shows, on its stream and in its outputs: what tools print is in an output for each call."""
        return self.stdout + "\n".join(str(bundle.get("text/plain", "")) for bundle in self.displays)

    @property
    def traceback(self) -> str:
        """The error as a front end shows it, without colours."""
        return _COLOUR.sub("", "\n".join(self.error["traceback"])) if self.error else ""

    @property
    def ended(self) -> bool:
        """Whether the kernel has answered the request and gone idle again."""
        return self.status in {"ok", "error", "aborted"} and "idle" in self.types


class SpecFor(KernelSpecManager):
    """Knows only the kernel of a given interpreter."""

    python: str = ""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [self.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="under test", language="python", interrupt_mode="signal")


class Kernel:
    """Sends cells and collects their outputs."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient, home: Path) -> None:
        self._manager, self._client = manager, client
        #: The directory in which it was started and writes its files.
        self.home = home
        self._cells: dict[str, Cell] = {}
        self._by_display: dict[str, dict[str, Any]] = {}
        self._replies: dict[str, dict[str, Any]] = {}
        #: The kind and the content of every message from the kernel.
        self.received: list[tuple[str, dict[str, Any]]] = []

    def send(self, code: str, *, cell_id: str | None = None, answers: list[str] | None = None) -> Cell:
        """Send a cell and return at once.

        Args:
            code: The cell.
            cell_id: The id that a front end gives its cells.
            answers: The user's inputs; None means that the front end takes no input.
        """
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        content["allow_stdin"] = answers is not None
        message = self._client.session.msg("execute_request", {**content, "stop_on_error": True})
        message["metadata"] = {"cellId": cell_id} if cell_id else {}
        self._client.shell_channel.send(message)
        cell = self._cells[message["header"]["msg_id"]] = Cell(message["header"]["msg_id"], answers=answers)
        return cell

    def run(self, code: str, *, cell_id: str | None = None) -> Cell:
        """Send a cell and wait for its end."""
        cell = self.send(code, cell_id=cell_id)
        self.wait(lambda: cell.ended, f"the end of {code!r}")
        return cell

    def press(self, widget: str, content: dict[str, Any]) -> None:
        """Send a widget's custom message, as a button in the page does."""
        data = {"comm_id": widget, "data": {"method": "custom", "content": content}}
        self._client.shell_channel.send(self._client.session.msg("comm_msg", data))

    def complete(self, code: str) -> list[str]:
        """Press Tab at the ``|`` in the code; return the line as it would be with each offer."""
        before, _, behind = code.partition("|")
        reply = self._request("complete_request", {"code": before + behind, "cursor_pos": len(before)})
        assert reply["status"] == "ok", reply
        assert reply["cursor_end"] == len(before)
        line = before[: reply["cursor_start"]].rpartition("\n")[2]
        return [line + match for match in reply["matches"]]

    def help(self, name: str) -> str:
        """Return the output of a cell with a name and a question mark, without colours."""
        cell = self.run(f"{name}?")
        (page,) = (each for each in cell.payload if each["source"] == "page")
        return _COLOUR.sub("", page["data"]["text/plain"])

    def _request(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        message = self._client.session.msg(kind, content)
        self._client.shell_channel.send(message)
        asked = message["header"]["msg_id"]
        self.wait(lambda: asked in self._replies, f"the answer to {content}")
        return self._replies.pop(asked)

    def value(self, expression: str) -> str:
        """Return the ``repr`` of an expression in the user's namespace."""
        cell = self.run(f"print(repr(({expression})))")
        assert cell.error is None, cell.traceback
        return cell.stdout.strip()

    def interrupt(self) -> None:
        """Press the interrupt button, as soon after what was seen as a quick hand.

        A signal that arrives between Python's last check and a system call is handled only after that call.
        """
        time.sleep(_HAND_S)
        self._manager.interrupt_kernel()

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Take messages until the condition holds; fails the test when it does not within the limit."""
        end = time.monotonic() + LIMIT_S
        while not condition():
            assert self._manager.is_alive(), f"the kernel died while a test waited for {what}"
            assert time.monotonic() < end, f"not within {LIMIT_S:g} s: {what}; {self._story()}"
            self._take(self._client.get_shell_msg, self._take_reply, timeout_s=0)
            self._take(self._client.get_stdin_msg, self._take_prompt, timeout_s=0)
            self._take(self._client.get_iopub_msg, self._take_output, timeout_s=0.05)

    def _story(self) -> str:
        """Return the outputs of the latest cells, for the message of a test that fails."""
        cells = [f"{cell.status}, {cell.types[-1:]}, shows {cell.text[-500:]!r}" for cell in self._cells.values()]
        return "the latest cells: " + "; ".join(cells[-3:])

    def _take(self, get: Callable[..., Any], take: Callable[[Cell, Any], None], *, timeout_s: float) -> None:
        try:
            message = get(timeout=timeout_s)
        except queue.Empty:
            return
        self.received.append((message["msg_type"], message["content"]))
        asked = message["parent_header"].get("msg_id", "")
        cell = self._cells.get(asked)
        if cell is not None:
            take(cell, message)
        elif message["msg_type"].endswith("_reply"):
            self._replies[asked] = message["content"]

    @staticmethod
    def _take_reply(cell: Cell, message: dict[str, Any]) -> None:
        if message["msg_type"] == "execute_reply":
            cell.status = message["content"]["status"]
            cell.payload = message["content"].get("payload", [])

    def _take_prompt(self, cell: Cell, message: dict[str, Any]) -> None:
        cell.prompts.append(message["content"]["prompt"])
        if cell.answers:
            self._client.input(cell.answers.pop(0))

    def _take_output(self, cell: Cell, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        cell.types.append(content["execution_state"] if kind == "status" else kind)
        if kind == "stream":
            setattr(cell, content["name"], getattr(cell, content["name"]) + content["text"])
        elif kind == "comm_open":
            cell.widgets.append(content["comm_id"])
        elif kind == "error":
            cell.error = content
        elif kind in {"display_data", "execute_result"}:
            bundle = dict(content["data"])
            cell.displays.append(bundle)
            if display_id := content.get("transient", {}).get("display_id"):
                self._by_display[display_id] = bundle
        elif kind == "update_display_data" and content["transient"]["display_id"] in self._by_display:
            shown = self._by_display[content["transient"]["display_id"]]
            shown.clear()
            shown.update(content["data"])


@contextmanager
def running_kernel(python: Path, home: Path, *, folder: Path | None = None) -> Iterator[Kernel]:
    """Start a kernel of this interpreter without the user's own settings and keys.

    Args:
        python: The interpreter.
        home: The directory of its files.
        folder: The directory it is started in, as a front end starts it in that of the notebook; the home by default.
    """
    starting = StartingKernel(python, home, folder or home)
    try:
        yield starting.ready()
    finally:
        starting.stop()


class StartingKernel:
    """A kernel whose process has been started, and which may not answer yet: other work can be done until then."""

    def __init__(self, python: Path, home: Path, folder: Path) -> None:
        self._specs, self._home, self._folder = SpecFor(), home, folder
        self._specs.python = str(python)
        self._start(attempt=1)

    def _start(self, attempt: int) -> None:
        file = str(self._home / f"kernel-{attempt}.json")
        self._manager = KernelManager(kernel_spec_manager=self._specs, connection_file=file)
        self._manager.start_kernel(env=environment(self._home), cwd=str(self._folder))
        self._client: BlockingKernelClient = self._manager.blocking_client()
        self._client.start_channels()

    def ready(self) -> Kernel:
        """Wait until it answers; start it again if it ends before: another program may have taken its port."""
        try:
            self._client.wait_for_ready(timeout=LIMIT_S)
        except RuntimeError:
            self.stop()
            self._start(attempt=2)
            self._client.wait_for_ready(timeout=LIMIT_S)
        return Kernel(self._manager, self._client, self._home)

    def stop(self) -> None:
        """End the process and close the connections to it."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()


class KernelsAhead:
    """Fresh kernels, one after the other, each started while the one before is in use.

    Args:
        python: The interpreter.
        homes: Gives each kernel a home of its own.
        how_many: Kernels that will be asked for; none is started beyond.
    """

    def __init__(self, python: Path, homes: Iterator[Path], how_many: int) -> None:
        self._python, self._homes, self._left = python, homes, how_many
        self._next: StartingKernel | None = None

    @contextmanager
    def take(self) -> Iterator[Kernel]:
        """Return the next kernel, and stop it at the end of the block."""
        taken = self._next or self._start()
        try:
            started = taken.ready()
            self._left -= 1
            self._next = self._start() if self._left > 0 else None
            yield started
        finally:
            taken.stop()

    def _start(self) -> StartingKernel:
        home = next(self._homes)
        with lasting():
            return StartingKernel(self._python, home, home)

    def close(self) -> None:
        """Stop a kernel that was not taken."""
        if self._next is not None:
            self._next.stop()


def environment(home: Path) -> dict[str, str]:
    """Return an environment whose Jupyter and IPython keep everything below ``home``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "IPYTHON", "OPENAI", "PYTEST"))
    }
    own = {
        "HOME": home,
        "XDG_CACHE_HOME": home / "cache",
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "config",
    }
    own |= {"JUPYTER_DATA_DIR": home / "data", "JUPYTER_RUNTIME_DIR": home / "runtime", "PYTHONPATH": REPOSITORY}
    return kept | {name: str(value) for name, value in own.items()} | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
