"""The adapters on openai-python 2: the same tests, in an environment of its own."""

import os
import subprocess

import pytest

from tests.virtual_environments import REPOSITORY, python_holding

FILES = (
    "models/test_chat.py",
    "models/test_server_errors.py",
    "models/test_responses.py",
    "models/test_async_tools.py",
    "models/test_corpus.py",
    "models/test_doctor.py",
    "models/test_key_leaks.py",
    "agent/test_over_http.py",
)


@pytest.mark.old_client
def test_the_adapters_pass_their_tests_on_the_old_major_version_too() -> None:
    python = python_holding("openai-2", "openai>=2.8,<3")
    # Only the outer run writes its reports.
    without = [f"no:{name}" for name in ("cacheprovider", "tests.suite.order", "tests.suite.second_run")]
    run = [str(python), "-m", "pytest", "-q", *(f"-p{name}" for name in without), *(f"tests/{name}" for name in FILES)]
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
    version = subprocess.run(
        [str(python), "-c", "import openai; print(openai.VERSION)"], capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("2.")
