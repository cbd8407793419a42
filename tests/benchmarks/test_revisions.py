"""Before and after in one run: the package of a revision is measured in a process that has no other."""

from pathlib import Path

import pytest

import asyncfc_jupyter
from tests.benchmarks import scheduler
from tests.benchmarks.overhead import ASYNC, BARE, Rounds, before_tables
from tests.benchmarks.revisions import figures_of, package_of
from tests.benchmarks.scheduler import Row, compared, comparison
from tests.virtual_environments import REPOSITORY


def places():
    """Return where this process has the package, and this file."""
    return [asyncfc_jupyter.__file__, __file__]


def test_a_process_has_the_old_package_and_the_benchmark_of_now() -> None:
    with package_of("HEAD") as package:
        there, file = figures_of(package, "test_revisions.places")
        assert there == str(package / "asyncfc_jupyter" / "__init__.py")
        assert file == __file__
    assert figures_of(REPOSITORY, "test_revisions.places") == places()
    assert not Path(there).exists()


def test_an_unknown_revision_is_refused_by_name() -> None:
    with pytest.raises(SystemExit, match=r"as of 'nowhere': .*not a valid object name"), package_of("nowhere"):
        pass


def row(us, size):
    return Row(shape="independent", calls=(10, 100), time_us=(us, 2 * us), memory_bytes=(size, size))


def test_the_scheduler_is_measured_by_turns_and_the_least_counts(monkeypatch) -> None:
    asked = []
    costs = iter([40.0, 30.0, 50.0, 20.0])

    def measured(package, function, sizes, repeats):
        asked.append((package, function, sizes, repeats))
        return [{"shape": "independent", "calls": [10, 100], "time_us": [next(costs), 9.0], "memory_bytes": [1.0, 2.0]}]

    monkeypatch.setattr(scheduler, "figures_of", measured)
    before = Path("/before")
    there, here = compared(before, (10, 100), 2)
    assert [package for package, *_ in asked] == [before, REPOSITORY] * 2
    assert (there[0].time_us, here[0].time_us) == ((40.0, 9.0), (20.0, 9.0))
    assert (here[0].calls, here[0].memory_bytes) == ((10, 100), (1.0, 2.0))


def test_every_shape_of_run_is_measured_in_a_fresh_process() -> None:
    shapes = [each["shape"] for each in figures_of(REPOSITORY, "scheduler.figures", (1, 2), 1)]
    assert shapes == [*scheduler.SHAPES, *scheduler.DRIVEN]


def test_before_and_now_stand_side_by_side() -> None:
    table = comparison("v1", [row(10.0, 400)], [row(5.0, 100)])
    assert table.rows == [["independent", "20", "10", "0.50", "400", "100", "0.25"]]
    assert "`v1`" in table.caption


def test_what_the_async_mode_costs_is_compared_within_a_round() -> None:
    rounds = Rounds()
    for slow_s in (1.0, 2.0, 4.0):
        rounds.note(BARE, slow_s)
        rounds.note(ASYNC, slow_s - 0.25)
    one, grown = before_tables(
        BARE, {"a call": rounds}, [{"futures": 10, "us": 8.0, "bytes": 4.0}], [{"futures": 10, "us": 4.0, "bytes": 1.0}]
    )
    assert one.rows == [["a call", "2000000", "1750000", "-250000"]]
    assert grown.rows == [["10", "8", "4", "0.50", "4", "1", "0.25"]]
