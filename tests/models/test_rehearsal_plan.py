"""Reading and checking rehearsal plans."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncfc_jupyter.core.references import Field, Item
from asyncfc_jupyter.errors import PlanError
from asyncfc_jupyter.models.rehearsal.parser import read_plan
from asyncfc_jupyter.models.rehearsal.plan import (
    Array,
    AwaitNames,
    CallTool,
    Constant,
    Hole,
    Table,
    Take,
    Text,
    Value,
    check_plan,
)

PARAMETERS = {"search": ("city", "limit"), "book": ("flight",)}


def arguments(text: str) -> dict[str, Value]:
    """The arguments of the plan's only call."""
    (call,) = read_plan(text).statements
    assert isinstance(call, CallTool)
    return dict(call.arguments(PARAMETERS))


def plain(value: Value) -> object:
    """A literal as Python has it."""
    match value:
        case Constant(value=constant):
            return constant
        case Array(items=items):
            return [plain(item) for item in items]
        case Table(pairs=pairs):
            return {key: plain(item) for key, item in pairs}
    raise AssertionError(value)


def test_a_call_is_read_with_its_target_and_its_literals() -> None:
    text = 'x = search(city="LIS", limit=-3, more=[1.5, True, None, (2, {"a": "b"})])'
    (call,) = read_plan(text).statements
    assert isinstance(call, CallTool)
    assert (call.target, call.tool, call.line, call.source) == ("x", "search", 1, text)
    read = {name: plain(value) for name, value in call.named}
    assert read == {"city": "LIS", "limit": -3, "more": [1.5, True, None, [2, {"a": "b"}]]}


def test_positional_arguments_take_the_parameters_of_the_schema_in_order() -> None:
    assert arguments('search("LIS", limit=2)') == {"city": Constant(value="LIS"), "limit": Constant(value=2)}


def test_earlier_results_are_taken_by_field_index_and_key() -> None:
    """They are even inside lists and dictionaries."""
    taken = Take(name="x", steps=(Field("a"), Item(0), Item(-1), Item("a key")))
    assert arguments('book(flight=[x.a[0][-1]["a key"], {"k": x}])') == {
        "flight": Array(items=(taken, Table(pairs=(("k", Take(name="x")),))))
    }


@pytest.mark.parametrize("text", ["await x, y", "await (x, y)", "await x, await y", "await (x, y, x)"])
def test_every_way_of_awaiting_two_names_is_the_same(text: str) -> None:
    (statement,) = read_plan(text).statements
    assert isinstance(statement, AwaitNames)
    assert statement.names == ("x", "y")


def test_only_a_blank_line_between_statements_ends_a_block() -> None:
    """A comment, or a blank line inside a statement, does not."""
    plan = read_plan("a()\n# a comment\nb(\n\n  x=1)\n\nc(); d()\n   \t\ne()\n#\n\n#\nf()")
    assert [statement.block for statement in plan.statements] == [0, 0, 1, 1, 2, 3]
    assert [statement.line for statement in plan.statements] == [1, 3, 7, 7, 9, 13]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_counted_in_the_users_own_text(end: str) -> None:
    plan = read_plan(end.join(["", "a('\x0c\u2028')", "", 'b(x="""', "", '""")', "'end'"]))
    assert [statement.line for statement in plan.statements] == [2, 4]
    assert [statement.block for statement in plan.statements] == [0, 1]
    assert plan.statements[1].source == 'b(x="""'
    assert plan.answer is not None
    assert plan.answer.line == 7


def test_the_last_text_is_the_answer_and_an_earlier_one_is_spoken() -> None:
    plan = read_plan('"I look."\nx = search()\n\nf"It is {x.total:>8.2f} or {x!r}."')
    assert [type(statement).__name__ for statement in plan.statements] == ["Speak", "CallTool"]
    assert plan.answer is not None
    assert plan.answer.text == Text(
        parts=(
            "It is ",
            Hole(take=Take(name="x", steps=(Field("total"),)), spec=">8.2f"),
            " or ",
            Hole(take=Take(name="x"), conversion="r"),
            ".",
        )
    )


def test_a_plan_without_an_answer_has_none() -> None:
    assert read_plan("search()").answer is None


