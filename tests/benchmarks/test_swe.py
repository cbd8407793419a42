"""Software engineering on a real repository: every mode makes the same fix, and the benchmark notices if one does not."""

import asyncio
import dataclasses
import functools

import pytest

from asyncfc_jupyter.agent import Mode
from asyncfc_jupyter.testing import run_virtually
from tests.benchmarks.library_sources import BUGS
from tests.benchmarks.programming_tasks import TASKS
from tests.benchmarks.replay import HABITS, MODES, Step, Tally, problems_of
from tests.benchmarks.repository import Repository
from tests.benchmarks.swe import Durations, Findings, report_on, work_on, wrong_in
from tests.servers.rehearsal_server import RehearsalServer

#: Outcomes of the test runs so far: the same files are tested once for the whole module.
KNOWN = {}


def takes(tool, arguments):
    return {"run_tests": 2.0, "git_commit": 0.05}.get(tool, 0.01)


@functools.cache
def rightly(name, habit):
    """The runs of a task as it is, which several tests look at."""
    return every_mode(TASKS[name], habit)


def every_mode(task, habit="all", modes=MODES, **options):
    options = {"latency_s": takes, "known": KNOWN} | options
    return [run_virtually(work_on(task, habit, mode, **options)) for mode in modes]


@pytest.mark.parametrize(("name", "habit"), [*((name, "all") for name in TASKS), ("fees", "one")])
def test_a_task_is_done_alike_in_every_mode(name, habit) -> None:
    played = rightly(name, habit)
    assert wrong_in(name, TASKS[name], played) == []
    # A model that writes a wait beside its calls writes more than one that needs not.
    assert played[-1].seconds <= max(played[0].seconds, played[-1].released_s) + 1e-9
    (raced,) = every_mode(TASKS[name], habit, [Mode.ASYNC], hedge="race")
    assert wrong_in(name, TASKS[name], [*played[:-1], raced]) == []
    assert 0.97 * raced.seconds <= raced.released_s <= raced.seconds + 1e-9  # the layer loses no time


def test_the_functions_the_tests_and_the_answer_notice_a_wrong_declaration() -> None:
    def edits_slowly(tool, arguments):
        return {"run_tests": 0.2, "edit_file": 1.0}.get(tool, 0.01)

    mutated = {"run_tests": {"pure": True}}
    played = every_mode(TASKS["fees"], latency_s=edits_slowly, declared=mutated)
    found = "\n".join(wrong_in("mutated", TASKS["fees"], played))
    assert "mutated, async: run_tests ran while edit_file did, and one of the two writes files/library/fees.py" in found
    assert (
        "mutated, async: in the end ['tests/test_fees.py::test_the_last_day_of_grace_is_free'] fail, 11 pass" in found
    )
    assert "mutated: the results of async and of sequential differ" in found
    assert "mutated, sequential" not in found


def test_tests_that_fail_elsewhere_than_they_should_are_noticed() -> None:
    (first, *_), other = rightly("fees", "all"), dataclasses.replace(TASKS["fees"], bug=BUGS["dates"])
    assert wrong_in("fees", other, [first]) == [
        f"fees, sequential: at first {list(BUGS['fees'].fails)} failed, not {list(BUGS['dates'].fails)}"
    ]


def test_a_plan_that_reads_what_is_not_there_is_noticed() -> None:
    steps = (*TASKS["fees"].steps[:-1], Step("It is {hits[99]}.", 'done = git_commit(message="Blindly")', reads=True))
    played = every_mode(dataclasses.replace(TASKS["fees"], steps=steps), modes=(Mode.SEQUENTIAL,))
    assert problems_of("fees", played) == ["fees, sequential: the model read <hits has no index 99>"]


@pytest.mark.parametrize("what", ["answer", "results", "state"])
def test_a_run_that_differs_from_the_others_is_named(what) -> None:
    played = rightly("fees", "all")
    assert problems_of("fees", played) == []
    other = dataclasses.replace(played[-1], **{what: "another"})
    assert problems_of("fees", [played[0], other]) == [f"fees: the {what} of async and of sequential differ"]


def test_over_http_and_in_threads_a_task_comes_to_the_same_commit() -> None:
    with RehearsalServer(ttft_ms=20, tokens_per_s=2000) as server:
        real = asyncio.run(work_on(TASKS["fees"], "all", Mode.ASYNC, base_url=server.base_url, known=KNOWN))
    assert wrong_in("fees", TASKS["fees"], [*rightly("fees", "all"), real]) == []


def test_a_repository_is_the_same_anywhere_and_reading_does_not_change_it(tmp_path) -> None:
    bug = BUGS["dates"]
    one, other = Repository(tmp_path / "one", bug), Repository.begun(_made(tmp_path / "other"), bug)
    assert one.state() == other.state()
    before = one.state(), one.list_files()
    one.read_file(bug.path), one.search("date"), one.git_diff(), one.git_log(), one.git_blame(bug.path)
    outcome = one.run_tests("tests/test_dates.py")
    assert (outcome["passed"], tuple(outcome["failed"])) == (2, bug.fails)
    assert (one.state(), one.list_files()) == before
    with pytest.raises(ValueError, match="not in the repository"):
        one.read_file("../outside")
    with pytest.raises(ValueError, match="holds this text 0 times"):
        one.edit_file(bug.path, "nowhere", "somewhere")


def _made(folder):
    folder.mkdir()
    return folder


def test_a_tool_takes_as_long_as_it_was_measured_to_with_these_arguments() -> None:
    durations = Durations()
    durations.learn(rightly("client", "all")[0].run)
    assert durations.of("run_tests", {"target": ""}) == pytest.approx(2.0)
    assert durations.of("run_tests", {"target": "tests/never_run.py"}, scale=3) == pytest.approx(6.0)
    assert durations.of("git_commit", {"message": "another"}) == pytest.approx(0.05)


def test_the_report_has_a_row_for_each_task_and_scale() -> None:
    found = Findings(wrong=["one thing"])
    for habit in HABITS:
        tally = Tally()
        tally.add("fees", rightly("fees", habit))
        found.real[habit] = found.scaled[1, habit] = found.scaled[10, habit] = tally
    found.durations.learn(tally.groups["fees"][0][Mode.SEQUENTIAL].run)
    report = report_on(found)
    real, scaled = ({row[0]: row for row in table.rows} for table in report.tables)
    assert set(real) == {"fees, one", "fees, all", "all tasks, one", "all tasks, all"}
    assert set(scaled) == {"as measured, one", "as measured, all", "times 10, one", "times 10, all"}
    assert (scaled["as measured, one"][-1], scaled["times 10, one"][-1]) == ("", "1.44")
    assert "`run_tests` 2000 ms" in report.text
    assert "Checks that failed: 1" in report.text
