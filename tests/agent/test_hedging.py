"""Hedged requests against a hostile model and server: a request that is abandoned or loses leaves no trace in what is done."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest

from asyncfc_jupyter.agent import Agent, Budget, Conversation, Run
from asyncfc_jupyter.agent.persistence import fork, from_json, to_json
from asyncfc_jupyter.core.events import CallStarted, RequestRetracted, ResultShown, Stamped, TurnEnded, TurnStarted
from asyncfc_jupyter.errors import AsyncFCError, InvariantBroken, ServerError
from asyncfc_jupyter.models.base import (
    CallDelta,
    ChatRequest,
    Delta,
    Finish,
    ReasoningDelta,
    Retrying,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import Tool, make_tool
from tests.agent.strict_server import refusals
from tests.core.invariants import check
from tests.suite.long_form import is_long

HEDGES = ("off", "retract", "race")
#: Conversations of chance in each way to hedge.
CONVERSATIONS = 2000 if is_long() else 60
#: Results that the tools of chance take, in seconds: below and above the time to a first token.
DURATIONS_S = (0.0, 0.02, 0.1, 0.2, 0.35, 0.6, 1.5)
STOP = Finish(reason="stop")


# -- a world of tools, and the same one by one -------------------------------------------------------------------------


@dataclass
class World:
    """State that the tools change, and which of their calls ran."""

    state: dict[str, list[Any]] = field(default_factory=dict)
    ran: Counter[int] = field(default_factory=Counter)
    paid: list[int] = field(default_factory=list)

    def tools(self) -> list[Tool]:
        """All of them; each takes the number of its call."""

        async def put(number: int, key: str, seconds: float, item: Any = None) -> Any:
            """Append."""
            await asyncio.sleep(seconds)
            self.ran[number] += 1
            self.state.setdefault(key, []).append(number if item is None else item)
            return len(self.state[key])

        async def get(number: int, key: str, seconds: float) -> Any:
            """Read."""
            await asyncio.sleep(seconds)
            self.ran[number] += 1
            return [number, *self.state.get(key, [])]

        async def fails(number: int, seconds: float) -> Any:
            """Fail."""
            await asyncio.sleep(seconds)
            self.ran[number] += 1
            raise ValueError(f"no luck with {number}")

        async def pay(number: int, seconds: float) -> Any:
            """Pay."""
            self.paid.append(number)
            await asyncio.sleep(seconds)
            self.ran[number] += 1
            return f"paid {number}"

        async def ask(number: int, seconds: float) -> Any:
            """Ask first."""
            await asyncio.sleep(seconds)
            self.ran[number] += 1
            return number

        async def same(seconds: float) -> Any:
            """Repeat."""
            await asyncio.sleep(seconds)
            return seconds

        async def report(number: int, seconds: float) -> Any:
            """Go on by itself."""
            await asyncio.sleep(seconds)
            self.ran[number] += 1
            return number

        return [
            make_tool(put, writes="{key}"), make_tool(get, reads="{key}"), make_tool(fails, pure=True),
            make_tool(pay, irreversible=True, writes="money"), make_tool(ask, approve=True, pure=True),
            make_tool(same, pure=True), make_tool(report, pure=True, detached=True),
        ]  # fmt: skip


def one_by_one(issued: list[tuple[str, dict[str, Any], str]]) -> tuple[list[Any], dict[str, list[Any]]]:
    """The values of calls that are made one after the other, in which those of these states do not run."""
    state: dict[str, list[Any]] = {}
    values: list[Any] = []
    for tool, arguments, outcome in issued:
        given = {
            name: values[int(value[2:]) - 1] if isinstance(value, str) and value.startswith("$f") else value
            for name, value in arguments.items()
        }
        value: Any = None
        if outcome == "done" and tool == "put":
            items = state.setdefault(given["key"], [])
            items.append(given["number"] if given.get("item") is None else given["item"])
            value = len(items)
        elif outcome == "done" and tool == "get":
            value = [given["number"], *state.get(given["key"], [])]
        elif outcome == "done":
            value = {"pay": f"paid {given.get('number')}", "same": given["seconds"]}.get(tool, given.get("number"))
        values.append(value)
    return values, state


class Moody:
    """A model of chance at a server of chance; it remembers which request brought each call about."""

    name = "moody"

    def __init__(self, seed: int, *, trouble: float, most: int) -> None:
        self._draw, self._trouble, self._most = random.Random(seed), trouble, most
        self.numbers = 0
        #: Whether calls are written in the text.
        self.in_text = self._draw.random() < 0.2
        #: By the id of a call, the messages of the request whose reply holds it.
        self.origin: dict[str, list[Any]] = {}
        self.refusals: list[str] = []
        self.streaming = self.most_streaming = 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Give a reply of chance."""
        self.refusals += refusals(request.messages)
        self.streaming += 1
        self.most_streaming = max(self.streaming, self.most_streaming)
        messages, draw = json.loads(json.dumps(list(request.messages))), self._draw
        try:
            if draw.random() < self._trouble / 2:
                yield Retrying(attempt=1, message="busy", pause_s=0.1)
            await asyncio.sleep(draw.choice((0.05, 0.1, 0.3, 0.3, 0.8)))
            for piece in self._broken(messages) if draw.random() < self._trouble else self._whole(messages):
                if isinstance(piece, Exception):
                    raise piece
                yield piece
                if draw.random() < 0.6:
                    await asyncio.sleep(draw.choice((0.0, 0.01, 0.05)))
        finally:
            self.streaming -= 1

    def _broken(self, messages: list[Any]) -> list[Delta | Exception]:
        draw = self._draw
        if draw.random() < 0.4:
            return [STOP]
        pieces: list[Delta | Exception] = [TextDelta(text="Well")] if draw.random() < 0.4 else []
        if draw.random() < 0.5:
            pieces += self._call(messages, 0)
        return [*pieces, ServerError("gone (503).", status=503, transient=True)]

    def _whole(self, messages: list[Any]) -> list[Delta]:
        draw = self._draw
        pieces: list[Delta] = [ReasoningDelta(text="Hm")] if draw.random() < 0.2 else []
        pieces += [TextDelta(text=f"word {word} ") for word in range(draw.choice((0, 0, 1, 5)))]
        pending = any('"pending"' in str(message.get("content")) for message in messages[-4:])
        kinds = ["await"] if pending and draw.random() < 0.5 else []
        if self.numbers < self._most and draw.random() < (0.2 if kinds else 0.8):
            kinds += ["call"] * draw.choice((1, 1, 2, 3))
        if draw.random() < 0.2:
            draw.shuffle(kinds)
        for place, kind in enumerate(kinds):
            pieces += self._await(place) if kind == "await" else self._call(messages, place)
        if not kinds:
            pieces.append(TextDelta(text="Done."))
        usage = Usage(input_tokens=len(str(messages)) // 4, output_tokens=20)
        return [*pieces, STOP, usage] if draw.random() < 0.3 else [*pieces, STOP]

    def _await(self, place: int) -> list[Delta]:
        arguments = self._draw.choice(
            ('{"futures": []}', '{"futures": ["f1"], "mode": "any"}', '{"futures": ["f1", "f2"], "timeout_s": 0.1}',
             '{"futures": ["f99"]}', '{"futures": [], "mode": "any"}', '{"futures": 7}', '{"futures": [')
        )  # fmt: skip
        name = f"a{self._draw.random()}"
        return [
            CallDelta(index=place, call_id=name, name="await_future", arguments=arguments[:7]),
            CallDelta(index=place, arguments=arguments[7:]),
        ]

    def _call(self, messages: list[Any], place: int) -> list[Delta]:
        draw = self._draw
        self.numbers += 1
        seconds = draw.choice(DURATIONS_S)
        known = sum(
            call["function"]["name"] != "await_future" for message in messages for call in message.get("tool_calls", ())
        )
        item: Any = f"$f{draw.randint(1, known)}" if known and draw.random() < 0.4 else None
        tool = draw.choice(("put", "put", "get", "get", "fails", "pay", "ask", "same", "report", "nosuch", "", "bad"))
        arguments: dict[str, Any] = {"number": self.numbers, "seconds": seconds}
        if tool in {"put", "get"}:
            arguments["key"] = draw.choice("ab")
        if tool == "put" and item is not None:
            arguments["item"] = item
        if tool == "same":
            arguments = {"seconds": draw.choice((0.2, 0.6))}
        text = json.dumps(arguments)
        if self.in_text and tool:
            whole = f'<tool_call>{{"name": "{tool}", "arguments": {text}}}</tool_call>'
            return [TextDelta(text=whole[at : at + 12]) for at in range(0, len(whole), 12)]
        if tool == "bad":
            tool, text = "get", text[:-4]
        call_id = f"s{draw.random()}"
        self.origin[call_id] = messages
        half = draw.randint(0, len(text))
        return [
            CallDelta(index=place, call_id=call_id, name=tool or None, arguments=text[:half]),
            CallDelta(index=place, arguments=text[half:]),
        ]


# -- one conversation of chance ----------------------------------------------------------------------------------------


def shown_in(messages: list[Any]) -> dict[str, str]:
    """The futures whose outcomes these messages show, each with its status."""
    found: dict[str, str] = {}

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("status") not in {None, "pending"} and "future" in value:
                found[value["future"]] = value["status"]
            for each in value.values():
                look(each)
        elif isinstance(value, list):
            for each in value:
                look(each)

    for message in messages:
        if message["role"] in {"tool", "user"}:
            try:
                look(json.loads(message["content"]))
            except ValueError:
                continue
    return found


async def slowly(_: object) -> bool:
    """Approve after a while."""
    await asyncio.sleep(0.4)
    return True


@dataclass
class Watcher:
    """Sees each event of a run as it happens; an observer that raises would be dropped, so it notes what is wrong."""

    conversation: Conversation
    run: Run | None = None
    wrong: list[object] = field(default_factory=list)

    def __call__(self, stamped: Stamped) -> None:
        """Look at the scheduler, at what a request shows by then, and at one in the place of another."""
        calls = self.conversation.driver.calls
        try:
            check(self.conversation.driver.scheduler)
        except InvariantBroken as broken:
            self.wrong.append(broken)
        match stamped.event:
            case ResultShown(future=future):
                request = self.run.request if self.run else None
                if request is None or shown_in(list(request.messages)).get(future) != calls[future].status:
                    self.wrong.append(stamped)
            case TurnStarted(instead_of=int()):
                shown = shown_in(self.conversation.messages)
                if any(call.settled and call.name not in shown for call in calls.values()):
                    self.wrong.append(stamped)
            case _:
                pass


async def converse(seed: int, hedge: str, seen: Counter[str]) -> None:
    draw = random.Random(seed)
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    model = Moody(seed, trouble=draw.choice((0.0, 0.0, 0.1)), most=draw.choice((3, 6, 12)))
    world, conversation = World(), Conversation()
    for _ in range(draw.choice((1, 1, 2, 3))):
        agent = Agent(
            model, tools=world.tools(), hedge=hedge, remember="off", deliver=draw.choice(("tool", "tool", "user")),
            approver=draw.choice((None, lambda _: True, lambda _: False, slowly)), budget=draw.choice(BUDGETS),
            calls_in_text=model.in_text,
        )  # fmt: skip
        watcher = Watcher(conversation)
        watcher.run = run = agent.start("go", conversation=conversation, observers=[watcher])
        if (kind := draw.random()) < 0.4:
            await asyncio.sleep(draw.random() * 4)
            run.cancel() if kind < 0.25 else [future.cancel() for future in list(run.futures.values())[-1:]]
        try:
            await run.wait()
        except AsyncFCError:
            seen["ended early"] += 1
        assert watcher.wrong == []
        judge(run, seen)
        if draw.random() < 0.3:
            from_json(to_json(conversation))
            conversation = fork(conversation)
    detached = [future for future in run.futures.values() if not future.done()]
    assert all(future.tool == "report" for future in detached), detached
    await asyncio.sleep(5)
    judge_conversation(conversation, model, world)
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert others == []
    assert problems == []
    assert model.streaming == 0
    assert model.refusals == []
    assert model.most_streaming <= 1 + (hedge == "race")
    seen["calls"] += len(conversation.driver.calls)


BUDGETS = (
    None, None, None, None, Budget(requests=4), Budget(tokens=700), Budget(tokens=3000), Budget(seconds=1.5),
    Budget(reply_tokens=10), Budget(reply_tokens=40),
)  # fmt: skip


def judge(run: Run, seen: Counter[str]) -> None:
    """What one run tells of itself."""
    figures, text = run.metrics, repr(run.timeline())
    assert figures.speedup <= figures.bound + 1e-9
    assert figures.makespan_s + 1e-9 >= figures.decode_s
    assert text
    assert run.certificate().holds, str(run.certificate())
    events = [stamped.event for stamped in run.trace]
    begun = [event.turn for event in events if isinstance(event, TurnStarted)]
    assert begun == list(range(1, len(begun) + 1))
    ends = Counter(event.turn for event in events if isinstance(event, TurnEnded | RequestRetracted))
    assert ends == Counter(begun), (ends, begun)
    seen["retracted"] += sum(isinstance(event, RequestRetracted) for event in events)
    lost = {event.turn for event in events if isinstance(event, RequestRetracted) and event.by < event.turn}
    assert not lost & {event.turn for event in events if isinstance(event, ResultShown)}
    starts = Counter(event.future for event in events if isinstance(event, CallStarted))
    assert max(starts.values(), default=1) == 1


def judge_conversation(conversation: Conversation, model: Moody, world: World) -> None:
    """What all runs did and said."""
    calls = list(conversation.driver.calls.values())
    written = [
        (call["id"], call["function"]["name"])
        for message in conversation.messages
        for call in message.get("tool_calls", ())
        if call["function"]["name"] != "await_future"
    ]
    assert [name for _, name in written] == [call.tool for call in calls], (
        "the model counts its calls to name their futures"
    )
    assert max(world.ran.values(), default=1) == 1
    values, state = one_by_one([(call.tool, dict(call.arguments), call.status) for call in calls])
    for call, value in zip(calls, values, strict=True):
        assert call.status != "done" or call.value == value, (call.name, call.value, value)
    if not any(call.status == "cancelled" for call in calls):
        assert world.state == {key: items for key, items in state.items() if items}
    shown = shown_in(conversation.messages)
    for call in calls:
        if call.tool != "report":
            assert shown.get(call.name) == call.status, call.name
    for (call_id, _), call in zip(written, calls, strict=True):
        origin = [message for message in model.origin.get(call_id, ()) if message["role"] != "system"]
        assert conversation.messages[: len(origin)] == origin, "what the model has answered to is changed"
        if call.tool == "pay" and call.arguments.get("number") in world.paid and call_id in model.origin:
            known = shown_in(model.origin[call_id])
            for earlier in calls[: calls.index(call)]:
                assert earlier.status == "done" or earlier.name in known, (call.name, earlier.name)


@pytest.mark.parametrize("hedge", HEDGES)
def test_conversations_of_chance_do_what_one_by_one_does(hedge: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(CONVERSATIONS):
        try:
            run_virtually(converse(seed, hedge, seen))
        except BaseException as error:
            error.add_note(f"seed {seed}, hedge {hedge}")
            raise
    assert seen["calls"] > 2 * CONVERSATIONS
    assert (seen["retracted"] > CONVERSATIONS // 4) == (hedge != "off")


# -- named cases -------------------------------------------------------------------------------------------------------


class Script:
    """A model that gives these replies: deltas, seconds that pass, and errors that end it; a later one where none is left."""

    name = "script"

    def __init__(self, *replies: list[Delta | float | Exception]) -> None:
        self._replies = list(replies)
        self.requests: list[ChatRequest] = []
        #: By the number of a request, when its reply ended or was closed.
        self.closed_s: dict[int, float] = {}

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Give the next reply."""
        self.requests.append(ChatRequest(messages=list(request.messages), most_tokens=request.most_tokens))
        number = len(self.requests)
        try:
            for piece in self._replies[number - 1]:
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                elif isinstance(piece, Exception):
                    raise piece
                else:
                    yield piece
        finally:
            self.closed_s[number] = asyncio.get_running_loop().time()


def get(seconds: float, call_id: str = "a") -> CallDelta:
    """A whole call of a tool that takes so long."""
    return CallDelta(index=0, call_id=call_id, name="same", arguments=json.dumps({"seconds": seconds}))


def play(model: Script, hedge: str, **options: Any) -> Run:
    agent = Agent(model, tools=World().tools(), hedge=hedge, remember="off", **options)
    return run_virtually(agent.run("go"))


def retracted(run: Run) -> list[tuple[int, int]]:
    """The numbers of the requests that were retracted, each with that of the one in its place."""
    return [(each.event.turn, each.event.by) for each in run.trace if isinstance(each.event, RequestRetracted)]


DONE: list[Any] = [TextDelta(text="Done."), STOP]


def test_a_call_without_a_name_decides_a_race_like_any_other() -> None:
    nameless = CallDelta(index=0, call_id="b", arguments='{"x": 1}')
    model = Script([get(0.5), STOP], [1.0, nameless, STOP], [5.0, *DONE], DONE)
    run = play(model, "race")
    assert (retracted(run), list(run.futures)) == ([(3, 2)], ["f1", "f2"])
    assert [call["id"] for m in run.conversation.messages for call in m.get("tool_calls", ())] == ["a", "b"]


def test_a_reply_that_loses_does_not_hide_that_a_call_ran_before_a_cut() -> None:
    gone = ServerError("gone (503).", status=503, transient=True)
    model = Script([get(9.0), gone], [12.0, *DONE], [8.0, get(9.0), STOP], DONE)
    run = play(model, "race")
    assert retracted(run) == [(2, 3)]
    assert [future.state for future in run.futures.values()] == ["done", "failed"]
    assert "this call was made already" in json.dumps(run.conversation.messages)


@pytest.mark.parametrize(
    "begun",
    [[TextDelta(text="word " * 4000)], [TextDelta(text="word"), Usage(input_tokens=7000, output_tokens=1)]],
    ids=["long", "counted by the server"],
)
def test_a_request_in_the_place_of_another_leaves_tokens_for_its_reply(begun: list[Delta]) -> None:
    stopped = 0
    for tokens in range(2000, 12000, 250):
        model = Script([get(0.5), STOP], [*begun, 1.0, STOP], DONE, DONE)
        try:
            play(model, "retract", budget=Budget(tokens=tokens))
        except AsyncFCError:
            stopped += 1
        assert all((request.most_tokens or 0) > 0 for request in model.requests), tokens
    assert 0 < stopped < 40


@pytest.mark.parametrize(
    ("half", "rest", "counts"),
    [
        ('<tool_call>{"name": "same", ', '"arguments": {"seconds": 0.1}}</tool_call>', True),
        ("<tool_call><function=same><parameter=sec", "onds>0.1</parameter></function></tool_call>", True),
        ('{"name": "same", "argum', 'ents": {"seconds": 0.1}}', True),
        ('```json\n{"name": "same", "argum', 'ents": {"seconds": 0.1}}\n```', True),
        ('<tool_call>{"name": "await_future", ', '"arguments": {"futures": []}}</tool_call>', False),
        ('<tool_call>{"na', 'me": "await_future", "arguments": {}}</tool_call>', False),
        ("I wonder", " what comes.", False),
    ],
)
def test_a_call_half_written_in_the_text_counts_as_one(half: str, rest: str, counts: bool) -> None:
    first = [TextDelta(text=half), 1.0, TextDelta(text=rest), STOP]
    run = play(Script([get(0.5), STOP], first, DONE, DONE), "retract", calls_in_text=True)
    assert (len(run.futures), retracted(run)) == ((2, []) if counts else (1, [(2, 3)]))


def test_a_request_that_lost_is_closed_at_once() -> None:
    first = [1.0, get(0.1, "b"), 3.0, STOP]
    model = Script([get(0.5), STOP], first, [9.0, *DONE], DONE)
    run = play(model, "race")
    assert retracted(run) == [(3, 2)]
    assert model.closed_s[2] - model.closed_s[3] == pytest.approx(3.0)


@pytest.mark.parametrize("hedge", ["retract", "race"])
def test_the_retry_of_a_request_that_broke_off_shows_what_came_since(hedge: str) -> None:
    gone = ServerError("gone (503).", status=503, transient=True)
    model = Script([get(0.5), STOP], [0.3, gone], DONE)
    run = play(model, hedge)
    assert (len(model.requests), retracted(run), run.answer) == (3, [], "Done.")
    assert [shown_in(list(request.messages)) for request in model.requests] == [{}, {}, {"f1": "done"}]
