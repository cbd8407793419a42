"""The adapters on openai-python 2 and on an early release of anthropic: the same tests, in environments of their own."""

import os
import subprocess

import pytest

from tests.virtual_environments import REPOSITORY, python_holding

OPENAI_FILES = (
    "models/test_chat.py",
    "models/test_server_errors.py",
    "models/test_whole_connections.py",
    "models/test_environment.py",
    "models/test_responses.py",
    "models/test_async_tools.py",
    "models/test_corpus.py",
    "models/test_doctor.py",
    "models/test_key_leaks.py",
    "agent/test_over_http.py",
)
ANTHROPIC_FILES = ("models/test_messages.py",)


@pytest.mark.old_client
@pytest.mark.parametrize(
    ("package", "held", "version", "files"),
    [
        ("openai", "openai>=2.8,<3", "2.", OPENAI_FILES),
        ("anthropic", "anthropic==0.60.0", "0.60.0", ANTHROPIC_FILES),
    ],
)
def test_the_adapters_pass_their_tests_on_an_old_version_too(
    package: str, held: str, version: str, files: tuple[str, ...]
) -> None:
    python = python_holding(f"{package}-{version[0]}", held)
    # Only the outer run writes its reports.
    without = [f"no:{name}" for name in ("cacheprovider", "tests.suite.order", "tests.suite.second_run")]
    run = [str(python), "-m", "pytest", "-q", *(f"-p{name}" for name in without), *(f"tests/{name}" for name in files)]
    done = subprocess.run(
        run,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    installed = subprocess.run(
        [str(python), "-c", f"import {package}; print({package}.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert installed.stdout.startswith(version)
