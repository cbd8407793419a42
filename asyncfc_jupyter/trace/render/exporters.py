"""The formats in which a picture is saved. Another format is one file with its exporter, and one line in `FORMATS`.

An exporter is a function that takes a view, whose form ``trace/view/wire_format.py`` states, and returns the text or the bytes
of a file. Other packages add formats with entry points, whose names are suffixes without the dot::

    [project.entry-points."asyncfc_jupyter.exporters"]
    pdf = "some_package.pages:export"

No exporter is imported before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

from asyncfc_jupyter.errors import UsageError
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


class ExporterNotInstalled(UsageError):
    """An exporter cannot be imported, often because a package that it needs is missing."""

    def __init__(self, suffix: str, problem: str, remedy: str) -> None:
        self.suffix, self.problem, self.remedy = suffix, problem, remedy
        super().__init__(f"the exporter for {suffix} cannot be used: {problem}; {remedy}.")


def suffixes() -> tuple[str, ...]:
    """Return the suffixes of every format, with their dots, in alphabetical order."""
    return tuple(sorted(f".{name}" for name in _entry_points()))


def exporter(path: Path) -> Exporter:
    """Return the exporter for the suffix of a file's name, in upper or lower case.

    Raises:
        UnknownFormat: No format has this suffix.
        ExporterNotInstalled: The exporter, or what it needs, cannot be imported.
    """
    suffix = path.suffix.lower()
    point = _entry_points().get(suffix.removeprefix("."))
    if point is None:
        raise UnknownFormat(path, suffixes())
    try:
        found: Exporter = point.load()
    except ModuleNotFoundError as error:
        package = (error.name or point.module).partition(".")[0]
        extra = f"{point.dist.name}[{','.join(point.extras)}]" if point.dist and point.extras else package
        problem = f"the package {package!r} is not installed"
        raise ExporterNotInstalled(suffix, problem, f"run pip install '{extra}'") from error
    except (ImportError, AttributeError) as error:
        problem = f"{point.value} cannot be imported ({error})"
        raise ExporterNotInstalled(suffix, problem, "update the package that it belongs to") from error
    return found


def _entry_points() -> dict[str, EntryPoint]:
    # The package's own formats override those of others, so that no installed package changes what they write.
    added = {point.name.lower(): point for point in entry_points(group=GROUP)}
    return added | {name: EntryPoint(name, target, GROUP) for name, target in FORMATS.items()}
