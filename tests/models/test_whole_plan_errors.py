"""Every error of the plan parser and of the check after it, whole and with its line, compared with a file."""

from __future__ import annotations

import re

from asyncfc_jupyter.errors import PlanError
from asyncfc_jupyter.models.rehearsal.parser import read_plan
from asyncfc_jupyter.models.rehearsal.plan import check_plan
from tests.suite.expected import Compare

PARAMETERS = {"search": ("city", "limit"), "book": ("flight",), "ping": ()}

BEFORE, AFTER = "search()\n\n# about to go wrong\n", "\nsearch()"
#: Each stands on the fourth line of a plan, between these.
LINES = [
    "x = = 1",
    "import os",
    "from os import path",
    "for x in y: pass",
    "while x: pass",
    "if x: pass",
    "def f(): pass",
    "async def f(): pass",
    "class A: pass",
    "x += 1",
    "x: int = search()",
    "del x",
    "pass",
    "try: a()\nfinally: b()",
    "with x: pass",
    "raise x",
    "assert x",
    "return x",
    "global x",
    "match x:\n    case 1: pass",
    "x",
    "1",
    "x, y",
    "[x]",
    "{'a': 1}",
    "x.y",
    "x[0]",
    "x + 1",
    "-x",
    "not x",
    "x and y",
    "x == y",
    "x if y else z",
    "lambda: 0",
    "[i for i in x]",
    "{i for i in x}",
    "{i: i for i in x}",
    "(i for i in x)",
    "{1, 2}",
    "(x := 1)",
    "b'x'",
    "...",
    "None",
    "search(city=await x)",
    "search(city=(x := 1))",
    "search(limit=1 + 1)",
    "search(limit=-x)",
    "search(limit=-True)",
    "search(limit=~1)",
    "search(limit=not 1)",
    "search(limit=x and y)",
    "search(limit=x < 1)",
    "search(limit=x if x else 1)",
    "search(limit={1, 2})",
    "search(limit=[i for i in x])",
    "search(limit=lambda: 0)",
    "search(city=other())",
    "search(city=x.upper())",
    "search(city=other().id)",
    "search(city='a'.b)",
    "search(city=[1][0])",
    "search(city=x[1:2])",
    "search(city=x[y])",
    "search(city=x[True])",
    "search(city=x[-True])",
    "search(city=x[1.5])",
    "search(city=x[-1.5])",
    "search(city=x[None])",
    "search(*x)",
    "search(**x)",
    "search(city=1, **{'city': 2})",
    "search(city={1: 2})",
    "search(city={**x})",
    "search(city={'a': {True: 1}})",
    "search(limit=1e999)",
    "search(limit=-1e999)",
    "search(limit=1j)",
    "search(limit=b'x')",
    "search(limit=...)",
    "x.search()",
    "x[0]()",
    "search()()",
    "x = 'text'",
    "x = y.z",
    "x = y",
    "x = await y",
    "x = y = search()",
    "x = y = 1",
    "x, y = search()",
    "x.y = search()",
    "x[0] = search()",
    "await search()",
    "await x.y",
    "await 'x'",
    "await ()",
    "await [x]",
    "await x, 1",
    "await (x, (y, z.a))",
    "await x, (await y.a)",
    "search(city=f'{1}')",
    "f'{search()}'",
    "f'{x + 1}'",
    "f'{x:{y}}'",
    "f'{x:>99999}'",
    "f'{x:.100}'",
    "f'{x:>>>1}'",
    "f'{await x}'",
    "search(\n    city='LIS',\n    limit=1 + 1,\n)",
    "search(\n\n    **x\n)",
    "search(\n    city=1,\n    city=2)",
]

#: Plans that can be parsed but not carried out.
CHECKED = [
    "serch()",
    "x = search()\nserach(x)",
    "await_future(futures=['f1'])",
    "book(1, 2)",
    "ping(1)",
    "book(1, flight=2)",
    "search(1, 2, city=3, limit=4)",
    "book(flihgt)",
    "flight = search()\nbook(flihgt)",
    "flight = search()\nawait flihgt",
    "flight = search()\nf'{flihgt.id}'",
    "flight = search()\nbook(f'{flihgt}')",
    "flight = search()\nbook([{'a': flihgt}])",
    "x = book(x)",
    "'So.'\nsearch()\nf'{y}'\nsearch()",
    "b = search()\na = search()\nbook(zzz)",
    "a = search()\n\n\nbook(\n  a, 2)",
]

#: Readable: at, and one below, every limit.
GOOD = [
    f"search(limit={2**1024 - 1})",
    f"search(limit={-(2**1024) + 1})",
    "search(limit=1e308)",
    "f'{x:999.99}'",
    "f'{x:>999,.2f}'",
    "f'{x:_d}'",
    "f'{x!s:*^9}'",
    "f'{x:+#010x}'",
    "f'{x:}'",
    "await x, y, x",
    "await (x, (y, z))",
    "a.b.c",
    "search(limit=+1)",
    "search(x.a[-1]['k'])",
]


def outcome(text: str) -> str:
    """An error as its line and its text, without Python's own words, which change from version to version."""
    try:
        plan = read_plan(text)
        check_plan(plan, PARAMETERS, ("known",))
    except PlanError as error:
        message = re.sub(r"this is not Python \(.*?\):", "this is not Python (...):", str(error))
        return f"{error.line}\n    {error.source!r}\n    {message}"
    return f"good\n    {plan}"


def test_every_line_that_plans_do_not_have_is_refused_in_these_words(expected: Compare) -> None:
    errors = [f"{line!r}: {outcome(BEFORE + line + AFTER)}" for line in LINES]
    expected("plan-lines-refused.txt", "\n".join(errors))


def test_every_plan_that_cannot_be_carried_out_is_refused_in_these_words(expected: Compare) -> None:
    expected("plans-refused.txt", "\n".join(f"{text!r}: {outcome(text)}" for text in CHECKED))


def test_whole_texts_without_a_plan_are_refused_on_their_first_line(expected: Compare) -> None:
    texts = ["", "\n \n", "# nothing but a comment", "#" + "long" * 40, "(\n\n\n", "x = '''\n\n", "\r\n\rx = = 1"]
    expected("plan-texts-refused.txt", "\n".join(f"{text!r}: {outcome(text)}" for text in texts))


def test_what_is_just_within_the_limits_of_a_plan_is_read(expected: Compare) -> None:
    lines = []
    for text in GOOD:
        try:
            lines.append(f"{text[:40]}: {read_plan(text)}"[:300])
        except PlanError as error:
            lines.append(f"{text[:40]}: {error}")
    over = f"search(limit={2**1024})"
    lines.append(f"{over[:40]}: {outcome(over)}"[:150])
    expected("plans-read.txt", "\n".join(lines))
