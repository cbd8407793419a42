"""Limits: which call gets the next free place if several limits apply."""

from asyncfc_jupyter.core.events import Limit
from asyncfc_jupyter.core.limits import Places, tightest

STRICT, WIDE = Limit(name="api", places=1), Limit(name="api", places=3)


def test_a_call_under_a_wide_limit_passes_one_under_a_tighter_limit() -> None:
    """Both limits have the same name, and only the tighter one is reached."""
    places = Places()
    for order in range(3):
        places.arrive(order, (WIDE,))
    places.arrive(3, (STRICT,))
    places.arrive(4, (WIDE,))
    assert list(places.grant()) == [(0, None), (1, None), (2, None), (3, STRICT), (4, WIDE)]
    places.leave((WIDE,))
    assert list(places.grant()) == [(4, None)], "two others still run, which is too many for the strict one alone"
    for _ in range(3):
        places.leave((WIDE,))
    assert list(places.grant()) == [(3, None)]


def test_a_queue_moves_between_the_limits_that_hold_it() -> None:
    """Two limits hold one call in turn, and it stays the first of its queue."""
    a, b = Limit(name="a", places=1), Limit(name="b", places=1)
    places = Places()
    for order, limits in enumerate([(a,), (b,), (a, b), (a, b)]):
        places.arrive(order, limits)
    assert list(places.grant()) == [(0, None), (1, None), (2, a), (3, a)]
    places.leave((a,))
    assert list(places.grant()) == [], "the other limit holds it now"
    places.arrive(4, (a,))
    assert list(places.grant()) == [(4, None)]
    places.leave((b,))
    assert list(places.grant()) == [], "and now the first one again"
    places.leave((a,))
    assert list(places.grant()) == [(2, None)]
    places.withdraw(3)
    places.leave((a, b))
    assert list(places.grant()) == []


def test_two_limits_of_one_name_count_a_call_once() -> None:
    two, three = Limit(name="host", places=2), Limit(name="host", places=3)
    assert tightest((three, STRICT, two)) == (two, STRICT)
