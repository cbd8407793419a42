"""openai-agents, over Chat Completions."""

from __future__ import annotations

from functools import cache

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI
from play import API_KEY, MANY, MODEL, Look, base_url, serve

set_tracing_disabled(True)


@cache
def model() -> OpenAIChatCompletionsModel:
    """Return the model with the one client."""
    return OpenAIChatCompletionsModel(model=MODEL, openai_client=AsyncOpenAI(base_url=base_url(), api_key=API_KEY))


async def play(plan: str, look: Look) -> str:
    """Ask until the answer."""
    agent = Agent(name="peer", model=model(), tools=[function_tool(look, strict_mode=False)])
    result = await Runner.run(agent, plan, max_turns=MANY)
    return str(result.final_output)


if __name__ == "__main__":
    serve(play)
