"""Target: any bytes as the vendor's body: decoded under limits, looked into, cleaned, its links found and pointed.

The first byte chooses the content coding, the status and how the rest is cut into chunks.
"""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import suppress

from stock_service.base.errors import VendorFailed
from stock_service.upstream.body import BodyCollector, BodyLimits
from stock_service.upstream.outcome import ExchangeFailed, classify_answer
from stock_service.vendor.links import clean_body, find_links, follow_target, point_links, vendor_origins
from stock_service.vendor.payloads import decode_bars, inspect_body

ORIGINS = vendor_origins("http://127.0.0.1:9999")
GATEWAY = b"http://gw:8080"
LIMITS = BodyLimits(max_bytes=64 * 1024, max_ratio=20)
STATUSES = (200, 200, 401, 403, 404, 429, 500, 503)

_BARS = b'{"ticker":"AAPL","status":"OK","resultsCount":1,"results":[{"v":1e3,"o":1,"c":2,"h":3,"l":0.5,"t":17,"n":2}]'


class Bodies:
    """What the vendor sends."""

    words = (
        b'"next_url":"https://api.polygon.io/v2/x?cursor=a&apiKey=k"', b'"next_url":""', b'"next_url":null,',
        b"apiKey=k",
        b'"https:\\/\\/api.massive.com\\/x"', b'"HTTPS://API.POLYGON.IO:443/"', b'"http://127.0.0.1:9999?a=b"',
        b'"results":', b'"status":"ERROR"', b'"error":"maximum requests"', b"[[[[", b"{", b"}", b"]", b",", b":",
        b"1e999",
        b"\\u0026", b"\\ud800", b"https://", b"//api.polygon.io/", b'"count":0', b"NaN", b"-0", b"null", b"\\",
    )  # fmt: skip

    def __init__(self) -> None:
        texts = [
            _BARS + b',"next_url":"https://api.polygon.io/v2/aggs?cursor=abc&apiKey=k"}',
            _BARS + b',"next_url":""}',
            b'{"status":"ERROR","request_id":"r","error":"You\'ve exceeded the maximum requests per minute"}',
            b'{"status":"NOT_AUTHORIZED","message":"You are not entitled to this data timeframe."}',
            b'[{"exchange":"X","url":"https:\\/\\/api.massive.com\\/v1"}]',
            b'{"results":{"branding":{"logo_url":"https://api.polygon.io/v1/logo.svg"}},"a":"http://127.0.0.1:9999/"}',
            b"<html><body>502 Bad Gateway</body></html>",
            b"t,o,h,l,c\n1,2,3,4,5\n",
            b"",
        ]
        packed = [b"\x01" + gzip.compress(text, mtime=0) for text in (*texts, bytes(40_000), b"ab" * 60_000)]
        self.seeds = (*(b"\x00" + text for text in texts), *packed)

    def check(self, data: bytes) -> None:
        first, body = (data[0], data[1:]) if data else (0, b"")
        _check_collector("gzip" if first & 1 else "", body, 1 + first // 16)
        status = STATUSES[first >> 1 & 7]
        for content_type in ("application/json", "text/csv"):
            facts = inspect_body(status, content_type, body)
            classify_answer(status, facts, media_fits=True)
        with suppress(VendorFailed):
            follow_target(decode_bars(body).next_url, ORIGINS)
        _check_links(body)


def _check_collector(coding: str, coded: bytes, chunks: int) -> None:
    collector = BodyCollector(coding, LIMITS)
    size = len(coded) // chunks + 1
    try:
        for at in range(0, len(coded), size):
            collector.feed(coded[at : at + size])
        decoded = collector.finish()
    except ExchangeFailed:
        return
    assert len(decoded) <= LIMITS.max_bytes
    if not coding:
        assert decoded == coded
    elif coded:
        reference = zlib.decompressobj(31)
        assert decoded == reference.decompress(coded)
        assert reference.eof


def _check_links(body: bytes) -> None:
    spans = find_links(body, ORIGINS)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(set(edges)), "spans touch or overlap"
    pointed = point_links(body, spans, GATEWAY)
    kept = [body[start:end] for start, end in zip([0, *edges[1::2]], [*edges[::2], len(body)], strict=True)]
    assert all(part in pointed for part in kept)
    assert find_links(pointed, ORIGINS) == (), "a link was left"
    cleaned = clean_body(body, ORIGINS)
    assert len(cleaned) <= len(body)
    if _is_json(body):
        assert _is_json(pointed), "pointing links broke a document"
        assert _is_json(cleaned), "cleaning broke a document"
    if find_links(body, ORIGINS) == () and b'"next_url"' not in body:
        assert cleaned == body


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
