"""asyncfc_jupyter, in the mode that is asked for."""

from __future__ import annotations

import inspect
import json
from functools import cache
from typing import Any

from play import API_KEY, MODEL, Look, base_url, past, serve

from asyncfc_jupyter import Agent, tool
from asyncfc_jupyter.agent.conversation import Conversation


@cache
def agent_with(looking: Look, mode: str, api: str, hedge: str | None) -> Agent:
    """Return the agent, made once, as one does."""

    @tool(pure=True)
    async def look(topic: str, basis: list[str] | None = None) -> dict[str, Any]:
        """Look something up.

        Args:
            topic: What to look up.
            basis: Where to begin.
        """
        return dict(json.loads(await looking(topic, basis)))  # data and not text: calls take a field of it by reference

    more = {"hedge": hedge} if hedge else {}  # an older release has no such option, nor the next one
    more |= {"remember": "off"} if "remember" in inspect.signature(Agent).parameters else {}
    return Agent(MODEL, base_url=base_url(), api=api, api_key=API_KEY, tools=[look], mode=mode, **more)


async def play(
    plan: str, look: Look, *, mode: str, api: str = "chat", hedge: str | None = None, history: int = 0
) -> str:
    """Run the plan."""
    conversation = Conversation()
    conversation.messages += past(history)
    return (await agent_with(look, mode, api, hedge).run(plan, conversation=conversation)).answer


if __name__ == "__main__":
    serve(play)
