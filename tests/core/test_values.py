"""What passes between the parts is a value: it is frozen, has no other attributes, and is made by field names."""

import dataclasses
import importlib
import inspect
import pkgutil

import pytest

from asyncfc_jupyter import agent, core

#: Classes that change during a conversation.
GROWING = {"Record", "_Node", "Turn", "RequestedCall", "AwaitCall", "Learned", "_Computed", "_Second"}
#: What is written so often, or has so few fields, that it is made without their names.
BY_PLACE = {
    *("AskApproval", "BindArguments", "CopyOutcome", "Field", "HoldCall", "Item", "PathTemplate", "Reference"),
    *("ResolveArguments", "SkipCall", "StartCall", "_Node", "_Place"),
}


def kinds():
    for package in (core, agent):
        for found in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{found.name}")
            for name, kind in vars(module).items():
                if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__:
                    yield pytest.param(kind, id=f"{found.name}.{name}")


@pytest.mark.parametrize("kind", list(kinds()))
def test_a_value_is_frozen_and_has_its_fields_by_name_alone(kind) -> None:
    assert kind.__dataclass_params__.frozen == (kind.__name__ not in GROWING)
    assert "__slots__" in vars(kind)
    by_name = {
        parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in inspect.signature(kind).parameters.values()
    }
    assert by_name <= {kind.__name__ not in BY_PLACE}
    # A record is the call itself: two are never the same.
    assert kind.__dataclass_params__.eq == (kind.__name__ != "Record")
