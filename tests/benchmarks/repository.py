"""A real git repository in a folder, and a programmer's tools over it, which really run.

The history has several commits, the last of which brings a bug in. Names and dates of the commits are fixed and nothing
of the machine's own configuration is read, so the same files give the same hashes everywhere.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Self

from tests.benchmarks.library_sources import MODULES, README, TESTS, Bug
from tests.benchmarks.replay import Job, digest

#: A date for each commit, in seconds since 1970, an hour apart.
_FIRST_COMMIT, _HOUR = 1_700_000_000, 3_600
_PATIENCE_S = 60.0
#: Lines that a tool shows, as those of coding agents do.
_MOST_LINES = 40


class Repository:
    """The repository: a copy of one that is made once for each bug.

    Args:
        folder: A folder for it, which may be there if it is empty.
        bug: What the last commit broke.
        known: Outcomes of test runs by what was tested; one that is in there is not run again.
    """

    def __init__(self, folder: Path, bug: Bug, known: MutableMapping[str, dict[str, Any]] | None = None) -> None:
        self._folder, self._known = folder, known
        self._commits = len(_HISTORY) + 1
        shutil.copytree(_made(bug).name, folder, dirs_exist_ok=True)

    @classmethod
    def begun(cls, folder: Path, bug: Bug) -> Self:
        """Make a repository from nothing in an empty folder."""
        self = cls.__new__(cls)
        self._folder, self._known, self._commits = folder, None, 0
        self._git("init", "--quiet", "--initial-branch=main")
        for files, message in _HISTORY:
            self._add(files, message)
        self._add({bug.path: MODULES[bug.path].replace(bug.right, bug.wrong)}, f"Tidy up {Path(bug.path).stem}")
        return self

    # -- the tools ---------------------------------------------------------------------------------------------------

    def list_files(self, path: str = "") -> list[str]:
        """List the files of a folder.

        Args:
            path: The folder; the whole repository by default.
        """
        return [name for name in self._files() if not path or name.startswith(f"{path}/")]

    def read_file(self, path: str) -> str:
        """Read a file.

        Args:
            path: Its path in the repository.
        """
        return self._at(path).read_text(encoding="utf-8")

    def search(self, pattern: str, path: str = "") -> list[str]:
        """Search files for a text; returns lines with their place.

        Args:
            pattern: The text.
            path: A file or folder to search; the whole repository by default.
        """
        command = ["grep", "-rnF", "--include=*.py", "--", pattern, path or "."]
        found = self._run(command, fine=(0, 1)).splitlines()
        return sorted(line.removeprefix("./") for line in found)[:_MOST_LINES]

    def run_tests(self, target: str = "") -> dict[str, Any]:
        """Run the tests.

        Args:
            target: A file of tests; all of them by default.
        """
        tested = digest([target, {name: self.read_file(name) for name in self._files()}])
        if self._known is not None and tested in self._known:
            return self._known[tested]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--tb=no",
            "-rf",
            "-p",
            "no:cacheprovider",
            *filter(None, [target]),
        ]
        output = self._run(command, fine=(0, 1))
        failures = re.findall(r"^FAILED (\S+?)(?: - (.*))?$", output, re.MULTILINE)
        passed = re.search(r"(\d+) passed", output)
        outcome = {
            "passed": int(passed.group(1)) if passed else 0,
            "failed": [name for name, _ in failures],
            "reasons": [reason for _, reason in failures],
        }
        if self._known is not None:
            self._known[tested] = outcome
        return outcome

    def edit_file(self, path: str, old: str, new: str) -> dict[str, Any]:
        """Replace a text that a file holds exactly once.

        Args:
            path: The file's path in the repository.
            old: The text, with enough around it to be the only one.
            new: What it becomes.
        """
        text = self.read_file(path)
        if (count := text.count(old)) != 1:
            raise ValueError(f"{path} holds this text {count} times, not once; give more of what is around it")
        self._at(path).write_text(text.replace(old, new), encoding="utf-8")
        return {"path": path, "line": text[: text.index(old)].count("\n") + 1}

    def git_diff(self, path: str = "") -> str:
        """Show what was changed since the last commit.

        Args:
            path: A file or folder; the whole repository by default.
        """
        return self._git("diff", "--no-color", "--", path or ".")

    def git_log(self, path: str = "") -> list[str]:
        """List the commits, the latest first.

        Args:
            path: Those that touched this file or folder; all by default.
        """
        return self._git("log", "--format=%h %s", "--", path or ".").splitlines()[:_MOST_LINES]

    def git_blame(self, path: str) -> list[str]:
        """Show which commit each line of a file is of.

        Args:
            path: The file's path in the repository.
        """
        return self._git("blame", "--", path).splitlines()

    def git_commit(self, message: str) -> dict[str, Any]:
        """Commit all changes.

        Args:
            message: What the commit does.
        """
        self._git("add", "--all")
        self._git("commit", "--quiet", "-m", message)
        self._commits += 1
        commit, *files = self._git("show", "--name-only", "--format=%H").split()
        return {"commit": commit, "files": files}

    # -- what a benchmark asks ---------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return the hashes of the last commit and of its tree, and what is not committed."""
        commit, tree = self._git("rev-parse", "HEAD", "HEAD^{tree}").split()
        return {"commit": commit, "tree": tree, "uncommitted": self._git("status", "--porcelain")}

    def jobs(self) -> dict[str, Job]:
        """Return the tools by name, with what they declare and what they touch."""
        every: dict[str, Job] = {}
        for function, reads, writes in (
            (self.list_files, ["repo/{path}"], []),
            (self.read_file, ["repo/{path}"], []),
            (self.search, ["repo/{path}"], []),
            (self.run_tests, ["repo"], []),
            (self.edit_file, [], ["repo/{path}"]),
            (self.git_diff, ["repo/{path}", "git"], []),
            (self.git_log, ["git"], []),
            (self.git_blame, ["repo/{path}", "git"], []),
            (self.git_commit, ["repo"], ["git"]),
        ):
            name = function.__name__
            declares: Any = {"reads": reads} | ({"writes": writes} if writes else {})
            every[name] = Job(function=function, declares=declares, touches=_TOUCHES[name])
        return every

    def _add(self, files: Mapping[str, str], message: str) -> None:
        for path, text in files.items():
            self._at(path).parent.mkdir(parents=True, exist_ok=True)
            self._at(path).write_text(text, encoding="utf-8")
        self.git_commit(message)

    def _at(self, path: str) -> Path:
        place = (self._folder / path).resolve()
        if not place.is_relative_to(self._folder.resolve()):
            raise ValueError(f"{path} is not in the repository")
        return place

    def _files(self) -> list[str]:
        found = (path.relative_to(self._folder) for path in self._folder.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in found if path.parts[0] != ".git")

    def _git(self, *words: str) -> str:
        return self._run(["git", *words])

    def _run(self, command: list[str], fine: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        if done.returncode not in fine:
            raise RuntimeError(f"{' '.join(command[:3])} ended with {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        when = f"{_FIRST_COMMIT + _HOUR * self._commits} +0000"
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "A Reader"), ("EMAIL", "reader@example.org"), ("DATE", when))
        }
        # Reading must not write: no index is refreshed, nothing is cached, no bytecode is kept. Nor may the terminal matter.
        silent = {
            "GIT_OPTIONAL_LOCKS": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "COLUMNS": "200",
        }
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        return {"PATH": os.environ["PATH"], "HOME": str(self._folder), **who, **silent, **alone}


