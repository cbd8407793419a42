"""Calls that a model writes in its text, as its template shows them, because the server does not parse them.

Theory of operation
-------------------
A format is an *opening*, such as ``<tool_call>``, a *head*, which may name the tool, and an *element*: the call itself, in one
of three forms (`elements`). Models mix these, so whatever the opening, each form is understood after it. Closing tags, commas
and blanks after an element belong to it; another element may follow.

* Only a call of an offered tool is one. Anything else is text, as the model wrote it.
* An opening in a code block or between backticks is talked about, and stays text.
* JSON or Python without an opening is a call only where the reply begins with it. In a code block it is one only if the block
  holds nothing else and nothing but such blocks follows, so it is held until the reply ends.
* A call of an offered tool that cannot be read is passed on as it is written; the accumulator finds out what is wrong.

Text that can be no call passes at once. A head that is held is short, and an element is scanned once, so the time grows with
the text alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from asyncfc_jupyter.models.base import CallDelta, TextDelta
from asyncfc_jupyter.models.in_text.elements import (
    Element,
    GemmaElement,
    JsonElement,
    PythonElement,
    WrittenCall,
    XmlElement,
)
from asyncfc_jupyter.models.in_text.lines import BAR, DSML, Lines, Marks, short_pieces

#: JSON or Python without an opening, and a code block, as the opening of a format.
BARE, FENCE = "JSON", "```"
#: The openings of all formats. Which models have them, `formats` says.
OPENINGS = (
    "<tool_call>", "<tool_calls>", "<|tool_call|>", "<|tool_call>", "<|tool_call_start|>", "<|tool_call_begin|>",
    "<|tool_calls_section_begin|>", "<seed:tool_call>", "<minimax:tool_call>", "<function_calls>",
    f"<{DSML}function_calls>", f"<{DSML}tool_calls>", "<TOOLCALL>",
    "[TOOL_CALLS]", "[TOOL_REQUEST]", "<|python_tag|>", "<|action_start|>", "<|START_ACTION|>",
    "<|channel|>commentary to=", "<|start|>assistant to=",
    "<|start|>assistant<|channel|>commentary to=",
    *(f"<{bar}tool▁{word}▁begin{bar}>" for bar in (BAR, "|") for word in ("calls", "call")),
)  # fmt: skip
#: Those that are the first tag of an element.
_TAGS = ("<function=", "<invoke name=", f"<{DSML}invoke name=")
_OPENING = re.compile("|".join(re.escape(each) for each in (*OPENINGS, *_TAGS, FENCE)))
_MARKS = Marks((*OPENINGS, *_TAGS))
#: Openings after which a call may be Python.
_PYTHON = frozenset({BARE, "<|tool_call_start|>", "<|python_tag|>"})
#: That of Gemma 4, which has a notation of its own.
_GEMMA = "<|tool_call>"
#: What a code block with a call is said to hold, and the one of them that may hold Python.
_INFO = frozenset({"", "json", "tool_call", "tool_calls", "tool_code"})
_PYTHON_INFO = "tool_code"
#: How a call without an opening begins, without blanks, up to the name of its tool.
_OBJECTS = tuple(
    f'{before}"{key}":"'
    for before in ("{", '{"type":"function",', '{"type":"function","function":{', '{"function":{')
    for key in ("name", "tool_name", "function", "tool")
)
_JSON_STARTS = tuple(f"{before}{each}" for each in _OBJECTS for before in ("", "[", "functools["))
_BARE_STARTS = (*_JSON_STARTS, "[")
_BLOCK_STARTS = (*_JSON_STARTS, *(f"{a}{b}" for a in ("", "[", "print(") for b in ("", "default_api.")))
#: The longest head besides the name of a tool, in characters.
_LONGEST_HEAD = 200
#: Where a head ends and an element begins.
_ELEMENT = (
    r"(?P<json>\{)|"
    rf"<(?:function=|(?:{DSML})?invoke name=)[\"']?(?P<xml>[^<>\"']+)[\"']?[^<>]*>|(?P<glm><arg_key>)"
    r"|(?P<empty></tool_call>)"
)
_DECISIVE = re.compile(_ELEMENT)
_DECISIVE_OR_PYTHON = re.compile(rf"{_ELEMENT}|(?:print\()?(?:\w+\.)*(?P<python>\w+)\(")
#: Marks in a head, and the end of one that the next piece may continue.
_MARKUP = re.compile(r"<[^<>]*>|\[(?:ARGS|CALL_ID|TOOL_CALLS)\]|```(?:json)?")
_CONTINUED = re.compile(r"(?:<[^<>]*|\[[A-Z_]*|`+[a-z]*|[^\s\[\],:;=<>`]+)\Z")
#: Words of a head that name no tool, and what may stand before a name.
_NOISE = ("functools", "function", "call", "to", "json", "code", "assistant", "commentary")
_PREFIXES = ("functions.", "default_api.", "print(default_api.", "print(")
#: The longest first line of a code block that may hold a call, in characters.
_LONGEST_LINE = 40
#: What may stand between two elements, after them, and what closes them.
_SEPARATOR = re.compile(r"[\s,;\]]+")
_CLOSED_BLANKS = re.compile(r"\s+")
_CLOSINGS = (
    *(f"</{name}>" for name in ("tool_call", "tool_calls", "function", "function_calls", "TOOLCALL", "seed:tool_call")),
    *(f"</{name}>" for name in ("minimax:tool_call", f"{DSML}function_calls", f"{DSML}tool_calls")),
    *(f"<{bar}tool▁{word}▁end{bar}>" for bar in (BAR, "|") for word in ("calls", "call")),
    *(f"<|{name}|>" for name in ("tool_call_end", "tool_calls_section_end", "action_end", "END_ACTION", "/tool_call")),
    *(f"<|{name}|>" for name in ("call", "eom_id", "eot_id", "im_end")),
    "<tool_call|>", "[END_TOOL_REQUEST]",
)  # fmt: skip
_CLOSING = re.compile("|".join(re.escape(each) for each in _CLOSINGS))
_CLOSING_BEGINNINGS = Marks((*_CLOSINGS, FENCE)).beginnings | {""}

Read = TextDelta | CallDelta


class Offered:
    """The tools whose calls are read.

    Args:
        definitions: The tools of the request, in the form of the Chat Completions API.
    """

    def __init__(self, definitions: Iterable[Mapping[str, Any]]) -> None:
        functions = [definition["function"] for definition in definitions]
        #: The parameters of each tool, as a JSON schema.
        self.tools: Mapping[str, Mapping[str, Any]] = {each["name"]: each.get("parameters") or {} for each in functions}
        self._names = sorted(self.tools)
        self.longest_head = _LONGEST_HEAD + max(map(len, self._names), default=0)

    def may_name(self, word: str) -> bool:
        """Return whether a tool's name begins so."""
        at = bisect_left(self._names, word)
        return at < len(self._names) and self._names[at].startswith(word)

    def begins(self, text: str, starts: Sequence[str]) -> bool | None:
        """Return whether a text begins with one of these and an offered tool; None while more of it could show that."""
        begun = "".join(text[: self.longest_head].split())
        maybe = False
        for start in starts:
            if start.startswith(begun):
                maybe = True
            elif begun.startswith(start):
                end = '"' if start.endswith('"') else "("
                name, found, _ = begun[len(start) :].partition(end)
                if found and name in self.tools:
                    return True
                maybe = maybe or (not found and self.may_name(name))
        return None if maybe else False

    def named(self, head: str, *, whole: bool) -> str | None:
        """Return the tool that a head names, empty if it names none so far; None if this is not the head of a call.

        Args:
            head: What stands between an opening and its element.
            whole: Whether the element follows, so that the head cannot continue.
        """
        head, continued = _MARKUP.sub(" ", head), ""
        if not whole and (found := _CONTINUED.search(head)):
            head, continued = head[: found.start()], found[0]
        words = [each for each in re.split(r"[\s\[\],:;=`]+", head) if each and each not in _NOISE]
        if words:
            name = words[0].removeprefix("functions.")
            return name if name in self.tools else None
        bare = next((continued.removeprefix(each) for each in _PREFIXES if continued.startswith(each)), continued)
        mark = bare[:1] in {"", "<", "[", "`"}
        return (
            "" if mark or self.may_name(bare) or any(each.startswith(bare) for each in (*_NOISE, *_PREFIXES)) else None
        )


