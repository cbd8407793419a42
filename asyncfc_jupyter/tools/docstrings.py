r"""Divides a docstring: what it says about parameters belongs to them, and every other line is the description.

Docstrings are written in more forms than any list has, so a line is removed from the description only if it is understood: it
describes a parameter that the function has. All else stays as it is written: warnings, notes, examples, results, what
follows the arguments, a description of something that is no parameter, a form that is not known here.

A parameter is described by an item of a section, or by a field:

* **A section** has a heading: ``Args:`` (Google), an underlined ``Parameters`` (NumPy) or one of Markdown. Its items are
  ``name: text``, ``name (type): text``, ``name - text``, ``name : type`` above an indented text, or these in a list.
* **A field** is a line such as ``:param name: text`` (Sphinx), ``@param name: text`` (Epydoc), ``@param {type} name text``
  (JSDoc) or ``\param name text`` (Doxygen).

The lines of a heading's text, of a literal block and of a fence are not searched: they may hold examples of docstrings.

Refused: docstring-parser, and any library that returns the parts that it knows. It drops a text after the arguments, and every
style but the one of which it finds most.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: Characters of a docstring that are sent with each request: about 1,000 tokens. Docstrings of libraries have up to 30,000.
MOST_CHARACTERS = 4_000

_TITLE = re.compile(
    r"(?P<mark>#{1,6}\s+|\*\*|__)?"
    r"(?:(?:keyword|other|input)\s+)?(?:args?|arguments?|params?|parameters?|kwargs|attributes?|fields|inputs?)"
    r"\s*(?P<end>:?(?:\*\*|__)?:?)\s*",
    re.IGNORECASE,
)
_UNDERLINE = re.compile(r"\s*(?:-{3,}|={3,})\s*")
#: A line that begins another part of the docstring.
_HEADING = re.compile(r"\s*(?:#{1,6}\s.*|\*\*[^*]+\*\*:?|[A-Z][\w ]{0,40}:|\.\. \w.*)\s*")
_ITEM = re.compile(r"(?:[-*+•]\s+)?(?P<names>[`*]*\w+[`*]*(?:\s*,\s*[`*]*\w+[`*]*)*)\s*(?P<rest>.*)", re.DOTALL)
_SEPARATOR = re.compile(r"(?::|-{1,2}(?=\s)|[\u2013\u2014]|=>)\s*(?P<text>.*)", re.DOTALL)
#: An item of something that is no parameter of the function: a word, perhaps a type, and a colon or nothing.
_OTHER_ITEM = re.compile(r"(?:[-*+•]\s+)?[`*]*[\w.]+[`*]*\s*(?:[\[(].*[\])])?\s*(?::(?:\s.*)?)?")
#: ``:param float price: text``, where the name is the last word before the colon.
_SPHINX = re.compile(r"\s*:(?P<kind>\w+)\s+(?P<what>[^:]{1,200}):(?:\s+(?P<text>.*))?", re.DOTALL)
#: ``@param price: text``, ``@param {number} price - text``, ``\param[in] price text``.
_AT = re.compile(
    r"\s*[@\\](?P<kind>\w+)(?:\[\w+\])?\s+(?P<what>(?:\{[^}]{0,200}\}\s*)?[`*]*\w+[`*]*)\s*(?::|-(?=\s))?\s*(?P<text>.*)",
    re.DOTALL,
)
_FIELD_KINDS = frozenset(
    ("param", "parameter", "arg", "argument", "key", "keyword", "kwarg", "ivar", "cvar", "var", "attribute")
)
_TYPE_KINDS = frozenset(("type", "paramtype", "vartype", "kwtype"))
_ANY_FIELD = re.compile(r"\s*(?::[a-z]\w*[^:]{0,200}:(?:\s|$)|[@\\][a-z]+\b)")
_FENCE = re.compile(r"\s*(?:```|~~~)")
#: Words of types in docstrings: a type says no more than the annotation does if it has only these and those of the signature.
_TYPE_WORDS = frozenset(
    {
        *(
            "str",
            "string",
            "strings",
            "text",
            "int",
            "integer",
            "integers",
            "float",
            "floats",
            "number",
            "numbers",
            "bool",
        ),
        *(
            "boolean",
            "list",
            "lists",
            "dict",
            "dictionary",
            "mapping",
            "tuple",
            "set",
            "array",
            "array_like",
            "sequence",
        ),
        *(
            "iterable",
            "callable",
            "function",
            "object",
            "instance",
            "none",
            "null",
            "optional",
            "required",
            "or",
            "of",
            "and",
        ),
        *("a", "an", "the", "default", "defaults", "is", "to"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """A docstring in its parts."""

    #: All but what it says about parameters.
    text: str
    #: What it says about each parameter, for those about which it says something.
    about: Mapping[str, str]


def shortened(text: str) -> str:
    """Return a text of a docstring, cut at the end of a line or a word if it is very long."""
    if len(text) <= MOST_CHARACTERS:
        return text
    head = text[: MOST_CHARACTERS - 1]
    return re.sub(r"\S{0,100}\Z", "", head).rstrip() + "…"


def read_docstring(docstring: str, known: Mapping[str, str]) -> Docstring:
    """Divide a docstring.

    Args:
        docstring: As it is written, with its indentation.
        known: The parameters by name, each with its part of the signature, such as ``limit: int = 3``. A type in the docstring
            that has no word beside those of the signature is left out.
    """
    return _Reader(inspect.cleandoc(docstring).split("\n"), known).read()


@dataclass(slots=True)
class _Reader:
    lines: list[str]
    known: Mapping[str, str]
    #: The next line.
    at: int = 0
    kept: list[str] = field(default_factory=list)
    about: dict[str, list[str]] = field(default_factory=dict)
    #: Lines that are indented more than this are the text of a heading, or literal.
    below: int | None = None

    def read(self) -> Docstring:
        fenced = False
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if self.below is not None and line.strip() and _indent(line) <= self.below:
                self.below = None
            fenced ^= _FENCE.match(line) is not None
            if not fenced and self.below is None and line.strip():
                if self._takes_section() or self._takes_field():
                    continue
                if line.rstrip().endswith(":"):
                    self.below = _indent(line)
            self.kept.append(line)
            self.at += 1
        about = {name: _joined(parts) for name, parts in self.about.items()}
        return Docstring(text=_joined(self.kept), about={name: text for name, text in about.items() if text})

    def _takes_section(self) -> bool:
        """Read a section on parameters; without one that the function has, it is left as text."""
        title = self.lines[self.at]
        match = _TITLE.fullmatch(title.strip())
        start = self.at + 1
        underlined = start < len(self.lines) and _UNDERLINE.fullmatch(self.lines[start]) is not None
        start += underlined
        first = next((n for n in range(start, len(self.lines)) if self.lines[n].strip()), None)
        if match is None or not (underlined or match["mark"] or match["end"]) or first is None:
            return False
        level = _indent(self.lines[first])
        flat = level == _indent(title)
        # A paragraph that follows a heading is no section.
        if level < _indent(title) or (flat and not underlined and self._item(self.lines[first]) is None):
            return False
        items, others, end = self._items(first, level, flat=flat)
        if not items:
            return False
        if any(line.strip() for line in others):
            self.kept += [*self.lines[self.at : start], *others]
        self.kept.append("")
        self.at = end
        for names, beside, beneath in items:
            more = self._more(beside, names)
            # In NumPy's style a type stands beside the name, and the text beneath. Many mix the styles.
            is_type = underlined and any(line.strip() for line in beneath)
            says_nothing = not more and (underlined or " " not in beside)
            self._add(names, more if is_type or says_nothing else beside, beneath)
        return True

    def _items(
        self, first: int, level: int, *, flat: bool
    ) -> tuple[list[tuple[list[str], str, list[str]]], list[str], int]:
        """Read the items of a section.

        Args:
            first: The first line.
            level: Its indentation.
            flat: Whether the heading has the same, so that the text after the section has it too.

        Returns:
            The items on parameters that the function has: names, the text beside them, the lines beneath. Then all other lines
            of the section, and where it ends.
        """
        items: list[tuple[list[str], str, list[str]]] = []
        others: list[str] = []
        beneath = others
        at = first
        while at < len(self.lines):
            line = self.lines[at]
            after_blank = not self.lines[at - 1].strip()
            if line.strip() and _indent(line) < level:
                break
            found = self._item(line) if line.strip() and _indent(line) == level else None
            if found is not None:
                beneath = []
                items.append((*found, beneath))
            elif line.strip() and _indent(line) == level:
                if flat and self._ends(at, after_blank=after_blank):
                    break
                if after_blank or _OTHER_ITEM.fullmatch(line.strip()):
                    beneath = others
                beneath.append(line)
            else:
                beneath.append(line)
            at += 1
        return items, others, at

    def _ends(self, at: int, *, after_blank: bool) -> bool:
        """Return whether a line, indented as the heading is, stands after the section."""
        line, below = self.lines[at], self.lines[at + 1] if at + 1 < len(self.lines) else ""
        if _UNDERLINE.fullmatch(below) or _HEADING.fullmatch(line) or _ANY_FIELD.match(line):
            return True
        is_item = _OTHER_ITEM.fullmatch(line.strip()) and _indent(below) > _indent(line)
        return after_blank and not is_item

    def _item(self, line: str) -> tuple[list[str], str] | None:
        """Return the names of an item of parameters that the function has, with the text beside them."""
        match = _ITEM.fullmatch(line.strip())
        names = re.findall(r"\w+", match["names"]) if match else []
        if match is None or not all(name in self.known for name in names):
            return None
        rest, kind = match["rest"], ""
        if rest[:1] in {"(", "["}:
            close = _closing(rest)
            kind, rest = rest[1:close], rest[close + 1 :].lstrip()
        said = _SEPARATOR.fullmatch(rest)
        if rest and said is None:
            return None
        more = self._more(kind, names)
        text = said["text"] if said else ""
        return names, f"{more}: {text}" if more and text else more or text

    def _add(self, names: Iterable[str], text: str, beneath: Iterable[str]) -> None:
        lines = inspect.cleandoc("\n".join(("", *beneath))).split("\n")
        for name in names:
            self.about.setdefault(name, []).extend([text, *lines])

    def _takes_field(self) -> bool:
        line = self.lines[self.at]
        match = _SPHINX.fullmatch(line) or _AT.fullmatch(line)
        kind, what = (match["kind"], match["what"].strip()) if match else ("", "")
        name = re.split(r"[\s}]", what)[-1].strip("`*\\")
        if match is None or name not in self.known or kind not in _FIELD_KINDS | _TYPE_KINDS:
            return False
        text = match["text"] or ""
        self.at += 1
        beneath: list[str] = []
        while self.at < len(self.lines):
            each = self.lines[self.at]
            continues = self.lines[self.at - 1].strip() and not (_ANY_FIELD.match(each) or _HEADING.fullmatch(each))
            if each.strip() and _indent(each) <= _indent(line) and not (continues and _indent(each) == _indent(line)):
                break
            beneath.append(each)
            self.at += 1
        if kind in _TYPE_KINDS:
            text, beneath = self._more(" ".join((text, *map(str.strip, beneath))).strip(), [name]), []
        elif more := self._more(what[: -len(name)].strip("{} `*\\"), [name]):
            text = f"{more}: {text}" if text else more
        self._add([name], text, beneath)
        self.kept.append("")
        return True

    def _more(self, kind: str, names: list[str]) -> str:
        """Return what the docstring says of a type and the signature does not: ``{'C', 'F'}``, ``in euros``."""
        said = _TYPE_WORDS.union(*(re.findall(r"\w+", self.known[name].lower()) for name in names))
        parts, depth, start = [], 0, 0
        for at, each in enumerate(f"{kind},"):
            depth += (each in "([{") - (each in ")]}")
            if each == "," and (depth <= 0 or at == len(kind)):
                parts.append(kind[start:at].strip())
                start = at + 1
        return ", ".join(part for part in parts if set(re.findall(r"\w+", part.lower())) - said)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _closing(text: str) -> int:
    """Return where the bracket that begins a text is closed; its last character if that is nowhere."""
    depth = 0
    for at, each in enumerate(text):
        depth += (each in "([{") - (each in ")]}")
        if not depth:
            return at
    return len(text) - 1


def _joined(lines: list[str]) -> str:
    """Return lines as a text without blanks at their ends and with one blank line at most between paragraphs."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip("\n")
