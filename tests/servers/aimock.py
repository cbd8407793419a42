"""aimock, a mock of several providers' APIs that others wrote: an npm package, pinned in ``tests/servers/npm``.

It replies by *fixtures*: what a request must contain, and the reply, in a form that it translates into the API that was asked.
Fixtures are given to it over HTTP, and it keeps a journal of its requests, in which those of all APIs have one form.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.servers.program import running, unavailable

PROGRAM = Path(__file__).parent / "npm" / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
_SOME = Path(__file__).parent / "npm" / "fixtures.json"
#: Ends the program when its standard input closes; it would not notice otherwise.
_ENDS_WITH_STDIN = 'data:text/javascript,process.stdin.resume().on("end", () => process.exit())'
_CONTROL_LIMIT_S = 60.0


class Aimock:
    """A running aimock.

    Args:
        address: Its address, without a path.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def base_url(self) -> str:
        """The address of the APIs in OpenAI's form, and of Anthropic's."""
        return f"{self.address}/v1"

    def replies(self, *fixtures: dict[str, Any]) -> None:
        """Forget everything, and reply by these fixtures from now on: the first that matches is used."""
        self._ask("POST", "reset", {})
        assert self._ask("POST", "fixtures", {"fixtures": list(fixtures)}) == {"added": len(fixtures)}

    def fails_once(self, status: int) -> None:
        """Answer the next request with this status."""
        assert self._ask("POST", "error", {"status": status, "body": {"message": "for a moment"}}) == {"queued": True}

    @property
    def journal(self) -> list[dict[str, Any]]:
        """The requests since the last `replies`, in order: ``path``, ``headers``, ``body``, ``response``."""
        found: list[dict[str, Any]] = self._ask("GET", "journal")
        return found

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.address}/__aimock/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=_CONTROL_LIMIT_S) as answer:
            return json.load(answer)


@contextlib.contextmanager
def aimock(name: str) -> Iterator[Aimock]:
    """Run aimock until the block ends; without node or its packages the test is skipped, and fails in CI.

    Args:
        name: The name of its log.
    """
    node = shutil.which("node")
    if node is None or not PROGRAM.exists():
        unavailable("aimock is not installed; run `npm ci` in tests/servers/npm")
    # Strict: a request that no fixture matches fails, with 503. It then needs a file of fixtures to start.
    command = [
        str(node),
        "--import",
        _ENDS_WITH_STDIN,
        str(PROGRAM),
        "--port",
        "0",
        "--strict",
        "--fixtures",
        str(_SOME),
    ]
    with running(name, command, health="/health") as address:
        yield Aimock(address)
