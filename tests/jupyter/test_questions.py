"""Several open questions at the same time: each answer reaches its own question."""

from __future__ import annotations

import asyncio

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.jupyter.session.approval_prompt import Questions
from asyncfc_jupyter.runtime.call import Approval


def approval(future: str) -> Approval:
    name = FutureName(future)
    return Approval(future=name, tool="pay", arguments={"euros": 5}, shown="euros=5", description="Pay.")


def test_an_answer_reaches_its_own_question_and_no_other() -> None:
    async def main() -> None:
        questions = Questions()
        first = asyncio.ensure_future(questions.ask(approval("f1")))
        second = asyncio.ensure_future(questions.ask(approval("f2")))
        await asyncio.sleep(0)
        questions.answer("f2", yes=True)
        assert await second is True
        await asyncio.sleep(0)
        assert not first.done()
        questions.answer("f1", yes=False)
        assert await first is False

    asyncio.run(main())


def test_an_answer_to_a_closed_question_changes_nothing() -> None:
    async def main() -> None:
        questions = Questions()
        asked = asyncio.ensure_future(questions.ask(approval("f1")))
        await asyncio.sleep(0)
        questions.answer("f9", yes=True)
        questions.answer("f1", yes=True)
        questions.answer("f1", yes=False)
        assert await asked is True
        questions.answer("f1", yes=False)
        again = asyncio.ensure_future(questions.ask(approval("f1")))
        await asyncio.sleep(0)
        assert not again.done()
        again.cancel()

    asyncio.run(main())
