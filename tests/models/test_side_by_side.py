"""Whether a server runs two requests at the same time: what the doctor sees of servers of every kind, and what a run reads."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import random
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from asyncfc_jupyter.errors import ServerError
from asyncfc_jupyter.models import doctor_report, side_by_side
from asyncfc_jupyter.models.base import CallDelta, ChatModel, ChatRequest, Delta, Finish, ReasoningDelta, TextDelta
from asyncfc_jupyter.models.cassette.cassette import Recording, Replay
from asyncfc_jupyter.models.catalog import Where
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.models.doctor_report import AtOnce, Report, report_path
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.side_by_side import measure, race_verdict, races
from asyncfc_jupyter.testing import ScriptedModel, run_virtually
from tests.models.test_doctor import plain, server_of
from tests.models.test_whole_reports import SEEN, report
from tests.servers.scripted_server import Answer, Delay, HttpError, ScriptedServer, Stream, reply, text_chunks

Piece = Callable[[], Delta]


def text() -> Delta:
    return TextDelta(text="1, ")


class Server:
    """A server in virtual time: requests wait for one of its slots, and share its processor as far as that is busy.

    Args:
        slots: Requests that run at the same time.
        first_s: Seconds to the first token of a request that runs alone, or a function that draws them.
        token_s: Seconds to each token after it.
        tokens: Tokens of a reply. The limit of a request is obeyed, unless ``obeys`` is false.
        shared: How many times as long everything takes with two requests as with one: 1 where there is room for both.
        whole: Whether a reply is sent when it is complete.
    """

    name = "m"

    def __init__(
        self,
        slots: int,
        *,
        first_s: float | Callable[[], float] = 0.3,
        token_s: float = 0.02,
        tokens: int = 40,
        shared: float = 1.0,
        piece: Piece = text,
        whole: bool = False,
        obeys: bool = True,
    ) -> None:
        self._free = asyncio.Semaphore(slots)
        self._first_s = first_s if callable(first_s) else lambda: first_s
        self._token_s, self._tokens, self._shared = token_s, tokens, shared
        self._piece, self._whole, self._obeys = piece, whole, obeys
        self._running = 0
        self.requests = self.sent = 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self.requests += 1
        async with self._free:
            self._running += 1
            try:
                count = min(self._tokens, request.most_tokens or self._tokens) if self._obeys else self._tokens
                pieces = [self._piece() for _ in range(count)]
                for number, piece in enumerate(pieces):
                    await self._work(self._token_s if number else self._first_s())
                    self.sent += 1
                    if not self._whole:
                        yield piece
                for piece in pieces if self._whole else ():
                    yield piece
                yield Finish(reason="length")
            finally:
                self._running -= 1

    async def _work(self, seconds: float) -> None:
        for _ in range(4):  # who else runs may change meanwhile
            await asyncio.sleep(seconds / 4 * (self._shared if self._running > 1 else 1))


def seen_of(server: ChatModel) -> AtOnce:
    seen = run_virtually(measure(server))
    assert seen is not None
    return seen


FIRSTS_S, TOKENS_S = (0.02, 0.1, 0.3, 1.0, 5.0), (0.001, 0.01, 0.04, 0.3)


@pytest.mark.parametrize("piece", [text, lambda: ReasoningDelta(text="x"), lambda: CallDelta(index=0, arguments="{")])
@pytest.mark.parametrize(("first_s", "token_s"), [*itertools.product(FIRSTS_S, TOKENS_S)])
def test_only_a_server_with_two_slots_runs_two_side_by_side(first_s: float, token_s: float, piece: Piece) -> None:
    for slots in (1, 2, 4):
        seen = seen_of(Server(slots, first_s=first_s, token_s=token_s, piece=piece))
        assert (seen.overlapped, seen.side_by_side) == (slots > 1, slots > 1)
        assert (seen.alone_s, seen.first_s) == pytest.approx((first_s, first_s), abs=0.001)
        waits_s = 0 if slots > 1 else first_s + 15 * token_s
        assert seen.second_s == pytest.approx(first_s + waits_s, abs=0.001)


@pytest.mark.parametrize("sigma", [0.1, 0.3, 1.0])
def test_jitter_never_makes_one_slot_look_like_two(sigma: float) -> None:
    draw = random.Random(7)
    for _ in range(200):
        seen = seen_of(Server(1, first_s=lambda: 0.2 * draw.lognormvariate(0, sigma)))
        assert not seen.side_by_side


@pytest.mark.parametrize(("shared", "fast"), [(1.0, True), (1.3, True), (1.35, False), (2.0, False), (4.0, False)])
def test_two_that_slow_each_other_down_do_not_count(shared: float, *, fast: bool) -> None:
    seen = seen_of(Server(2, shared=shared))
    assert (seen.overlapped, seen.side_by_side) == (True, fast)


@pytest.mark.parametrize("slots", [1, 2])
def test_of_a_reply_that_comes_as_a_whole_nothing_is_concluded(slots: int) -> None:
    assert not seen_of(Server(slots, whole=True)).side_by_side
    assert not seen_of(Server(slots, tokens=1)).side_by_side


def test_a_server_that_knows_no_limit_is_left_after_a_few_tokens() -> None:
    server = Server(2, tokens=10_000, obeys=False)
    assert seen_of(server).side_by_side
    assert (server.requests, server.sent) == (6, 6 * 16)


class Fails(Server):
    """Refuses a request while another one runs."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        if self._running:
            raise ServerError("busy (429).", status=429)
        async for delta in super().stream(request):
            yield delta


