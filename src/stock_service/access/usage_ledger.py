"""What clients used in the whole fleet: each instance writes its own totals of a day, whoever asks adds them up.

A total is written over the smaller one before it and never added to it, so a repeated, late or lost telling cannot
count twice. While the store is away totals wait here. Without a store the own ones are all there is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from stock_service.access.store import Store
from stock_service.access.usage import KEPT_DAYS, ByClient, ClientUsage, Counts, Tally
from stock_service.access.usage_scripts import READ, TELL
from stock_service.base.clock import Clock

TELL_EVERY = 2.0  # seconds
_FIELDS_MAX = 500  # of one command
_DAYS_AT_ONCE = 4
_PAGES_MAX = 1_000
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used, by day and client. `fleet`: by all instances; else by this one since it started."""

    fleet: bool
    days: dict[str, ByClient]


class OwnLedger:
    """What this process counted."""

    def __init__(self, usage: Callable[[], Iterable[ClientUsage]], clock: Clock) -> None:
        self._usage = usage
        self._clock = clock
        self.tally = Tally()

    def note(self) -> None:
        """Take note of the meters; to be called every second or so, that midnight falls where it should."""
        self.tally.note(self._usage(), self.today().isoformat())

    def today(self) -> date:
        """Return the day it is, UTC."""
        return datetime.fromtimestamp(self._clock.wall(), tz=UTC).date()

    async def read(self, days: Sequence[date]) -> Usage:
        """Return what was used on `days`; days without use are left out."""
        self.note()
        own = {day.isoformat(): self.tally.of_day(day.isoformat()) for day in days}
        return Usage(fleet=False, days={day: clients for day, clients in own.items() if clients})


class SharedLedger:
    """What all instances counted. `keep` must run beside it.

    Args:
        prefix: begins every key in the store.
        own: what this one counted.
    """

    def __init__(self, store: Store, prefix: str, own: OwnLedger, clock: Clock) -> None:
        self._store = store
        self._prefix = f"{prefix}:{{usage}}"
        self._own = own
        self._clock = clock
        self._pod = secrets.token_hex(6)  # one life of one process: its totals begin at nothing
        self._epoch = ""

    def today(self) -> date:
        """Return the day it is, UTC."""
        return self._own.today()

    async def keep(self) -> None:
        """Tell for ever."""
        while True:
            await self._clock.sleep(TELL_EVERY)
            await self.tell()

    async def tell(self) -> None:
        """Write what the store does not know yet."""
        self._own.note()
        for day, totals in self._own.tally.untold().items():
            clients = list(totals.items())
            for begin in range(0, len(clients), _FIELDS_MAX):
                part = dict(clients[begin : begin + _FIELDS_MAX])
                if not self._store.ready or not await self._tell(day, part):
                    return

    async def read(self, days: Sequence[date]) -> Usage:
        """Return what the fleet used on `days`, or what this instance did while the store cannot be had."""
        await self.tell()
        names = [day.isoformat() for day in days]
        told: dict[str, ByClient] = {}
        for begin in range(0, len(names), _DAYS_AT_ONCE):  # what goes out together has the time of one answer
            part = names[begin : begin + _DAYS_AT_ONCE]
            found = await asyncio.gather(*(self._read(name) for name in part))
            told |= {name: clients for name, clients in zip(part, found, strict=True) if clients is not None}
        if len(told) < len(names):
            return await self._own.read(days)
        return Usage(fleet=True, days={name: clients for name, clients in told.items() if clients})

    async def _tell(self, day: str, totals: ByClient) -> bool:
        expires_at = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) + (KEPT_DAYS + 1) * _DAY
        args: list[str | bytes | int] = [secrets.token_hex(8), expires_at]
        for client, counts in totals.items():
            args += [f"{self._pod}|{client}", *counts]
        epoch = await self._store.run(TELL, self._keys(day), args)
        if not isinstance(epoch, bytes):
            return False
        tally = self._own.tally
        if epoch.decode() != self._epoch:  # the first time, or a store that forgot
            self._epoch = epoch.decode()
            tally.forget_told()
        tally.told(day, totals)
        return True

    async def _read(self, day: str) -> ByClient | None:
        """Return the totals of all instances; None when the store cannot be had."""
        fields: dict[str, Counts] = {}  # by instance and client: a page may bring one again
        cursor = "0"
        for _ in range(_PAGES_MAX):
            page = _read_page(await self._store.run(READ, self._keys(day), [cursor, _FIELDS_MAX]))
            if page is None:
                return None
            cursor, found = page
            for name, counts in found.items():
                fields[name] = fields.get(name, Counts()).most(counts)
            if cursor == "0":
                break
        totals: dict[str, Counts] = {}
        for name, counts in fields.items():
            client = name.partition("|")[2]
            totals[client] = totals.get(client, Counts()).plus(counts)
        return totals

    def _keys(self, day: str) -> list[str]:
        return [f"{self._prefix}:{day}", f"{self._prefix}:epoch"]


def _read_page(said: Any) -> tuple[str, ByClient] | None:
    """Return the next cursor and the fields of a page; None for a fault, and for bytes that say nothing of the kind."""
    try:
        cursor, flat = said
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return cursor.decode(), {name.decode(): Counts(*map(int, value.split())) for name, value in pairs}
    except (ValueError, TypeError, AttributeError):
        return None
