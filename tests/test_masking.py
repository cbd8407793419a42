"""The one mask: which texts are keys, how they are found in texts, and what is shown of a key that arrives in pieces."""

from __future__ import annotations

import base64
import html
import itertools
import json
import time
import types
from urllib.parse import quote

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.masking import (
    KNOWN,
    StreamMask,
    holds_key,
    is_key,
    key_values,
    mask,
    mask_pieces,
    masked,
    names_a_key,
)
from tests.lines_run import lines_run

KEY = "planted-0123456789"
FORM = "sk-proj-abcdefghijklmnopqrst"


def known(*keys: str) -> None:
    for key in keys:
        KNOWN.remember(key)


# -- names and values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("OPENAI_API_KEY", "KEY", "my_key", "apiKey", "APIKEY", "keys", "HF_TOKEN", "auth_token", "accessToken"),
        *("PGPASSWORD", "password", "MYSQL_PWD", "DB_PASSWD", "client_secret", "A_SECRET_B", "AWS_ACCESS_KEY_ID"),
        *("GITHUB_PAT", "credentials", "LM_API_TOKEN", "JUPYTER_TOKEN"),
    ],
)
def test_a_name_with_a_word_for_keys_names_a_key(name: str) -> None:
    assert names_a_key(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "SSH_AUTH_SOCK",
            "GPG_KEY",
            "KEYBOARD",
            "JPY_SESSION_NAME",
            "JPY_PARENT_PID",
            "MONKEY",
            "hotkeys_shown",
            "TURKEY",
        ),
        *(
            "KEY_FILE",
            "TOKEN_URL",
            "SECRET_NAME",
            "public_key",
            "primary_key",
            "sort_key",
            "token_count",
            "PATH",
            "",
            "_",
        ),
    ],
)
def test_a_name_that_only_resembles_one_does_not(name: str) -> None:
    assert not names_a_key(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("TOKEN", "a1b2c3d4"),
            ("KEY", KEY),
            ("KEY", "550e8400-e29b-41d4-a716-446655440000"),
            ("PASSWORD", "Pa5s!w0rd"),
        ),
        *(
            ("PASSWORD", "correct horse battery"),
            ("my_secret", "in-the-environment"),
            ("MY_API_KEY", "planted-secret-key"),
            ("KEY", "AbCdEfGhIjKlMnOpQrStUv"),
        ),
    ],
)
def test_a_value_that_nobody_writes_by_chance_is_a_key(name: str, value: str) -> None:
    assert is_key(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("TOKEN", "production1"),
            ("PASSWORD", "password"),
            ("KEY", "seven77"),
            ("KEY", "order_items"),
            ("KEY", "12345678"),
        ),
        *(
            ("KEY", "customerName"),
            ("TOKEN", "2026-11-30T20:00"),
            ("KEY", "https://a.example/x1y2z3"),
            ("KEY", "two w0rd5 x1"),
        ),
        *(
            ("SECRET", "/run/secrets/x1y2z3"),
            ("TOKEN", "~/.config/x1y2z3"),
            ("KEY", "C:\\x1y2z3\\k3y"),
            ("KEY", "x1" * 3000),
            ("key", "planted-secret-key"),
            ("s3_key", "reports/2024/summary.csv"),
            ("row_key", "customer_identifier_code"),
        ),
    ],
)
def test_a_value_that_is_common_is_no_key(name: str, value: str) -> None:
    """A mask for it would remove it everywhere."""
    assert not is_key(name, value)


class Hostile(str):
    """A text whose methods must not be called."""

    def __len__(self) -> int:
        raise AssertionError("the value's own code ran")

    strip = __len__