def test_a_server_that_refuses_the_second_request_is_not_known() -> None:
    assert run_virtually(measure(Fails(2))) is None
    assert run_virtually(measure(Server(2, piece=lambda: TextDelta(text="")))) is None


def test_an_interrupt_of_the_measurement_closes_both_requests() -> None:
    async def cancelled() -> Server:
        server = Server(2)
        measuring = asyncio.ensure_future(measure(server))
        await asyncio.sleep(1.0)
        assert server._running == 2
        measuring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await measuring
        return server

    assert run_virtually(cancelled())._running == 0


# -- over HTTP, and what a run reads ---------------------------------------------------------------------------------


def counting(*, slots: int) -> Callable[..., Answer]:
    """A server that counts: with one slot, the second of two requests waits for the first."""
    counted = itertools.count(1)
    steps = [step for chunk in text_chunks("1, 2, 3, 4, 5, 6, 7, 8", 8) for step in (Delay(0.1), chunk)]

    def policy(body: dict[str, object], *, chat: bool, answered: bool) -> Answer:
        if "tools" in body or not chat:
            return plain(body, chat=chat, answered=answered)
        waits = slots == 1 and next(counted) % 3 == 0  # of three requests, the first is alone; a reply takes 0.8 s
        return Stream((Delay(2.0 if waits else 0.0), *reply(*steps).steps))

    return policy


@pytest.mark.parametrize(("slots", "row"), [(1, "one after the other"), (2, "side by side:")])
def test_the_doctor_finds_out_over_http_and_a_run_reads_it(slots: int, row: str) -> None:
    with ScriptedServer(server_of(counting(slots=slots))) as server:

        async def find_out() -> None:
            model = OpenAIChat("m", base_url=server.base_url)
            assert not await races(model)
            for options in ({}, {"seed": 7}):
                found = await examine("m", where=Where(base_url=server.base_url), options=options, fresh=True)
                assert f"two at once         {row}" in found.text()
                assert await races(model) == (slots == 2)
            assert not await races(OpenAIChat("another", base_url=server.base_url))

        asyncio.run(find_out())


YES = AtOnce(alone_s=0.3, first_s=0.3, second_s=0.3, overlapped=True)
NO = dataclasses.replace(YES, overlapped=False)
BOX = "http://gpubox:8000/v1"


