"""A key does not show: in a text, in pieces of one, in JSON, in a `repr` or a pickle."""

from __future__ import annotations

import copy
import json
import pickle
import types

import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.secret import Secret, hide_keys, mask_pieces, masked
from tests.steps import lines_run

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


def test_a_key_of_eight_characters_is_hidden_and_a_shorter_one_is_a_dummy() -> None:
    assert Secret("seven77").hide("a seven77 b") == "a seven77 b"
    assert Secret("eight888").hide("a eight888eight888 b") == "a ****** b"
    assert (
        Secret('quo"te\\d').hide(json.dumps({"a": json.dumps({"b": 'quo"te\\d'})})) == '{"a": "{\\"b\\": \\"***\\"}"}'
    )


def test_places_that_overlap_are_one_and_those_that_touch_are_two() -> None:
    assert hide_keys("abcdefghij", Secret("abcdefgh"), Secret("cdefghij")) == "***"
    assert hide_keys("abcdefghijklmnop", Secret("abcdefgh"), Secret("ijklmnop")) == "******"
    assert hide_keys("abcdefghijkl.", Secret("abcdefghijkl"), Secret("cdefghij")) == "***."


@pytest.mark.parametrize("form", ["sk", "rk", "pk", "gsk", "hf", "xai", "nvapi", "ghp", "glpat"])
@pytest.mark.parametrize("dash", ["-", "_"])
def test_what_looks_like_a_key_is_hidden_from_sixteen_characters_on(form: str, dash: str) -> None:
    assert hide_keys(f"a {form}{dash}{'x' * 16}.") == "a ***."
    short = f"a {form}{dash}{'x' * 15}."
    assert hide_keys(short) == short
    assert hide_keys(f"word{form}{dash}{'x' * 16}") == f"word{form}{dash}{'x' * 16}"


def test_keys_are_masked_in_plain_data_of_any_depth() -> None:
    secret = Secret(KEY)
    data = {"a": [KEY, {KEY: f"x{KEY}"}], "b": 1, "c": None, "d": True, "e": types.MappingProxyType({"f": KEY})}
    assert masked(data, secret) == {"a": ["***", {"***": "x***"}], "b": 1, "c": None, "d": True, "e": {"f": "***"}}


@pytest.mark.parametrize("cut", range(1, 18))
def test_a_key_in_two_pieces_is_masked_in_the_first(cut: int) -> None:
    assert mask_pieces([f"a{KEY[:cut]}", f"{KEY[cut:]}b", "c"], Secret(KEY)) == ["a***", "b", "c"]


def test_pieces_around_keys_are_left_as_they_are() -> None:
    assert mask_pieces([f"{KEY}", "", f"x{KEY}y{KEY}", KEY[:4], KEY[4:8], KEY[8:]], Secret(KEY)) == [
        "***",
        "",
        "x***y***",
        "***",
        "",
        "",
    ]
    assert mask_pieces([], Secret(KEY)) == []


def test_masking_pieces_looks_at_each_key_where_it_is() -> None:
    """A cassette masks a reply in the pieces of its stream: looking at each pair of piece and key would take minutes."""

    def lines(number: int) -> int:
        pieces = [part for _ in range(number) for part in (f" {KEY[:8]}", f"{KEY[8:]} ", "text")]
        assert mask_pieces(pieces, Secret(KEY)) == [" ***", " ", "text"] * number
        return lines_run(lambda: mask_pieces(pieces, Secret(KEY)))

    assert lines(400) < 2.2 * lines(200)
