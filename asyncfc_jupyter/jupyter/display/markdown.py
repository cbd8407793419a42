"""The model's Markdown as HTML that cannot do anything.

A notebook trusts the outputs of the cells one has run, so a front end that renders Markdown itself would run the
scripts in it. A model's text is hostile: it may repeat what a tool read from anywhere. It is therefore rendered here,
with raw HTML as text, without links that run scripts, and without images, whose addresses could carry data away
unasked.
"""

from __future__ import annotations

import functools

from markdown_it import MarkdownIt

#: Brackets in a text that are looked into for links: each may take a tenth of a millisecond, on the loop of the kernel.
_MOST_BRACKETS = 1_000


@functools.cache
def _renderer(*, links: bool) -> MarkdownIt:
    # The preset is made for untrusted text: no raw HTML, checked links.
    return MarkdownIt("js-default").disable("image" if links else ["image", "link"])


@functools.cache
def _outline() -> MarkdownIt:
    # What stands within a paragraph takes time that grows faster than a hostile text.
    return MarkdownIt("commonmark").disable("inline")


def to_html(text: str) -> str:
    """Return Markdown as HTML in which only Markdown's own elements occur."""
    html: str = _renderer(links=text.count("[") <= _MOST_BRACKETS).render(text)
    return html


def fences(text: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of Markdown, each with its language in small letters and its content."""
    blocks = [token for token in _outline().parse(text) if token.type == "fence"]
    return [((token.info.split() or [""])[0].lower(), token.content) for token in blocks]


def quoted(text: str) -> str:
    """Return Markdown as a block quotation."""
    return "\n".join(f"> {line}" for line in text.splitlines())
