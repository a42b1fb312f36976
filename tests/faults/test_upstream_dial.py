"""How the client finds and reaches the vendor: names, addresses of both families, and what is left when it does not."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from stock_service.upstream.outcome import Fault
from tests.support.raw_vendor import good, raw_vendor
from tests.support.vendor_client import HURRIED, fault_from, fault_of, get, make_client, open_files, resolve


def refusing_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def full_backlog() -> Iterator[int]:
    """Yield a port that is like a firewall that drops: no handshake ever ends."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            plug = stack.enter_context(socket.socket())
            plug.setblocking(False)
            plug.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_refused_connection_is_unreachable_at_once() -> None:
    began = time.monotonic()
    assert await fault_of(f"http://127.0.0.1:{refusing_port()}") is Fault.UNREACHABLE
    assert time.monotonic() - began < 0.3


async def test_a_name_that_does_not_exist_is_unreachable() -> None:
    assert await fault_of("http://vendor.invalid") is Fault.UNREACHABLE


async def test_a_full_backlog_is_a_connect_timeout() -> None:
    with full_backlog() as port:
        assert await fault_of(f"http://127.0.0.1:{port}", **HURRIED) is Fault.CONNECT_TIMEOUT


@pytest.mark.parametrize("error", [socket.gaierror(-3, "try again"), UnicodeError(), RuntimeError("of the loop")])
async def test_whatever_goes_wrong_with_a_name_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fail() -> list[int]:
        raise error

    resolve(monkeypatch, "vendor.test", fail)
    assert await fault_of("http://vendor.test") is Fault.UNREACHABLE


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_name_all_of_whose_addresses_refuse_is_unreachable(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    async def refusing() -> list[int]:
        return [refusing_port() for _ in range(count)]

    resolve(monkeypatch, "vendor.test", refusing)
    before = open_files()
    assert await fault_of("http://vendor.test") is Fault.UNREACHABLE
    assert open_files() <= before + 1  # uvloop keeps one for its resolver


async def test_an_address_that_leads_nowhere_costs_a_moment_and_not_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dual-stacked vendor whose one family is dropped by a firewall."""
    async with raw_vendor(good) as vendor:
        with full_backlog() as deaf:

            async def both() -> list[int]:
                return [deaf, vendor.port]

            resolve(monkeypatch, "vendor.test", both)
            client = make_client("http://vendor.test", connect_for=1.0)
            began = time.monotonic()
            exchange = await get(client)
            await client.aclose()
    assert exchange.status == 200
    assert time.monotonic() - began < 0.9


async def test_a_silent_name_server_is_asked_one_question_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop has few threads for such questions, and each is lost until the name server's own limit."""
    questions = 0
    speaks = asyncio.Event()
    async with raw_vendor(good) as vendor:

        async def slow() -> list[int]:
            nonlocal questions
            questions += 1
            await speaks.wait()
            return [vendor.port]

        resolve(monkeypatch, "vendor.test", slow)
        client = make_client("http://vendor.test", connect_for=0.3)
        for _ in range(2):
            faults = await asyncio.gather(*[fault_from(client) for _ in range(10)])
            assert faults == [Fault.CONNECT_TIMEOUT] * 10
        assert questions == 1
        speaks.set()
        assert (await get(client)).status == 200
        await client.aclose()
    assert questions == 1


@pytest.mark.parametrize(("believed_for", "questions"), [(60.0, 1), (0.0, 3)])
async def test_a_names_addresses_are_believed_for_a_while(
    monkeypatch: pytest.MonkeyPatch, believed_for: float, questions: int
) -> None:
    asked = 0
    async with raw_vendor(good) as vendor:

        async def there() -> list[int]:
            nonlocal asked
            asked += 1
            return [vendor.port]

        resolve(monkeypatch, "vendor.test", there)
        client = make_client("http://vendor.test", keep_for=0.0, names_for=believed_for)
        for _ in range(3):
            await get(client)
        await client.aclose()
    assert (vendor.connections, asked) == (3, questions)


async def test_addresses_that_fail_are_asked_for_anew_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor may have moved."""
    async with raw_vendor(good) as vendor:
        led_to = [refusing_port(), vendor.port]

        async def move() -> list[int]:
            return [led_to.pop(0)]

        resolve(monkeypatch, "vendor.test", move)
        client = make_client("http://vendor.test")
        assert await fault_from(client) is Fault.UNREACHABLE
        assert (await get(client)).status == 200
        await client.aclose()


@pytest.mark.parametrize(
    ("authority", "host"), [("VENDOR.test", "vendor.test"), ("vendor.test:80", "vendor.test"), ("vendor.test:81", "")]
)
async def test_the_host_is_named_as_servers_expect_it(
    monkeypatch: pytest.MonkeyPatch, authority: str, host: str
) -> None:
    """In lower case, and without a port that goes without saying: some choose the site by the whole field."""
    async with raw_vendor(good) as vendor:

        async def there() -> list[int]:
            return [vendor.port]

        resolve(monkeypatch, "vendor.test", there)
        client = make_client(f"http://{authority}")
        await get(client)
        await client.aclose()
    assert f"\r\nHost: {host or authority}\r\n".encode() in vendor.heads[0]


async def test_an_address_of_the_sixth_version_is_dialled_and_named() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")  # containers often have none
    async with raw_vendor(good, "::1") as vendor:
        client = make_client(f"http://[::1]:{vendor.port}")
        assert (await get(client)).status == 200
        await client.aclose()
    assert f"\r\nHost: [::1]:{vendor.port}\r\n".encode() in vendor.heads[0]


async def test_what_is_still_connecting_when_the_client_closes_asks_nothing_and_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, speaks = asyncio.Event(), asyncio.Event()
    async with raw_vendor(good) as vendor:

        async def slow() -> list[int]:
            asked.set()
            await speaks.wait()
            return [vendor.port]

        resolve(monkeypatch, "vendor.test", slow)
        client = make_client("http://vendor.test")
        exchange = asyncio.create_task(fault_from(client))
        await asked.wait()
        await client.aclose()
        speaks.set()
        assert await exchange is Fault.LOST_EARLY
        await asyncio.sleep(0.02)
        assert (vendor.requests, vendor.open) == (0, 0)
