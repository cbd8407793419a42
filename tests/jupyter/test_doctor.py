"""``%agent doctor`` in a real kernel: it shows its progress, can be interrupted, and stops nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernels.harness import Kernel
from tests.servers.scripted_server import Gate, HttpError, ScriptedServer, Stream, call_chunks, reply, text_chunks

pytestmark = pytest.mark.kernel

TICKER = """
import asyncio
ticks = 0
async def tick():
    global ticks
    while True:
        ticks += 1
        await asyncio.sleep(0.01)
ticker = asyncio.ensure_future(tick())
"""


class Slow:
    """A server of Chat Completions whose first reply to each examination waits in the middle until the test opens the gate."""

    def __init__(self) -> None:
        self.gate = Gate()

    def __call__(self, body: dict) -> Stream | HttpError:
        if "messages" not in body:
            return HttpError(status=404)
        if any(message["role"] == "tool" for message in body["messages"]):
            return reply(text_chunks("Fine."))
        return reply(call_chunks(0, "a", "get_time", {"city": "LIS"}), self.gate)


@pytest.fixture
def slow() -> Iterator[tuple[Slow, ScriptedServer]]:
    """Return the policy and its server."""
    policy = Slow()
    with ScriptedServer(policy) as server:
        yield policy, server


def test_the_report_replaces_the_progress_while_the_kernel_loop_runs(
    kernel_of_module: Kernel, slow: tuple[Slow, ScriptedServer]
) -> None:
    policy, server = slow
    kernel_of_module.run(TICKER)
    cell = kernel_of_module.send(f"before = ticks\n%agent doctor m --fresh --base-url {server.base_url}\nafter = ticks")
    kernel_of_module.wait(lambda: bool(cell.displays), "the first word of the doctor")
    assert "Examines m ... Chat Completions: asks for two calls" in cell.displays[0]["text/plain"]
    assert "An interrupt stops it" in cell.displays[0]["text/plain"]
    server.wait_for_requests(1)
    policy.gate.wait_reached()
    policy.gate.open()
    kernel_of_module.wait(lambda: cell.ended, "the end of the examination")
    assert cell.error is None, cell.traceback
    assert len(cell.displays) == 1
    assert "use                 --api chat --mode async" in cell.displays[0]["text/plain"]
    assert "Examines" not in cell.displays[0]["text/plain"]
    assert kernel_of_module.value("after > before") == "True"
    kernel_of_module.run("ticker.cancel()")


@pytest.mark.parametrize("form", ["%agent doctor {}", "for _ in range(1):\n    %agent doctor {}"], ids=["line", "loop"])
def test_an_interrupt_ends_it_at_once_hangs_up_and_keeps_nothing(
    kernel_of_module: Kernel, slow: tuple[Slow, ScriptedServer], form: str
) -> None:
    policy, server = slow
    kernel = kernel_of_module
    line = f"m --base-url {server.base_url}"
    cell = kernel.send(form.format(line))
    server.wait_for_requests(1)
    policy.gate.wait_reached()
    kernel.interrupt()
    kernel.wait(lambda: cell.ended, "the end of the interrupted cell")
    assert "AgentInterrupted: the examination was interrupted" in cell.traceback
    assert len(cell.traceback.splitlines()) == 1
    assert "interrupted" in cell.displays[0]["text/plain"]
    server.requests[0].wait_disconnected()
    policy.gate.open()
    again = kernel.run(f"%agent doctor {line}")
    assert "kept" not in again.displays[0]["text/plain"].splitlines()[-1]


def test_in_synchronous_code_it_works_too_and_errors_are_one_line(kernel_of_module: Kernel) -> None:
    with ScriptedServer([HttpError(status=401)] * 2) as server:
        for form in ("%%time\n%agent doctor m --base-url {}", "%agent doctor m --base-url {}"):
            cell = kernel_of_module.run(form.format(server.base_url))
            assert "asks for a key (401)" in cell.traceback
            assert [shown["text/plain"] for shown in cell.displays] == ["The examination failed."]
            assert len(cell.traceback.splitlines()) == 1
