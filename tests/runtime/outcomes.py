"""Waits for the outcome of one attempt."""

import asyncio

from asyncfc_jupyter.runtime.attempt import Attempt, Outcome


async def ended(attempt: Attempt) -> Outcome:
    """Start the tool's time, and return the outcome when the function has ended or the time is up."""
    reached = asyncio.get_running_loop().create_future()
    attempt.when_reached(lambda: reached.set_result(None))
    await reached
    return attempt.result()
