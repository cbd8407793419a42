"""Calls from any thread that reach the event loop at a bounded rate."""

import asyncio
import contextvars
import threading

from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.throttle import Throttle

cell = contextvars.ContextVar("cell", default="none")


def test_requests_within_an_interval_make_one_call_at_its_end() -> None:
    async def main():
        loop, called = asyncio.get_running_loop(), []
        throttle = Throttle(lambda: called.append(loop.time()), 2.0)
        for pause_s in (0, 0, 0.5, 0.5, 4, 0):
            await asyncio.sleep(pause_s)
            throttle.request()
        await asyncio.sleep(9)
        return called

    assert run_virtually(main()) == [0, 2, 5, 7]


def test_the_function_is_called_on_the_loop_in_the_context_of_its_throttle() -> None:
    async def main():
        called = []
        cell.set("the throttle's")
        throttle = Throttle(lambda: called.append((threading.current_thread(), cell.get())), 1.0)
        cell.set("another")
        await asyncio.to_thread(throttle.request)
        await asyncio.sleep(1)
        return called

    assert run_virtually(main()) == [(threading.main_thread(), "the throttle's")]


def test_a_request_after_the_end_of_the_loop_is_ignored() -> None:
    called = []

    async def main():
        return Throttle(lambda: called.append(1), 1.0)

    run_virtually(main()).request()
    assert called == []


def test_without_a_loop_the_first_request_of_an_interval_is_served_at_once() -> None:
    called = []
    throttle = Throttle(lambda: called.append(1), 1_000.0)
    throttle.request()
    throttle.request()
    assert called == [1]
