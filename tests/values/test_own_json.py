"""A pydantic object is shown, and found by references, as its own class writes it to JSON."""

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any, ClassVar, Generic, TypedDict, TypeVar

import attrs
import numpy as np
import pandas as pd
import pydantic
import pydantic.v1
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    SecretStr,
    computed_field,
    field_serializer,
    model_serializer,
)

from asyncfc_jupyter.core.field_access import reach_field, reach_item
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.references import parse_reference
from asyncfc_jupyter.errors import MissingField
from asyncfc_jupyter.testing import Calls, Says
from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.values.describe import describe, label
from asyncfc_jupyter.values.summarize import value_fields, value_text
from tests.agent.scripted_conversation import play

NAME = FutureName("f1")
HUSH = "XX00-hush"


def masked(text):
    return text[:4] + "..."


class Account(BaseModel):
    owner: str
    iban: str = HUSH
    opened: dt.date = dt.date(2026, 1, 2)

    @field_serializer("iban")
    def mask(self, value: str) -> str:
        return masked(value)


class Line(BaseModel):
    price: float
    quantity: int

    @computed_field
    @property
    def total(self) -> float:
        return self.price * self.quantity

    @property
    def margin(self) -> float:
        return 0.5


class MasksInJsonOnly(BaseModel):
    iban: Annotated[str, PlainSerializer(masked, when_used="json")] = HUSH


class Whole(BaseModel):
    owner: str = "Ada"
    iban: str = HUSH

    @model_serializer
    def whole(self) -> dict[str, Any]:
        return {"owner": self.owner, "iban": masked(self.iban), "kind": "account"}


class AsText(BaseModel):
    iban: str = HUSH

    @model_serializer
    def text(self) -> str:
        return f"account {masked(self.iban)}"


class Aliased(BaseModel):
    number: int = Field(7, serialization_alias="orderNumber")


class ByAlias(Aliased):
    model_config = ConfigDict(serialize_by_alias=True)


class Excludes(BaseModel):
    user: str = "Ada"
    password: str = Field(HUSH, exclude=True)
    token: str = Field("token-hush", repr=False)


class Keeps(BaseModel):
    user: str = "Ada"
    key: SecretStr = SecretStr(HUSH)


class Bank(BaseModel):
    head: Account = Account(owner="Ada")
    all: list[Account] = [Account(owner="Bo")]
    by_name: dict[str, Account] = {"Cy": Account(owner="Cy")}


class OwnMaskForParts(BaseModel):
    account: Account = Account(owner="Ada")

    @field_serializer("account")
    def owner_only(self, account: Account) -> str:
        return account.owner


class Accounts(RootModel[list[Account]]):
    pass


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T]


class Typed(TypedDict):
    account: Account


@dataclasses.dataclass
class Holder:
    account: Account


@pydantic.dataclasses.dataclass
class PydanticHolder:
    account: Account
    iban: Annotated[str, PlainSerializer(masked)] = HUSH

    @computed_field
    @property
    def length(self) -> int:
        return len(self.iban)


class Base(BaseModel):
    user: str = "Ada"


class Derived(Base):
    secret: str = HUSH


class HoldsBase(BaseModel):
    base: Base


class InOtherUnits(BaseModel):
    model_config = ConfigDict(ser_json_timedelta="float")

    wait: dt.timedelta = dt.timedelta(seconds=90)


class Extra(BaseModel):
    model_config = ConfigDict(extra="allow")


class Version1(pydantic.v1.BaseModel):
    user: str = "Ada"
    password: str = pydantic.v1.Field(HUSH, exclude=True)
    key: pydantic.v1.SecretStr = pydantic.v1.SecretStr(HUSH)
    day: dt.date = dt.date(2026, 1, 2)

    class Config:
        json_encoders: ClassVar = {dt.date: lambda day: f"year {day.year}"}


MASKED = {"owner": "Ada", "iban": "XX00...", "opened": "2026-01-02"}
SHOWN = [
    (Account(owner="Ada"), MASKED),
    (Line(price=2, quantity=3), {"price": 2.0, "quantity": 3, "total": 6.0}),
    (MasksInJsonOnly(), {"iban": "XX00..."}),
    (Whole(), {"owner": "Ada", "iban": "XX00...", "kind": "account"}),
    (AsText(), "account XX00..."),
    (Aliased(), {"number": 7}),
    (ByAlias(), {"orderNumber": 7}),
    (Keeps(), {"user": "Ada", "key": "**********"}),
    (OwnMaskForParts(), {"account": "Ada"}),
    (Accounts([Account(owner="Ada")]), [MASKED]),
    (Page[Account](items=[Account(owner="Ada")]), {"items": [MASKED]}),
    (HoldsBase(base=Derived()), {"base": {"user": "Ada"}}),
    (InOtherUnits(), {"wait": 90.0}),
    (Extra(a=1), {"a": 1}),
]


