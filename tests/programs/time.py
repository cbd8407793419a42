"""How tools of random programs take time: virtual time while calls overlap, and none while they are made one by one."""

import asyncio
import contextlib
import threading

from asyncfc_jupyter.testing import VirtualTimeLoop


class Time:
    """The time that tools take; `nap` is for coroutines, `nap_in_thread` for plain functions in threads."""

    passes = True
    loop: VirtualTimeLoop | None = None

    @classmethod
    @contextlib.contextmanager
    def none(cls):
        """Let no time pass within the block."""
        cls.passes = False
        try:
            yield
        finally:
            cls.passes = True


async def nap(seconds):
    """Let others run for so many seconds."""
    if Time.passes:
        await asyncio.sleep(seconds)


def nap_in_thread(seconds):
    """The same in a thread of a tool: the virtual clock runs meanwhile, and waits for the thread again afterwards."""
    loop = Time.loop
    if not Time.passes or loop is None:
        return
    woken = threading.Event()

    def wake():
        loop.threads += 1
        woken.set()

    def sleep():
        loop.threads -= 1
        loop.call_later(seconds, wake)

    loop.call_soon_threadsafe(sleep)
    if not woken.wait(20):
        raise AssertionError("the clock of the program stands still")
