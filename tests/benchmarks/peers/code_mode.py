"""pydantic-ai-harness's CodeMode: calls are made by Python that the model writes, in a sandbox."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from play import API_KEY, MODEL, Look, base_url, serve
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai_harness import CodeMode


@cache
def model() -> OpenAIChatModel:
    """Return the model with the one client."""
    return OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=base_url(), api_key=API_KEY))


async def play(plan: str, looking: Look, *, eager: bool, speculates: bool, at_once: bool) -> str:
    """Ask until the answer."""

    async def look(topic: str, basis: list[str] | None = None) -> dict[str, Any]:
        """Look something up.

        Args:
            topic: What to look up.
            basis: Where to begin.
        """
        return dict(json.loads(await looking(topic, basis)))  # data and not text: code takes a field of it

    if at_once:  # all replies that make calls are one
        *calls, answer = plan.split("\n\n")
        plan = "\n\n".join(["\n".join(calls), answer] if calls else [answer])
    mode: CodeMode[None] = CodeMode(eager=eager, speculate=["look"] if speculates else None)
    result = await Agent(model(), tools=[look], capabilities=[mode]).run(plan)
    return str(result.output)


if __name__ == "__main__":
    serve(play)
