"""The release-time bound on runs whose schedule can be computed by hand."""

import asyncio

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.benchmarks.policies import POLICIES, ideal_s, plan_of, tool_taking
from tests.benchmarks.release_time_bound import released_s


def trace_of(plan, *tools):
    return run_virtually(
        Agent(RehearsalModel(ttft_ms=300, tokens_per_s=60), tools=tools, remember="off").run(plan)
    ).trace


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_it_is_what_an_ideal_client_takes(policy) -> None:
    trace = trace_of(plan_of(policy), tool_taking(1.0))
    assert released_s(trace) <= trace.end_s + 1e-9
    assert released_s(trace) == pytest.approx(ideal_s(policy, 1.0), rel=0.02)  # the asking itself is decoded, too


def test_a_write_is_released_by_what_read_before_it() -> None:
    async def count(shelf: str) -> int:
        """Count."""
        await asyncio.sleep(2.0)
        return 1

    async def fill(shelf: str) -> int:
        """Fill."""
        await asyncio.sleep(1.0)
        return 1

    ordered = (make_tool(count, reads="{shelf}"), make_tool(fill, writes="{shelf}"))
    free = (make_tool(count, reads="{shelf}"), make_tool(fill, writes="shop/{shelf}"))
    plan = 'count(shelf="a")\nfill(shelf="a")\n"Done."'
    after, beside = (released_s(trace_of(plan, *tools)) for tools in (ordered, free))
    assert after > 3.0
    assert after - beside == pytest.approx(1.0, abs=1e-6)