def test_shared_indentation_is_ignored() -> None:
    plan = read_plan("\n    x = search()\n\n    book(x)\n    ")
    assert [(statement.line, statement.block) for statement in plan.statements] == [(2, 0), (4, 1)]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("x = = 1", "this is not Python"),
        ("import os", "plans have no imports"),
        ("for x in y: pass", "plans have no loops"),
        ("if x: pass", "plans have no conditions"),
        ("def f(): pass", "plans have no definitions"),
        ("x += 1", "plans have no arithmetic"),
        ("x: int = search()", "plans have no annotations"),
        ("del x", "plans have no delete statements"),
        ("x", "a bare name alone is not a statement of a plan"),
        ("1", "a literal alone is not a statement of a plan"),
        ("x, y", "a tuple alone is not a statement of a plan"),
        ("search(city=await x)", "an argument cannot be an await"),
        ("search(city=(x := 1))", "an argument cannot be an assignment"),
        ("search(limit=1 + 1)", "an argument cannot be arithmetic"),
        ("search(limit=-x)", "an argument cannot be arithmetic"),
        ("search(limit=-True)", "an argument cannot be arithmetic"),
        ("search(limit=x if x else 1)", "an argument cannot be a condition"),
        ("search(limit={1, 2})", "an argument cannot be a set"),
        ("search(limit=[i for i in x])", "an argument cannot be a comprehension"),
        ("search(limit=lambda: 0)", "an argument cannot be a function"),
        ("search(city=other())", "a call stands inside an argument"),
        ("search(city=x.upper())", "a call stands inside an argument"),
        ("search(city=other().id)", "a call stands inside an argument"),
        ("search(city='a'.b)", "a field of a literal"),
        ("search(city=x[1:2])", "an item is taken by a written number or text"),
        ("search(city=x[y])", "an item is taken by a written number or text"),
        ("search(city=x[True])", "an item is taken by a written number or text"),
        (
            "search(city=x.a·b)",
            "a reference cannot hold this name or number",
        ),  # Python's names allow more than a reference's
        ("f'{x.a·b}'", "a reference cannot hold this name or number"),
        (f"search(city=x[{'1' * 601}])", "a reference cannot hold this name or number"),
        (f"search(city=x[-{'1' * 601}])", "a reference cannot hold this name or number"),
        ("search(*x)", "plans have no *arguments"),
        ("search(**x)", "plans have no **arguments"),
        ("search(city=1, city=2)", "the argument 'city' is given twice"),
        ("search(city={1: 2})", "the key of a dictionary is not a text"),
        ("search(city={**x})", "the key of a dictionary is not a text"),
        ("search(limit=1e999)", "this value does not exist in JSON"),
        ("search(limit=-1e999)", "this value does not exist in JSON"),
        ("search(limit=1j)", "this value does not exist in JSON"),
        ("search(limit=b'x')", "this value does not exist in JSON"),
        ("search(limit=...)", "this value does not exist in JSON"),
        (f"search(limit=0x{'f' * 5000})", "this value does not exist in JSON"),
        ("x.search()", "a tool is called by its plain name"),
        ("x = 'text'", "only the result of a tool call is assigned"),
        ("x = y.z", "only the result of a tool call is assigned"),
        ("x = await y", "an await has no value to assign"),
        ("x = y = search()", "a result is assigned to one name"),
        ("x, y = search()", "a result is assigned to one name"),
        ("x.y = search()", "a result is assigned to one name"),
        ("await search()", "await takes names"),
        ("await x.y", "await takes names, not a field"),
        ("await ()", "await takes names, not a tuple"),
        ("search(city=f'{1}')", "an f-string holds more than names and their fields"),
        ("f'{search()}'", "an f-string holds more than names and their fields"),
        ("f'{x + 1}'", "an f-string holds more than names and their fields"),
        ("f'{x:{y}}'", "this format is not a simple one"),
        ("f'{x:>99999}'", "this format is not a simple one"),
    ],
)
def test_anything_else_is_refused_with_its_line(line: str, problem: str) -> None:
    with pytest.raises(PlanError, match=re.escape(problem)) as caught:
        read_plan(f"a()\n\n# about to go wrong\n{line}\nb()")
    assert caught.value.line == 4
    assert caught.value.source == line
    assert "\n" not in str(caught.value)


def test_an_error_inside_a_call_of_several_lines_names_the_line_it_is_on() -> None:
    with pytest.raises(PlanError) as caught:
        read_plan("search(\n    city='LIS',\n    limit=1 + 1,\n)")
    assert (caught.value.line, caught.value.source) == (3, "    limit=1 + 1,")


@pytest.mark.parametrize("text", ["", "\n \n", "# nothing but a comment"])
def test_an_empty_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="the plan is empty"):
        read_plan(text)


@pytest.mark.parametrize("text", ["(" * 5000, "a(\0)", "x = f(" + "a" + ".b" * 100_000 + ")", "-" * 50_000 + "1"])
def test_a_text_that_breaks_the_parser_is_an_ordinary_plan_error(text: str) -> None:
    with pytest.raises(PlanError):
        check_plan(read_plan(text), PARAMETERS, ())


@given(st.text())
def test_any_text_is_a_plan_or_a_plan_error_on_one_of_its_lines(text: str) -> None:
    try:
        read_plan(text)
    except PlanError as error:
        assert 1 <= error.line <= len(re.split(r"\r\n|\r|\n", text))  # noqa: PT017 - most texts are errors, some not


def test_a_tool_that_is_not_offered_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(
        PlanError, match=r"line 2: there is no tool 'serch'.*mean 'search'.*are: book, search"
    ) as caught:
        check_plan(read_plan("book(1)\nserch()"), PARAMETERS, ())
    assert caught.value.line == 2


def test_await_future_is_not_for_plans_to_call() -> None:
    with pytest.raises(PlanError, match="write 'await x' instead"):
        check_plan(read_plan("await_future(futures=['f1'])"), PARAMETERS, ())


@pytest.mark.parametrize(
    "line", ["book(flight=flihgts[0])", "book([{'a': flihgts}])", "await flihgts", "f'{flihgts}'", "book(f'{flihgts}')"]
)
def test_a_name_without_an_assignment_is_refused_wherever_it_is_used(line: str) -> None:
    with pytest.raises(PlanError, match=r"assigned to 'flihgts': .*mean 'flights'") as caught:
        check_plan(read_plan(f"flights = search()\n{line}"), PARAMETERS, ())
    assert caught.value.line == 2


def test_a_name_is_not_known_before_its_own_line() -> None:
    with pytest.raises(PlanError, match="none yet"):
        check_plan(read_plan("x = book(x)"), PARAMETERS, ())


def test_a_name_of_an_earlier_plan_is_known() -> None:
    check_plan(read_plan("x = book(x)\nf'{x}'"), PARAMETERS, ("x",))


def test_more_positional_arguments_than_parameters_are_refused() -> None:
    with pytest.raises(PlanError, match="book takes 1 arguments, not 2"):
        check_plan(read_plan("book(1, 2)"), PARAMETERS, ())


def test_an_argument_given_by_position_and_by_name_is_refused() -> None:
    with pytest.raises(PlanError, match="book is given 'flight' twice"):
        check_plan(read_plan("book(1, flight=2)"), PARAMETERS, ())
