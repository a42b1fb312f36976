"""The client against a vendor of raw sockets: every fault of the matrix that one exchange can meet."""

from __future__ import annotations

import asyncio
import gc
import gzip
import logging
import time
import traceback
import tracemalloc

import pytest

from stock_service.base.clock import SystemClock
from stock_service.upstream.client import ClientSettings, Exchange, VendorClient
from stock_service.upstream.outcome import ExchangeFailed, Fault
from tests.support.clock import ManualClock
from tests.support.raw_vendor import Script, Talk, answering, bomb, good, hang, raw_vendor, sending
from tests.support.vendor_client import HURRIED, KEY, LIMITS, ask, fault_from, fault_of, get, make_client

OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
TWICE = gzip.compress(gzip.compress(b"{}"))


async def test_an_answer_comes_whole_with_the_listed_headers_only() -> None:
    script = answering(
        b'{"a":1}', X_Request_Id="req-1", Retry_After="7", X_RateLimit_Remaining="0", X_RateLimit_Reset="9"
    )
    async with raw_vendor(script) as vendor:
        exchange = await ask(vendor)
    assert exchange == Exchange(200, "application/json", b'{"a":1}', "req-1", 7.0, 9.0)


async def test_the_request_carries_our_key_the_target_as_given_and_no_cookie() -> None:
    async with raw_vendor(answering(Set_Cookie="a=b; Path=/")) as vendor:
        # A name, not an address: cookies of addresses are ignored by most jars anyway.
        client = make_client(f"http://localhost:{vendor.port}")
        edge = {"X-Massive-Edge-ID": "user-7", "Authorization": "Bearer stolen", "Cookie": "c=d"}
        for _ in range(2):
            await client.exchange("/v2/x/O:SPY%2F1?b=%3A&a=1", accept="text/csv", within=5.0, edge=edge)
        await client.aclose()
    line, *lines = vendor.heads[1].decode().rstrip("\r\n").split("\r\n")
    assert line == "GET /v2/x/O:SPY%2F1?b=%3A&a=1 HTTP/1.1"
    assert sorted(lines) == sorted(
        [
            f"Host: localhost:{vendor.port}",
            "Accept-Encoding: gzip",
            "User-Agent: stock-service",
            f"Authorization: Bearer {KEY}",
            "Accept: text/csv",
            "X-Massive-Edge-ID: user-7",
        ]
    )
    assert vendor.connections == 1


@pytest.mark.parametrize("target", ["", "v2/x", "@evil.test/", "/a b", "/a\r\nX: y", "/é", "http://evil.test/"])
async def test_a_target_that_is_not_a_path_never_leaves(target: str) -> None:
    async with raw_vendor(good) as vendor:
        with pytest.raises(ValueError, match="target"):
            await ask(vendor, target)
    assert vendor.connections == 0


async def test_gzip_is_decoded() -> None:
    async with raw_vendor(answering(gzip.compress(b'{"n":12}'), Content_Encoding="gzip")) as vendor:
        assert (await ask(vendor)).body == b'{"n":12}'


async def test_an_odd_request_id_is_dropped() -> None:
    async with raw_vendor(answering(X_Request_Id="<script>")) as vendor:
        assert (await ask(vendor)).request_id == ""


async def test_a_kept_connection_carries_no_timer_of_the_exchange_before() -> None:
    """It would end the next call the moment it is sent."""
    async with raw_vendor(Talk.answer) as vendor:
        client = make_client(vendor.url, first_byte_for=0.1, between_bytes_for=0.1)
        await client.exchange("/v2/x", accept="application/json", within=5.0)
        await asyncio.sleep(0.15)
        exchange = await client.exchange("/v2/x", accept="application/json", within=5.0)
        await client.aclose()
    assert (exchange.status, vendor.connections) == (200, 1)


async def test_a_call_soon_after_another_has_the_whole_limit_and_no_more() -> None:
    """The timer of the connection is still the first one's; it counts for the second from where that began."""
    async with raw_vendor(hang) as vendor:
        vendor.scripts.append(Talk.answer)
        client = make_client(vendor.url, first_byte_for=0.4)
        await get(client)
        await asyncio.sleep(0.2)
        began = time.monotonic()
        assert await fault_from(client) is Fault.TIMEOUT
        assert 0.35 < time.monotonic() - began < 1.5
        assert vendor.connections == 1
        await client.aclose()