class TextCalls:
    """Reads the calls in the text of one reply.

    Args:
        offered: The tools whose calls are read.
        earlier: How many calls of the reply were read before this text.
    """

    def __init__(self, offered: Offered, *, earlier: int = 0) -> None:
        self._offered = offered
        self._buffer, self._ended = "", False
        #: What was taken from the buffer and is text if it is no call.
        self._raw: list[str] = []
        self._out: list[Read] = []
        #: Whether the reply has begun, with a text or a call.
        self._begun = False
        #: How many calls were read.
        self.count = earlier
        self._lines = Lines()
        #: How the last call was written: its opening, and the form of its element.
        self.opening = self.form = ""
        self._reading = self._read()

    def feed(self, text: str) -> Sequence[Read]:
        """Take a piece of the reply's text and return what is certain."""
        for piece in short_pieces(text):
            self._buffer += piece
            next(self._reading, None)
        out, self._out = self._out, []
        return out

    def finish(self) -> Sequence[Read]:
        """Return what was held, at the end of the reply."""
        self._ended = True
        return self.feed("")

    @property
    def held(self) -> str:
        """What is neither text nor a call yet."""
        return "".join((*self._raw, self._buffer))

    @property
    def begun(self) -> str | None:
        """The tool of a call that is half written, empty while it is not named; None if no call is."""
        if not self._raw:
            return None
        found = re.search(rf"\b(?:{'|'.join(map(re.escape, self._offered.tools))})\b", self.held)
        return found[0] if found else ""

    def _read(self) -> Generator[None]:
        while (opening := (yield from self._find())) is not None:
            if opening == FENCE:
                yield from self._block()
            else:
                yield from self._section(opening)

    def _find(self) -> Generator[None, None, str | None]:
        """Pass text on up to the next opening, and return that; None at the end of the reply."""
        while True:
            bare = False if self._begun else self._offered.begins(self._buffer, _BARE_STARTS)
            if bare:
                self._say(len(self._buffer) - len(self._buffer.lstrip()))
                return BARE
            if bare is None and not self._ended:
                if not self._buffer.strip():
                    self._say(len(self._buffer))
            elif found := _OPENING.search(self._buffer):
                opening = found[0]
                self._say(found.start())
                if not (self._lines.quoted or (opening == FENCE and not self._lines.begins)):
                    return opening
                self._say(len(opening))
                continue
            elif self._ended:
                self._say(len(self._buffer))
                return None
            else:
                # Two backticks may be the beginning of a fence.
                ticks = len(self._buffer) - len(self._buffer.rstrip("`"))
                self._say(min(_MARKS.held_from(self._buffer), len(self._buffer) - ticks))
                if self._lines.quoted or (self._buffer[:1] == "`" and not self._lines.begins):
                    self._say(len(self._buffer))
            yield

    def _section(self, opening: str) -> Generator[None]:
        """Read the calls after an opening, which is text without one."""
        python = opening in _PYTHON
        self._take(len(opening) if opening in OPENINGS else 0)
        while (call := (yield from self._element(opening, python=python))) is not None:
            self._emit(call)
            self._raw = []
            continues = yield from self._continues()
            self._raw = []  # of closing tags and blanks
            if not continues:
                return
        if self._raw:
            self._flush()
        else:
            self._say(1)

    def _block(self) -> Generator[None]:
        """Read code blocks that hold calls and nothing else, up to the end of the reply; others are text."""
        calls: list[WrittenCall] = []
        while (opening := (yield from self._block_opening())) is not None:
            python, more = opening == FENCE + _PYTHON_INFO, True
            while more and (call := (yield from self._element(opening, python=python))) is not None:
                calls.append(call)
                more = yield from self._continues()
            if more or not (yield from self._block_ends()):
                break
            if not self._buffer:
                self._raw = []
                for call in calls:
                    self._emit(call)
                return
        if self._raw:
            self._flush()
        else:
            self._say(len(FENCE))

    def _block_opening(self) -> Generator[None, None, str | None]:
        """Take the first line of a block that begins with a call, and return it; None if no call is there."""
        while "\n" not in self._buffer and len(self._buffer) < _LONGEST_LINE and not self._ended:
            yield
        line, newline, _ = self._buffer.partition("\n")
        opening = FENCE + line.removeprefix(FENCE).strip()
        if not (newline and line.startswith(FENCE) and opening.removeprefix(FENCE) in _INFO):
            return None
        starts = _BLOCK_STARTS if opening == FENCE + _PYTHON_INFO else _JSON_STARTS
        while (begins := self._offered.begins(self._buffer[len(line) + 1 :], starts)) is None:
            if self._ended or len(self._buffer) > self._offered.longest_head:
                return None
            yield
        if begins:
            self._take(len(line) + 1)
        return opening if begins else None

    def _block_ends(self) -> Generator[None, None, bool]:
        """Take the end of a block; return whether the reply ends there, or another block may follow."""
        if not (self._buffer.startswith(FENCE) or (self._ended and not self._buffer)):
            return False
        self._take(len(FENCE))
        while not self._buffer.strip() and not self._ended:
            yield
        self._take(len(self._buffer) - len(self._buffer.lstrip()))
        while self._buffer in {"`", "``"} and not self._ended:
            yield
        return not self._buffer or self._buffer.startswith(FENCE)

    def _element(self, opening: str, *, python: bool) -> Generator[None, None, WrittenCall | None]:
        """Take a head and the element after it; return the call; None if no call is there."""
        found, name = yield from self._head(python=python)
        if found is None:
            return None
        form = str(found.lastgroup)
        self._take(found.start() if form == "json" else found.end())
        while form == "xml" and not (self._buffer.strip() or self._ended):
            yield
        if form == "empty":
            return WrittenCall(name, "{}")
        element: Element
        if form == "python":
            element = PythonElement(name, found[0])
        elif opening == _GEMMA and name:
            element = GemmaElement(name)
        elif form == "json" or self._buffer.lstrip().startswith("{"):  # in ``<function=name>``, too
            element = JsonElement(name, strict=opening == BARE or opening.startswith(FENCE))
        else:
            element = XmlElement(name)
            element.feed(found[0] if form == "glm" else "")
        self.opening = opening
        while True:
            rest = element.feed(self._buffer)
            self._take(len(self._buffer) - len(rest))
            if element.closed or self._ended:
                return element.call(self._offered.tools)
            yield

    def _head(self, *, python: bool) -> Generator[None, None, tuple[re.Match[str] | None, str]]:
        """Return where an element begins in the buffer, and which tool is named before it; None if none begins."""
        decisive = _DECISIVE_OR_PYTHON if python else _DECISIVE
        longest = self._offered.longest_head
        while True:
            found = decisive.search(self._buffer[:longest])
            head = self._buffer[: found.start() if found else longest]
            name = self._offered.named(head, whole=found is not None or self._ended)
            if name is None:
                return None, ""
            if found is not None:
                break
            if self._ended or len(self._buffer) >= longest:
                return None, ""
            yield
        form = str(found.lastgroup)
        self.form = "json in a block" if FENCE in head else form
        name = found[form].strip() if form in {"xml", "python"} else name
        fits = name in self._offered.tools or (form == "json" and not name)
        return (found, name) if fits else (None, "")

    def _continues(self) -> Generator[None, None, bool]:
        """Take what separates or closes elements; return whether another element follows."""
        closed, fenced = False, self.form == "json in a block"
        while True:
            if blanks := (_CLOSED_BLANKS if closed else _SEPARATOR).match(self._buffer):
                self._take(blanks.end())
            elif closing := _CLOSING.match(self._buffer):
                self._take(closing.end())
                closed = True
            elif fenced and self._buffer.startswith(FENCE):
                self._take(len(FENCE))
                fenced = False
            else:
                first = self._buffer[:1]
                if self._ended or self._buffer not in _CLOSING_BEGINNINGS:
                    return not closed and (first == "{" or (self.form == "python" and first.isidentifier()))
                yield

    def _take(self, length: int) -> None:
        if length:
            self._raw.append(self._buffer[:length])
            self._buffer = self._buffer[length:]

    def _say(self, length: int) -> None:
        """Pass the beginning of the buffer on as text."""
        text, self._buffer = self._buffer[:length], self._buffer[length:]
        if text:
            self._lines.feed(text)
            self._begun = self._begun or bool(text.strip())
            self._out.append(TextDelta(text=text))

    def _flush(self) -> None:
        """Pass what was taken on as text."""
        self._buffer = (text := "".join(self._raw)) + self._buffer
        self._raw = []
        self._say(len(text))

    def _emit(self, call: WrittenCall) -> None:
        self._begun = True
        self.count += 1
        # No server's call has a negative index.
        self._out.append(CallDelta(index=-self.count, name=call.name, arguments=call.arguments, whole=True))


def calls_at_end(text: str, offered: Offered) -> tuple[Sequence[str], str, str]:
    """Return the names of the tools whose calls end a text, and the opening and the form of the last one."""
    reader = TextCalls(offered)
    names: list[str] = []
    for read in (*reader.feed(text), *reader.finish()):
        if isinstance(read, CallDelta) and read.name:
            names.append(read.name)
        elif isinstance(read, TextDelta) and read.text.strip():
            names = []
    return tuple(names), reader.opening, reader.form
