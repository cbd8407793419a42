"""A model that yields given deltas, and a function that asks a model."""

from asyncfc_jupyter.models.base import ChatRequest


class Plays:
    """A model that yields given deltas."""

    name = "plays"

    def __init__(self, *deltas):
        self._deltas = deltas

    async def stream(self, request):
        for delta in self._deltas:
            yield delta


async def ask(model, text="go", **request):
    return [d async for d in model.stream(ChatRequest(messages=[{"role": "user", "content": text}], **request))]
