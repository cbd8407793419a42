"""The speed of the rehearsal model: its defaults, and values that are refused."""

from __future__ import annotations

import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.rehearsal import RehearsalModel


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
