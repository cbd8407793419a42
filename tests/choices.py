"""Random programs from bytes: one draw for Hypothesis instead of hundreds, and a simpler program for a simpler text.

Each decision takes one byte, and when there are none left the first alternative is taken. So setting bytes to zero, which is
how Hypothesis shrinks, makes a program smaller and plainer; and a program costs microseconds to draw.

How many programs are tried: 1,000 in all while one works, 20,000 with ``CI=true``, 100,000 with ``ASYNCFC_LONG=1``. Each
property takes its share of them; other tests that use Hypothesis keep their own numbers.
"""

import os

from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from asyncfc_jupyter.core.errors import InvariantBroken
from asyncfc_jupyter.testing import Stalled


class Choices:
    """Decides by the bytes it is given."""

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
    """Return how many random programs all properties try together."""
    if os.environ.get("ASYNCFC_LONG"):
        return 100_000
    return 20_000 if os.environ.get("CI") else 1_000


def share(percent):
    """Return settings for a property that takes so many percent of all programs."""
    return settings(max_examples=max(1, how_many() * percent // 100), deadline=None, print_blob=True)


#: The faults found last take some hundreds of programs.
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
