"""chatlas, over Chat Completions."""

from __future__ import annotations

from chatlas import ChatOpenAICompletions
from play import API_KEY, MODEL, Look, base_url, serve


async def play(plan: str, look: Look) -> str:
    """Ask until the answer."""
    chat = ChatOpenAICompletions(base_url=base_url(), model=MODEL, api_key=API_KEY)
    chat.register_tool(look)
    await chat.chat_async(plan, echo="none")
    return chat.get_last_turn(role="assistant").text


if __name__ == "__main__":
    serve(play)
