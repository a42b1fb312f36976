"""Each fault does on the wire what its name says; looked at from a raw socket."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator, Mapping

import pytest

from stock_service.simulator.faults import FaultKind, FaultRule, Param
from stock_service.simulator.server import Simulator
from tests.support.simulated import simulated

TARGET = "/v2/aggs/ticker/AAPL/range/1/day/2025-11-03/2025-11-14"
UNKNOWN = "/v3/reference/tickers/ZZZNONE"


def asking(target: str = TARGET) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: vendor.example\r\nAuthorization: Bearer demo-key\r\n\r\n".encode()


class Talk:
    """A connection that sends the request and looks at every byte that comes back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def head(self) -> tuple[str, dict[str, str]]:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        status, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
        return status, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    async def rest(self, most: int = -1) -> bytes:
        """What comes until the end, at most so many bytes."""
        found = bytearray()
        while most < 0 or len(found) < most:
            piece = await self.reader.read(1 << 16)
            if not piece:
                break
            found += piece
        return bytes(found)


OPENED: list[asyncio.StreamWriter] = []


@pytest.fixture(autouse=True)
async def hang_up() -> AsyncIterator[None]:
    """Close what a test opened."""
    yield
    for writer in OPENED:
        writer.transport.abort()
    OPENED.clear()
    await asyncio.sleep(0)


async def talk_to(simulator: Simulator, target: str = TARGET) -> Talk:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port, limit=1 << 24)
    OPENED.append(writer)
    writer.write(asking(target))
    return Talk(reader, writer)


async def spoilt(simulator: Simulator, kind: FaultKind, **params: Param) -> Talk:
    simulator.faults.put([FaultRule(kind, params=params)], 0.0)
    return await talk_to(simulator)


async def right_body(simulator: Simulator) -> bytes:
    simulator.faults.clear()
    talk = await talk_to(simulator)
    _, fields = await talk.head()
    return await talk.reader.readexactly(int(fields["content-length"]))


async def test_a_hung_call_gets_no_byte_and_is_counted() -> None:
    """The connection stays open; the log has the call without a status."""
    async with simulated() as simulator:
        talk = await spoilt(simulator, FaultKind.HANG)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk.reader.read(1), 0.1)
        [call] = simulator.calls.calls()
        assert (call.status, call.fault) == (0, "hang")


async def test_a_slow_first_byte_comes_late_and_then_all_at_once() -> None:
    """The answer itself is right."""
    async with simulated() as simulator:
        body = await right_body(simulator)
        began_at = time.perf_counter()
        talk = await spoilt(simulator, FaultKind.SLOW_FIRST_BYTE, seconds=0.15)
        await talk.head()
        assert time.perf_counter() - began_at >= 0.15
        assert await talk.rest() == body


