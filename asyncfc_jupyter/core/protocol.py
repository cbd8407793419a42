"""The words between the layer and the model, and the one reader of what the layer says in a tool message.

The protocol of function calling is untouched: each tool call gets exactly one tool message. What is new is its content. A call
that has not finished is answered by a placeholder, which says so in three ways (``status``, ``value`` and a note), because
models take an empty or friendly placeholder for the result. The value follows in a later tool message that goes out anyway
(under ``delivered``), in the answer to an ``await_future``, or in a message in the user's place.

`agent.tool_messages` writes the messages. The adapter of OpenAI's asynchronous tools, the rehearsal model, cassettes and saved
conversations read them with `read_report`, `read_reports` and `read_delivery`. A tool may return anything, so only the
outermost object of a message and the objects under its ``delivered`` are read as the layer's words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.core.futures import STATUSES, FutureName, Status

#: The one tool that the layer adds: it waits for results and answers with them.
AWAIT_FUTURE = "await_future"
#: The layer adds calls of `AWAIT_FUTURE` to a model's reply itself; their ids begin so.
GATE_ID = "asyncfc_gate_"

#: The key of results that ride along with another result, or stand in a message in the user's place.
DELIVERED = "delivered"
#: The key of the names of futures that no message shows yet.
STILL_PENDING = "still_pending"
#: Keys of what a message says of one future, in a placeholder or a result.
REPORT_KEYS = frozenset({"future", "tool", "status", "value", "note", "arguments", "error", "summarized"})

#: How the note of each placeholder begins: `FutureReport.is_placeholder` recognizes one by it.
NOT_THE_RESULT = "Not the result."
_PLACEHOLDER_NOTE = (
    f'{NOT_THE_RESULT} The call is still running; pass "${{future}}" on as an argument, or read the value later.'
)
#: The note where another tool message of the same reply holds the placeholder.
SHOWN_PENDING_NOTE = f"{NOT_THE_RESULT} The call is still running, as another tool message of this reply says."
#: The note where another tool message of the same reply holds the outcome.
SHOWN_OUTCOME_NOTE = "Its outcome is in another tool message of this reply."
#: The note of results in a message in the user's place.
DELIVERY_NOTE = "From the tools, not from the person: results that became ready."
#: The answer to an `AWAIT_FUTURE` when nothing is pending: an empty list would look like a lost result.
NOTHING_PENDING: dict[str, Any] = {
    "note": "Nothing is pending: every result to wait for has been given in a message above."
}

INSTRUCTIONS = f"""\
Tool calls run asynchronously. Each call returns at once with a future named f1, f2, f3, ... in the order in which you make \
calls, counted over the whole conversation ({AWAIT_FUTURE} itself is not counted).
- A tool message with "status": "pending" is NOT a result. Its value arrives later, under "{DELIVERED}" in another tool \
message or from {AWAIT_FUTURE}. Never guess it, and do not repeat the call.
- To pass a result that you do not need to read to another tool, write a reference as the whole argument: "$f1", or a part \
of it: "$f1.order_id", "$f2[0].sku", "$f3['a key']". It works before the result is there, and in the same reply. \
"$text:" in front of a text passes the text itself: "$text:f1".
- Make all the calls you can before you wait. Calls that depend on each other are put in order for you.
- Call {AWAIT_FUTURE} only when you must read a value to go on. When you have made every call, just answer: results still \
missing are given to you before your answer counts."""


def await_future_definition() -> dict[str, Any]:
    """Return the definition of `AWAIT_FUTURE` in the form of Chat Completions."""
    return {
        "type": "function",
        "function": {
            "name": AWAIT_FUTURE,
            "description": "Wait until the results of earlier calls are there, and read them. Only for values that you must "
            "read before you can go on: to pass a result to another tool, write its reference instead. Without arguments it "
            "waits for all that are pending. One call is enough: it returns when they are there.",
            "parameters": {
                "type": "object",
                "properties": {
                    "futures": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": 'Names of the futures, such as ["f1", "f3"]; all that are pending by default.',
                    },
                    "mode": {
                        "type": "string",
                        "enum": ["all", "any"],
                        "description": "Wait for all of them (the default) or for the first.",
                    },
                    "timeout_s": {"type": "number", "description": "Seconds to wait at most."},
                },
                "additionalProperties": False,
            },
        },
    }


def placeholder_fields(future: FutureName) -> dict[str, Any]:
    """Return the fields by which a placeholder says, after its ``status``, that it holds no result."""
    return {"value": None, "note": _PLACEHOLDER_NOTE.format(future=future)}


# -- reading ---------------------------------------------------------------------------------------------------------

#: Nine digits: more futures than a conversation can have, and few enough for `int`.
_FUTURE_NAME = re.compile(r"f[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FutureReport:
    """What a message says of one future."""

    future: FutureName
    #: Empty where the message does not name the tool.
    tool: str
    #: None where it is missing or not one of `STATUSES`.
    status: Status | None
    #: The whole object, as it stands in the message.
    fields: Mapping[str, Any]

    @property
    def value(self) -> Any:
        """The result, or its summary; None without one."""
        return self.fields.get("value")

    @property
    def error(self) -> str:
        """Why there is no result; empty when the message gives no reason."""
        return str(self.fields.get("error") or "")

    @property
    def summarized(self) -> bool:
        """Whether `value` is only a summary of the real one."""
        return self.fields.get("summarized") is True

    @property
    def is_complete(self) -> bool:
        """Whether it has all that the layer writes: a tool's own result may look similar, and is not to be taken apart."""
        return (
            bool(self.tool)
            and self.status is not None
            and bool({"value", "error"} & self.fields.keys())
            and isinstance(self.fields.get(DELIVERED, []), list)
        )

    @property
    def is_placeholder(self) -> bool:
        """Whether it stands for a result that follows in a later message."""
        return self.status == "pending" and str(self.fields.get("note")).startswith(NOT_THE_RESULT)


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message in the form of Chat Completions, whose content may be a list of parts or nothing."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else ()
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))


def decode(text: str) -> Any:
    """Return the JSON value that a message's text is, or the text itself if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def read_report(content: Any) -> FutureReport | None:
    """Return what a decoded object says of a future, or None if it names no future."""
    name = content.get("future") if isinstance(content, Mapping) else None
    if not isinstance(name, str) or _FUTURE_NAME.fullmatch(name) is None:
        return None
    tool, status = content.get("tool"), content.get("status")
    return FutureReport(
        future=FutureName(name),
        tool=tool if isinstance(tool, str) else "",
        status=status if status in STATUSES else None,
        fields=content,
    )


def read_reports(content: Any) -> Iterator[FutureReport]:
    """Yield what the decoded content of a message says of each future: those it is about, each followed by those delivered."""
    for item in content if isinstance(content, list) else [content]:
        if isinstance(item, Mapping):
            delivered = item.get(DELIVERED)
            for each in [item, *(delivered if isinstance(delivered, list) else [])]:
                report = read_report(each)
                if report is not None:
                    yield report


def read_delivery(message: Mapping[str, Any]) -> list[FutureReport] | None:
    """Return the results in a message that the layer wrote in the user's place, or None for any other message."""
    if message.get("role") != "user" or not (text := text_of(message)).startswith(f'{{"{DELIVERED}": '):
        return None
    content = decode(text)
    delivered = content.get(DELIVERED) if isinstance(content, Mapping) else None
    if not isinstance(delivered, list):
        return None
    reports = [report for each in delivered if (report := read_report(each)) is not None and report.is_complete]
    return reports if len(reports) == len(delivered) else None
