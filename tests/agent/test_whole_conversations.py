"""Whole conversations in each mode: what is sent to the model, request by request, and when each event happened.

The files in `expected` hold them as text. A change of a word, a time or an order shows there.
"""

import asyncio
import dataclasses
import json

import pytest

from asyncfc_jupyter.agent import Agent, Budget, Conversation
from asyncfc_jupyter.agent.turn import opening
from asyncfc_jupyter.core.effects import Effects, show_path
from asyncfc_jupyter.core.protocol import INSTRUCTIONS
from asyncfc_jupyter.errors import ServerError, ServerTimedOut
from asyncfc_jupyter.models.base import Finish, ReasoningDelta, Retrying, Usage
from asyncfc_jupyter.modes import Mode
from asyncfc_jupyter.runtime import driver
from asyncfc_jupyter.testing import Breaks, Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import TOOLS


async def order(item: str, count: int = 1) -> dict:
    """Order something."""
    await asyncio.sleep(2)
    return {"order_id": f"{item}-{count}", "parts": [item] * count}


async def ship(order_id: str) -> str:
    """Ship an order."""
    await asyncio.sleep(1)
    return f"shipped {order_id}"


async def pay(euros: float) -> str:
    """Pay."""
    await asyncio.sleep(1)
    return f"paid {euros:g}"


async def backup() -> str:
    """Save everything."""
    await asyncio.sleep(30)
    return "saved"


async def clock() -> str:
    """Say the same."""
    return "noon"


async def send(text: str) -> str:
    """Send a text that cannot be taken back."""
    await asyncio.sleep(1)
    return f"sent {text}"


class Flaky:
    """Fails twice, then returns."""

    __name__ = "flaky"

    def __init__(self):
        self.calls = 0

    async def __call__(self, name: str) -> str:
        """Try and try again."""
        self.calls += 1
        await asyncio.sleep(1)
        if self.calls <= 2:
            raise OSError(f"attempt {self.calls} of {name}")
        return f"{name} at last"


async def late(seconds: float) -> str:
    """Take too long."""
    await asyncio.sleep(seconds)
    return "late"


def tools():
    """Tools of every kind, made for each run."""
    return [
        *TOOLS,
        make_tool(order, reads="stock", writes="orders/{item}"),
        make_tool(ship, writes="parcels"),
        make_tool(pay, writes="money", approve=True),
        make_tool(backup, pure=True, detached=True),
        make_tool(clock, reads="time"),
        make_tool(send, writes="post", irreversible=True),
        make_tool(Flaky(), pure=True, idempotent=True, retries=2, name="flaky"),
        make_tool(late, pure=True, timeout_s=2),
    ]


# -- as text ---------------------------------------------------------------------------------------------------------


def message_text(message):
    if message["role"] == "system":  # `openings.txt` holds them
        return f"  system: {message['content'].replace(INSTRUCTIONS, '(instructions)')!r}"
    lines = [f"  {message['role']}{' ' + message['tool_call_id'] if message['role'] == 'tool' else ''}: "]
    lines[0] += repr(message["content"]) if message["content"] is None else message["content"].replace("\n", "\n    ")
    lines += [
        f"    {call['id']}: {call['function']['name']}({call['function']['arguments']})"
        for call in message.get("tool_calls", ())
    ]
    rest = {
        key: value for key, value in message.items() if key not in {"role", "content", "tool_call_id", "tool_calls"}
    }
    return "\n".join([*lines, *([f"    {rest}"] if rest else [])])


def requests_text(model):
    """What each request adds to the one before, whose messages must be there, but for tool messages that it replaces."""
    before, lines = [], []
    for number, request in enumerate(model.requests, start=1):
        same = next((n for n, (a, b) in enumerate(zip(before, request.messages, strict=False)) if a != b), len(before))
        replaced = before[same:]
        assert {message["role"] for message in replaced} <= {"tool", *(["user"] if replaced[1:] else [])}
        lines += [f"request {number}" + f", instead of the last {len(replaced)} messages" * bool(replaced)]
        lines += map(message_text, request.messages[same:])
        before = request.messages
    return lines


def effects_text(effects):
    kinds = {name: ", ".join(map(show_path, getattr(effects, name))) for name in ("reads", "writes", "widened")}
    return " ".join(f"{kind} {paths}" for kind, paths in kinds.items() if paths) or "pure"


