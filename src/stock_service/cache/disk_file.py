"""The file of kept answers: what each step is in SQL. Blocking; only `disk_shelf` calls it, in threads.

SQLite with a write-ahead log: readers never wait for the writer, several processes of one host may use one file, and
a process or machine that dies leaves the last whole step. Always holds: what the file holds stays below `max_bytes`;
what becomes useless first goes first. The file's name says which form it has: another release's stays untouched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from stock_service.cache.shelf import MARKS_MAX, Turn

FILE_NAME: Final = "answers-1.sqlite3"
_PAGE_BYTES: Final = 4096
_LOG_BYTES: Final = 8 * 1024 * 1024
_WAITS_FOR: Final = 1.0  # seconds, for another process's write; whoever asked has long gone on
_EVICTED_AT_ONCE: Final = 32
_FUTURE_MS: Final = 60_000  # an instant further ahead was written by a clock that has been set back since

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS answers (
  name TEXT PRIMARY KEY, fetched_ms INTEGER, useless_ms INTEGER, value BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_ends ON answers (useless_ms);
CREATE TABLE IF NOT EXISTS leases (name TEXT PRIMARY KEY, token TEXT, until_ms INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (
  series TEXT, text TEXT, useless_ms INTEGER, PRIMARY KEY (series, text)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS purges (scope TEXT PRIMARY KEY, list BLOB) WITHOUT ROWID;
"""


