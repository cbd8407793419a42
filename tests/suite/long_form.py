"""Random tests have two forms: a short one that is the same each time, and a long one that looks further.

The short form runs with the other tests. It is the same in each run, so that nothing fails but for what changed. The long form
draws anew and takes many minutes: ``python -m pytest -m long``. Tests that have one carry the mark ``long``.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, settings

#: No example has a limit of its own, and none is too slow: on a busy machine both would fail for the machine's pace. The
#: limit of the test ends one that hangs.
_AT_ANY_PACE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("short", _AT_ANY_PACE, derandomize=True, database=None)
settings.register_profile("long", _AT_ANY_PACE)

_form = "short"


def is_long() -> bool:
    """Return whether this run is for the long form."""
    return _form == "long"


def chosen_form(mark_expression: str) -> str:
    """Return the form that an expression of ``pytest -m`` asks for: ``long`` where it selects that mark."""
    words = re.findall(r"\w+", mark_expression)
    chosen = any(word == "long" and words[index - 1 : index] != ["not"] for index, word in enumerate(words))
    return "long" if chosen else "short"


def pytest_configure(config: pytest.Config) -> None:
    """Choose the form before a test module is imported: its decorators ask for the number of examples."""
    global _form  # noqa: PLW0603 - one run has one form
    _form = chosen_form(config.option.markexpr)
    settings.load_profile(_form)
