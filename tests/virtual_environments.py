"""Virtual environments for packages that must not be installed beside this one, built once and kept in ``.cache/venvs``.

An environment has the name of its main package and depends only on its requirements: this package is not installed there, and
is found on ``PYTHONPATH``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
#: Downloading and unpacking takes about a minute on two cores.
_BUILD_LIMIT_S = 600


class NotBuilt(Exception):
    """An environment could not be built, for example without a network."""


def home_of(name: str, requirements: Sequence[str]) -> Path:
    """Return the folder of the environment, which may not exist yet."""
    key = hashlib.sha256("\n".join([sys.version, sys.prefix, *requirements]).encode()).hexdigest()[:12]
    return REPOSITORY / ".cache" / "venvs" / f"{name}-{key}"


def is_built(name: str, requirements: Sequence[str]) -> bool:
    """Return whether the environment is complete."""
    return (home_of(name, requirements) / "complete").exists()


def environment(name: str, requirements: Sequence[str], *, on_top: bool = False, alone: bool = False) -> Path:
    """Return the environment's interpreter; builds the environment if it does not exist.

    Args:
        name: The name of the environment.
        requirements: The packages that pip installs there.
        on_top: Whether all other packages come from the environment that runs the tests.
        alone: Whether they are installed without what they require.

    Raises:
        NotBuilt: It cannot be built; the message is the last line of the error.
    """
    home = home_of(name, requirements)
    python = home / "bin" / "python"
    with locked(home):
        if not is_built(name, requirements):
            shutil.rmtree(home, ignore_errors=True)
            try:
                _run([sys.executable, "-m", "venv", "--without-pip", str(home)])
                if on_top:
                    (own,) = (home / "lib").glob("python*/site-packages")
                    (own / "below.pth").write_text(sysconfig.get_path("purelib") + "\n")
                pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
                _run([*pip, "--disable-pip-version-check", *(["--no-deps"] if alone else []), *requirements])
            except (subprocess.SubprocessError, OSError) as error:
                detail = str(getattr(error, "stderr", "") or error).strip().splitlines()
                raise NotBuilt(f"no environment with {name}: {detail[-1] if detail else error!r}") from error
            (home / "complete").touch()
    return python


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Lock an environment: tests in several processes may ask for it at the same time, and only one may build it."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def python_holding(name: str, held: str) -> Path:
    """Return an interpreter with the tests' packages, one of them at another release; skip the test if it cannot be built.

    Args:
        name: The name of the environment.
        held: The requirement, such as ``openai>=2.8,<3``.
    """
    try:
        return environment(name, [held], on_top=True)
    except NotBuilt as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_BUILD_LIMIT_S)
