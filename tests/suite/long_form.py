"""Random tests have two forms: a short one with the same examples each time, and a long one that searches further.

The short form runs with the other tests. Its examples are the same in each run, so that a failure has its cause in a change.
The long form draws new examples and takes many minutes: ``python -m pytest -m long``. Tests that have one are marked ``long``.
"""

from __future__ import annotations

import faulthandler
import re

import pytest
from hypothesis import HealthCheck, settings

#: Examples have no time limit of their own and are never too slow: on a busy machine both rules would fail because of the
#: machine. The limit of the test ends an example that hangs.
_AT_ANY_PACE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("short", _AT_ANY_PACE, derandomize=True, database=None)
settings.register_profile("long", _AT_ANY_PACE)

_form = "short"


def is_long() -> bool:
    """Return whether this run is for the long form."""
    return _form == "long"


def chosen_form(mark_expression: str) -> str:
    """Return the form that an expression of ``pytest -m`` asks for: ``long`` if it selects that mark."""
    words = re.findall(r"\w+", mark_expression)
    chosen = any(word == "long" and words[index - 1 : index] != ["not"] for index, word in enumerate(words))
    return "long" if chosen else "short"


def pytest_configure(config: pytest.Config) -> None:
    """Choose the form before a test module is imported: its decorators ask for the number of examples."""
    global _form  # noqa: PLW0603 - one run has one form
    _form = chosen_form(config.option.markexpr)
    settings.load_profile(_form)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Show no stacks after minutes of a test in its long form.

    They are read while the test runs on, which has ended the process by a segmentation fault. The test's own limit stays.
    """
    if is_long():
        faulthandler.cancel_dump_traceback_later()
