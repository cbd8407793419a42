"""What gateways do to the events of a response without changing its meaning: for tests that read the calls back."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.models.gateways import Call

Event = dict[str, Any]
INDEXES = ("counted", "zero", "missing")
#: Ids of the items in the events.
ITEM_IDS = ("own", "the call's", "one for all", "another in each event", "missing")
CALL_IDS = ("own", "another when done", "another when completed", "missing")
#: Which of the events that hold arguments come; each of them is enough.
SOURCES = ("deltas", "arguments.done", "item.done", "completed", "added", "all")
FORMS = ("text", "object", "other spelling", "empty but in one")
REPEATS = ("nothing", "each event", "each whole event", "the call on the next index", "the stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseGateway:
    """How a gateway sends a response."""

    index: str = "counted"
    item_id: str = "own"
    call_id: str = "own"
    source: str = "all"
    form: str = "text"
    repeats: str = "nothing"
    interleaved: bool = False
    numbered: bool = True

    def leaves_open(self, calls: Sequence[Call]) -> bool:
        """Return whether these habits together can mean other calls, too."""
        named = self.item_id in {"own", "the call's"}
        known = self.index == "counted" or (named and self.call_id == "own")
        twice = self.repeats in {"each event", "each whole event"}
        distinct = len({json.dumps(call) for call in calls}) == len(calls) and all(arguments for _, arguments in calls)
        unclear = not known or self.call_id != "own"
        return any(
            (
                self.item_id == "the call's" and self.call_id != "own",
                self.interleaved and (self.source == "completed" or not (self.index == "counted" or named)),
                self.index == "missing" and self.item_id in {"one for all", "another in each event"},
                self.index == "missing" and self.item_id == "missing" and self.call_id == "missing" and twice,
                # Only its number shows that a piece comes twice.
                self.repeats == "each event" and not self.numbered and self.source in {"deltas", "all"},
                self.repeats == "the call on the next index" and (self.index != "counted" or self.call_id != "own"),
                self.repeats == "the call on the next index" and self.source == "completed",
                self.form == "empty but in one" and self.source == "all",
                unclear and not (distinct and self.source in {"all", "item.done"}),
                unclear and self.repeats == "each whole event",
            )
        )

    def events(self, calls: Sequence[Call], chance: random.Random) -> list[Event]:
        """Return the events of a response."""
        streams = [list(self._call(number, 2 * number, call, chance)) for number, call in enumerate(calls)]
        if self.repeats == "the call on the next index":
            for number, call in enumerate(calls):
                streams[number] += self._call(number, 2 * number + 1, call, chance)
        events = [event for stream in streams for event in stream]
        if self.interleaved:
            events = [stream.pop(0) for stream in streams]
            while left := [stream for stream in streams if stream]:
                events.append(chance.choice(left).pop(0))
        output = []
        if self.source in {"completed", "all"} and (self.source == "completed" or chance.random() < 0.7):
            output = [
                self._item(number, 2 * number, call, "completed", chance, event="completed")
                for number, call in enumerate(calls)
            ]
        ended = {"type": "response.completed", "response": {"status": "completed", "output": output}}
        result = []
        for number, event in enumerate([*events, ended]):
            numbered = {**event, "sequence_number": number} if self.numbered else event
            whole = not event["type"].endswith("delta") and self.repeats == "each whole event"
            result += [numbered] * (2 if self.repeats == "each event" or whole else 1)
        return result * (2 if self.repeats == "the stream" else 1)

    def _call(self, number: int, index: int, call: Call, chance: random.Random) -> Iterator[Event]:
        arguments = json.dumps(call[1])
        place = {"counted": {"output_index": index}, "zero": {"output_index": 0}, "missing": {}}[self.index]

        def named(kind: str, **fields: Any) -> Event:
            item_id = self._item_id(number, chance)
            return {"type": f"response.{kind}", **place, **({"item_id": item_id} if item_id else {}), **fields}

        if self.source != "completed":
            item = self._item(number, index, call, "in_progress", chance, event="added")
            yield {"type": "response.output_item.added", **place, "item": item}
        if self.source in {"deltas", "all"}:
            cuts = sorted(
                {0, len(arguments), *(chance.randint(0, len(arguments)) for _ in range(chance.randint(0, 9)))}
            )
            for a, b in itertools.pairwise(cuts):
                yield named("function_call_arguments.delta", delta=arguments[a:b])
        if self.source in {"arguments.done", "all"} or self.form == "empty but in one":
            given = self.source in {"arguments.done", "all"}
            yield named("function_call_arguments.done", arguments=self._arguments(call) if given else "")
        if self.source in {"item.done", "all"} or self.form == "empty but in one":
            item = self._item(number, index, call, "completed", chance, event="item.done")
            yield {"type": "response.output_item.done", **place, "item": item}

    def _arguments(self, call: Call) -> Any:
        match self.form:
            case "object":
                return call[1]
            case "other spelling":
                return json.dumps(dict(reversed(call[1].items())), separators=(" ,", " :  "))
        return json.dumps(call[1])

    def _item(self, number: int, index: int, call: Call, status: str, chance: random.Random, *, event: str) -> Event:
        item: Event = {"type": "function_call", "name": call[0], "status": status}
        given = event == self.source or (self.source == "all" and event != "added")
        item["arguments"] = self._arguments(call) if given else ""
        if item_id := self._item_id(number, chance):
            item["id"] = item_id
        other = {"another when done": event == "item.done", "another when completed": event == "completed"}
        if self.call_id != "missing":
            item["call_id"] = f"other_{number}" if other.get(self.call_id) else f"call_{number}"
        return item

    def _item_id(self, number: int, chance: random.Random) -> str | None:
        match self.item_id:
            case "own":
                return f"fc_{number}"
            case "the call's":
                return f"call_{number}"
            case "one for all":
                return "fc"
            case "another in each event":
                return f"fc_{chance.randrange(10**9)}"
        return None
