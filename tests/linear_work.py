"""Runs each reader of foreign text on every hostile text, in a process of its own: ``python -m tests.linear_work SCALE``.

Work inside a regular expression or a parser cannot be counted, so this has a deadline, in seconds of the processor and not of
the clock: far above what a linear reader takes, and far below what a quadratic one would. The process is killed there, since
nothing interrupts a regular expression; the last line that it printed names the reader and the text.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Mapping

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.malformed_references import Situation, reject_malformed_references
from asyncfc_jupyter.core.protocol import decode, read_reports
from asyncfc_jupyter.core.references import is_escaped, parse_reference, substitute
from asyncfc_jupyter.errors import AsyncFCError
from asyncfc_jupyter.jupyter.cells.prompt_template import replaced, replaced_line
from asyncfc_jupyter.jupyter.display.answer_format import AnswerFormat
from asyncfc_jupyter.jupyter.display.markdown import quoted, to_html
from asyncfc_jupyter.jupyter.display.terminal_text import as_screen, newest_line
from asyncfc_jupyter.jupyter.display.tool_output import ToolOutput
from asyncfc_jupyter.masking import mask, mask_pieces
from asyncfc_jupyter.models.accumulator import Accumulator
from asyncfc_jupyter.models.base import CallDelta, TextDelta
from asyncfc_jupyter.models.connection.server_errors import server_message
from asyncfc_jupyter.models.in_text.calls import Offered, calls_at_end
from asyncfc_jupyter.models.in_text.reply_reader import ReplyReader
from asyncfc_jupyter.models.rehearsal.parser import read_plan
from asyncfc_jupyter.text import clean, clean_lines, no_such, printable
from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.trace.view.view import show_arguments
from asyncfc_jupyter.values.describe import describe, label
from asyncfc_jupyter.values.summarize import value_fields
from tests.hostile_texts import hostile_texts

#: Seconds of the processor for one reader and one text. A linear one takes a fifth of a second at most, on a slow machine.
DEADLINE_S = 5
#: Characters of a text for readers that are fast, and for those that do much for each character.
CHARACTERS, FEW_CHARACTERS = 40_000, 5_000

F1 = FutureName("f1")
#: How a reply may begin, on the way into each form of a call and into reasoning.
_REPLY_OPENINGS = (
    "", "<think>", "a\n</think", "<tool_call>", '{"name": "pay", "arguments": {"a": "', '<tool_call>{"name": "pay", "a": ',
    "<function=pay><parameter=a>", "[pay(", "[TOOL_CALLS]pay", "```json\n", '```json\n{"name": "pay", "arguments": {}}\n```\n',
    "<|tool_call>call:pay{a:", "<tool_call>pay<arg_key>",
)  # fmt: skip
SITUATION = Situation(known=[F1], pending=[F1], results=lambda: iter([(F1, {"order_id": 1})]))


class Shown:
    """An object of a tool, whose text is hostile."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def accumulated(text: str) -> None:
    """Read a text as a model's, and as the arguments of its calls, in pieces."""
    accumulator = Accumulator("call_")
    for start in range(0, len(text), 16):
        accumulator.feed(TextDelta(text=text[start : start + 16]))
    for index, opening in enumerate(('{"a":', '{"a": "', "{}", "")):
        accumulator.feed(CallDelta(index=index, call_id=str(index), name="pay", arguments=opening))
        for start in range(0, len(text), 16):
            accumulator.feed(CallDelta(index=index, arguments=text[start : start + 16]))
    accumulator.finish()


def read_as_reply(text: str) -> None:
    """Read a text as a reply that may hold reasoning and calls, in pieces, after each way in which these begin."""
    parameters = {"type": "object", "properties": {"a": {"type": "string"}}}
    offered = Offered([{"function": {"name": "pay", "parameters": parameters}}])
    for opening in _REPLY_OPENINGS:
        reader = ReplyReader(Accumulator("call_", tools={"pay": True}), offered)
        for start in range(0, len(text), 16):
            reader.feed(TextDelta(text=opening * (start == 0) + text[start : start + 16]))
        whole = ReplyReader(Accumulator("call_", tools={"pay": True}), offered)
        whole.feed(TextDelta(text=opening + text))
        calls_at_end(reader.finish().text + whole.finish().text, offered)


