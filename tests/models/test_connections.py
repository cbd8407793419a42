"""The connections to a server: how many replies take that were left before their end, and that none is left open."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import openai
import pytest

from asyncfc_jupyter.models.base import ChatModel, ChatRequest, Finish
from asyncfc_jupyter.models.connection import clients
from asyncfc_jupyter.models.registry import api_named
from tests.models.scripted_chat import KEY
from tests.servers.message_script import message, text_block
from tests.servers.response_script import response, text_item
from tests.servers.scripted_server import PATIENCE_S, Gate, ScriptedServer, Step, Stream, reply, text_chunks

APIS = ("chat", "responses", "native", "messages")
REQUEST = ChatRequest(messages=[{"role": "user", "content": "go"}])
#: openai-python 2 leaves the end of a reply unread, and so hangs up after each.
KEEPS = not openai.VERSION.startswith("2.")


def whole(api: str, *, gate: Gate | None = None, status_after: Gate | None = None) -> Stream:
    """A reply of two texts, with a gate between them."""
    between: list[Step] = [gate] if gate else []
    if api == "chat":
        stream = reply(text_chunks("It"), between, text_chunks(" is."))
    elif api == "messages":
        stream = message(text_block("It"), between, text_block(" is."), stop="end_turn")
    else:
        stream = response(text_item("It"), between, text_item(" is."))
    return Stream(stream.steps, status_after)


def model_of(api: str, server: ScriptedServer) -> ChatModel:
    model: ChatModel = api_named(api).load_class()("m", base_url=server.base_url, api_key=KEY, retries=0)
    return model


async def until(holds: Callable[[], bool]) -> None:
    """Wait until the server, or the system, has noticed."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - the server is on another thread, and the system signals nothing
            await asyncio.sleep(0.005)


def states(server: ScriptedServer) -> list[str]:
    """The states of this process's sockets to the server, as Linux names them; TIME_WAIT belongs to no process."""
    port = int(server.base_url.rpartition(":")[2].partition("/")[0])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    names = {"01": "ESTABLISHED", "08": "CLOSE_WAIT"}
    ours = [row[3] for row in rows if int(row[2].partition(":")[2], 16) == port]
    return sorted(names.get(state, state) for state in ours if state != "06")


class Conversation:
    """Replies one after another, each read or left as a plan says."""

    def __init__(self, api: str, server: ScriptedServer, gates: Iterator[Gate]) -> None:
        self._model, self._server, self._gates = model_of(api, server), server, gates

    async def read(self) -> None:
        """Read a reply to its end."""
        assert len([delta async for delta in self._model.stream(REQUEST)]) > 1

    async def abandon(self) -> None:
        """Leave a reply after its first delta."""
        next(self._gates)
        stream = self._model.stream(REQUEST)
        await anext(stream)
        await stream.aclose()

    async def race(self, *, reads_both: bool = False) -> None:
        """Read a reply while another streams, then leave that one or read the rest of it."""
        gate, first = next(self._gates), self._model.stream(REQUEST)
        await anext(first)
        await self.read()
        if reads_both:
            gate.open()
            assert [delta async for delta in first]
        await first.aclose()

    async def race_that_both_end(self) -> None:
        await self.race(reads_both=True)


#: Steps, the connections that they take, and how many of these are open at the end.
PLANS: list[tuple[tuple[str, ...], int, int]] = [
    (("read", "read", "read", "read"), 1, 1),
    (("abandon", "read", "abandon", "read"), 3, 1),
    (("read", "abandon", "abandon", "abandon", "read"), 4, 1),
    (("read", "abandon"), 1, 0),
    (("read", "race"), 2, 1),
    (("read", "race", "read", "race", "read"), 3, 1),
    (("race_that_both_end", "read", "race_that_both_end", "abandon", "read"), 2, 1),
]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("plan", "connections", "left"), PLANS, ids=[", ".join(steps) for steps, _, _ in PLANS])
def test_an_abandoned_reply_takes_one_connection(api: str, plan: tuple[str, ...], connections: int, left: int) -> None:
    gates = [Gate() for step in plan if step != "read"]
    answers = list(answers_of(api, plan, iter(gates)))

    async def converse(server: ScriptedServer) -> None:
        conversation = Conversation(api, server, iter(gates))
        for step in plan:
            await getattr(conversation, step)()
        await until(lambda: server.open_connections == left or not KEEPS)

    with ScriptedServer(answers) as server:
        asyncio.run(converse(server))
        if KEEPS:
            assert len({request.connection for request in server.requests}) == connections
        asyncio.run(until(lambda: not server.open_connections))  # all are closed with their loop


