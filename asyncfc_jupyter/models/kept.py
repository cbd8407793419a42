"""Data of a reply that only its model's server can read, and wants to see again: joined from its pieces, and returned.

It stands beside text and calls in an assistant message (OpenRouter's ``reasoning_details``, LiteLLM's ``thinking_blocks``), in
its content (Mistral's thinking parts) or in a call (Gemini's signatures, in ``extra_content``). Nothing here depends on what it
says. It is joined as those who write it join it:

* A list grows. An item continues the one with its index, or the last one where items have no index, if both are of one type and
  that one is open: a signature closes a block, and data that only a server can read is whole.
* Of two objects the fields are joined. A text that streams grows; any other value replaces the one before.

A reply that was cut off keeps the data of its calls alone: a block without its signature would be refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asyncfc_jupyter.models.base import KeptDelta, Message

#: The fields whose texts come in pieces.
_STREAMED = frozenset({"text", "thinking", "summary", "reasoning"})
#: The fields that come last in an item.
_CLOSING = ("signature", "data")
#: What a call and its function always have: the rest is the server's own.
_OF_CALL, _OF_FUNCTION = frozenset({"id", "type", "index", "function"}), frozenset({"name", "arguments"})


def joined(before: Any, piece: Any) -> Any:
    """Return a value with its next piece. Neither is changed."""
    if before is None or before in ("", [], {}):
        return piece
    if isinstance(before, dict) and isinstance(piece, dict):
        grown = {
            name: before[name] + value
            if name in _STREAMED and isinstance(value, str) and isinstance(before.get(name), str)
            else joined(before.get(name), value)
            for name, value in piece.items()
        }
        return {**before, **grown}
    if isinstance(before, list) and isinstance(piece, list):
        items = list(before)
        for item in piece:
            at = next((at for at in range(len(items) - 1, -1, -1) if _continues(items, at, item)), None)
            if at is None:
                items.append(item)
            else:
                items[at] = joined(items[at], item)
        return items
    return before if piece is None or piece in ("", [], {}) else piece


def _continues(items: Sequence[Any], at: int, item: Any) -> bool:
    """Return whether an item is a piece of the one at this place."""
    known = items[at]
    if not (isinstance(known, dict) and isinstance(item, dict)) or any(known.get(name) for name in _CLOSING):
        return False
    pairs = [(known.get(name), item.get(name)) for name in ("type", "index", "id")]
    differs = any(mine is not None and its is not None and mine != its for mine, its in pairs)
    return not differs and (item.get("index") is not None or at == len(items) - 1)


def extra_of(call: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a server sent in a call beside what every call has, as fields of the call; None for most calls."""
    function = call.get("function")
    extra = {name: value for name, value in call.items() if name not in _OF_CALL and value is not None}
    if isinstance(function, Mapping):
        inner = {name: value for name, value in function.items() if name not in _OF_FUNCTION and value is not None}
        extra |= {"function": inner} if inner else {}
    return extra or None


def with_extra(call: Mapping[str, Any], extra: Mapping[str, Any]) -> Message:
    """Return a call of an assistant message with what its server sent in it."""
    function = {**extra.get("function", {}), **call["function"]}
    return {**extra, **call, "function": function}


class Kept:
    """Collects the data of one reply."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}

    def add(self, delta: KeptDelta) -> None:
        """Take a piece of a field."""
        before = None if delta.whole else self._fields.get(delta.field)
        self._fields[delta.field] = joined(before, delta.value)

    def replay(self, calls: Mapping[str, Mapping[str, Any]], *, cut: bool) -> dict[str, Any]:
        """Return the data as it is kept in the assistant message.

        Args:
            calls: What came in calls, by their ids.
            cut: Whether the reply was cut off.
        """
        fields = {} if cut else self._fields
        return {**({"fields": fields} if fields else {}), **({"calls": dict(calls)} if calls else {})}
