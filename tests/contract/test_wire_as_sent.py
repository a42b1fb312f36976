"""What the vendor writes reaches the client byte for byte: only the origin of the vendor's own links is another.

Served by a vendor of raw sockets, so that it may write what a careful encoder would not.
"""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from stock_service.base.clock import SystemClock
from stock_service.base.events import Silent
from tests.support.raw_vendor import RawVendor, Talk, raw_vendor
from tests.support.running import VENDOR_KEY, Gateway, start_gateway, stop_gateway

VENDOR = b"https://api.massive.com"

# `@LINK` is the origin of a link of the vendor's, `@ESCAPED` the same with its slashes escaped.
ANSWERS: dict[str, bytes] = {
    "/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04": (
        b'{\n  "ticker": "AAPL", "queryCount": 9, "resultsCount": 2, "adjusted": true, "new": [{}],\n  "results": [\n'
        b'  {"v": 642646396.0, "vw": 1.469, "o": 1.5032, "c": 1.4604, "h": 1.5064, "l": 1.4489, "t": 1112331600000},\n'
        b'  {"v": 5.78172308E+8, "o": 1.4639, "c": 1.4675, "h": 1.4754, "l": 1.4343, "t": 1112587200000, "n": 65543}\n'
        b'    ],\n    "status": "DELAYED", "request_id": "r-1", "count": 2 }\n'
    ),
    "/v2/aggs/ticker/AAPL/range/5/minute/2005-04-02/2005-04-03": b'{"ticker":"AAPL","queryCount":0,"status":"OK"}',
    "/v2/aggs/ticker/AAPL/prev": (
        b'{"results":[{"big":123456789012345678901234567890,"exponent":6.022E+23,"small":1e-320,"minus":-0.0,'
        b'"long":0.1000000000000000055}],"status":"OK"}'
    ),
    "/v3/trades/AAPL?limit=2": (
        b'{ "results" : [ {"price":129.8473,"participant_timestamp":1517562000016036581} ],\t"status":"OK",'
        b'"next_url":"@LINK/v3/trades/AAPL?cursor=YXA9\\u0026x" }'
    ),
    "/v3/reference/tickers/AAPL": (
        b'{"results":{"name":"Apple \\u00e9 \xc3\xa9 \xf0\x9f\x8d\x8f","homepage_url":"https://www.apple.com",'
        b'"branding":{"logo_url":"@ESCAPED\\/v1\\/logo.svg","icon_url":"http:\\/\\/s3.massive.com\\/icon"}}}'
    ),
    "/v2/reference/news?limit=2": (
        b'{"results":[{"article_url":"https://example.org/?u=https://api.massive.com/x",'
        b'"description":"\\"https://api.massive.com\\" said so"}],"status":"OK"}'
    ),
    "/v1/marketstatus/upcoming": b'[{"date":"2026-12-25","exchange":"NYSE","status":"closed"}, {"name":"\\u2028"}]',
    "/v3/snapshot/indices?ticker.any_of=I:APx,I:SPX": b'{"results":[{"ticker":"I:APx","error":"NOT_FOUND"}]}',
    "/vX/new/thing/of/the/vendor": b'{"deep":{"url":"@LINK"},"https://api.massive.com":null}',
}


def linked(target: str, origin: bytes) -> bytes:
    """Return the answer to `target` with its links pointing to `origin`."""
    return ANSWERS[target].replace(b"@LINK", origin).replace(b"@ESCAPED", origin.replace(b"/", b"\\/"))


@dataclass(slots=True)
class Raw:
    """A gateway before a vendor of raw sockets."""

    vendor: RawVendor
    gateway: Gateway
    session: aiohttp.ClientSession

    async def get(self, target: str, **headers: str) -> tuple[int, bytes, str]:
        async with self.session.get(self.gateway.url + target, headers=headers) as response:
            return response.status, await response.read(), response.headers["content-type"]


