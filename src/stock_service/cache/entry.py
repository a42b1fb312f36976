"""One kept answer, with everything a hit needs prepared when it is stored.

An entry is immutable in what it says (key, status, body, age); it only counts its hits, re-renders its heads as the
seconds pass, and may lose its freshness early (`expire`). It weighs itself honestly, because the cache is bounded in
bytes. Header values are checked here, when the entry is made, and nowhere later: what comes from the vendor's
headers never reaches a client, save a content type that passes `_CONTENT_TYPE`.
"""

from __future__ import annotations

import math
import re
import zlib
from functools import lru_cache
from hashlib import blake2b
from http import HTTPStatus

from stock_service.base.reply import Reply
from stock_service.cache.freshness import Freshness, Lifetime
from stock_service.vendor.links import LinkSpans, point_pieces

CACHE_NAME = b"stock-service"
DERIVED = b"; detail=derived"
# Measured by bench/memory.py: an entry with one variant, its rendered head, a taught line, and the rows of the tables,
# that of the eviction's memory of keys included; and another variant with its head.
OVERHEAD_BYTES = 1_800
VARIANT_BYTES = 500
SMALL_BYTES = 16 * 1024  # a body up to this is copied into the message; a larger one is never copied
GZIP_FROM_BYTES = 1_024  # what fits into one packet with its head travels no faster for being packed
GZIP_INLINE_BYTES = 64 * 1024  # above this compression would stall the loop for more than a millisecond
_GZIP_LEVEL = 5
_GZIP_WBITS = 16 + zlib.MAX_WBITS
_POINTED_MAX = 3  # copies with rewritten links an entry keeps, and reserves room for

_CONTENT_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+(?:; ?charset=[a-z0-9-]+)?\Z", re.IGNORECASE)

Headers = list[tuple[bytes, bytes]]
Pieces = tuple[bytes | memoryview, ...]


class Pointer:
    """Something outside the cache that leads straight to an entry.

    The cache moves it when the entry is replaced by a newer answer of the same status, and clears it when the entry
    leaves: a pointer never keeps an evicted body alive, and never leads to an answer the cache no longer gives.
    """

    __slots__ = ("entry",)

    def __init__(self, entry: Entry) -> None:
        self.entry: Entry | None = entry


class Variant:
    """One encoding of one answer for one client origin.

    `ok` and `not_modified` are finished heads, save for the request's own lines; each is valid before its `…_until`.
    `pieces` are the body: one, or several around links when a large body is shared by the variants of an entry.
    `small` is the body too when it is cheaper to copy it behind its head than to send the two side by side.
    """

    __slots__ = (
        "coding",
        "etag",
        "length_bytes",
        "not_modified",
        "not_modified_until",
        "ok",
        "ok_until",
        "pieces",
        "small",
    )

    def __init__(self, pieces: Pieces, etag: bytes, coding: bytes = b"") -> None:
        self.pieces = pieces
        first, whole = pieces[0], len(pieces) == 1
        self.length_bytes = len(first) if whole else sum(map(len, pieces))
        self.small = first if whole and isinstance(first, bytes) and len(first) <= SMALL_BYTES else None
        self.etag = etag
        self.coding = coding
        self.ok = b""
        self.ok_until = 0.0
        self.not_modified = b""
        self.not_modified_until = 0.0

    def content(self) -> bytes:
        """Return the body in one piece."""
        first = self.pieces[0]
        return first if len(self.pieces) == 1 and isinstance(first, bytes) else b"".join(self.pieces)

    def render_ok(self, entry: Entry, now: float, date: bytes) -> None:
        """Make `ok` say the age and the freshness of `now`, until one of them changes."""
        headers = self.headers(entry, now, entry.hit_status(now))
        self.ok = b"HTTP/1.1 %b\r\n%bdate: %b\r\n" % (entry.status_line, _joined(headers), date)
        self.ok_until = entry.same_head_until(now)

    def render_not_modified(self, entry: Entry, now: float, date: bytes) -> None:
        """Make `not_modified` say the age and the freshness of `now`, as `render_ok` does."""
        headers = self.not_modified_headers(entry, now, entry.hit_status(now))
        self.not_modified = b"HTTP/1.1 304 Not Modified\r\n%bdate: %b\r\n" % (_joined(headers), date)
        self.not_modified_until = entry.same_head_until(now)

    def headers(self, entry: Entry, now: float, cache_status: bytes) -> Headers:
        """Return the head of a full answer, without the date and the request's own lines (request id, client limit)."""
        headers: Headers = [
            (b"content-type", entry.content_type),
            (b"content-length", b"%d" % self.length_bytes),
        ]
        if self.coding:
            headers.append((b"content-encoding", self.coding))
        headers += self.not_modified_headers(entry, now, cache_status)
        return headers

    def not_modified_headers(self, entry: Entry, now: float, cache_status: bytes) -> Headers:
        """Return the head of a 304: what RFC 9110 15.4.5 asks for, and no content fields."""
        return [
            (b"etag", self.etag),
            (b"vary", b"accept, accept-encoding"),
            (b"cache-control", b"private, max-age=%d" % max(0, entry.ttl(now))),
            (b"age", b"%d" % entry.age(now)),
            (b"cache-status", cache_status),
        ]


