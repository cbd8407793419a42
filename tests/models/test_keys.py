"""Servers by name, aliases, and where a key comes from."""

import asyncio
import dataclasses
import os
import pickle
import sys
import types

import pytest

from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models import aliases, keys
from asyncfc_jupyter.models.catalog import Where, address_of, open_model
from asyncfc_jupyter.models.openai.async_tools import OpenAINative
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from asyncfc_jupyter.models.profiles import OPENAI, OPENAI_URL, PROFILES
from asyncfc_jupyter.models.secret import Secret
from tests.models.scripted_chat import ask
from tests.servers.scripted_server import HttpError, ScriptedServer

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("OPENAI_BASE_URL", *(profile.key_variable for profile in PROFILES.values())):
        monkeypatch.delenv(name, raising=False)


def opened(**where):
    return open_model("m", where=Where(**where), options={})


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("openai", "https://api.openai.com/v1"),
        ("ollama", "http://127.0.0.1:11434/v1"),
        ("vllm", "http://127.0.0.1:8000/v1"),
        ("llama.cpp", "http://127.0.0.1:8080/v1"),
        ("LMStudio", "http://127.0.0.1:1234/v1"),
    ],
)
def test_a_server_is_reached_by_its_name(name, address) -> None:
    assert address_of(Where(server=name)) == address


def test_an_address_overrides_the_profile_and_unknown_servers_are_refused() -> None:
    """The error lists the known servers."""
    assert address_of(Where(server="vllm", base_url="http://gpu:9/v1")) == "http://gpu:9/v1"
    with pytest.raises(UsageError, match="no server 'olama'; the servers are: openai, ollama, vllm"):
        opened(server="olama")
    with pytest.raises(UsageError, match="no api 'rest'; the apis are: chat, responses, native"):
        opened(server="ollama", api="rest")


def test_each_server_has_its_best_api_by_default(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert type(opened()) is OpenAIResponses
    assert type(opened(server="openai", api="chat")) is OpenAIChat
    assert type(opened(server="ollama")) is OpenAIChat
    assert type(opened(server="vllm", api="native")) is OpenAINative
    assert type(opened(base_url="http://127.0.0.1:1/v1")) is OpenAIChat


def test_the_key_of_one_server_is_never_sent_to_another(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert opened(server="ollama").secrets == (Secret("none"),)
    monkeypatch.setenv("VLLM_API_KEY", "another-key")
    assert opened(server="vllm").secrets == (Secret("another-key"),)


def test_a_key_kept_for_a_server_is_not_sent_to_one_known_by_its_address(monkeypatch) -> None:
    path = write_keys(f'openai = "{KEY}"\n', 0o600)
    asked = []
    ring = types.SimpleNamespace(get_password=lambda *names: asked.append(names))
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert opened(base_url="http://127.0.0.1:1/v1").secrets == (Secret("none"),)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://models.example:1/v1")
    with pytest.raises(UsageError, match=r"pass api_key, or keep it as 'models\.example:1' in the keyring or in"):
        opened()
    assert [name for _, name in asked] == ["127.0.0.1:1", "127.0.0.1", "models.example:1", "models.example"]
    assert opened(server="openai").secrets == (Secret(KEY),)
    path.write_text(f'openai = "{KEY}"\n"models.example:1" = "for-one-port"\n"models.example" = "for-the-host"\n')
    assert opened().secrets == (Secret("for-one-port"),)
    assert opened(base_url="https://models.example:2/v1").secrets == (Secret("for-the-host"),)


def test_openai_by_name_is_openai_for_any_address_in_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu:1/v1")
    own = "https://api.openai.com/v1"
    assert (opened(server="openai")._base_url, address_of(Where(server="openai"))) == (own, own)
    assert (opened()._base_url, address_of(Where())) == ("http://gpu:1/v1", "http://gpu:1/v1")
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert (opened()._base_url, address_of(Where())) == (own, own)


def write_keys(text, mode):
    path = keys.key_file()
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_comes_from_the_environment_then_the_keyring_then_the_file(monkeypatch) -> None:
    write_keys('openai = "from-the-file"\nvllm = "vllm-file"\n', 0o600)
    assert keys.find_key(OPENAI, OPENAI_URL).reveal() == "from-the-file"
    asked = []
    ring = types.SimpleNamespace(get_password=lambda *names: asked.append(names) or "from-the-ring")
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert keys.find_key(OPENAI, OPENAI_URL).reveal() == "from-the-ring"
    assert asked == [("asyncfc_jupyter", "openai")]
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    assert keys.find_key(OPENAI, OPENAI_URL).reveal() == "from-the-environment"
    assert len(asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_the_error_for_a_refused_key_names_the_variable_it_belongs_in(monkeypatch, status) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "a-wrong-key")
    monkeypatch.setenv("MINE", "another-wrong-key")
    ways = [
        (Where(server="vllm"), "VLLM_API_KEY"),
        (Where(server="ollama"), "OLLAMA_API_KEY"),
        (Where(server="lmstudio", api_key="a-wrong-key"), "LM_API_TOKEN"),
        (Where(server="vllm", api_key=keys.api_key_in("MINE")), "MINE"),
        (Where(), "the variable of --api-key-env"),
    ]
    with ScriptedServer([HttpError(status=status)] * len(ways)) as server:
        for where, variable in ways:
            model = open_model("m", where=dataclasses.replace(where, base_url=server.base_url), options={})
            with pytest.raises(ServerError, match=rf"\({status}\).* {variable}\b") as caught:
                asyncio.run(ask(model))
            assert "wrong-key" not in str(caught.value)


def test_without_a_working_keyring_the_file_is_read(monkeypatch) -> None:
    def fails(*_):
        raise RuntimeError("no backend")

    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_password=fails))
    assert keys.find_key(OPENAI, OPENAI_URL) is None
    write_keys('openai = "from-the-file"', 0o600)
    assert keys.find_key(OPENAI, OPENAI_URL).reveal() == "from-the-file"


