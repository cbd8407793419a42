"""Large values are copied, looked at and freed part by part, with the same outcome as in one go."""

import asyncio
import copy
import gc
import sys
import threading
import weakref
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.core.references import parse_reference
from asyncfc_jupyter.values import pauses as pausing
from asyncfc_jupyter.values import release as releasing
from asyncfc_jupyter.values import snapshot as snapshots
from asyncfc_jupyter.values.pauses import PARTS, Pauses
from asyncfc_jupyter.values.plain import finds_plain, is_plain
from asyncfc_jupyter.values.release import release, release_all
from asyncfc_jupyter.values.snapshot import MOST_ON_LOOP, TooLarge, is_large, keep, snapshot
from tests.values.test_plain import Odd


class Thing:
    """An object, which is never copied."""

    def __deepcopy__(self, _):
        return self

    def __reduce__(self):
        return "THING"


THING = Thing()
SINGLE = st.sampled_from([1, 2.5, "a", None, True, b"b", THING])
KEYS = st.sampled_from(["a", "b", 1, (1, 2), (1, THING)])


def holders(inner):
    """Return strategies of containers, of which some are held several times."""
    shared = st.lists(inner, min_size=1, max_size=3).flatmap(lambda few: st.lists(st.sampled_from(few), max_size=9))
    rows = st.lists(st.dictionaries(KEYS, SINGLE, max_size=3) | st.lists(SINGLE, max_size=3), max_size=9)
    sets = st.frozensets(st.integers(0, 3) | st.just(THING)).flatmap(lambda each: st.sampled_from([each, {*each}]))
    tables = st.lists(st.fixed_dictionaries({"a": inner, "b": inner}) | st.tuples(inner, inner).map(list), max_size=9)
    return shared | rows | tables | sets | st.dictionaries(KEYS, inner, max_size=5) | shared.map(tuple)


VALUES = st.recursive(SINGLE, holders, max_leaves=30)


