"""A model opens by name or as it is, recorded or replayed; what cannot be opened is refused with the way out."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models import aliases, keys
from asyncfc_jupyter.models.catalog import Taping, Where, address_of, open_model
from asyncfc_jupyter.models.profiles import PROFILES
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from asyncfc_jupyter.models.secret import Secret
from tests.models.scripted_model import Plays, ask

KEY = "planted-0123456789"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", *(profile.key_variable for profile in PROFILES.values())):
        monkeypatch.delenv(name, raising=False)


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
    assert (near.secrets[0].reveal(), near.secrets[0].variable) == ("none", "the variable of --api-key-env")
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
