"""What the header fields of a request mean for a hit; or that they need the slow path.

The list is positive in effect: a request is read here only if nothing in its head could make the ASGI path answer
differently from a plain hit. Where a field is understood, it is understood by the very functions the ASGI path uses.
Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache

from stock_service.access.gate import credential_of
from stock_service.web.conditional import accepts_gzip
from stock_service.web.guard_head import FRAMING_FIELDS
from stock_service.web.lookup import Trusted
from stock_service.web.origin import ORIGIN_FIELDS

FIELDS_MAX = 32
READ_MAX_BYTES = 1_024  # of all values that are read: longer ones are not worth the memory of the tables here
_REMEMBERED = 256
_REMEMBERED_CREDENTIALS = 4_096

# Any of these may change the answer, its framing or the connection: the ASGI path decides.
_SLOW = (
    b"cache-control",
    b"content-length",
    b"expect",
    b"if-range",
    b"origin",
    b"proxy-connection",
    b"range",
    b"transfer-encoding",
    b"upgrade",
)
REQUEST_ID = b"x-request-id"
REQUEST_ID_FORM = rb"[A-Za-z0-9._-]{1,64}"
_READ = (b"accept", b"accept-encoding", b"authorization", b"connection", b"if-none-match", REQUEST_ID)
_WEIGHTY = frozenset((*_SLOW, *_READ))
_REQUEST_ID = re.compile(REQUEST_ID_FORM + rb"\Z")
# All names that anything below the framework looks at: here, where messages are framed (llhttp adds none to those),
# and where links are made. The value of any other field changes nothing about a hit.
MEANINGFUL = _WEIGHTY | FRAMING_FIELDS | ORIGIN_FIELDS

HeaderFields = list[tuple[bytes, bytes]]


class Head:
    """The meaning of one block of header fields.

    `unusual`: there are validators (`etags`), a request id of the client's own, or something to be said about the
    connection (`says`). `origin` and `trusted` (whose the credential is) are found out by whoever needs them first,
    and kept here.
    """

    __slots__ = ("credential", "etags", "fields", "origin", "packed", "request_id", "says", "trusted", "unusual")

    def __init__(
        self,
        fields: HeaderFields,
        credential: str | None,
        packed: bool,
        etags: bytes | None,
        request_id: bytes | None,
        says: bytes,
    ) -> None:
        self.fields = fields
        self.credential = credential
        self.packed = int(packed)  # an index: tuples are faster with a plain one
        self.etags = etags
        self.request_id = request_id
        self.says = says
        self.unusual = etags is not None or request_id is not None or says != b""
        self.origin: bytes | None = None
        self.trusted: Trusted | None = None


def read_head(fields: HeaderFields, says: bytes = b"") -> Head | None:
    """Return what `fields` (names in lower case) mean, or None when the ASGI path must answer.

    `says` is what the answer has to say about the connection: `close`, or `keep-alive` to a client of HTTP/1.0.
    """
    weighty = dict(each := [field for field in fields if field[0] in _WEIGHTY])
    if len(weighty) != len(each) or len(fields) > FIELDS_MAX or len(b"".join(weighty.values())) > READ_MAX_BYTES:
        return None  # something is there twice, or far more than usual
    take = weighty.pop
    credential = _credential(take(b"authorization", b""))
    packed = _takes_gzip(take(b"accept-encoding", b""))
    etags = take(b"if-none-match", None)
    request_id = take(REQUEST_ID, None)
    usual = _takes_json(take(b"accept", b"")) and take(b"connection", b"close").lower() in (b"keep-alive", b"close")
    harmless = request_id is None or _REQUEST_ID.match(request_id) is not None
    if weighty or not usual or not harmless:
        return None
    return Head(fields, credential, packed, etags, request_id, says)


@lru_cache(maxsize=_REMEMBERED_CREDENTIALS)
def _credential(authorization: bytes) -> str | None:
    return credential_of(((b"authorization", authorization),), b"")


_takes_gzip = lru_cache(maxsize=_REMEMBERED)(accepts_gzip)


@lru_cache(maxsize=_REMEMBERED)
def _takes_json(accept: bytes) -> bool:
    """Return whether `Accept` leaves it at the vendor's JSON; CSV is another question (`vendor.request`)."""
    return b"csv" not in accept.lower()
