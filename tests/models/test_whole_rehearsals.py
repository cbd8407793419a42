"""Forty plans, with every kind of tool message in both modes: each reply, as it streams, is compared with a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from asyncfc_jupyter.models.base import CallDelta, Delta, Finish, TextDelta, Usage
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from tests.models.rehearsal_conversation import deltas_of
from tests.suite.expected import Compare

#: More replies than any of the plans takes.
MOST_REPLIES = 9

PLANS = [
    '"Hi."',
    'search("LIS")',
    'search("LIS")\n"All set."',
    'x = search("LIS")\n\nf"{x}"',
    'x = search(city="LIS", limit=3)\ny = book(x.id)\n\nf"Booked {y}."',
    'x = search("LIS")\n\ny = book(x.flights[0].id)\n\nf"Booked {y.order}."',
    'x = search("A")\ny = search("B")\nbook(x, note=y)\n"Done."',
    'x = search("A")\n\ny = search("B")\n\nf"{x.id}{y.id}"',
    'x = search("A")\ny = search("B")\n\nbook(f"for {x.id}")\n"Done."',
    'x = search("A")\nawait x\nbook(x.id)\n"Done."',
    'x = search("A")\ny = search("B")\nawait x, y\nbook(x.id, y.id)\n"Done."',
    'x = search("A")\ny = search("B")\nz = search("C")\nawait x\nawait y\n\nawait z\nbook(z)\n"Done."',
    'x = search("A")\n\nsearch("B")\n\nbook(x.id)\n"Done."',
    'x = search("A")\ny = book([{"k": x.flights[-1]["a key"]}], note=x.t)\nbook(y)\n"Done"',
    'x = search("A")\ny = book(x.nothing)\nz = book(y)\nw = book(f"{z}")\nsearch("B")\n\nf"{x.id}, {y}, {z}, {w}"',
    '"First."\n\n"I look."\nx = search("A")\n"I did."\n\n"Last."\n\nf"Bye {x.id}."',
    'x = search("A")\n\n"Booking."\ny = book(x.nothing)\n"Booked."\n\nf"{y}"',
    'x = search("A")\nf"I have {x.id}."\nbook(x.id)\n"Done."',
    'x = search("A")\n\nx = book(x.id)\n\nf"{x}"',
    'x = search("A")\n\nf"{x.n:.2f}|{x.t!r}|{x.t:>6}|{x.t!s:<6}|{x.t!a}|{x.ok}|{x.none}|{x.list}|{x.list[0]:d}|{x.t:.2f}"',
    'x = search("A")\n\nf"{x.a.b[3]} {x.a.b.c} {x.a[\'two words\']} {x.list[9]} {x.t.more}"',
    'x = search("A")\n\nbook(x.dollar, note=x.f1)\n"Done."',
    'x = search("A")\n\nbook(x.angle, note=x.pending)\n"Done."',
    'x = search("A")\n\nbook(x.inside, note=[x.list, {"deep": x.a}])\n"Done."',
    'x = search("A")\n\nbook(f"{x.t}", note=[f"{x.f1}", f"{x.n}", f"{x.dollar}{x.id}"])\n"Done."',
    'search("A")\nbook("f1", note="<f1.id>")\n"Done."',
    'search("A")\nbook("pending", {"status": "pending"})\nbook("$f1", note="$$f1")\n"Done."',
    'search("$text:f1", limit="$f9.id")\nbook("result of f1", note="$100")\n"Done."',
    'x = search("A")\nbook(x["a \\"quoted\\" key"], note=x["back\\\\slash"])\n"Done"',
    "search(city=[1, -2, 2.5, True, False, None, (3, {'a': 'é', 'b': []})], limit={})\n\"Done.\"",
    'search()\nweather()\n"Two without arguments."',
    'x = search("A")\n\ny = search("B")\n\nz = search("C")\nawait y\n\nf"{x.id} {y.id} {z.id}"',
    'a = search("A")\nb = book(a.id)\nc = book(b)\nd = book(c)\n\nf"{d}"',
    'a = search("A")\nb = weather("B")\nbook(f"{a.id} {b}")\n\nc = weather("C")\nf"{c}"',
    'a = search("A")\n\nb = weather(f"{a.nothing}")\n\nf"{a.id} {b}"',
    'a = search("A")\nawait a\n"Between."\nb = weather("B")\nawait b, a\n\nf"{a.id}{b}"',
    'a = weather("A")\n\nbook(a, note=a)\n\nf"{a}"',
    'a = weather("A")\nb = weather(a)\nawait a\nc = weather(b)\n\nf"{a}{b}{c}"',
    'a = weather("A")\n\n\n\n# a comment\nb = weather("B"); c = weather("C")\n"Three."',
    'a = weather("A")\nb = weather("B")\n\nf"{b}"',
    'book(flight="🙂 and a longer text with \\u00e9", note="\\ud83d")\n"Emoji."',
]

VALUES: dict[str, Any] = {
    "search": {
        "id": "L1",
        "flights": [{"id": 7, "price": 12.5, "a key": "k"}],
        "n": 1.5,
        "t": "text",
        "ok": True,
        "none": None,
        "list": [1, 2],
        "a": {"b": [1]},
        "dollar": "$f",
        "f1": "f1",
        "angle": "<f1>",
        "pending": "pending",
        "inside": ["a", {"b": "$f1"}],
        'a "quoted" key': 1,
        "back\\slash": 2,
    },
    "weather": "sunny",
    "book": {"order": 3, "flight": [1]},
}


def settled(future: str, tool: str, how: str) -> dict[str, Any]:
    """What the layer says of a future that has its outcome."""
    report = {"future": future, "tool": tool, "status": how}
    if how == "summarized":
        return report | {"status": "done", "value": f"a summary of {tool}", "summarized": True}
    if how == "done":
        return report | {"value": VALUES[tool]}
    # Filled up, so that a request is as long whichever word it holds: its tokens are counted.
    return report | {"error": f"{tool}:\n  broke", "filling": "." * (len("cancelled") - len(how))}


def pending(future: str, tool: str) -> dict[str, Any]:
    return {"future": future, "tool": tool, "status": "pending", "value": None, "note": "Not the result."}


class Layer:
    """Answers the model's calls in one way, as the layer does."""

    def __init__(self, way: str) -> None:
        self._way = way
        self.open: dict[str, str] = {}
        self._made = 0

    def answers(self, calls: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
        """Yield the tool messages to a reply's calls, each an id and a tool's name."""
        for call_id, tool in calls:
            if tool == "await_future":
                content: Any = self._all_settled()
            else:
                self._made += 1
                content = self._answer(f"f{self._made}", tool)
            yield {"role": "tool", "tool_call_id": call_id, "content": json.dumps(content)}

    def delivery(self) -> dict[str, Any]:
        """Return the message in the user's place that delivers the results at the end."""
        return {"role": "user", "content": json.dumps({"delivered": self._all_settled(), "note": "From the tools."})}

    def _all_settled(self) -> list[dict[str, Any]]:
        results = [settled(future, tool, "done") for future, tool in self.open.items()]
        self.open.clear()
        return results

    def _answer(self, future: str, tool: str) -> dict[str, Any]:
        match self._way:
            case "pending":
                self.open[future] = tool
                return pending(future, tool)
            case "delivered along" if not self.open:
                self.open[future] = tool
                return pending(future, tool)
            case "delivered along":
                return settled(future, tool, "done") | {"delivered": self._all_settled(), "still_pending": []}
            case "failed" | "timeout" | "cancelled" | "skipped" | "summarized" as how:
                return settled(future, tool, how if self._made == 1 else "done")
        return settled(future, tool, "done")


class Plain(Layer):
    """Answers with bare values, as in the modes without futures."""

    def _answer(self, future: str, tool: str) -> Any:
        first = {
            "failed": {"error": f"{tool}:\n  broke"},
            "skipped": {"error": "skipped, because of that"},
            "cancelled": {"tool": tool, "status": "cancelled", "error": "interrupted", "future": future},
            "summarized": {"summarized": True, "value": f"a summary of {tool}"},
        }
        return first[self._way] if self._made == 1 and self._way in first else VALUES[tool]


def shown(deltas: list[Delta]) -> str:
    """A reply as a line: tokens with bars between them, calls with their index and id, then reason and tokens."""
    said: list[str] = []
    for delta in deltas:
        match delta:
            case TextDelta(text=text):
                said.append(text)
            case CallDelta(index=index, call_id=call_id, name=name, arguments=arguments) if name or call_id:
                said.append(f"[{index} {call_id} {name} {arguments or ''}]")
            case CallDelta(index=index, arguments=arguments):
                said.append(f"{index}:{arguments}")
            case Finish(reason=reason):
                said.append(f"({reason}")
            case Usage(input_tokens=given, output_tokens=made):
                said.append(f"{given} in, {made} out)")
    return ascii("|".join(said))[1:-1]


def conversation(plan: str, layer: Layer, *, futures: bool) -> Iterator[str]:
    """Yield the model's replies up to its answer."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "s"}, {"role": "user", "content": plan}]
    model = RehearsalModel(ttft_ms=0, tokens_per_s=1e9)
    for _ in range(MOST_REPLIES):
        deltas = asyncio.run(deltas_of(model, messages, futures=futures))
        yield shown(deltas)
        calls: dict[int, list[str]] = {}
        for delta in deltas:
            if isinstance(delta, CallDelta):
                call = calls.setdefault(delta.index or 0, [str(delta.call_id), str(delta.name), ""])
                call[2] += str(delta.arguments or "")
        text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
        made = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in calls.values()
        ]
        messages.append({"role": "assistant", "content": text or None, **({"tool_calls": made} if made else {})})
        if calls:
            messages += layer.answers([(call_id, name) for call_id, name, _ in calls.values()])
        elif layer.open:
            messages.append(layer.delivery())
        else:
            return
    pytest.fail(f"{plan!r} takes more than {MOST_REPLIES} replies")


def whole(make: Callable[[], Layer], *, futures: bool) -> str:
    lines: list[str] = []
    for plan in PLANS:
        lines += ["", *(f"> {ascii(line)[1:-1]}" for line in plan.split("\n"))]
        lines += conversation(plan, make(), futures=futures)
    return "\n".join(lines[1:])


@pytest.mark.parametrize(
    "way",
    ["at once", "pending", "delivered along", "failed", "timeout", "cancelled", "skipped", "summarized"],
)
def test_every_plan_with_futures_streams_as_it_did(way: str, expected: Compare) -> None:
    # A call that was stopped reads as one that failed.
    kept = {"timeout": "failed", "cancelled": "failed"}.get(way, way)
    expected(f"rehearsals-with-futures-{kept}.txt".replace(" ", "-"), whole(lambda: Layer(way), futures=True))


@pytest.mark.parametrize("way", ["at once", "failed", "skipped", "cancelled", "summarized"])
def test_every_plan_without_futures_streams_as_it_did(way: str, expected: Compare) -> None:
    expected(f"rehearsals-without-futures-{way}.txt".replace(" ", "-"), whole(lambda: Plain(way), futures=False))
