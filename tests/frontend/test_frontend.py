"""The front end's own tests, its types, and that it lays out what Python lays out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from asyncfc_jupyter.trace.render.html import script
from asyncfc_jupyter.trace.render.layout import Scale, pack
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import timeline_view, wait_reasons
from tests.trace.hedged_traces import overtaken
from tests.trace.sample_traces import everything, fan_out, interrupted, travel, until

HERE = Path(__file__).parent

#: Lays a view out as the front end does, and prints where each future lies: its lane, and its bars as shares of the axis.
PLACE = """
import { readFileSync } from "node:fs";
const { pack, placeBars, waitReasons } = await import(process.env.FRONT_END);
const view = JSON.parse(readFileSync(0, "utf8"));
const scale = { left: 0, right: 1000, start: 0, end: Math.max(view.span, 0.001) * 1.015 };
const bars = (row) => placeBars(row, scale, view.span).map(({ kind, x, width }) => [kind, x, x + width]);
console.log(JSON.stringify({
  lanes: pack(view.rows).map((lane) => lane.map((row) => row.future)),
  bars: Object.fromEntries(view.rows.map((row) => [row.future, bars(row)])),
  reasons: Object.fromEntries(view.rows.map((row) => [row.future, waitReasons(row)])),
}));
"""


@pytest.fixture(scope="session")
def front_end(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a program that imports the page's script, with what Python shares with it."""
    path = tmp_path_factory.mktemp("front_end") / "script.mjs"
    path.write_text(script(), encoding="utf-8")
    return {**os.environ, "FRONT_END": path.as_uri()}


def node(*arguments: str, **options: Any) -> str:
    program = shutil.which("node")
    if program is None:
        message = "node is not installed; the front end was not checked"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    done = subprocess.run([program, *arguments], cwd=HERE, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_pure_parts_of_the_front_end_pass_their_own_tests(front_end: dict[str, str]) -> None:
    assert "# fail 0" in node("--test", "--test-reporter=tap", "layout.test.js", env=front_end)


def test_the_front_end_is_typed_without_a_gap() -> None:
    compiler = HERE / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.exists():
        message = "run `npm ci` in tests/frontend to check the front end's types"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    node(str(compiler), "--project", str(HERE / "tsconfig.json"))


@pytest.mark.parametrize(
    "trace",
    [travel(), everything(), interrupted(), fan_out(200), until(everything(), 5.6), overtaken(), Trace(())],
    ids=["travel", "everything", "interrupted", "fan_out", "cut", "overtaken", "empty"],
)
def test_python_and_the_front_end_lay_out_alike(trace: Trace, front_end: dict[str, str]) -> None:
    view = timeline_view(trace)
    found = json.loads(node("--input-type=module", "--eval", PLACE, env=front_end, input=json.dumps(view)))
    assert found["lanes"] == [[row["future"] for row in lane] for lane in pack(view["rows"])]
    scale = Scale(0, 1000, max(view["span"], 0.001) * 1.015)
    for row in view["rows"]:
        assert found["reasons"][row["future"]] == wait_reasons(row)
        for (kind, x0, x1), segment in zip(found["bars"][row["future"]], row["segments"], strict=True):
            end = view["span"] if segment["end"] is None else segment["end"]
            assert kind == segment["kind"]
            assert (x0, x1) == pytest.approx((scale(segment["start"]), scale(end)))