def documented(text: str) -> None:
    """Read a text as a function's docstring."""

    def pay(euros: int) -> int:
        return euros

    pay.__doc__ = f"Pay. {text}\n\nArgs:\n    euros: {text}\n\n{text}"
    make_tool(pay)


def printed(text: str) -> None:
    """Show a text as what a tool prints, and as its traceback."""
    output = ToolOutput("f1", "pay", run="_agent", changed=lambda _: None, traceback=lambda _: text)
    output.write(text, "stdout")
    output.heading()
    output.raised(ValueError(text))
    output.heading()


def phrases(text: str) -> None:
    """Look for malformed references in each part of a text that is short enough to be one."""
    for start in range(0, min(len(text), 10 * FEW_CHARACTERS), 120):
        part = text[start : start + 120]
        with contextlib.suppress(AsyncFCError):
            reject_malformed_references({"city": part, "order": {"future": part}}, SITUATION)


READERS: Mapping[str, Callable[[str], object]] = {
    "references": lambda text: (parse_reference(text), is_escaped(text), substitute({"a": [text]}, lambda _: 1)),
    "malformed references": lambda text: reject_malformed_references(
        {"city": text, "order": {"future": text}}, SITUATION
    ),
    "values": lambda text: (value_fields({text: [text]}, F1), label({text: text}), describe(Shown(text))),
    "reports": lambda text: list(read_reports(decode(text))),
    "masks": lambda text: (mask(text), mask_pieces([text[i : i + 16] for i in range(0, len(text), 16)])),
    "lines": lambda text: (clean(text, 200), clean_lines(text, 1_000), printable(text), printable(text, colours=True)),
    "screens": lambda text: (as_screen(text), newest_line([(text, "stdout")])),
    "names": lambda text: no_such("tool", text[:2_000], ["book_flight", "search"]),
    "errors of servers": lambda text: server_message({"message": text, "detail": [{"msg": text}]}),
    "arguments in a picture": lambda text: show_arguments(text, 200),
    "answers as JSON": lambda text: AnswerFormat(name="json").show(text),
    "answers as HTML": lambda text: AnswerFormat(name="html").show(text),
    "prompts": lambda text: replaced(text, lambda _: 1, place="the prompt"),
    "docstrings": documented,
    "lines of options": lambda text: replaced_line(text, lambda _: 1),
}
SLOW_READERS: Mapping[str, Callable[[str], object]] = {
    "Markdown": lambda text: (to_html(text), to_html(quoted(text))),
    "answers as code": lambda text: AnswerFormat(name="code", insert=lambda _: None).show(text),
    "prints": printed,
    "phrases": phrases,
    "plans": lambda text: (read_plan.__wrapped__(text), read_plan.__wrapped__(f"a = b(c={text})")),
    "replies": accumulated,
    "replies with more than text": read_as_reply,
}


def main(scale: int) -> None:
    """Read every text with every reader; the scale multiplies the characters and the deadline."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for readers, characters in ((READERS, CHARACTERS), (SLOW_READERS, FEW_CHARACTERS)):
        texts = [*hostile_texts(characters * scale)]
        for name, read in readers.items():
            for what, text in texts:
                print(f"{name}: {what}", flush=True)
                signal.setitimer(signal.ITIMER_PROF, DEADLINE_S * scale)
                # A text may be refused, and quickly.
                with contextlib.suppress(AsyncFCError, ValueError, SyntaxError, RecursionError):
                    read(text)
    print("all")


if __name__ == "__main__":
    main(int(sys.argv[1]))