def places(value, seen=None, path=()):
    """Yield each place in a value, with the first place at which the same container is."""
    seen = {} if seen is None else seen
    if type(value) not in {list, dict, tuple, set, frozenset}:
        yield path, value
        return
    yield path, seen.setdefault(id(value), path)
    if seen[id(value)] == path and type(value) in {list, dict, tuple}:
        for step, item in value.items() if type(value) is dict else enumerate(value):
            yield from places(item, seen, (*path, step))


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Few rows make many steps."""
    monkeypatch.setattr(snapshots, "PARTS", 3)
    monkeypatch.setattr(snapshots, "_LEAST_ROWS", 2)


@settings(max_examples=500)
@given(VALUES)
def test_a_copy_made_by_steps_is_the_one_that_deepcopy_makes(value) -> None:
    kept, reference = keep(value).value, copy.deepcopy(value)
    assert kept == reference == value
    own = {id(each) for each in containers(value)} & {id(each) for each in containers(kept)}
    assert not own
    for one, other in zip(places(kept), places(reference), strict=True):
        assert one == other or type(at(value, one[0])) is tuple  # one that holds constants only stays the same object


def at(value, path):
    """Return what is at a place."""
    for step in path:
        value = value[step]
    return value


def containers(value):
    """Yield the containers in a value that can change."""
    if type(value) in {list, dict, set}:
        yield value
    if type(value) in {list, dict, tuple}:
        for item in value.values() if type(value) is dict else value:
            yield from containers(item)


@settings(max_examples=500)
@given(VALUES)
def test_where_a_value_is_mixed_is_what_a_look_at_each_part_finds(value) -> None:
    kept = keep(value)
    assert (not kept.mixed) == is_plain(value)
    for path, _ in places(kept.value):
        if all(type(step) is int or step in {"a", "b"} for step in path):
            steps = "".join(f"[{step}]" if type(step) is int else f".{step}" for step in path)
            reference = parse_reference(f"$f1{steps}")
            reached = reference.resolve(kept.value)
            alone = all(is_plain([*each]) for each in dicts_on_the_way(kept.value, path))
            assert finds_plain(reference, kept.value, kept.mixed) == (is_plain(reached) and alone)


def test_what_two_lists_hold_and_is_mixed_makes_both_of_them_mixed() -> None:
    both = [THING]
    kept = keep([[both], [both, 1], [1]])
    found = [finds_plain(parse_reference(f"$f1[{place}]"), kept.value, kept.mixed) for place in range(3)]
    assert found == [False, False, True]


def dicts_on_the_way(value, path):
    """Yield the mappings that a path leads through."""
    for step in path:
        if type(value) is dict:
            yield value
        value = value[step]


def test_no_code_of_a_class_decides_whether_a_row_is_plain_data() -> None:
    odd = Odd()
    for rows in ([{"a": 1}, {"a": odd}, {"a": 2}], [[1], [odd], [2]], [{1}, {odd}], {"a": 1, "b": odd}):
        kept = keep(rows)
        assert kept.mixed
        assert kept.value is not rows


@given(VALUES)
def test_plain_data_that_nobody_else_holds_is_not_copied(value) -> None:
    kept = keep(value, private=True)
    assert kept.value == value
    assert kept.mixed == keep(value).mixed or kept.mixed
    if is_plain(value):
        assert kept.value is value


@pytest.mark.parametrize("size", [1, 10, 1_000])
def test_a_list_that_holds_itself_is_refused_before_it_is_copied_again(size) -> None:
    value = [0] * size
    value[0] = value
    with pytest.raises(RecursionError, match="holds itself"):
        keep(value)
    with pytest.raises(RecursionError, match="holds itself"):
        keep({"a": ({"b": value},)})
    rows = [{"a": [row], "b": {}} for row in range(10 * size)]
    rows[-1]["b"] = rows[-1]
    with pytest.raises(RecursionError, match="holds itself"):
        keep(rows)


def test_rows_that_hold_rows_are_copied_column_by_column(monkeypatch) -> None:
    one_by_one, copied = [], snapshots._Copying.copied
    monkeypatch.setattr(snapshots._Copying, "copied", lambda self, each: one_by_one.append(each) or copied(self, each))
    value = [{"id": row, "at": {"x": [row]}, "tags": [(row, "a")]} for row in range(30)]
    kept = keep(value)
    assert kept.value == value == one_by_one[0]
    assert kept.value[-1]["at"]["x"] is not value[-1]["at"]["x"]
    assert len(one_by_one) == 1
    assert len(kept.originals) == 1 + 4 * 30


def test_rows_of_which_one_is_mixed_are_copied_one_by_one() -> None:
    kept = keep([{"a": [row], "b": THING if row == 5 else row} for row in range(30)])
    mixed = [row for row in kept.value if id(row) in kept.mixed]
    assert mixed == [{"a": [5], "b": THING}]


def test_what_has_too_many_parts_is_left_to_a_thread() -> None:
    half = [0] * (MOST_ON_LOOP // 2)
    assert snapshot({"a": half}, MOST_ON_LOOP)["a"] == half
    for many in (
        [*half, *half, 0],
        {"a": half, "b": [*half]},
        [(0, 1, 2)] * (MOST_ON_LOOP + 1),
        {*range(MOST_ON_LOOP + 1)},
    ):
        with pytest.raises(TooLarge):
            keep(many, MOST_ON_LOOP)
        assert is_large(many)
    assert not is_large("a" * 10 * MOST_ON_LOOP)
    assert not is_large([half, half, half])  # one list, held three times


@pytest.mark.parametrize("large", [[0] * 3_000, {**dict.fromkeys(range(3_000))}, {*range(3_000)}, (0,) * 3_000])
def test_a_value_with_too_many_parts_is_refused_before_it_is_copied(monkeypatch, large) -> None:
    looks = []
    for name in ("_copied_list", "are_constants"):
        made = getattr(snapshots, name)
        monkeypatch.setattr(snapshots, name, lambda each, made=made: looks.append(each) or made(each))
    with pytest.raises(TooLarge):
        keep(large, MOST_ON_LOOP)
    assert looks == []


def test_a_pause_on_an_event_loop_waits_for_nothing(monkeypatch) -> None:
    waits = []
    monkeypatch.setattr(pausing.time, "sleep", waits.append)

    async def pause():
        Pauses().pause()
        return [*waits]

    assert asyncio.run(pause()) == []
    Pauses().pause()
    assert len(waits) == 1


class Freed:
    """Reports that it is freed."""

    def __init__(self, freed):
        self._freed = freed

    def __del__(self):
        self._freed.append(threading.current_thread().name)


class CountedPauses:
    """Notes how many objects were freed between two pauses."""

    def __init__(self, freed, steps):
        self._freed, self._steps = freed, steps

    def pause(self):
        self._steps.append(len(self._freed))


@pytest.mark.parametrize(
    "shape", [lambda rows: [rows], lambda rows: [{"a": (rows,)}], lambda rows: [{"a": rows}, rows]]
)
def test_rows_are_freed_a_few_thousand_at_a_time(monkeypatch, shape) -> None:
    freed, steps = [], []
    monkeypatch.setattr(releasing, "Pauses", lambda: CountedPauses(freed, steps))
    values = shape([[Freed(freed)] for _ in range(3 * PARTS)])
    release_all(values)
    join_releases()
    assert values == []
    assert freed == ["asyncfc-release"] * 3 * PARTS
    assert max(after - before for before, after in pairwise(steps)) <= PARTS


def test_originals_are_freed_in_a_thread_if_they_are_many(monkeypatch) -> None:
    freed, steps = [], []
    monkeypatch.setattr(releasing, "Pauses", lambda: CountedPauses(freed, steps))
    for rows in (10, 2 * PARTS):
        del freed[:], steps[:]
        value = [[Freed(freed)] for _ in range(rows)]
        originals = keep(value).originals
        del value
        release(originals)
        join_releases()
        where = "asyncfc-release" if rows > PARTS else threading.current_thread().name
        assert freed == [where] * rows


def join_releases():
    """Wait until everything is freed."""
    for thread in threading.enumerate():
        if thread.name == "asyncfc-release":
            thread.join()


def test_what_else_is_held_is_not_freed() -> None:
    thing = Thing()
    seen, row = weakref.ref(thing), [thing]
    del thing
    release_all([[row, [row]]])
    join_releases()
    assert seen() is row[0]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="its collector makes no whole passes, and nothing is made old")
def test_what_the_user_freezes_meanwhile_stays_frozen() -> None:
    pauses = Pauses()
    pauses.pause()
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        pauses.pause()
        Pauses().pause()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
