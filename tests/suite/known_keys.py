"""No test knows the keys of another one: what a test makes known is forgotten after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asyncfc_jupyter.masking import KNOWN


@pytest.fixture(autouse=True)
def _own_keys() -> Iterator[None]:
    before = dict(KNOWN._remembered)
    yield
    KNOWN._remembered = before
    KNOWN._read_at_s = float("-inf")
