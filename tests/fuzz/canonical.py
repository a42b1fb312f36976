"""Target: any path, query and `Accept` becomes one question, or is refused as malformed; and no credential is in it.

Input: path and query, a line feed, the value of `Accept`.
"""

from __future__ import annotations

import re
import zlib

from stock_service.base.errors import BadRequest
from stock_service.vendor.request import URL_MAX_BYTES, VendorRequest, parse_request, reopen_request
from stock_service.vendor.routes import CALLED_BY_CLIENTS, DESCRIBED

SECRET = "sEcReT0kEnOfSomebody"

_SPELLINGS = ("apiKey", "apikey", "APIKEY", "api%4Bey", "%61piKey", "apiKe%79")
_TARGET = re.compile(r"/[!-\"$-~]*\Z")  # printable, no space, no fragment
_VALUES = {
    "ticker": "AAPL", "from": "2024-01-01", "to": "1704067200000", "date": "2024-01-02", "timespan": "day",
    "multiplier": "1",
}  # fmt: skip


class Canonical:
    """The canonical form of a question."""

    words = (
        b"adjusted=true", b"limit=005", b"limit=50000", b"sort=asc", b"sort=desc", b"cursor=", b"cursor=YXA9", b"%2C",
        b"ticker.any_of=B,A,A", b"strike_price=01.50", b"strike_price.gte=-0", b"%2F", b"%00", b"%25", b"%C3%A9",
        b"%ff",
        b"timestamp.gte=2024-01-01", b"&", b"?", b"=", b"+", b"//", b"/../", b"/./", b";", b"#", b"@", b"*", b"~",
        b"2024-02-30", b"1704067200000", b"expired=TRUE", b"\ntext/csv", b"\ntext/csv;q=0.5, application/json;q=0.4",
        b"order=asc", b"a%26b=1", b"X%3ABTCUSD", b"O:SPY251219C00650000",
    )  # fmt: skip

    def __init__(self) -> None:
        templates = [row.template for row in (*DESCRIBED, *CALLED_BY_CLIENTS)]
        paths = [re.sub(r"\{(\w+)\}", lambda found: _VALUES.get(found[1], "x1"), each) for each in templates]
        queries = (
            "",
            "?adjusted=TRUE&limit=0100&sort=asc",
            "?ticker.any_of=B,A&cursor=abc%3D",
            "?date=2024-01-02&q=%20",
        )
        self.seeds = tuple((path + query).encode() for path in paths for query in queries)

    def check(self, data: bytes) -> None:
        raw, _, accept = data.decode("latin-1").partition("\n")
        path, _, query = raw.partition("?")
        request = _ask(path, query, accept)
        if request is not None:
            _check_form(request)
        if len(raw) < URL_MAX_BYTES - 100 and SECRET not in raw:
            _check_credential(path, query, accept, request, zlib.crc32(data))


def _ask(path: str, query: str, accept: str) -> VendorRequest | None:
    try:
        return parse_request(path, query, accept)
    except BadRequest as refused:
        assert SECRET not in repr(refused)  # noqa: PT017 - nothing is expected to raise here
        return None


def _check_form(request: VendorRequest) -> None:
    assert _TARGET.match(request.target), request.target
    assert request.key.startswith(request.target)
    assert len(request.target) <= URL_MAX_BYTES
    again = reopen_request(request.key)
    assert (again.key, again.target, again.params) == (request.key, request.target, request.params)
    assert again.endpoint is request.endpoint
    assert again.accept == request.accept


def _check_credential(path: str, query: str, accept: str, plain: VendorRequest | None, draw: int) -> None:
    """A credential put anywhere into the query changes nothing and is nowhere in the question."""
    pieces = query.split("&") if query else []
    pieces.insert(draw % (len(pieces) + 1), f"{_SPELLINGS[draw % len(_SPELLINGS)]}={SECRET}")
    request = _ask(path, "&".join(pieces), accept)
    assert SECRET not in repr(request)
    assert (request and request.key) == (plain and plain.key), "a credential decided what is asked"
