"""The whole gateway on real sockets in front of a simulated vendor: one call for many, and keys that stay put."""

from __future__ import annotations

import asyncio
import io
import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import aiohttp
import massive
import pytest

from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord, hash_key, make_key
from stock_service.base.clock import SystemClock
from stock_service.simulator.server import SimulatorSettings
from stock_service.telemetry.log_lines import Form, Level
from stock_service.telemetry.logs import Log, LogObserver
from stock_service.telemetry.scrub import Scrubber
from tests.support.instants import NEW_YEAR_2024
from tests.support.running import VENDOR_KEY, Pair, running_pair

PREV = "/v2/aggs/ticker/AAPL/prev"
BARS = "/v2/aggs/ticker/AAPL"


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as running:
        yield running


async def get(session: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    async with session.get(url, headers=headers) as response:
        return response.status, await response.read(), {name.lower(): value for name, value in response.headers.items()}


def many() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, headers={"Accept-Encoding": "identity"}
    )


async def test_two_hundred_clients_at_once_are_one_vendor_call(pair: Pair) -> None:
    async with many() as session:
        answers = await asyncio.gather(*(get(session, pair.gateway.url + PREV) for _ in range(200)))
        assert {(status, body) for status, body, _ in answers} == {(200, answers[0][1])}
        assert len(pair.simulator.calls.calls(PREV)) == 1
        again = await asyncio.gather(*(get(session, pair.gateway.url + PREV) for _ in range(200)))
    assert {body for _, body, _ in again} == {answers[0][1]}
    assert len(pair.simulator.calls.calls(PREV)) == 1


async def test_spellings_of_one_question_are_one_vendor_call(pair: Pair) -> None:
    path = "/v2/aggs/ticker/AAPL/range/1/day/2024-01-02/2024-01-31"
    spellings = ["", "?adjusted=true", "?limit=5000&sort=asc", "?sort=asc&adjusted=TRUE&limit=5000", "?apiKey=anything"]
    async with many() as session:
        bodies = {(await get(session, pair.gateway.url + path + spelling))[1] for spelling in spellings}
        assert len(bodies) == 1
        assert len(pair.simulator.calls.calls(BARS)) == 1
        await get(session, f"{pair.gateway.url}{path}?adjusted=false")
    assert len(pair.simulator.calls.calls(BARS)) == 2


async def test_overlapping_ranges_ask_the_vendor_only_for_what_is_missing(pair: Pair) -> None:
    async with many() as session:
        for span in (
            "2024-01-02/2024-01-31",
            "2024-01-10/2024-01-20",
            "2024-01-02/2024-02-15",
            "2024-01-02/2024-02-15",
        ):
            status, _, _ = await get(session, f"{pair.gateway.url}{BARS}/range/1/minute/{span}?limit=50000")
            assert status == 200
    assert len(pair.simulator.calls.calls(BARS)) == 2


async def test_links_lead_back_to_the_gateway_and_work(pair: Pair) -> None:
    url = f"{pair.gateway.url}/v2/aggs/ticker/AAPL/range/1/minute/2024-01-02/2024-01-05?limit=100"
    pages = 0
    times: list[int] = []
    async with many() as session:
        while url:
            assert url.startswith(pair.gateway.url + "/")
            assert "apikey" not in url.lower()
            status, body, _ = await get(session, url)
            assert status == 200
            page = json.loads(body)
            times += [bar["t"] for bar in page["results"]]
            url = page.get("next_url", "")
            pages += 1
    assert pages > 10
    assert times == sorted(set(times))


