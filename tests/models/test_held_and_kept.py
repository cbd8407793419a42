"""What is kept for servers and users: clients, keys, aliases and files; each at its edges."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
import os
import pickle
import stat
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models import aliases, keys
from asyncfc_jupyter.models.address import is_local
from asyncfc_jupyter.models.atomic_file import replace_file
from asyncfc_jupyter.models.catalog import Taping, Where, address_of, open_model
from asyncfc_jupyter.models.json_object import JsonObject, join_halves
from asyncfc_jupyter.models.openai import clients
from asyncfc_jupyter.models.openai.lenient import get, number, several, text
from asyncfc_jupyter.models.profiles import ANY, PROFILES
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from asyncfc_jupyter.models.secret import Secret, hide_keys, mask_pieces, masked
from tests.models.scripted_model import Plays, ask

KEY = "planted-0123456789"
POSIX = pytest.mark.skipif(os.name != "posix", reason="files have such modes on POSIX alone")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", *(profile.key_variable for profile in PROFILES.values())):
        monkeypatch.delenv(name, raising=False)


# -- clients ---------------------------------------------------------------------------------------------------------


class Client:
    """Stands for a client of the library."""

    def __init__(self) -> None:
        self.made_in = threading.current_thread()
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any, Client]]:
    """The clients that are made, each with its server and key."""
    clients_made: list[tuple[Any, Any, Client]] = []

    def make(base_url: str | None, api_key: Secret | None) -> Client:
        client = Client()
        clients_made.append((base_url, api_key, client))
        return client

    monkeypatch.setattr(clients, "_make", make)
    return clients_made


def test_a_loop_holds_one_client_for_each_server_and_key(made) -> None:
    async def several_times() -> list[Any]:
        wanted = [
            ("a", Secret(KEY)),
            ("a", Secret(KEY)),
            ("a", Secret("another")),
            ("b", Secret(KEY)),
            ("a", None),
            (None, None),
        ]
        got = [await clients.client_for(*each) for each in [*wanted, *wanted]]
        assert got[:6] == got[6:]
        return got

    got = asyncio.run(several_times())
    assert [each[:2] for each in made] == [
        ("a", Secret(KEY)),
        ("a", Secret("another")),
        ("b", Secret(KEY)),
        ("a", None),
        (None, None),
    ]
    assert got[0] is got[1]
    assert len({id(client) for client in got}) == 5
    assert [client.closed for _, _, client in made] == [1] * 5  # with their loop
    assert all(client.made_in is not threading.main_thread() for _, _, client in made)


def test_two_requests_at_once_share_the_client_that_was_made_first(made) -> None:
    async def at_once() -> None:
        first, second = await asyncio.gather(*(clients.client_for("a", Secret(KEY)) for _ in range(2)))
        assert first is second
        assert sorted(client.closed for _, _, client in made) == [0, 1]
        assert [client for _, _, client in made if not client.closed] == [first]

    asyncio.run(at_once())
    assert len(made) == 2
    assert [client.closed for _, _, client in made] == [1, 1]


def test_each_loop_has_clients_of_its_own_and_leaves_none(made) -> None:
    for _ in range(2):
        asyncio.run(clients.client_for("a", Secret(KEY)))
    assert len(made) == 2
    assert not any(clients._clients.values())


def test_a_loop_that_was_closed_rudely_is_let_go_and_one_in_use_is_not(made) -> None:
    rude, busy = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        for loop in (rude, busy):
            loop.run_until_complete(clients.client_for("a", Secret(KEY)))
        rude.run_until_complete(rude.shutdown_asyncgens())
        rude.close()
        assert rude in clients._clients
        asyncio.run(clients.client_for("a", Secret(KEY)))
        assert rude not in clients._clients
        assert len(clients._clients[busy]) == 1
    finally:
        busy.run_until_complete(busy.shutdown_asyncgens())
        busy.close()
        clients._clients.pop(busy, None)


def test_a_client_is_made_with_the_key_and_repeats_nothing_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    error = type("OpenAIError", (Exception,), {})

    def refuses(**options: Any) -> str:
        given.append(options)
        if options["api_key"] is None:
            raise error(KEY)
        return "a client"

    monkeypatch.setattr(clients, "library", lambda: types.SimpleNamespace(AsyncOpenAI=refuses, OpenAIError=error))
    assert clients._make("http://x", Secret(KEY)) == "a client"
    assert given == [{"base_url": "http://x", "api_key": KEY, "max_retries": 0}]
    with pytest.raises(UsageError, match=r"^there is no key; set OPENAI_API_KEY, or pass api_key\.$") as caught:
        clients._make(None, None)
    assert caught.value.__suppress_context__


# -- files -----------------------------------------------------------------------------------------------------------


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(mode)
    replace_file(path, "néw\n")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == ("néw\n".encode(), mode)
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        replace_file(path, "half \ud83d")

    def fails(*_: Any) -> None:
        raise OSError("full")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="full"):
        replace_file(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]  # no other file is left


def test_a_link_still_points_to_the_file_that_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    path, link = tmp_path / "deep" / "a.txt", tmp_path / "link"
    path.write_text("old")
    link.symlink_to(path)
    replace_file(link, "new")
    assert (link.is_symlink(), path.read_text()) == (True, "new")


def test_a_missing_file_is_created(tmp_path: Path) -> None:
    replace_file(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


# -- secrets ---------------------------------------------------------------------------------------------------------


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


# -- keys ------------------------------------------------------------------------------------------------------------


def keep(lines: str, mode: int = 0o600) -> Path:
    path = keys.key_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines)
    path.chmod(mode)
    return path


def found(name: str = "vllm") -> str | None:
    secret = keys.find_key(PROFILES[name] if name != "any" else ANY)
    return secret and f"{secret.reveal()} {secret.variable}"


def test_a_key_is_looked_for_in_three_places_and_carries_its_variable(monkeypatch, home) -> None:
    ring = types.SimpleNamespace(
        get_password=lambda service, name: {("asyncfc_jupyter", "vllm"): " in-the-ring\n"}.get((service, name))
    )
    assert found() is None
    keep('vllm = " in-the-file "\nollama = 7\n')
    assert keys.key_file() == home / "config" / "asyncfc_jupyter" / "keys.toml"
    assert (found(), found("ollama"), found("any")) == ("in-the-file VLLM_API_KEY", None, None)
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


def test_keys_of_the_environment_are_masked_in_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MY_KEY", "my_token", "A_SECRET_B", "PASSWORD"):
        monkeypatch.setenv(name, f" {name.lower()}-0123456789 ")
    monkeypatch.setenv("PLAIN", "plain-0123456789")
    monkeypatch.setenv("EMPTY_KEY", " ")
    monkeypatch.setenv("ODD_KEY", "two words")
    said = "my_key-0123456789 my_token-0123456789 a_secret_b-0123456789 password-0123456789 plain-0123456789 two words"
    assert keys.without_keys(said) == "*** *** *** *** plain-0123456789 two words"


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


# -- aliases ---------------------------------------------------------------------------------------------------------


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
        (b"{", "cannot be read (Expecting"),
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


# -- the catalogue ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:1/v1", True),
        ("http://10.0.0.1", False),
        ("http://example.org", False),
        ("http://localhost.org", False),
        ("http://", False),
        ("http://[::1", False),
    ],
)
def test_an_address_is_of_this_machine_or_not(url: str, here: bool) -> None:
    assert is_local(url) is here


def refused(*, model: Any = "m", where: Where | None = None, options: Any = None, taping: Taping | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        open_model(model, where=where, options=options or {}, taping=taping)
    return str(caught.value)


def test_a_model_that_cannot_be_opened_is_refused_with_the_way_out(tmp_path: Path) -> None:
    offline = 'for a model without key and network: --model rehearsal, or model="rehearsal"'
    assert refused(model=" \n") == f"no model is named; set one with model (--model); {offline}."
    assert refused() == (
        "model 'm' needs a key; set OPENAI_API_KEY, pass api_key, or keep it as openai in the keyring or in "
        f"{keys.key_file()}; {offline}."
    )
    assert refused(where=Where(base_url="host:1/v1")) == (
        "the address 'host:1/v1' does not say how to reach it; write http://host:1/v1 (--base-url)."
    )
    assert refused(model="rehearsal", options={"zzz": 1, "b": 2, "ttft_ms": 1}) == (
        "the rehearsal model has no option 'b'; its options are: ttft_ms, tokens_per_s."
    )
    assert (
        refused(taping=Taping(record="a", replay="b"))
        == "a run is recorded or replayed, not both; leave out record or replay."
    )
    for speed in (2, "instant", "2", 0.5):
        assert refused(model="rehearsal", taping=Taping(speed=speed)) == (
            "speed says how fast a cassette is replayed; it goes together with replay (--replay)."
        )
    for name in [field.name for field in dataclasses.fields(Where)]:
        assert refused(model=Plays(), where=Where(**{name: "x"})) == (
            f"{name}: a model that is given as an object (Plays) is used as it is; give them to Plays itself, "
            "or name the model by its text."
        )
    assert refused(model=Plays(), options={"seed": 1}).startswith("model_options: a model")


def test_a_model_without_options_opens_unchanged() -> None:
    for speed in (1, "1", 1.0):
        assert open_model("rehearsal", options={}, taping=Taping(speed=speed)).name == "rehearsal"
    given = Plays()
    assert open_model(given, options={}) is given
    aliases.set_alias("mine", "rehearsal")
    assert isinstance(open_model("mine", options={}), RehearsalModel)
    near = open_model("m", where=Where(base_url="http://localhost:1/v1"), options={})
    assert (near.secrets[0].reveal(), near.secrets[0].variable) == ("none", "OPENAI_API_KEY")
    given_key = Secret(KEY, variable="MINE")
    assert open_model("m", where=Where(server="vllm", api_key=given_key), options={}).secrets == (given_key,)
    assert address_of(Where(base_url="http://user:pass@host/v1/")) == "http://host/v1"


def test_a_model_is_recorded_or_replayed_if_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    recording = open_model(Plays(), options={}, taping=Taping(record=path))
    asyncio.run(ask(recording))
    assert (recording.name, path.exists()) == ("plays", True)
    aliases.set_alias("mine", "other")
    for model, name in (("m", "m"), ("mine", "other"), (Plays(), "plays")):
        assert open_model(model, options={}, taping=Taping(replay=path, speed=2)).name == name


# -- small things ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (0, 0),
        ("0", 0),
        (0.0, 0),
        (-1, None),
        (-0.5, None),
        (0.5, None),
        (10**18 - 1, 10**18 - 1),
        (10**18, None),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("²", None),
        ("٣", None),
        ("-1", None),
        (" 1", None),
        (True, None),
        (False, None),
        (1e17, 10**17),
        (1e18, None),
        (float("inf"), None),
        (float("nan"), None),
        (b"1", None),
    ],
)
def test_a_number_is_whole_and_has_eighteen_digits_at_most(value: Any, whole: int | None) -> None:
    found = number(value)
    assert found == whole
    assert type(found) is type(whole)


def test_fields_are_read_of_anything_that_has_them() -> None:
    thing = types.SimpleNamespace(a=1)
    assert [get(each, "a") for each in ({"a": 1}, types.MappingProxyType({"a": 1}), thing)] == [1, 1, 1]
    assert [get(each, "b") for each in ({"a": 1}, thing)] == [None, None]
    plain = [
        ("x", "upper"),
        (b"x", "upper"),
        (1, "real"),
        (1.0, "real"),
        ([1], "append"),
        ((1,), "count"),
        (None, "__class__"),
    ]
    assert [get(value, name) for value, name in plain] == [None] * 7
    assert [several(value) for value in ([1], (1, 2), "x", b"x", 1, 1.0, None)] == [[1], (1, 2), (), (), (), (), ()]
    assert several({"a": 1}) == ({"a": 1},)
    assert [text(value) for value in ("", "a", 0, 7, True, False, 1.0, None, [])] == ["", "a", "0", "7"] + [None] * 5


@pytest.mark.parametrize(
    ("pieces", "behind", "closed"),
    [
        (["{}"], "", True),
        (["{", "}x"], "x", True),
        ([" \t", "\r\n{", "}"], "", True),
        (["{", ""], "", False),
        ([""], "", False),
        (["[1]"], "", True),
        (['{"a": "}', '"}y'], "y", True),
        (['{"\\', '"}"}z'], "z", True),
        (['{"\\\\"}w'], "w", True),
        (['{"\\\\\\', "", '"}"}v'], "v", True),
        (["{{}", "}u"], "u", True),
        (["{}{}"], "{}", True),
    ],
)
def test_an_object_ends_with_the_brace_that_closes_it(pieces: list[str], behind: str, closed: bool) -> None:
    found = JsonObject()
    rest = [found.feed(piece) for piece in pieces]
    assert (rest[-1], found.closed) == (behind, closed)
    assert found.begun is bool("".join(pieces).strip())


@pytest.mark.parametrize(
    ("held", "piece", "whole", "half"),
    [
        ("", "a", "a", ""),
        ("", "é", "é", ""),
        ("", "a\ud83d", "a", "\ud83d"),
        ("\ud83d", "\ude00b", "😀b", ""),
        ("\ud83d", "b", "\ufffdb", ""),
        ("\ud83d", "", "", "\ud83d"),
        ("", "\ude00", "\ufffd", ""),
        ("\ud83d", "\ud83d", "\ufffd", "\ud83d"),
        ("", "\ud800", "", "\ud800"),
        ("", "\udbff", "", "\udbff"),  # noqa: PT014 - the checker takes all halves for one
        ("", "\ud7ff", "\ud7ff", ""),
        ("", "\udc00", "\ufffd", ""),  # noqa: PT014 - as above
    ],
)
def test_half_a_character_is_held_for_the_next_piece(held: str, piece: str, whole: str, half: str) -> None:
    assert join_halves(held, piece) == (whole, half)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ttft_ms": -0.001}, "ttft_ms is -0.001; give the milliseconds to the first token, 0 or more."),
        ({"ttft_ms": float("inf")}, "ttft_ms is inf; give the milliseconds to the first token, 0 or more."),
        ({"ttft_ms": float("nan")}, "ttft_ms is nan; give the milliseconds to the first token, 0 or more."),
        ({"tokens_per_s": 0}, "tokens_per_s is 0; give a speed above 0, such as 60."),
        ({"tokens_per_s": float("inf")}, "tokens_per_s is inf; give a speed above 0, such as 60."),
        ({"tokens_per_s": float("nan")}, "tokens_per_s is nan; give a speed above 0, such as 60."),
    ],
)
def test_an_invalid_speed_of_the_rehearsal_model_is_refused(options: dict[str, float], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        RehearsalModel(**options)
    assert str(caught.value) == says


def test_the_rehearsal_has_speeds_of_its_own() -> None:
    model = RehearsalModel()
    assert (model._ttft_s, model._tokens_per_s) == (0.3, 60)
    edge = RehearsalModel(ttft_ms=0, tokens_per_s=1e-9)
    assert (edge._ttft_s, edge._tokens_per_s) == (0, 1e-9)
