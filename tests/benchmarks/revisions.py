"""The package as of another revision, for before and after in one run: both are measured by the benchmark as it is now."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.virtual_environments import REPOSITORY

_PACKAGE = "asyncfc_jupyter"
_CHILD = """
import importlib, json, sys
module, function, arguments = json.loads(sys.argv[1])
print(json.dumps(getattr(importlib.import_module(f"tests.benchmarks.{module}"), function)(*arguments)))
"""


@contextmanager
def package_of(revision: str) -> Iterator[Path]:
    """Yield a folder that holds the package as of a revision, and nothing else.

    Raises:
        SystemExit: There is no such revision, or it has no such package.
    """
    command = ["git", "archive", "--format=tar", revision, _PACKAGE]
    packed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    if packed.returncode:
        raise SystemExit(f"the package cannot be had as of {revision!r}: {packed.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def paths(package: Path) -> str:
    """Return the ``PYTHONPATH`` with which a process has the package in this folder, and the tests of here."""
    return os.pathsep.join([str(package), str(REPOSITORY)])


def figures_of(package: Path, function: str, *arguments: Any) -> Any:
    """Return what a function of a benchmark returns in a fresh process that has the package in this folder.

    Args:
        package: The folder.
        function: Such as ``growth.growth``; it returns JSON data.
        arguments: JSON data too.

    Raises:
        subprocess.CalledProcessError: It raised; its traceback has gone to the error stream.
    """
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, json.dumps([*function.split("."), arguments])],
        cwd=package,  # it comes first on the path
        env={**os.environ, "PYTHONPATH": paths(package)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
