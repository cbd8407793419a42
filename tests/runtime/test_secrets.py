"""What a class, or the person who made the tool, keeps to themselves, and what a model is shown all the same."""

from typing import Annotated

import attrs
import pydantic
import pytest
from pydantic import BaseModel, Field

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.runtime.summaries import value_fields

NAME = FutureName("f1")


@attrs.define(slots=False)
class Account:
    owner: str
    password: str = attrs.field(default="hush", repr=False)


class Client:
    def __init__(self) -> None:
        self.host, self.api_key = "example.org", "hush"

    def __repr__(self) -> str:
        return f"Client({self.host!r})"


@pytest.mark.parametrize(
    ("value", "shown", "part"),
    [
        (Account("Ada"), "Account: Account(owner='Ada')\nfields: owner, password", "$f1.owner"),
        (Client(), "Client: Client('example.org')\nfields: host, api_key", "$f1.host"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_repr_of_its_own_leaves_out_is_named_and_not_shown(value, shown, part) -> None:
    fields = value_fields(value, NAME)
    assert fields["value"] == shown
    assert f'"{part}"' in fields["note"]
    assert "hush" not in str(value_fields({"it": [value]}, NAME))


@pydantic.dataclasses.dataclass
class Login:
    user: str
    password: str = Field("hush", exclude=True)
    pin: Annotated[str, Field(exclude=True)] = "hush"
    token: str = Field("hush", repr=False)


class RefusesToBeGoneThrough(BaseModel):
    user: str
    password: str = Field("hush", repr=False)

    def __iter__(self):
        raise RuntimeError("no")


def test_fields_that_a_pydantic_dataclass_keeps_out_of_its_json_or_its_repr_are_not_shown() -> None:
    assert value_fields(Login("Ada"), NAME) == {"value": {"user": "Ada"}}
    long = value_fields(Login("Ada" * 9_000), NAME)["value"]
    assert long.startswith("Login with 1 field:")
    assert "hush" not in long


def test_a_secret_is_not_shown_where_the_objects_own_code_raises() -> None:
    assert "hush" not in value_fields(RefusesToBeGoneThrough(user="Ada"), NAME)["value"]
