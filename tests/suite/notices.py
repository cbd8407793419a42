"""A notice that a test does not expect fails the test: for a user the run continues, and in a test it must be seen.

A test that expects one catches it with ``pytest.warns``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_notices() -> Iterator[None]:
    # The filters stay: of a warning they make an error. What is recorded was shown in spite of them.
    with warnings.catch_warnings(record=True) as shown:
        yield
    assert [str(each.message) for each in shown] == [], "the run showed notices that the test does not expect"
