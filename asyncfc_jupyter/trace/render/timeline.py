"""The picture of a run, in every form: text, SVG, a page, files; and, where a notebook knows how, interactive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from asyncfc_jupyter.trace.render.exporters import exporter
from asyncfc_jupyter.trace.render.html import render_html, static_bundle
from asyncfc_jupyter.trace.render.svg.document import render_svg
from asyncfc_jupyter.trace.render.text import render_text
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import timeline_view
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, View


class Drawing(ABC):
    """A picture of traces, recorded once and rendered many ways."""

    @abstractmethod
    def view(self) -> View | ComparisonView:
        """Return the data of the picture: times in seconds since each run started."""

    def text(self, *, width: int = 100) -> str:
        """Return it as plain text, ``width`` characters wide."""
        return render_text(self.view(), width=width)

    def svg(self) -> str:
        """Return it as one SVG document."""
        return render_svg(self.view())

    def html(self) -> str:
        """Return it as one standalone page that needs no network."""
        return render_html(self.view())

    def save(self, path: str | Path) -> Path:
        """Write it to a file in the format that its name ends in: ``.html``, ``.svg``, ``.txt`` or an installed one.

        Raises:
            UnknownFormat: No format has this suffix.
            PartNotUsable: The exporter cannot be imported, often because it needs a package that is not installed.
            OSError: The file cannot be written.
        """
        path = Path(path)
        content = exporter(path)(self.view())
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")
        return path

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_kwargs: Any) -> dict[str, str]:
        return static_bundle(self.view())


class Timeline(Drawing):
    """The timeline of one trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def view(self) -> View:
        """Return the data of the picture: times in seconds since the run started."""
        return timeline_view(self.trace)
