"""Changes the keys file: adds, revokes and replaces records. For commands and the admin routes, never for a request.

What always holds: a reader sees the old file or the new one, whole, also after a power cut; two writers do not lose
each other's change; lines that are not changed stay as they are, comments included. A file that is faulty already is
not written to.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from stock_service.access.key_file import read_keys_text
from stock_service.access.key_orders import RotateOrder, find_record, revoke_record, rotate_record
from stock_service.access.keys import KeyRecord, key_lines, parse_keys, parse_record, render_record
from stock_service.base.clock import pause_thread

_PRIVATE = 0o600
_LOCK_EVERY = 0.02  # seconds between looks whether another writer is done
_LOCK_TRIES = 250


class KeyStore:
    """The keys file at `path`, to be written to; it may not exist yet.

    Methods raise KeysFaulty when the file is not usable as it is, and OSError when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(os.path.realpath(path))  # replacing a symbolic link would cut it

    def records(self) -> tuple[KeyRecord, ...]:
        """Return the records, oldest first; none when there is no file."""
        return _records_of(self._text())

    def add(self, record: KeyRecord) -> None:
        """Append `record`; KeysFaulty when that would make the file faulty (such as an id that is taken)."""
        with self._locked():
            text = self._text()
            _records_of(text)
            self._replace(_appended(text, record))

    def revoke(self, key_id: str, at: datetime) -> KeyRecord:
        """Mark the key `key_id` revoked and return its record; NotFound when no key has that id."""
        with self._locked():
            text = self._text()
            before = find_record(_records_of(text), key_id)
            record = revoke_record(before, at)
            if record is not before:
                self._replace(_with_record(text, record))
            return record

    def rotate(self, key_id: str, order: RotateOrder, at: datetime) -> tuple[KeyRecord, KeyRecord, str]:
        """Replace the key `key_id`; return the records of the new and the old one, and the new key.

        Raises:
            NotFound: no key has that id.
            BadRequest: it cannot be replaced so.
        """
        with self._locked():
            text = self._text()
            fresh, old, key = rotate_record(find_record(_records_of(text), key_id), order, at)
            self._replace(_appended(_with_record(text, old), fresh))
            return fresh, old, key

    def _text(self) -> str:
        return read_keys_text(self._path) if self._path.exists() else ""

    def _replace(self, text: str) -> None:
        parse_keys(text)
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                self._keep_owner(file.fileno())
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(self._path.parent)

    def _keep_owner(self, handle: int) -> None:
        """Give the new file the owner and mode of the one it replaces: the service may run as another user."""
        if not self._path.exists():
            os.fchmod(handle, _PRIVATE)
            return
        before = self._path.stat()
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(handle, before.st_uid, before.st_gid)
        os.fchmod(handle, before.st_mode & 0o777)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, _PRIVATE)
        try:
            _wait_for(lock)
            yield
        finally:
            os.close(lock)


def _wait_for(lock: int) -> None:
    """Take `lock`. Bounded: whoever holds it may hang, and a thread that waits for ever keeps a process from ending."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pause_thread(_LOCK_EVERY)
        else:
            return
    raise TimeoutError(errno.ETIMEDOUT, "another process has been writing it all the while")


def _records_of(text: str) -> tuple[KeyRecord, ...]:
    # A file without records cannot serve, but it may be added to.
    return parse_keys(text).records if key_lines(text) else ()


def _appended(text: str, record: KeyRecord) -> str:
    joint = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{joint}{render_record(record)}\n"


def _with_record(text: str, record: KeyRecord) -> str:
    lines = text.split("\n")
    for number, line in key_lines(text):
        if parse_record(line).id == record.id:
            lines[number - 1] = render_record(record)
    return "\n".join(lines)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
