"""Planted keys that tools return and the model repeats, through a real kernel: everything that leaves is searched."""

from __future__ import annotations

import base64
import html
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jupyter.test_without_front_end import in_terminal
from tests.kernels.harness import Cell, Kernel, running_kernel
from tests.servers.scripted_server import Answer, HttpError, ScriptedServer, call_chunks, chunk, reply, text_chunks

pytestmark = pytest.mark.kernel

#: By where they are: in the environment, in two variables of the notebook, given for the server, and nowhere but in texts.
KEYS = {
    "environment": "env/Q7w6E5r4T3y2U1i0",
    "variable": 'var-"q<w&e\\9r8t7y6u5i4',
    "secret": "pyd-a1s2d3f4g5h6j7k8",
    "server": "srv-z9x8c7v6b5n4m3l2",
    "form": "sk-proj-p0o9i8u7y6t5r4e3w2q1",
}
#: Characters of a key in a row that may be seen: those of its form, and the three that a stream may show.
MOST_SEEN = 9

SETUP = """
%load_ext asyncfc_jupyter
import json, sys, warnings
from pydantic import SecretStr
with open("planted.json") as file:
    planted = json.load(file)
auth_token, held = planted["variable"], SecretStr(planted["secret"])
words = " ".join(planted.values())
del planted
"""
TOOLS = '''%%tool
def fetch(x: int, note: str = "") -> dict:
    """Return, print, warn and display keys."""
    for at in range(0, len(words), 3):
        print(words[at:at + 3], end="")
    for at, letter in enumerate(words):
        print(letter, end="", file=(sys.stdout, sys.stderr)[at % 2])
    print("\\x1b[1m".join(words))
    warnings.warn(words)
    from IPython.display import display, HTML, Markdown
    display(HTML("<b>" + words + "</b>"), Markdown(words), {"a": words})
    return {"said": words, "more": [words] * 3, "x" * 170 + words: words}

def fails(x: int) -> str:
    """Ask and fail with keys."""
    input(words)
    secret_local = words
    raise RuntimeError("no " + words)

async def reports(x: int, context: "ToolContext") -> str:
    """Report keys as progress."""
    for at in range(0, len(words), 5):
        context.progress(at / len(words), words[:at + 5])
    return words
'''
APPROVED = '''%%tool --approve --writes it/{note}
def asks(note: str) -> str:
    """Ask first."""
    return note
'''


