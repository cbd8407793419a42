"""A Jupyter server for the tests, on this machine only, with all its files in one directory."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kernels.harness import environment

#: A first start compiles nothing but imports a lot; on a busy machine it has been seen to take twenty seconds.
START_LIMIT_S = 90.0


@dataclass(frozen=True)
class Server:
    """The address of a server, and its key."""

    url: str
    token: str
    notebooks: Path

    def page(self, path: str) -> str:
        """Return the address of a page, with its key."""
        return f"{self.url}/{path}{'&' if '?' in path else '?'}token={self.token}"


@contextmanager
def running_server(home: Path, notebooks: Path, *, dark: bool = False, kernels: bool = True) -> Iterator[Server]:
    """Start JupyterLab, with Notebook 7 beside it.

    Args:
        home: Where settings, runtime files and the signatures of trusted notebooks go. An empty one trusts nothing.
        notebooks: The directory it serves.
        dark: Use the dark theme.
        kernels: Offer kernels; without them a notebook is only looked at.
    """
    home.mkdir(parents=True, exist_ok=True)
    _write_settings(home / "settings", dark=dark)
    settings = {"JUPYTERLAB_SETTINGS_DIR": home / "settings", "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces"}
    environ = environment(home) | {name: str(path) for name, path in settings.items()}
    # Started again if it ends before it answers: another program may take the port before the server does.
    for attempt in (1, 2):
        port, token = _free_port(), secrets.token_hex(16)
        command = [sys.executable, "-m", "jupyterlab", *_options(notebooks, port, token, kernels=kernels)]
        server, log = Server(f"http://127.0.0.1:{port}", token, notebooks), home / f"server-{attempt}.log"
        with log.open("w") as said:
            process = subprocess.Popen(command, env=environ, cwd=home, stdout=said, stderr=said)
        try:
            if not _answers(server, process, log):
                assert attempt == 1, log.read_text()[-4000:]
                continue
            yield server
            return
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _options(notebooks: Path, port: int, token: str, *, kernels: bool) -> Sequence[str]:
    options = [
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.open_browser=False",
        f"--ServerApp.root_dir={notebooks}",
        f"--IdentityProvider.token={token}",
        "--LabApp.extension_manager=readonly",
        "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        "--allow-root",
    ]
    if not kernels:
        options += ["--KernelSpecManager.allowed_kernelspecs=none", "--KernelSpecManager.ensure_native_kernel=False"]
    return options


def _write_settings(directory: Path, *, dark: bool) -> None:
    theme = {"theme": "JupyterLab Dark" if dark else "JupyterLab Light", "adaptive-theme": False}
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    # The list of what Tab offers is shown without the kernel's own when a busy kernel takes longer: by default a second.
    patient = {"providerTimeout": 60_000}
    written = {
        "apputils-extension/themes": theme,
        "apputils-extension/notification": quiet,
        "completer-extension/manager": patient,
    }
    for name, values in written.items():
        path = directory / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _answers(server: Server, process: subprocess.Popen[bytes], log: Path) -> bool:
    """Wait for the server to answer; false if it has ended."""
    end = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(server.page("api/status"), timeout=5) as answer:
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, OSError, http.client.HTTPException):
            # Nothing signals that a port opens, so it is polled. A kernel that took the port first does not speak HTTP.
            time.sleep(0.1)
    assert process.poll() is not None, f"no server within {START_LIMIT_S:g} s: {log.read_text()[-4000:]}"
    return False
