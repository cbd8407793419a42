"""The structure of the repository: what a newcomer relies on to find things, measured."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import asyncfc_jupyter
from tests.test_layers import imports

PACKAGE = Path(asyncfc_jupyter.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted((PACKAGE / "trace" / "frontend").glob("*.js"))

#: Files in a folder of ``jupyter/``.
MOST_FILES = 14
#: Private functions in 1,000 lines, and those of four lines or fewer that are used once.
MOST_PRIVATE, MOST_TINY = 20.0, 30

#: Words that need a second reading, and what is written instead.
INSTEAD = {
    r"the person\b|a person\b|whoever\b|somebody\b|nobody\b": "the user, or the passive voice",
    r"tells?\b|told\b|telling\b": "report, log, notify, show, inform",
    r"(?:came|comes|become|becomes|became) of\b|came to\b": "result, outcome",
    r"once more\b|anew\b|made again\b": "retry, again",
    r"go(?:es)? on\b|went on\b|going on\b|(?:is|are|was) over\b|under way\b": "continue, run, pending, finished, settled",
    r"thrown? away\b|g(?:ives?|iven|ave|iving) up\b|t(?:akes?|aken|ook) back\b": "discard, abandon, cancel",
    r"mend(?:s|ed|ing)?\b": "fix",
    r"behind\b": "after, below, next",
    r"(?<!-)weight\b|goes? before\b": "priority, overrides",
    r"(?-i:is none)\b": "invalid, missing, is not",
    r"t(?:akes?|ook|aking) the place of\b": "replace",
    r"look-?alikes?\b": "malformed reference",
}
#: Words that stay, by file: what models are sent, and what saved conversations hold, stay as they are.
KEPT = {
    ("protocol.py", "go on"),
    ("history.py", "go on"),
    ("protocol.py", "the person"),
    ("persistence.py", "told"),
}
DIALECT = re.compile(rf"\b(?:{'|'.join(INSTEAD)})", re.IGNORECASE)


def module_of(path: Path) -> str:
    """Return the dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def graph() -> dict[str, set[str]]:
    """Return which module imports which, wherever in the file it does so: for types and inside functions too."""
    modules = {module_of(path): path for path in FILES}
    return {
        module: {
            name for name in imports(path) if name in modules and name != module and not module.startswith(f"{name}.")
        }
        for module, path in modules.items()
    }


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Return the groups of modules that reach each other."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            for name in edges.get(ahead.pop(), ()):
                if name not in seen:
                    seen.add(name)
                    ahead.append(name)
        return seen

    reach = {module: reached(module) for module in edges}
    groups = {frozenset(b for b in reach[a] if a in reach.get(b, ())) for a in edges if a in reach[a]}
    return [set(group) for group in groups]


def private_functions(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each private function of a file with whether it is tiny: a body of four lines or fewer, used once."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and re.match("_[^_]", node.name):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            uses = len(re.findall(rf"\b{node.name}\b", text)) - 1
            yield node.name, 0 < lines <= 4 and uses == 1


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of the comments and strings of a file of Python, docstrings and messages among them."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)}:
            yield from enumerate(token.string.split("\n"), token.start[0])


def strings(text: str) -> Iterator[str]:
    """Yield every text of a file that is not a docstring, f-strings in their parts."""
    tree = ast.parse(text)
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles(graph()) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]


def test_a_folder_of_jupyter_holds_few_files() -> None:
    files = Counter(path.parent.relative_to(PACKAGE).as_posix() for path in FILES if "jupyter" in path.parts)
    assert {folder: count for folder, count in files.items() if count > MOST_FILES} == {}


def homes(word: str) -> list[str]:
    """Return the files that hold a word in a text, docstrings apart."""
    return [path.name for path in FILES if any(word in text for text in strings(path.read_text(encoding="utf-8")))]


@pytest.mark.parametrize(
    ("word", "home"),
    [
        ("Not the result.", "protocol.py"),
        ("await_future", "protocol.py"),
        ("asyncfc_gate_", "protocol.py"),
        ("Nothing is pending: ", "protocol.py"),
        ("the same call as ", "waits.py"),
        ("M0 8L8 0", "legend.py"),
        ("[tool.asyncfc]", "sources.py"),
    ],
)
def test_a_fact_that_many_use_stands_in_one_file(word: str, home: str) -> None:
    assert homes(word) == [home]


def test_the_words_for_states_are_listed_in_one_file() -> None:
    words = {"pending", "done", "failed", "timeout", "cancelled", "skipped"}
    lists = [path.name for path in FILES if words <= set(strings(path.read_text(encoding="utf-8")))]
    assert lists == ["futures.py"]


def test_pauses_between_retries_are_computed_in_one_file() -> None:
    assert [path.name for path in FILES if "wait_exponential" in path.read_text(encoding="utf-8")] == [
        "retry_policy.py"
    ]


def test_private_functions_are_few_and_seldom_tiny() -> None:
    found = [(path.name, *one) for path in FILES for one in private_functions(path.read_text(encoding="utf-8"))]
    lines = sum(path.read_text(encoding="utf-8").count("\n") for path in FILES)
    assert len(found) / lines * 1000 <= MOST_PRIVATE
    tiny = [f"{file}: {name}" for file, name, small in found if small]
    assert len(tiny) <= MOST_TINY, tiny


def dialect(path: Path, lines: Iterable[tuple[int, str]]) -> list[str]:
    """Return where lines hold a word of `INSTEAD`."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for number, line in lines
        for match in DIALECT.finditer(line)
        if (path.name, match[0]) not in KEPT
    ]


def test_the_code_is_written_in_plain_words() -> None:
    found = [each for path in FILES for each in dialect(path, prose(path.read_text(encoding="utf-8")))]
    for path in SCRIPTS:
        found += dialect(path, enumerate(path.read_text(encoding="utf-8").split("\n"), 1))
    assert found == []


def test_the_documents_are_written_in_plain_words() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    found = [
        each
        for page in sorted(pages)
        for each in dialect(page, enumerate(page.read_text(encoding="utf-8").split("\n"), 1))
    ]
    assert found == []


def test_a_word_that_needs_a_second_reading_is_found() -> None:
    lines = [(3, "The person is told once more, and goes on."), (4, "The user is notified again and continues.")]
    assert dialect(ROOT / "a.py", lines) == [
        "a.py:3: The person",
        "a.py:3: told",
        "a.py:3: once more",
        "a.py:3: goes on",
    ]