async def test_a_call_after_the_machine_slept_waits_no_longer_than_its_limit() -> None:
    """The loop's timers stand still in the meantime, the clock does not."""

    class Clock(ManualClock):
        slept_for = 0.0

        def monotonic(self) -> float:
            return time.monotonic() + self.slept_for

    clock = Clock()
    async with raw_vendor(hang) as vendor:
        vendor.scripts.append(Talk.answer)
        client = VendorClient(ClientSettings(url=vendor.url, first_byte_for=4.0, keep_for=60.0), KEY, clock)
        await get(client)
        clock.slept_for = 30.0
        began = time.monotonic()
        assert await fault_from(client, within=0.3) is Fault.TIMEOUT
        assert time.monotonic() - began < 2.0
        assert vendor.connections == 1
        await client.aclose()


async def test_silence_ends_with_the_first_byte_limit() -> None:
    async with raw_vendor(hang) as vendor:
        began = time.monotonic()
        assert await fault_of(vendor, **HURRIED) is Fault.TIMEOUT
        assert 0.25 < time.monotonic() - began < 0.55


async def test_silence_inside_the_body_ends_with_the_limit_between_bytes() -> None:
    async with raw_vendor(sending(OK_HEAD + b"Content-Length: 9\r\n\r\n{", then="hang")) as vendor:
        began = time.monotonic()
        assert await fault_of(vendor, between_bytes_for=0.2) is Fault.TIMEOUT
        assert 0.15 < time.monotonic() - began < 0.4


@pytest.mark.parametrize(("where", "limit"), [("head", 0.3), ("body", 0.6)])
async def test_a_drip_ends_with_the_limit_of_its_part(where: str, limit: float) -> None:
    """A head has the time of the first byte, a body that of the attempt, however regularly bytes arrive."""

    async def drip(talk: Talk) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nX-Slow: " if where == "head" else OK_HEAD + b"Content-Length: 999\r\n\r\n")
        while True:
            await asyncio.sleep(0.05)
            await talk.send(b"1")

    async with raw_vendor(drip) as vendor:
        began = time.monotonic()
        assert await fault_of(vendor, **HURRIED) is Fault.TIMEOUT
        assert limit - 0.1 < time.monotonic() - began < limit + 0.3


async def test_the_callers_time_ends_an_exchange_before_the_attempts() -> None:
    async with raw_vendor(hang) as vendor:
        client = make_client(vendor.url)
        began = time.monotonic()
        with pytest.raises(ExchangeFailed) as caught:
            await client.exchange("/", accept="*/*", within=0.2)
        await client.aclose()
    assert caught.value.fault is Fault.TIMEOUT
    assert time.monotonic() - began < 0.4


@pytest.mark.parametrize("within", [0.0, -1.0])
async def test_without_time_nothing_is_sent_and_the_connection_is_kept(within: float) -> None:
    async with raw_vendor(good) as vendor:
        client = make_client(vendor.url)
        await get(client)
        assert await fault_from(client, within=within) is Fault.TIMEOUT
        await get(client)
        await client.aclose()
    assert (vendor.requests, vendor.connections) == (2, 1)