def events_text(run):
    """Each event with the fields that do not have their default."""
    for stamped in run.trace:
        event = stamped.event
        values = ((field, getattr(event, field.name)) for field in dataclasses.fields(event))
        shown = [
            f"{field.name}={effects_text(value) if isinstance(value, Effects) else value}"
            for field, value in values
            if value != field.default
        ]
        yield f"  {stamped.at_s:6.2f} {type(event).__name__} {', '.join(shown)}".rstrip()


def run_text(run, model):
    ending = [f"{run!r}", f"answer {run.answer!r}, note {run.note!r}, turns {run.turns}, refused {run.refused}"]
    ending += [f"{type(run.error).__name__}: {run.error}"] if run.error else []
    kept = ["kept", *map(message_text, run.conversation.messages[-2:])]
    return "\n".join([*requests_text(model), "events", *events_text(run), *ending, repr(run.futures), *kept])


# -- scripts ---------------------------------------------------------------------------------------------------------


def talk(*replies, system=None, model=ScriptedModel, then=(), cancel_at=None, **options):
    """Run these replies in one mode, and the later ones with another prompt in the same conversation."""

    async def played(mode):
        scripted, texts, conversation = model(*replies, *then), [], Conversation()
        settings = {"hedge": "off", "remember": "off", **options}
        agent = Agent(scripted, tools=tools(), mode=mode, system=system, **settings)
        for prompt in ("go", "and now?")[: 2 if then else 1]:
            run = agent.start(prompt, conversation=conversation)
            if cancel_at is not None and prompt == "go":
                await asyncio.sleep(cancel_at)
                run.cancel()
            await run.ended()
            conversation.check()
            texts.append(run_text(run, scripted))
            scripted.requests.clear()
        for entry in list(conversation.driver.pending()):
            conversation.driver.cancel(entry.name)
        await conversation.driver.unwound()
        return texts

    return played


class Detailed(ScriptedModel):
    """Sends reasoning and token counts, and is retried before its first reply."""

    async def stream(self, request):
        first = not self.requests
        if first:
            yield Retrying(attempt=1, message="busy", pause_s=0.5)
            await asyncio.sleep(0.5)
        yield ReasoningDelta(text="Hm. ", field="reasoning")
        yield ReasoningDelta(text="Well.", field="reasoning")
        async for delta in super().stream(request):
            if isinstance(delta, Finish):
                yield Usage(input_tokens=100 * len(self.requests), output_tokens=10)
            yield delta


