"""No text of a model, a tool or a server costs more than a time in proportion to its length."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.suite.long_form import is_long

#: The long form reads texts of 200,000 characters.
SCALE = 5 if is_long() else 1


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal after a time of the processor")
def test_every_reader_reads_every_hostile_text_within_its_deadline() -> None:
    """See `tests.linear_work`. The process says what it reads before it reads it, and is killed there."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.linear_work", str(SCALE)], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "all", done.stderr
    assert done.returncode == 0
