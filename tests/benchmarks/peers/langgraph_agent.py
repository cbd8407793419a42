"""LangGraph's agent, with langchain-openai, over Chat Completions."""

from __future__ import annotations

from functools import cache

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from play import API_KEY, MANY, MODEL, Look, base_url, serve


@cache
def model() -> ChatOpenAI:
    """Return the model with the one client."""
    return ChatOpenAI(model=MODEL, base_url=base_url(), api_key=API_KEY)


async def play(plan: str, look: Look) -> str:
    """Ask until the answer."""
    agent = create_agent(model(), [tool(look)])
    said = {"messages": [{"role": "user", "content": plan}]}
    state = await agent.ainvoke(said, {"recursion_limit": 3 * MANY})
    return str(state["messages"][-1].content)


if __name__ == "__main__":
    serve(play)