class Entry:
    """A stored answer. All times are monotonic seconds of this process.

    `ready` is what can be sent as it is, to a client that takes no gzip and to one that does: the plain and the gzip
    variant, or the plain one twice where packing gains nothing. None stands for what has not been made, and for both
    where the answer has links: then variants depend on the origin.
    """

    __slots__ = (
        "_pointed",
        "aged_from",
        "body",
        "content_type",
        "derived",
        "fetched_at",
        "fresh_until",
        "group",
        "hard_until",
        "hits",
        "kept",
        "key",
        "links",
        "plain",
        "pointers",
        "ready",
        "renew_at",
        "seen",
        "small",
        "soft_until",
        "status",
        "status_line",
        "vendor_request_id",
        "weight_bytes",
    )

    def __init__(
        self,
        key: str,
        group: str,
        reply: Reply,
        lifetime: Lifetime,
        now: float,
        links: LinkSpans = (),
        aged_from: float | None = None,
        *,
        derived: bool = False,
    ) -> None:
        body = reply.body
        self.key = key
        self.group = group
        self.status = reply.status
        self.status_line = _status_line(reply.status)
        self.content_type = _checked_content_type(reply.content_type)
        self.fetched_at = reply.fetched_at  # orders answers to one question: a later one is never replaced
        self.aged_from = reply.fetched_at if aged_from is None else aged_from  # of what may still change in it
        self.fresh_until = now + lifetime.fresh_for
        self.soft_until = self.fresh_until + lifetime.stale_while_for
        self.hard_until = self.fresh_until + max(lifetime.stale_while_for, lifetime.stale_error_for)
        self.derived = derived  # made here of other answers, and said to be
        self.vendor_request_id = reply.request_id
        self.links = links
        self.hits = 0
        self.seen = 0  # hits the eviction has already taken into account
        self.kept = False  # whether the cache holds it; the cache sets it
        self.small = True  # which queue of the eviction holds it
        self.renew_at = 0.0  # a hit past the fresh time asks for a renewal not before this
        self.pointers: tuple[Pointer, ...] = ()
        self.body = body  # as the vendor sent it
        self.plain = Variant((body,), _etag(body))
        self._pointed: dict[tuple[bytes, bool], Variant] | None = None
        self.ready: tuple[Variant | None, Variant | None] = (None, None)
        size = len(body)
        self.weight_bytes = OVERHEAD_BYTES + len(key) + size
        if links:
            self.weight_bytes += _POINTED_MAX * VARIANT_BYTES
            self.weight_bytes += _POINTED_MAX * size if size <= GZIP_INLINE_BYTES else size // 2
        elif not self._worth_packing():
            self.ready = (self.plain, self.plain)
        else:
            self.ready = (self.plain, None)  # packed when first asked for; the room is reserved now
            self.weight_bytes += VARIANT_BYTES + size // 2

    def age(self, now: float) -> int:
        """Return whole seconds since the fetch of what may still change in it began."""
        return max(0, int(now - self.aged_from))

    def ttl(self, now: float) -> int:
        """Return whole seconds of freshness left, rounded down; negative once stale."""
        return int((self.fresh_until - now) // 1)

    def freshness(self, now: float) -> Freshness:
        """Return what may be done with this entry at `now`."""
        if now < self.fresh_until:
            return Freshness.FRESH
        if now < self.soft_until:
            return Freshness.SOFT
        return Freshness.HARD if now < self.hard_until else Freshness.DEAD

    def expire(self, now: float) -> None:
        """Make it stale: from `now` on it is only served when the vendor cannot be asked."""
        self.fresh_until = min(now, self.fresh_until)
        self.soft_until = self.fresh_until

    def hit_status(self, now: float) -> bytes:
        """Return what `Cache-Status` says of a hit at `now`."""
        return b"%b; hit; ttl=%d%b" % (CACHE_NAME, self.ttl(now), DERIVED if self.derived else b"")

    def same_head_until(self, now: float) -> float:
        """Return the end of the second of age or, if sooner, of freshness that `now` is in; always later than `now`."""
        freshness_ends = max(self.fresh_until - self.ttl(now), math.nextafter(now, math.inf))
        return min(self.aged_from + self.age(now) + 1.0, freshness_ends)

    def ready_variant(self, origin: bytes, packed: bool) -> Variant | None:
        """Return the variant that needs no work, or None when it must be made first (`make_variant`)."""
        if not self.links:
            return self.ready[packed]
        if self._pointed is None:
            return None
        return self._pointed.get((origin, packed and self._worth_packing()))

    def make_variant(self, origin: bytes, packed: bool) -> Variant:
        """Make and keep the variant for `origin` (`http://host:port`); CPU-bound, safe to run in a thread."""
        packed = packed and self._worth_packing()
        if not self.links:
            return self.pack() if packed else self.plain
        variant = self._point(origin)
        if packed:
            variant = _packed_variant(variant) or variant
        pointed = {} if self._pointed is None else dict(self._pointed)
        while len(pointed) >= _POINTED_MAX:
            pointed.pop(next(iter(pointed)))
        pointed[origin, packed] = variant
        self._pointed = pointed  # replaced whole: the event loop may be reading the old one
        return variant

    def pack(self) -> Variant:
        """Return the gzip variant, making it on the first call."""
        packed = self.ready[True]
        if packed is None:
            packed = _packed_variant(self.plain) or self.plain
            self.ready = (self.plain, packed)
        return packed

    def _point(self, origin: bytes) -> Variant:
        """Return the plain variant for `origin`; a large one shares this entry's body."""
        pieces = point_pieces(self.body, self.links, origin)
        if len(self.body) <= GZIP_INLINE_BYTES:
            pieces = (b"".join(pieces),)
        return Variant(pieces, _etag(self.plain.etag + origin))

    def _worth_packing(self) -> bool:
        return len(self.body) >= GZIP_FROM_BYTES


def _packed_variant(plain: Variant) -> Variant | None:
    """Return the gzip variant of `plain`; None for a body that does not shrink to the room reserved for it."""
    packer = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WBITS)
    packed = b"".join([*map(packer.compress, plain.pieces), packer.flush()])  # a large body is not put together for it
    if len(packed) > plain.length_bytes // 2:
        return None
    return Variant((packed,), plain.etag[:-1] + b'-gz"', b"gzip")


def _etag(content: bytes) -> bytes:
    return b'"%b"' % blake2b(content, digest_size=8).hexdigest().encode("ascii")


@lru_cache(maxsize=64)  # one object for all entries: there are hundreds of thousands of entries and two of these
def _checked_content_type(value: str) -> bytes:
    return value.lower().encode("ascii") if _CONTENT_TYPE.match(value) else b"application/octet-stream"


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    return b"%d %b" % (status, HTTPStatus(status).phrase.encode("ascii"))


def _joined(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])