def answers_of(api: str, plan: tuple[str, ...], gates: Iterator[Gate]) -> Iterator[Stream]:
    """Yield the replies: what is left before its end, or raced, waits in the middle."""
    for step in plan:
        if step != "read":
            yield whole(api, gate=next(gates))
        if step != "abandon":
            yield whole(api)


# -- none is left open -----------------------------------------------------------------------------------------------


async def closes_after_the_first_delta(model: ChatModel, _gate: Gate) -> None:
    stream = model.stream(REQUEST)
    await anext(stream)
    await stream.aclose()


async def closes_without_reading(model: ChatModel, _gate: Gate) -> None:
    await model.stream(REQUEST).aclose()


async def is_cancelled_in_the_middle(model: ChatModel, gate: Gate) -> None:
    reading = asyncio.ensure_future(drain(model))
    await gate.reached()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def is_cancelled_while_it_closes(model: ChatModel, gate: Gate) -> None:
    reading = asyncio.ensure_future(drain(model))
    await gate.reached()
    reading.cancel()
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def closes_after_the_finish(model: ChatModel, gate: Gate) -> None:
    gate.open()
    stream = model.stream(REQUEST)
    async for delta in stream:
        if isinstance(delta, Finish):
            break
    await stream.aclose()


async def drain(model: ChatModel) -> None:
    async with aclosing(model.stream(REQUEST)) as stream:
        async for _ in stream:
            pass


LEAVINGS = [
    closes_after_the_first_delta,
    closes_without_reading,
    is_cancelled_in_the_middle,
    is_cancelled_while_it_closes,
    closes_after_the_finish,
]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("leave", LEAVINGS)
def test_a_reply_that_is_left_leaves_no_connection_open(api: str, leave: Callable[..., Any]) -> None:
    async def leaves(server: ScriptedServer, gate: Gate) -> None:
        await leave(model_of(api, server), gate)
        await until(lambda: not server.open_connections)

    gate = Gate()
    with ScriptedServer([whole(api, gate=gate)]) as server:
        asyncio.run(leaves(server, gate))


@pytest.mark.parametrize("api", APIS)
def test_a_request_that_is_left_before_its_status_leaves_none_open(api: str) -> None:
    async def leaves(server: ScriptedServer, gate: Gate) -> None:
        await is_cancelled_in_the_middle(model_of(api, server), gate)
        await until(lambda: not server.open_connections)

    gate = Gate()
    with ScriptedServer([whole(api, status_after=gate)]) as server:
        asyncio.run(leaves(server, gate))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lists its sockets in a file")
@pytest.mark.parametrize("api", APIS)
def test_a_connection_that_its_server_closed_is_not_kept_half_open(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel the loop goes on after a run, and the next request may never come."""
    monkeypatch.setattr(clients, "_IDLE_S", 0.05)

    async def converse(server: ScriptedServer, gates: list[Gate]) -> None:
        async with clients.open_request():
            await Conversation(api, server, iter(gates)).race(reads_both=True)
            assert states(server) == ["ESTABLISHED"] * 2 or not KEEPS
            server.hang_up()
            await until(lambda: "ESTABLISHED" not in states(server))
        await until(lambda: not states(server))
        await drain(model_of(api, server))

    gates = [Gate()]
    with ScriptedServer([whole(api, gate=gates[0]), whole(api), whole(api)]) as server:
        asyncio.run(converse(server, gates))


def test_idle_connections_close_while_no_request_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_IDLE_S", 0.1)

    async def converse(server: ScriptedServer, gate: Gate) -> None:
        model = model_of("chat", server)
        first = model.stream(REQUEST)
        await anext(first)
        await drain(model)
        await asyncio.sleep(0.3)  # three times as long as an idle connection is kept
        assert server.open_connections == 2
        gate.open()
        assert [delta async for delta in first]
        await until(lambda: not server.open_connections)

    gate = Gate()
    with ScriptedServer([whole("chat", gate=gate), whole("chat")]) as server:
        asyncio.run(converse(server, gate))


def test_a_request_that_begins_as_idle_connections_close_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def converse(server: ScriptedServer) -> None:
        model = model_of("chat", server)
        await drain(model)
        mine = clients._of(asyncio.get_running_loop())
        for steps in range(-6, 12):  # of the loop, from the beginning of the request to that of the closing
            if steps < 0:
                mine.begin_to_close()
            for _ in range(-steps - 1):
                await asyncio.sleep(0)
            request = asyncio.ensure_future(drain(model))
            for _ in range(steps):
                await asyncio.sleep(0)
            if steps >= 0:
                mine.begin_to_close()
            await request

    with ScriptedServer(lambda _body: whole("chat")) as server:
        asyncio.run(converse(server))