@pytest.mark.skipif(os.name != "posix", reason="the mode of a file says who may read it on POSIX alone")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused_with_the_remedy(mode) -> None:
    path = write_keys(f'openai = "{KEY}"', mode)
    with pytest.raises(UsageError, match=f"chmod 600 {path}") as caught:
        opened()
    assert KEY not in str(caught.value)


def test_a_file_that_is_not_toml_is_refused_without_being_quoted() -> None:
    write_keys(f"openai = {KEY}", 0o600)
    with pytest.raises(UsageError, match="cannot be read as TOML") as caught:
        opened()
    assert KEY not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("line", "seen"), [(f'models.example = "{KEY}"', "models has the type dict"), ("a = 3", "a has the type int")]
)
def test_a_line_of_the_file_that_holds_no_key_is_refused(line: str, seen: str) -> None:
    """The commonest is a name with dots without its quotes, as TOML reads it."""
    write_keys(line, 0o600)
    with pytest.raises(UsageError, match=rf'{seen}, .*"models.example" = ') as caught:
        opened()
    assert KEY not in str(caught.value)


def test_without_a_key_every_way_to_give_one_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        opened()
    for way in ("OPENAI_API_KEY", "api_key", "keyring", "keys.toml", "rehearsal"):
        assert way in str(caught.value)


def test_a_secret_appears_nowhere() -> None:
    secret = Secret(KEY)
    assert KEY not in f"{secret} {secret!r} {[secret]} {vars(opened(server='ollama', api_key=secret))}"
    with pytest.raises(TypeError, match="a key is not pickled"):
        pickle.dumps(secret)


def test_an_alias_is_kept_listed_resolved_and_removed(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    aliases.set_alias("fast", "gpt-6-luna")
    aliases.set_alias("big", "gpt-6")
    assert aliases.aliases() == {"big": "gpt-6", "fast": "gpt-6-luna"}
    assert open_model("fast", options={}).name == "gpt-6-luna"
    aliases.set_alias("fast", "")
    assert open_model("fast", options={}).name == "fast"
    with pytest.raises(UsageError, match="no alias 'fast' to remove; the aliases are: big"):
        aliases.set_alias("fast", "")


def test_a_key_in_the_file_of_aliases_is_refused_by_the_name_of_its_alias() -> None:
    path = aliases.alias_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"fast": "{KEY}"}}')
    with pytest.raises(UsageError, match=f"the alias 'fast' in {path} holds a key.* %agent alias fast=") as caught:
        open_model("fast", options={})
    assert KEY not in str(caught.value)
    aliases.set_alias("fast", "")
    assert aliases.aliases() == {}


@pytest.mark.parametrize("name", ["", "two words", "rehearsal", "../up"])
def test_an_invalid_name_of_an_alias_is_refused(name) -> None:
    with pytest.raises(UsageError, match="cannot be an alias"):
        aliases.set_alias(name, "m")


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_a_file_of_aliases_that_someone_broke_is_named(text) -> None:
    aliases.alias_file().parent.mkdir(parents=True)
    aliases.alias_file().write_text(text)
    with pytest.raises(UsageError, match="fix the file or delete it"):
        aliases.aliases()