async def test_a_client_that_adds_its_key_to_every_link_pages_to_the_end(tmp_path: Path) -> None:
    """As the vendor's JavaScript client does; the key ends here, and the pages are whole."""
    key_id, client_key = make_key()
    keys_file = tmp_path / "keys"
    KeyStore(keys_file).add(KeyRecord(id=key_id, name="team", sha256=hash_key(client_key), created=NEW_YEAR_2024))
    with running_pair(flags={"access.keys_file": str(keys_file)}) as pair:
        url = f"{pair.gateway.url}/v3/reference/options/contracts?underlying_ticker=SPY&limit=7"
        rows: list[str] = []
        async with many() as session:
            while url:
                status, body, _ = await get(session, f"{url}&apiKey={client_key}")
                assert status == 200
                assert client_key.encode() not in body
                page = json.loads(body)
                rows += [row["ticker"] for row in page["results"]]
                url = page.get("next_url", "")
        calls = [call.target for call in pair.simulator.calls.calls("/v3/reference/options/contracts")]
    assert len(rows) == len(set(rows)) > 14
    assert len(calls) == -(-len(rows) // 7)
    assert not any(client_key in target for target in calls)


async def test_page_loop_on_a_small_plan_waits_and_succeeds() -> None:
    """Five calls, then 429 with the true time: the official client sleeps for it and goes on by itself."""
    simulated = SimulatorSettings(port=0, key=VENDOR_KEY, calls=5, per=1.5)
    flags = {"quota.calls": 5, "quota.per": "1600ms", "quota.max_wait": "300ms"}
    with running_pair(simulated, flags) as pair:
        client = massive.RESTClient(api_key="any", base=pair.gateway.url)

        def loop() -> int:
            trades = client.list_trades("MSFT", timestamp="2024-01-02", limit=200)
            return sum(1 for _ in islice(trades, 2_000))

        count = await asyncio.to_thread(loop)
        statuses = Counter(call.status for call in pair.simulator.calls.calls(""))
    assert count == 2_000
    assert statuses[200] > 5
    assert set(statuses) == {200}, "the vendor's limit was never exceeded"


async def test_several_page_loops_share_a_small_plan_and_all_succeed() -> None:
    """Four wait for the same five slots; many more on a slow plan: `property/test_pacer_windows.py`."""
    simulated = SimulatorSettings(port=0, key=VENDOR_KEY, calls=5, per=2.0)
    flags = {"quota.calls": 5, "quota.per": "2100ms", "quota.max_wait": "200ms"}
    with running_pair(simulated, flags) as pair:

        def loop(ticker: str) -> int:
            client = massive.RESTClient(api_key="any", base=pair.gateway.url)
            trades = client.list_trades(ticker, timestamp="2024-01-02", limit=200)
            return sum(1 for _ in islice(trades, 600))

        tickers = ("AAPL", "MSFT", "NVDA", "AMZN")
        counts = await asyncio.gather(*(asyncio.to_thread(loop, ticker) for ticker in tickers))
        statuses = Counter(call.status for call in pair.simulator.calls.calls(""))
    assert counts == [600] * len(tickers)
    assert set(statuses) == {200}, "the vendor's limit was never exceeded"


class Sink:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.text = io.BytesIO()

    def put(self, line: bytes) -> None:
        self.text.write(line)


async def test_no_key_travels_further_than_it_must(tmp_path: Path) -> None:
    """A client's key ends at the gate, the vendor's at the vendor; neither is in a log, metric, state or error."""
    key_id, client_key = make_key()
    keys_file = tmp_path / "keys"
    KeyStore(keys_file).add(KeyRecord(id=key_id, name="team", sha256=hash_key(client_key), created=NEW_YEAR_2024))
    clock, sink = SystemClock(), Sink()
    log = LogObserver(Log(sink.put, clock, Scrubber(), Level.DEBUG, Form.JSON), clock)
    with running_pair(flags={"access.keys_file": str(keys_file), "log.level": "DEBUG"}, log=log) as pair:
        seen: list[bytes] = []
        async with many() as session:
            bearer = {"Authorization": f"Bearer {client_key}"}
            for path in (PREV, PREV, "/v2/aggs/ticker/%00/prev", "/v9/nothing", "/api/stocks/AAPL", "/api/stocks/__"):
                seen.append((await get(session, pair.gateway.url + path, **bearer))[1])
                seen.append((await get(session, f"{pair.gateway.url}{path}?apiKey={client_key}"))[1])
            wrong = client_key[:-1] + "0"
            seen.append((await get(session, pair.gateway.url + PREV, Authorization=f"Bearer {wrong}"))[1])
            for path in ("/status", "/metrics", "/circuit-breaker", "/health", "/docs"):
                _, body, _ = await get(session, pair.gateway.url + path)
                seen.append(body)
        calls = [repr(call).encode() for call in pair.simulator.calls.calls("")]
    for text in (*seen, *calls, sink.text.getvalue()):
        assert client_key.encode() not in text
        assert wrong.encode() not in text
        assert VENDOR_KEY.encode() not in text
    assert b"RequestFinished" in sink.text.getvalue()
    assert calls


async def test_counters_say_what_clients_saw(pair: Pair) -> None:
    async with many() as session:
        for _ in range(7):
            await get(session, pair.gateway.url + PREV)
        await get(session, pair.gateway.url + "/v2/aggs/ticker/AAPL/range/0/day/2024-01-02/2024-01-31")
        _, metrics, _ = await get(session, pair.gateway.url + "/metrics")
    lines = dict(line.rsplit(" ", 1) for line in metrics.decode().splitlines() if not line.startswith("#"))
    assert float(lines['http_requests_total{method="GET",route="prev",status="200"}']) == 7
    assert float(lines['http_requests_total{method="GET",route="bars",status="400"}']) == 1
    assert float(lines["stock_service_cache_hits_total"]) == 6
    assert float(lines["stock_service_cache_misses_total"]) == 1
    assert float(lines['stock_service_client_requests_total{client="anonymous"}']) == 8
    assert float(lines['stock_service_client_vendor_calls_total{client="anonymous"}']) == 1


async def test_a_table_and_json_are_two_answers_of_one_path(pair: Pair) -> None:
    """And a cache behind us is told what they depend on."""
    target = f"{pair.gateway.url}{BARS}/range/1/day/2024-01-02/2024-01-05"
    async with many() as session:
        for _ in range(2):  # from the vendor, then from memory
            status, table, headers = await get(session, target, Accept="text/csv")
            assert (status, headers["content-type"], headers["vary"]) == (200, "text/csv", "accept, accept-encoding")
            rows = json.loads((await get(session, target))[1])["results"]
            assert table.splitlines()[0] == b"c,h,l,n,o,t,v,vw"
            assert [float(line.split(b",")[0]) for line in table.splitlines()[1:]] == [row["c"] for row in rows]
