"""Carries out orders about client keys in the place where this instance may write: the shared store, else the file.

Always holds: an order is carried out whole or refused with a reason; what it changed is in force here when it
returns, and announced; the new key is in the answer and nowhere else.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from stock_service.access.gate import Keys
from stock_service.access.key_feed import KeyFeed
from stock_service.access.key_file import KeyFile
from stock_service.access.key_orders import (
    KeyOrder,
    RotateOrder,
    find_record,
    instant,
    make_record,
    revoke_record,
    rotate_record,
)
from stock_service.access.key_ring import join_records
from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord, KeysFaulty
from stock_service.base.clock import Clock
from stock_service.base.errors import KeysFixed, Unavailable
from stock_service.base.events import KeyChanged, Observer

T = TypeVar("T")

_NOT_FOR_US = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EBUSY)  # the last: the file itself is a mount
_DISK_AGAIN_AFTER = 60.0  # seconds; a full disk is emptied by somebody


class Shelf(Protocol):
    """A place that holds keys and can be written to. Methods raise NotFound, BadRequest, Unavailable or KeysFixed."""

    place: str

    async def add(self, record: KeyRecord) -> None:
        """Add a key."""
        ...

    async def revoke(self, key_id: str, at: datetime) -> KeyRecord:
        """Withdraw a key and return its record."""
        ...

    async def rotate(self, key_id: str, order: RotateOrder, at: datetime) -> tuple[KeyRecord, KeyRecord, str]:
        """Replace a key; return the records of the new and the old one, and the new key."""
        ...


class FileShelf:
    """The keys file, for a single instance that may write it."""

    place = "file"

    def __init__(self, store: KeyStore, file: KeyFile) -> None:
        self._store = store
        self._file = file

    async def add(self, record: KeyRecord) -> None:
        """Add a key."""
        await self._write(lambda: self._store.add(record))

    async def revoke(self, key_id: str, at: datetime) -> KeyRecord:
        """Withdraw a key and return its record."""
        return await self._write(lambda: self._store.revoke(key_id, at))

    async def rotate(self, key_id: str, order: RotateOrder, at: datetime) -> tuple[KeyRecord, KeyRecord, str]:
        """Replace a key."""
        return await self._write(lambda: self._store.rotate(key_id, order, at))

    async def _write(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except TimeoutError as error:
            raise Unavailable("kept waiting by another process that is writing the keys file") from error
        except OSError as error:
            if error.errno in _NOT_FOR_US:
                raise KeysFixed("read-only") from error
            raise Unavailable(f"unable to write the keys file: {error.strerror}", _DISK_AGAIN_AFTER) from error
        except KeysFaulty as error:
            raise KeysFixed("faulty") from error
        finally:
            self._file.look_soon()


class StoreShelf:
    """The shared store, for all instances; the records of the file are known to it but never written back there."""

    place = "store"

    def __init__(self, feed: KeyFeed, file: KeyFile) -> None:
        self._feed = feed
        self._file = file

    async def add(self, record: KeyRecord) -> None:
        """Add a key."""
        await self._feed.change(lambda _: (record,))

    async def revoke(self, key_id: str, at: datetime) -> KeyRecord:
        """Withdraw a key, also one of the file, and return its record."""
        done: list[KeyRecord] = []

        def decide(stored: Mapping[str, KeyRecord]) -> Sequence[KeyRecord]:
            before = self._find(stored, key_id)
            done[:] = [revoke_record(before, at)]
            return done if done[0] is not stored.get(key_id) else ()

        await self._feed.change(decide)
        return done[0]

    async def rotate(self, key_id: str, order: RotateOrder, at: datetime) -> tuple[KeyRecord, KeyRecord, str]:
        """Replace a key, also one of the file."""
        done: list[tuple[KeyRecord, KeyRecord, str]] = []

        def decide(stored: Mapping[str, KeyRecord]) -> Sequence[KeyRecord]:
            if done and stored.get(done[0][0].id) == done[0][0]:
                return ()  # it was written, and only the answer was lost
            done[:] = [rotate_record(self._find(stored, key_id), order, at)]
            return done[0][:2]

        await self._feed.change(decide)
        return done[0]

    def _find(self, stored: Mapping[str, KeyRecord], key_id: str) -> KeyRecord:
        for record in self._file.keys.records:
            if record.id == key_id:
                return join_records(record, stored.get(key_id))
        return find_record(tuple(stored.values()), key_id)


class KeyDesk:
    """Takes orders.

    Args:
        shelf: where changes go.
        keys: the keys in force.
        applied: makes a change take force in this process.
    """

    def __init__(
        self,
        shelf: Shelf,
        keys: Keys,
        applied: Callable[[], None],
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._shelf = shelf
        self._keys = keys
        self._applied = applied
        self._clock = clock
        self._observer = observer

    def records(self) -> tuple[KeyRecord, ...]:
        """Return the keys in force, expired and revoked ones included, by id."""
        return tuple(sorted(self._keys.keys.records, key=lambda record: record.id))

    async def create(self, order: KeyOrder, by: str) -> tuple[KeyRecord, str]:
        """Make a key; return its record and the key."""
        record, key = make_record(order, instant(self._clock.wall()))
        await self._shelf.add(record)
        self._announce("created", record.id, by)
        return record, key

    async def rotate(self, key_id: str, order: RotateOrder, by: str) -> tuple[KeyRecord, KeyRecord, str]:
        """Replace a key; return the records of the new and the old one, and the new key."""
        fresh, old, key = await self._shelf.rotate(key_id, order, instant(self._clock.wall()))
        self._announce("rotated", key_id, by)
        return fresh, old, key

    async def revoke(self, key_id: str, by: str) -> KeyRecord:
        """Withdraw a key; return its record."""
        record = await self._shelf.revoke(key_id, instant(self._clock.wall()))
        self._announce("revoked", key_id, by)
        return record

    def _announce(self, change: str, key_id: str, by: str) -> None:
        self._applied()
        self._observer.notify(KeyChanged(change, key_id, by, self._shelf.place))
