"""Aliases are kept in a file, in order, and invalid ones are refused."""

from __future__ import annotations

import os

import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models import aliases
from asyncfc_jupyter.models.catalog import open_model


def test_aliases_are_kept_in_order_one_a_line(home) -> None:
    assert aliases.aliases() == {}
    for name, model in (("b", "gpt é"), ("a", "m"), ("A.9-x_y", "n")):
        aliases.set_alias(name, model)
    path = home / "config" / "asyncfc_jupyter" / "aliases.json"
    assert path == aliases.alias_file()
    assert path.read_text(encoding="utf-8") == '{\n  "A.9-x_y": "n",\n  "a": "m",\n  "b": "gpt é"\n}\n'
    assert (aliases.resolve("a"), aliases.resolve("m"), aliases.resolve("")) == ("m", "m", "")
    aliases.set_alias("a", "other")
    assert aliases.resolve("a") == "other"
    for name in ("a", "b", "A.9-x_y"):
        aliases.set_alias(name, "")
    assert aliases.aliases() == {}
    with pytest.raises(UsageError) as caught:
        aliases.set_alias("a", "")
    assert str(caught.value) == "there is no alias 'a' to remove; the aliases are: none yet."


@pytest.mark.parametrize("name", ["", ".a", "-a", "_a", "a b", "a/b", "é", "rehearsal", "a\n"])
def test_an_invalid_alias_is_refused_in_the_same_words(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        aliases.set_alias(name, "m")
    assert str(caught.value) == (
        f"{name!r} cannot be an alias; it is a word of letters, digits, dots and dashes, not rehearsal."
    )
    assert not aliases.alias_file().exists()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{", "cannot be read (it is not JSON (Expecting"),
        (b"[" * 100_000, "cannot be read (it is not JSON (maximum recursion depth"),
        (b"\xff", "cannot be read ('utf-8'"),
        (b"[]", "are not an object of names and models"),
        (b'{"a": 1}', "are not an object of names and models"),
        (b'{"a": "m", "b": null}', "are not an object of names and models"),
    ],
)
def test_invalid_aliases_are_refused_and_left_unchanged(data: bytes, says: str) -> None:
    path = aliases.alias_file()
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    for use in (aliases.aliases, lambda: aliases.resolve("a"), lambda: aliases.set_alias("a", "m")):
        with pytest.raises(UsageError) as caught:
            use()
        assert str(caught.value).startswith(f"the aliases in {path} {says}")
        assert str(caught.value).endswith("; fix the file or delete it.")
    assert path.read_bytes() == data


@pytest.mark.skipif(os.name != "posix", reason="files have such modes on POSIX alone")
def test_only_the_owner_can_read_the_file_of_aliases() -> None:
    aliases.set_alias("a", "m")
    path = aliases.alias_file()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)  # as an earlier version wrote it
    aliases.set_alias("b", "m")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_no_name_of_a_model_and_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "q7w6e5r4t3y2u1")
    uses = (
        lambda key: aliases.set_alias("a", key),
        lambda key: aliases.set_alias(key, "m"),
        lambda key: open_model(key, options={}),
    )
    for key in ("sk-proj-abcdefghijklmnopqrst", "q7w6e5r4t3y2u1"):
        for use in uses:
            with pytest.raises(UsageError, match="holds a key; put the key into an environment variable") as caught:
                use(key)
            assert key not in str(caught.value.args)
    assert not aliases.alias_file().exists()