def test_keys_are_found_among_variables_without_running_their_code() -> None:
    variables = {
        "OPENAI_KEY": f" {KEY}-1\n",
        "config": {"model": "m1-x2-y3-z4", "api_key": f"{KEY}-2"},
        "tokens": [f"{KEY}-3", 7, "a common word"],
        "secrets": {"database": f"{KEY}-4"},
        "pair_of_keys": (f"{KEY}-5",),
        "held": pydantic.SecretStr(f"{KEY}-6"),
        "token": Hostile(KEY),
        "text": f"{KEY}-plain",
        "key": 7,
        8: KEY,
        "long_tokens": [f"{KEY}-7"] * 33,
        "secret": [[f"{KEY}-8"]],
    }
    assert list(dict.fromkeys(key_values(variables.items()))) == [f"{KEY}-{number}" for number in range(1, 7)]


def test_environment_and_watched_variables_are_masked_as_they_are_now(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MY_KEY", "my_token", "A_SECRET_B", "PASSWORD"):
        monkeypatch.setenv(name, f" {name.lower()}-0123456789 ")
    monkeypatch.setenv("PLAIN", "plain-0123456789")
    monkeypatch.setenv("ODD_KEY", "two words")
    said = "my_key-0123456789 my_token-0123456789 a_secret_b-0123456789 password-0123456789 plain-0123456789 two words"
    assert mask(said) == "*** *** *** *** plain-0123456789 two words"
    # Two that no other test remembers: what is remembered stays masked for as long as the process lives.
    variables = {"auth_token": "watched-0123456789"}
    stop = KNOWN.watch(variables.items)
    assert mask("watched-0123456789") == "***"
    variables["auth_token"] = "another-9876543210"
    assert mask("watched-0123456789 another-9876543210") == "watched-0123456789 ***"
    stop()
    stop()
    assert mask("another-9876543210") == "another-9876543210"


# -- texts -------------------------------------------------------------------------------------------------------------


def test_a_key_of_eight_characters_is_masked_and_a_shorter_one_is_a_dummy() -> None:
    known("seven77", "eight888")
    assert mask("a seven77 b eight888eight888 c") == "a seven77 b ****** c"


@pytest.mark.parametrize("key", [KEY, "quo\"te\\d-<&>'1", "sp ace-über-1", "wJalr/XUtn//FEMI+K7"])
def test_a_known_key_is_masked_however_it_is_written(key: str) -> None:
    known(key)
    once = json.dumps({"a": key})
    ways = [key, once, json.dumps({"b": once}), json.dumps(key, ensure_ascii=False), html.escape(key)]
    ways += [f"https://x.example/?q={quote(key, safe='')}", repr({"a": key})]
    for user in ("", "u", "us", "user"):
        ways.append(f"Authorization: Basic {base64.b64encode(f'{user}:{key}'.encode()).decode()}")
        ways.append(base64.urlsafe_b64encode(f"{user}:{key}:more".encode()).decode())
    for way in ways:
        shown = mask(way)
        assert "***" in shown, way
        assert not any(key[at : at + 8] in shown for at in range(len(key) - 7)), way
        assert holds_key(way), way


@pytest.mark.parametrize("between", ["\x1b[1m", *"\u00ad\u200b\u200f\u2060\ufeff", "\x1b[0;31m\ufeff"])
def test_what_is_not_seen_between_its_letters_hides_no_key(between: str) -> None:
    known(KEY)
    text = f"a {between.join(KEY)} b {between.join('plain')}"
    shown = mask(text)
    assert shown.replace(between, "") == "a *** b plain"
    assert holds_key(text)
    assert masked([text]) == [shown]
    assert not holds_key(between.join("plain"))


def test_of_a_key_that_is_cut_off_the_beginning_is_masked() -> None:
    known(KEY)
    assert mask("a plan b planted-01234 c planted-0123") == "a plan b *** c planted-0123"
    assert mask("a plante… b") == "a ***… b"
    assert mask(json.dumps("a plante… b")) == '"a ***\\u2026 b"'
    assert mask("sk-proj-abcd… sk-ab…") == "***… sk-ab…"
    known("customer-service-01234567891")
    assert mask("customer-service is closed") == "customer-service is closed"


def test_spans_that_overlap_are_one_and_those_that_touch_are_two() -> None:
    known("ab1cd2ef3g", "1cd2ef3gh4")
    assert mask("ab1cd2ef3gh4.") == "***."
    known("4i5j6k7l8m")
    assert mask("ab1cd2ef3g4i5j6k7l8m") == "******"


@pytest.mark.parametrize("form", ["sk", "rk", "pk", "gsk", "hf", "xai", "nvapi", "ghp", "gho", "github_pat", "glpat"])
@pytest.mark.parametrize("dash", ["-", "_"])
def test_a_text_with_the_form_of_a_key_is_masked_from_sixteen_characters(form: str, dash: str) -> None:
    assert mask(f"a {form}{dash}{'x' * 16}.") == "a ***."
    short = f"a {form}{dash}{'x' * 15}."
    assert mask(short) == short
    assert mask(f"word{form}{dash}{'x' * 16}") == f"word{form}{dash}{'x' * 16}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("id AKIAIOSFODNN7EXAMPLE.", "id ***."),
        (f"AIza{'a1B2c3D4-_' * 3}x", "***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl ", "*** "),
        ("Authorization: Bearer a1b2c3d4e5f6g7h8", "Authorization: Bearer ***"),
        ("Basic dXNlcjpwYXNzMTIz", "Basic ***"),
        ("postgres://me:s3cr3t@db/x", "postgres://me:***@db/x"),
        ("https://a.example/?api-key=a1b2c3d4&x=1", "https://a.example/?api-key=***&x=1"),
        ("https://a.example/?x=1&amp;access_token=a1b2c3d4", "https://a.example/?x=1&amp;access_token=***"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIabc+/=\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
        ),
    ],
)
def test_other_forms_of_keys_are_masked(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "a Bearer of good news, and Basic understanding required",
        "pk_order_items_product_id, hf_transformers_tokenizers and https://a.example/?key=customers_by_country",
        "https://user@a.example:443/v1?keyboard=a1b2c3d4e5",
        "desk-lamp-with-a-long-name-0123456789",
    ],
)
def test_texts_that_only_resemble_keys_stay(text: str) -> None:
    assert mask(text) == text


