"""The frame around every handler, the gateway and the operational routes, through the ASGI interface."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from stock_service.base.errors import QuotaSpent, VendorFailed
from stock_service.base.events import Faulted, RequestFinished
from tests.support.clock import settle
from tests.support.front import Front, make_front

PREV = "/v2/aggs/ticker/AAPL/prev"
BODY = b'{"status":"OK","results":[{"c":1.5}],"next_url":"https://api.polygon.io/v2/x?cursor=1"}'
POINTED = b'{"status":"OK","results":[{"c":1.5}],"next_url":"http://gw.example:8080/v2/x?cursor=1"}'


@pytest.fixture
async def front() -> Front:
    made = make_front()
    made.desk.vendor.now_answer = lambda _: BODY
    return made


def finished(front: Front) -> list[RequestFinished]:
    return [event for event in front.desk.events.events if isinstance(event, RequestFinished)]


async def test_miss_then_hit_say_so(front: Front) -> None:
    miss = await front.browser.get(PREV)
    front.desk.clock.shift(3.0)
    hit = await front.browser.get(PREV)
    assert miss.body == hit.body == POINTED
    assert miss.headers["cache-status"] == "stock-service; fwd=uri-miss; stored; ttl=10"
    assert hit.headers["cache-status"] == "stock-service; hit; ttl=7"
    assert (hit.headers["age"], hit.headers["cache-control"]) == ("3", "private, max-age=7")
    assert miss.headers["x-request-id"] != hit.headers["x-request-id"]
    assert [event.cache for event in finished(front)] == ["miss", "hit"]
    assert finished(front)[0].route == "prev"


async def test_stale_is_200_and_marked(front: Front) -> None:
    await front.browser.get(PREV)
    front.desk.clock.shift(60.0)
    front.desk.vendor.now_answer = lambda _: VendorFailed("server", 500)
    stale = await front.browser.get(PREV)
    assert stale.status == 200
    assert stale.headers["cache-status"] == "stock-service; fwd=stale; ttl=-50; detail=vendor-down"
    assert (stale.headers["age"], stale.headers["cache-control"]) == ("60", "private, max-age=0")


async def test_known_etag_gets_304_without_content_fields(front: Front) -> None:
    full = await front.browser.get(PREV)
    same = await front.browser.get(PREV, {"if-none-match": full.headers["etag"]})
    assert (same.status, same.body) == (304, b"")
    assert same.headers["etag"] == full.headers["etag"]
    assert "content-length" not in same.headers
    other = await front.browser.get(PREV, {"if-none-match": '"other"'})
    assert other.status == 200


async def test_gzip_has_its_own_etag_and_the_same_content(front: Front) -> None:
    front.desk.vendor.now_answer = lambda _: b'{"results":[' + b"1," * 800 + b"1]}"
    packed = await front.browser.get(PREV, {"accept-encoding": "gzip"})
    plain = await front.browser.get(PREV)
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "accept, accept-encoding"


async def test_head_is_get_without_body(front: Front) -> None:
    full = await front.browser.get(PREV)
    head = await front.browser.get(PREV, method="HEAD")
    assert head.body == b""
    assert head.headers["content-length"] == full.headers["content-length"]


async def test_vendor_error_status_passes_through(front: Front) -> None:
    front.desk.vendor.now_answer = None
    missing = b'{"status":"NOT_FOUND","message":"Ticker not found."}'
    asked = asyncio.create_task(front.browser.get("/v3/reference/tickers/NOPE"))
    await settle()
    front.desk.vendor.calls[0].answer(missing, 404)
    got = await asked
    assert (got.status, got.body) == (404, missing)


async def test_spent_quota_is_429_with_the_true_time(front: Front) -> None:
    front.desk.vendor.now_answer = lambda _: QuotaSpent(11.2)
    got = await front.browser.get(PREV)
    assert (got.status, got.headers["retry-after"]) == (429, "12")
    assert got.json()["status"] == "ERROR"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v2/aggs/ticker/AAPL/range/0/day/2024-01-01/2024-01-02", 400),
        ("/v2/aggs/ticker/AAPL/range/1/fortnight/2024-01-01/2024-01-02", 400),
        ("/v2/aggs/ticker/AAPL/range/1/day/2024-13-01/2024-01-02", 400),
        ("/v2/aggs/ticker/AAPL/prev?adjusted=true&adjusted=false", 400),
        ("/v2/aggs/ticker/%2e%2e/prev", 400),
        ("/nothing/here", 404),
        ("/favicon.ico", 404),
    ],
)
async def test_bad_questions_never_reach_the_vendor(front: Front, target: str, status: int) -> None:
    got = await front.browser.get(target)
    assert got.status == status
    assert got.json()["request_id"] == got.headers["x-request-id"]
    assert front.desk.vendor.calls == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_only_reading_is_allowed(front: Front, method: str) -> None:
    got = await front.browser.get(PREV, method=method)
    assert (got.status, got.headers["allow"]) == (405, "GET, HEAD")
    assert front.desk.vendor.calls == []


async def test_too_many_at_once_are_refused_but_not_the_probes() -> None:
    front = make_front(requests_max=2)
    waiting = [asyncio.create_task(front.browser.get(PREV)) for _ in range(2)]
    await settle()
    refused = await front.browser.get(PREV)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert (await front.browser.get("/health")).status == 200
    front.desk.vendor.calls[0].answer(BODY)
    assert [got.status for got in await asyncio.gather(*waiting)] == [200, 200]
    assert front.app.running == 0


async def test_unexpected_fault_is_an_answer_and_an_event(front: Front) -> None:
    def broken(_: object) -> bytes:
        raise ZeroDivisionError

    front.desk.vendor.now_answer = broken
    got = await front.browser.get(PREV)
    assert got.status == 500
    assert b"Zero" not in got.body
    assert "gateway" in got.json()["error"]
    assert [event.where for event in front.desk.events.events if isinstance(event, Faulted)] == ["request"]


@pytest.mark.parametrize(("sent", "kept"), [("trace-42", True), ("a b", False), ("x" * 65, False), ("é", False)])
async def test_request_id_of_the_caller_is_kept_when_harmless(front: Front, sent: str, kept: bool) -> None:
    got = await front.browser.get("/health", {"x-request-id": sent})
    assert (got.headers["x-request-id"] == sent) is kept


async def test_no_cache_needs_its_right(front: Front) -> None:
    await front.browser.get(PREV)
    await front.browser.get(PREV, {"cache-control": "no-cache"})
    assert len(front.desk.vendor.calls) == 1


async def test_only_if_cached_without_an_answer_is_504(front: Front) -> None:
    got = await front.browser.get(PREV, {"cache-control": "only-if-cached"})
    assert got.status == 504
    assert front.desk.vendor.calls == []


@pytest.mark.parametrize(
    "path", ["/health", "/ready", "/status", "/circuit-breaker", "/metrics", "/docs", "/openapi.json", "/"]
)
async def test_operational_routes_answer_without_the_vendor(front: Front, path: str) -> None:
    got = await front.browser.get(path)
    assert got.status == 200
    assert got.headers["cache-control"] == "no-store"
    assert front.desk.vendor.calls == []


@pytest.mark.parametrize(("state", "status"), [("starting", 503), ("ready", 200), ("draining", 503)])
async def test_readiness(front: Front, state: str, status: int) -> None:
    front.readiness[0] = state
    got = await front.browser.get("/ready")
    assert (got.status, got.json()["status"]) == (status, state)


async def test_pages_name_no_foreign_host(front: Front) -> None:
    for path in ("/", "/docs"):
        got = await front.browser.get(path)
        assert b"<script" not in got.body
        assert got.body.count(b"http") == got.body.count(b"http://HOST:8080")
        assert "default-src 'none'" in got.headers["content-security-policy"]
