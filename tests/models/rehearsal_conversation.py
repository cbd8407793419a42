"""A conversation with the rehearsal model, in which the test plays the layer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, TextDelta
from asyncfc_jupyter.models.rehearsal import RehearsalModel

PARAMETERS = {"search": ["city", "limit"], "weather": ["city"], "book": ["flight", "note"], "await_future": ["futures"]}
BOTH = pytest.mark.parametrize("futures", [True, False], ids=["async", "plain"])


def tools(*, futures: bool) -> list[dict[str, Any]]:
    return [
        {"type": "function", "function": {"name": name, "parameters": {"properties": {key: {} for key in names}}}}
        for name, names in PARAMETERS.items()
        if futures or name != "await_future"
    ]


async def deltas_of(model: RehearsalModel, messages: Sequence[Mapping[str, Any]], *, futures: bool) -> list[Delta]:
    request = ChatRequest(messages=messages, tools=tools(futures=futures))
    return [delta async for delta in model.stream(request)]


@dataclass
class Talk:
    """One conversation, its messages kept as the layer keeps them."""

    futures: bool = True
    messages: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    text: str = ""

    def say(self, plan: str) -> list[tuple[str, Any]]:
        self.messages.append({"role": "user", "content": plan})
        return self.ask()

    def ask(self) -> list[tuple[str, Any]]:
        """Stream the next reply, keep it as the layer does, and return its calls."""
        model = RehearsalModel(ttft_ms=0, tokens_per_s=1e9)
        deltas = asyncio.run(deltas_of(model, self.messages, futures=self.futures))
        calls: dict[int, list[Any]] = {}
        for delta in deltas:
            if isinstance(delta, CallDelta):
                assert delta.index is not None
                call = calls.setdefault(delta.index, [delta.call_id, delta.name, ""])
                call[2] += delta.arguments or ""
        self.text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
        self.ids = [call_id for call_id, _, _ in calls.values()]
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if calls:
            message["tool_calls"] = [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for call_id, name, arguments in calls.values()
            ]
        self.messages.append(message)
        return [(name, json.loads(arguments)) for _, name, arguments in calls.values()]

    def answer(self, *contents: Any) -> list[tuple[str, Any]]:
        """Answer the calls of the last reply, in order, and ask for the next reply."""
        for call_id, content in zip(self.ids, contents, strict=True):
            self.messages.append({"role": "tool", "tool_call_id": call_id, "content": json.dumps(content)})
        return self.ask()

    def settle(self, *results: Any) -> list[tuple[str, Any]]:
        """Answer the calls of the last reply with values, in the form of the mode; a ``Failure`` fails."""
        if not self.futures:
            return self.answer(*({"error": r.error} if isinstance(r, Failure) else r for r in results))
        asked = [call["function"]["name"] for message in self.messages for call in message.get("tool_calls", ())]
        first = sum(name != "await_future" for name in asked) - len(results) + 1
        reports = [
            failed(f"f{first + n}", r.error) if isinstance(r, Failure) else done(f"f{first + n}", r)
            for n, r in enumerate(results)
        ]
        return self.answer(*reports, *([reports] if asked[-1] == "await_future" else []))


@dataclass
class Failure:
    error: str


def done(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"future": name, "tool": "t", "status": "done", "value": value, **more}


def pending(name: str, **more: Any) -> dict[str, Any]:
    return {"future": name, "tool": "t", "status": "pending", "value": None, "note": "Not the result.", **more}


def failed(name: str, error: str, status: str = "failed") -> dict[str, Any]:
    return {"future": name, "tool": "t", "status": status, "error": error}
