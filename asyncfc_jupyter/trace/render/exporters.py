"""The formats in which a picture is saved. Another format is one file with its exporter, and one line in `FORMATS`.

An exporter is a function that takes a view, whose form ``trace/view/wire_format.py`` states, and returns the text or the bytes
of a file. Other packages add formats with entry points, whose names are suffixes without the dot::

    [project.entry-points."asyncfc_jupyter.exporters"]
    pdf = "some_package.pages:export"

No exporter is imported before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.plugins import Part, added_parts
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, View

Exporter = Callable[[View | ComparisonView], str | bytes]

#: The group of the entry points that add formats.
GROUP: Final = "asyncfc_jupyter.exporters"
#: The exporters of this package, by suffix.
FORMATS: Final = {
    "html": "asyncfc_jupyter.trace.render.html:render_html",
    "svg": "asyncfc_jupyter.trace.render.svg.document:render_svg",
    "txt": "asyncfc_jupyter.trace.render.text:render_text",
}


class UnknownFormat(UsageError):
    """The suffix of a file's name is not that of a format."""

    def __init__(self, path: Path, known: tuple[str, ...]) -> None:
        self.path, self.known = path, known
        super().__init__(f"no exporter is known for {path.name!r}; end the name in {', '.join(known)}.")


def suffixes() -> tuple[str, ...]:
    """Return the suffixes of every format, with their dots, in alphabetical order."""
    return tuple(sorted(f".{name}" for name in _exporters()))


def exporter(path: Path) -> Exporter:
    """Return the exporter for the suffix of a file's name, in upper or lower case.

    Raises:
        UnknownFormat: No format has this suffix.
        PartNotUsable: The exporter, or what it needs, cannot be imported.
    """
    suffix = path.suffix.lower()
    part = _exporters().get(suffix.removeprefix("."))
    if part is None:
        raise UnknownFormat(path, suffixes())
    found: Exporter = part.load(f"the exporter for {suffix}")
    return found


def _exporters() -> dict[str, Part]:
    # The package's own formats override those of others, so that no installed package changes what they write.
    added = {part.name.lower(): part for part in added_parts(GROUP)}
    return added | {name: Part(name=name, target=target) for name, target in FORMATS.items()}
