"""No test reads or writes the configuration, the cache or the keyring of the user who runs it."""

import sys

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home directory for the test; the keyring is empty."""
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setitem(sys.modules, "keyring", None)
    return tmp_path
