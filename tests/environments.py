"""Virtual environments of their own for what must not be installed beside the package, built once and kept in ``.cache/venvs``.

An environment is named after what it holds and depends on its requirements alone: the package itself is not installed, and is
found on ``PYTHONPATH`` by those who need it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
#: Downloading and unpacking takes about a minute on two cores.
_BUILD_LIMIT_S = 600


class NotBuilt(Exception):
    """An environment could not be built, such as without a network."""


def home_of(name: str, requirements: Sequence[str]) -> Path:
    """Return where the environment is, or would be."""
    key = hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()[:12]
    return REPOSITORY / ".cache" / "venvs" / f"{name}-{key}"


def is_built(name: str, requirements: Sequence[str]) -> bool:
    """Return whether the environment can be used as it is."""
    return (home_of(name, requirements) / "complete").exists()


def environment(name: str, requirements: Sequence[str]) -> Path:
    """Return the environment's interpreter, building it when there is none for these requirements.

    Raises:
        NotBuilt: The last line of what went wrong.
    """
    home = home_of(name, requirements)
    python = home / "bin" / "python"
    if not is_built(name, requirements):
        shutil.rmtree(home, ignore_errors=True)
        try:
            _run([sys.executable, "-m", "venv", str(home)])
            _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements])
        except (subprocess.SubprocessError, OSError) as error:
            detail = str(getattr(error, "stderr", "") or error).strip().splitlines()
            raise NotBuilt(f"no environment with {name}: {detail[-1] if detail else error!r}") from error
        (home / "complete").touch()
    return python


def python_holding(name: str, held: str, *more: str) -> Path:
    """Return an interpreter with the project's requirements, one of them held at another release; skip the test without.

    Args:
        name: What the environment is called.
        held: The requirement, such as ``openai>=2.8,<3``.
        more: What it needs besides.
    """
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    package = held.rstrip("0123456789.*,<>=")
    others = [item for item in project["dependencies"] if not item.startswith(package)]
    try:
        return environment(name, [held, *others, *more])
    except NotBuilt as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_BUILD_LIMIT_S)
