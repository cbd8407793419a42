"""Reading a rehearsal plan: a small subset of Python, parsed with ``ast`` and never executed.

Each node of the syntax tree is either one of the few forms below or an error with its line; nothing is compiled, and
no name is looked up anywhere but in the plan. A blank line (which ``ast`` does not keep) is found in the text between
two statements; a comment line is not blank, and a blank line inside a statement parts nothing.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import math
import re
import textwrap

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

#: What a plan may hold, for the way out of an error.
_FORMS = "a plan holds 'name = tool(key=value)', 'await name', texts and comments"
#: Width up to 999 and precision up to 99: a plan cannot ask for a text of a gigabyte.
_SPEC = re.compile(r"(?:.?[<>=^])?[ +-]?#?0?\d{0,3}[,_]?(?:\.\d{1,2})?[a-zA-Z%]?", re.DOTALL)
#: As ``ast`` counts lines: ``str.splitlines`` also splits at form feeds and Unicode separators.
_LINE_END = re.compile(r"\r\n|\r|\n")
#: The largest finite double needs 1024 bits; servers and JSON readers do not agree on longer integers.
_MOST_BITS = 1024
#: Plans kept parsed: the model reads the whole conversation again at every turn.
_PLANS_KEPT = 256


@functools.lru_cache(maxsize=_PLANS_KEPT)
def read_plan(text: str) -> Plan:
    """Return the plan that ``text`` is.

    Indentation that all lines share is ignored, so that a plan may stand in an indented triple-quoted string.

    Raises:
        PlanError: The text is empty, is not Python, or holds a form that plans do not have.
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
    return _Reader(lines).plan(body)


