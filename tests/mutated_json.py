"""JSON documents of this package with something in them changed, as a damaged or a hostile file has it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

#: Written as text: some are no JSON of Python's own making, and some are more than its numbers hold.
ODD = (
    "null", "true", "7", "-1", "0", "2.5", "1e308", "-1e308", "1e999", "NaN", "-Infinity", "1" + "0" * 400, "9" * 5_000,
    '""', '"x"', '"f1"', '"f999"', '"\\ud800"', "[]", "[null]", "{}", '{"a": 1}', '[["a"]]', "[" * 200 + "]" * 200,
    "[" * 100_000,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside of a document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield (*path, key)
        yield from places(item, (*path, key))


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> str:
    """Return the text of a document in which values are replaced, removed, repeated or moved."""
    changed = copy.deepcopy(document)
    odd: dict[str, str] = {}
    for number in range(draw(st.integers(1, 3))):
        paths = list(places(changed))
        if not paths:
            break
        *path, last = draw(st.sampled_from(paths))
        holder = changed
        for key in path:
            holder = holder[key]
        match draw(st.sampled_from(["replace", "replace", "remove", "repeat", "move", "add"])):
            case "replace":
                odd[f"odd {number}"] = draw(st.sampled_from(ODD))
                holder[last] = f"odd {number}"
            case "remove":
                del holder[last]
            case "repeat" if isinstance(holder, list):
                holder.insert(draw(st.integers(0, len(holder))), copy.deepcopy(holder[last]))
            case "move" if isinstance(holder, list):
                holder.insert(draw(st.integers(0, len(holder))), holder.pop(last))
            case "add" if isinstance(holder, dict):
                odd[f"odd {number}"] = draw(st.sampled_from(ODD))
                holder["unknown"] = f"odd {number}"
    text = json.dumps(changed)
    for name, written in odd.items():
        text = text.replace(json.dumps(name), written)
    return text
