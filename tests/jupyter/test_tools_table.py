"""``%agent tools``: what a user is shown of the tools, as text and as HTML that cannot do anything."""

import json

import pytest

from asyncfc_jupyter.core.events import CallFailed, CallFinished, CallIssued, CallStarted, Event, Stamped
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.core.references import REFERENCE_SCHEMA
from asyncfc_jupyter.jupyter.commands.tools import ToolDetail, ToolsTable
from asyncfc_jupyter.jupyter.session.latencies import Latencies
from asyncfc_jupyter.runtime.durations import Durations
from asyncfc_jupyter.tools.definition import make_tool
from tests.jupyter.conftest import AGENT
from tests.jupyter.html_elements import Elements
from tests.kernels.harness import Kernel
from tests.suite.expected import Compare


def pay(euros: float, to: str = "<b>nobody</b>") -> str:
    """Pay <img src=x onerror=alert(1)> somebody.

    At once.

    Args:
        euros: How much.
    """
    return f"{euros} to {to}"


async def look(city: str) -> str:
    """Look around.

    Args:
        city: Where.
    """
    return city


PAY = make_tool(pay, writes="money", irreversible=True, approve=True, detached=True, limit=2, timeout_s=None)
LOOK = make_tool(look, reads="city/{city}", idempotent=True, retries=1, run_in="process", limit={"api/{city}": 3})
BARE = make_tool(look, name="bare")
PURE = make_tool(look, name="pure", pure=True)


def issued(name: str, tool: str) -> CallIssued:
    return CallIssued(future=FutureName(name), call=CallId(name), turn=1, tool=tool, arguments="{}", needs=())


def observed(*facts: tuple[float, Event]) -> Latencies:
    latencies = Latencies()
    observe = latencies.observer()
    for seq, (at_s, event) in enumerate(facts):
        observe(Stamped(seq=seq, at_s=at_s, event=event))
    return latencies


def calls(tool: str, *taken_s: float) -> list[tuple[float, Event]]:
    facts: list[tuple[float, Event]] = []
    for number, taken in enumerate(taken_s):
        name = FutureName(f"f{number + 1}")
        facts += [(0.0, issued(name, tool)), (1.0, CallStarted(future=name))]
        facts += [(1.0 + taken, CallFinished(future=name, summary=""))]
    return facts


def test_percentiles_cover_returned_calls_and_failures_are_counted_apart() -> None:
    failed = [(0.0, issued("f99", "look")), (0.0, CallStarted(future=FutureName("f99")))]
    failed += [(9.0, CallFailed(future=FutureName("f99"), kind="error", message="no"))]
    latency = observed(*calls("look", *(number / 10 for number in range(1, 21))), *failed).of("look")
    assert (latency.percentile_s(0.5), latency.percentile_s(0.95)) == pytest.approx((1.0, 1.9))
    assert latency.calls == "20 calls, 1 more failed"
    assert Latencies().of("look").shown == ("-", "-")


def test_percentiles_cover_the_latest_thousand_calls_in_any_order() -> None:
    latency = observed(*calls("look", *[9.0] * 500, *[0.3] * 300, *[0.1] * 700)).of("look")
    assert (latency.percentile_s(0.5), latency.percentile_s(0.95)) == pytest.approx((0.1, 0.3))
    assert observed(*calls("look", 3.0, 1.0, 2.0)).of("look").percentile_s(0.5) == pytest.approx(2.0)


def test_a_call_that_never_started_took_no_time_and_did_not_fail_by_itself() -> None:
    skipped = CallFailed(future=FutureName("f1"), kind="error", message="f0 failed")
    assert observed((0.0, issued("f1", "look")), (1.0, skipped)).of("look").calls == "0 calls"


def test_the_text_says_how_each_tool_runs_what_it_took_and_what_is_missing() -> None:
    text = repr(ToolsTable([PAY, LOOK, BARE, PURE], observed(*calls("look", 0.25, 2.5)), Durations()))
    assert text.split("\n") == [
        "pay(euros: float, to: str = '<b>nobody</b>') -> str  [writes money; irreversible; approve; detached; limit 2]",
        "    in a thread, no time limit; not called yet",
        "    not described: to",
        "look(city: str) -> str  [reads city/{city}; idempotent; limit 3 on api/{city}; 1 retry; runs in process]",
        "    in a process, timeout 60 s; p50 0.25 s, p95 2.5 s, 2 calls",
        "bare(city: str) -> str  [no effects declared: ordered against everything]",
        "    on the loop, timeout 60 s; not called yet",
        "pure(city: str) -> str  [pure]",
        "    on the loop, timeout 60 s; not called yet",
    ]