@functools.cache
def _made(bug: Bug) -> tempfile.TemporaryDirectory[str]:
    """Return the folder of a repository with this bug, which goes when the program ends."""
    folder = tempfile.TemporaryDirectory(prefix="asyncfc-repository-")
    Repository.begun(Path(folder.name), bug)
    return folder


def _with_tests(*names: str) -> dict[str, str]:
    return {f"library/{name}.py": MODULES[f"library/{name}.py"] for name in names} | {
        f"tests/test_{name}.py": TESTS[f"tests/test_{name}.py"] for name in names
    }


#: The commits before the one that breaks something: files and message.
_HISTORY: tuple[tuple[Mapping[str, str], str], ...] = (
    (
        {
            "README.md": README,
            "pytest.ini": "[pytest]\npythonpath = .\n",
            "library/__init__.py": MODULES["library/__init__.py"],
        },
        "Begin a library",
    ),
    (_with_tests("dates"), "Say when a loan is due"),
    (_with_tests("fees"), "Charge for late books"),
    (_with_tests("catalog", "client"), "Add the catalog and the client"),
)

#: What each tool really touches, written down apart from what it declares.
_TOUCHES: Mapping[str, Any] = {
    "list_files": lambda given: ([_place(given["path"])], []),
    "read_file": lambda given: ([_place(given["path"])], []),
    "search": lambda given: ([_place(given["path"])], []),
    "run_tests": lambda _: (["files"], []),
    "edit_file": lambda given: ([], [_place(given["path"])]),
    "git_diff": lambda given: ([_place(given["path"]), ".git"], []),
    "git_log": lambda _: ([".git"], []),
    "git_blame": lambda given: ([_place(given["path"]), ".git"], []),
    "git_commit": lambda _: (["files"], [".git"]),
}


def _place(path: str) -> str:
    return f"files/{path}" if path else "files"
