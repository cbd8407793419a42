"""The identity of a tool: equal for equal functions in each process, and another one for an edited function."""

import functools
import math
import subprocess
import sys
import textwrap

import pytest

from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.tools.identity import identity_of

SOURCE = '''
def look(city: str = "Oslo") -> list:
    """Look around."""
    return [letter for letter in city if letter in {"a", "b", "c", 1, None}]
'''


def made(source: str, defined: str = "look"):
    """The function that a cell with this source defines."""
    space: dict = {"__name__": "__main__"}
    exec(source, space)
    return space[defined]


def identity(source: str, **options) -> str:
    return make_tool(made(source), **options).identity


def test_a_function_defined_again_elsewhere_in_its_file_is_the_same() -> None:
    assert identity(SOURCE) == identity("\n# a comment\n\n" + SOURCE)
    assert identity(SOURCE).startswith("__main__.look#")


def test_the_identity_is_the_same_in_a_process_that_hashes_otherwise(tmp_path) -> None:
    program = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from asyncfc_jupyter.tools.definition import make_tool
        space = {{"__name__": "__main__"}}
        exec({SOURCE!r}, space)
        print(make_tool(space["look"]).identity)
    """
    seen = {
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert seen == {identity(SOURCE)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"a", "b"', '"a", "d"'),
        ("for letter in city", "for letter in city.upper()"),
        ("return [", "return [0] + ["),
        ("city: str", "city: bytes"),
        ('= "Oslo"', '= "Rome"'),
    ],
)
def test_an_edited_function_is_another_one(before, after) -> None:
    assert before in SOURCE
    assert identity(SOURCE) != identity(SOURCE.replace(before, after))


def test_a_function_that_calls_another_method_is_another_one() -> None:
    upper = SOURCE.replace("in city if", "in city.upper() if")
    assert identity(upper) != identity(upper.replace("upper", "lower"))


def looking(seconds, key="a", later=None):
    def look(city: str) -> str:
        """Look around."""
        return f"{city} {seconds} {key} {unset if later else 0}"

    if later:
        unset = 1
        del unset
    return look


def test_functions_that_another_one_makes_differ_by_their_numbers_only() -> None:
    made_of = [
        make_tool(looking(*values)).identity for values in ((1, "a"), (1, "b"), (2, "a"), (1.5, "a"), (True, "a"))
    ]
    assert made_of[0] == made_of[1]
    assert len(set(made_of[1:])) == 4


def test_a_function_that_uses_a_name_without_a_value_yet_has_an_identity() -> None:
    seen = [make_tool(looking(seconds, later=True)).identity for seconds in (1, 2)]
    assert len(set(seen)) == 2
    assert all(".look#" in each for each in seen)


def test_where_a_tool_runs_and_its_name_belong_to_it() -> None:
    tools = [identity(SOURCE), identity(SOURCE, run_in="process"), identity(SOURCE, name="other"), identity(SOURCE)]
    assert len(set(tools)) == 3
    assert tools[0] == tools[3]


def test_what_a_decorated_function_does_is_seen_through_its_decorators() -> None:
    wrapped = "import functools\n" + SOURCE.replace("def look", "@functools.cache\ndef look")
    assert identity(wrapped).startswith("__main__.look#")
    assert identity(wrapped) != identity(wrapped.replace("letter in city", "letter in city + city"))
    assert identity(wrapped) != identity(SOURCE)


def test_an_object_a_class_and_a_method_are_known_by_their_code() -> None:
    source = '''
class Desk:
    """A desk."""

    def __init__(self, number: int = {0}):
        self.number = [number, {1}]

    def __call__(self, city: str) -> str:
        """Look."""
        return city + "{2}"

    def look(self, city: str) -> str:
        """Look."""
        return city + "{3}"
'''

    def known(*values):
        desk = made(source.format(*values), "Desk")
        return [make_tool(each).identity for each in (desk, desk(), desk().look)]

    assert known(0, 0, 0, 0) == known(0, 0, 0, 0)
    for place, changed in enumerate([(0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]):
        same = [a == b for a, b in zip(known(0, 0, 0, 0), known(*changed), strict=True)]
        assert same == [number != place for number in range(3)]


def test_a_partial_function_is_known_by_its_code() -> None:
    assert identity_of(functools.partial(made(SOURCE), "x"), "") == identity_of(made(SOURCE), "")


def test_a_function_without_code_is_known_by_its_name_and_its_facts() -> None:
    assert identity_of(math.sqrt, "a").startswith("math.sqrt#")
    assert identity_of(math.sqrt, "a") != identity_of(math.sqrt, "b")


class Shifting:
    """An object with any attribute, another one at each look."""

    def __getattr__(self, name):
        return Shifting()

    def __call__(self, city: str) -> str:
        """Look."""
        return city


class Raising:
    @property
    def __wrapped__(self):
        raise SystemExit

    def __call__(self, city: str) -> str:
        """Look."""
        return city


@pytest.mark.parametrize("function", [Shifting(), Raising()])
def test_foreign_attributes_neither_hang_nor_escape(function) -> None:
    assert "#" in identity_of(function, "")


def test_an_endless_chain_of_wrappers_ends() -> None:
    function = made(SOURCE)
    function.__wrapped__ = function
    assert identity_of(function, "").startswith("__main__.look#")


def test_a_name_that_holds_a_key_or_half_a_character_is_written_without_it() -> None:
    function = made(SOURCE)
    function.__qualname__ = "sk-0123456789abcdefghijklmnop \ud800 " + "x" * 500
    seen = identity_of(function, "\ud800")
    assert "0123456789" not in seen
    assert len(seen) < 130