def test_the_table_says_what_a_tool_is_expected_to_take_and_why() -> None:
    durations = Durations()
    for _ in range(3):
        durations.note(LOOK, 0.25)
    for _ in range(1_000):
        durations.note(PURE, 2.0)
    awaited = make_tool(look, name="awaited", expected_s=1.5)
    tools = [LOOK, PURE, awaited, BARE]
    text = repr(ToolsTable(tools, Latencies(), durations))
    assert [line.strip() for line in text.split("\n")[1::2]] == [
        "in a process, timeout 60 s, expected 0.25 s (median of 3 calls); not called yet",
        "on the loop, timeout 60 s, expected 2.0 s (median of the latest 9 of 1,000 calls); not called yet",
        "on the loop, timeout 60 s, expected 1.5 s (expected_s); not called yet",
        "on the loop, timeout 60 s; not called yet",
    ]
    page = Elements(ToolsTable(tools, Latencies(), durations)._repr_html_()).text
    assert "expected 0.25 s (median of 3 calls)" in page
    durations.note(awaited, 0.5)
    assert "expected 0.50 s (median of 1 call)" in repr(ToolDetail(awaited, Latencies(), durations))


def test_the_whole_table_is_as_it_was(expected: Compare) -> None:
    table = ToolsTable([PAY, LOOK, BARE], observed(*calls("look", 0.25, 2.5)), Durations())
    expected("tools-table.txt", table._repr_html_().partition("</style>")[2].replace("<", "\n<"))


def test_the_html_says_the_same_and_nothing_in_it_can_run() -> None:
    page = Elements(ToolsTable([PAY, LOOK, BARE], observed(*calls("look", 0.25, 2.5)), Durations())._repr_html_())
    for said in (
        "irreversible",
        "approve",
        "limit 2",
        "1 retry",
        "not described: to",
        "0.25 s",
        "2.5 s",
        "in a process",
    ):
        assert said in page.text
    assert "no effects declared: ordered against everything" in page.text
    assert "Pay <img src=x onerror=alert(1)> somebody." in page.text
    assert "to: str = '<b>nobody</b>'" in page.text
    assert f'"pattern": {json.dumps(REFERENCE_SCHEMA["pattern"])}' in page.text, (
        "the schema that a model sees takes references"
    )
    assert " failed" not in page.text
    assert not page.names & {"img", "script", "a", "iframe"}
    assert page.attributes <= {"class"}


def test_what_steers_a_terminal_is_not_shown_in_the_table() -> None:
    loud = type("\x1b[31mloud\x1b[0m", (), {})()

    def odd(what: str = loud) -> None:
        """Look \x1b]0;title\x07around."""

    made = make_tool(odd, writes="a<img src=x>/b")
    for shown in (repr(ToolsTable([made], Latencies(), Durations())), repr(ToolDetail(made, Latencies(), Durations()))):
        assert "\x1b" not in shown
        assert "= <loud>)" in shown
    assert "img" not in Elements(ToolsTable([made], Latencies(), Durations())._repr_html_()).names


def test_what_is_cut_of_a_docstring_is_said_to_its_author() -> None:
    def read(path: str) -> str: ...

    read.__doc__ = "Read. " + "word " * 2_000
    made = make_tool(read)
    assert len(made.notices) == 2
    for shown in (
        repr(ToolsTable([made], Latencies(), Durations())),
        Elements(ToolsTable([made], Latencies(), Durations())._repr_html_()).text,
    ):
        assert "its docstring is cut: 3,996 of 10,005 characters are sent" in shown
        assert "some servers refuse more than 1,024" in shown


def test_one_tool_is_shown_with_its_docstring_and_the_schema_for_the_model() -> None:
    detail = ToolDetail(PAY, Latencies(), Durations())
    text = repr(detail)
    assert "    At once.\n\n    Args:\n        euros: How much." in text
    schema = json.loads(text.split("what a model sees\n")[1])
    assert schema == PAY.definition(references=True)["function"]
    page = Elements(detail._repr_html_())
    assert "euros: How much." in page.text
    assert not page.names & {"img", "script"}
    assert page.attributes <= {"class"}


@pytest.mark.kernel
def test_the_table_in_a_kernel_counts_calls_and_names_unknown_tools(
    kernel_of_module: Kernel,
) -> None:
    kernel = kernel_of_module
    kernel.run(f"{AGENT}\na = quick(x=1)\nb = quick(x=2)\n\nf'{{a}} {{b}}'")
    kernel.run(f"{AGENT}\na = talking(x=3)\n\nf'{{a}}'")
    (table,) = kernel.run("%agent tools").displays
    assert "quick(x: int) -> int  [pure]\n    on the loop, timeout 120 s, expected " in table["text/plain"]
    assert "(median of 2 calls); p50 " in table["text/plain"]
    assert ", 2 calls\n" in table["text/plain"]
    assert ", 1 call\n" in table["text/plain"]
    assert '<div class="asyncfc-tools">' in table["text/html"]
    (detail,) = kernel.run("%agent tools quick").displays
    sent = json.loads(detail["text/plain"].split("what a model sees\n")[1])
    assert sent["parameters"]["properties"]["x"]["anyOf"][1] == REFERENCE_SCHEMA
    assert "there is no tool 'quik'; did you mean quick?" in kernel.run("%agent tools quik").traceback
    assert (
        "%agent tools: it takes [TOOL]; it was given 2: quick talking."
        in kernel.run("%agent tools quick talking").traceback
    )
