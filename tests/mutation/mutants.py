"""Every small change that can be made to the package's source, from which a sample is drawn.

A mutant is an edit of the text at a place of the syntax tree, so that everything else, line numbers included, is unchanged.
Code that does not affect behaviour is left out: annotations, docstrings, the arguments of dataclass decorators, ``__all__`` and
``__slots__``, code for type checkers, and ``strict`` of ``zip``, which guards against our own mistakes. F-strings are left out,
too: before Python 3.12 the positions inside them are unknown.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "asyncfc_jupyter"
#: Packages, and modules beside them, from which mutants are drawn.
PACKAGES = ("core", "values", "tools", "runtime", "agent", "models", "trace", "retry_policy.py", "text.py")

COMPARISON = "comparison turned"
AND_OR = "and/or turned"
CONDITION = "condition turned"
NUMBER = "number + 1"
FLAG = "flag turned"
OPERATOR = "operator turned"
RETURN = "returns None"
CALL = "call dropped"
RAISE = "raise dropped"

#: Each sign of a comparison in a source, and its replacement: bounds are moved by one, others negated.
_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: (r"==", "!="),
    ast.NotEq: (r"!=", "=="),
    ast.Lt: (r"<", "<="),
    ast.LtE: (r"<=", "<"),
    ast.Gt: (r">", ">="),
    ast.GtE: (r">=", ">"),
    ast.In: (r"\bin\b", "not in"),
    ast.NotIn: (r"\bnot\s+in\b", "in"),
    ast.Is: (r"\bis\b", "is not"),
    ast.IsNot: (r"\bis\s+not\b", "is"),
}
#: Comparisons that are replaced by their exact opposite: negating the condition as well would make the same mutant twice.
_OPPOSITES = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
_OPERATORS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}
#: Names whose values only a type checker or the import system reads.
_UNREAD = frozenset({"__all__", "__slots__", "__match_args__"})
#: Names that a module-level alias of a type subscripts; the value of such an alias is an annotation.
_TYPE_MAKERS = frozenset({"Annotated", "Callable", "Literal", "Optional", "Union"})
_TYPE_CALLS = frozenset({"NewType", "ParamSpec", "TypeVar"})
_CACHES = frozenset({"cache", "lru_cache"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One edit of one file."""

    #: The file, from the root of the tree, with slashes.
    path: str
    line: int
    #: In bytes, from 0.
    column: int
    operator: str
    #: The bytes that are replaced, and their replacement.
    begin: int
    end: int
    text: str
    #: The line of the file in which the edit begins, without the space around it.
    source: str
    #: Lines of which one runs if the edited code does: the first of them that coverage saw run decides.
    look: tuple[int, ...]
    #: The first line of the function around it, which runs whenever the edited code does; None outside functions.
    opening: int | None
    #: Whether the code runs once in a process, such as a module's own: then chance decides which test runs it.
    once: bool

    @property
    def place(self) -> tuple[str, int, int, str]:
        """The key by which the mutants of a tree differ."""
        return self.path, self.line, self.column, self.operator

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}  {self.operator}  {self.source}"

    def apply(self, source: bytes) -> bytes:
        """Return the file's bytes with the edit made."""
        return source[: self.begin] + self.text.encode() + source[self.end :]


def all_packages(root: Path) -> list[str]:
    """Return the names of the packages, and of the modules beside them, that can be changed."""
    packages = [path.parent.name for path in (root / PACKAGE).glob("*/__init__.py")]
    return sorted([*packages, *(path.name for path in (root / PACKAGE).glob("*.py"))])


def all_mutants(root: Path, packages: Iterable[str]) -> list[Mutant]:
    """Return every mutant of these packages and modules, in a fixed order.

    Raises:
        ValueError: There is no such package or module.
    """
    found: list[Mutant] = []
    for package in packages:
        home = root / PACKAGE / package
        if not home.exists():
            raise ValueError(f"there is no package or module {package!r} in {PACKAGE}")
        for path in sorted(home.rglob("*.py")) if home.is_dir() else [home]:
            found += mutants_of(path.relative_to(root).as_posix(), path.read_bytes())
    return sorted(found, key=lambda mutant: mutant.place)


