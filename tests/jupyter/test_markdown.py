"""The model's Markdown is shown, and nothing in it can act."""

from __future__ import annotations

import pytest

from asyncfc_jupyter.jupyter.display.markdown import MOST_CHARACTERS, quoted, to_html
from tests.jupyter.html_elements import Elements


def test_markdown_is_rendered() -> None:
    html = to_html("**a** `b<c`\n\n| x |\n|---|\n| 1 |\n\n```python\nif a < b: pass\n```")
    tags = {tag for tag, _ in Elements(html).found}
    assert {"strong", "code", "table", "td", "pre"} <= tags
    assert "b&lt;c" in html
    assert "if a &lt; b: pass" in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a <b onmouseover=alert(1)>b</b>",
        "<iframe srcdoc='<script>1</script>'></iframe>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,AAAA)",
        "[x](vbscript:x)",
        "<javascript:alert(1)>",
        "![x](https://example.com/?secret=1)",
        "[![x](https://example.com/a.png)](javascript:alert(1))",
        '[x](https://example.com "a\\" onclick=\\"alert(1)")',
        '```x onload=alert(1)"><script>\n```',
        "<!-- --><script>1</script>",
        "&lt;script&gt;",
    ],
)
def test_nothing_hostile_becomes_an_element_or_attribute_that_acts(hostile: str) -> None:
    for tag, attributes in Elements(to_html(hostile)).found:
        assert tag in {"p", "a", "pre", "code"}
        assert attributes.keys() <= {"href", "title", "class"}
        assert (attributes.get("href") or "https:").startswith("https:")


def test_a_quotation_holds_every_line() -> None:
    assert quoted("a\n\nb") == "> a\n> \n> b"
    assert to_html(quoted("a\n\nb")).count("<p>") == 2


def test_links_are_not_searched_for_among_thousands_of_brackets() -> None:
    """Such a search would block the kernel."""
    link = "[there](https://example.org) **b**"
    assert '<a href="https://example.org">there</a>' in to_html(link + "[" * 900)
    html = to_html(link + "[" * 10_000)
    assert "<a" not in html
    assert "[there](https://example.org) <strong>b</strong>" in html
    assert html.count("[") == 10_001


def test_a_very_long_text_is_shown_as_it_was_written_and_says_so() -> None:
    text = "**a** <b>\n" * (MOST_CHARACTERS // 10)
    assert to_html(text).count("<strong>") == MOST_CHARACTERS // 10
    html = to_html(text + "!")
    assert html.startswith(
        "<p><em>This text has 100,001 characters, too many to be rendered, and is shown as it was written."
    )
    assert html.count("**a** &lt;b&gt;\n") == MOST_CHARACTERS // 10
    assert {tag for tag, _ in Elements(html).found} == {"p", "em", "pre"}
