"""Faults planted by hand, each of a kind that a reviewer could overlook, and the tests that must find it.

The random mutants change only Python and run only the quick tests. These faults are also in the page's script, which is tested
in Node and in a browser, and in code that only a real kernel shows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.copies import ROOT, Copy

#: More than the slowest list of tests takes on a busy machine.
_LIMIT_S = 1200.0
_FRONTEND = "asyncfc_jupyter/trace/frontend"
_PAGE = (
    "tests/frontend",
    "tests/browser/test_timeline_painted.py",
    "tests/browser/test_timeline_page.py",
    "tests/browser/test_timeline_live.py",
    "tests/browser/test_timeline_around.py",
)

_PROGRAMS = ("tests/programs/test_whole_programs.py",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: a text in a file and its replacement."""

    #: The effect that a user would see.
    name: str
    file: str
    #: Must occur in the file exactly once.
    old: str
    new: str
    #: Arguments of pytest: files and options.
    tests: tuple[str, ...]


PLANTED = (
    Fault(
        name="the arguments of two calls without ids are joined to one",
        file="asyncfc_jupyter/models/accumulator.py",
        old="at_index = self._by_index.get(delta.index)",
        new="at_index = self._by_index.get(delta.index, self._current)",
        tests=("tests/models", "-m", "not old_client and not real_model"),
    ),
    Fault(
        name="a cassette holds the key that a model says in pieces",
        file="asyncfc_jupyter/models/cassette/cassette.py",
        old="mask_streams(exchange.reply)",
        new="exchange.reply",
        tests=("tests/models", "-m", "not old_client and not real_model"),
    ),
    Fault(
        name="the pause that a server asks for in seconds is not kept",
        file="asyncfc_jupyter/models/connection/server_errors.py",
        old='(("retry-after-ms", 1000), ("retry-after", 1))',
        new='(("retry-after-ms", 1000),)',
        tests=("tests/models", "-m", "not old_client and not real_model"),
    ),
    Fault(
        name="a call of Claude's that the limit of tokens cut before its input runs without it",
        file="asyncfc_jupyter/models/anthropic/messages.py",
        old="yield CallDelta(index=index, arguments=given, whole=bool(given))",
        new="yield CallDelta(index=index, arguments=given, whole=True)",
        tests=("tests/models/test_messages.py", "tests/models/test_corpus.py"),
    ),
    Fault(
        name="Claude's thinking is sent to another model",
        file="asyncfc_jupyter/models/anthropic/blocks.py",
        old='kept.get("items") or () if kept.get("model") == model else ()',
        new='kept.get("items") or ()',
        tests=("tests/models/test_message_blocks.py",),
    ),
    Fault(
        name="why a reply ended is lost where it comes with the last piece of text",
        file="asyncfc_jupyter/models/openai/chat.py",
        old='if reason and reason != "null":',
        new='if reason and reason != "null" and not get(get(choice, "delta"), "content"):',
        tests=("tests/models", "tests/agent", "-m", "not old_client and not real_model"),
    ),
    Fault(
        name="a reference steps into an object that an earlier call still changes",
        file="asyncfc_jupyter/runtime/driver.py",
        old="if binding.is_known(call, self._values) and",
        new="if True and",
        tests=_PROGRAMS,
    ),
    Fault(
        name="of two letters that touch no declared state one is sent",
        file="asyncfc_jupyter/tools/definition.py",
        old="if self.irreversible or self.approve:",
        new="if self.approve:",
        tests=_PROGRAMS,
    ),
    Fault(
        name="two calls overlap that write 1.0 and the text 1.0",
        file="asyncfc_jupyter/values/place_texts.py",
        old="tuple(dict.fromkeys([*texts, *filter(None, map(_number, texts))]))",
        new="tuple(dict.fromkeys(texts))",
        tests=_PROGRAMS,
    ),
    Fault(
        name="a call that a gateway repeats on the next index is made twice",
        file="asyncfc_jupyter/models/accumulator.py",
        old="return self._begin(delta, repeats=first)",
        new="return self._begin(delta)",
        tests=_PROGRAMS,
    ),
    Fault(
        name="a server that ignores async is left with calls that are never answered",
        file="asyncfc_jupyter/models/openai/async_tools.py",
        old='{item.get("call_id") for item in items if item.get(_ASYNC) is True}',
        new='{item.get("call_id") for item in items}',
        tests=("tests/models/test_async_tools.py",),
    ),
    Fault(
        name="a tool that redirects its output leaves that of the notebook redirected",
        file="asyncfc_jupyter/runtime/process_state.py",
        old="(OwnAttributes(_STREAMS.assigned), _STREAMS,",
        new="(_STREAMS,",
        tests=_PROGRAMS,
    ),
    Fault(
        name="a run ends by a SystemExit in the code of a value",
        file="asyncfc_jupyter/foreign_code.py",
        old="        self.error = error\n        return True",
        new="        self.error = error\n        return isinstance(error, Exception)",
        tests=_PROGRAMS,
    ),
    Fault(
        name="a second press of the interrupt button does not abandon the run",
        file="asyncfc_jupyter/jupyter/cells/interrupt.py",
        old="self._cancel if self.presses == 1 else self.abandoned.set",
        new="self._cancel",
        tests=("tests/jupyter/test_interrupt.py", "tests/jupyter/test_kernel.py", "-m", "not old_kernel"),
    ),
    Fault(
        name="fewer calls run at once than the help says",
        file="asyncfc_jupyter/jupyter/session/session.py",
        old="limit=options.limit,",
        new="limit=options.limit // 2,",
        tests=("tests/jupyter", "-m", "not old_kernel"),
    ),
    Fault(
        name="a button answers for the call that has waited longest, not for its own",
        file="asyncfc_jupyter/jupyter/session/approval_prompt.py",
        old="waiting = self._open.get(future)",
        new="waiting = next(iter(self._open.values()), None)",
        tests=("tests/jupyter", "-m", "not old_kernel"),
    ),
    Fault(
        name="the lines of the patterns lean to the other side",
        file=f"{_FRONTEND}/ink.js",
        old="context.stroke(new Path2D(HATCHES[hatch].path));",
        new="context.scale(-1, 1);\n  context.translate(-TILE, 0);\n  context.stroke(new Path2D(HATCHES[hatch].path));",
        tests=_PAGE,
    ),
    Fault(
        name="in a lane a call is drawn over one that still runs",
        file=f"{_FRONTEND}/lanes.js",
        old="const last = row.segments[row.segments.length - 1];",
        new="const last = row.segments[0];",
        tests=_PAGE,
    ),
    Fault(
        name="the labels of the axis stand in wrong places once one has zoomed in",
        file=f"{_FRONTEND}/paint.js",
        old="const x = position(scale, at);\n      const wide",
        new="const x = scale.left + ((scale.right - scale.left) * at) / scale.end;\n      const wide",
        tests=_PAGE,
    ),
)


