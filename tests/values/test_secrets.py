"""Secrets of a class or of a tool's author that a model is not shown, and what it is shown instead."""

import functools
from typing import Annotated

import attrs
import pydantic
import pytest
from pydantic import BaseModel, Field

from asyncfc_jupyter import ToolContext
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.errors import ArgumentMismatch
from asyncfc_jupyter.testing import Calls, Says
from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.values.summarize import value_fields
from tests.agent.scripted_conversation import play

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
def test_a_field_that_the_repr_leaves_out_is_named_and_not_shown(value, shown, part) -> None:
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


def test_fields_that_a_pydantic_dataclass_hides_are_not_shown() -> None:
    """It hides them from its JSON or from its repr."""
    assert value_fields(Login("Ada"), NAME) == {"value": {"user": "Ada"}}
    long = value_fields(Login("Ada" * 9_000), NAME)["value"]
    assert long.startswith("Login with 1 field:")
    assert "hush" not in long


def test_a_secret_is_not_shown_where_the_objects_own_code_raises() -> None:
    assert "hush" not in value_fields(RefusesToBeGoneThrough(user="Ada"), NAME)["value"]


def ask(question: str, client, api_key: str = "", account: int = 0, context: ToolContext = None) -> tuple:
    """Ask.

    Args:
        question: What to ask.
        api_key: The key.
    """
    return question, client, api_key, account, context


CONTEXT = ToolContext()
FIXED = functools.partial(functools.partial(ask, api_key="hush", client=7), context=CONTEXT, account="3")


@functools.wraps(FIXED)
def wrapped(*args, **kwargs):
    return FIXED(*args, **kwargs)


@pytest.mark.parametrize("function", [FIXED, wrapped], ids=["partial", "wrapped"])
def test_a_model_neither_sees_nor_sets_what_a_partial_has_fixed(function) -> None:
    made = make_tool(function, name="ask")
    assert list(made.parameters["properties"]) == ["question"]
    assert made.signature == "ask(question: str) -> tuple"
    assert not made.parameters_of.takes_context
    assert "hush" not in str(made.definition(references=True))
    bound = made.parameters_of.bind({"question": "why?"}, ToolContext())
    assert made.function(*bound.args, **bound.kwargs) == ("why?", 7, "hush", "3", CONTEXT)
    with pytest.raises(ArgumentMismatch, match=r"there is no parameter 'api_key' \(there are: question\)"):
        made.parameters_of.bind({"question": "why?", "api_key": "mine"})


def test_a_value_fixed_by_a_partial_may_name_a_place_and_a_limit() -> None:
    tool = make_tool(FIXED, writes="accounts/{account}", limit={"keys/{api_key}": 1})
    calls = [Calls("ask", {"question": "a"}), Calls("ask", {"question": "b", "account": 4})]
    run, _ = play(calls, [Says("a")], [Says("b")], tools=[tool])
    assert [future.state.value for future in run.futures.values()] == ["done", "failed"]
    issued = [each.event.effects.writes for each in run.trace if hasattr(each.event, "effects")]
    assert issued[0] == (("accounts", "3"),)