class DiskFile:
    """One connection to the file; belongs to the thread that made it."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Open the file, making it if need be.

        Raises:
            sqlite3.Error: it cannot be opened, or is no file of ours.
        """
        self._max_bytes = max_bytes
        self._path = folder / FILE_NAME
        # Autocommit: the steps that are more than one statement say where they begin.
        self._db = sqlite3.connect(self._path, timeout=_WAITS_FOR, isolation_level=None)
        try:
            self._db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
            self._db.executescript(_TABLES)
        except sqlite3.Error:
            self._db.close()
            raise
        self._inode = self._inode_at_path()

    @property
    def in_place(self) -> bool:
        """Whether the file is still the one that its name leads to.

        One that was removed, by an operator or by whoever found it damaged, goes on working for those that have it
        open; but no other process, and none that starts later, ever sees what is written there.
        """
        return self._inode is not None and self._inode == self._inode_at_path()

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._db.close()

    def get(self, name: str, now_ms: int) -> bytes | None:
        """Return the value under `name` that is not useless yet."""
        row = self._db.execute("SELECT value FROM answers WHERE name = ? AND useless_ms > ?", (name, now_ms)).fetchone()
        return row[0] if row is not None and isinstance(row[0], bytes) else None

    def marks(self, series: str, now_ms: int) -> list[str]:
        """Return what is noted about a series."""
        rows = self._db.execute("SELECT text FROM marks WHERE series = ? AND useless_ms > ?", (series, now_ms))
        return [row[0] for row in rows]

    def purges(self, scope: str) -> bytes:
        """Return the list of purges; empty when there is none."""
        row = self._db.execute("SELECT list FROM purges WHERE scope = ?", (scope,)).fetchone()
        return row[0] if row is not None and isinstance(row[0], bytes) else b""

    def swap_purges(self, scope: str, old: bytes, new: bytes) -> bool:
        """Put the list `new` in the place of `old`, and on the disk: whoever is told so need not say it again."""
        self._db.execute("PRAGMA synchronous = FULL")
        try:
            with self._step():
                if self.purges(scope) != old:
                    return False
                self._db.execute("INSERT OR REPLACE INTO purges VALUES (?, ?)", (scope, new))
                return True
        finally:
            self._db.execute("PRAGMA synchronous = NORMAL")

    def lead(self, name: str, token: str, now_ms: int, lease_ms: int, seen_ms: int) -> Turn:
        """Say whose turn it is to fetch, and lease it."""
        with self._step():
            kept_ms = self._kept_ms(name, now_ms)
            if kept_ms is not None and kept_ms > seen_ms:
                return Turn.LOOK
            taken = self._db.execute(
                "INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE "
                "SET token = excluded.token, until_ms = excluded.until_ms WHERE until_ms <= ? OR until_ms > ?",
                (name, token, now_ms + lease_ms, now_ms, now_ms + _FUTURE_MS),
            )
            return Turn.LEAD if taken.rowcount else Turn.WAIT

    def renew(self, name: str, token: str, until_ms: int) -> None:
        """Prolong a lease."""
        self._db.execute("UPDATE leases SET until_ms = ? WHERE name = ? AND token = ?", (until_ms, name, token))

    def release(self, name: str, token: str) -> None:
        """End a lease."""
        self._db.execute("DELETE FROM leases WHERE name = ? AND token = ?", (name, token))

    def put(self, name: str, token: str, fetched_ms: int, now_ms: int, useless_ms: int, value: bytes) -> bool:
        """Keep `value` unless a newer one is there, end the lease; return whether it is kept now."""
        with self._step():
            kept_ms = self._kept_ms(name, now_ms)
            newer = kept_ms is None or kept_ms < fetched_ms
            if newer:
                self._make_room(len(value) + len(name), now_ms)
                self._db.execute(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (name, fetched_ms, useless_ms, value)
                )
            self.release(name, token)
            return newer

    def discard(self, name: str) -> None:
        """Give up a value."""
        self._db.execute("DELETE FROM answers WHERE name = ?", (name,))

    def mark(self, series: str, text: str, now_ms: int, useless_ms: int) -> None:
        """Note `text` about a series; the marks that would go soonest make room."""
        with self._step():
            self._db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", (series, text, useless_ms))
            self._db.execute(
                "DELETE FROM marks WHERE series = ?1 AND (useless_ms <= ?2 OR text NOT IN "
                "(SELECT text FROM marks WHERE series = ?1 ORDER BY useless_ms DESC LIMIT ?3))",
                (series, now_ms, MARKS_MAX),
            )

    def sweep(self, now_ms: int) -> None:
        """Give up what has become useless."""
        self._db.execute("DELETE FROM answers WHERE useless_ms <= ?", (now_ms,))
        self._db.execute("DELETE FROM marks WHERE useless_ms <= ?", (now_ms,))
        self._db.execute("DELETE FROM leases WHERE until_ms <= ?", (now_ms,))

    @property
    def used_bytes(self) -> int:
        """What the file holds, free pages not counted."""
        pages: int = self._db.execute("PRAGMA page_count").fetchone()[0]
        free: int = self._db.execute("PRAGMA freelist_count").fetchone()[0]
        return (pages - free) * _PAGE_BYTES

    def _inode_at_path(self) -> tuple[int, int] | None:
        try:
            there = self._path.stat()
        except OSError:
            return None
        return there.st_dev, there.st_ino

    def _kept_ms(self, name: str, now_ms: int) -> int | None:
        row = self._db.execute(
            "SELECT fetched_ms FROM answers WHERE name = ? AND useless_ms > ? AND fetched_ms <= ?",
            (name, now_ms, now_ms + _FUTURE_MS),
        ).fetchone()
        return None if row is None else int(row[0])

    def _make_room(self, size: int, now_ms: int) -> None:
        needed = size + 4 * _PAGE_BYTES  # its pages, and those that index them
        if self.used_bytes + needed <= self._max_bytes:
            return
        self._db.execute("DELETE FROM answers WHERE useless_ms <= ?", (now_ms,))
        while self.used_bytes + needed > self._max_bytes:
            gone = self._db.execute(
                "DELETE FROM answers WHERE name IN (SELECT name FROM answers ORDER BY useless_ms LIMIT ?)",
                (_EVICTED_AT_ONCE,),
            )
            if not gone.rowcount:
                return

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Everything inside happens, or nothing; no other process sees half of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def remove_file(folder: Path) -> None:
    """Remove the file and its log: what cannot be read is worth nothing."""
    for suffix in ("", "-wal", "-shm"):
        (folder / (FILE_NAME + suffix)).unlink(missing_ok=True)
