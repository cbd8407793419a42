"""Where a key comes from: the environment, the keyring or the file, each with its errors."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models import keys
from asyncfc_jupyter.models.profiles import PROFILES

KEY = "planted-0123456789"
POSIX = pytest.mark.skipif(os.name != "posix", reason="files have such modes on POSIX alone")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", *(profile.key_variable for profile in PROFILES.values())):
        monkeypatch.delenv(name, raising=False)


def keep(lines: str, mode: int = 0o600) -> Path:
    path = keys.key_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines)
    path.chmod(mode)
    return path


def found(name: str = "vllm") -> str | None:
    profile = PROFILES[name]
    secret = keys.find_key(profile, str(profile.base_url))
    return secret and f"{secret.reveal()} {secret.variable}"


def test_a_key_is_looked_for_in_three_places_and_carries_its_variable(monkeypatch, home) -> None:
    ring = types.SimpleNamespace(
        get_password=lambda service, name: {("asyncfc_jupyter", "vllm"): " in-the-ring\n"}.get((service, name))
    )
    assert found() is None
    keep('vllm = " in-the-file "\n')
    assert keys.key_file() == home / "config" / "asyncfc_jupyter" / "keys.toml"
    assert (found(), found("ollama")) == ("in-the-file VLLM_API_KEY", None)
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert (found(), found("ollama")) == ("in-the-ring VLLM_API_KEY", None)
    monkeypatch.setenv("VLLM_API_KEY", " ")
    assert found() == "in-the-ring VLLM_API_KEY"
    monkeypatch.setenv("VLLM_API_KEY", " in-the-environment\n")
    assert found() == "in-the-environment VLLM_API_KEY"


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_that_its_owner_alone_can_read_is_read(mode: int) -> None:
    keep('vllm = "mine"', mode)
    assert found() == "mine VLLM_API_KEY"


@POSIX
@pytest.mark.parametrize("bit", [0o040, 0o020, 0o010, 0o004, 0o002, 0o001])
def test_a_file_that_other_users_can_read_or_write_is_refused(bit: int) -> None:
    path = keep('vllm = "mine"', 0o600 | bit)
    with pytest.raises(UsageError) as caught:
        found()
    assert (
        str(caught.value)
        == f"{path} holds keys and can be read by others (mode {0o600 | bit:o}); run: chmod 600 {path}"
    )


def test_a_broken_file_of_keys_is_refused_with_its_right_form() -> None:
    path = keep("vllm = mine")
    with pytest.raises(UsageError) as caught:
        found()
    assert str(caught.value) == f'{path} cannot be read as TOML; it holds lines such as: openai = "sk-..."'
    path.write_bytes(b'vllm = "\xff"')
    with pytest.raises(UsageError, match="cannot be read as TOML"):
        found()


def test_a_variable_that_is_named_holds_the_key_or_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys.api_key_in(None) is None
    monkeypatch.setenv("MINE", f" {KEY} ")
    secret = keys.api_key_in("MINE")
    assert secret is not None
    assert (secret.reveal(), secret.variable) == (KEY, "MINE")
    monkeypatch.setenv("mine", "")
    for name in ("OTHER", "mine"):
        monkeypatch.delenv("OTHER", raising=False)
        with pytest.raises(UsageError) as caught:
            keys.api_key_in(name)
        assert str(caught.value) == (
            f"--api-key-env: the environment variable {name} is not set in this kernel; set it before the kernel starts or in "
            f"a cell (os.environ['{name}'] = ...), or use --model rehearsal, which needs no key."
        )
    for name in (KEY, "", "9A", "A-B", "a"):
        with pytest.raises(UsageError, match="takes the name of an environment variable, such as MY_KEY") as caught:
            keys.api_key_in(name)
        assert KEY not in str(caught.value)
    assert [keys.checked_variable(name) for name in ("A", "_", "A_9", "MINE")] == ["A", "_", "A_9", "MINE"]