BUSY = ServerError("the server broke off", transient=True)
DONE = [Says("done")]
WAIT = Calls("await_future", {"futures": ["f1"]})
REPLIES = {
    "plain": talk([Thinks(0.5), Says("Hello"), Says(" you")], system="Be brief."),
    "empty": talk([], []),
    "quick": talk([Says("Let me see."), Calls("shout", {"text": "a"}), Calls("shout", {"text": "b"})], DONE),
    "pending": talk(
        [Calls("slow", {"seconds": 3}), Thinks(0.5), Calls("slow", {"seconds": 1, "answer": "b"})],
        [Thinks(4), Calls("shout", {"text": "x"})],
        [Calls("slow", {"seconds": 9})],
        [Says("That is all.")],
        [Says("Now it is.")],
        system="Be brief.",
    ),
    "several_delivered": talk(
        [Calls("slow", {"seconds": number}) for number in (1, 2, 3, 50)],
        [Thinks(5), Calls("slow", {"seconds": 50})],
        [Calls("await_future", {"futures": ["f2", "f9"]})],
        [Calls("await_future")],
        DONE,
    ),
    "delivered_to_user": talk(
        [Calls("slow", {"seconds": 1})],
        [Thinks(2), Calls("slow", {"seconds": 3}), Calls("slow", {"seconds": 40})],
        [Thinks(9), Calls("await_future", {"futures": "f3"})],
        [Calls("slow", {"seconds": 5})],
        DONE,
        DONE,
        deliver="user",
    ),
    "await": talk(
        [Calls("slow", {"seconds": 2}), Calls("slow", {"seconds": 4, "answer": "b"}), WAIT],
        [Calls("await_future", {"futures": ["$f1", " f2 ", "f2"], "mode": "any"}), Calls("shout", {"text": "x"})],
        [Calls("await_future", {"futures": ["f2"], "timeout_s": 1})],
        [Calls("await_future", {"timeout_s": 0.5}), Calls("await_future", {"futures": "f2"})],
        [Calls("await_future", {"futures": ["f2"]}), Calls("await_future")],
        [
            Calls("await_future", {"futures": ["f7"]}),
            Calls("await_future", {"timeout_s": 0}),
            Calls("await_future", "{oops"),
        ],
        [Calls("await_future", {"mode": "some"}), Calls("await_future", {"futures": 3})],
        DONE,
    ),
    "references": talk(
        [
            Calls("order", {"item": "desk", "count": 2}),
            Calls("ship", {"order_id": "$f1.order_id"}),
            Calls("ship", {"order_id": "$f1.sku"}),
            Calls("shout", {"text": "$f1.parts[1]"}),
            Calls("shout", {"text": "$f9"}),
            Calls("shout", {"text": "f1"}),
            Calls("shout", {"text": "$$f1"}),
            Calls("shout", {"text": "$f3"}),
        ],
        [Calls("await_future")],
        DONE,
    ),
    "failures": talk(
        [
            Calls("fails", {"reason": "no"}),
            Calls("shout", {"text": "$f1"}),
            Calls("shot", {"text": "a"}),
            Calls("shout", "{oops"),
            Calls("shout", {"txt": "a"}),
            Calls("order", {"item": "desk", "count": "two"}),
            Calls("", {"text": "a"}),
            Calls("send", {"text": "bye"}),
        ],
        DONE,
        DONE,
    ),
    "retries_and_timeouts": talk(
        [Calls("flaky", {"name": "x"}), Calls("late", {"seconds": 9}), Calls("late", {"seconds": 1})],
        [WAIT],
        DONE,
        DONE,
    ),
    "same_and_detached": talk(
        [
            Calls("order", {"item": "a"}),
            Calls("clock"),
            Calls("clock"),
            Calls("slow", {"seconds": 3}),
            Calls("slow", {"seconds": 3}),
            Calls("backup"),
        ],
        [Calls("await_future")],
        DONE,
    ),
    "irreversible": talk(
        [Calls("send", {"text": "a"}), Calls("slow", {"seconds": 1}), Calls("send", {"text": "b"}), Thinks(2)],
        DONE,
        DONE,
    ),
    "conflicts": talk(
        [
            Calls("order", {"item": "a"}),
            Calls("order", {"item": "a"}),
            Calls("ship", {"order_id": "1"}),
            Calls("ship", {"order_id": "2"}),
        ],
        DONE,
        DONE,
        limit=2,
    ),
    "approved": talk(
        [Calls("pay", {"euros": 5}), Thinks(1)], DONE, DONE, approver=lambda _asked: asyncio.sleep(1, True)
    ),
    "declined": talk(
        [Calls("pay", {"euros": 5}), Thinks(1)], DONE, DONE, approver=lambda _asked: asyncio.sleep(1, False)
    ),
    "nobody_to_ask": talk([Calls("pay", {"euros": 5})], DONE, DONE),
    "no_answer": talk(
        [Calls("pay", {"euros": 5})], DONE, DONE, approver=lambda _asked: asyncio.sleep(99, True), approval_timeout_s=3
    ),
    "broken_with_calls": talk(
        [Says("I"), Calls("slow", {"seconds": 1}), Calls("send", {"text": "a"}), Thinks(0.1), Breaks(BUSY)], DONE, DONE
    ),
    "broken_in_text": talk([Says("I wi"), Breaks(BUSY)], [Says("I will")]),
    "broken_at_once": talk([Breaks(BUSY)], [Breaks(BUSY)], [Breaks(BUSY)], DONE),
    "broken_four_times": talk([Says("a"), Breaks(BUSY)], *[[Breaks(BUSY)]] * 3, then=(DONE,)),
    "broken_for_good": talk([Calls("slow", {"seconds": 9}), Thinks(1), Breaks(ServerError("gone"))], then=(DONE,)),
    "refused": talk([Breaks(ServerError("no such model", status=404))], then=(DONE,)),
    "refused_later": talk([Calls("shout", {"text": "a"})], [Breaks(ServerError("too long", status=400))], then=(DONE,)),
    "timed_out": talk([Breaks(ServerTimedOut("nothing came", transient=True))], then=(DONE,)),
    "timed_out_in_text": talk([Says("a"), Breaks(ServerTimedOut("nothing came", transient=True))], DONE),
    "asked_to_wait": talk(
        [Breaks(ServerError("wait", transient=True, retry_after_s=60))],
        [Breaks(ServerError("wait", transient=True, retry_after_s=0))],
        [Breaks(ServerError("wait longer", transient=True, retry_after_s=60.1))],
    ),
    "interrupted_at_once": talk(DONE, cancel_at=0, then=(DONE,)),
    "interrupted_in_text": talk([Says("I wi"), Thinks(9), Says("ll")], cancel_at=1, then=(DONE,)),
    "interrupted_in_calls": talk(
        [Calls("slow", {"seconds": 1}), Calls("slow", {"seconds": 9}), WAIT, Calls("send", {"text": "a"}), Thinks(9)],
        cancel_at=2,
        then=(DONE,),
    ),
    "interrupted_while_waiting": talk(
        [Says("so"), Calls("slow", {"seconds": 5}), Calls("slow", {"seconds": 9}), WAIT], cancel_at=2, then=(DONE,)
    ),
    "interrupted_at_the_gate": talk([Calls("slow", {"seconds": 50})], [Says("I think")], cancel_at=20, then=(DONE,)),
    "interrupted_while_asked_later": talk(
        [Calls("shout", {"text": "a"})], [Thinks(9), Says("x")], cancel_at=5, then=(DONE,)
    ),
    "failing_circle": talk(*[[Calls("fails", {"reason": "no"})]] * 9, then=(DONE,)),
    "polling_circle": talk(*[[Calls("clock")]] * 30),
    "waiting_circle": talk([Calls("slow", {"seconds": 99})], *[[Calls("await_future", {"timeout_s": 1})]] * 9, DONE),
    "unknown_tool_circle": talk(*[[Says("hm"), Calls("shot"), Calls("await_future", {"futures": ["f1", "f2"]})]] * 9),
    "turns_spent": talk(*[[Calls("shout", {"text": str(number)})] for number in range(5)], max_turns=2, then=(DONE,)),
    "requests_spent": talk(
        [Calls("slow", {"seconds": 30})], [Breaks(BUSY)], DONE, budget=Budget(requests=2), then=(DONE,)
    ),
    "tokens_spent": talk(
        *[[Calls("shout", {"text": str(number)})] for number in range(5)], budget=Budget(tokens=2000), then=()
    ),
    "seconds_spent": talk(
        [Calls("slow", {"seconds": 2}), Calls("slow", {"seconds": 9}), WAIT, Thinks(1)],
        [Thinks(30), Says("x")],
        budget=Budget(seconds=4.5),
        then=(DONE,),
    ),
    "detailed": talk([Calls("shout", {"text": "a"})], DONE, model=Detailed),
    "detailed_and_counted": talk(
        [Calls("shout", {"text": "a"})],
        [Calls("shout", {"text": "b"})],
        DONE,
        model=Detailed,
        budget=Budget(tokens=320),
    ),
    "retracted_before_a_token": talk(
        [Calls("slow", {"seconds": 1}), Calls("slow", {"seconds": 2})], [Thinks(9)], DONE, hedge="retract"
    ),
    "retracted_in_a_text": talk(
        [Calls("slow", {"seconds": 1})], [Says("It is"), Thinks(9)], [Says("It is so.")], hedge="retract"
    ),
    "retracted_in_an_await": talk(
        [Calls("slow", {"seconds": 1}), Calls("slow", {"seconds": 3})],
        [Thinks(2), Calls("await_future", {"futures": ["f1"]}), Thinks(9)],
        [Calls("shout", {"text": "a"}), Thinks(1)],
        DONE,
        hedge="retract",
    ),
    "retracted_with_what_rode_along": talk(
        [Calls("slow", {"seconds": 4})],
        [Calls("slow", {"seconds": 1}), Thinks(2)],
        [Thinks(9)],
        DONE,
        hedge="retract",
    ),
    "not_retracted_after_a_call": talk(
        [Calls("slow", {"seconds": 1})], [Calls("shout", {"text": "a"}), Thinks(2)], DONE, hedge="retract"
    ),
    "not_retracted_in_a_budget": talk(
        [Calls("slow", {"seconds": 1})], [Thinks(2), Says("so")], DONE, hedge="retract", budget=Budget(requests=3)
    ),
    "raced_and_the_first_called": talk(
        [Calls("slow", {"seconds": 1})],
        [Says("So"), Thinks(2), Calls("shout", {"text": "a"}), Thinks(1)],
        [Says("Then"), Thinks(9)],
        [Calls("shout", {"text": "b"})],
        DONE,
        hedge="race",
    ),
    "raced_and_the_second_called": talk(
        [Calls("slow", {"seconds": 1})],
        [Says("So"), Thinks(9), Calls("shout", {"text": "a"})],
        [Thinks(2), Calls("shout", {"text": "b"}), Thinks(1), Calls("shout", {"text": "c"})],
        DONE,
        hedge="race",
    ),
    "raced_and_the_first_asked": talk(
        [Calls("slow", {"seconds": 1})], [Thinks(2), WAIT, Thinks(9)], [Thinks(3), Says("done")], hedge="race"
    ),
    "raced_and_the_first_answered": talk(
        [Calls("slow", {"seconds": 1})], [Thinks(2), Says("early")], [Thinks(3), Says("done")], hedge="race"
    ),
    "raced_and_the_second_failed": talk(
        [Calls("slow", {"seconds": 1})], [Thinks(3), Calls("shout", {"text": "a"})], [Breaks(BUSY)], DONE, hedge="race"
    ),
    "raced_and_the_first_failed": talk(
        [Calls("slow", {"seconds": 1})], [Thinks(3), Breaks(BUSY)], [Thinks(4), Says("done")], hedge="race"
    ),
    "raced_and_both_failed": talk(
        [Calls("slow", {"seconds": 1})], [Thinks(3), Breaks(BUSY)], [Thinks(4), Breaks(BUSY)], DONE, hedge="race"
    ),
    "interrupted_in_a_race": talk(
        [Calls("slow", {"seconds": 1})], [Says("a"), Thinks(9)], [Thinks(9)], hedge="race", cancel_at=4, then=(DONE,)
    ),
    "retracted_for_the_user": talk(
        [Calls("slow", {"seconds": 4})],
        [Calls("slow", {"seconds": 1}), Thinks(2)],
        [Thinks(9)],
        DONE,
        hedge="retract",
        deliver="user",
    ),
    "one_request": talk(DONE, model=Detailed, budget=Budget(requests=1)),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_conversation_has_the_expected_requests_and_events(name, expected, monkeypatch) -> None:
    """This holds in each mode; if two modes do the same, the second file says so."""
    monkeypatch.setattr("random.random", lambda: 0.5)  # the random part of the pauses: of tools, and of servers
    monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 2)
    monkeypatch.setattr(driver, "_NOTICEABLE_BLOCK_S", float("inf"))  # measured by the wall clock
    texts, seen = [], {}
    for mode in (Mode.BATCH, Mode.ASYNC) if name.endswith("circle") else Mode:
        text = "\n\n".join(run_virtually(REPLIES[name](mode.value)))
        body = text.replace(f"mode={mode}", "mode=?").replace(f"mode {mode}>", "mode ?>")
        texts.append(f"== {mode}\n" + (f"as {seen[body]}" if body in seen else text))
        seen.setdefault(body, mode)
    expected(f"conversation_{name}.txt", "\n\n".join(texts))


def test_each_mode_opens_a_conversation_as_expected(expected) -> None:
    """The files hold the system text and the tools as offered; without tools nothing needs explaining."""
    lines = []
    for mode in Mode:
        for system, offered in ((None, []), ("Be brief.", []), (None, tools()[:2]), ("Be brief.", tools())):
            messages, definitions = opening(offered, mode=mode, system=system)
            text = "\n".join(json.dumps(each, ensure_ascii=False) for each in (*messages, *definitions))
            lines.append(f"== {mode}, {system}, {len(offered)} tools\n{text}")
    expected("openings.txt", "\n\n".join(lines))
