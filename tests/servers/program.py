"""A server that others wrote, run as a program of its own: started, waited for until it responds, and ended by its id.

It chooses a free port of 127.0.0.1 itself and prints that it is listening there. What it prints is kept in
``test-artifacts/servers``. It gets a pipe that closes when the tests' process ends, even if that is killed, and ends then.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence

import pytest

from tests.suite.order import ARTIFACTS

#: Seconds for a first start from a cold disk, beside other tests on two cores. LiteLLM's proxy takes 6 on an idle machine.
READY_LIMIT_S = 180.0
_POLL_S = 0.1
_ADDRESS = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")
#: The end of a log that an error shows, in characters.
_LOG_END = 2000


def wanted(what: str) -> None:
    """Skip the test unless what must be fetched for it is wanted here: in CI, or with ``ASYNCFC_OUTSIDE=1``."""
    if not (os.environ.get("CI") or os.environ.get("ASYNCFC_OUTSIDE")):
        pytest.skip(f"set ASYNCFC_OUTSIDE=1 to fetch {what} and run this")


def unavailable(why: str) -> None:
    """Skip the test for this reason; in CI it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], *, health: str, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run the program until the block ends and give its address, such as ``http://127.0.0.1:40123``.

    Args:
        name: The name of its log, which no other program of these tests has.
        command: The program and its arguments.
        health: The path that responds with 200 when the server is ready.
        environment: Variables that it gets besides those of this process.

    Raises:
        RuntimeError: It ends, or is not ready in time; the message holds the end of its log.
    """
    log = ARTIFACTS / "servers" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        program = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
    try:
        deadline = time.monotonic() + READY_LIMIT_S
        while not (address := _ready(log.read_text(errors="replace"), health)):
            if program.poll() is not None or time.monotonic() > deadline:
                ended = "is not ready" if program.returncode is None else f"ended with {program.returncode}"
                raise RuntimeError(f"{name} {ended}; its log ends: {log.read_text(errors='replace')[-_LOG_END:]}")
            time.sleep(_POLL_S)
        yield address
    finally:
        program.kill()
        program.communicate()


def _ready(log: str, health: str) -> str | None:
    """Return the address that the program has printed, if it responds there."""
    found = _ADDRESS.search(log)
    if found is not None:
        with contextlib.suppress(OSError), urllib.request.urlopen(found[1] + health, timeout=5) as answer:
            return found[1] if answer.status == 200 else None
    return None
