"""The multi-turn benchmark: what the oracle plays comes out right, what is wrong is noticed, and models and layer agree."""

import asyncio
import dataclasses
import json
import os
import time

import pytest

from asyncfc_jupyter.models.cassette.cassette import Recording, Replay
from tests.benchmarks import bfcl
from tests.benchmarks.bfcl_parts import fetching
from tests.benchmarks.bfcl_parts.cases import CATEGORIES, cases, show, steps
from tests.benchmarks.bfcl_parts.checks import all_wrong, out_of_order, refused
from tests.benchmarks.bfcl_parts.figures import interval
from tests.benchmarks.bfcl_parts.ideal import one_by_one_s, paper_bound, release_time_bound_s
from tests.benchmarks.bfcl_parts.jobs import Setup, http_rows
from tests.benchmarks.bfcl_parts.mutants import judged, mutants
from tests.benchmarks.bfcl_parts.oracle import Reply, Spoken, Style, pieces_of, reply_to
from tests.benchmarks.bfcl_parts.playing import OracleModel, play_virtually, wrong_in
from tests.benchmarks.bfcl_parts.world import Latency, Ran, as_text, module, one_by_one
from tests.benchmarks.fast_clock import run_faster

STYLES = (Style(), Style(several=True), Style(pending=True), Style(several=True, pending=True))
#: Cases that take values of earlier turns, read results within a turn, pass long results by reference, or say nothing.
NAMES = [f"multi_turn_{category}_{number}" for category in CATEGORIES for number in (5, 61, 138)]


@pytest.fixture(autouse=True, scope="module")
def _the_package_is_there():
    try:
        module("")  # puts the package's folder on the import path, for all that follows
    except fetching.BfclUnavailableError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("name", NAMES)
def test_futures_give_the_results_of_calls_made_one_by_one(name) -> None:
    """The official checkers of the benchmark agree."""
    for style in STYLES:
        for latency in (Latency(0.1), Latency(1.0, 1.0, 3)):
            assert all_wrong(play_virtually(cases()[name], mode="async", style=style, latency=latency)) == []


@pytest.mark.parametrize("hedge", ["off", "retract", "race"])
def test_a_recording_with_hedged_requests_is_replayed_to_its_end(tmp_path, hedge) -> None:
    unused = 0
    for name in NAMES[:6]:
        path = tmp_path / f"{name}.jsonl"
        how = {"mode": "async", "style": Style(), "latency": Latency(0.3, 1.0, 3), "hedge": hedge}
        recorded = play_virtually(cases()[name], model=Recording(OracleModel(), path), **how)
        replayed = play_virtually(cases()[name], model=Replay(path, speed="instant"), **how)
        assert wrong_in(replayed, recorded) == []
        assert (replayed.requests, replayed.unused) == (recorded.requests - recorded.unused, 0)
        unused += recorded.unused
    assert (unused > 0) == (hedge != "off")


@pytest.mark.parametrize("mode", ["batch", "eager"])
def test_so_do_the_modes_it_is_compared_with(mode) -> None:
    for name in NAMES[:6]:
        played = play_virtually(cases()[name], mode=mode, style=Style(several=True), latency=Latency(1.0, 1.0, 3))
        assert all_wrong(played) == []


def test_the_plans_are_what_the_tool_classes_themselves_do() -> None:
    for case in list(cases().values())[::10]:
        results, _ = one_by_one(case)
        assert [as_text(result) for result in results] == [call.result for call in case.calls]


def test_a_wrong_table_of_effects_is_noticed_and_does_harm() -> None:
    found = {mutant.name: mutant for mutant in mutants()}
    dropped_read, dropped_write = (judged(found[name]) for name in ("cat reads fs/cwd", "cd writes fs/cwd"))
    nothing = judged(found["all of GorillaFileSystem"])
    assert all(verdict.noticed and verdict.harmed for verdict in (dropped_read, dropped_write, nothing))
    twice = judged(found["setHeadlights writes car/headlights"])  # pure by that table: the second call is not made
    assert twice.noticed
    assert twice.made_up


def test_each_check_notices_what_it_is_there_for() -> None:
    played = play_virtually(cases()["multi_turn_base_5"], mode="async", style=Style(), latency=Latency(1.0))
    assert out_of_order(played) == refused(played) == []
    first, second, *rest = sorted(played.ran, key=lambda ran: ran.number)
    swapped = [
        Ran(number=a.number, owner=a.owner, name=a.name, arguments=a.arguments, began=b.began, ended=b.ended)
        for a, b in ((first, second), (second, first))
    ]
    changed = {"ran": (*swapped, *rest)}
    assert f"call 1 ({second.name}) began before 0 ended" in out_of_order(_with(played, **changed))[0]
    assert "was not made" in out_of_order(_with(played, ran=tuple(rest)))[0]
    assert "the final state differs" in all_wrong(_with(played, state=()))[0]
    assert "gave None" in all_wrong(_with(played, results=(None, *played.results[1:])))[0]
    assert "the answer of user turn 0" in all_wrong(_with(played, answers=("", *played.answers[1:])))[0]
    fresh = play_virtually(cases()["multi_turn_base_5"], mode="async", style=Style(), latency=Latency(1.0))
    fresh.objects["GorillaFileSystem"].mkdir("new")
    assert "does not match the state" in refused(fresh)[0]