async def test_a_drip_comes_in_pieces_over_time() -> None:
    """Pieces of the asked size, and still the right answer."""
    async with simulated() as simulator:
        body = await right_body(simulator)
        began_at = time.perf_counter()
        talk = await spoilt(simulator, FaultKind.DRIP, bytes=400, every=0.02)
        assert len(await talk.reader.read(1 << 16)) == 400
        assert (await talk.rest()).endswith(body[-200:])
        assert time.perf_counter() - began_at >= 0.02 * (len(body) // 400 - 1)


@pytest.mark.parametrize(
    "kind", [FaultKind.SLOW_FIRST_BYTE, FaultKind.DRIP, FaultKind.SHORT_BODY, FaultKind.BIG_HEADER]
)
async def test_a_spoilt_refusal_keeps_its_status(kind: str) -> None:
    """A late 404 is a 404: as a 200 it would be another fault than the one asked for."""
    params: dict[str, Param] = {"seconds": 0.0, "every": 0.0, "bytes": 64}
    async with simulated() as simulator:
        simulator.faults.put([FaultRule(FaultKind(kind), params=params)], 0.0)
        talk = await talk_to(simulator, UNKNOWN)
        assert (await talk.head())[0] == "HTTP/1.1 404 Not Found"
        assert b'"status":"NOT_FOUND"' in await talk.rest()


async def test_a_reset_comes_in_the_middle_of_the_body() -> None:
    """After some bytes of it, and not as an orderly end."""
    async with simulated() as simulator:
        talk = await spoilt(simulator, FaultKind.RESET)
        with pytest.raises(ConnectionResetError):
            await talk.rest()


async def test_a_short_body_is_smaller_than_its_length() -> None:
    """The length promises 100 bytes more."""
    async with simulated() as simulator:
        body = await right_body(simulator)
        talk = await spoilt(simulator, FaultKind.SHORT_BODY)
        _, fields = await talk.head()
        assert (await talk.rest(), int(fields["content-length"])) == (body, len(body) + 100)


async def test_unended_chunks_lack_the_last_one() -> None:
    """All the content, no end."""
    async with simulated() as simulator:
        body = await right_body(simulator)
        talk = await spoilt(simulator, FaultKind.UNENDED_CHUNKS)
        _, fields = await talk.head()
        assert fields["transfer-encoding"] == "chunked"
        assert await talk.rest() == b"%x\r\n%b\r\n" % (len(body), body)


async def test_cut_json_is_framed_rightly() -> None:
    """Half of the body, with a true length."""
    async with simulated() as simulator:
        body = await right_body(simulator)
        talk = await spoilt(simulator, FaultKind.CUT_JSON)
        _, fields = await talk.head()
        half = await talk.rest()
        assert (half, int(fields["content-length"])) == (body[: len(body) // 2], len(half))


@pytest.mark.parametrize(
    ("kind", "params", "status", "content_type", "part"),
    [
        (FaultKind.HTML, {}, "200", "text/html", b"<html>"),
        (FaultKind.ERROR_IN_OK, {}, "200", "application/json", b'"status":"ERROR"'),
        (FaultKind.EMPTY, {}, "200", "application/json", b'"resultsCount":0'),
        (FaultKind.STATUS, {"status": 500}, "500", "text/html", b"<html>"),
        (FaultKind.STATUS, {"status": 502}, "502", "text/html", b"<html>"),
        (FaultKind.STATUS, {"status": 504}, "504", "text/html", b"<html>"),
        (FaultKind.LIMITED, {}, "429", "application/json", b"Too many requests"),
        (FaultKind.REVOKED, {}, "401", "application/json", b"Unknown API Key"),
        (FaultKind.FORBIDDEN, {}, "403", "application/json", b"NOT_AUTHORIZED"),
        (FaultKind.REDIRECT, {"location": "http://other.example/x"}, "302", "text/plain", b""),
    ],
)
async def test_a_changed_answer_is_well_framed(
    kind: FaultKind, params: Mapping[str, Param], status: str, content_type: str, part: bytes
) -> None:
    """Status, type and body; the connection stays usable."""
    async with simulated() as simulator:
        talk = await spoilt(simulator, kind, **params)
        line, fields = await talk.head()
        body = await talk.reader.readexactly(int(fields["content-length"]))
        assert (line.split()[1], fields["content-type"].split(";")[0]) == (status, content_type)
        assert part in body
        assert fields.get("location") == params.get("location")
        simulator.faults.clear()
        talk.writer.write(asking())
        assert (await talk.head())[0] == "HTTP/1.1 200 OK"


@pytest.mark.parametrize("kind", [FaultKind.STATUS, FaultKind.LIMITED])
@pytest.mark.parametrize("text", ["2", "120", "Fri, 21 Nov 2025 16:05:00 GMT", "soon", "-1", "1000000000"])
async def test_a_retry_after_of_any_form_is_sent_as_given(kind: FaultKind, text: str) -> None:
    """Also the forms no vendor should send."""
    async with simulated() as simulator:
        talk = await spoilt(simulator, kind, status=503, retry_after=text)
        assert (await talk.head())[1]["retry-after"] == text


async def test_a_huge_body_declares_a_gibibyte_and_keeps_coming() -> None:
    """Looked at until 3 MiB; the sender waits for the reader."""
    async with simulated() as simulator:
        talk = await spoilt(simulator, FaultKind.HUGE)
        assert (await talk.head())[1]["content-length"] == str(1 << 30)
        assert len(await talk.rest(3 << 20)) >= 3 << 20


async def test_endless_chunks_do_not_end() -> None:
    """Looked at until 3 MiB."""
    async with simulated() as simulator:
        talk = await spoilt(simulator, FaultKind.ENDLESS)
        assert "content-length" not in (await talk.head())[1]
        assert (await talk.rest(3 << 20)).startswith(b"10000\r\n")


async def test_a_gzip_bomb_unpacks_to_a_thousand_times_its_size() -> None:
    """Here to 8 MiB; a whole bomb is 1 GiB by default."""
    async with simulated() as simulator:
        talk = await spoilt(simulator, FaultKind.GZIP_BOMB, bytes=8 << 20)
        assert (await talk.head())[1]["content-encoding"] == "gzip"
        raw = await talk.rest()
        packed = b"".join(raw.split(b"\r\n")[1:-3:2]) if raw.count(b"\r\n") < 6 else _unchunked(raw)
        assert len(gzip.decompress(packed)) == 8 << 20
        assert len(packed) < 20_000


def _unchunked(raw: bytes) -> bytes:
    found = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        found += raw[: int(size, 16)]
        raw = raw[int(size, 16) + 2 :]
    return found


async def test_a_lying_coding_names_gzip_for_plain_bytes() -> None:
    """Nothing in the body is gzip."""
    async with simulated() as simulator:
        body = await right_body(simulator)
        talk = await spoilt(simulator, FaultKind.LYING_CODING)
        assert (await talk.head())[1]["content-encoding"] == "gzip"
        assert await talk.rest() == body
        with pytest.raises(zlib.error):
            zlib.decompress(body, 31)


async def test_a_big_header_and_many_headers() -> None:
    """One of a mebibyte, or a hundred thousand."""
    async with simulated() as simulator:
        talk = await spoilt(simulator, FaultKind.BIG_HEADER)
        assert len((await talk.head())[1]["x-filler"]) == 1 << 20
        talk = await spoilt(simulator, FaultKind.MANY_HEADERS)
        assert len((await talk.head())[1]) > 100_000


async def test_older_data_after_newer() -> None:
    """Today's bar as it was an hour ago, with a date of then when asked for."""
    async with simulated() as simulator:
        simulator.faults.put([FaultRule(FaultKind.OLDER, params={"seconds": 3600, "date": 1})], 0.0)
        older = await talk_to(simulator)
        assert "Fri, 21 Nov 2025 15:00:00 GMT" in (await older.head())[1]["date"]


async def test_an_idle_connection_is_closed_after_a_while() -> None:
    """The answer is right, then the connection ends without a word."""
    async with simulated() as simulator:
        talk = await spoilt(simulator, FaultKind.CLOSE_IDLE, seconds=0.05)
        _, fields = await talk.head()
        assert fields.get("connection", "keep-alive") == "keep-alive"
        await talk.reader.readexactly(int(fields["content-length"]))
        assert await asyncio.wait_for(talk.reader.read(1), 2.0) == b""


async def test_refusing_cuts_connections_and_takes_no_new_ones_until_it_listens_again() -> None:
    """On the same port as before."""
    async with simulated() as simulator:
        talk = await talk_to(simulator)
        await talk.head()
        await simulator.refuse()
        with pytest.raises(ConnectionRefusedError):
            await talk_to(simulator)
        port = simulator.port
        await simulator.listen()
        again = await talk_to(simulator)
        assert (await again.head())[0] == "HTTP/1.1 200 OK"
        assert simulator.port == port
        assert simulator.calls.total == 2


async def test_stopping_does_not_wait_for_hung_calls() -> None:
    """A hundred hung calls end with the simulator, within a second."""
    async with simulated() as simulator:
        for _ in range(100):
            await spoilt(simulator, FaultKind.HANG)
        await asyncio.sleep(0.05)
        assert (simulator.connections, simulator.calls.total) == (100, 100)
        began_at = time.perf_counter()
        await simulator.stop()
        assert time.perf_counter() - began_at < 1.5