class _Reader:
    """Turns the syntax tree of one text into a plan."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._line = 1
        self._block = 0

    def plan(self, body: list[ast.stmt]) -> Plan:
        end = None
        statements = []
        for node in body:
            self._line = node.lineno
            if end is not None and self._blank_between(end, node.lineno):
                self._block += 1
            statements.append(self._statement(node))
            end = node.end_lineno
        return _with_answer(statements)

    def _blank_between(self, end: int, start: int) -> bool:
        return any(not line.strip() for line in self._lines[end : start - 1])

    def _statement(self, node: ast.stmt) -> CallTool | AwaitNames | Speak:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as call):
                return self._call(call, target)
            case ast.Expr(value=ast.Call() as call):
                return self._call(call, None)
            case ast.Expr(value=ast.Constant(value=str(text))):
                return Speak(line=node.lineno, source=self._source(), block=self._block, text=Text(parts=(text,)))
            case ast.Expr(value=ast.JoinedStr() as joined):
                return Speak(line=node.lineno, source=self._source(), block=self._block, text=self._text(joined))
            case ast.Expr(value=(ast.Await() | ast.Tuple(elts=[ast.Await(), *_])) as awaited):
                return self._await(awaited)
            case ast.Assign(value=ast.Await()):
                raise self._refuse("an await has no value to assign", "write 'x = tool(...)', then 'await x'")
            case ast.Assign(targets=[ast.Name()]):
                raise self._refuse("only the result of a tool call is assigned", "write 'name = tool(key=value)'")
            case ast.Assign():
                raise self._refuse("a result is assigned to one name", "write 'name = tool(key=value)'")
        if isinstance(node, ast.Expr):
            raise self._refuse(f"{_kind(node.value)} alone is not a statement of a plan", _FORMS)
        raise self._refuse(f"plans have no {_kind(node)}", _FORMS)

    def _await(self, node: ast.expr) -> AwaitNames:
        names: list[str] = []
        waiting = [node]
        while waiting:
            match waiting.pop(0):
                case ast.Await(value=inner):
                    waiting.insert(0, inner)
                case ast.Tuple(elts=[_, *_] as inners):
                    waiting[:0] = inners
                case ast.Name(id=name):
                    names.append(name)
                case ast.Call():
                    raise self._refuse("await takes names", "write 'x = tool(...)', then 'await x'")
                case other:
                    raise self._refuse(f"await takes names, not {_kind(other)}", "write 'await x' or 'await x, y'")
        unique = tuple(dict.fromkeys(names))
        return AwaitNames(line=node.lineno, source=self._source(), block=self._block, names=unique)

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
        return CallTool(
            line=self._line,
            source=self._source(),
            block=self._block,
            target=target,
            tool=node.func.id,
            positional=tuple(positional),
            named=tuple(named.items()),
        )

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant():
                return self._constant(node, node.value)
            case ast.UnaryOp(
                op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=int() | float() as number)
            ) if not isinstance(number, bool):
                return self._constant(node, -number if isinstance(sign, ast.USub) else number)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return Array(items=tuple(self._value(item) for item in items))
            case ast.Dict():
                return self._table(node)
            case ast.JoinedStr():
                return self._text(node)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._take(node)
            case ast.Call():
                raise self._refuse("a call stands inside an argument", "assign it to a name first", node)
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

    def _table(self, node: ast.Dict) -> Table:
        pairs: dict[str, Value] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            match key:
                case ast.Constant(value=str(name)):
                    pairs[name] = self._value(value)
                case _:
                    raise self._refuse("the key of a dictionary is not a text", 'write {"key": value}', key or value)
        return Table(pairs=tuple(pairs.items()))

    def _take(self, node: ast.expr) -> Take:
        steps: list[Field | Item] = []
        while True:
            match node:
                case ast.Name(id=name):
                    return Take(name=name, steps=tuple(reversed(steps)))
                case ast.Attribute(value=inner, attr=field):
                    steps.append(Field(field))
                case ast.Subscript(value=inner, slice=index):
                    steps.append(self._item(index))
                case ast.Call():
                    raise self._refuse("a call stands inside an argument", "assign it to a name first", node)
                case _:
                    raise self._refuse(f"a field of {_kind(node)}", "take fields of an earlier result only", node)
            node = inner

    def _item(self, node: ast.expr) -> Item:
        match node:
            case ast.Constant(value=str() | int() as key) if not isinstance(key, bool):
                return Item(key)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))) if not isinstance(number, bool):
                return Item(-number)
        raise self._refuse("an item is taken by a written number or text", 'write x[0] or x["a key"]', node)

    def _text(self, node: ast.JoinedStr) -> Text:
        parts: list[str | Hole] = []
        for part in node.values:
            match part:
                case ast.Constant(value=str(text)):
                    parts.append(text)
                case ast.FormattedValue(value=ast.Name() | ast.Attribute() | ast.Subscript() as inner, conversion=code):
                    conversion = chr(code) if code > 0 else ""
                    parts.append(Hole(take=self._take(inner), conversion=conversion, spec=self._spec(part.format_spec)))
                case _:
                    raise self._refuse("an f-string holds more than names and their fields", "write {name.field}")
        return Text(parts=tuple(parts))

    def _spec(self, node: ast.expr | None) -> str:
        match node:
            case None:
                return ""
            case ast.JoinedStr(values=[]):
                return ""
            case ast.JoinedStr(values=[ast.Constant(value=str(spec))]) if _SPEC.fullmatch(spec):
                return spec
        raise self._refuse("this format is not a simple one", "write one such as {total:.2f} or {name:>10}")

    def _source(self, line: int | None = None) -> str:
        return self._lines[(line or self._line) - 1]

    def _refuse(self, problem: str, remedy: str, node: ast.expr | None = None) -> PlanError:
        # Positions inside an f-string are not reliable before Python 3.12; its callers pass no node.
        line = self._line if node is None or not self._line <= node.lineno <= len(self._lines) else node.lineno
        return PlanError(line, self._source(line), problem, remedy)


def _with_answer(statements: list[CallTool | AwaitNames | Speak]) -> Plan:
    answer: Speak | None = None
    busy = {statement.block for statement in statements if not isinstance(statement, Speak)}
    while statements:
        match statements[-1]:
            case Speak() as last if answer is None:
                answer = last
            case Speak(block=block) as spoken if answer is not None and block not in busy:
                # Nothing is called between this text and the answer, so there is no other reply to say it in.
                answer = dataclasses.replace(spoken, text=Text(parts=(*spoken.text.parts, "\n", *answer.text.parts)))
            case _:
                break
        statements = statements[:-1]
    return Plan(statements=tuple(statements), answer=answer)


#: What people call the parts of Python that plans lack.
_KINDS = {
    "Import": "imports",
    "ImportFrom": "imports",
    "For": "loops",
    "AsyncFor": "loops",
    "While": "loops",
    "If": "conditions",
    "IfExp": "a condition",
    "BinOp": "arithmetic",
    "UnaryOp": "arithmetic",
    "BoolOp": "logic",
    "Compare": "a comparison",
    "FunctionDef": "definitions",
    "AsyncFunctionDef": "definitions",
    "ClassDef": "definitions",
    "AugAssign": "arithmetic",
    "AnnAssign": "annotations",
    "Lambda": "a function",
    "ListComp": "a comprehension",
    "SetComp": "a comprehension",
    "DictComp": "a comprehension",
    "GeneratorExp": "a comprehension",
    "Set": "a set",
    "Starred": "a starred value",
    "Await": "an await",
    "NamedExpr": "an assignment",
    "Tuple": "a tuple",
    "List": "a list",
    "Dict": "a dictionary",
    "Constant": "a literal",
    "JoinedStr": "a text",
    "Name": "a bare name",
    "Attribute": "a field",
    "Subscript": "an item",
}


def _kind(node: ast.AST) -> str:
    name = type(node).__name__
    return _KINDS.get(name, f"{name.lower()} statements" if isinstance(node, ast.stmt) else f"this {name.lower()}")
