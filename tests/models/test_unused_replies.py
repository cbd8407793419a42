"""Requests of which nothing was used: a cassette holds them, and its replay makes the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from asyncfc_jupyter.errors import AgentInterrupted, CassetteDiffers, CassetteError, ServerError
from asyncfc_jupyter.models.base import ChatRequest, Delta, MarkingModel, ReasoningDelta, TextDelta
from asyncfc_jupyter.models.cassette.cassette import Recording, Replay
from asyncfc_jupyter.testing import Breaks, Calls, Says, ScriptedModel, Thinks, run_virtually
from tests.models.scripted_model import Plays

HISTORY = [
    {"role": "user", "content": "go"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "s1", "function": {"name": "get", "arguments": "{}"}}],
    },
]


def shows(status: str, *, text: str = "go") -> ChatRequest:
    """A request with a placeholder, or with the value that takes its place."""
    tool = {"role": "tool", "tool_call_id": "s1", "content": json.dumps({"future": "f1", "status": status})}
    return ChatRequest(messages=[{"role": "user", "content": text}, HISTORY[1], tool])


async def heard(model: Any, request: ChatRequest, *, most: int = 99) -> list[Delta]:
    """Return the first deltas of a reply; the stream is closed after them."""
    deltas: list[Delta] = []
    stream = model.stream(request)
    async for delta in stream:
        deltas.append(delta)
        if len(deltas) == most:
            break
    await stream.aclose()
    return deltas


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def file_of(path: Path, *exchanges: tuple[str, Sequence[dict[str, Any]]]) -> Path:
    """Write a cassette of requests that show a future in some status, each with its reply, an end or a mark."""
    written: list[dict[str, Any]] = [{"cassette": 1, "model": "m"}]
    for number, (status, reply) in enumerate(exchanges, 1):
        written.append({"request": number, "continues": 0})
        written += [{"message": message} for message in shows(status).messages]
        written += [line if "unused" in line else {"at_s": 0.0, **line} for line in reply]
    path.write_text("".join(json.dumps(line) + "\n" for line in written), encoding="utf-8")
    return path


FAILED = {"end": {"error": "gone", "status": 503, "transient": True}}
CLOSED = {"end": "closed"}
COMPLETE = {"end": "complete"}


@pytest.mark.parametrize(
    "unused",
    [
        [CLOSED],
        [{"text": "It is"}, CLOSED],
        [{"text": "It is pending."}, COMPLETE],
        [{"call": {"index": 0, "name": "await_future", "arguments": "{}"}}, COMPLETE],
        [FAILED],
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["the first is unused", "the second is unused"])
def test_a_replay_makes_the_request_that_was_used_of_two(tmp_path: Path, unused: Any, *, first: bool) -> None:
    used = [{"text": "Good."}, COMPLETE]
    pair = [("pending", unused), ("done", used)] if first else [("pending", used), ("done", unused)]
    mark = {"unused": 1 if first else 2}
    replay = Replay(file_of(tmp_path / "c", *pair[:-1], (pair[-1][0], [*pair[-1][1], mark])))
    assert replay.foretold(HISTORY) == ({"f1"} if first else frozenset())
    assert run_virtually(heard(replay, shows("done" if first else "pending"))) == [TextDelta(text="Good.")]
    assert replay.foretold(HISTORY) is None


def test_a_replay_refuses_the_request_of_which_nothing_was_used(tmp_path: Path) -> None:
    path = file_of(tmp_path / "c", ("pending", [{"text": "x"}, CLOSED, {"unused": 1}]), ("done", [COMPLETE]))
    with pytest.raises(CassetteDiffers, match=r'request 2: messages\[2\].content.status was "done"'):
        run_virtually(heard(Replay(path), shows("pending")))
    alone = file_of(tmp_path / "d", ("pending", [CLOSED, {"unused": 1}]))
    with pytest.raises(CassetteDiffers, match="request 1: it has no such request"):
        run_virtually(heard(Replay(alone), shows("pending")))


@pytest.mark.parametrize(
    "attempt", [[FAILED], [{"text": "It"}, FAILED], [{"text": " \n"}, {"finish": "stop"}, COMPLETE]]
)
def test_the_failed_attempts_of_an_unused_request_are_not_replayed(tmp_path: Path, attempt: Any) -> None:
    """Else a replay would make an attempt, and the one after it would have no reply."""
    path = file_of(
        tmp_path / "c",
        ("pending", attempt),
        ("pending", attempt),
        ("pending", [{"text": "It"}, CLOSED, {"unused": 3}]),
        ("done", [FAILED]),
        ("done", [{"text": "Good."}, COMPLETE]),
    )
    replay = Replay(path)
    assert replay.foretold(HISTORY) == {"f1"}
    with pytest.raises(ServerError, match="gone"):
        run_virtually(heard(replay, shows("done")))
    assert run_virtually(heard(replay, shows("done"))) == [TextDelta(text="Good.")]


def test_of_equal_requests_only_the_unused_one_is_left_out(tmp_path: Path) -> None:
    """Two runs may ask the same; a reply with a text, a call or reasoning is no failed attempt."""
    path = file_of(
        tmp_path / "c",
        ("pending", [{"text": "one"}, COMPLETE]),
        ("pending", [{"reasoning": {"text": "two"}}, COMPLETE]),
        ("pending", [{"call": {"name": "get"}}, COMPLETE]),
        ("pending", [CLOSED]),
        ("pending", [{"text": "unused"}, COMPLETE, {"unused": 5}]),
        ("pending", [FAILED]),
        ("done", [{"text": "six"}, COMPLETE]),
    )
    replay = Replay(path)
    assert run_virtually(heard(replay, shows("pending"))) == [TextDelta(text="one")]
    assert run_virtually(heard(replay, shows("pending"))) == [ReasoningDelta(text="two")]
    assert len(run_virtually(heard(replay, shows("pending")))) == 1
    with pytest.raises(AgentInterrupted, match="reply to request 4"):
        run_virtually(heard(replay, shows("pending")))
    with pytest.raises(ServerError, match="gone"):
        run_virtually(heard(replay, shows("pending")))
    assert run_virtually(heard(replay, shows("done"))) == [TextDelta(text="six")]


# -- recordings ------------------------------------------------------------------------------------------------------


async def marks_first(model: Recording, request: ChatRequest) -> None:
    stream = model.stream(request)
    await anext(stream)
    await model.mark_unused(request)
    await stream.aclose()


async def closes_first(model: Recording, request: ChatRequest) -> None:
    await heard(model, request, most=1)
    await model.mark_unused(request)


async def marks_twice(model: Recording, request: ChatRequest) -> None:
    await marks_first(model, request)
    await model.mark_unused(request)


async def reads_all(model: Recording, request: ChatRequest) -> None:
    await heard(model, request)
    await model.mark_unused(request)


async def marks_at_once(model: Recording, request: ChatRequest) -> None:
    """The reply ends while its mark is being written."""
    stream = model.stream(request)
    await anext(stream)
    await asyncio.gather(stream.aclose(), model.mark_unused(request))


@pytest.mark.parametrize("way", [marks_first, closes_first, marks_twice, reads_all, marks_at_once])
def test_a_mark_follows_its_request_whenever_it_is_set(tmp_path: Path, way: Callable[..., Any]) -> None:
    path = tmp_path / "c"

    async def both() -> None:
        model = Recording(ScriptedModel([Says("It"), Says(" is")], [Says("Good.")]), path)
        assert isinstance(model, MarkingModel)
        await way(model, shows("pending"))
        await heard(model, shows("done"))

    run_virtually(both())
    written = lines(path)
    assert [line for line in written if "unused" in line] == [{"unused": 1}]
    at = [place for place, line in enumerate(written) if "end" in line or "unused" in line]
    assert written[at[0] + 1] == {"unused": 1}
    replay = Replay(path)
    assert replay.foretold(HISTORY) == {"f1"}
    assert run_virtually(heard(replay, shows("done")))[0] == TextDelta(text="Good.")


def test_the_loser_of_a_race_is_marked_whichever_ends_first(tmp_path: Path) -> None:
    async def race(path: Path, *, winner: str) -> None:
        def reply(request: ChatRequest) -> list[Any]:
            late = '"pending"' in request.messages[-1]["content"]
            return [Thinks(3), Says("pending!")] if late else [Thinks(1), Says("done!")]

        model = Recording(ScriptedModel(reply, reply), path)
        requests = {status: shows(status) for status in ("pending", "done")}
        await asyncio.gather(*(heard(model, request) for request in requests.values()))
        await model.mark_unused(requests["done" if winner == "pending" else "pending"])

    for winner in ("pending", "done"):
        path = tmp_path / winner
        run_virtually(race(path, winner=winner))
        assert [line["request"] for line in lines(path) if "request" in line] == [2, 1]  # in the order of their ends
        replay = Replay(path)
        assert replay.foretold(HISTORY) == ({"f1"} if winner == "done" else frozenset())
        assert run_virtually(heard(replay, shows(winner)))[0] == TextDelta(text=f"{winner}!")


def test_of_equal_requests_the_one_that_was_given_is_marked(tmp_path: Path) -> None:
    """The same object asked twice is marked the last time."""
    path, request = tmp_path / "c", shows("pending")

    async def asks() -> None:
        model = Recording(ScriptedModel(*([Says(text)] for text in "abcd")), path)
        for each in (shows("pending"), request, request, shows("pending")):
            await heard(model, each)
        await model.mark_unused(request)

    run_virtually(asks())
    assert [line for line in lines(path) if "unused" in line] == [{"unused": 3}]
    replay = Replay(path)
    texts = [run_virtually(heard(replay, shows("pending")))[0] for _ in range(3)]
    assert texts == [TextDelta(text=text) for text in "abd"]


def test_a_request_that_was_never_sent_is_not_marked(tmp_path: Path) -> None:
    path = tmp_path / "c"

    async def asks() -> None:
        model = Recording(Plays(TextDelta(text="x")), path)
        await model.mark_unused(shows("done"))
        assert not path.exists()
        unread = shows("done")
        await model.stream(unread).aclose()
        await model.mark_unused(unread)
        await heard(model, shows("done"))
        await model.mark_unused(shows("done"))

    run_virtually(asks())
    assert not [line for line in lines(path) if "unused" in line]


def test_a_mark_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    path, request = tmp_path / "c", shows("pending")

    async def asks() -> None:
        model = Recording(Plays(TextDelta(text="x")), path)
        await heard(model, request)
        path.unlink()
        path.mkdir()
        await model.mark_unused(request)

    with pytest.raises(CassetteError, match="cannot be written: Is a directory"):
        run_virtually(asks())


def test_an_error_after_the_first_text_is_marked_like_any_reply(tmp_path: Path) -> None:
    path, request = tmp_path / "c", shows("pending")

    async def asks() -> None:
        broken = Breaks(ServerError("gone (503).", status=503, transient=True))
        model = Recording(ScriptedModel([Says("x"), broken], [Calls("get", {})]), path)
        with pytest.raises(ServerError):
            await heard(model, request)
        await model.mark_unused(request)
        await heard(model, shows("done"))

    run_virtually(asks())
    assert Replay(path).foretold(HISTORY) == {"f1"}
