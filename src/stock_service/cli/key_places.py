"""Where `stock-service keys` finds the keys: in a file on this machine, or at a running service that keeps them.

Both answer alike; what is shown of a key never holds its hash.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import msgspec

from stock_service.access.key_orders import KeyOrder, RotateOrder, instant, make_record
from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord
from stock_service.base.clock import Clock
from stock_service.cli.ask import fetch_json
from stock_service.web.admin_table import KEYS_PAGE_MAX, view_key

Shown = dict[str, Any]


class Place(Protocol):
    """A place that holds keys. Methods raise ServiceError, KeysFaulty or OSError, or end the command."""

    def create(self, order: KeyOrder) -> tuple[Shown, str]:
        """Make a key; return what is shown of it, and the key."""
        ...

    def listed(self) -> list[Shown]:
        """Return all keys."""
        ...

    def rotate(self, key_id: str, order: RotateOrder) -> tuple[Shown, Shown, str]:
        """Replace a key; return what is shown of the new one and the old one, and the new key."""
        ...

    def revoke(self, key_id: str) -> Shown:
        """Withdraw a key."""
        ...


class FilePlace:
    """The keys file at `path`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._store = KeyStore(path)
        self._clock = clock

    def create(self, order: KeyOrder) -> tuple[Shown, str]:
        """Make a key."""
        record, key = make_record(order, instant(self._clock.wall()))
        self._store.add(record)
        return self._shown(record), key

    def listed(self) -> list[Shown]:
        """Return all keys, oldest first."""
        return [self._shown(record) for record in self._store.records()]

    def rotate(self, key_id: str, order: RotateOrder) -> tuple[Shown, Shown, str]:
        """Replace a key."""
        fresh, old, key = self._store.rotate(key_id, order, instant(self._clock.wall()))
        return self._shown(fresh), self._shown(old), key

    def revoke(self, key_id: str) -> Shown:
        """Withdraw a key."""
        return self._shown(self._store.revoke(key_id, instant(self._clock.wall())))

    def _shown(self, record: KeyRecord) -> Shown:
        shown: Shown = msgspec.to_builtins(view_key(record, self._clock.wall()))
        return shown


class ServicePlace:
    """The service at `url`, asked with an admin key."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url
        self._key = key

    def create(self, order: KeyOrder) -> tuple[Shown, str]:
        """Make a key."""
        said = self._order("/admin/keys", msgspec.to_builtins(order), "key", "record")
        return said["record"], said["key"]

    def listed(self) -> list[Shown]:
        """Return all keys, by id."""
        shown: list[Shown] = []
        after = ""
        while True:
            asked = {"limit": str(KEYS_PAGE_MAX), "after": after}
            page = fetch_json(self._url, "/admin/keys", asked, self._key, needs=("keys", "next"))
            shown += page["keys"]
            if page["next"] is None:
                return shown
            after = page["next"]

    def rotate(self, key_id: str, order: RotateOrder) -> tuple[Shown, Shown, str]:
        """Replace a key."""
        said = self._order(f"/admin/keys/{key_id}/rotate", msgspec.to_builtins(order), "key", "record", "replaced")
        return said["record"], said["replaced"], said["key"]

    def revoke(self, key_id: str) -> Shown:
        """Withdraw a key."""
        return self._order(f"/admin/keys/{key_id}/revoke", {}, "id", "name")

    def _order(self, path: str, order: dict[str, Any], *needs: str) -> dict[str, Any]:
        return fetch_json(self._url, path, {}, self._key, order=order, needs=needs)
