"""The client against a vendor that speaks TLS, well and badly."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stock_service.upstream.client import VendorClient
from stock_service.upstream.outcome import Fault
from tests.support.certificates import make_certificate
from tests.support.raw_vendor import RawVendor, Script, Talk, good, hang, raw_vendor
from tests.support.vendor_client import fault_from, get, make_client, open_files, resolve

pytestmark = pytest.mark.system_tool("openssl")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Tls:
    """The two ends of one certificate."""

    def __init__(self, directory: Path) -> None:
        self.vendor = make_certificate(directory, "IP:127.0.0.1,DNS:vendor.test")
        self.trust = ssl.create_default_context(cafile=directory / "cert.pem")

    @asynccontextmanager
    async def served(self, script: Script) -> AsyncIterator[tuple[RawVendor, VendorClient]]:
        async with raw_vendor(script, tls=self.vendor) as vendor:
            client = make_client(f"https://127.0.0.1:{vendor.port}", self.trust)
            yield vendor, client
            await client.aclose()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls(tmp_path_factory.mktemp("tls"))


def cut_off(talk: Talk) -> None:
    """End the connection under TLS, as whoever sits on the way can."""
    with socket.socket(fileno=os.dup(talk.writer.get_extra_info("socket").fileno())) as raw:
        raw.shutdown(socket.SHUT_WR)


def test_the_systems_certificates_are_read_before_anybody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 20 ms, in which an event loop would answer nobody; without TLS it is not done at all."""
    read = 0

    def count() -> ssl.SSLContext:
        nonlocal read
        read += 1
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    monkeypatch.setattr(ssl, "create_default_context", count)
    make_client("http://vendor.test")
    assert read == 0
    make_client("https://vendor.test")
    assert read == 1


async def test_a_connection_is_kept_through_everything_tls_says_beside_the_answers(tls: Tls) -> None:
    """Session tickets come whenever the vendor likes, often on an idle connection."""
    async with tls.served(good) as (vendor, client):
        for pause in (0.0, 0.02, 0.0, 0.02, 0.0):
            assert (await get(client)).body == b'{"status":"OK"}'
            await asyncio.sleep(pause)
        assert (vendor.requests, vendor.connections) == (5, 1)


async def test_a_name_with_its_root_is_the_name_of_the_certificate(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    """`vendor.test.`, with the dot, is how one spares a cluster its search domains."""
    async with raw_vendor(good, tls=tls.vendor) as vendor:

        async def there() -> list[int]:
            return [vendor.port]

        resolve(monkeypatch, "vendor.test.", there)
        client = make_client("https://vendor.test.", tls.trust)
        assert (await get(client)).status == 200
        await client.aclose()


@pytest.mark.asyncio(loop_factories=["uvloop"])  # asyncio's own loop cannot tell one ending from the other
@pytest.mark.parametrize("ending", ["goodbye", "cut off"])
async def test_a_body_that_ends_with_the_connection_is_whole_only_if_the_vendor_says_so(tls: Tls, ending: str) -> None:
    """Else anybody on the way could shorten it."""

    async def script(talk: Talk) -> None:
        await talk.send(HEAD + b'\r\n{"a":1}')
        await asyncio.sleep(0.02)
        if ending == "goodbye":
            talk.writer.close()
        else:
            cut_off(talk)

    async with tls.served(script) as (_, client):
        if ending == "goodbye":
            assert (await get(client)).body == b'{"a":1}'
        else:
            assert await fault_from(client) is Fault.LOST_LATE


@pytest.mark.parametrize("ending", ["goodbye", "cut off", "reset"])
async def test_an_idle_connection_that_has_ended_is_not_asked(tls: Tls, ending: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.answer()
        await asyncio.sleep(0.01)
        match ending:
            case "goodbye":
                talk.writer.close()
            case "cut off":
                cut_off(talk)
            case _:
                talk.reset()
        over.set()

    over = asyncio.Event()
    async with tls.served(good) as (vendor, client):
        vendor.scripts = [script]
        await get(client)
        await over.wait()
        for _ in range(3):  # a busy loop may find several timers due at once, and no time between them to read
            await asyncio.sleep(0.01)
        assert (await get(client)).status == 200
        assert vendor.connections == 2


async def test_closing_waits_for_no_vendor_and_leaves_nothing_open(tls: Tls) -> None:
    """One answers and then reads nothing more, one never answers: neither will say goodbye."""

    async def deaf(talk: Talk) -> None:
        await talk.answer()
        await asyncio.Event().wait()

    async with tls.served(deaf) as (vendor, client):
        before = open_files()
        await asyncio.gather(*[get(client) for _ in range(8)])
        vendor.script = hang
        waiting = [asyncio.create_task(fault_from(client)) for _ in range(4)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(3.0):
            await client.aclose()
            assert set(await asyncio.gather(*waiting)) == {Fault.LOST_KEPT}
        await vendor.close()
        await asyncio.sleep(0.1)
        assert open_files() <= before


async def test_leaving_at_any_moment_costs_nothing_and_crosses_no_answers(tls: Tls) -> None:
    """While connecting, during the handshake, while asking: the next question gets its own answer."""

    async def echo(talk: Talk) -> None:
        await asyncio.sleep(draw.uniform(0.0, 0.001))
        await talk.answer(talk.head.split(b" ")[1] * 20)

    async def ask(client: VendorClient, number: int) -> None:
        assert (await get(client, f"/{number}")).body == b"/%d" % number * 20

    draw = random.Random(5)
    async with raw_vendor(echo, tls=tls.vendor) as vendor:
        before = open_files()
        for round_ in range(200):
            client = make_client(f"https://127.0.0.1:{vendor.port}", tls.trust)
            tasks = [asyncio.create_task(ask(client, 4 * round_ + at)) for at in range(4)]
            await asyncio.sleep(draw.uniform(0.0, 0.008))
            for task in tasks[: 1 + round_ % 4]:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(result) for result in results} <= {type(None), asyncio.CancelledError}
            await ask(client, round_)
            await client.aclose()
        await asyncio.sleep(0.1)
        assert open_files() <= before


@pytest.mark.parametrize("greeting", ["silence", "rubbish", "end"])
async def test_a_handshake_that_fails_leaves_nothing_open(tls: Tls, greeting: str) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if greeting == "silence":
            await reader.read()
        elif greeting == "rubbish":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    before = open_files()
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = make_client(url, tls.trust, connect_for=0.05 if greeting == "silence" else 5.0)
    faults = {await fault_from(client) for _ in range(10)}
    await client.aclose()
    await asyncio.sleep(0.1)
    assert open_files() <= before
    server.close()
    expected = {"silence": Fault.CONNECT_TIMEOUT, "rubbish": Fault.CERTIFICATE, "end": Fault.UNREACHABLE}
    assert faults == {expected[greeting]}
