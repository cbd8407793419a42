"""A real run in virtual time, with most of the things that a timeline can show."""

import asyncio

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.trace.trace import Trace


async def read_ledger(month: str, context: ToolContext) -> dict:
    """Read the ledger."""
    await asyncio.sleep(1)
    context.progress(0.5, "page 1 of 2")
    await asyncio.sleep(1)
    print("opening the ledger")
    await asyncio.sleep(1)
    context.progress(1.0, "page 2 of 2")
    await asyncio.sleep(1)
    return {"entries": 128, "month": month}


async def correct(entry: int) -> str:
    """Correct an entry."""
    await asyncio.sleep(1)
    return f"corrected {entry}"


async def report(data: dict) -> str:
    """Report on the ledger."""
    await asyncio.sleep(1)
    return f"{data['entries']} entries"


async def audit(depth: str) -> str:
    """Audit."""
    await asyncio.sleep(1)
    raise ValueError(f"no {depth} audit")


async def archive(where: str) -> str:
    """Archive."""
    await asyncio.sleep(2)
    return where


async def pay(amount: int) -> str:
    """Pay."""
    await asyncio.sleep(1)
    return f"paid {amount}"


async def endless(what: str) -> str:
    """Run for ever."""
    await asyncio.sleep(1e6)
    return what


def flaky():
    """Return a tool whose first attempt fails."""
    tries = []

    async def fetch_rates(day: str) -> str:
        """Fetch rates."""
        tries.append(day)
        await asyncio.sleep(1)
        if len(tries) == 1:
            raise ConnectionError("timed out")
        return "12 rates"

    return fetch_rates


async def approver(request):
    """Say yes to small sums."""
    await asyncio.sleep(1)
    return request.arguments["amount"] < 100


def month_end() -> Trace:
    """Return the log of a run with every wait, retries, progress, prints, approvals, a failure and its skipped dependents."""
    model = ScriptedModel(
        [
            Says("First the ledger."),
            Thinks(0.5),
            Calls("read_ledger", {"month": "May"}),
            Calls("correct", {"entry": 7}),
            Calls("fetch_rates", {"day": "31"}),
            Calls("fetch_rates", {"day": "31"}),
            Thinks(0.5),
            Calls("audit", {"depth": "full"}),
            Calls("archive", {"where": "$f5"}),
        ],
        [
            Calls("archive", {"where": "cold"}),
            Calls("archive", {"where": "warm"}),
            Calls("report", {"data": "$f1"}),
            Calls("pay", {"amount": 12}),
            Calls("pay", {"amount": 1200}),
            Calls("endless", {"what": "x"}),
        ],
        [Says("Nearly."), Thinks(0.5)],
        [Says("The month is closed.")],
    )
    tools = [
        make_tool(read_ledger, reads="ledger"),
        make_tool(correct, writes="ledger"),
        make_tool(report, reads="ledger"),
        make_tool(audit, pure=True),
        make_tool(archive, pure=True, limit=1),
        make_tool(pay, writes="money", approve=True),
        make_tool(endless, pure=True, timeout_s=9),
        make_tool(flaky(), name="fetch_rates", pure=True, retries=1),
    ]
    return run_virtually(Agent(model, tools=tools, approver=approver).run("Close the month")).trace


def stopped() -> Trace:
    """Return the log of a run that was stopped while one call ran and another waited for it."""
    model = ScriptedModel([Calls("endless", {"what": "x"}), Calls("pay", {"amount": "$f1"}), Thinks(60)])

    async def main():
        tools = [make_tool(endless, pure=True), make_tool(pay, pure=True)]
        run = Agent(model, tools=tools).start("Slow work")
        await asyncio.sleep(5)
        run.cancel()
        await run.ended()
        return run.trace

    return run_virtually(main())
