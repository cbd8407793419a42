"""Reasoning that stands between tags in the text of a reply, because the server does not part it.

A reply begins with the tag, or has no such reasoning: one that talks about a tag is text. What follows the tag is reasoning
up to the closing tag, or to the end of the reply. Blanks around it belong to neither, and another tag may follow.

Some templates open the tag in the prompt, so that the reply holds the closing tag alone. Until it comes, nothing distinguishes
the reasoning from an answer. So what came before is withdrawn (`Withdrawn`), once, and only for a closing tag that no opening
one came before, that stands alone on its line, and outside of code.

Only what may be a tag is held back, and each character is read once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from asyncfc_jupyter.models.base import ReasoningDelta, TextDelta
from asyncfc_jupyter.models.in_text.lines import Lines, Marks, short_pieces

#: From the templates and model cards of Qwen, DeepSeek, GLM, MiniMax (``think``), fine-tunes and prompts (``thinking``,
#: ``thought``, ``reasoning``, ``reason``), Seed-OSS, Magistral, Kimi-VL, Command A, gpt-oss (harmony), Gemma 4, Sky-T1.
TAGS = {
    **{f"<{name}>": f"</{name}>" for name in ("think", "thinking", "thought", "reasoning", "reason", "seed:think")},
    "<Thought>": "</Thought>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|channel|>analysis<|message|>": "<|end|>",
    "<|start|>assistant<|channel|>analysis<|message|>": "<|end|>",
    "<|channel>thought\n": "<channel|>",
}
#: What models write before the answer, around reasoning and nowhere else.
_HEADERS = (
    "<|channel|>final<|message|>",
    "<|start|>assistant<|channel|>final<|message|>",
    "<|START_RESPONSE|>",
    "<|begin_of_solution|>",
)
_OPENINGS = (*TAGS, *_HEADERS)
_BEGINNINGS = Marks(_OPENINGS).beginnings
_CLOSINGS = {closing: Marks([closing]) for closing in TAGS.values()}
#: Closing tags that may come without an opening one.
_ALONE = frozenset(closing for closing in TAGS.values() if closing.startswith(("</", "[/", "◁/")))
_MENTIONED = re.compile("|".join(re.escape(tag) for tag in (*_ALONE, *TAGS)))
_FIRSTS = re.compile("[<\\[◁]")
_MENTIONS = Marks((*_ALONE, *TAGS))


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """All text of the reply so far was reasoning."""


Parted = TextDelta | ReasoningDelta | Withdrawn


class ReasoningTags:
    """Parts the text of one reply into reasoning and text."""

    def __init__(self) -> None:
        #: The pieces that may begin with a tag, and their text without the blanks before it.
        self._pieces: list[str] = []
        self._start = ""
        #: The closing tag, in reasoning; None in text. What may be the beginning of a tag.
        self._closing: str | None = None
        self._held = ""
        self._begun = self._reasoned = False
        #: Whether a closing tag may still come alone.
        self._watches = True
        self._lines = Lines()

    def feed(self, text: str) -> Iterator[Parted]:
        """Take a piece of the reply's text and yield what is certain."""
        for piece in short_pieces(text):
            yield from self._feed(piece)

    def _feed(self, text: str) -> Iterator[Parted]:
        while text:
            if self._closing is not None:
                reasoning, text = self._reason(text, self._closing)
                if reasoning:
                    yield ReasoningDelta(text=reasoning)
            elif self._begun:
                yield from self._watch(text)
                return
            else:
                text = self._open(text)
                if self._begun:
                    pieces, self._pieces = self._pieces, []
                    for piece in pieces:
                        yield from self._watch(piece)

    def finish(self) -> Iterator[Parted]:
        """Yield what was held, at the end of the reply."""
        if self._closing is not None:
            if self._held:
                yield ReasoningDelta(text=self._held)
        elif self._begun:
            yield from self._watch("", ended=True)
        else:
            # Blanks after reasoning are not an answer. What looks like half a tag is text.
            pieces = self._pieces if self._start or not self._reasoned else []
            yield from (TextDelta(text=piece) for piece in pieces)
        self._held, self._pieces = "", []

    def _reason(self, text: str, closing: str) -> tuple[str, str]:
        """Return the reasoning in a piece, and what follows its closing tag."""
        text, self._held = self._held + text, ""
        end = text.find(closing)
        if end >= 0:
            self._closing, self._start = None, ""
            return text[:end], text[end + len(closing) :]
        at = _CLOSINGS[closing].held_from(text)
        self._held = text[at:]
        return text[:at], ""

    def _open(self, text: str) -> str:
        """Look for a tag at the beginning of the text; return what follows it, or nothing while that is not certain."""
        self._pieces.append(text)
        text = text if self._start else text.lstrip()
        self._start += text
        for opening in _OPENINGS:
            if self._start.startswith(opening):
                rest = self._start[len(opening) :]
                self._pieces, self._start = [], ""
                self._closing, self._reasoned, self._watches = TAGS.get(opening), True, False
                return rest
        if self._start and self._start not in _BEGINNINGS:
            self._begun = True
            if self._reasoned:
                self._pieces = [self._start]  # without the blanks that follow the closing tag
        return ""

    def _watch(self, text: str, *, ended: bool = False) -> Iterator[Parted]:
        """Yield a piece of text, and whether a closing tag on a line of its own shows that it was reasoning."""
        if not (self._watches and (self._held or _FIRSTS.search(text) or ended)):
            if self._watches:
                self._lines.feed(text)
            if text:
                yield TextDelta(text=self._held + text)
                self._held = ""
            return
        text, self._held = self._held + text, ""
        while self._watches and (found := _MENTIONED.search(text)):
            before, tag, after = text[: found.start()], found[0], text[found.end() :]
            self._lines.feed(before)
            alone = tag in _ALONE and self._lines.begins and not self._lines.fenced
            if alone and not after.strip(" ") and not ended:
                self._held = tag + after
                text = before
                break
            if alone and after.lstrip(" ")[:1] in {"", "\n"}:
                self._watches = False
                yield from (TextDelta(text=before),) if before else ()
                yield Withdrawn()
                self._begun, self._reasoned, self._start = False, True, ""
                yield from self._feed(after)
                return
            self._watches = tag in _ALONE or self._lines.quoted
            self._lines.feed(tag)
            yield TextDelta(text=before + tag)
            text = after
        else:
            if self._watches and not ended:
                at = _MENTIONS.held_from(text)
                self._lines.feed(text[:at])
                self._held, text = text[at:], text[:at]
        if text:
            yield TextDelta(text=text)
