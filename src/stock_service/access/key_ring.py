"""All client keys in force: those of the file and those of the shared store, as one set.

The file wins where both have an id. The one exception makes a key weaker and never stronger: of one and the same key
the earlier end counts, so that a key of a mounted file can be withdrawn everywhere at once.
"""

from __future__ import annotations

import msgspec

from stock_service.access.key_feed import KeyFeed
from stock_service.access.key_file import KeyFile
from stock_service.access.keys import KeyRecord, KeySet


class KeyRing:
    """The keys of `file` and `feed` together."""

    def __init__(self, file: KeyFile, feed: KeyFeed) -> None:
        self._file = file
        self._feed = feed
        self._heard = feed.version
        self.keys = self._joined()

    @property
    def complete(self) -> bool:
        """Whether the store has been heard of once; the file always has."""
        return self._feed.complete

    def reload_if_changed(self, now: float) -> bool:
        """Return True when another version of either is in force."""
        changed = self._file.reload_if_changed(now)
        if not changed and self._heard == self._feed.version:
            return False
        self._heard = self._feed.version
        self.keys = self._joined()
        return True

    def _joined(self) -> KeySet:
        stored = self._feed.records
        own = [join_records(record, stored.get(record.id)) for record in self._file.keys.records]
        ids = {record.id for record in own}
        return KeySet([*own, *(record for record in stored.values() if record.id not in ids)])


def join_records(record: KeyRecord, stored: KeyRecord | None) -> KeyRecord:
    """Return the file's `record` with the end the store knows of, if that is the same key and the earlier end."""
    if stored is None or stored.sha256 != record.sha256:
        return record
    ends = [each.expires for each in (record, stored) if each.expires is not None]
    return msgspec.structs.replace(
        record,
        revoked=record.revoked or stored.revoked,
        expires=min(ends, default=None),
        replaced_by=record.replaced_by or stored.replaced_by,
    )
