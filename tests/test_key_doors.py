"""Every place at which text leaves the process masks keys, or is listed here with the reason why it need not.

A new way out fails this test until it does. The other half, that nothing gets out, is in ``jupyter/test_keys_in_kernel.py``.
"""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import asyncfc_jupyter
from asyncfc_jupyter import cli
from asyncfc_jupyter.core.events import Event
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.trace.analysis.certificate import Pair, certify
from asyncfc_jupyter.trace.render.comparison import compare
from asyncfc_jupyter.trace.render.timeline import Timeline
from tests.trace.sample_traces import travel

PACKAGE = Path(asyncfc_jupyter.__file__).parent

#: Functions that write to a stream, a file, a log or a front end, by their last name.
WRITERS = {
    *(
        "print",
        "input",
        "write_text",
        "write_bytes",
        "replace_file",
        "warn",
        "showwarning",
        "write",
        "publish_display_data",
        "display",
    ),
    *("set_next_input", "error", "warning", "info", "debug", "send", "publish"),
}
#: Methods that IPython and Python call to show an object, and the packages whose objects users hold.
SHOWS = {"__repr__", "__str__", "_repr_html_", "_repr_mimebundle_"}
HELD = ("agent/", "jupyter/", "models/", "trace/", "errors.py", "runtime/call.py")

_OWN_WORDS = "it holds words of this package and numbers only"
_GETS_MASKED = "it gets masked text"
_CALLS_MASK = "what it calls masks"
_OTHER = "it is another thing of this name"
#: The places that name no mask, by file and function, with the reason.
EXEMPT = {
    ("agent/future.py", "Futures.__repr__"): _CALLS_MASK,
    ("agent/memory.py", "DiskMemory._write"): "figures, and names that were masked when they were made",
    ("cli.py", "main"): "the errors of this package mask their text",
    **{("cli.py", f"_{name}"): "it plays a plan of this package" for name in ("play.watch", "show")},
    ("jupyter/display/cell_output.py", "NotebookOutput.begin"): "it shows a widget, whose views are masked",
    ("jupyter/display/cell_output.py", "NotebookOutput.conclude"): _CALLS_MASK,
    ("jupyter/display/output_slots.py", "OutputStack._send"): _CALLS_MASK,
    ("jupyter/display/widget.py", "*"): "it sends views, which are masked",
    ("jupyter/session/approval_prompt.py", "approver_for.ask_at_terminal"): "`Approval` masks its text",
    ("jupyter/session/kernel_input.py", "KernelInput._answer"): _OWN_WORDS,
    ("jupyter/session/conversations.py", "Conversations.save"): "`to_json` masks",
    ("jupyter/session/conversations.py", "Talk.__str__"): "`%agent` masks its answers",
    ("jupyter/session/session.py", "Session.start"): _OTHER,
    ("models/aliases.py", "set_alias"): "it refuses keys",
    ("models/atomic_file.py", "replace_file"): _GETS_MASKED,
    ("models/cassette/cassette.py", "_write_after.write"): _GETS_MASKED,
    ("models/secret.py", "Secret.__repr__"): "it is the mask itself",
    ("runtime/event_log.py", "dropped"): "a filter of the logger masks",
    ("runtime/output_buffer.py", "*"): "it prints where the tool itself would print",
    ("runtime/output_capture.py", "Streams.report"): _OWN_WORDS,
    ("runtime/printed.py", "_write"): _GETS_MASKED,
    ("trace/analysis/certificate.py", "Pair.__str__"): "its reason is masked",
    **{(f"trace/render/svg/{name}.py", "*"): "views are masked" for name in ("comparison", "shapes", "timeline")},
    ("trace/render/timeline.py", "*"): "views are masked",
    ("trace/trace.py", "Trace.__repr__"): _OWN_WORDS,
    ("trace/trace.py", "Trace.save"): "`to_json` masks",
}


