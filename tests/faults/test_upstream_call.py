"""Driver and client together against a vendor of raw sockets: what an asker meets, and what the vendor sees."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stock_service.base.clock import SystemClock
from stock_service.base.errors import (
    CircuitOpen,
    CredentialRefused,
    Overloaded,
    QuotaSpent,
    ServiceError,
    VendorFailed,
    VendorSlow,
)
from stock_service.base.events import Event, VendorCalled
from stock_service.base.reply import Reply
from stock_service.upstream.body import BodyLimits
from stock_service.upstream.breaker import BreakerSettings
from stock_service.upstream.call import Priority, Upstream, UpstreamSettings
from stock_service.upstream.client import ClientSettings, VendorClient
from stock_service.upstream.pacer import Pacer, PacerSettings, Window
from stock_service.upstream.slots import LocalSlots
from stock_service.vendor.request import ask
from tests.support.certificates import make_certificate
from tests.support.raw_vendor import RawVendor, Script, Talk, answering, bomb, good, hang, raw_vendor, sending

KEY = "sk-vendor-0123456789"
BARS = ask("/v2/aggs/ticker/AAPL/range/1/day/2024-01-01/2024-02-01")
OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PAID = (Window(1_000, 1.0),)


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def outcomes(self) -> list[str]:
        return [event.outcome for event in self.events if isinstance(event, VendorCalled)]


@asynccontextmanager
async def upstream_to(
    url: str, *windows: Window, trust: ssl.SSLContext | None = None, seen: Recorder | None = None, **changes: Any
) -> AsyncIterator[Upstream]:
    patience = changes.pop("patience", 1.0)  # for tests in which nothing hangs, on a machine that may be busy
    client = ClientSettings(
        url=url,
        connections=changes.pop("connections", 16),
        connect_for=0.3 * patience,
        first_byte_for=0.3 * patience,
        between_bytes_for=0.2 * patience,
        attempt_for=changes.pop("attempt_for", 0.6 * patience),
        body=BodyLimits(max_bytes=1024 * 1024),
    )
    breaker = BreakerSettings(sleep_for=0.2)
    settings = UpstreamSettings(client, PacerSettings(windows or PAID), changes.pop("breaker", breaker), **changes)
    clock = SystemClock()
    slots = LocalSlots(Pacer(settings.pacer), clock)
    upstream = Upstream(settings, VendorClient(client, KEY, clock, trust), slots, clock, seen or Recorder())
    try:
        yield upstream
    finally:
        await upstream.aclose()


async def fetch(upstream: Upstream, within: float = 9.0, priority: Priority = Priority.INTERACTIVE) -> Reply:
    return await upstream.fetch(BARS, deadline=SystemClock().monotonic() + within, priority=priority)


async def error_of(upstream: Upstream) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await fetch(upstream)
    return caught.value


HTML = b"<html><h1>Back soon</h1></html>"


@pytest.mark.parametrize(
    ("script", "kind", "outcome", "attempts"),
    [
        (hang, VendorSlow, "timeout", 1),
        (sending(b""), VendorFailed, "transport_early", 2),
        (sending(OK_HEAD + b'Content-Length: 99\r\n\r\n{"a"', "reset"), VendorFailed, "transport_late", 2),
        (sending(OK_HEAD + b'Content-Length: 99\r\n\r\n{"a"'), VendorFailed, "transport_late", 2),
        (answering(b'{"status":"OK","results":[{"c"'), VendorFailed, "invalid", 1),
        (answering(HTML, content_type="text/html"), VendorFailed, "invalid", 1),
        (answering(b'{"status":"ERROR","error":"backend"}'), VendorFailed, "invalid", 1),
        (answering(b"{}", "500 Oops"), VendorFailed, "server", 1),
        (answering(HTML, "502 Bad Gateway", content_type="text/html"), VendorFailed, "server", 2),
        (answering(b"{}", "503 Busy", Retry_After="2"), VendorFailed, "server", 1),
        (answering(b"{}", "503 Busy", Retry_After="-1"), VendorFailed, "server", 2),
        (answering(b"", "429 Slow Down"), QuotaSpent, "quota", 1),
        (answering(b"", "429 Slow Down", Retry_After="3"), QuotaSpent, "quota", 1),
        (answering(b'{"status":"ERROR","error":"Unknown API Key"}', "401 No"), CredentialRefused, "credential", 1),
        (answering(b"", "302 Found", Location="http://127.0.0.1:1/"), VendorFailed, "invalid", 1),
        (answering(bomb(64), Content_Encoding="gzip"), VendorFailed, "invalid", 1),
        (sending(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1024 * 1024 + b"\r\n\r\n", "hang"), VendorFailed, "invalid", 1),
    ],
)
async def test_each_fault_becomes_one_typed_error_that_quotes_nothing(
    script: Script, kind: type[ServiceError], outcome: str, attempts: int
) -> None:
    seen = Recorder()
    async with raw_vendor(script) as vendor, upstream_to(vendor.url, seen=seen) as upstream:
        error = await error_of(upstream)
    assert type(error) is kind
    assert seen.outcomes() == [outcome] * attempts
    assert vendor.requests == attempts
    told = repr([error, error.__cause__, error.__context__, seen.events])
    assert not [secret for secret in (KEY, "AAPL", "Back soon", "Unknown API Key") if secret in told]


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_connection_closed_just_as_we_send_costs_the_asker_nothing(how: str) -> None:
    async with raw_vendor(good) as vendor, upstream_to(vendor.url) as upstream:
        await fetch(upstream)
        vendor.scripts = [sending(b"", then=how)]
        assert (await fetch(upstream)).status == 200
    assert (vendor.requests, vendor.connections) == (3, 2)


async def test_a_vendor_that_closes_every_idle_connection_neither_opens_the_breaker_nor_spends_the_retries() -> None:
    """It answers every question; a budget of one retry in ten seconds would not have lasted."""
    async with raw_vendor(good) as vendor, upstream_to(vendor.url, patience=10.0) as upstream:
        await fetch(upstream)
        for _ in range(30):
            vendor.scripts = [sending(b"", then="close")]
            assert (await fetch(upstream)).status == 200
        assert upstream.snapshot()["circuit_breaker"]["state"] == "closed"
    assert vendor.requests == 1 + 2 * 30


async def test_nobody_listens_and_the_asker_hears_it_quickly() -> None:
    async with raw_vendor(good) as vendor:
        url = vendor.url
    async with upstream_to(url) as upstream:
        began = time.monotonic()
        assert isinstance(await error_of(upstream), VendorFailed)
        assert time.monotonic() - began < 1.5


async def test_a_hanging_vendor_never_has_more_than_its_seats_and_then_the_breaker_answers() -> None:
    async with raw_vendor(hang) as vendor, upstream_to(vendor.url, connections=8) as upstream:
        results = await asyncio.gather(*[fetch(upstream, within=5.0) for _ in range(60)], return_exceptions=True)
        assert vendor.most_open <= 8 + 4  # the vendor hears of a closed one a moment later
        assert upstream.snapshot()["calls"] == {"under_way": 0, "queued": 0}
    assert set(map(type, results)) == {VendorSlow, CircuitOpen}
    assert 20 <= vendor.requests <= 28


@asynccontextmanager
async def lag() -> AsyncIterator[list[float]]:
    """Measure how late this event loop is, as long as the block runs."""
    lags = [0.0]

    async def measure() -> None:
        while True:
            due = time.monotonic() + 0.002
            await asyncio.sleep(0.002)
            lags.append(time.monotonic() - due)

    task = asyncio.create_task(measure())
    try:
        yield lags
    finally:
        task.cancel()


async def test_a_saturated_vendor_never_sees_more_than_the_plan_in_any_window() -> None:
    arrivals: list[float] = []

    async def note(talk: Talk) -> None:
        arrivals.append(time.monotonic())
        await asyncio.sleep(random.uniform(0.0, 0.01))
        await talk.answer()

    plan = Window(20, 0.5)
    async with raw_vendor(note) as vendor, upstream_to(vendor.url, plan, patience=10.0) as upstream, lag() as lags:
        until = time.monotonic() + 2.2

        async def keep_asking() -> None:
            while time.monotonic() < until:
                await fetch(upstream)

        await asyncio.gather(*[keep_asking() for _ in range(12)])
    # A call is seen when the loop gets round to it: in truth a window of what was seen was so much longer.
    window = plan.per - 3 * max(lags)
    most = max(sum(start <= at < start + window for at in arrivals) for start in arrivals)
    assert most <= plan.calls
    assert len(arrivals) >= 0.9 * plan.calls * 2.0 / plan.per


async def test_a_vendor_that_limits_more_strictly_is_obeyed_after_a_few_refusals() -> None:
    """The vendor grants 10 in half a second, the plan says 20: it is refused once per lesson, not once per call."""
    accepted: list[float] = []
    refused = 0

    async def limit(talk: Talk) -> None:
        nonlocal refused
        now = time.monotonic()
        if sum(at > now - 0.5 for at in accepted) >= 10:
            refused += 1
            await talk.answer(b"", "429 Slow Down", Retry_After="1")
            return
        accepted.append(now)
        await talk.answer()

    async with raw_vendor(limit) as vendor, upstream_to(vendor.url, Window(20, 0.5)) as upstream:
        results = [await asyncio.gather(fetch(upstream), return_exceptions=True) for _ in range(30)]
    assert refused == 1
    assert Counter(type(result[0]) for result in results) == {Reply: 29, QuotaSpent: 1}


async def test_a_flapping_vendor_opens_at_most_once_per_bad_phase_and_closes_on_the_first_good_probe() -> None:
    seen = Recorder()
    bad = False

    async def flap(talk: Talk) -> None:
        await talk.answer(b"{}", "500 Oops" if bad else "200 OK")

    async with raw_vendor(flap) as vendor, upstream_to(vendor.url, seen=seen) as upstream:
        for _ in range(3):
            bad = True
            results = [await asyncio.gather(fetch(upstream), return_exceptions=True) for _ in range(60)]
            assert Counter(type(result[0]) for result in results)[Reply] == 0
            bad = False
            await asyncio.sleep(0.23)
            assert (await fetch(upstream)).status == 200
            assert upstream.breaker_snapshot()["gauge"] == 0
            await asyncio.gather(*[fetch(upstream) for _ in range(25)])
    opened = [event for event in seen.events if getattr(event, "after", "") == "open"]
    assert len(opened) == 3


async def test_a_cancel_storm_leaves_seats_slots_and_connections_whole() -> None:
    async def slow(talk: Talk) -> None:
        await asyncio.sleep(0.004)
        await talk.answer(b'{"status":"OK"}')

    draw = random.Random(7)
    async with raw_vendor(slow) as vendor, upstream_to(vendor.url, connections=4, patience=10.0) as upstream:
        for _ in range(80):
            tasks = [asyncio.create_task(fetch(upstream)) for _ in range(6)]
            await asyncio.sleep(draw.uniform(0.0, 0.008))
            for task in draw.sample(tasks, 3):
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert set(map(type, results)) <= {Reply, asyncio.CancelledError}
        snapshot = upstream.snapshot()
        assert snapshot["calls"] == {"under_way": 0, "queued": 0}
        assert snapshot["quota"]["waiting"] == 0
        assert snapshot["circuit_breaker"]["state"] == "closed"
        assert [reply.status for reply in await asyncio.gather(*[fetch(upstream) for _ in range(10)])] == [200] * 10


async def test_refreshes_beyond_their_seats_are_turned_away_at_once() -> None:
    async with raw_vendor(hang) as vendor, upstream_to(vendor.url) as upstream:
        began = time.monotonic()
        tasks = [asyncio.create_task(fetch(upstream, priority=Priority.REFRESH)) for _ in range(10)]
        done, pending = await asyncio.wait(tasks, timeout=0.1)
        assert [type(task.exception()) for task in done] == [Overloaded] * 6
        assert time.monotonic() - began < 0.25
        await asyncio.gather(*pending, return_exceptions=True)


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.mark.system_tool("openssl")
@pytest.mark.parametrize(
    ("name", "trusted", "outcomes"),
    [
        ("IP:127.0.0.1", True, ["ok"]),
        ("IP:127.0.0.1", False, ["certificate"]),
        ("DNS:other.test", True, ["certificate"]),
    ],
)
async def test_a_certificate_that_does_not_fit_is_never_retried(
    tmp_path: Path, name: str, trusted: bool, outcomes: list[str]
) -> None:
    context = make_certificate(tmp_path, name)
    trust = ssl.create_default_context(cafile=tmp_path / "cert.pem") if trusted else None
    vendor, seen = RawVendor(good), Recorder()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with upstream_to(url, trust=trust, seen=seen) as upstream:
        await asyncio.gather(fetch(upstream), return_exceptions=True)
    server.close()
    await vendor.close()
    assert seen.outcomes() == outcomes


@pytest.mark.parametrize(("greeting", "outcomes"), [("hang", ["timeout"] * 2), ("close", ["transport_early"] * 2)])
async def test_a_handshake_that_hangs_or_breaks_is_tried_once_more(greeting: str, outcomes: list[str]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if greeting == "hang":
            await reader.read()
        writer.transport.abort()

    seen = Recorder()
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with upstream_to(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen=seen) as upstream:
        await error_of(upstream)
    server.close()
    await asyncio.sleep(0.02)
    assert seen.outcomes() == outcomes


async def test_every_exchange_is_counted_as_a_call_and_a_refusal_as_none() -> None:
    """What a client is told it spent is what the vendor was asked: attempts repeated included, refusals not."""
    counted: list[float] = []

    async def ask(upstream: Upstream) -> None:
        deadline = SystemClock().monotonic() + 9.0
        with pytest.raises(ServiceError):
            await upstream.fetch(
                BARS, deadline=deadline, priority=Priority.INTERACTIVE, spend=lambda: counted.append(time.monotonic())
            )

    script = answering(HTML, "502 Bad Gateway", content_type="text/html")
    async with raw_vendor(script) as vendor, upstream_to(vendor.url, Window(2, 60.0)) as upstream:
        await ask(upstream)
        assert len(counted) == vendor.requests == 2
        await ask(upstream)
        assert len(counted) == vendor.requests == 2
