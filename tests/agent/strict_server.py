"""A model with the rules of the strictest server: it refuses every history that any server would refuse.

It has rules of its own, so that a mistake in the package's rules does not hide here.
"""

import json
import re

from asyncfc_jupyter.testing import ScriptedModel


def is_sound(call):
    named = re.fullmatch("[A-Za-z0-9_-]{1,64}", call["function"]["name"])
    return named and isinstance(json.loads(call["function"]["arguments"]), dict)


def misplaced(messages):
    """Yield each error in the order of the roles."""
    roles = [message["role"] for message in messages]
    if "system" in roles[1:]:
        yield "a system message after the first"
    if roles[-1] not in {"user", "tool"}:
        yield f"the last message is of the role {roles[-1]}"
    if [role for role in roles if role != "system"][:1] != ["user"]:
        yield "the first message is not the person's"


def refusals(messages):
    """Every reason why a server would refuse these messages."""
    reasons, seen, position = [*misplaced(messages)], set(), 0
    body = [message for message in messages if message["role"] != "system"]
    while position < len(body):
        message = body[position]
        position += 1
        following = body[position]["role"] if position < len(body) else None
        if message["role"] == "tool":
            reasons.append(f"a tool message without its call: {message}")
            continue
        if message["role"] == following:
            reasons.append(f"two messages of {following} in a row")
        if not (message.get("content") or message.get("tool_calls") or message.get("content") == ""):
            reasons.append(f"an empty message: {message}")
        owed = [call["id"] for call in message.get("tool_calls", ())]
        reasons += [f"no sound call: {call}" for call in message.get("tool_calls", ()) if not is_sound(call)]
        if len({*owed, *seen}) != len(owed) + len(seen):
            reasons.append(f"an id is used twice: {owed}")
        seen |= set(owed)
        given = []
        while position < len(body) and body[position]["role"] == "tool":
            given.append(body[position]["tool_call_id"])
            position += 1
        if sorted(owed) != sorted(given):
            reasons.append(f"calls {owed} are answered by {given}")
    return reasons


class StrictModel(ScriptedModel):
    """A scripted model that refuses, and that remembers its history to see that it is only appended to.

    Of two requests in a row one may be a hedged one, whose reply is not used: then the history continues the other.
    """

    async def stream(self, request):
        before = [earlier.messages for earlier in self.requests[-2:]]
        assert refusals(request.messages) == []
        async for delta in super().stream(request):
            yield delta
        now = self.requests[-1].messages
        continued = [earlier for earlier in before if now[: len(earlier)] == earlier or earlier[-1]["role"] == "user"]
        assert continued or not before, "a sent message was changed"