def times_there(fault: Fault) -> int:
    """Return how often the text to be replaced occurs in its file."""
    return (ROOT / fault.file).read_text(encoding="utf-8").count(fault.old)


def check_planted(names: Sequence[str] = ()) -> int:
    """Plant each fault in a copy of the tree and run its tests; with names, those whose names hold one of them.

    Returns:
        0 when all are found, else 1.
    """
    home = Path(tempfile.mkdtemp(prefix="asyncfc-planted-"))
    bad = 0
    try:
        copy = Copy(home)
        for fault in PLANTED:
            if names and not any(name in fault.name for name in names):
                continue
            said, good = _planted(copy, fault)
            bad += not good
            print(f"{said:10}  {fault.file}: {fault.name}", flush=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 1 if bad else 0


def _planted(copy: Copy, fault: Fault) -> tuple[str, bool]:
    if times_there(fault) != 1:
        return f"OLD TEXT IS THERE {times_there(fault)} TIMES", False
    memory = copy.home / "memory"
    shutil.rmtree(memory, ignore_errors=True)
    text = (copy.root / fault.file).read_text(encoding="utf-8").replace(fault.old, fault.new)
    with copy.changed(fault.file, text.encode()):
        code = _pytest(copy, memory, *fault.tests)
    if code not in {0, 1}:
        return f"PYTEST ENDED WITH {code}", False
    if code == 0:
        # Show pytest's last line: skipped tests have checked nothing.
        said = (copy.home / "log.txt").read_text(errors="replace").strip().rpartition("\n")[2]
        return f"NOT FOUND ({said.strip('= ')})", False
    failed = ", ".join(json.loads((memory / "v" / "cache" / "lastfailed").read_text()))
    # A test that also fails without the fault has not found it.
    if _pytest(copy, memory, *fault.tests, "--last-failed") != 0:
        return f"FAILS WITHOUT IT: {failed}", False
    return f"found by {failed}", True


def _pytest(copy: Copy, memory: Path, *arguments: str) -> int | str:
    environ = os.environ | {"PYTHONPATH": str(copy.root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-o", f"cache_dir={memory}", *arguments]
    with (copy.home / "log.txt").open("w") as log:
        try:
            done = subprocess.run(
                command, cwd=copy.root, env=environ, stdout=log, stderr=log, check=False, timeout=_LIMIT_S
            )
        except subprocess.TimeoutExpired:
            return "TIME"
    return done.returncode