@pytest.mark.parametrize(("value", "shown"), SHOWN, ids=lambda value: type(value).__name__)
def test_a_pydantic_object_is_shown_as_its_own_json(value, shown) -> None:
    assert json.loads(value.model_dump_json()) == shown
    assert value_fields(value, NAME) == {"value": shown}
    assert json.loads(value_text([value])) == [shown]


@pytest.mark.parametrize(
    "make",
    [lambda x: [x], lambda x: {"a": x}, Holder, PydanticHolder, lambda x: Typed(account=x), lambda x: (1, [x])],
)
def test_it_is_shown_so_inside_of_everything_else(make) -> None:
    for length in (1, 9_000):
        shown = json.dumps(value_fields(make(Account(owner="Ada" * length)), NAME))
        assert "XX00..." in shown
        assert "hush" not in shown


def test_a_long_object_and_its_description_do_not_say_more_than_its_json() -> None:
    for value in (Account(owner="Ada" * 9_000), Bank(all=[Account(owner="Bo")] * 900), Excludes(user="Ada" * 9_000)):
        assert "hush" not in json.dumps(value_fields(value, NAME))
        assert "hush" not in describe(value).text + label(value)
    assert value_fields(Line.model_construct(price="9" * 9_000, quantity=0), NAME)["value"].startswith(
        "Line with 3 fields:"
    )


@attrs.define(slots=False)
class AttrsHolder:
    account: Account


@dataclasses.dataclass
class HolderWithoutAField:
    account: Account
    more: int = dataclasses.field(init=False)


