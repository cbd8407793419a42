"""The model's Markdown as HTML that cannot do anything.

A notebook trusts the outputs of the cells one has run, so a front end that renders Markdown itself would run the
scripts in it. A model's text is hostile: it may repeat what a tool read from anywhere. It is therefore rendered here,
with raw HTML as text, without links that run scripts, and without images, whose addresses could carry data away
unasked.
"""

from __future__ import annotations

import functools

from markdown_it import MarkdownIt


@functools.cache
def _renderer() -> MarkdownIt:
    # The preset is made for untrusted text: no raw HTML, checked links.
    return MarkdownIt("js-default").disable("image")


def to_html(text: str) -> str:
    """Return Markdown as HTML in which only Markdown's own elements occur."""
    html: str = _renderer().render(text)
    return html


def quoted(text: str) -> str:
    """Return Markdown as a block quotation."""
    return "\n".join(f"> {line}" for line in text.splitlines())
