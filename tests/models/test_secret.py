"""A key does not show in a `repr` or a pickle."""

from __future__ import annotations

import copy
import pickle

import pytest

from asyncfc_jupyter import Agent
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.secret import Secret

KEY = "planted-0123456789"


def test_a_secret_is_equal_to_itself_alone_and_shows_a_mask() -> None:
    secret = Secret(KEY, variable="MINE")
    assert secret == Secret(KEY)  # the variable is not a part of it
    assert hash(secret) == hash(Secret(KEY))
    assert secret != Secret(KEY + "0")
    assert secret != KEY
    assert (repr(secret), str(secret), f"{secret}") == ("***", "***", "***")
    assert (secret.reveal(), secret.variable, Secret(KEY).variable) == (KEY, "MINE", "OPENAI_API_KEY")
    assert not hasattr(secret, "__dict__")
    for made_again in (lambda: pickle.dumps(secret), lambda: copy.copy(secret), lambda: copy.deepcopy(secret)):
        with pytest.raises(
            TypeError, match="a key is not pickled; name the environment variable that holds it instead"
        ):
            made_again()


@pytest.mark.parametrize("key", ["!", "~", "!~", "a" * 5000])
def test_any_key_that_a_header_can_carry_is_accepted(key: str) -> None:
    assert Secret(key).reveal() == key


@pytest.mark.parametrize("key", ["", " ", "a b", "a\n", "\x7f", "é", "a\x00"])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(
        UsageError, match=r"^the key is empty or holds characters that no key has; set it again \(MINE\)\.$"
    ):
        Secret(key, variable="MINE")


def test_a_key_that_cannot_be_sent_is_named_by_where_it_was_given() -> None:
    for make in (
        lambda: Agent("m", api_key="sk-é", tools=[]),
        lambda: Agent("m", base_url="https://models.example/v1", api_key="sk-é", tools=[]),
        lambda: OpenAIChat("m", api_key="sk-é"),
    ):
        with pytest.raises(UsageError, match=r"set it again \(api_key\)\.$") as caught:
            make()
        assert "é" not in str(caught.value)