@pytest.mark.parametrize(
    ("data", "then", "fault"),
    [
        (b"", "close", Fault.LOST_EARLY),
        (b"", "reset", Fault.LOST_EARLY),
        (b"HTTP/1.1 200 OK\r\nConte", "close", Fault.LOST_EARLY),
        (OK_HEAD + b'Content-Length: 99\r\n\r\n{"a"', "close", Fault.LOST_LATE),
        (OK_HEAD + b'Content-Length: 99\r\n\r\n{"a"', "reset", Fault.LOST_LATE),
        (OK_HEAD + b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n', "close", Fault.LOST_LATE),
        (OK_HEAD + b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n', "reset", Fault.LOST_LATE),
        (OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "hang", Fault.MALFORMED),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "hang", Fault.MALFORMED),
        (b"HTTP/1.1 abc OK\r\n\r\n", "hang", Fault.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1024 * 1024 + b"\r\n\r\n", "hang", Fault.MALFORMED),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 100_000 + b"\r\n", "hang", Fault.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\n{}", "hang", Fault.MALFORMED),
        (OK_HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", "hang", Fault.MALFORMED),
        (OK_HEAD + b"Content-Length: 1073741824\r\n\r\n", "hang", Fault.TOO_LARGE),
        (OK_HEAD + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", "hang", Fault.CODING),
        (OK_HEAD + b"Content-Encoding: gzip, gzip\r\nContent-Length: 2\r\n\r\n{}", "hang", Fault.CODING),
        (OK_HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "hang", Fault.CODING),
        (OK_HEAD + b"Content-Encoding: gzip\r\n" * 2 + b"Content-Length: 43\r\n\r\n" + TWICE, "hang", Fault.CODING),
        (OK_HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "hang", Fault.CODING),
        (OK_HEAD + b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "close", Fault.CODING),
        (b"HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\n{}" + OK_HEAD + b"\r\n", "close", Fault.MALFORMED),
    ],
)
async def test_a_broken_answer_is_named_and_nothing_of_it_is_returned(data: bytes, then: str, fault: Fault) -> None:
    async with raw_vendor(sending(data, then)) as vendor:
        assert await fault_of(vendor) is fault
    assert vendor.requests == 1


async def test_an_endless_body_ends_at_the_limit() -> None:
    sent = 0

    async def endless(talk: Talk) -> None:
        nonlocal sent
        await talk.send(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            await talk.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            sent += 65_536

    async with raw_vendor(endless) as vendor:
        assert await fault_of(vendor) is Fault.TOO_LARGE
    assert sent < 16 * LIMITS.max_bytes


async def test_an_idle_connection_holds_nothing_of_its_last_answer() -> None:
    """Sixteen of them held two copies of a page of 12 MB each: with the cache, more memory than a pod has."""
    async with raw_vendor(answering(b'{"a":"' + b"x" * (LIMITS.max_bytes // 2) + b'"}')) as vendor:
        client = make_client(vendor.url)
        await get(client)
        gc.collect()
        tracemalloc.start()
        held = tracemalloc.get_traced_memory()[0]
        size = len((await get(client)).body)
        await asyncio.sleep(0)  # what woke us holds the answer until we wait again
        grown = tracemalloc.get_traced_memory()[0] - held
        tracemalloc.stop()
        await client.aclose()
    assert vendor.connections == 1
    assert grown < size / 2


async def test_a_gzip_bomb_costs_less_than_a_tenth_of_a_second_of_processor_time() -> None:
    packed = bomb(256)
    async with raw_vendor(answering(packed, Content_Encoding="gzip")) as vendor:
        began = time.process_time()
        assert await fault_of(vendor) is Fault.BOMB
        assert time.process_time() - began < 0.1


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "304 Not Modified", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_refused_and_our_key_goes_nowhere_else(status: str) -> None:
    async with raw_vendor(good) as elsewhere, raw_vendor(good) as vendor:
        vendor.script = answering(b"", status, Location=f"{elsewhere.url}/v2/x")
        assert await fault_of(vendor) is Fault.REDIRECTED
    assert (vendor.requests, elsewhere.connections) == (1, 0)


async def test_a_body_may_end_with_the_connection() -> None:
    """HTTP/1.0 style, without a length: what an old proxy on the way makes of an answer."""
    async with raw_vendor(sending(OK_HEAD + b'\r\n{"a":1}')) as vendor:
        assert (await ask(vendor)).body == b'{"a":1}'
        vendor.script = sending(OK_HEAD + b'\r\n{"a":', then="reset")
        assert await fault_of(vendor) is Fault.LOST_LATE
        vendor.script = sending(OK_HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}")[:-4])
        assert await fault_of(vendor) is Fault.LOST_LATE


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (OK_HEAD + b"Content-Length: 2\r\n\r\n{}", True),
        (OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Trailer: 1\r\nRetry-After: 9\r\n\r\n", True),
        (b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n" + OK_HEAD + b"Content-Length: 2\r\n\r\n{}", True),
        (OK_HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}", False),
        (b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", False),
        (OK_HEAD + b"Content-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n", False),
        (OK_HEAD + b"Content-Length: 2\r\n\r\n{}garbage", False),
    ],
)
async def test_a_connection_is_asked_again_only_when_it_is_in_step(answer: bytes, kept: bool) -> None:
    async with raw_vendor(good) as vendor:
        client = make_client(vendor.url)
        vendor.scripts = [sending(answer, then="stay")]
        exchanges = [await client.exchange("/", accept="*/*", within=5.0) for _ in range(2)]
        await client.aclose()
    assert [(exchange.status, exchange.retry_after) for exchange in exchanges] == [(200, None)] * 2
    assert exchanges[0].body == b"{}"
    assert vendor.connections == (1 if kept else 2)


async def test_wherever_an_answer_is_cut_into_packets_it_is_the_same() -> None:
    head = b"HTTP/1.1 100 Continue\r\n\r\n" + OK_HEAD + b"Transfer-Encoding: chunked\r\nX-Request-Id: abc\r\n\r\n"
    answer = head + b'4\r\n{"a"\r\n3;x=y\r\n:1}\r\n0\r\n\r\n'

    def cut(at: int) -> Script:
        async def script(talk: Talk) -> None:
            await talk.send(answer[:at])
            await asyncio.sleep(0.001)
            await talk.send(answer[at:])

        return script

    async with raw_vendor(good) as vendor:
        client = make_client(vendor.url)
        for at in range(1, len(answer)):
            vendor.script = cut(at)
            exchange = await client.exchange("/", accept="*/*", within=5.0)
            assert (exchange.body, exchange.request_id) == (b'{"a":1}', "abc")
        await client.aclose()
    assert vendor.connections == 1


async def test_a_connection_that_speaks_unasked_is_not_used_again() -> None:
    async def chatty(talk: Talk) -> None:
        await talk.answer(b"{}")
        await asyncio.sleep(0.02)
        await talk.answer(b'{"forged":1}')

    async with raw_vendor(good) as vendor:
        vendor.scripts = [chatty]
        client = make_client(vendor.url)
        await client.exchange("/", accept="*/*", within=5.0)
        await asyncio.sleep(0.06)
        exchange = await client.exchange("/", accept="*/*", within=5.0)
        await client.aclose()
    assert (exchange.body, vendor.connections) == (b'{"status":"OK"}', 2)


@pytest.mark.parametrize("begun", [b"HTTP/1.1 200 OK\r\nX: ", OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: "])
async def test_a_line_without_an_end_is_given_up_before_it_fills_the_memory(begun: bytes) -> None:
    sent = 0

    async def endless(talk: Talk) -> None:
        nonlocal sent
        await talk.send(begun)
        while True:
            await talk.send(b"a" * 16_384)
            sent += 16_384

    async with raw_vendor(endless) as vendor:
        assert await fault_of(vendor) is Fault.MALFORMED
    assert sent < 8 * 1024 * 1024  # what the sockets' buffers took


async def test_a_switch_of_protocols_nobody_asked_for_is_malformed() -> None:
    async with raw_vendor(sending(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", "hang")) as vendor:
        assert await fault_of(vendor) is Fault.MALFORMED


async def test_a_connection_that_was_idle_too_long_is_closed_by_us() -> None:
    async with raw_vendor(good) as vendor:
        client = VendorClient(ClientSettings(url=vendor.url, keep_for=0.05), KEY, SystemClock())
        await client.exchange("/", accept="*/*", within=5.0)
        await asyncio.sleep(0.15)
        open_then = vendor.open
        await client.exchange("/", accept="*/*", within=5.0)
        await client.aclose()
    assert (open_then, vendor.connections) == (0, 2)


@pytest.mark.parametrize(("renew_after", "connections"), [(300.0, 2), (0.0, 1)])
async def test_a_connection_that_is_never_idle_is_made_anew_at_its_age(renew_after: float, connections: int) -> None:
    """While it is asked it holds on to an address, whatever the vendor's name says meanwhile. No answer is lost."""
    clock = ManualClock()
    async with raw_vendor(good) as vendor:
        client = VendorClient(ClientSettings(url=vendor.url, renew_after=renew_after), KEY, clock)
        for _ in range(50):
            await client.exchange("/", accept="*/*", within=5.0)
            clock.shift(10.0)
        await client.aclose()
    assert (vendor.requests, vendor.connections, vendor.most_open) == (50, connections, 1)


async def test_a_connection_that_reached_its_age_while_idle_is_not_asked_again() -> None:
    clock = ManualClock()
    async with raw_vendor(good) as vendor:
        client = VendorClient(ClientSettings(url=vendor.url, renew_after=10.0, keep_for=15.0), KEY, clock)
        for _ in range(3):
            await client.exchange("/", accept="*/*", within=5.0)
            clock.shift(9.0)
        await client.aclose()
    assert (vendor.requests, vendor.connections) == (3, 2)


async def test_a_value_that_would_end_its_line_is_not_passed_on() -> None:
    async with raw_vendor(good) as vendor:
        client = make_client(vendor.url)
        edge = {"X-Massive-Edge-ID": "a\r\nX-Evil: 1", "X-Massive-Edge-User-Agent": "caf\u00e9"}
        await client.exchange("/", accept="*/*", within=5.0, edge=edge)
        await client.aclose()
    assert b"Evil" not in vendor.heads[0]
    assert b"X-Massive-Edge-User-Agent: caf\xe9\r\n" in vendor.heads[0]


@pytest.mark.parametrize("ending", ["close", "reset"])
async def test_a_stale_connection_is_reported_and_not_asked_again_behind_our_back(ending: str) -> None:
    """Libraries send a GET a second time by themselves: a call the pacer never saw."""

    async with raw_vendor(good) as vendor:
        client = make_client(vendor.url)
        await client.exchange("/", accept="*/*", within=5.0)
        vendor.script = sending(b"", then=ending)
        with pytest.raises(ExchangeFailed) as caught:
            await client.exchange("/", accept="*/*", within=5.0)
        await client.aclose()
    assert caught.value.fault is Fault.LOST_KEPT
    assert (vendor.requests, vendor.connections) == (2, 1)


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_vendor(good) as proxy, raw_vendor(good) as vendor:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        await ask(vendor)
    assert (proxy.connections, vendor.requests) == (0, 1)


async def test_the_key_is_in_no_error_representation_or_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    scripts = [hang, sending(b""), sending(b"SSH-2.0\r\n\r\n"), sending(OK_HEAD + b"Content-Length: 9\r\n\r\n{")]
    for script in scripts:
        async with raw_vendor(script) as vendor:
            client = make_client(vendor.url, **HURRIED)
            with pytest.raises(ExchangeFailed) as caught:
                await client.exchange("/", accept="*/*", within=5.0)
            error = caught.value
            assert (error.__cause__, error.__context__) == (None, None)
            told = repr(error) + "".join(traceback.format_exception(error)) + repr(client)
            await client.aclose()
            assert KEY not in told
    assert KEY not in caplog.text


async def test_connections_are_kept_and_whole_after_a_cancel_storm() -> None:
    """Cancelling from outside is not our way, but it must not cost the pool anything (M13)."""

    async def slow(talk: Talk) -> None:
        await asyncio.sleep(0.005)
        await talk.answer(b'{"status":"OK"}' * 50)

    async with raw_vendor(slow) as vendor:
        client = VendorClient(ClientSettings(url=vendor.url), KEY, SystemClock())
        for round_ in range(60):
            tasks = [asyncio.create_task(client.exchange("/", accept="*/*", within=5.0)) for _ in range(4)]
            await asyncio.sleep(0.0007 * (round_ % 12))
            for task in tasks[: round_ % 5]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        before = vendor.connections
        for _ in range(5):
            probes = await asyncio.gather(*[client.exchange("/", accept="*/*", within=5.0) for _ in range(4)])
            assert [probe.status for probe in probes] == [200] * 4
        await client.aclose()
        assert vendor.connections <= before + 4
        assert vendor.most_open <= 8  # the vendor notices a cancelled one only when it answers
