"""Multi-hop questions: answered rightly and alike in every mode, and the benchmark notices when they are not."""

import asyncio

import pytest

from asyncfc_jupyter.agent import Mode
from asyncfc_jupyter.testing import run_virtually
from tests.benchmarks.encyclopedia import Encyclopedia
from tests.benchmarks.questions import FAMILIES, questions
from tests.benchmarks.replay import HABITS, MODES, Tally, problems_of
from tests.benchmarks.search import SEED, Findings, ask, encyclopedia, report_on
from tests.servers.rehearsal_server import RehearsalServer


def a_question(family):
    return next(questions(encyclopedia(), family, 1, SEED))


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_question_is_answered_rightly_and_alike_in_every_mode(family, habit) -> None:
    question = a_question(family)
    played = [run_virtually(ask(question, habit, mode)) for mode in MODES]
    assert problems_of(family, played, answer=question.right) == []
    assert "the answer is" in problems_of(family, played, answer="Nobody knows.")[0]
    # A model that writes a wait beside its calls writes more than one that needs not.
    assert played[-1].seconds <= max(played[0].seconds, played[-1].released_s) + 1e-9
    raced = run_virtually(ask(question, habit, Mode.ASYNC, hedge="race"))
    assert problems_of(family, [*played[:-1], raced], answer=question.right) == []
    assert 0.97 * raced.seconds <= raced.released_s <= raced.seconds + 1e-9  # the layer loses no time


def test_a_wrong_declaration_is_noticed_by_the_functions_and_by_the_answer() -> None:
    question = a_question("fan-out")
    mutated = {"review": {"pure": True}}
    played = [run_virtually(ask(question, "all", mode, declared=mutated)) for mode in MODES]
    found = "\n".join(problems_of("mutated", played, answer=question.right))
    assert "mutated, async: review ran while note did, and one of the two writes notes/" in found
    assert "mutated: the answer of async and of sequential differ" in found
    assert "sequential: " not in found  # one at a time needs no declaration


def test_search_finds_the_named_article_and_a_seed_gives_one_encyclopedia() -> None:
    known = encyclopedia()
    for town in known.of_kind("town"):
        assert known.search(f"town of {town.title}")[0]["title"] == town.title
        assert known.search(f"{town.title} Bridge opened")[0]["title"] == f"{town.title} Bridge"
    for person in known.of_kind("person"):
        assert known.search(f"{person.title} born")[0]["id"] == person.id
    assert known.search("zeppelin") == []
    assert Encyclopedia(SEED).articles == known.articles
    assert Encyclopedia(SEED + 1).articles != known.articles


def test_over_http_a_question_comes_to_the_same_results_as_in_virtual_time() -> None:
    question = a_question("bridge, read once")
    with RehearsalServer(ttft_ms=20, tokens_per_s=2000) as server:
        real = asyncio.run(ask(question, "all", Mode.ASYNC, server.base_url))
    exact = run_virtually(ask(question, "all", Mode.ASYNC))
    assert problems_of("over HTTP", [exact, real], answer=question.right) == []


def test_the_report_has_a_row_for_each_family_and_mix_in_each_habit() -> None:
    asked = {family: (a_question(family),) for family in FAMILIES}
    found = Findings(asked=asked, wrong=["one thing"])
    for habit in HABITS:
        tally = Tally()
        for family, (question,) in asked.items():
            tally.add(family, [run_virtually(ask(question, habit, mode)) for mode in MODES])
        found.exact[habit] = found.real[habit] = tally
    report = report_on(found, (1, 1))
    rows = {row[0]: row for row in report.tables[0].rows}
    assert len(rows) == len(HABITS) * (len(FAMILIES) + 2)
    assert rows["bridge, each result read, one"][1].startswith("1.0")
    assert rows["**mix like HotpotQA**, one"][-1] == "1.24"
    assert rows["fan-out, one"][-1] == ""
    assert list(report.wrong) == ["one thing"]
