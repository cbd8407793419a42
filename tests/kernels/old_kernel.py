"""A virtual environment of its own with ipykernel 6.31, the oldest that is supported, built once and kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OLD_KERNEL = "ipykernel==6.31.*"
#: Downloading and unpacking the dependencies takes about a minute on two cores.
BUILD_LIMIT_S = 600


def dependencies() -> list[str]:
    """Return the project's requirements, with ipykernel held at the old release."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return [OLD_KERNEL, *(item for item in project["dependencies"] if not item.startswith("ipykernel"))]


def python_with_old_kernel() -> Path:
    """Return the interpreter of the environment, building it when there is none for these requirements.

    The project itself is not installed: its kernels find it on ``PYTHONPATH``, so the environment depends on the
    requirements alone and is named after them.
    """
    wanted = dependencies()
    key = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()[:12]
    home = REPOSITORY / ".cache" / "venvs" / f"ipykernel-6.31-{key}"
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        try:
            _run([sys.executable, "-m", "venv", str(home)])
            _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
            _give_up(error)
        (home / "complete").touch()
    return python


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=BUILD_LIMIT_S)


def _give_up(error: Exception) -> None:
    detail = str(getattr(error, "stderr", "") or error).strip().splitlines()
    reason = f"no environment with {OLD_KERNEL}: {detail[-1] if detail else error!r}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
