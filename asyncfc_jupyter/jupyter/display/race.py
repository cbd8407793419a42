"""The events of two requests that race, so that the text of one of them is shown at a time."""

from __future__ import annotations

from asyncfc_jupyter.core.events import Event, RequestRetracted, TurnStarted


class Race:
    """Holds the events of the second of two requests that ask the same, until the first is retracted.

    If the second is retracted, its events are discarded: nothing of it was ever shown.
    """

    def __init__(self) -> None:
        self._retracted: set[int] = set()
        self._held: dict[int, list[Event]] = {}

    def take(self, event: Event) -> list[Event]:
        """Return the events that may be shown now, in order."""
        if isinstance(event, RequestRetracted):
            self._retracted.add(event.turn)
            self._held.pop(event.turn, None)
            return [event, *self._held.pop(event.by, [])]
        turn = getattr(event, "turn", 0)
        if isinstance(event, TurnStarted) and event.instead_of is not None and event.instead_of not in self._retracted:
            self._held[turn] = []
        elif turn in self._held:
            self._held[turn].append(event)
            return []
        return [] if turn in self._retracted else [event]