def test_keys_are_masked_in_plain_data_of_any_depth() -> None:
    known(KEY)
    data = {"a": [KEY, {KEY: f"x{KEY}"}], "b": 1, "c": None, "d": (KEY,), "e": types.MappingProxyType({"f": KEY})}
    assert masked(data) == {"a": ["***", {"***": "x***"}], "b": 1, "c": None, "d": ("***",), "e": {"f": "***"}}
    plain = {"a": ["b", {"c": 1.5}]}
    assert masked(plain) is plain


# -- pieces ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(1, 18))
def test_a_key_in_two_pieces_is_masked_in_the_first(cut: int) -> None:
    known(KEY)
    assert mask_pieces([f"a{KEY[:cut]}", f"{KEY[cut:]}b", "c"]) == ["a***", "b", "c"]


def test_pieces_around_keys_are_left_as_they_are() -> None:
    known(KEY)
    pieces = [f"{KEY}", "", f"x{KEY}y{KEY}", KEY[:4], KEY[4:8], KEY[8:]]
    assert mask_pieces(pieces) == ["***", "", "x***y***", "***", "", ""]
    assert mask_pieces([]) == []


def streamed(text: str, cuts: list[int]) -> list[str]:
    """What is shown of a text that arrives in pieces, whose ends these are."""
    stream, ends = StreamMask(), [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    return [*(stream.feed(text[a:b]) for a, b in itertools.pairwise(ends)), stream.flush()]


SECRETS = (KEY, FORM, "plan-b1-c2-d3-e4", "ghp_0123456789abcdefghij", "AKIAIOSFODNN7EXAMPLE")
WORDS = [" ", "plan", "planted", "the ", "sk-", "sk-p", "\n", "é", "=", "AKIA", "x", "."]
TEXT = st.lists(st.sampled_from([*(f" {key} " for key in SECRETS), *WORDS]), max_size=12).map("".join)


@settings(max_examples=500, deadline=None)
@given(TEXT, st.lists(st.integers(0, 200), max_size=40))
def test_no_way_of_cutting_a_text_shows_more_of_a_key(text: str, cuts: list[int]) -> None:
    known(KEY, "plan-b1-c2-d3-e4")
    shown = "".join(streamed(text, cuts))
    for key in SECRETS:
        assert not any(key[at : at + 9] in shown for at in range(len(key) - 8)), (text, shown)
    if mask(text) == text:
        assert shown == text


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='abk -_sp…\\"<&/:?=@', max_size=60), st.lists(st.integers(0, 60), max_size=20))
def test_text_without_keys_arrives_whole(text: str, cuts: list[int]) -> None:
    known(KEY)
    assert mask(text) == text
    assert "".join(streamed(text, cuts)) == text


