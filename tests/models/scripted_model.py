"""A model that says what it is given, and asking one."""

from asyncfc_jupyter.models.base import ChatRequest


class Plays:
    """A model that yields what it is given."""

    name = "plays"

    def __init__(self, *deltas):
        self._deltas = deltas

    async def stream(self, request):
        for delta in self._deltas:
            yield delta


async def ask(model, text="go", **request):
    return [d async for d in model.stream(ChatRequest(messages=[{"role": "user", "content": text}], **request))]
