"""A damaged or hostile file is read and can be used, or is refused with an error of this package."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.agent.persistence import fork, from_json, to_json
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.errors import AsyncFCError, InvariantBroken, UsageError
from asyncfc_jupyter.jupyter.settings import sources
from asyncfc_jupyter.models import aliases, keys
from asyncfc_jupyter.models.doctor_report import Report, Seen
from asyncfc_jupyter.models.profiles import OPENAI, OPENAI_URL
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, run_virtually
from asyncfc_jupyter.trace.analysis.certificate import certify
from asyncfc_jupyter.trace.analysis.metrics import metrics
from asyncfc_jupyter.trace.analysis.why import explain_wait
from asyncfc_jupyter.trace.render.comparison import compare
from asyncfc_jupyter.trace.render.timeline import Timeline
from asyncfc_jupyter.trace.trace import Trace, TraceFileError
from tests.agent.scripted_conversation import TOOLS
from tests.mutated_json import ODD, mutated
from tests.suite.long_form import is_long
from tests.trace.edge_traces import asked
from tests.trace.sample_traces import everything, travel

pytestmark = pytest.mark.long
#: Examples of each test. Folders are of the test, and not of an example.
EXAMPLES = settings(
    max_examples=2_000 if is_long() else 60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def refused(use):
    """Return the error of this package that a use raises and None, or None and what it returns."""
    try:
        return None, use()
    except AsyncFCError as error:
        return error, None


def script():
    first = [Calls("shout", {"text": "a"}), Calls("fails", {"reason": "b"})]
    return ScriptedModel(first, [Calls("shout", {"text": "$f1"})], *([Says("done")] for _ in range(4)))


TRACES = [json.loads(make().to_json()) for make in (everything, travel, asked)]
CONVERSATION = json.loads(
    to_json(run_virtually(Agent(script(), tools=TOOLS).run("go")).conversation, system="be brief")
)


@EXAMPLES
@given(text=st.sampled_from(TRACES).flatmap(mutated))
def test_a_damaged_trace_is_drawn_or_refused(text) -> None:
    try:
        trace = Trace.from_json(text)
    except TraceFileError:
        return
    assert Trace.from_json(trace.to_json()) == trace
    drawn = Timeline(trace)
    shown = [
        drawn.text(width=80),
        drawn.svg(),
        drawn.html(),
        compare(trace, trace).svg(),
        explain_wait(trace, FutureName("f1")),
    ]
    assert all((*shown, repr(trace), repr(metrics(trace)), str(certify(trace))))


@EXAMPLES
@given(text=mutated(CONVERSATION))
def test_a_damaged_conversation_is_continued_or_refused(text) -> None:
    try:
        conversation, system = from_json(text)
    except UsageError:
        return
    again = to_json(conversation, system=system)
    assert to_json(from_json(again)[0], system=system) == again
    run = run_virtually(Agent(script(), tools=TOOLS).run("go", conversation=fork(conversation)))
    assert (run.outcome, bool(repr(run.futures))) == ("answered", True)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("cassette") / "c.jsonl"
    run_virtually(Agent(script(), tools=TOOLS, record=path).run("go"))
    return path


@EXAMPLES
@given(data=st.data())
def test_a_damaged_cassette_is_replayed_or_refused(recorded, tmp_path, data) -> None:
    lines = recorded.read_text(encoding="utf-8").splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    lines[number] = data.draw(mutated(json.loads(lines[number])) | st.sampled_from(ODD))
    path = tmp_path / "damaged.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    refusal, run = refused(lambda: run_virtually(Agent("m", tools=TOOLS, replay=path, speed="instant").run("go")))
    assert not isinstance(refusal, InvariantBroken)
    assert refusal or run.outcome == "answered"


SEEN = Seen(
    calls=2, forced=False, text_pieces=1, reasoning=False, argument_pieces=9, own_ids=2, indexes=[0, 1], usage=False,
    usage_when_asked=True, placeholder=True, native=False, first_token_s=0.1, tokens_per_s=30.0, references=True,
    text_calls=[],
)  # fmt: skip
REPORT = Report(model="m", address="http://x", examined_at="2026", seen={"chat": SEEN}, refused={"responses": "no"})


@EXAMPLES
@given(data=st.data())
def test_a_damaged_report_of_the_doctor_is_read_or_ignored(tmp_path, data) -> None:
    REPORT.save(tmp_path / "report.json")
    kept = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    (tmp_path / "report.json").write_text(data.draw(mutated(kept) | st.sampled_from(ODD)), encoding="utf-8")
    report = Report.load(tmp_path / "report.json")
    assert report is None or (report.text() and report.text(magic=True) and report.options is not None)


def test_a_report_that_is_unchanged_is_read(tmp_path) -> None:
    REPORT.save(tmp_path / "report.json")
    read = Report.load(tmp_path / "report.json")
    assert (read.seen, read.refused, read.cached) == ({"chat": SEEN}, {"responses": "no"}, True)
    (tmp_path / "report.json").write_text('{"seen": 7}')
    assert Report.load(tmp_path / "report.json") is None


@pytest.mark.parametrize("written", [*ODD, '"a" = 1', "= 1", "a = {b", "\x00"])
def test_a_damaged_file_of_aliases_keys_or_settings_is_read_or_named(tmp_path, monkeypatch, written) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for file in (aliases.alias_file(), keys.key_file()):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(written, encoding="utf-8")
        file.chmod(0o600)
    for use, unset in ((lambda: aliases.resolve("m"), "m"), (lambda: keys.find_key(OPENAI, OPENAI_URL), None)):
        error, found = refused(use)
        assert found == unset if error is None else str(tmp_path) in str(error)
    keys.key_file().write_text(f"openai = {written}", encoding="utf-8")
    error, _ = refused(lambda: keys.find_key(OPENAI, OPENAI_URL))
    assert error is None or f"openai = {written}" not in str(error)
    (tmp_path / "pyproject.toml").write_text(
        f"[tool.asyncfc]\nmodel = {written}\nmax_turns = {written}\n", encoding="utf-8"
    )
    layer = sources._read(tmp_path / "pyproject.toml")
    assert layer.unreadable or layer.wrong or layer.values
