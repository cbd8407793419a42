"""Texts that cost a careless reader the square of their length, and more: a model, a tool or a server may write any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

#: Repeated, each of these begins something again and again that never ends, or that ends where a search does not expect it.
_REPEATED = (
    *(
        "<a ",
        "<a",
        "<",
        "</a",
        "<a href='",
        "<b>",
        "<i><p>",
        "<!--",
        "<![CDATA[",
        "<?",
        "&",
        "&#",
        "&amp",
        "\xa0",
        "--!>",
    ),
    *(
        "*",
        "**",
        "*_",
        "*a_ ",
        "**a *b ",
        "_a",
        "~~a",
        "`",
        "`a",
        "``` ",
        "[",
        "[]",
        "[a](",
        "[a](b",
        "[a]: b\n",
        "[a]:\n",
    ),
    *(
        "![](",
        "![",
        "](",
        "(",
        "{",
        "{{",
        "{a:",
        "{a!",
        "}",
        "|",
        "|a|b|\n",
        "a|b\n-|-\n",
        "> ",
        ">\n",
        "- ",
        "1. a\n",
        "#",
        "\\",
    ),
    *("\n", " ", "\t", " \n", "a\n", "a", "ab ", "http://a ", "a@b.c ", "www.", "'", '"', "\r", "\r\n", "a\r"),
    *(
        "\x1b",
        "\x1b[",
        "\x1b[3",
        "\x1b[31m",
        "\x1b]0;",
        "\x1b]0;a\x1b",
        "\x1bP",
        "\x9b",
        "\x9d",
        "\x1b ",
        "\x00",
        "\x08",
        "\x85",
    ),
    *("\u202e", "\u200b", "\u200d", "a\u0301", "\u05d0", "\u2028", "\ud800", "\ud83d", "\U0001f469\u200d"),
    *(
        "$",
        "$$",
        "$f1",
        "$f1.a",
        "$f1[0]",
        "$f1['",
        "f1 ",
        "(f1",
        "${",
        "<order_id",
        "result of ",
        "pending ",
        "$text:",
    ),
    *(
        "1",
        "9",
        "-1",
        "0x",
        "f",
        "deadbeef",
        "sk-",
        "-sk-",
        "sk-aaaaaaaaaaaaaaaaa ",
        "Bearer ",
        "***",
        " at 0x",
        "QUJD",
        "://a:b@",
    ),
    *(
        '{"a":',
        '[{"a":',
        '"a",',
        '"\\"',
        '"\\u',
        "[]",
        "{}",
        '{"a":1}',
        "1,",
        "NaN",
        "'future': '",
        "../",
        "a/",
        "a.b",
        "lambda:",
        "Args:\n",
        ":param euros ",
        "euros, ",
    ),
)
#: What begins, ends or may be a mark in a reply that holds more than text.
_MARKS = (
    "<think>",
    "</think>",
    "\n</think>",
    "\n</think>\n",
    "</",
    "<tool_call>",
    "<tool_call>{",
    "</tool_call>",
    "[TOOL_CALLS]",
    "<function=pay>",
    "<parameter=a>",
    "</parameter>",
    "<|",
    "<tool",
    "functions.",
    "pay(",
    "pay ",
    '{"name": "pay"',
    "```json\n",
    "```\n",
    '<|"|>',
    "<tool_call>pay",
    "<tool_call>pay ",
    "[pay(",
    "<invoke name=",
)
#: What stands before the repetition, the repetition, and what stands after it.
_ENCLOSED = (
    ("\x1b]0;", "a", ""), ("\x1b[", "1;", ""), ("[a](b '", "a", ""), ("```\n", "a\n", ""), ("a|b\n-|-\n", "a|", ""),
    ('$f1["', '\\"', ""), ('$f1["', "a", '"]'), ("$f", "1", ""), ("$f1[", "1", "]"), ("$f1", ".a", "!"), ("f1", " ", "()x"),
    ("<", "a ", ">"), ("", "(", "pending"), ("", " ", "f1"), ("sk-", "a", ""), ('{"a": "', "\\n", '"}'),
    ('{"a":[', "1,", "1]}"),
    ("<a ", "b='c' ", ">"), ("<!--", "-", ">"), ("&", "a", ";"), ("{status", "'future': 'f", "}"), ("", "a\n", "==="),
    ("a(b=", "[", ")"), ("", "\r 10%|#  | 1/10", "\n"), ("", "a", "\n\n"), ("{x:", "!", "}"), ("", "{x", "}"),
)  # fmt: skip
_PAIRED = (
    ("[", "]"),
    ("(", ")"),
    ('{"a":', "}"),
    ("<b>", "</b>"),
    ("*", "*"),
    ("`", "`"),
    ("[", "](b)"),
    ("**a ", "b** "),
    ("*", "_"),
)


def hostile_texts(characters: int) -> Iterator[tuple[str, str]]:
    """Yield texts of about so many characters, each with a name."""

    def repeated(piece: str, length: int) -> str:
        return piece * (length // len(piece))

    for piece in (*_REPEATED, *_MARKS):
        yield repr(piece), repeated(piece, characters)
    for before, piece, after in _ENCLOSED:
        yield f"{before!r} {piece!r} {after!r}", before + repeated(piece, characters) + after
    for opening, closing in _PAIRED:
        yield f"{opening!r} {closing!r}", repeated(opening, characters // 2) + repeated(closing, characters // 2)
    made: tuple[tuple[str, Callable[[int], str]], ...] = (
        ("other attributes", lambda number: f" a{number}"),
        ("other definitions", lambda number: f"[a{number}]: b\n"),
        ("other links", lambda number: f"[a{number}] "),
        ("longer rows of backticks", lambda number: "`" * (number % 400) + " "),
        ("deeper quotations", lambda number: ">" * (number % 400) + "a\n"),
        ("deeper lists", lambda number: "  " * (number % 200) + "- a\n"),
    )
    for name, piece_of in made:
        text = "<a" if name == "other attributes" else ""
        pieces = (piece_of(number) for number in range(characters))
        while len(text) < characters:
            text += "".join(next(pieces) for _ in range(100))
        yield name, text
