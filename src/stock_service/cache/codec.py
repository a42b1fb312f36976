"""One answer as bytes in a store that others can write to, and back.

Pure. What comes back is either exactly what was put under exactly that key, or a `Damage`. The first 22 bytes
(magic, version, instant of the fetch) have the same place in every version to come: scripts in the store compare
them, and an older process recognises what it cannot read. No pickle: nothing in a value is ever executed.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from enum import Enum
from typing import Final

from stock_service.cache.freshness import Lifetime

MAGIC: Final = b"stkE"
VERSION: Final = 1
PREFIX_BYTES: Final = 22  # magic 4, version 2, fetched_at 16; scripts rely on it
BODY_MAX_BYTES: Final = 256 * 1024 * 1024  # what a damaged length may make us allocate, at most
PACK_FROM_BYTES: Final = 1024  # below this zlib saves less than a network packet
_PACK_LEVEL: Final = 1  # prices pack 5 to 10 times at the fastest level; higher ones cost 3 times the time for a tenth
_PACKED: Final = 1

# flags, status, kept_at, three lengths of the lifetime, then the sizes of key, content type, request id, stored
# body and body.
_FIXED: Final = struct.Struct(">BHQdddHHHII")
_SUM: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer with its times in milliseconds of the store's clock.

    `fetched_at` is when the vendor was asked; `lifetime` counts from `kept_at`.
    """

    key: str
    status: int
    content_type: str
    request_id: str
    fetched_at: int
    kept_at: int
    lifetime: Lifetime
    body: bytes

    @property
    def useless_at(self) -> int:
        """The millisecond from which nobody may be served this."""
        kept_for = self.lifetime.fresh_for + max(self.lifetime.stale_while_for, self.lifetime.stale_error_for)
        return self.kept_at + math.ceil(kept_for * 1000)


class Damage(Enum):
    """Why bytes are not an answer to a key; the words are metric labels."""

    NEWER = "version"  # written by a newer release: leave it alone
    FOREIGN = "magic"
    LENGTH = "length"
    SUM = "sum"
    KEY = "key"
    BODY = "body"


def encode_stored(stored: Stored) -> bytes:
    """Return the value to store; CPU-bound for large bodies."""
    body = zlib.compress(stored.body, _PACK_LEVEL) if len(stored.body) >= PACK_FROM_BYTES else stored.body
    packed = len(body) < len(stored.body)
    if not packed:
        body = stored.body
    key, content_type = stored.key.encode(), stored.content_type.encode()
    request_id = stored.request_id.encode()
    lifetime = stored.lifetime
    fixed = _FIXED.pack(
        _PACKED if packed else 0,
        stored.status,
        stored.kept_at,
        lifetime.fresh_for,
        lifetime.stale_while_for,
        lifetime.stale_error_for,
        len(key),
        len(content_type),
        len(request_id),
        len(body),
        len(stored.body),
    )
    whole = b"".join((prefix_of(stored.fetched_at), fixed, key, content_type, request_id, body))
    return whole + _SUM.pack(zlib.crc32(whole))


def prefix_of(fetched_at: int) -> bytes:
    """Return the first bytes of every value of this version."""
    return b"%b%02d%016d" % (MAGIC, VERSION, fetched_at)


def decode_stored(key: str, value: bytes) -> Stored | Damage:
    """Return the answer to `key` in `value`, or what is wrong with it."""
    if value[:4] != MAGIC or not (value[4:PREFIX_BYTES].isdigit() and len(value) >= PREFIX_BYTES):
        return Damage.FOREIGN
    version = int(value[4:6])
    if version > VERSION:
        return Damage.NEWER
    if version < VERSION or len(value) < PREFIX_BYTES + _FIXED.size + _SUM.size:
        return Damage.LENGTH
    if zlib.crc32(memoryview(value)[: -_SUM.size]) != _SUM.unpack_from(value, len(value) - _SUM.size)[0]:
        return Damage.SUM
    return _decode_checked(key, value)


def _decode_checked(key: str, value: bytes) -> Stored | Damage:
    """Decode what the sum vouches for; a writer's bug or a colliding sum must still not come through."""
    flags, status, kept_at, fresh, soft, hard, *sizes = _FIXED.unpack_from(value, PREFIX_BYTES)
    key_bytes, type_bytes, id_bytes, body_bytes, plain_bytes = sizes
    start = PREFIX_BYTES + _FIXED.size
    ends = [start := start + size for size in (key_bytes, type_bytes, id_bytes, body_bytes)]
    if ends[-1] != len(value) - _SUM.size or plain_bytes > BODY_MAX_BYTES:
        return Damage.LENGTH
    if value[ends[0] - key_bytes : ends[0]] != key.encode():
        return Damage.KEY
    if not all(math.isfinite(length) and length >= 0 for length in (fresh, soft, hard)):
        return Damage.BODY
    body = value[ends[2] : ends[3]]
    plain = _unpacked(body, plain_bytes) if flags & _PACKED else body
    if plain is None or len(plain) != plain_bytes:
        return Damage.BODY
    try:
        content_type, request_id = value[ends[0] : ends[1]].decode(), value[ends[1] : ends[2]].decode()
    except UnicodeDecodeError:
        return Damage.BODY
    fetched_at = int(value[6:PREFIX_BYTES])
    return Stored(key, status, content_type, request_id, fetched_at, kept_at, Lifetime(fresh, soft, hard), plain)


def _unpacked(body: bytes, plain_bytes: int) -> bytes | None:
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(body, plain_bytes + 1)
    except zlib.error:
        return None
    return plain if unpacking.eof and not unpacking.unused_data else None
