"""The context of a call: what a tool gets, and where its reports go."""

import asyncio
import functools
import itertools
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Optional

import pytest

import asyncfc_jupyter
from asyncfc_jupyter import ToolContext
from asyncfc_jupyter.errors import ArgumentMismatch, NotAFraction, ToolCancelled, ToolDefinitionError
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.context import REPORT_INTERVAL_S
from asyncfc_jupyter.tools.definition import make_tool


def first(context: ToolContext, pages: int) -> None:
    """Fetch."""


def middle(pages: int, context: ToolContext, /, size: int = 3) -> None:
    """Fetch."""


def by_name(pages: int, *, context: ToolContext) -> None:
    """Fetch."""


def optional(pages: int, context: Optional[ToolContext] = None) -> None:  # noqa: UP045 - both spellings
    """Fetch."""


def union(pages: int, context: ToolContext | None) -> None:
    """Fetch."""


def annotated(pages: int, context: Annotated[ToolContext, "injected"]) -> None:
    """Fetch."""


def quoted(pages: int, context: "ToolContext") -> None:
    """Fetch.

    Args:
        pages: How many.
        context: Never for a model.
    """


class Fetcher:
    def fetch(self, pages: int, context: ToolContext) -> None:
        """Fetch."""

    def __call__(self, context: ToolContext, pages: int) -> None:
        """Fetch."""


TAKING = [
    first,
    middle,
    by_name,
    optional,
    union,
    annotated,
    quoted,
    Fetcher().fetch,
    functools.partial(Fetcher.fetch, Fetcher()),
]


@pytest.mark.parametrize("function", TAKING)
def test_a_context_is_injected_and_a_model_never_sees_it(function) -> None:
    made = make_tool(function)
    assert "context" not in str(made.definition(references=True)).lower()
    assert "context" not in made.signature
    assert "context" not in {*made.parameters_of.names, *made.parameters_of.defaults}
    context = ToolContext(future="f1")
    bound = made.parameters_of.bind({"pages": 2}, context)
    assert (bound.arguments["context"], bound.arguments["pages"]) == (context, 2)
    function(*bound.args, **bound.kwargs)


def test_a_callable_object_takes_a_context_too() -> None:
    context = ToolContext()
    assert make_tool(Fetcher(), name="fetch").parameters_of.bind({"pages": 2}, context).arguments["context"] is context


def test_without_a_context_a_tool_gets_a_silent_one_or_its_own_default() -> None:
    """A silent context drops its reports."""
    bound = make_tool(first).parameters_of.bind({"pages": 1})
    bound.arguments["context"].progress(0.5, "half")
    bound.arguments["context"].check()
    assert make_tool(optional).parameters_of.bind({"pages": 1}).arguments["context"] is None
    assert make_tool(union).parameters_of.bind({"pages": 1}).arguments["context"] is None


def test_a_context_sent_by_a_model_is_refused_as_an_unknown_parameter() -> None:
    with pytest.raises(ArgumentMismatch, match=r"there is no parameter 'context' \(there are: pages\)"):
        make_tool(first).parameters_of.bind({"pages": 1, "context": {}}, ToolContext())


def test_a_path_template_cannot_name_a_context() -> None:
    with pytest.raises(ToolDefinitionError, match="names 'context', which is not a parameter; use one of: pages"):
        make_tool(first, reads="pages/{context}")


def test_a_tool_without_a_context_is_called_as_usual() -> None:
    def plain(pages: int) -> None:
        """Fetch."""

    assert make_tool(plain).parameters_of.bind({"pages": 1}, ToolContext()).arguments == {"pages": 1}
    assert make_tool(first).parameters_of.takes_context
    assert not make_tool(plain).parameters_of.takes_context


