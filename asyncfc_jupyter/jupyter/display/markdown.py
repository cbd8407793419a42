"""The model's Markdown as HTML that cannot act.

A notebook trusts the outputs of the cells that its user has run, so a front end that renders Markdown itself would run the
scripts in it. A model's text is hostile: it may repeat what a tool read from anywhere. It is therefore rendered here,
with raw HTML as text, without links that run scripts, and without images, whose addresses could carry data away
without a click.

The parser takes a time that grows with the length of a text, and no faster, since its version 4.1. A hostile text may take ten
times as long as prose, on the kernel's event loop, so a very long one is shown as it was written.
"""

from __future__ import annotations

import functools
import html

from markdown_it import MarkdownIt

#: Brackets in a text that are searched for links: each may take a tenth of a millisecond, on the kernel's event loop.
_MOST_BRACKETS = 1_000
#: Characters that are rendered: 25,000 tokens or so. As many of a hostile text take a second, those of prose 0.03 s.
MOST_CHARACTERS = 100_000


def to_html(text: str) -> str:
    """Return Markdown as HTML with Markdown's own elements only; text above the limit as it was written, with a note."""
    if len(text) > MOST_CHARACTERS:
        note = f"This text has {len(text):,} characters, too many to be rendered, and is shown as it was written."
        return f'<p><em>{note}</em></p>\n<pre style="white-space:pre-wrap">{html.escape(text)}</pre>\n'
    rendered: str = _renderer(links=text.count("[") <= _MOST_BRACKETS).render(text)
    return rendered


@functools.cache
def _renderer(*, links: bool) -> MarkdownIt:
    # The preset is made for untrusted text: no raw HTML, checked links.
    return MarkdownIt("js-default").disable("image" if links else ["image", "link"])


def fences(text: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of Markdown, each with its language in small letters and its content."""
    # Without the content of paragraphs, whose parsing can take a time that grows faster than a hostile text.
    blocks = [token for token in MarkdownIt("commonmark").disable("inline").parse(text) if token.type == "fence"]
    return [((token.info.split() or [""])[0].lower(), token.content) for token in blocks]


def quoted(text: str) -> str:
    """Return Markdown as a block quotation."""
    return "\n".join(f"> {line}" for line in text.splitlines())