def draw(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return so many of the mutants, drawn with equal chance, and the same ones for the same seed."""
    return random.Random(seed).sample(mutants, min(count, len(mutants)))


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """Return the mutants of one file."""
    return list(_Finder(path, source).found())


class _Finder(ast.NodeVisitor):
    """Walks through a file and notes each possible edit."""

    def __init__(self, path: str, source: bytes) -> None:
        self._path, self._source = path, source
        self._lines = source.decode().split("\n")
        self._starts = [0]
        for line in source.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._found: list[Mutant] = []
        #: The number of functions around the node, and whether one of them caches its result.
        self._depth, self._kept = 0, False
        self._statement = 1
        self._opening: int | None = None

    def found(self) -> Iterator[Mutant]:
        """Yield the file's mutants, and only one of those that make the same text."""
        self.visit(ast.parse(self._source))
        seen: set[tuple[int, int, str]] = set()
        for mutant in self._found:
            edit = mutant.begin, mutant.end, mutant.text
            if edit not in seen:
                seen.add(edit)
                yield mutant

    # -- places in the text --------------------------------------------------------------------------------------------

    def _at(self, line: int | None, column: int | None) -> int:
        return self._starts[(line or 1) - 1] + (column or 0)

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def _text(self, node: ast.expr | ast.stmt) -> str:
        begin, end = self._span(node)
        return self._source[begin:end].decode()

    def _note(self, operator: str, begin: int, end: int, text: str, line: int) -> None:
        """Note an edit; ``line`` is the beginning of the code that it changes."""
        before = self._source[:begin]
        at = before.count(b"\n") + 1
        self._found.append(
            Mutant(
                path=self._path,
                line=at,
                column=begin - self._starts[at - 1],
                operator=operator,
                begin=begin,
                end=end,
                text=text,
                source=self._lines[at - 1].strip(),
                look=tuple(dict.fromkeys([at, line, self._statement])),
                opening=self._opening,
                once=self._depth == 0 or self._kept,
            )
        )

    def _between(self, operator: str, sign: str, new: str, left: ast.expr, right: ast.expr) -> None:
        """Note that the sign between two operands becomes another."""
        begin, end = self._span(left)[1], self._span(right)[0]
        # A sign inside a comment does not count: comments are replaced by spaces.
        gap = re.sub(r"#[^\n]*", lambda match: " " * len(match[0].encode()), self._source[begin:end].decode())
        match = re.search(sign, gap)
        if match is not None:
            start = begin + len(gap[: match.start()].encode())
            self._note(operator, start, start + len(match[0].encode()), new, left.lineno)

    def _emptied(self, operator: str, node: ast.stmt, text: str) -> None:
        """Note that a statement becomes another, with as many lines as it had."""
        begin, end = self._span(node)
        self._note(operator, begin, end, text + "\n" * self._source[begin:end].count(b"\n"), node.lineno)

    # -- the walk ------------------------------------------------------------------------------------------------------

    def visit(self, node: ast.AST) -> None:
        """Visit a node, and keep track of its statement."""
        before = self._statement
        if isinstance(node, ast.stmt):
            self._statement = node.lineno
        super().visit(node)
        self._statement = before

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def _visit_function(self, node: _Function, body: Sequence[ast.expr] | Sequence[ast.stmt]) -> None:
        depth, kept, opening = self._depth, self._kept, self._opening
        # A docstring is not a line that runs.
        after = 1 if len(body) > 1 and not isinstance(node, ast.Lambda) and ast.get_docstring(node) is not None else 0
        self._opening = body[after].lineno
        decorators = () if isinstance(node, ast.Lambda) else node.decorator_list
        self._depth, self._kept = depth + 1, kept or any(_last_name(each) in _CACHES for each in decorators)
        self._visit_all(body)
        self._depth, self._kept, self._opening = depth, kept, opening

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Leave out the annotations; decorators and default values belong to the code around the function."""
        decorators = [each for each in node.decorator_list if _last_name(each) != "dataclass"]
        self._visit_all([*decorators, *node.args.defaults, *node.args.kw_defaults])
        self._visit_function(node, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """As of any function."""
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Default values belong to the code around the function."""
        self._visit_all([*node.args.defaults, *node.args.kw_defaults])
        self._visit_function(node, [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Leave out the arguments of a dataclass; a protocol has no code that runs."""
        if any(_last_name(base) == "Protocol" for base in node.bases):
            return
        decorators = [each for each in node.decorator_list if _last_name(each) != "dataclass"]
        self._visit_all([*decorators, *node.keywords, *node.body])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Leave out the annotation."""
        if _last_name(node.target) not in _UNREAD and _last_name(node.annotation) != "TypeAlias":
            self._visit_all([node.target, node.value])

    def visit_Assign(self, node: ast.Assign) -> None:
        """Leave out aliases of types and names that are not read at run time."""
        unread = any(_last_name(target) in _UNREAD for target in node.targets)
        if not unread and not (self._depth == 0 and _is_type(node.value)):
            self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Turn ``+=`` and its like."""
        if type(node.op) in _OPERATORS and not _is_text(node.value):
            sign, new = _OPERATORS[type(node.op)]
            self._between(OPERATOR, re.escape(f"{sign}="), f"{new}=", node.target, node.value)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Turn an operator between numbers or sets; text and lists have only one."""
        if type(node.op) in _OPERATORS and not (_is_text(node.left) or _is_text(node.right)):
            sign, new = _OPERATORS[type(node.op)]
            self._between(OPERATOR, re.escape(sign), new, node.left, node.right)
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave out f-strings."""

    def visit_Compare(self, node: ast.Compare) -> None:
        """Turn each sign of a comparison."""
        operands = [node.left, *node.comparators]
        for sign, left, right in zip(node.ops, operands, operands[1:], strict=False):
            self._between(COMPARISON, *_COMPARISONS[type(sign)], left, right)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """Turn each ``and`` and each ``or``."""
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between(AND_OR, rf"\b{old}\b", new, left, right)
        self.generic_visit(node)

    def _turn(self, test: ast.expr | None) -> None:
        if test is None or (
            isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], _OPPOSITES)
        ):
            return
        negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        text = f"({self._text(test.operand)})" if negated else f"(not ({self._text(test)}))"
        self._note(CONDITION, *self._span(test), text, test.lineno)

    def visit_If(self, node: ast.If) -> None:
        """Turn the condition, unless only a type checker finds it true."""
        if _last_name(node.test) == "TYPE_CHECKING":
            self._visit_all(node.orelse)
            return
        self._turn(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        """Turn the condition; the flag of a loop without a condition is turned already."""
        if not isinstance(node.test, ast.Constant):
            self._turn(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        """Turn the condition."""
        self._turn(node.test)
        self.generic_visit(node)

    def visit_match_case(self, node: ast.match_case) -> None:
        """Turn the guard."""
        self._turn(node.guard)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        """Turn each condition."""
        for test in node.ifs:
            self._turn(test)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Leave out ``zip``'s ``strict``, and calls that make a type."""
        name = _last_name(node.func)
        if name in _TYPE_CALLS:
            return
        keywords = [each for each in node.keywords if not (name == "zip" and each.arg == "strict")]
        # The first argument of `cast` is an annotation.
        arguments = node.args[1:] if name == "cast" else node.args
        self._visit_all([node.func, *arguments, *keywords])

    def visit_Constant(self, node: ast.Constant) -> None:
        """Turn a flag; add one to a number."""
        if isinstance(node.value, bool):
            self._note(FLAG, *self._span(node), str(not node.value), node.lineno)
        elif isinstance(node.value, (int, float)):
            self._note(NUMBER, *self._span(node), repr(node.value + 1), node.lineno)

    def visit_Return(self, node: ast.Return) -> None:
        """Return nothing."""
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self._emptied(RETURN, node, "return None")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        """Leave out a call whose result is not used."""
        called = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(called, ast.Call):
            self._emptied(CALL, node, "pass")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Continue instead of raising an error."""
        self._emptied(RAISE, node, "pass")
        self.generic_visit(node)


def _last_name(node: ast.AST | None) -> str:
    """Return the last part of a dotted name."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return _last_name(inner)
    return ""


def _is_type(value: ast.expr) -> bool:
    """Return whether a module's variable is an alias of a type: ``A | B``, ``Literal["a"]``, ``dict[str, int]``."""
    match value:
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return all(_is_type(side) or _names_a_class(side) for side in (left, right))
        case ast.Subscript(value=made):
            name = _last_name(made)
            return (
                name in _TYPE_MAKERS
                or name[:1].isupper()
                or name in {"dict", "frozenset", "list", "set", "tuple", "type"}
            )
    return False


def _names_a_class(node: ast.expr) -> bool:
    name = _last_name(node)
    constant = isinstance(node, ast.Constant) and node.value is None
    return constant or name in {"bool", "bytes", "float", "int", "str"} or (name[:1].isupper() and not name.isupper())


def _is_text(node: ast.expr) -> bool:
    """Return whether a value is clearly a text or a list, for which any other operator is an error."""
    match node:
        case ast.Constant(value=str() | bytes()) | ast.JoinedStr() | ast.List() | ast.ListComp() | ast.Tuple():
            return True
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _is_text(left) or _is_text(right)
        case (
            ast.Call(func=ast.Attribute(attr="join" | "format"))
            | ast.Call(func=ast.Name(id="str" | "repr" | "list" | "tuple"))
        ):
            return True
    return False
