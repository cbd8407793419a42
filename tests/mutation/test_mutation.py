"""A draw is the same for the same seed; each mutant is another program, and not one that must behave alike."""

import ast
from collections import Counter

import pytest

from tests.mutation.copies import ROOT
from tests.mutation.mutants import (
    AND_OR,
    CALL,
    COMPARISON,
    CONDITION,
    FLAG,
    NUMBER,
    OPERATOR,
    PACKAGES,
    RAISE,
    RETURN,
    all_mutants,
    draw,
    mutants_of,
)
from tests.mutation.planted import PLANTED, times_there
from tests.mutation.selection import batches, within


def changed(source, operator=None):
    """The mutated texts of a source, by one operator or all."""
    found = mutants_of("asyncfc_jupyter/core/a.py", source.encode())
    return [each.apply(source.encode()).decode() for each in found if operator in {None, each.operator}]


@pytest.fixture(scope="module")
def everything():
    return all_mutants(ROOT, PACKAGES)


def test_a_seed_draws_the_same_mutants_again_and_each_once(everything) -> None:
    drawn = draw(everything, 200, 1)
    assert drawn == draw(all_mutants(ROOT, PACKAGES), 200, 1)
    assert drawn != draw(everything, 200, 2)
    assert len({mutant.place for mutant in drawn}) == 200


def test_no_two_mutants_have_one_place(everything) -> None:
    assert max(Counter(mutant.place for mutant in everything).values()) == 1


def test_each_mutant_compiles_differs_and_keeps_the_lines(everything) -> None:
    for mutant in draw(everything, 60, 3):
        source = (ROOT / mutant.path).read_bytes()
        text = mutant.apply(source)
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(source)), mutant
        compile(text, mutant.path, "exec")
        assert text.count(b"\n") == source.count(b"\n"), mutant


@pytest.mark.parametrize(
    ("operator", "source", "texts"),
    [
        (COMPARISON, "a = b  <  c", ["a = b  <=  c"]),
        (COMPARISON, "a = (b) is  not (c)", ["a = (b) is (c)"]),
        (COMPARISON, "a = (b  # is\n not in c)", ["a = (b  # is\n in c)"]),
        (COMPARISON, "a = 'é' == b != c", ["a = 'é' != b != c", "a = 'é' == b == c"]),
        (AND_OR, "a = b and (c) and d", ["a = b or (c) and d", "a = b and (c) or d"]),
        (CONDITION, "if a:\n    b", ["if (not (a)):\n    b"]),
        (CONDITION, "if not a:\n    b", ["if (a):\n    b"]),
        (CONDITION, "if a == b:\n    b", []),
        (CONDITION, "a = b if c < d else e", ["a = b if (not (c < d)) else e"]),
        (CONDITION, "a = [b for b in c if b]", ["a = [b for b in c if (not (b))]"]),
        (NUMBER, "a = 0x10 + 1.5", ["a = 17 + 1.5", "a = 0x10 + 2.5"]),
        (FLAG, "a = True", ["a = False"]),
        (OPERATOR, "a = b // (c - d)", ["a = b * (c - d)", "a = b // (c + d)"]),
        (OPERATOR, "a += b", ["a -= b"]),
        (OPERATOR, "a = 'b' + c + d\ne += [f]", []),
        (RETURN, "def a():\n    return (\n        b\n    )", ["def a():\n    return None\n\n"]),
        (RETURN, "def a():\n    return\n\ndef b():\n    return None", []),
        (CALL, "a(\n    b)\nc", ["pass\n\nc"]),
        (CALL, "async def a():\n    await b()", ["async def a():\n    pass"]),
        (RAISE, "if a:\n    raise b from c", ["if a:\n    pass"]),
    ],
)
def test_an_operator_makes_its_own_change_only(operator, source, texts) -> None:
    assert sorted(changed(source, operator)) == sorted(texts)


@pytest.mark.parametrize(
    "source",
    [
        '@dataclass(frozen=True, slots=True)\nclass A:\n    """Of 1."""\n    a: Literal[1]',
        "def f(a: Literal[1], *, b: Annotated[int, 2]) -> Literal[3]: ...",
        "__all__ = [1]\n__slots__ = (2,)",
        "if TYPE_CHECKING:\n    a = 1",
        "A = Literal[1] | None\nB = Callable[[int], 1]\nC = int | str",
        "T = TypeVar('T', covariant=True)",
        "a = f'{b + 1}'",
        "for a, b in zip(c, d, strict=True): ...",
        "class A(Protocol):\n    def b(self):\n        return 1",
    ],
)
def test_code_that_does_not_affect_behaviour_is_left_out(source) -> None:
    assert changed(source) == []


def test_code_that_runs_once_and_the_start_of_a_function_are_known() -> None:
    source = "A = 1\ndef b(c=2):\n    '''D.'''\n    e()\n    return 3\n@cache\ndef f():\n    return 4\n"
    numbers = [each for each in mutants_of("asyncfc_jupyter/core/a.py", source.encode()) if each.operator == NUMBER]
    assert [(each.line, each.once, each.opening) for each in numbers] == [
        (1, True, None),
        (2, True, None),
        (5, False, 4),
        (8, True, 8),
    ]


def test_the_fastest_tests_are_chosen_and_those_of_the_module_run_first() -> None:
    seconds = {"tests/core/test_a.py::b": 2.0, "tests/core/test_c.py::d": 1.0, "tests/agent/test_e.py::f": 0.5}
    assert within(seconds, seconds, 1.6) == {"tests/core/test_c.py::d", "tests/agent/test_e.py::f"}
    assert within(seconds, seconds, 0) == {"tests/agent/test_e.py::f"}
    (mutant,) = mutants_of("asyncfc_jupyter/core/a.py", b"1")
    order = ["tests/core/test_a.py", "tests/core/test_c.py", "tests/agent/test_e.py"]
    assert batches(mutant, seconds, seconds) == [order[:1], order[1:]]


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.name)
def test_the_text_of_a_planted_fault_is_there_exactly_once(fault) -> None:
    assert times_there(fault) == 1
    assert fault.new != fault.old
    assert all((ROOT / test).exists() for test in fault.tests if test.startswith("tests/"))
