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

#: By class of events, the names of its free texts. To look them up for each event would take as long as the mask. Paths and
#: reasons, which the certificate compares, are masked where they are shown.
_TEXTS: dict[type[Event], tuple[str, ...]] = {}


class EventMask:
    """The events of one run, with the keys in their texts masked.

    A piece of text that may be the beginning of a key is held: it comes with the next piece, or at the end of the reply. Two
    replies may stream at the same time.
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[type[Event], int], tuple[StreamMask, TextStreamed | ReasoningStreamed]] = {}

    def take(self, event: Event) -> list[Event]:
        """Return what the log gets in place of an event: nothing if its text is held."""
        if isinstance(event, TextStreamed | ReasoningStreamed):
            of = type(event), event.turn
            stream, _ = self._streams.get(of) or (StreamMask(), event)
            self._streams[of] = stream, event
            shown = stream.feed(event.text)
            return [_with(event, text=shown)] if shown or not event.text else []
        held: list[Event] = []
        if isinstance(event, TurnEnded | RequestRetracted | RequestRetried | RunEnded | TextWithdrawn):
            ended = [key for key in self._streams if isinstance(event, RunEnded) or key[1] == event.turn]
            for stream, last in map(self._streams.pop, ended):
                held += [_with(last, text=text)] if (text := stream.flush()) else []
        kind = type(event)
        if (names := _TEXTS.get(kind)) is None:
            names = _TEXTS[kind] = tuple(field.name for field in dataclasses.fields(kind) if field.type == "str")
        return [*held, _with(event, **{name: mask(getattr(event, name), stale=True) for name in names})]


def _with(event: Event, **texts: str) -> Event:
    changed = {name: text for name, text in texts.items() if text != getattr(event, name)}
    return dataclasses.replace(event, **changed) if changed else event
