"""Invalid options of a tool: each is refused with the tool, the rule, what was seen and the way out."""

from concurrent.futures import ProcessPoolExecutor

import pytest

from asyncfc_jupyter import ToolContext
from asyncfc_jupyter.errors import ToolDefinitionError
from asyncfc_jupyter.tools.definition import make_tool


def fetch(host: str) -> str:
    """Fetch."""
    return host


def watched(context: ToolContext) -> None:
    """Fetch."""


@pytest.mark.parametrize(
    ("options", "problem", "remedy"),
    [
        ({"retry": 3}, "there is no option 'retry'", "the options are: reads, writes, pure"),
        ({"irreversible": "no"}, "irreversible is 'no'", "give True or False"),
        ({"extra": ["strict"]}, r"extra is \['strict'\]", 'such as {"strict": True}'),
        ({"extra": {1: 2}}, "extra is {1: 2}", "values that are JSON"),
        ({"extra": {"strict": float("inf")}}, "extra is {'strict': inf}", "values that are JSON"),
        ({"extra": {"strict": object}}, "extra is {'strict': ", "values that are JSON"),
        ({"extra": {"parameters": {}}}, "extra sets 'parameters', which is made from the function", "drop it"),
        ({"approve": 1}, "approve is 1", "give True or False"),
        ({"pure": True, "writes": "a"}, "it is declared both pure and with effects", "drop pure, or reads and writes"),
        ({"pure": True, "irreversible": True}, "it is declared irreversible, and also harmless", "drop irreversible"),
        ({"idempotent": True, "irreversible": True}, "declared irreversible, and also harmless", "drop irreversible"),
        ({"timeout_s": 0}, "timeout_s is 0", "give seconds above 0, or None for no limit"),
        ({"timeout_s": "5"}, "timeout_s is '5'", "give seconds above 0"),
        ({"timeout_s": True}, "timeout_s is True", "give seconds above 0"),
        ({"timeout_s": float("nan")}, "timeout_s is nan", "give seconds above 0"),
        ({"expected_s": 0}, "expected_s is 0", "give the seconds that a call mostly takes, above 0"),
        ({"expected_s": "2"}, "expected_s is '2'", "give the seconds that a call mostly takes, above 0"),
        ({"expected_s": True}, "expected_s is True", "give the seconds"),
        ({"expected_s": float("nan")}, "expected_s is nan", "give the seconds"),
        ({"expected_s": float("inf"), "timeout_s": None}, "expected_s is inf", "give the seconds"),
        ({"expected_s": 10**400, "timeout_s": None}, "expected_s is 1000", "give the seconds"),
        ({"expected_s": 90}, "expected to take 90 s .expected_s., and fails after 60 s", "raise timeout_s, or lower"),
        (
            {"expected_s": 9, "timeout_s": 5},
            "expected to take 9 s .expected_s., and fails after 5 s",
            "raise timeout_s",
        ),
        ({"retries": 2}, "it has retries, and calling it twice may do more", "add idempotent, or drop retries"),
        ({"retries": 2, "writes": "a"}, "it has retries, and calling it twice may do more", "add idempotent"),
        ({"retries": 2, "irreversible": True}, "it has retries, and calling it twice may do more", "add idempotent"),
        ({"retries": -1, "pure": True}, "retries is -1", "give how often to try again: 0 or more"),
        ({"retries": 1.5, "pure": True}, "retries is 1.5", "give how often to try again"),
        ({"retries": True, "pure": True}, "retries is True", "give how often to try again"),
        ({"run_in": "gpu"}, "run_in is 'gpu'", "use one of loop, thread, process, or a concurrent.futures.Executor"),
        ({"run_in": 4}, "run_in is 4", "use one of loop, thread, process"),
        ({"limit": 0}, "limit is 0", "give a number of calls of 1 or more, or numbers by path"),
        ({"limit": True}, "limit is True", "give a number of calls of 1 or more"),
        ({"limit": "2"}, "limit is '2'", "give a number of calls of 1 or more"),
        ({"limit": {"api/{host}": 0}}, r"limit is \{'api/\{host\}': 0\}", "give a number of calls of 1 or more"),
        ({"limit": {"api/{port}": 2}}, "names 'port', which is not a parameter", "use one of: host"),
        ({"limit": {5: 2}}, r"the path templates are \{5: 2\}", "write texts such as 'orders/{order_id}'"),
        ({"reads": 5}, "the path templates are 5", "write texts such as"),
        ({"writes": [None]}, r"the path templates are \[None\]", "write texts such as"),
    ],
)
def test_a_wrong_option_is_refused_with_the_tool_the_rule_and_the_remedy(options, problem, remedy) -> None:
    """The error also names the given value."""
    with pytest.raises(ToolDefinitionError, match=problem) as caught:
        make_tool(fetch, **options)
    assert caught.value.tool == "fetch"
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("options", [{"idempotent": True}, {"pure": True}, {"pure": True, "timeout_s": 0.5}])
def test_retries_are_only_for_calls_that_may_be_repeated(options) -> None:
    assert make_tool(fetch, retries=2, **options).retries == 2


def test_a_tool_that_takes_a_context_cannot_be_sent_to_another_process() -> None:
    with ProcessPoolExecutor(1) as pool:
        for where in ("process", pool):
            with pytest.raises(ToolDefinitionError, match="takes a ToolContext, which stays in its process") as caught:
                make_tool(watched, run_in=where)
            assert caught.value.remedy == 'drop the parameter, or use run_in="thread"'


def test_extra_fields_stand_beside_those_of_the_function_in_each_form() -> None:
    extra = {"strict": True, "cache_control": {"type": "ephemeral"}}
    made = make_tool(fetch, extra=extra)
    for references in (True, False):
        function = made.definition(references=references)["function"]
        assert {name: function[name] for name in extra} == extra
        assert function == {**make_tool(fetch).definition(references=references)["function"], **extra}