def keep(at_once: AtOnce | None, *, address: str = BOX, model: str = "m", details: str = "", year: int = 2026) -> Path:
    path = report_path(address, model, details)
    kept = dataclasses.replace(report(chat=SEEN), at_once=at_once, examined_at=f"{year}-01-01T00:00:00+00:00")
    dataclasses.replace(kept, model=model, address=address).save(path)
    return path


def raced(model: ChatModel) -> bool:
    return run_virtually(races(model))


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (BOX, True),
        ("http://127.0.0.1:8080/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://192.168.1.7/v1", True),
        ("https://models.lan/v1", True),
        ("https://models.example/v1", False),
        ("https://8.8.8.8/v1", False),
        ("http://localhost.models.example/v1", False),
    ],
)
def test_only_a_server_of_a_private_network_is_raced(address: str, local: bool) -> None:
    keep(YES, address=address)
    model = OpenAIChat("m", base_url=address, api_key="k")
    assert raced(model) == local
    if not local:
        assert race_verdict(address, "m") == (False, "a second request may cost money there")


def test_the_last_examination_that_saw_anything_counts() -> None:
    model = OpenAIChat("m", base_url=BOX)
    keep(NO, year=2025)
    assert not raced(model)
    keep(YES, details="other options", year=2026)
    assert raced(model)
    keep(None, details="failed", year=2027)
    assert raced(model)
    keep(NO, details="a slower server", year=2028)
    assert not raced(model)
    assert "is slower with two requests at once" in race_verdict(BOX, "m")[1]


def test_what_was_seen_of_another_model_or_address_does_not_count() -> None:
    keep(YES)
    assert not raced(OpenAIChat("n", base_url=BOX))
    assert not raced(OpenAIChat("m", base_url="http://gpubox:8001/v1"))
    assert raced(OpenAIChat("m", base_url=f"{BOX}/?key=planted-0123456789"))


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"at_once": 7}'])
def test_a_damaged_report_counts_as_none(damage: str) -> None:
    keep(YES).write_text(damage, encoding="utf-8")
    assert not raced(OpenAIChat("m", base_url=BOX))
    keep(YES, details="another")
    assert raced(OpenAIChat("m", base_url=BOX))


def test_a_recording_is_raced_like_its_model_and_a_replay_is_not(tmp_path: Path) -> None:
    keep(YES)
    path = tmp_path / "c.jsonl"
    assert raced(Recording(OpenAIChat("m", base_url=BOX), path))
    path.write_text('{"cassette": 1, "model": "m"}\n')
    for model in (Replay(path), Recording(ScriptedModel(), path), ScriptedModel()):
        assert not raced(model)


def test_a_model_whose_library_chooses_the_address_is_not_raced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted-0123456789")
    assert not raced(OpenAIChat("m"))
    assert race_verdict("", "m") == (False, "it is not reached at an address of yours")


def test_a_report_is_read_once_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(YES)
    load, read = Report.load, list[str]()

    def noted(path: Path) -> Report | None:
        with pytest.raises(RuntimeError):  # no loop runs here
            asyncio.get_running_loop()
        read.append(path.name)
        return load(path)

    monkeypatch.setattr(doctor_report.Report, "load", noted)
    assert raced(OpenAIChat("m", base_url=BOX))
    assert len(read) == 1


def test_the_doctor_fails_with_none_of_its_findings_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests at once may be refused, and the rest of the report stays."""

    def kind(body: dict[str, object], *, chat: bool, answered: bool) -> Answer:
        return plain(body, chat=chat, answered=answered) if "tools" in body else HttpError(status=403)

    with ScriptedServer(server_of(kind)) as server:
        found = asyncio.run(examine("m", where=Where(base_url=server.base_url)))
    assert found.at_once is None
    assert "two at once         unknown" in found.text()
    assert found.seen["chat"].calls == 2
    assert side_by_side._TOKENS == 16
