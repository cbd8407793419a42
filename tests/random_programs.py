"""Random programs from bytes: one draw for Hypothesis instead of hundreds, and a simpler program for a simpler text.

Each decision takes one byte; without bytes it takes the first alternative. So setting bytes to zero, as Hypothesis does when
it shrinks, makes a program smaller and simpler; and drawing a program takes microseconds.

2,000 programs are tried at each of two levels, and 100,000 in the long form (`tests/suite/long_form.py`). Each property takes
its share of them; other tests that use Hypothesis have their own numbers. The levels are single parts (`tests/core`,
`tests/runtime`) and whole programs through an `Agent` (`tests/programs`).

To add a kind of program, copy a file in `tests/programs/kinds`: it has a state, functions marked with ``@tool``, and a `Kind`
that says how the arguments of each are drawn. Add the property of four lines to `tests/programs/test_whole_programs.py`. There
is no reference result to write: the functions themselves, called one by one, are it. Last, break the package in the way that
the kind is to find, and see the property fail.
"""

import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from asyncfc_jupyter.errors import InvariantBroken
from asyncfc_jupyter.testing import Stalled
from tests.suite.long_form import is_long


class Choices:
    """Makes decisions from bytes."""

    def __init__(self, data):
        self._data = iter(data)

    def below(self, bound):
        """Return a number from 0 to below ``bound``."""
        return next(self._data, 0) % bound

    def pick(self, alternatives):
        """Return one of these; the first is the simplest."""
        return alternatives[self.below(len(alternatives))]

    def once_in(self, times):
        """Return True about once in so many times."""
        return self.below(times) == times - 1


def programs(size):
    """Return a strategy for the decisions of one program, ``size`` bytes of them."""
    return st.binary(min_size=size, max_size=size)


def how_many():
    """Return how many random programs the properties of one level try together."""
    return 100_000 if is_long() else 2_000


def share(percent):
    """Give a property so many percent of the programs of its level, and a long form, which may take an hour."""
    examples = settings(max_examples=max(1, how_many() * percent // 100))
    limit = [pytest.mark.timeout(3600)] if is_long() else []

    def take(test):
        for mark in (pytest.mark.long, *limit):
            test = mark(test)
        return examples(test)

    return take


#: The faults that are hardest to find need some hundreds of programs.
SEARCH = settings(max_examples=3_000, derandomize=True, database=None, phases=[Phase.generate], deadline=None)


def goes_wrong(play, size):
    """Return whether the search finds a program with which ``play`` breaks a rule, as it must for a planted fault."""

    def breaks(data):
        try:
            play(data)
        except (AssertionError, InvariantBroken, Stalled, TypeError, LookupError):
            return True
        return False

    try:
        find(programs(size), breaks, settings=SEARCH)
    except NoSuchExample:
        return False
    return True
