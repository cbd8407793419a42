"""A plugin of pytest: no test reads or writes what the user's tools and models have taught, and each begins with nothing.

Agents of the test's own process remember for as long as the test lasts. Those of processes that it starts have an empty cache.
"""

from __future__ import annotations

import itertools

import pytest

from asyncfc_jupyter.agent import memory
from asyncfc_jupyter.modes import Remember

_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def _empty_memory(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    # Most tests need no folder: it is made by what writes into it.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / f"cache-{next(_NUMBERS)}"))
    for kind in Remember:
        if kind in memory.SHARED:
            monkeypatch.setitem(memory.SHARED, kind, memory.Memory())