def split(text: str) -> list[Any]:
    """A text in deltas of three characters, so that each key is divided among several."""
    return text_chunks(text, pieces=-(-len(text) // 3))


def policy(body: dict[str, Any]) -> Answer:
    """Call each tool once with keys, and then repeat all that came; refuse a prompt that asks for it with keys."""
    words = " ".join(KEYS.values())
    prompt = [message["content"] for message in body["messages"] if message["role"] == "user"][-1]
    if "refuse" in prompt:
        return HttpError(status=400, message=f"bad {words}")
    if "break" in prompt:
        return reply(split(words), {"error": {"message": f"bad {words}", "code": "invalid"}})
    if body["messages"][-1]["role"] == "user" and "call" in prompt:
        arguments = {"x": 1, "note": words}
        thinking = [chunk({"reasoning_content": words[at : at + 4]}) for at in range(0, len(words), 4)]
        calls = [
            call_chunks(0, "a", "fetch", arguments, pieces=40),
            call_chunks(1, "b", "fails", {"x": 1}),
            call_chunks(2, "c", "reports", {"x": 1}),
            call_chunks(3, "d", "asks", {"note": words}, pieces=30),
            call_chunks(4, KEYS["form"], KEYS["form"], {KEYS["variable"]: words}),
        ]
        return reply(thinking, split(f"I use {words}."), *calls)
    whole = (
        f"It is {words}; *{KEYS['form']}*\n\n```python\nkey = {words!r}\n```\n"
        if "code" in prompt
        else f"It is {words}."
    )
    return reply(split(json.dumps({"a": words}) if "json" in prompt else whole))


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "planted.json").write_text(json.dumps(KEYS))
    monkeypatch.setenv("SERVICE_TOKEN", KEYS["environment"])
    monkeypatch.setenv("MINE", KEYS["server"])
    return tmp_path


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(policy) as running:
        yield running


def readings(text: str) -> Iterator[str]:
    """A text in the ways in which it can be read: as it is, without markup, without escapes, and what it holds in base64."""
    yield text
    plain = html.unescape(html.unescape(re.sub(r"<[^>]*>", "", text)))
    yield plain
    yield re.sub(r"\x1b\[[0-9;]*m|\\u001b\[[0-9;]*m", "", plain)
    yield plain.replace('\\"', '"').replace("\\\\", "\\").replace('\\"', '"').replace("\\\\", "\\")
    for found in re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", text):
        try:
            yield base64.b64decode(found).decode("utf-8", "replace")
        except ValueError:
            continue


def assert_no_key(where: str, text: str) -> None:
    for reading in readings(text):
        for source, key in KEYS.items():
            for at in range(len(key) - MOST_SEEN):
                part = key[at : at + MOST_SEEN + 1]
                around = reading[max(0, reading.find(part) - 80) :][:200]
                assert part not in reading, f"a part of the key of the {source}, {part!r}, in {where}: {around!r}"


def run(kernel: Kernel, code: str, *, answers: list[str] | None = None, status: str = "ok") -> Cell:
    cell = kernel.send(code, answers=answers)
    kernel.wait(lambda: cell.ended, f"the end of {code!r}")
    assert cell.status == status, (code, cell.traceback)
    return cell


def test_no_key_leaves_a_kernel_by_any_way_but_the_request(planted: Path, server: ScriptedServer) -> None:
    reach = f"--base-url {server.base_url} --api-key-env MINE"
    with running_kernel(Path(sys.executable), planted) as kernel:
        for code in (SETUP, "from asyncfc_jupyter import ToolContext", TOOLS, APPROVED):
            run(kernel, code)
        agent = f"%%agent --model m {reach}"
        run(kernel, f"%%time\n{agent} --record talk.jsonl\nPlease call, {{words}}", answers=["y", "y"])
        formats = ("markdown", "code", "json", "html", "text")
        cells = [run(kernel, f"%%agent --format {each}\nSay it again, code {each}") for each in formats]
        assert any(cell.payload for cell in cells), "code is offered as the next cell"
        run(kernel, "%%agent --compare batch async\nSay it again")
        background = run(kernel, "%%agent --background --out aside --conversation aside\nSay it again")
        run(kernel, "await aside")
        kernel.wait(lambda: "It is" in background.text, "the answer in the background")
        for prompt in ("refuse", "break"):
            run(kernel, f"%%agent --max-requests 1 --conversation {prompt}\n{prompt}", status="error")
        run(kernel, "%%time\n%%agent --raw --out first --conversation more\nPlease call", answers=["n", "n"])
        for line in (
            "",
            "prompt",
            "prompt more",
            "history",
            "history more",
            "tools",
            "tools fetch",
            "timeline",
            "why f1",
        ):
            run(kernel, f"%agent {line}")
        for line in (
            "status",
            "config",
            "compare _agent first",
            "export talk.json",
            "fork copy more",
            "alias",
            "model",
        ):
            run(kernel, f"%agent {line}")
        for key in KEYS.values():
            if "<" not in key:
                run(kernel, f"k = {key[::-1]!r}[::-1]\n%agent alias fast={{k}}", status="error")
                run(kernel, f"k = {key[::-1]!r}[::-1]\n%agent {{k}}", status="error")
                run(kernel, f"k = {key[::-1]!r}[::-1]\n%agent why {{k}}", status="error")
                run(kernel, f"k = {key[::-1]!r}[::-1]\n%agent model {{k}}", status="error")
        for shown in (
            "_agent",
            "first",
            "first.futures",
            "first.futures['f1']",
            "first.futures['f2']",
            "first.timeline()",
        ):
            run(kernel, shown)
        for shown in (
            "first.certificate()",
            "first.trace",
            "first.metrics",
            "first.why('f1')",
            "[first]",
            "repr(first.error)",
        ):
            run(kernel, shown)
        run(kernel, "first.futures['f2'].result()", status="error")
        run(kernel, "first.futures['f4'].result()", status="error")
        run(kernel, "first.futures[words]", status="error")
        saved = "first.trace.save('run.json'); "
        saved += "".join(f"first.timeline().save('run.{suffix}'); " for suffix in ("html", "svg", "txt"))
        run(kernel, saved)
        assert kernel.value("first.futures['f1'].result()['said'] == words") == "True"
        assert kernel.value("all(key in first.futures['f1'].printed for key in [auth_token])") == "True"
        offers = [
            *kernel.complete("%%agent --model |"),
            *kernel.complete("%agent model |"),
            *kernel.complete("%agent why |"),
        ]
        assert_no_key("what the Tab key offers", "\n".join(offers))
        received = kernel.received
    assert_no_key_in(received, planted)
    # The model and its server got everything whole.
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEYS['server']}"}
    results = [message for request in server.requests for message in request.messages if message["role"] == "tool"]
    assert any(all(json.dumps(key)[1:-1] in str(message["content"]) for key in KEYS.values()) for message in results)


def assert_no_key_in(received: list[tuple[str, dict[str, Any]]], folder: Path) -> None:
    """Search the messages of a kernel, and the files that it wrote."""
    for kind, content in received:
        if kind not in {"execute_input", "complete_reply"}:
            assert_no_key(f"{kind} {json.dumps(content)[:60]}", json.dumps(content, ensure_ascii=False))
            assert_no_key(kind, json.dumps(content))
    kinds = {kind for kind, _ in received}
    assert {"stream", "display_data", "update_display_data", "error", "comm_open", "comm_msg", "input_request"} <= kinds
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "planted.json"]
    assert {"talk.jsonl", "talk.json", "run.json", "run.html", "run.svg", "run.txt"} <= {path.name for path in files}
    for path in files:
        if "ipython" not in path.parts:
            assert_no_key(path.name, path.read_text(encoding="utf-8", errors="replace"))


def test_no_key_leaves_a_terminal(planted: Path, server: ScriptedServer) -> None:
    agent = f"%%agent --model m --base-url {server.base_url} --api-key-env MINE"
    cells = [
        SETUP,
        "from asyncfc_jupyter import ToolContext",
        TOOLS,
        f"{agent}\nPlease call",
        "_agent.futures['f2'].result()",
    ]
    done = in_terminal(
        planted, *cells, "%agent history", "%%agent --format code\nSay code", "%agent timeline", "_agent"
    )
    assert "It is" in done.stdout
    assert_no_key("the terminal", done.stdout)
    assert_no_key("the terminal's errors", done.stderr)