def test_a_piece_is_held_only_while_it_may_become_a_key() -> None:
    known(KEY)
    stream = StreamMask()
    assert [stream.feed(each) for each in ("the pla", "nt", " grows: plan", "ted-0123", "456789, ok")] == [
        *("the pla", "", "nt grows: ", "", "***, ok")
    ]
    assert stream.flush() == ""


@pytest.mark.parametrize(
    "piece",
    [
        "sk-",
        "pk-",
        "plan",
        "planted-0",
        "eyJ",
        "eyJ.eyJ.",
        "://a:",
        "?key=",
        "Bearer ",
        "AKIA",
        "…",
        "-----BEGIN PRIVATE KEY-----",
        "a",
    ],
)
def test_the_time_of_a_mask_grows_with_the_text_and_no_faster(piece: str) -> None:
    known(KEY, "plan-b1-c2-d3-e4")

    def seconds(size: int) -> float:
        text, began = piece * (size // len(piece)), time.process_time()
        mask(text)
        return time.process_time() - began

    small, large = min(seconds(20_000) for _ in range(3)), seconds(400_000)
    assert large < 0.1 + small * 20 * 5


def test_masking_pieces_looks_at_each_key_where_it_is() -> None:
    """A cassette masks a reply in the pieces of its stream: looking at each pair of piece and key would take minutes."""
    known(KEY)

    def lines(number: int) -> int:
        pieces = [part for _ in range(number) for part in (f" {KEY[:8]}", f"{KEY[8:]} ", "text")]
        assert mask_pieces(pieces) == [" ***", " ", "text"] * number
        return lines_run(lambda: mask_pieces(pieces))

    assert lines(400) < 2.2 * lines(200)


@pytest.mark.parametrize("piece", ["sk-", "eyJ", "AKIA", "sk-aaaaaaaaaaaaaaaaaaaaaaaa", "planted-0", "x"])
def test_the_time_of_a_stream_grows_with_its_pieces_and_no_faster(piece: str) -> None:
    known(KEY)

    def lines(number: int) -> int:
        stream = StreamMask()
        return lines_run(lambda: [stream.feed(piece) for _ in range(number)])

    assert lines(3000) < 2.2 * lines(1500)


def test_a_known_key_within_a_text_of_the_form_of_one_is_masked_whole() -> None:
    key = "Zx9pJyNOea2qp=E2EPjP4IWReXMtc4"
    known(key)
    for before in ("sk-Zx9", f"sk-{'a' * 40}", "sk-"):
        for cut in range(1, len(before + key)):
            shown = "".join(streamed(f"a {before}{key} b", [2 + cut, 5 + cut]))
            assert shown.replace("******", "***") in {"a *** b", "a s*** b", "a sk*** b", "a sk-*** b"}
