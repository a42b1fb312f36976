"""The client keys in the shared store, as one instance knows them: heard by asking once a second, written by orders.

The last good version stays while the store is away, in memory only. Always holds: a record is replaced by a newer
revision of it alone, here and in the store; a store that came back empty is told what is known, so a revocation
survives wherever one instance has heard of it; what cannot be read never replaces what could.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stock_service.access.key_feed_scripts import POLL, PUT
from stock_service.access.keys import KeyRecord, KeysFaulty, parse_record, render_record
from stock_service.access.store import Store
from stock_service.base.clock import Clock
from stock_service.base.errors import Unavailable
from stock_service.base.events import Observer, Warned

POLL_EVERY = 1.0  # seconds
_START_EVERY = 0.05  # seconds, until the keys were heard the first time
_RECORDS_MAX = 500  # of one answer
_TRIES = 5  # of an order that met another one's write, or a store that is looked into
_AGAIN_AFTER = 0.2  # seconds
_PARTS = ("records", "revisions", "changes", "state")

Decide = Callable[[Mapping[str, KeyRecord]], Sequence[KeyRecord]]


@dataclass(frozen=True, slots=True)
class _Heard:
    """An answer to a poll; `records` are ids, revisions and texts."""

    epoch: str
    change: int
    more: bool
    records: tuple[tuple[str, int, str], ...]


class KeyFeed:
    """The keys in `store`. `keep` must run beside it.

    Args:
        prefix: begins every key in the store.
    """

    def __init__(self, store: Store, prefix: str, clock: Clock, observer: Observer) -> None:
        self._store = store
        self._keys = [f"{prefix}:{{keys}}:{part}" for part in _PARTS]
        self._clock = clock
        self._observer = observer
        self._epoch = ""
        self._change = 0
        self._revisions: dict[str, int] = {}
        self._warned: set[str] = set()
        self.records: dict[str, KeyRecord] = {}
        self.complete = False
        self.version = 0  # another number: `records` changed

    async def keep(self) -> None:
        """Listen for ever."""
        while True:
            if self._store.ready:
                await self.poll()
            await self._clock.sleep(POLL_EVERY if self.complete else _START_EVERY)

    async def poll(self) -> bool:
        """Hear of every change since the last time; False when the store cannot be had."""
        while True:
            new = secrets.token_hex(8)
            heard = _read_heard(await self._store.run(POLL, self._keys, [self._epoch, self._change, _RECORDS_MAX, new]))
            if heard is None:
                return False
            forgot = heard.epoch != self._epoch and self.complete
            self._epoch, self._change = heard.epoch, heard.change
            for written in heard.records:
                self._take(*written)
            if forgot:
                await self._restore()
            elif not heard.more:
                self.complete = True
                return True

    async def change(self, decide: Decide) -> None:
        """Write what `decide` makes of the newest records; all of it or nothing.

        Raises:
            Unavailable: the store cannot be had, so nothing was changed.
            ServiceError: what `decide` raises.
        """
        for attempt in range(_TRIES):
            if attempt:
                await self._clock.sleep(_AGAIN_AFTER)
            if not await self.poll():
                continue
            wanted = decide(self.records)
            if not wanted:
                return
            args: list[str | bytes | int] = [self._epoch, "all"]
            for record in wanted:
                args += [record.id, self._revisions.get(record.id, 0) + 1, render_record(record)]
            written = await self._store.run(PUT, self._keys, args)
            if isinstance(written, int) and written > 0:
                await self.poll()
                return
        raise Unavailable("cut off from the shared store, where the keys are")

    def _take(self, key_id: str, revision: int, text: str) -> None:
        if revision <= self._revisions.get(key_id, 0):
            return
        try:
            record = parse_record(text)
        except KeysFaulty as error:
            if key_id not in self._warned:
                self._warned.add(key_id)
                self._observer.notify(Warned(f"key {key_id[:32]} in the shared store cannot be read: {error}"))
            return
        self.records[key_id] = record
        self._revisions[key_id] = revision
        self.version += 1

    async def _restore(self) -> None:
        """Tell a store that forgot what is known; whoever knows a newer version of a record wins."""
        known = list(self.records.values())
        for begin in range(0, len(known), _RECORDS_MAX):
            args: list[str | bytes | int] = [self._epoch, "each"]
            for record in known[begin : begin + _RECORDS_MAX]:
                args += [record.id, self._revisions[record.id], render_record(record)]
            await self._store.run(PUT, self._keys, args)


def _read_heard(said: Any) -> _Heard | None:
    """Return what a poll brought; None for a fault, and for bytes that say nothing of the kind."""
    if not isinstance(said, list):
        return None
    try:
        epoch, change, more, *found = (each.decode() for each in said)
        rows = zip(found[::3], map(int, found[1::3]), found[2::3], strict=True)
        return _Heard(epoch, int(change), more == "1", tuple(rows))
    except (ValueError, AttributeError):
        return None
