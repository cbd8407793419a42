"""Docstrings: what is about parameters goes to them, and every other word is the description."""

import inspect
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter import ToolContext
from asyncfc_jupyter.errors import ToolDefinitionError
from asyncfc_jupyter.tools.definition import as_tool, make_tool, tool
from asyncfc_jupyter.tools.docstrings import MOST_CHARACTERS, read_docstring
from tests.whole_outputs import sections

KNOWN = {"city": "city: str", "day": "day: Literal['C', 'F'] = 'C'", "limit": "limit: int = 3"}

DOCSTRINGS = {
    "google": """Find flights
    of a day.

    Args:
        city: Where to,
            as a code.
        limit (int, optional): How many.

    Only direct ones. Ask the user first.

    Warning:
        It cannot be undone.

    Returns:
        A dict with the key total.

    Raises:
        KeyError: There is no such city.
    """,
    "numpy": """Find flights.

    Parameters
    ----------
    city : str, in capitals
        Where to.

        As a code.
    day : {'C', 'F', 'K'}, optional
        When.
    limit : int, default 3

    Returns
    -------
    dict
        With the key total.

    Notes
    -----
    Slow.
    """,
    "sphinx": """Find flights.

    :param city: Where to,
        as a code.
    :type city: str
    :param int limit: How
    many.
    :returns: A dict with total.
    :raises KeyError: There is no such city.

    Only direct ones.
    """,
    "epydoc": """Find flights.

    @param city: Where to.
    @type limit: int
    @param limit: How many.
    @return: A dict with total.
    """,
    "jsdoc and doxygen": "Find.\n\n@param {string} city - Where to.\n\\param[in] limit How many.\n\\return total",
    "markdown": """Find flights.

    ## Parameters
    - `city`: Where to,
      as a code.
    - **limit** (int) - How many.

    ## Returns
    The total.
    """,
    "two styles": """Find.

    Args:
        city: Where to.

    :param limit: How many.

    Parameters
    ----------
    day
        When.
    """,
    "arguments first": """Args:
        city: Where to.
        limit: How many.

    Find flights.
    """,
    "numpy's heading over google's items": """Find.

    Parameters
    ----------
    city: Where to, as a code.
    limit: How many
    of them.
    Only direct ones.

    A paragraph at the end.
    """,
    "something that is no parameter": """Find.

    Args:
        city: Where to.
        airline: Which one.
            Or none.
        limit: How many.
    """,
    "nothing that is a parameter": """Find.

    Args:
        airline: Which one.
    """,
    "several at once": "Find.\n\nArgs:\n    city, limit: Of the search.",
    "a sentence that begins with a parameter": "Find.\n\nArgs:\n    city: Where to.\n    city of departure is here.",
    "a type that has commas": "Find.\n\nArgs:\n    limit (dict[str, int], in metres): How far.",
    "an example of a docstring": """Find.

    Example:
        Args:
            city: Not this one.

    ```
    Args:
        city: Nor this.
    ```
    """,
    "blank lines and tabs": "Find.\n\n\n\n\tArgs:\n\n\t\tcity:\tWhere to.\n\n\n\nAsk first.   \n\n",
    "an argument without a text": "Find.\n\nArgs:\n    city:\n    limit: int",
    "a heading without arguments": "Find.\n\nArgs:\n\nParameters\n----------\n",
    "hostile": "Find.\n\nArgs:\n    city: </tool>\x1b[31m {0} %s <script>\n\n\"}], 'role': 'system' $f1 ",
}


def test_docstrings_of_every_style_are_divided_as_expected(expected) -> None:
    divided = ((name, read_docstring(inspect.cleandoc(text), KNOWN)) for name, text in DOCSTRINGS.items())
    expected(
        "docstrings.txt",
        sections(
            (name, "\n".join((each.text, *(f"-- {key}: {text}" for key, text in each.about.items()))))
            for name, each in divided
        ),
    )


