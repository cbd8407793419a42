"""Whether a server runs two requests at the same time: the doctor measures it, and a run reads it once.

A short request is made alone, then twice at once, all with the same question and a limit of a few tokens. A server with one
slot answers the second after the first, so that its first token comes after the last one of the first: no speed and no jitter
make the two overlap there. Two that overlap may still share a processor that one keeps busy. So the first token of the second
is compared with that of the request alone as well: in a race it is what a run waits for. All is measured twice, and the
shortest times count, since whatever else the machine does makes a time longer and none shorter.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from asyncfc_jupyter.errors import ServerError
from asyncfc_jupyter.models.address import is_private
from asyncfc_jupyter.models.base import CallDelta, ChatModel, ChatRequest, ReasoningDelta, TextDelta, server_address
from asyncfc_jupyter.models.doctor_report import AtOnce, last_at_once

#: The limit of each reply, in tokens: the least that OpenAI accepts, and enough to see two replies overlap.
_TOKENS = 16
_ROUNDS = 2
#: Nearly every model writes a token a number, and more of them than the limit.
_QUESTION = ChatRequest(
    messages=[{"role": "user", "content": "Count from 1 to 30, with commas, and write nothing else."}],
    most_tokens=_TOKENS,
)


@dataclass(frozen=True, slots=True)
class _Times:
    """When the first and the last piece of a reply came, in seconds since all requests of this round were made."""

    first_s: float
    last_s: float


async def measure(model: ChatModel) -> AtOnce | None:
    """Make one request alone and two at once, two times each; return what was seen, or None if a reply failed or was empty.

    Cancelling this closes the connections.
    """
    alone, pairs = list[_Times](), list[list[_Times]]()
    for _ in range(_ROUNDS):
        for count in (1, 2):
            replies = await asyncio.gather(*(_times(model) for _ in range(count)))
            times = sorted((each for each in replies if each is not None), key=lambda each: each.first_s)
            if len(times) < count:
                return None
            if count == 1:
                alone += times
            else:
                pairs.append(times)
    fastest = min(pairs, key=lambda pair: pair[1].first_s)
    return AtOnce(
        alone_s=round(min(each.first_s for each in alone), 3),
        first_s=round(fastest[0].first_s, 3),
        second_s=round(fastest[1].first_s, 3),
        overlapped=any(second.first_s < first.last_s for first, second in pairs),
    )


async def _times(model: ChatModel) -> _Times | None:
    clock = asyncio.get_running_loop().time
    started_s, came_s = clock(), list[float]()
    try:
        async with aclosing(model.stream(_QUESTION)) as deltas:
            async for delta in deltas:
                if isinstance(delta, CallDelta | ReasoningDelta) or (isinstance(delta, TextDelta) and delta.text):
                    came_s.append(clock() - started_s)
                if len(came_s) >= _TOKENS:  # a server that does not know the limit
                    break
    except ServerError:
        return None
    return _Times(came_s[0], came_s[-1]) if came_s else None


async def races(model: ChatModel) -> bool:
    """Return whether two requests for one reply may be raced although the user did not ask for a race: see `race_verdict`.

    It reads the doctor's report in a thread, so a run asks once.
    """
    address = server_address(model)
    return is_private(address) and (await asyncio.to_thread(race_verdict, address, model.name))[0]


def race_verdict(address: str, model: str) -> tuple[bool, str]:
    """Return whether two requests for one reply may be raced although the user did not ask for a race; and why.

    They may where a request costs nothing, which is assumed of this machine and of private networks, and where the doctor has
    seen that the server runs two side by side.

    Args:
        address: The server's address; empty for a model without one.
        model: The name by which the server knows the model.
    """
    if not is_private(address):
        return False, "a second request may cost money there" if address else "it is not reached at an address of yours"
    seen = last_at_once(address, model)
    if seen is None:
        return False, "it is not known whether its server runs two requests side by side: see %agent doctor"
    if not seen.side_by_side:
        return False, "the doctor saw that its server is slower with two requests at once"
    return True, "the doctor saw that its server runs two requests side by side"
