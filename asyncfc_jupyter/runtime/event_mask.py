"""Masks keys in events before the log has them: all pictures, exports and reports of a run are made from its log."""

from __future__ import annotations

import dataclasses

from asyncfc_jupyter.core.events import (
    Event,
    ReasoningStreamed,
    RequestRetracted,
    RequestRetried,
    RunEnded,
    TextStreamed,
    TextWithdrawn,
    TurnEnded,
)
from asyncfc_jupyter.masking import StreamMask, mask

#: By class of events, the names of its free texts: for most classes none. Paths and reasons, which the certificate compares,
#: are masked where they are shown.
_TEXTS: dict[type[Event], tuple[str, ...]] = {}
#: A piece of a text that streams, and what ends such a text.
_Piece = TextStreamed | ReasoningStreamed
_End = TurnEnded | RequestRetracted | RequestRetried | RunEnded | TextWithdrawn


class EventMask:
    """The events of one run, with the keys in their texts masked.

    A piece of text that may be the beginning of a key is held: it comes with the next piece, or at the end of the reply. Two
    replies may stream at the same time.
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[type[Event], int], tuple[StreamMask, _Piece]] = {}

    def take(self, event: Event) -> list[Event]:
        """Return what the log gets in place of an event: nothing if its text is held."""
        if isinstance(event, _Piece):
            of = type(event), event.turn
            stream, _ = self._streams.get(of) or (StreamMask(), event)
            self._streams[of] = stream, event
            shown = stream.feed(event.text)
            if shown == event.text:
                return [event]
            return [dataclasses.replace(event, text=shown)] if shown else []
        held: list[Event] = []
        if self._streams and isinstance(event, _End):
            ended = [key for key in self._streams if isinstance(event, RunEnded) or key[1] == event.turn]
            for stream, last in map(self._streams.pop, ended):
                held += [dataclasses.replace(last, text=text)] if (text := stream.flush()) else []
        kind = type(event)
        if (names := _TEXTS.get(kind)) is None:
            names = _TEXTS[kind] = tuple(field.name for field in dataclasses.fields(kind) if field.type == "str")
        for name in names:
            text = getattr(event, name)
            if (shown := mask(text, stale=True)) != text:
                event = dataclasses.replace(event, **{name: shown})
        return [*held, event]