def test_at_most_twenty_reports_a_second_go_through_and_always_the_last() -> None:
    async def main():
        sent = []
        loop = asyncio.get_running_loop()
        context = ToolContext(report=lambda fraction, text: sent.append((loop.time(), fraction, text)))
        for step in range(1000):  # a thousand steps of a millisecond
            context.progress(step / 1000, f"step {step}")
            await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        held = list(sent)
        context.progress(0.9999)
        context.progress(1.0, "done")
        context.close()
        return held, sent

    held, sent = run_virtually(main())
    assert held[-1][1:] == (0.999, "step 999")
    assert 18 <= len(held) <= 22
    assert all(later[0] - earlier[0] >= REPORT_INTERVAL_S - 1e-9 for earlier, later in itertools.pairwise(held))
    assert sent[-1][1:] == (1.0, "done")
    assert [fraction for _, fraction, _ in sent] == sorted(fraction for _, fraction, _ in sent)


def test_reports_from_threads_arrive_on_the_loop_and_the_last_is_kept() -> None:
    async def main():
        sent = []
        context = ToolContext(report=lambda fraction, text: sent.append((threading.current_thread(), fraction)))

        def work() -> None:
            for step in range(1, 1001):
                context.progress(step / 1000)

        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(4) as threads:
            await asyncio.gather(*(loop.run_in_executor(threads, work) for _ in range(4)))
        context.close()
        return sent

    sent = run_virtually(main())
    assert {thread for thread, _ in sent} == {threading.main_thread()}
    assert sent[-1][1] == 1.0


def test_reports_after_the_end_are_dropped() -> None:
    async def main():
        sent = []
        context = ToolContext(report=lambda fraction, text: sent.append(fraction))
        context.close()
        context.progress(0.5)
        await asyncio.sleep(1)
        return sent

    assert run_virtually(main()) == []


def test_the_reports_of_a_thread_that_outlives_its_loop_are_dropped() -> None:
    async def main():
        return ToolContext(report=lambda fraction, text: pytest.fail("nobody listens"))

    context = run_virtually(main())
    context.progress(0.5)


def test_without_a_loop_the_first_report_goes_through_at_once() -> None:
    """The last one goes through at the end."""
    sent = []
    context = ToolContext(report=lambda fraction, text: sent.append(fraction))
    for step in range(101):
        context.progress(step / 100)
    context.close()
    assert (sent[0], sent[-1]) == (0.0, 1.0)


def test_a_text_may_stand_alone_and_is_cut_to_one_line() -> None:
    sent = []
    context = ToolContext(report=lambda fraction, text: sent.append((fraction, text)))
    context.progress(None, "page\n4 " + "x" * 10_000)
    assert sent[0][0] is None
    assert sent[0][1].startswith("page 4 xxx")
    assert len(sent[0][1]) == 200


@pytest.mark.parametrize("fraction", [40, -0.1, 1.0001, float("nan"), "half", True, 1j])
def test_progress_that_is_not_a_fraction_is_refused_at_the_tools_line(fraction) -> None:
    with pytest.raises(
        NotAFraction, match=r"fetch reported progress .*, which is not a number from 0 to 1; write 0.4 for 40 %"
    ):
        ToolContext(tool="fetch").progress(fraction)
    assert issubclass(NotAFraction, ValueError)


def test_a_tool_can_see_that_its_result_is_not_wanted_any_more() -> None:
    given_up = threading.Event()
    context = ToolContext(future="f3", tool="fetch", cancelled=given_up)
    context.check()
    assert context.cancelled is False
    given_up.set()
    assert context.cancelled is True
    with pytest.raises(ToolCancelled, match=r"f3 \(fetch\) was cancelled or ran out of time"):
        context.check()


def test_a_context_names_its_call_and_stays_in_its_process() -> None:
    context = ToolContext(call_id="call_9", future="f3", tool="fetch")
    assert (context.call_id, context.future, context.tool) == ("call_9", "f3", "fetch")
    assert repr(context) == "<ToolContext of f3 (fetch)>"
    with pytest.raises(TypeError, match="cannot run in another"):
        pickle.dumps(context)
    assert asyncfc_jupyter.ToolContext is ToolContext
