"""What the header fields of a request mean for a hit; or that they need the slow path.

The list is positive in effect: a request is read here only if nothing in its head could make the ASGI path answer
differently from a plain hit. Where a field is understood, it is understood by the very functions the ASGI path uses.
Pure; holds for one client connection (scheme, peer) and is remembered only there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from stock_service.access.gate import credential_of
from stock_service.base.errors import BadRequest
from stock_service.web.conditional import accepts_gzip

FIELDS_MAX = 32
_CODINGS_MAX = 256

# Any of these may change the answer, its framing or the connection: the ASGI path decides.
_SLOW = frozenset(
    {
        b"cache-control",
        b"content-length",
        b"expect",
        b"if-range",
        b"origin",
        b"range",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    }
)
_READ_ONCE = frozenset({b"accept", b"accept-encoding", b"authorization", b"host", b"if-none-match"})

HeaderFields = list[tuple[bytes, bytes]]
OriginOf = Callable[[tuple[tuple[bytes, bytes], ...]], bytes]


class Head:
    """The meaning of one block of header fields."""

    __slots__ = ("_fields", "_origin", "_origin_of", "credential", "etags", "packed")

    def __init__(self, fields: HeaderFields, credential: str | None, packed: bool, etags: bytes | None) -> None:
        self._fields = tuple(fields)
        self._origin: bytes | None = None
        self.credential = credential
        self.packed = packed
        self.etags = etags

    def origin(self, origin_of: OriginOf) -> bytes:
        """Return the origin the client used, asking `origin_of` once."""
        if self._origin is None:
            self._origin = origin_of(self._fields)
        return self._origin


class HeadReader:
    """Reads header fields, remembering what each `Accept-Encoding` and `Accept` in use means."""

    def __init__(self) -> None:
        self._packed: dict[bytes, bool] = {b"": accepts_gzip(b"")}
        self._plain: dict[bytes, bool] = {}

    def read(self, fields: HeaderFields) -> Head | None:
        """Return what `fields` (names in lower case) mean, or None when the ASGI path must answer."""
        if len(fields) > FIELDS_MAX:
            return None
        known: dict[bytes, bytes] = {}
        for name, value in fields:
            if name in _SLOW:
                return None
            if name in _READ_ONCE:
                if name in known:
                    return None
                known[name] = value
            elif name == b"connection" and value.lower() != b"keep-alive":
                return None
        if not self._takes_json(known.get(b"accept")):
            return None
        try:
            credential = credential_of(self._bearer(known), b"")
        except BadRequest:
            return None
        packed = self._takes_gzip(known.get(b"accept-encoding", b""))
        return Head(fields, credential, packed, known.get(b"if-none-match"))

    def _bearer(self, known: dict[bytes, bytes]) -> Iterable[tuple[bytes, bytes]]:
        value = known.get(b"authorization")
        return () if value is None else ((b"authorization", value),)

    def _takes_gzip(self, value: bytes) -> bool:
        packed = self._packed.get(value)
        if packed is None:
            packed = accepts_gzip(value)
            if len(self._packed) < _CODINGS_MAX:
                self._packed[value] = packed
        return packed

    def _takes_json(self, value: bytes | None) -> bool:
        """Return whether `Accept` leaves it at the vendor's JSON; CSV is another question (`vendor.request`)."""
        if value is None:
            return True
        plain = self._plain.get(value)
        if plain is None:
            plain = b"csv" not in value.lower()
            if len(self._plain) < _CODINGS_MAX:
                self._plain[value] = plain
        return plain
