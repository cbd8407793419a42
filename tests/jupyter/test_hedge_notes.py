"""What ``%agent config`` says of ``hedge=auto`` for the model in use."""

from __future__ import annotations

import types
from typing import Any

import pytest

from asyncfc_jupyter.jupyter.commands.status import show_settings
from asyncfc_jupyter.jupyter.settings.settings import ModelChoice
from asyncfc_jupyter.models.aliases import set_alias
from tests.models.test_side_by_side import BOX, NO, YES, keep

UNKNOWN = "it is not known whether its server runs two requests side by side: see %agent doctor"


@pytest.fixture(autouse=True)
def _home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)


def notes(model: ModelChoice | None, hedge: str = "auto") -> list[str]:
    """Return what follows the table of settings."""
    settings = types.SimpleNamespace(value=lambda _name: hedge, rows=list, reports=list)
    session: Any = types.SimpleNamespace(model=model, settings=settings)
    return show_settings(session).splitlines()[2:]


def at(base_url: str, **more: Any) -> ModelChoice:
    return ModelChoice(name="m", base_url=base_url, **more)


def test_auto_races_where_the_doctor_saw_two_side_by_side() -> None:
    assert notes(at(BOX)) == [f"hedge=auto is retract for m: {UNKNOWN}."]
    keep(YES)
    assert notes(at(BOX)) == [
        "hedge=auto is race for m: the doctor saw that its server runs two requests side by side."
    ]
    keep(NO, year=2027)
    assert notes(at(BOX)) == [
        "hedge=auto is retract for m: the doctor saw that its server is slower with two requests at once."
    ]


def test_auto_is_explained_for_every_kind_of_model() -> None:
    free, paid = "it is not reached at an address of yours", "a second request may cost money there"
    for model, why in (
        (ModelChoice(name="rehearsal"), free),
        (ModelChoice(name="gpt"), paid),
        (ModelChoice(name="gpt", server="azure"), free),  # whose address is in a variable that is not set
        (ModelChoice(name="gemini-2.5-flash", server="gemini"), paid),
        (ModelChoice(name="qwen3", server="ollama"), UNKNOWN),
    ):
        assert notes(model) == [f"hedge=auto is retract for {model.name}: {why}."]


def test_an_alias_stands_for_the_model_that_was_examined() -> None:
    keep(YES)
    set_alias("short", "m")
    (note,) = notes(ModelChoice(name="short", base_url=BOX))
    assert note.startswith("hedge=auto is race for short:")


def test_a_hedge_that_is_set_or_a_session_without_a_model_needs_no_note() -> None:
    assert notes(None) == notes(at(BOX), hedge="race") == notes(at(BOX), hedge="off") == []
