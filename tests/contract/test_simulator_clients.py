"""The vendor's unmodified Python clients, old name and new, work against the simulator: every REST method."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import massive
import polygon
import pytest

from stock_service.simulator.server import Simulator
from tests.support.client_calls import calls_of
from tests.support.simulated import simulated_beside

CLIENTS = {"massive": massive, "polygon": polygon}
METHODS = {name: len(calls_of(package.RESTClient("k"))) for name, package in CLIENTS.items()}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with simulated_beside() as running:
        yield running


def client_of(name: str, simulator: Simulator, **options: Any) -> Any:
    return CLIENTS[name].RESTClient(api_key="demo-key", base=simulator.url, retries=0, **options)


def test_both_clients_are_introspected_whole() -> None:
    """92 methods of massive 2.9.1 and 75 of polygon-api-client 1.16.3; a new one must be looked at."""
    assert METHODS == {"massive": 92, "polygon": 75}


@pytest.mark.parametrize("name", CLIENTS)
def test_every_method_returns_objects(name: str, simulator: Simulator) -> None:
    """None raises, none is empty, and asking again gives the same objects."""
    client = client_of(name, simulator)
    empty = [call.name for call in calls_of(client) if not call.objects()]
    assert empty == []
    different = [call.name for call in calls_of(client) if repr(call.objects()) != repr(call.objects())]
    assert different == []


@pytest.mark.no_cover  # half a million bars; to trace each line takes three times as long
def test_two_years_of_minutes_come_back_whole_and_in_order(simulator: Simulator) -> None:
    """Page after page by the client's own paging; no bar twice, none missing against the days one by one."""
    client = client_of("massive", simulator)
    before = simulator.calls.count("/v2/aggs/ticker/MSFT/")
    began_at = time.process_time()
    bars = list(client.list_aggs("MSFT", 1, "minute", "2023-11-22", "2025-11-20", limit=50_000))
    taken = time.process_time() - began_at
    pages = simulator.calls.count("/v2/aggs/ticker/MSFT/") - before
    assert pages == -(-len(bars) // 50_000)
    assert len(bars) > 300_000
    assert all(one.timestamp < other.timestamp for one, other in pairwise(bars))
    days = list(client.list_aggs("MSFT", 1, "day", "2023-11-22", "2025-11-20", limit=50_000))
    assert sum(bar.volume for bar in bars) == sum(day.volume for day in days)
    assert sum(bar.transactions for bar in bars) == sum(day.transactions for day in days)
    assert taken < 20, "far too slow to page through in a test"


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_list_is_the_same_whatever_its_page_size(order: str, simulator: Simulator) -> None:
    """Trades by threes, bars by sevens, tickers by fives."""
    client = client_of("massive", simulator)
    span = {"timestamp_gte": 1_763_672_399_000_000_000 - 4_000_000_000, "timestamp_lt": 1_763_672_399_000_000_000}
    small = list(client.list_trades("AAPL", order=order, limit=3, **span))
    assert small == list(client.list_trades("AAPL", order=order, limit=50_000, **span))
    assert len(small) > 12
    bars = ("AAPL", 1, "hour", "2025-11-10", "2025-11-20")
    assert list(client.list_aggs(*bars, sort=order, limit=700)) == list(client.list_aggs(*bars, sort=order))
    tickers = list(client.list_tickers(order=order, limit=5))
    assert tickers == list(client.list_tickers(order=order, limit=1000))
    values = client.get_sma("AAPL", window=5, limit=40, order=order, timestamp_gte="2025-01-02").values
    assert [value.timestamp for value in values] == sorted(
        (value.timestamp for value in values), reverse=order == "desc"
    )


def test_an_indicator_is_computed_from_the_bars_it_links_to(simulator: Simulator) -> None:
    """The simple average of five closing prices, to the last digit; the link is absolute and carries no key."""
    client = client_of("massive", simulator)
    results = client.get_sma("AAPL", timespan="day", window=5, limit=3, expand_underlying=True)
    closes = [bar.close for bar in client.list_aggs("AAPL", 1, "day", "2025-11-01", "2025-11-21")]
    assert [value.value for value in results.values] == [
        pytest.approx(sum(closes[-5 - back : len(closes) - back]) / 5, abs=1e-9) for back in range(3)
    ]
    assert results.underlying.url.startswith(f"{simulator.url}/v2/aggs/ticker/AAPL/range/1/day/")
    assert "demo-key" not in results.underlying.url


def test_trades_add_up_to_their_minute(simulator: Simulator) -> None:
    """Number and sizes exactly; first price is the open, last the close."""
    client = client_of("massive", simulator)
    minute = client.get_aggs("AAPL", 1, "minute", "2025-11-20", "2025-11-20", adjusted=False)[100]
    first_ns = minute.timestamp * 1_000_000
    trades = list(
        client.list_trades(
            "AAPL", timestamp_gte=first_ns, timestamp_lt=first_ns + 60 * 10**9, order="asc", limit=50_000
        )
    )
    assert len(trades) == minute.transactions
    assert sum(trade.size for trade in trades) == minute.volume
    assert (trades[0].price, trades[-1].price) == (minute.open, minute.close)
