"""Target: any bytes as the value of a field that is read with rules of its own never raise, and mean one thing."""

from __future__ import annotations

from ipaddress import ip_network

from stock_service.upstream.vendor_limits import RETRY_AFTER_MAX_FOR, parse_retry_after, parse_spent_for
from stock_service.vendor.links import point_links
from stock_service.web.conditional import accepts_gzip, matches_etag
from stock_service.web.guard_head import HeadLimits, authority_of, judge_begun, judge_line
from stock_service.web.origin import client_origin, is_trusted, valid_host
from tests.support.corpus import CODINGS, ETAGS, HOSTS, LINES

ETAG = b'"0123456789abcdef"'
NOW = 1_700_000_000.0

_LIMITS = HeadLimits(url_bytes=200)
_TRUSTED = (ip_network("10.0.0.0/8"),)
_DATES = (
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Tue, 14 Nov 2023 22:14:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "120",
    "0",
)


class Negotiation:
    """Fields, one at a time."""

    words = (
        b"gzip", b"identity", b"*", b";q=", b"0.5", b"nan", b"inf", b"1e9", b",", b'"', b"W/", ETAG, b"GMT", b"+9999",
        b"Feb 30", b"99999999999999999999", b"reset=", b"remaining=0", b"t=5", b"[::1]", b":80", b"http://",
        b"HTTP/1.1",
    )  # fmt: skip

    def __init__(self) -> None:
        hosts = [line for lines in HOSTS for line in lines]
        texts = (*CODINGS, *ETAGS, *hosts, *LINES, *_DATES, "limit=5, remaining=0, reset=30")
        self.seeds = tuple(text.encode("latin-1") for text in texts)

    def check(self, data: bytes) -> None:
        _check_conditional(data)
        _check_waits(data)
        _check_host(data)
        _check_line(data)


def _check_conditional(data: bytes) -> None:
    assert accepts_gzip(data) is accepts_gzip(data.upper()) is accepts_gzip(b" " + data + b" ")
    if accepts_gzip(data):
        assert b"gzip" in data.lower() or b"*" in data
    if matches_etag(data, ETAG):
        assert ETAG in data or data.strip() == b"*"
    assert matches_etag(data + b"," + ETAG, ETAG)


def _check_waits(data: bytes) -> None:
    text = data.decode("latin-1")
    for waited in (parse_retry_after(text, NOW), parse_spent_for({"ratelimit": text})):
        assert waited is None or 0.0 <= waited <= RETRY_AFTER_MAX_FOR
    spent = parse_spent_for({"x-ratelimit-remaining": text, "x-ratelimit-reset": "30"})
    assert spent in (None, 30.0)


def _check_host(data: bytes) -> None:
    fields = ((b"host", data), (b"x-forwarded-host", data), (b"x-forwarded-proto", data))
    for peer in ("127.0.0.1", "10.1.2.3"):
        origin = client_origin(fields, "http", b"local:1", peer, "", _TRUSTED)
        assert point_links(b"", (), origin) == b""  # it is one: anything else is refused here
    assert not is_trusted(data.decode("latin-1"), ())
    is_trusted(data.decode("latin-1"), _TRUSTED)
    authority = authority_of(data)
    assert not authority or valid_host(authority)


def _check_line(data: bytes) -> None:
    """What is refused of a beginning is refused of the whole, and a good line is good at every byte of it."""
    line = data.partition(b"\r\n")[0]
    whole = judge_line(line, _LIMITS)
    for end in {1, len(line) // 2, max(1, len(line) - 1), len(line)}:
        begun = judge_begun(line[:end], _LIMITS)
        if whole is None:
            assert begun is None, f"a good line is refused after {end} bytes: {begun}"
