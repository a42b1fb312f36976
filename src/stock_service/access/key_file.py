"""Watches the keys file on behalf of the gate.

Decides which version of the file is in force. A version that cannot be used never replaces one that could: a
typing slip must not lock a team out, nor let anybody in. What always holds: `keys` is one whole, valid version.
"""

from __future__ import annotations

from pathlib import Path

from stock_service.access.keys import KeySet, KeysFaulty, parse_keys
from stock_service.base.events import Observer, Warned

POLL_EVERY = 2.0  # seconds; with the refreshing of verified credentials this keeps a revocation under five
FILE_MAX_BYTES = 4 * 1024 * 1024
_OTHERS_MAY = 0o077

_Signature = tuple[int, int, int, int]


class KeyFile:
    """The keys file at `path`, loaded at construction.

    Raises:
        KeysFaulty: the file cannot be read or used; all faults are in it.
    """

    complete = True

    def __init__(self, path: Path, observer: Observer) -> None:
        self._path = path
        self._observer = observer
        self._seen = _signature(path)
        self._looked_at: float | None = None
        self.keys: KeySet = _load(path)
        self._warn_of_mode()

    def look_soon(self) -> None:
        """Look at the file at the next occasion: it has just been written."""
        self._looked_at = None

    def reload_if_changed(self, now: float) -> bool:
        """Look at the file, at most every `POLL_EVERY` seconds of `now`; True when another version is in force.

        A version that cannot be used is reported once and the last good one stays.
        """
        if self._looked_at is not None and now - self._looked_at < POLL_EVERY:
            return False
        self._looked_at = now
        signature = _signature(self._path)
        if signature == self._seen:
            return False
        self._seen = signature
        try:
            keys = _load(self._path)
        except KeysFaulty as error:
            self._observer.notify(Warned(f"keys file {self._path} not taken, the earlier version stays: {error}"))
            return False
        self._warn_of_mode()
        self.keys = keys
        return True

    def _warn_of_mode(self) -> None:
        try:
            mode = self._path.stat().st_mode
        except OSError:
            return  # gone again already; the next look reports it
        if mode & _OTHERS_MAY:
            self._observer.notify(Warned(f"keys file {self._path} is open to other users; chmod 600 is enough"))


def read_keys_text(path: Path) -> str:
    """Return the text of a keys file; KeysFaulty when it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise KeysFaulty([f"cannot be read: {error.strerror}"]) from error
    if len(content) > FILE_MAX_BYTES:
        raise KeysFaulty([f"is larger than {FILE_MAX_BYTES} bytes"])
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise KeysFaulty([f"is not UTF-8 text (byte {error.start})"]) from error


def _load(path: Path) -> KeySet:
    return parse_keys(read_keys_text(path))


def _signature(path: Path) -> _Signature | None:
    """Return what changes whenever the file does, also when a mounted Secret is swapped by a symbolic link."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size)
