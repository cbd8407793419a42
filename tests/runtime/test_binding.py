"""Arguments before and after their references are replaced, and limits."""

import pytest

from asyncfc_jupyter.core.effects import PURE
from asyncfc_jupyter.errors import CallError
from asyncfc_jupyter.runtime import binding
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import PAY, bound_call, call_of, pay


def lists(levels):
    value = "x"
    for _ in range(levels):
        value = [value]
    return value


def test_arguments_may_be_nested_sixty_four_levels_deep() -> None:
    deepest = next(n for n in range(1, 200) if binding.check_depth({"a": lists(n)}) is not None)
    assert deepest == 64
    problem = binding.check_depth({"a": lists(deepest)})
    assert isinstance(problem, CallError)
    assert str(problem) == "the arguments are nested deeper than 64 levels; pass less."


def test_a_log_shows_four_hundred_characters_of_arguments() -> None:
    def shown(text):
        return binding.issued(call_of(arguments={"a": text}), 1, PURE).arguments

    assert shown("é\n") == '{"a": "é\\n"}'
    assert shown("x" * 391) == '{"a": "' + "x" * 391 + '"}'
    assert shown("x" * 392) == '{"a": "' + "x" * 392 + "…"


@pytest.mark.parametrize(
    ("fields", "message"),
    [({}, "there is no tool 'pay'"), ({"problem": CallError("broken"), "function": PAY}, "broken")],
)
def test_a_call_that_cannot_be_made_says_why(fields, message) -> None:
    with pytest.raises(CallError, match=message):
        binding.bind(call_of(**fields), binding.Values({}), None)


def test_limits_are_those_of_the_tool_and_those_of_its_arguments() -> None:
    def limits(**options):
        call = bound_call(make_tool(pay, **options), {"euros": 5, "to": None})
        return [(each.name, each.places) for each in binding.bind(call, binding.Values({}), None)[2]]

    assert limits() == []
    assert limits(limit=2) == [("pay", 2)]
    assert limits(limit={"to/{to}": 3, "all": 4}) == [("to/ada", 3), ("all", 4)]
