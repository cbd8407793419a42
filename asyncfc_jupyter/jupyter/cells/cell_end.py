"""How a cell ends: with the error that it raises, if there is one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CellEnd:
    """The end of a cell as a value, since a ``KeyboardInterrupt`` must not pass through an asyncio task."""

    error: BaseException | None = None

    def conclude(self) -> None:
        """Raise the error, if there is one, in the cell's own frame."""
        if self.error is not None:
            # IPython shows every frame of an error that has an exception group as its context.
            self.error.__context__ = None
            raise self.error