async def answer(talk: Talk) -> None:
    target = talk.head.split(b" ", 2)[1].decode().removesuffix("?limit=50000")
    if target.endswith("/2024-01-05") and talk.header("accept") == "text/csv":
        await talk.answer(b'T,c\r\nAAPL,"1,5"\r\n', content_type="text/csv")
    elif target in ANSWERS:
        packed = gzip.compress(linked(target, VENDOR))
        await talk.answer(packed, content_type="application/json; charset=utf-8", content_encoding="gzip")
    else:
        await talk.answer(b'{"status":"NOT_FOUND","message":"Data not found."}', "404 Not Found")


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    async with raw_vendor(answer) as vendor:
        settings = {"upstream.url": vendor.url, "upstream.api_key": VENDOR_KEY}
        gateway = await start_gateway(settings, Silent(), SystemClock())
        async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as session:
            try:
                yield Raw(vendor, gateway, session)
            finally:
                await stop_gateway(gateway)


@pytest.mark.parametrize("target", ANSWERS)
async def test_an_answer_arrives_as_it_was_sent(raw: Raw, target: str) -> None:
    """From the vendor, from memory, and packed: the same bytes, links pointed, and one vendor call."""
    expected = (200, linked(target, raw.gateway.url.encode()), "application/json; charset=utf-8")
    assert await raw.get(target) == expected
    assert await raw.get(target) == expected
    status, packed, content_type = await raw.get(target, **{"Accept-Encoding": "gzip"})
    whole = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
    assert (status, whole, content_type) == expected
    assert raw.vendor.requests == 1


@pytest.mark.parametrize("label", ["", "text/html", "text/plain", "application/octet-stream"])
async def test_json_under_another_label_is_json(raw: Raw, label: str) -> None:
    """Usable, and called what it is: no browser takes it for a page, and its links are cleaned like any other."""

    async def mislabelled(talk: Talk) -> None:
        body = b'{"next_url":"","results":[{"url":"https://api.polygon.io/x?apiKey=abc"}],"status":"OK"}'
        await talk.answer(body, content_type=label)

    raw.vendor.script = mislabelled
    for target in ("/v3/reference/tickers/AAPL", "/v9/new"):
        expected = b'{"results":[{"url":"%b/x"}],"status":"OK"}' % raw.gateway.url.encode()
        assert await raw.get(target) == (200, expected, "application/json")


async def test_a_table_arrives_as_it_was_sent(raw: Raw) -> None:
    for _ in range(2):
        got = await raw.get("/v2/aggs/ticker/AAPL/range/1/day/2024-01-02/2024-01-05", Accept="text/csv")
        assert got == (200, b'T,c\r\nAAPL,"1,5"\r\n', "text/csv")
    assert raw.vendor.requests == 1


async def test_the_asker_s_own_user_is_named_to_the_vendor_and_nothing_else_is(raw: Raw) -> None:
    """The headers both generations of clients send for applications; others of a client stay here."""
    for house in ("Massive", "Polygon"):
        own = {f"X-{house}-Edge-ID": "user-7", f"x-{house.lower()}-edge-ip-address": "192.0.2.7"}
        await raw.get(f"/v3/reference/tickers/{house}", **own, Cookie="a=b", **{"X-Else": "c", "User-Agent": "me"})
        sent = raw.vendor.heads[-1].decode().split("\r\n")
        assert f"X-{house}-Edge-ID: user-7" in sent
        assert f"X-{house}-Edge-IP-Address: 192.0.2.7" in sent
        assert not [line for line in sent if line.startswith(("Cookie", "X-Else")) or line == "User-Agent: me"]


async def test_a_refusal_of_the_vendor_arrives_as_it_was_sent(raw: Raw) -> None:
    for _ in range(2):
        got = await raw.get("/v1/open-close/AAPL/2024-01-06")
        assert got == (404, b'{"status":"NOT_FOUND","message":"Data not found."}', "application/json")
    assert raw.vendor.requests == 1
