"""openai-python's own runner for the Responses API, tuned: calls are independent, start while streaming, sixteen at once."""

from __future__ import annotations

from functools import cache
from typing import Any

from openai import AsyncOpenAI
from openai.lib.responses_tool_runner import AsyncRegisteredFunction, AsyncResponsesToolRunner
from play import API_KEY, MANY, MODEL, TOOL, Look, base_url, serve

AT_ONCE = 16


@cache
def client() -> AsyncOpenAI:
    """Return the one client."""
    return AsyncOpenAI(base_url=base_url(), api_key=API_KEY)


async def play(plan: str, look: Look) -> str:
    """Ask until the answer."""
    tool = {"type": "function", **TOOL["function"], "strict": False}

    async def execute(arguments: dict[str, Any]) -> str:
        return await look(**arguments)

    function = AsyncRegisteredFunction(tool, execute, independent=True)
    response = await AsyncResponsesToolRunner(functions=[function]).run(
        client(),
        {"model": MODEL, "input": plan},
        max_steps=MANY,
        stream=True,
        eager=True,
        max_concurrent_calls=AT_ONCE,
    )
    return response.output_text


if __name__ == "__main__":
    serve(play)
