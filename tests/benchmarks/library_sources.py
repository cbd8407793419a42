"""The sources of the repository that the software engineering benchmark works on: a lending library's small package.

`MODULES` and `TESTS` are right. A `Bug` is one wrong text in the place of a right one, with the test that finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MODULES: Mapping[str, str] = {
    "library/__init__.py": '"""Lending books: dates, fees, the catalog, and a client that tries again."""\n',
    "library/dates.py": '''"""When a loan is due."""

from datetime import date, timedelta

LOAN_DAYS = 21
RENEWAL_DAYS = 14


def due_date(lent: date, renewals: int = 0) -> date:
    """Return the day on which a loan is due: the loan and each renewal add their days."""
    return lent + timedelta(days=LOAN_DAYS + RENEWAL_DAYS * renewals)


def days_late(due: date, returned: date) -> int:
    """Return by how many days a book came late; early ones count as none."""
    return max(0, (returned - due).days)
''',
    "library/fees.py": '''"""What a late book costs."""

from datetime import date

from library.dates import days_late

GRACE_DAYS = 2
CENTS_A_DAY = 25
MOST_CENTS = 1000


def fee_cents(due: date, returned: date) -> int:
    """Return the fee in cents: nothing within the days of grace, then for every day, up to the most."""
    late = days_late(due, returned)
    if late <= GRACE_DAYS:
        return 0
    return min(late * CENTS_A_DAY, MOST_CENTS)


def as_text(cents: int) -> str:
    """Return an amount as people write it."""
    return f"{cents // 100}.{cents % 100:02d}"
''',
    "library/catalog.py": '''"""What books there are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Book:
    """A book."""

    shelf: str
    title: str
    author: str


class Catalog:
    """Books by shelf mark."""

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}

    def add(self, book: Book) -> None:
        """Take a book in; a shelf mark is given once."""
        if book.shelf in self._books:
            raise ValueError(f"{book.shelf} is taken")
        self._books[book.shelf] = book

    def find(self, words: str) -> list[Book]:
        """Return the books with all these words in their title or author, whatever their case."""
        wanted = words.lower().split()
        found = [book for book in self._books.values() if all(word in self._text(book) for word in wanted)]
        return sorted(found, key=lambda book: book.shelf)

    @staticmethod
    def _text(book: Book) -> str:
        return f"{book.title} {book.author}".lower()
''',
    "library/client.py": '''"""Asking other libraries, whose servers are slow to wake."""

import time
from collections.abc import Callable

PAUSE_S = 0.4
ATTEMPTS = 3


def patiently(ask: Callable[[], str], attempts: int = ATTEMPTS) -> str:
    """Ask until there is an answer, with a pause in between; the last failure is raised."""
    for attempt in range(1, attempts + 1):
        try:
            return ask()
        except ConnectionError:
            if attempt == attempts:
                raise
            time.sleep(PAUSE_S)
    raise ValueError("attempts must be 1 or more")
''',
}

TESTS: Mapping[str, str] = {
    "tests/test_dates.py": """from datetime import date

from library.dates import days_late, due_date


def test_a_loan_is_due_after_three_weeks():
    assert due_date(date(2024, 3, 1)) == date(2024, 3, 22)


def test_each_renewal_adds_two_weeks():
    assert due_date(date(2024, 3, 1), renewals=2) == date(2024, 4, 19)


def test_an_early_book_is_not_late():
    assert days_late(date(2024, 3, 22), date(2024, 3, 20)) == 0
""",
    "tests/test_fees.py": """from datetime import date

from library.fees import as_text, fee_cents

DUE = date(2024, 3, 22)


def test_the_last_day_of_grace_is_free():
    assert fee_cents(DUE, date(2024, 3, 24)) == 0


def test_after_the_grace_every_day_costs():
    assert fee_cents(DUE, date(2024, 3, 25)) == 75


def test_a_fee_has_a_limit():
    assert fee_cents(DUE, date(2025, 3, 22)) == 1000


def test_an_amount_has_two_places():
    assert as_text(105) == "1.05"
""",
    "tests/test_catalog.py": """import pytest

from library.catalog import Book, Catalog

BOOKS = (Book("B2", "Of Rivers", "Ines Moor"), Book("A1", "Moor and Fen", "Jonas Vale"))


@pytest.fixture
def catalog():
    catalog = Catalog()
    for book in BOOKS:
        catalog.add(book)
    return catalog


def test_a_word_is_found_in_title_and_author_whatever_its_case(catalog):
    assert [book.shelf for book in catalog.find("MOOR")] == ["A1", "B2"]


def test_all_words_must_be_there(catalog):
    assert [book.shelf for book in catalog.find("moor rivers")] == ["B2"]


def test_a_shelf_mark_is_given_once(catalog):
    with pytest.raises(ValueError, match="A1 is taken"):
        catalog.add(Book("A1", "Another", "Nobody"))
""",
    "tests/test_client.py": '''import pytest

from library.client import patiently


class Sleepy:
    """Answers at the attempt with this number."""

    def __init__(self, awake_at):
        self.awake_at, self.asked = awake_at, 0

    def __call__(self):
        self.asked += 1
        if self.asked < self.awake_at:
            raise ConnectionError("still asleep")
        return "here"


def test_it_asks_until_there_is_an_answer():
    sleepy = Sleepy(3)
    assert patiently(sleepy) == "here"
    assert sleepy.asked == 3


def test_the_last_failure_is_raised():
    sleepy = Sleepy(9)
    with pytest.raises(ConnectionError):
        patiently(sleepy, attempts=2)
    assert sleepy.asked == 2
''',
}

README = "# library\n\nLending books. Run the tests with `python -m pytest`.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A wrong text in the place of a right one."""

    path: str
    right: str
    wrong: str
    #: The tests that it makes fail.
    fails: tuple[str, ...]


BUGS: Mapping[str, Bug] = {
    "fees": Bug(
        path="library/fees.py",
        right="    if late <= GRACE_DAYS:",
        wrong="    if late < GRACE_DAYS:",
        fails=("tests/test_fees.py::test_the_last_day_of_grace_is_free",),
    ),
    "dates": Bug(
        path="library/dates.py",
        right="LOAN_DAYS + RENEWAL_DAYS * renewals",
        wrong="LOAN_DAYS + RENEWAL_DAYS * min(renewals, 1)",
        fails=("tests/test_dates.py::test_each_renewal_adds_two_weeks",),
    ),
    "catalog": Bug(
        path="library/catalog.py",
        right='        return f"{book.title} {book.author}".lower()',
        wrong='        return f"{book.title} {book.author}"',
        fails=(
            "tests/test_catalog.py::test_a_word_is_found_in_title_and_author_whatever_its_case",
            "tests/test_catalog.py::test_all_words_must_be_there",
        ),
    ),
    "client": Bug(
        path="library/client.py",
        right="range(1, attempts + 1)",
        wrong="range(1, attempts)",
        fails=(
            "tests/test_client.py::test_it_asks_until_there_is_an_answer",
            "tests/test_client.py::test_the_last_failure_is_raised",
        ),
    ),
}
