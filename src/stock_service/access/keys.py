"""The form of client keys and of the keys file: one JSON object a line, one line a key.

Decides which records a text holds and which of them a credential names. Never keeps a key: a record has only its
SHA-256, which is enough because the keys are 192 random bits and not words somebody chose. What always holds: a
text is taken whole or refused whole, with every fault named; and comparing takes the same time for every stranger.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from stock_service.access.quota import Limit, parse_limit

KEY_PREFIX = "stk_"
_ID = re.compile(r"[a-z0-9]{4,32}\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")
# No controls, no line ends in disguise, nothing that turns the direction: names are printed on terminals.
_NAME = re.compile(r"(?=.*\S)[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]{1,64}\Z")
_RESERVED_IDS = frozenset({"anonymous"})
_ID_BYTES = 4
_RANDOM_BYTES = 24
_CREDENTIAL_MAX = 256  # characters; no key of ours is longer


class Right(StrEnum):
    """What a key may do beyond asking."""

    ADMIN = "admin"
    NO_CACHE = "no_cache"


class Standing(StrEnum):
    """What a key is worth."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class KeyRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line of the keys file. Instants are RFC 3339 with an offset."""

    id: str
    name: str
    sha256: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    rights: tuple[Right, ...] = ()
    limit: str = ""  # `100/s`; empty: no limit
    burst: int | None = None  # requests at once; without it the whole count of `limit`
    replaced_by: str = ""  # id of the key made instead of this one; `expires` is then the end of its grace

    def request_limit(self) -> Limit | None:
        """Return the limit of this key, None when it has none; ValueError when it is malformed."""
        return parse_limit(self.limit, self.burst) if self.limit else None

    def expires_at(self) -> float | None:
        """Return the Unix second from which the key is refused."""
        return None if self.expires is None else self.expires.timestamp()

    def standing(self, wall: float) -> Standing:
        """Return whether the key is good at `wall` (Unix seconds), and if not, why."""
        if self.revoked is not None:
            return Standing.REVOKED
        expires_at = self.expires_at()
        if expires_at is None or wall < expires_at:
            return Standing.VALID
        return Standing.REVOKED if self.replaced_by else Standing.EXPIRED


class KeysFaulty(Exception):
    """A keys file cannot be used. `faults` are sentences, each naming its line, none holding a secret."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class KeySet:
    """The records of one version of the file; immutable."""

    __slots__ = ("_by_id", "records")

    def __init__(self, records: Iterable[KeyRecord]) -> None:
        self.records = tuple(records)
        self._by_id = {record.id: (record, bytes.fromhex(record.sha256)) for record in self.records}

    def find(self, credential: str) -> KeyRecord | None:
        """Return the record whose key `credential` is, expired and revoked ones included; None for a stranger."""
        record, expected = self._by_id.get(_id_within(credential), _NOBODY)
        given = hashlib.sha256(credential[:_CREDENTIAL_MAX].encode("utf-8", "surrogatepass")).digest()
        if not hmac.compare_digest(given, expected) or len(credential) > _CREDENTIAL_MAX:
            return None
        return record


def make_key() -> tuple[str, str]:
    """Return a new key's id and the key itself: `stk_<id>_<random>`."""
    key_id = secrets.token_hex(_ID_BYTES)
    return key_id, f"{KEY_PREFIX}{key_id}_{secrets.token_hex(_RANDOM_BYTES)}"


def hash_key(key: str) -> str:
    """Return what the keys file holds instead of `key`."""
    return hashlib.sha256(key.encode()).hexdigest()


def parse_keys(text: str) -> KeySet:
    """Return the records of `text`; empty lines and lines that begin with `#` are comments.

    Raises:
        KeysFaulty: with all faults of all lines.
    """
    faults: list[str] = []
    records: dict[str, KeyRecord] = {}
    for number, line in key_lines(text):
        try:
            record = parse_record(line)
        except KeysFaulty as fault:
            faults += [f"line {number}: {each}" for each in fault.faults]
            continue
        if record.id in records:
            faults.append(f"line {number}: the id {record.id!r} is on an earlier line already")
        records[record.id] = record
    if not records and not faults:
        faults.append("there is no key in it; make one with `stock-service keys create NAME`")
    if faults:
        raise KeysFaulty(faults)
    return KeySet(records.values())


def key_lines(text: str) -> list[tuple[int, str]]:
    """Return the numbered lines of `text` that hold records."""
    lines = enumerate(text.split("\n"), start=1)
    return [(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]


def parse_record(line: str) -> KeyRecord:
    """Return the record on one line; KeysFaulty names every fault of it."""
    try:
        record = msgspec.json.decode(line.encode("utf-8", "surrogatepass"), type=KeyRecord)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeysFaulty([_plain_fault(error)]) from error
    check_record(record)
    return record


def check_record(record: KeyRecord) -> None:
    """Return when `record` is one that may stand in a file; KeysFaulty names every fault of it."""
    faults = list(_faults_of(record))
    if faults:
        raise KeysFaulty(faults)


def render_record(record: KeyRecord) -> str:
    """Return the line of `record`, without its end."""
    return msgspec.json.encode(record).decode()


def _faults_of(record: KeyRecord) -> Iterable[str]:
    if not _ID.match(record.id) or record.id in _RESERVED_IDS:
        yield "`id` must be 4 to 32 of a-z and 0-9, and not a reserved word"
    if not _NAME.match(record.name):
        yield "`name` must be 1 to 64 characters, not all blank, without control characters"
    if not _HASH.match(record.sha256):
        yield "`sha256` must be 64 lower-case hexadecimal digits: the hash of the key, never the key"
    for field in ("created", "expires", "revoked"):
        instant: datetime | None = getattr(record, field)
        if instant is not None and instant.tzinfo is None:
            yield f"`{field}` must say its offset, as in {datetime(2030, 1, 1, tzinfo=UTC).isoformat()}"
    try:
        record.request_limit()
    except ValueError as error:
        yield f"`limit`: {error}"
    if record.burst is not None and not record.limit:
        yield "`burst` needs a `limit`"
    if record.replaced_by and not _ID.match(record.replaced_by):
        yield "`replaced_by` must be the id of a key"


def _plain_fault(error: Exception) -> str:
    # msgspec's sentences name fields and types; the only value they repeat is a right that does not exist.
    return f"not a key record: {error}"


def _id_within(credential: str) -> str:
    return credential.removeprefix(KEY_PREFIX).partition("_")[0]


# Compared against when the id is unknown, so that a stranger's wait does not tell whether the id exists. No key
# hashes to it: nobody can produce an input for a chosen SHA-256.
_NOBODY = (
    KeyRecord(id="nobody", name="nobody", sha256="0" * 64, created=datetime(2000, 1, 1, tzinfo=UTC)),
    bytes(32),
)
