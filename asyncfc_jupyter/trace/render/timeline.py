"""The picture of a run, in every form: text, SVG, a standalone page; and, where a notebook knows how, interactive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.trace.render.html import render_html, static_bundle
from asyncfc_jupyter.trace.render.svg.timeline import render_svg
from asyncfc_jupyter.trace.render.text import render_text
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import timeline_view
from asyncfc_jupyter.trace.view.wire_format import View


class Saved:
    """A picture that can be written to a file in every form that it has."""

    def text(self, *, width: int = 100) -> str:
        """Return it as plain text, ``width`` characters wide."""
        raise NotImplementedError

    def svg(self) -> str:
        """Return it as one SVG document."""
        raise NotImplementedError

    def html(self) -> str:
        """Return it as one standalone page that needs no network."""
        raise NotImplementedError

    def save(self, path: str | Path) -> Path:
        """Write it to a file: ``.html``, ``.svg`` or ``.txt``, as the name ends.

        Raises:
            UsageError: The name ends otherwise.
        """
        path = Path(path)
        writers = {".html": self.html, ".svg": self.svg, ".txt": self.text}
        writer = writers.get(path.suffix.lower())
        if writer is None:
            raise UsageError(f"cannot tell the form of {path.name!r}; end the name in {', '.join(writers)}.")
        path.write_text(writer(), encoding="utf-8")
        return path


class Timeline(Saved):
    """The timeline of one trace. Recorded once, rendered many ways."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def view(self) -> View:
        """Return the data of the picture: times in seconds since the run started."""
        return timeline_view(self.trace)

    def text(self, *, width: int = 100) -> str:
        """Return it as plain text, ``width`` characters wide."""
        return render_text(self.view(), width=width)

    def svg(self) -> str:
        """Return it as one SVG document."""
        return render_svg(self.view())

    def html(self) -> str:
        """Return it as one standalone page that needs no network."""
        return render_html(self.view())

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_kwargs: Any) -> dict[str, str]:
        return static_bundle(self.view())
