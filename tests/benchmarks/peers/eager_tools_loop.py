"""A loop with eager-tools-openai: a call starts when the next one begins to stream, and all are waited for."""

from __future__ import annotations

from functools import cache
from typing import Any

from eager_tools_openai import OpenAIEagerStream
from openai import AsyncOpenAI
from play import API_KEY, MODEL, TOOL, Look, base_url, serve


class Tool:
    """The tool as eager-tools wants it."""

    name, idempotent = "look", True

    def __init__(self, look: Look) -> None:
        self._look = look

    async def __call__(self, arguments: dict[str, Any]) -> str:
        """Call the function."""
        return await self._look(**arguments)


@cache
def client() -> AsyncOpenAI:
    """Return the one client."""
    return AsyncOpenAI(base_url=base_url(), api_key=API_KEY)


async def play(plan: str, look: Look) -> str:
    """Ask until the answer."""
    messages: list[Any] = [{"role": "user", "content": plan}]
    while True:
        said: list[str] = []
        written: dict[int, dict[str, Any]] = {}
        source = await client().chat.completions.create(model=MODEL, messages=messages, tools=[TOOL], stream=True)

        async def noted(source: Any = source, said: list[str] = said, written: Any = written) -> Any:
            async for chunk in source:
                if chunk.choices:
                    note(chunk.choices[0].delta, said, written)
                yield chunk

        chunks = noted()
        runner = OpenAIEagerStream(chunks, tools={"look": Tool(look)})
        async for _ in runner.events():
            pass
        async for _ in chunks:  # it stops at the finish reason; read to the end, the connection can be used again
            pass
        results = {call.tool_call_id: result async for call, result in runner.results()}
        if not written:
            return "".join(said)
        messages.append({"role": "assistant", "content": "".join(said) or None, "tool_calls": list(written.values())})
        messages += [{"role": "tool", "tool_call_id": call, "content": result} for call, result in results.items()]


def note(delta: Any, said: list[str], written: dict[int, dict[str, Any]]) -> None:
    """Note what the history needs of a chunk, since the library gives calls alone."""
    said.append(delta.content or "")
    for piece in delta.tool_calls or ():
        empty = {"id": piece.id, "type": "function", "function": {"name": piece.function.name, "arguments": ""}}
        call = written.setdefault(piece.index, empty)
        call["function"]["arguments"] += piece.function.arguments or ""


if __name__ == "__main__":
    serve(play)