@pytest.mark.parametrize(
    "value",
    [
        AttrsHolder(Account(owner="Ada")),
        SimpleNamespace(deep=[{"a": Account(owner="Ada")}]),
        HolderWithoutAField(Account(owner="Ada")),
        pd.DataFrame({"a": [Account(owner="Ada")], "n": [1]}),
        pd.Series([Account(owner="Ada")]),
        np.array([[Account(owner="Ada")]], dtype=object),
        AttrsHolder(Version1()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_object_is_not_shown_by_its_repr_if_it_holds_one(value) -> None:
    for each in (value, [value], {"a": value}):
        assert "hush" not in json.dumps(value_fields(each, NAME))
    assert type(value).__name__ in describe(value).text


def reach(text, value):
    return parse_reference(text).resolve(value)


def test_a_reference_finds_what_the_model_was_shown() -> None:
    bank, account = Bank(), Account(owner="Ada")
    assert reach("$f1.total", Line(price=2, quantity=3)) == 6.0
    assert reach("$f1.opened", account) is account.opened
    assert reach("$f1.iban", account) == reach('$f1["iban"]', account) == "XX00..."
    assert reach("$f1.head", bank) is bank.head
    assert (
        reach("$f1.all[0].iban", bank)
        == reach("$f1.by_name.Cy.iban", bank)
        == reach("$f1.head.iban", bank)
        == "XX00..."
    )
    assert reach("$f1.iban", Whole()) == "XX00..."
    assert reach("$f1.kind", Whole()) == "account"
    assert reach("$f1.base", HoldsBase(base=Derived())) == {"user": "Ada"}
    assert reach("$f1.key", Keeps()).get_secret_value() == HUSH
    assert reach("$f1", account) is account


def test_a_reference_takes_a_field_by_its_name_and_by_its_alias() -> None:
    for value in (Aliased(), ByAlias()):
        assert reach("$f1.number", value) == reach("$f1.orderNumber", value) == 7


def test_a_reference_goes_into_a_root_model_with_and_without_its_name() -> None:
    accounts = Accounts([Account(owner="Ada")])
    assert reach("$f1[0]", accounts) is reach("$f1.root[-1]", accounts) is accounts.root[0]
    assert reach("$f1[0].iban", accounts) == "XX00..."


def test_what_a_repr_shows_by_name_only_is_not_looked_into() -> None:
    looked = []

    class Pair(tuple):
        __slots__ = ()

        def __iter__(self):
            looked.append(self)
            return super().__iter__()

    pair = Pair((1, 2))
    holder = type("Holder", (), {"pair": pair})()
    holder.own = pair
    module = ModuleType("module")
    module.pair, wait.pair = pair, pair
    for shown_by_name in (module, type(holder), holder, wait):
        describe(SimpleNamespace(held=[shown_by_name]))
    assert looked == []
    describe(SimpleNamespace(held=[pair]))
    assert looked


def wait() -> None:
    """Hold an attribute."""


def test_a_field_that_is_hidden_from_the_repr_alone_can_be_passed_on() -> None:
    assert value_fields(Excludes(), NAME) == {"value": {"user": "Ada"}}
    assert reach("$f1.token", Excludes()) == "token-hush"


LEFT_OUT = """its class leaves 'password' out of its JSON, and only "$f1" as a whole holds it"""


@pytest.mark.parametrize(
    ("value", "name", "why"),
    [
        (Excludes(), "password", f"f1 has no field 'password'; it has: user, token; {LEFT_OUT}"),
        (Line(price=1, quantity=1), "margin", "f1 has no field 'margin'; it has: price, quantity, total"),
        (Line(price=1, quantity=1), "model_dump", "f1 has no field 'model_dump'; it has: price, quantity, total"),
        (AsText(), "iban", "f1 has no field 'iban'; it is text of 15 characters"),
        (HoldsBase(base=Derived()).base, "root", "f1 has no field 'root'; it has: user, secret"),
    ],
    ids=str,
)
def test_what_its_json_lacks_is_not_found(value, name, why) -> None:
    with pytest.raises(MissingField) as caught:
        reach_field(value, name, "f1")
    assert str(caught.value) == why


class Fails(BaseModel):
    user: str = "Ada"
    iban: str = HUSH

    @field_serializer("iban")
    def mask(self, value: str) -> str:
        raise ValueError(value)


class FailsWhole(BaseModel):
    iban: str = HUSH

    @model_serializer
    def whole(self) -> dict[str, Any]:
        raise ValueError(self.iban)


def test_a_field_that_cannot_be_written_is_named_with_the_reason() -> None:
    for value in (Fails(), [Fails()], FailsWhole(), Page[Fails](items=[Fails()])):
        shown = json.dumps(value_fields(value, NAME))
        assert "writing it as JSON raised PydanticSerializationError" in shown
        assert "hush" not in shown
    assert reach_field(Fails(), "user", "f1") == "Ada"
    with pytest.raises(MissingField, match="f1 has no field 'iban'; writing it as JSON raised Pydantic"):
        reach_field(Fails(), "iban", "f1")


class Odd(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    table: pd.DataFrame = pd.DataFrame({"a": [1, 2]})
    any: Any = None
    numbers: Iterable[int] = ()
    iban: Annotated[str, PlainSerializer(masked)] = HUSH


def test_what_json_cannot_hold_is_described_and_passed_on_as_it_is() -> None:
    odd = Odd()
    shown = value_fields(odd, NAME)["value"]
    assert "<DataFrame 2 x 1; columns: a int64>" in shown
    assert "hush" not in shown
    assert reach("$f1.table", odd) is odd.table
    assert reach("$f1.table.a[1]", odd) == 2


def test_showing_an_object_does_not_consume_its_iterators() -> None:
    odd = Odd(numbers=iter([1, 2]), any=(each for each in [3]))
    nested = Page[Any](items=[iter([4])])
    for value in (odd, nested, [odd]):
        assert "hush" not in json.dumps(value_fields(value, NAME))
    assert (list(reach("$f1.numbers", odd)), list(odd.any), list(reach("$f1.items[0]", nested))) == ([1, 2], [3], [4])


def test_an_object_that_holds_itself_is_shown_without_an_end() -> None:
    page = Page[Any](items=[])
    page.items.append(page)
    assert "writing it as JSON raised ValueError" in value_fields(page, NAME)["value"]


def test_a_model_of_pydantic_1_is_shown_as_its_own_json() -> None:
    value = Version1()
    assert value_fields(value, NAME) == {"value": {"user": "Ada", "key": "**********", "day": "year 2026"}}
    assert (reach_field(value, "user", "f1"), reach_field(value, "day", "f1")) == ("Ada", "year 2026")
    with pytest.raises(MissingField, match="leaves 'password' out"):
        reach_field(value, "password", "f1")
    assert "hush" not in json.dumps(value_fields([Version1(user="Ada" * 9_000)], NAME))


def test_an_object_is_passed_on_whole_and_a_masked_field_masked() -> None:
    """So nothing that its class masks reaches the server, however the model refers to it."""

    async def account() -> Account:
        """Return an account."""
        return Account(owner="Ada")

    async def say(it: Any) -> Any:
        """Return what it gets."""
        return it

    async def owner(account: Account) -> bool:
        """Return whether the account is whole."""
        return account.iban == HUSH

    tools = [make_tool(each, pure=True) for each in (account, say, owner)]
    steps = ["$f1.iban", "$f1", '$f1["iban"]', "$f1.opened"]
    calls = [Calls("account"), *(Calls("say", {"it": step}) for step in steps), Calls("owner", {"account": "$f1"})]
    run, model = play(calls, [Says("done")], [Says("done")], tools=tools)
    assert run.futures["f6"].result() is True
    assert run.futures["f5"].result() == dt.date(2026, 1, 2)
    assert "hush" not in json.dumps([list(request.messages) for request in model.requests])


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.floats(allow_nan=False, allow_infinity=False), st.dates()
)


@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)))
def test_a_model_without_serializers_is_found_as_python_has_it(value) -> None:
    model = Page[Any](items=[value])
    assert reach_item(reach_field(model, "items", "f1"), 0, "f1.items") is model.items[0]
    shown = value_fields(model, NAME)
    if "summarized" not in shown:
        assert shown["value"] == json.loads(model.model_dump_json())
