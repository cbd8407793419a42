"""What a programmer is asked to do in the repository, with the plan of an oracle that does it.

The plans differ in what must be read first: in one the report says where to look, so that the tests can run meanwhile; in
another only the failing test does. Each ends with tests that pass and a commit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tests.benchmarks.library_sources import BUGS, Bug
from tests.benchmarks.replay import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task, and how an oracle does it."""

    name: str
    bug: Bug
    steps: tuple[Step, ...]
    answer: str


def _edit(path: str, old: str, new: str) -> str:
    return f"edit = edit_file(path={_quoted(path)}, old={_quoted(old)}, new={_quoted(new)})"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _mend(bug: Bug) -> str:
    return _edit(bug.path, bug.wrong, bug.right)


def _committed(message: str) -> Step:
    return Step(
        "All {after.passed} tests pass, so I commit.", f"done = git_commit(message={_quoted(message)})", reads=True
    )


_FEES = (
    Step("A reader had to pay on the last day of grace. I let the tests run while I look.", "before = run_tests()"),
    Step("Where is the grace handled?", 'hits = search(pattern="GRACE_DAYS")'),
    Step("The module of the fees is small, so I read all of it.", 'source = read_file(path="library/fees.py")'),
    Step("And its tests, to see what is promised.", 'promised = read_file(path="tests/test_fees.py")'),
    Step("Which commits have touched it?", 'history = git_log(path="library/fees.py")'),
    Step("And which of its lines are of the latest?", 'lines = git_blame(path="library/fees.py")'),
    Step(
        "{before.failed[0]} fails with {before.reasons[0]}: the comparison leaves the last day out.",
        _mend(BUGS["fees"]),
        reads=True,
    ),
    Step("I run all the tests again.", "after = run_tests()"),
    Step("And look at what I have changed.", "changed = git_diff()"),
    _committed("Leave the last day of grace free"),
)

_DATES = (
    Step("A renewal seems to be lost, nobody knows where. First I see which test fails.", "before = run_tests()"),
    Step("{before.failed[0]} fails; I read that test.", 'promised = read_file(path="tests/test_dates.py")', reads=True),
    Step("Who uses the days of a renewal?", 'hits = search(pattern="RENEWAL_DAYS")'),
    Step(
        "It is {hits[0]}, and I want to see what is around it.",
        'source = read_file(path="library/dates.py")',
        reads=True,
    ),
    Step("Why was it changed?", 'history = git_log(path="library/dates.py")'),
    Step("Since {history[0]} only one renewal counts; I undo that.", _mend(BUGS["dates"]), reads=True),
    Step("I run all the tests again.", "after = run_tests()"),
    _committed("Count every renewal"),
)

_CATALOG = (
    Step(
        "A search for MOOR finds nothing. I run the tests of the catalog.",
        'before = run_tests(target="tests/test_catalog.py")',
    ),
    Step("I read the catalog meanwhile.", 'source = read_file(path="library/catalog.py")'),
    Step("And its tests.", 'promised = read_file(path="tests/test_catalog.py")'),
    Step("Does anything else compare texts?", 'hits = search(pattern=".lower()")'),
    Step("{before.failed[0]} fails since one side keeps its case.", _mend(BUGS["catalog"]), reads=True),
    Step(
        "A test for the other direction is missing, so I add one.",
        _edit(
            "tests/test_catalog.py",
            "def test_all_words_must_be_there(catalog):\n",
            "def test_small_letters_find_large_ones(catalog):\n"
            '    assert [book.shelf for book in catalog.find("rivers")] == ["B2"]\n\n\n'
            "def test_all_words_must_be_there(catalog):\n",
        ),
    ),
    Step(
        "And I say so in the description.",
        _edit("README.md", "Lending books.", "Lending books. The catalog is searched whatever the case of letters."),
    ),
    Step("Now all the tests.", "after = run_tests()"),
    Step("And what I have changed.", "changed = git_diff()"),
    _committed("Find books whatever the case"),
)

_CLIENT = (
    Step("The client gives up too early. I run its tests.", 'before = run_tests(target="tests/test_client.py")'),
    Step("And all the others, in case more is wrong.", "everything = run_tests()"),
    Step("I read the client.", 'source = read_file(path="library/client.py")'),
    Step("What does its test expect?", 'promised = read_file(path="tests/test_client.py")'),
    Step("Who wrote the loop?", 'lines = git_blame(path="library/client.py")'),
    Step("{before.failed[0]} fails: the loop ends an attempt too soon.", _mend(BUGS["client"]), reads=True),
    Step("First the tests of the client.", 'again = run_tests(target="tests/test_client.py")'),
    Step("Then all of them.", "after = run_tests()"),
    _committed("Make the last attempt as well"),
)

_ANSWER = "Done in {done.commit}: {after.passed} tests pass."

TASKS: Mapping[str, Task] = {
    name: Task(name=name, bug=BUGS[name], steps=steps, answer=_ANSWER)
    for name, steps in (("fees", _FEES), ("dates", _DATES), ("catalog", _CATALOG), ("client", _CLIENT))
}
