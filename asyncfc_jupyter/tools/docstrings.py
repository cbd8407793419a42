"""Divides a docstring: what it says about parameters belongs to them, and all else is the description.

griffe reads the styles of Google, NumPy and Sphinx. It knows which part is which, but leaves out lines that fit its style
nowhere, and a docstring may mix styles. A warning that follows the arguments is often the sentence that matters. So each style
is tried, the one that finds most parameters of the function is taken, and if a word of the docstring is then in none of the
parts, the whole docstring is the description.

Refused: docstring-parser, which drops a text after the arguments, and a parser of our own, which others keep better.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.foreign_code import ForeignCode

#: Characters of a docstring that are sent with each request: about 1,000 tokens. Docstrings of libraries have up to 30,000.
MOST_CHARACTERS = 4_000

_STYLES = ("google", "numpy", "sphinx")
#: Sections whose items are parameters, fields of a class among them.
_ABOUT = frozenset({"parameters", "other parameters", "attributes"})
#: Words of headings and fields, and those that say of a type only what the signature says, too.
_SAYS_NOTHING = frozenset(
    {
        *("args", "arguments", "arg", "argument", "params", "parameters", "param", "parameter", "other", "keyword"),
        *("key", "kwarg", "kwargs", "attributes", "attribute", "ivar", "cvar", "var", "type", "vartype"),
        *("raises", "raise"),
        *("except", "exception", "return", "returns", "rtype", "yields", "warns", "optional", "default"),
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
        docstring: Without the indentation of its place (`inspect.cleandoc`).
        known: The parameters by name, each with its part of the signature, such as ``limit: int = 3``. A type in the docstring
            that has no word beside those of the signature is left out.
    """
    whole = re.sub(r"\n{3,}", "\n\n", "\n".join(map(str.rstrip, docstring.split("\n")))).strip("\n")
    if "\n" not in whole:
        return Docstring(text=whole, about={})
    best = Docstring(text=whole, about={})
    for style in _STYLES:
        with ForeignCode():  # griffe compiles what stands where a type may, and raises for some texts
            read = _read(whole, style, known)
            best = read if len(read.about) > len(best.about) or style == _STYLES[0] else best
    spared = _SAYS_NOTHING.union(_words(" ".join([*known, *known.values()])))
    # Counted, since a sentence may have only words that stand elsewhere too.
    lost = (_words(whole) - _words("\n".join([best.text, *best.about.values()]))).keys() - spared
    return Docstring(text=whole if lost else best.text, about=best.about)


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


def _read(whole: str, style: str, known: Mapping[str, str]) -> Docstring:
    """Read a docstring in one style."""
    import griffe  # noqa: PLC0415 - takes 70 ms, and only docstrings of several lines need it

    text: list[str] = []
    about: dict[str, str] = {}
    # griffe removes the indentation of all lines but the first, as of a docstring in a file.
    for section in griffe.Docstring(f"\n{whole}", parser=style, parser_options={"warnings": False}).parse():  # type: ignore[arg-type]
        if section.kind.value not in _ABOUT:
            text.append(_written(section))
            continue
        others = []
        for item in section.value:
            names = [name.strip("`* ") for name in item.name.split(",")]
            if all(name in known for name in names):
                about |= {name: _about(item, known[name]) for name in names}
            else:
                others.append(item)
        if others:
            text.append(_listed("Args", others))
    return Docstring(text="\n\n".join(filter(None, text)), about={name: said for name, said in about.items() if said})


def _about(item: Any, signature: str) -> str:
    """Return what an item says of a parameter, with its type if that says more than the signature."""
    kind = str(item.annotation or "")
    said = str(item.description or "").strip()
    if not _words(kind).keys() - _words(signature).keys() - _SAYS_NOTHING:
        return said
    return f"{kind}: {said}" if said else kind


def _written(section: Any) -> str:
    """Return a section as text."""
    value, kind = section.value, section.kind.value
    if isinstance(value, str):
        return value
    if kind == "examples":
        return _under(section.title or "Examples", "\n\n".join(text for _, text in value))
    if isinstance(value, list):
        return _listed(section.title or kind.capitalize(), value)
    heading = str(getattr(value, "annotation", None) or getattr(value, "version", None) or kind)
    title = str(section.title or "")
    if not title.lower().startswith(heading.lower()):
        title = ": ".join(filter(None, [heading.capitalize(), title]))
    return _under(title, str(value.description))


def _listed(title: str, items: list[Any]) -> str:
    """Return items as text: of each its name, its type or both, and what is said of it."""
    lines = []
    for item in items:
        name, kind = str(getattr(item, "name", None) or ""), str(item.annotation or "")
        head = f"{name} ({kind})" if name and kind else name or kind
        lines.append(": ".join(filter(None, [head, str(item.description or "").strip()])))
    return _under(title, "\n".join(filter(None, lines)))


def _under(title: str, text: str) -> str:
    return f"{title}:\n{textwrap.indent(text.strip(), '    ')}"