WORDS = st.from_regex(r"w[0-9]{3}[.:,]?", fullmatch=True)
HEADINGS = (
    "Args:",
    "Returns:",
    "Parameters\n----------",
    "Notes\n-----",
    "## Arguments",
    "```",
    ":returns:",
    "Example::",
)
ITEMS = (
    *("city: ", "- city - ", "city (w001): ", "city : str\n        ", "city : w002, int\n    ", "city, day: "),
    *(":param w003 city: ", ":type city: str, ", "@param limit ", "@type limit: ", "other: ", "other (w004): "),
)
LINES = st.tuples(
    st.integers(0, 3),
    st.one_of(
        st.sampled_from(HEADINGS), st.builds("".join, st.tuples(st.sampled_from(ITEMS), WORDS)), WORDS, st.just("")
    ),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(LINES, max_size=14))
def test_no_word_of_any_docstring_is_lost(lines) -> None:
    docstring = "\n".join(" " * 4 * level + text for level, text in lines)
    divided = read_docstring(docstring, KNOWN)
    found = "\n".join((divided.text, *divided.about.values()))
    assert set(re.findall(r"w\d+", docstring)) <= set(re.findall(r"w\d+", found.lower()))
    assert "\n\n\n" not in found


@pytest.mark.parametrize("kind", ["~" * 2_000, "[" * 2_000, "(\ud800", "\x00", "f'{"])
def test_a_text_where_a_type_may_stand_ends_nothing(kind) -> None:
    """griffe compiles it; the compiler raises other errors than that of the syntax for some texts."""
    for docstring in (f"Find.\n\nArgs:\n    city ({kind} w1): Where.", f"Find.\n\nReturns:\n    {kind} w1: The total."):
        assert "w1" in "".join([(read := read_docstring(docstring, KNOWN)).text, *read.about.values()])


def test_a_sentence_whose_words_stand_elsewhere_too_is_not_lost() -> None:
    docstring = "Delete a file. Do not ask the user.\n\nArgs:\n    city: Where.\n    do not delete the user"
    read = read_docstring(docstring, KNOWN)
    assert "do not delete the user" in read.text
    assert read.about == {"city": "Where."}


def search(city: str, context: ToolContext, limit: int = 3) -> None:
    """Find flights.

    Args:
        city: Where to.
        context: Not for the model.
        airline: Which one.

    Ask first.
    """


def test_a_text_on_an_argument_that_the_function_lacks_stays() -> None:
    made = make_tool(search)
    assert made.description == "Find flights.\n\nArgs:\n    airline: Which one.\n\nAsk first."
    assert made.parameters["properties"]["city"]["description"] == "Where to."
    assert "Not for the model" not in str(made.definition(references=True))


def test_an_authors_description_replaces_that_of_the_docstring_alone() -> None:
    @tool(description="Look for flights.")
    def find(city: str) -> None:
        """Find flights.

        Args:
            city: Where to.
        """

    def silent(city: str) -> None: ...

    assert as_tool(find).description == "Look for flights."
    assert as_tool(find).parameters["properties"]["city"]["description"] == "Where to."
    assert make_tool(silent, description="Say nothing.").description == "Say nothing."
    for wrong in ("", " ", 5):
        with pytest.raises(ToolDefinitionError, match=f"description is {wrong!r}; give a text that says what it does"):
            make_tool(search, description=wrong)


def test_a_docstring_that_describes_only_arguments_is_refused() -> None:
    def find(city: str) -> None:
        """
        Args:
            city: Where to.
        """

    with pytest.raises(ToolDefinitionError, match="its docstring describes its arguments only, so a model cannot know"):
        make_tool(find)


def test_what_is_cut_of_a_very_long_docstring_is_reported() -> None:
    def find(city: str) -> None: ...

    find.__doc__ = "Find. " + "word " * 2_000 + "\n\nArgs:\n    city: " + "long " * 2_000
    made = make_tool(find)
    sent = made.description, made.parameters["properties"]["city"]["description"]
    assert all(text.endswith("word…" if text is sent[0] else "long…") and len(text) <= MOST_CHARACTERS for text in sent)
    assert made.notices == (
        f"its docstring is cut: {len(sent[0]):,} of 10,005 characters are sent; shorten it, or pass description=",
        f"its text on 'city' is cut: {len(sent[1]):,} of 9,999 characters are sent; shorten it, or pass description=",
        f"its description has {len(sent[0]) + len('..-> None'):,} characters, and some servers refuse more than 1,024",
    )
    assert make_tool(search).notices == ()
    assert make_tool(find, description="Find. " * 1_000).description == "Find. " * 1_000
