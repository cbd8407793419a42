"""Parses a rehearsal plan: a small subset of Python, read with ``ast`` and never executed.

Each node of the syntax tree is either one of the few forms below or an error that names its line. Nothing is compiled, and
names are looked up in the plan only. ``ast`` does not keep blank lines, so they are found in the text between two
statements. A comment line is not a blank line, and a blank line inside a statement does not end a block.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import math
import re
import textwrap
from typing import Any

from asyncfc_jupyter.core.references import Field, Item
from asyncfc_jupyter.errors import PlanError
from asyncfc_jupyter.models.rehearsal.plan import (
    Array,
    AwaitNames,
    CallTool,
    Constant,
    Hole,
    Plan,
    Speak,
    Table,
    Take,
    Text,
    Value,
)

#: The way out of an error: the forms that a plan may contain.
_FORMS = "a plan holds 'name = tool(key=value)', 'await name', texts and comments"
#: Width up to 999 and precision up to 99: a plan cannot ask for a text of a gigabyte.
_SPEC = re.compile(r"(?:.?[<>=^])?[ +-]?#?0?\d{0,3}[,_]?(?:\.\d{1,2})?[a-zA-Z%]?", re.DOTALL)
#: As ``ast`` counts lines: ``str.splitlines`` also splits at form feeds and Unicode separators.
_LINE_END = re.compile(r"\r\n|\r|\n")
#: The largest finite double has 1024 bits. Servers and JSON readers do not agree on longer integers.
_MOST_BITS = 1024
#: Parsed plans that are kept: the model reads the whole conversation again at every turn.
_PLANS_KEPT = 256
#: Parts of Python that plans lack, by the words that an error calls them.
_KINDS: dict[str, tuple[type[ast.AST], ...]] = {
    "imports": (ast.Import, ast.ImportFrom),
    "loops": (ast.For, ast.AsyncFor, ast.While),
    "conditions": (ast.If,),
    "a condition": (ast.IfExp,),
    "arithmetic": (ast.BinOp, ast.UnaryOp, ast.AugAssign),
    "logic": (ast.BoolOp,),
    "a comparison": (ast.Compare,),
    "definitions": (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    "annotations": (ast.AnnAssign,),
    "a function": (ast.Lambda,),
    "a comprehension": (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
    "a set": (ast.Set,),
    "a starred value": (ast.Starred,),
    "an await": (ast.Await,),
    "an assignment": (ast.NamedExpr,),
    "a tuple": (ast.Tuple,),
    "a list": (ast.List,),
    "a dictionary": (ast.Dict,),
    "a literal": (ast.Constant,),
    "a text": (ast.JoinedStr,),
    "a bare name": (ast.Name,),
    "a field": (ast.Attribute,),
    "an item": (ast.Subscript,),
}


@functools.lru_cache(maxsize=_PLANS_KEPT)
def read_plan(text: str) -> Plan:
    """Return the plan that a text contains.

    Indentation that all lines share is ignored, so that a plan may stand in an indented triple-quoted string.

    Raises:
        PlanError: The text is empty, is not Python, or contains a form that plans do not have.
    """
    lines = _LINE_END.split(text)
    try:
        body = ast.parse(textwrap.dedent(text)).body
    except SyntaxError as error:
        line = min(max(error.lineno or 1, 1), len(lines))
        raise PlanError(line, lines[line - 1], f"this is not Python ({error.msg})", _FORMS) from None
    except (ValueError, RecursionError, MemoryError):
        raise PlanError(1, lines[0], "this text is nested too deeply or holds a null character", _FORMS) from None
    if not body:
        raise PlanError(1, text[:80], "the plan is empty", _FORMS)
    return _Parser(lines).plan(body)


class _Parser:
    """Turns the syntax tree of one text into a plan."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        #: Where the statement begins that is being read.
        self._line = 1
        #: The fields that every statement has.
        self._common: dict[str, Any] = {}

    def plan(self, body: list[ast.stmt]) -> Plan:
        statements: list[CallTool | AwaitNames | Speak] = []
        block, end = 0, body[0].lineno
        for node in body:
            self._line = node.lineno
            if any(not line.strip() for line in self._lines[end : self._line - 1]):
                block += 1
            self._common = {"line": self._line, "source": self._lines[self._line - 1], "block": block}
            statements.append(self._statement(node))
            end = node.end_lineno or node.lineno
        answer: Speak | None = None
        blocks_with_calls = {statement.block for statement in statements if not isinstance(statement, Speak)}
        while statements:
            match statements[-1]:
                case Speak() as last if answer is None:
                    answer = last
                case Speak(block=block) as spoken if answer is not None and block not in blocks_with_calls:
                    # No call stands between this text and the answer, so no earlier reply can say it.
                    text = Text(parts=(*spoken.text.parts, "\n", *answer.text.parts))
                    answer = dataclasses.replace(spoken, text=text)
                case _:
                    break
            statements.pop()
        return Plan(statements=tuple(statements), answer=answer)

    def _statement(self, node: ast.stmt) -> CallTool | AwaitNames | Speak:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as call):
                return self._call(call, target)
            case ast.Expr(value=ast.Call() as call):
                return self._call(call, None)
            case ast.Expr(value=ast.Constant(value=str(text))):
                return Speak(text=Text(parts=(text,)), **self._common)
            case ast.Expr(value=ast.JoinedStr() as joined):
                return Speak(text=self._text(joined), **self._common)
            case ast.Expr(value=(ast.Await() | ast.Tuple(elts=[ast.Await(), *_])) as awaited):
                return self._await(awaited)
            case ast.Assign(value=ast.Await()):
                raise self._refuse("an await has no value to assign", "write 'x = tool(...)', then 'await x'")
            case ast.Assign(targets=[ast.Name()]):
                raise self._refuse("only the result of a tool call is assigned", "write 'name = tool(key=value)'")
            case ast.Assign():
                raise self._refuse("a result is assigned to one name", "write 'name = tool(key=value)'")
            case ast.Expr(value=value):
                raise self._refuse(f"{_kind(value)} alone is not a statement of a plan", _FORMS)
        raise self._refuse(f"plans have no {_kind(node)}", _FORMS)

    def _await(self, node: ast.expr) -> AwaitNames:
        names: list[str] = []
        unread = [node]
        while unread:
            match unread.pop(0):
                case ast.Await(value=inner):
                    unread.insert(0, inner)
                case ast.Tuple(elts=[_, *_] as inners):
                    unread[:0] = inners
                case ast.Name(id=name):
                    names.append(name)
                case ast.Call():
                    raise self._refuse("await takes names", "write 'x = tool(...)', then 'await x'")
                case other:
                    raise self._refuse(f"await takes names, not {_kind(other)}", "write 'await x' or 'await x, y'")
        return AwaitNames(names=tuple(dict.fromkeys(names)), **self._common)

    def _call(self, node: ast.Call, target: str | None) -> CallTool:
        if not isinstance(node.func, ast.Name):
            raise self._refuse("a tool is called by its plain name", "write 'tool(key=value)'", node)
        positional, named = [], {}
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                raise self._refuse("plans have no *arguments", "write each argument out", argument)
            positional.append(self._value(argument))
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self._refuse("plans have no **arguments", "write each argument out", keyword.value)
            if keyword.arg in named:
                raise self._refuse(f"the argument {keyword.arg!r} is given twice", "give it once", keyword.value)
            named[keyword.arg] = self._value(keyword.value)
        arguments: dict[str, Any] = {"positional": tuple(positional), "named": tuple(named.items())}
        return CallTool(target=target, tool=node.func.id, **arguments, **self._common)

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=value):
                return self._constant(node, value)
            case ast.UnaryOp(
                op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=int() | float() as number)
            ) if not isinstance(number, bool):
                return self._constant(node, -number if isinstance(sign, ast.USub) else number)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return Array(items=tuple(self._value(item) for item in items))
            case ast.Dict(keys=keys, values=values):
                pairs: dict[str, Value] = {}
                for key, item in zip(keys, values, strict=True):
                    if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                        problem = "the key of a dictionary is not a text"
                        raise self._refuse(problem, 'write {"key": value}', key or item)
                    pairs[key.value] = self._value(item)
                return Table(pairs=tuple(pairs.items()))
            case ast.JoinedStr():
                return self._text(node)
            case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call():
                return self._take(node)
        raise self._refuse(f"an argument cannot be {_kind(node)}", "pass a literal or an earlier result", node)

    def _constant(self, node: ast.expr, value: object) -> Constant:
        match value:
            case None | bool() | str():
                return Constant(value=value)
            case int() if value.bit_length() <= _MOST_BITS:
                return Constant(value=value)
            case float() if math.isfinite(value):
                return Constant(value=value)
        raise self._refuse("this value does not exist in JSON", "pass a text, number, True, False or None", node)

    def _take(self, node: ast.expr) -> Take:
        steps: list[Field | Item] = []
        while not isinstance(node, ast.Name):
            try:
                match node:
                    case ast.Attribute(attr=field):
                        steps.append(Field(field))
                    case ast.Subscript(slice=ast.Constant(value=int() | str() as key)) if not isinstance(key, bool):
                        steps.append(Item(key))
                    case ast.Subscript(slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number)))) if (
                        not isinstance(number, bool)
                    ):
                        steps.append(Item(-number))
                    case ast.Subscript(slice=index):
                        problem = "an item is taken by a written number or text"
                        raise self._refuse(problem, 'write x[0] or x["a key"]', index)
                    case ast.Call():
                        raise self._refuse("a call stands inside an argument", "assign it to a name first", node)
                    case _:
                        raise self._refuse(f"a field of {_kind(node)}", "take fields of an earlier result only", node)
            except ValueError:
                problem = "a reference cannot hold this name or number"
                raise self._refuse(problem, 'write a key as x["a key"], an index in 600 digits', node) from None
            node = node.value
        return Take(name=node.id, steps=tuple(reversed(steps)))

    def _text(self, node: ast.JoinedStr) -> Text:
        parts: list[str | Hole] = []
        for part in node.values:
            match part:
                case ast.Constant(value=str(text)):
                    parts.append(text)
                case ast.FormattedValue(value=ast.Name() | ast.Attribute() | ast.Subscript() as value, conversion=code):
                    match part.format_spec:
                        case None | ast.JoinedStr(values=[]):
                            spec = ""
                        case ast.JoinedStr(values=[ast.Constant(value=str(spec))]) if _SPEC.fullmatch(spec):
                            pass
                        case _:
                            remedy = "write one such as {total:.2f} or {name:>10}"
                            raise self._refuse("this format is not a simple one", remedy)
                    parts.append(Hole(take=self._take(value), conversion=chr(code) if code > 0 else "", spec=spec))
                case _:
                    raise self._refuse("an f-string holds more than names and their fields", "write {name.field}")
        return Text(parts=tuple(parts))

    def _refuse(self, problem: str, remedy: str, node: ast.expr | None = None) -> PlanError:
        # Positions inside an f-string are not reliable before Python 3.12; its callers pass no node.
        line = self._line if node is None or not self._line <= node.lineno <= len(self._lines) else node.lineno
        return PlanError(line, self._lines[line - 1], problem, remedy)


def _kind(node: ast.AST) -> str:
    for words, kinds in _KINDS.items():
        if isinstance(node, kinds):
            return words
    name = type(node).__name__.lower()
    return f"{name} statements" if isinstance(node, ast.stmt) else f"this {name}"
