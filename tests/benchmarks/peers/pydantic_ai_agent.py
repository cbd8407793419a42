"""pydantic-ai, over Chat Completions."""

from __future__ import annotations

from functools import cache

from play import API_KEY, MODEL, Look, base_url, serve
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


@cache
def model() -> OpenAIChatModel:
    """Return the model with the one client."""
    return OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=base_url(), api_key=API_KEY))


async def play(plan: str, look: Look) -> str:
    """Ask until the answer."""
    result = await Agent(model(), tools=[look]).run(plan)
    return str(result.output)


if __name__ == "__main__":
    serve(play)