def places() -> Iterator[tuple[str, str, str, bool]]:
    """Yield each place that writes or shows: its file, function and writer, and whether the function names a mask."""
    for path in sorted(PACKAGE.rglob("*.py")):
        file, text = path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")
        for function, name in functions(ast.parse(text)):
            source = ast.get_source_segment(text, function) or ""
            for call in own_calls(function):
                if last_name(call) in WRITERS:
                    yield file, name, last_name(call), "mask" in source
            if function.name in SHOWS and file.startswith(HELD):
                yield file, name, function.name, "mask" in source


def functions(tree: ast.AST, outer: str = "") -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, f"{outer}{node.name}"
            yield from functions(node, f"{outer}{node.name}.")
        else:
            yield from functions(node, f"{outer}{node.name}." if isinstance(node, ast.ClassDef) else outer)


def own_calls(function: ast.AST) -> Iterator[ast.Call]:
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(node, ast.Call):
                yield node
            yield from own_calls(node)


def last_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def bare() -> dict[tuple[str, str], set[str]]:
    """The places that name no mask, each with its writers."""
    found: dict[tuple[str, str], set[str]] = {}
    for file, name, writer, masks in places():
        if not masks:
            found.setdefault((file, name), set()).add(writer)
    return found


def test_every_place_that_writes_or_shows_masks_keys_or_says_why_not() -> None:
    found = {
        place: writers for place, writers in bare().items() if place not in EXEMPT and (place[0], "*") not in EXEMPT
    }
    assert found == {}, "call `mask` there, or list it in EXEMPT with the reason"


def test_no_reason_is_left_over() -> None:
    found = bare()
    files = {(file, "*") for file, _ in found}
    assert {place for place in EXEMPT if place not in found and place not in files} == set()


def test_a_new_way_out_is_found() -> None:
    text = "class A:\n    def show(self):\n        async def deep():\n            print(self.answer)\n"
    (found,) = [(name, call) for function, name in functions(ast.parse(text)) for call in own_calls(function)]
    assert (found[0], last_name(found[1])) == ("A.show.deep", "print")


def test_the_command_line_repeats_no_key(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    key = "sk-proj-abcdefghijklmnopqrst"
    for arguments in (
        ["doctor", "m", "--key", key],
        ["doctor", "m", "--api-key", key],
        ["doctor", key],
        [key],
        ["trace", key],
    ):
        try:
            code: object = cli.main(arguments)
        except SystemExit as left:
            code = left.code
        assert code not in {0, None}, arguments
    path = tmp_path / "run.json"
    path.write_text(travel().to_json().replace("Lisbon", key))
    assert key in path.read_text()
    assert cli.main(["trace", str(path)]) == 0
    assert cli.main(["trace", str(path), "--svg", str(tmp_path / "run.svg")]) == 0
    said = capsys.readouterr()
    assert key not in said.out + said.err + (tmp_path / "run.svg").read_text()
    assert "***" in said.err


def test_a_trace_with_keys_from_elsewhere_is_drawn_without_them() -> None:
    key = "sk-proj-abcdefghijklmnopqrst"
    trace = travel()
    named = [
        dataclasses.replace(each, event=dataclasses.replace(each.event, **dict.fromkeys(texts(each.event), key)))
        for each in trace.events
    ]
    trace = dataclasses.replace(trace, events=tuple(named))
    drawn = Timeline(trace)
    certificate = certify(trace)
    for shown in (json.dumps(drawn.view()), drawn.text(), drawn.svg(), drawn.html(), trace.to_json(), str(certificate)):
        assert key not in shown
    assert json.dumps(drawn.view()).count("***") > 10
    view = compare(trace, trace, names=[key, "b"]).view()
    assert key not in json.dumps(view)
    pair = Pair(earlier=FutureName("f1"), later=FutureName("f2"), explain=lambda *_: f"both write {key}")
    for shown in (pair.reason, str(pair), str(dataclasses.replace(certificate, notes=(key,)))):
        assert key not in shown


def texts(event: Event) -> list[str]:
    return [
        field.name
        for field in dataclasses.fields(event)
        if field.type == "str" and field.name not in {"mode", "reason"}
    ]