def _with(played, **fields):
    return dataclasses.replace(played, **fields)


def test_the_modelled_times_are_those_of_the_layer() -> None:
    def two_s(_number):
        return 2.0

    for case in map(cases().__getitem__, NAMES):
        one = play_virtually(case, mode="sequential", style=Style(), latency=Latency(2.0)).seconds
        assert one == pytest.approx(one_by_one_s(case, two_s))
        for style in STYLES:
            bound_s = release_time_bound_s(case, two_s, style)
            played = play_virtually(case, mode="async", style=style, latency=Latency(2.0))
            assert bound_s - 1e-6 <= played.seconds <= bound_s * 1.05
            if not style.several:  # the paper counts a request for each call
                assert one / bound_s <= paper_bound(case, two_s, style) + 1e-9


def test_the_oracle_passes_what_it_has_and_references_to_what_is_pending() -> None:
    case = cases()["multi_turn_base_56"]
    calls = [
        {"id": f"c{place}", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
        for place, call in enumerate(case.turns[0][:2])
    ]
    there = {"future": "f1", "tool": "", "status": "done", "value": {"zipcode": "12345"}}
    messages = [
        {"role": "user", "content": Style().prompt(case, 0)},
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c0", "content": json.dumps(there)},
        {"role": "tool", "tool_call_id": "c1", "content": '{"future": "f2", "status": "pending", "value": null}'},
    ]
    (call,) = reply_to(messages, futures=True).calls
    assert (call.name, json.loads(call.arguments)) == (
        "estimate_distance",
        {"cityA": "12345", "cityB": "$f2.zipcode"},
    )


def test_a_conversation_over_http_gives_the_same_as_in_virtual_time() -> None:
    setups = (Setup(label="one", mode="sequential"), Setup(label="async", mode="async", style=Style(several=True)))
    rows = http_rows(["multi_turn_base_13"], [Latency(0.1)], setups)
    assert [row.wrong for row in rows] == [(), ()]
    assert all(row.seconds >= row.virtual_s * 0.99 for row in rows)


def test_a_reply_is_cut_into_its_tokens_and_a_call_closes_with_its_last() -> None:
    reply = Reply(calls=(Spoken("a", '{"x": 1}', 5), Spoken("b", "{}", 20)))
    for fine in (True, False):
        pieces = list(pieces_of(reply, fine=fine))
        for place, arguments in enumerate(['{"x": 1}', "{}"]):
            assert "".join(piece.text for piece in pieces if piece.call == place) == arguments
        assert [max(p.token for p in pieces if p.call == place) for place in (0, 1)] == [5, 25]
    text = list(pieces_of(Reply(text="four words are here", text_tokens=3), fine=True))
    assert [piece.token for piece in text] == [1, 2, 3]


def test_the_faster_clock_runs_ten_times_as_fast_for_timers_and_for_time() -> None:
    async def sleep() -> float:
        begun_s = asyncio.get_running_loop().time()
        await asyncio.sleep(2.0)
        return asyncio.get_running_loop().time() - begun_s

    begun_s = time.monotonic()
    slept_s = run_faster(sleep())
    assert slept_s >= 2.0
    assert 10 * (time.monotonic() - begun_s) >= slept_s


def test_places_are_written_as_references_write_them_and_read_back() -> None:
    place = ("orders", 0, "a key", "id")
    assert show(place) == '.orders[0]["a key"].id'
    assert steps(show(place)) == place


def test_samples_and_intervals_are_the_same_each_time() -> None:
    assert bfcl.sample((3, 1, 1, 1)) == bfcl.sample((3, 1, 1, 1))
    low, high = interval([1.0, 1.2, 1.4, 1.1])
    assert (low, high) == interval([1.0, 1.2, 1.4, 1.1])
    assert 1.0 <= low < 1.175 < high <= 1.4


def test_what_is_not_what_was_pinned_is_refused(tmp_path, monkeypatch) -> None:
    wrong = tmp_path / "requirements.txt"
    wrong.write_text(fetching.REQUIREMENTS.read_text().replace("--hash=sha256:3", "--hash=sha256:4"))
    monkeypatch.setattr(fetching, "REQUIREMENTS", wrong)
    monkeypatch.setattr(fetching, "_HOME", tmp_path / "home")
    with pytest.raises(fetching.BfclUnavailableError, match="cannot be fetched"):
        fetching.fetched()
    assert not (tmp_path / "home" / "packages").exists()
