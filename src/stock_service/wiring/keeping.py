"""Runs what must run beside the requests, whatever happens to it."""

from __future__ import annotations

from typing import Protocol

from stock_service.base.clock import Clock
from stock_service.base.events import Faulted, Observer

_AGAIN_AFTER = 1.0


class Kept(Protocol):
    """A part that has something to do all the time."""

    async def keep(self) -> None:
        """Do it, for ever."""
        ...


async def keep_up(part: Kept, clock: Clock, observer: Observer) -> None:
    """Run `part` for ever; a fault of it is told, and it starts again: without beats it would never be used again."""
    while True:
        try:
            await part.keep()
        except Exception as error:  # noqa: BLE001 - whatever it was
            observer.notify(Faulted("shared", error))
            await clock.sleep(_AGAIN_AFTER)
