"""The vendor's own Python clients, unmodified: every method through the gateway equals the same call made directly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import massive
import polygon
import pytest

from stock_service.base.clock import StoppedWall, SystemClock
from stock_service.simulator.server import SimulatorSettings
from tests.support.client_calls import NOW, ClientCall, calls_of
from tests.support.running import VENDOR_KEY, Pair, running_pair

CLIENTS = {"massive": massive.RESTClient, "polygon": polygon.RESTClient}


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair(SimulatorSettings(port=0, key=VENDOR_KEY), clock=StoppedWall(SystemClock(), NOW)) as running:
        yield running


def plain(value: Any) -> Any:
    """Return an answer of a client as plain data, iterators run to their end."""
    if isinstance(value, list | tuple) or hasattr(value, "__next__"):
        return [plain(item) for item in value]
    if hasattr(value, "__dict__"):
        return {name: plain(item) for name, item in vars(value).items()}
    return value


def pointed(value: Any, gateway: str, vendor: str) -> Any:
    """Return `value` with links to the gateway pointing at the vendor again."""
    if isinstance(value, dict):
        return {name: pointed(item, gateway, vendor) for name, item in value.items()}
    if isinstance(value, list):
        return [pointed(item, gateway, vendor) for item in value]
    return value.replace(gateway, vendor) if isinstance(value, str) else value


def calls(library: str, base: str, key: str) -> dict[str, ClientCall]:
    client = CLIENTS[library](api_key=key, base=base)
    return {call.name: call for call in calls_of(client)}


NAMES = [(library, name) for library in CLIENTS for name in calls(library, "http://127.0.0.1:1", "none")]


@pytest.mark.parametrize(("library", "name"), NAMES)
def test_every_method_gives_the_same_objects(pair: Pair, library: str, name: str) -> None:
    expected = plain(calls(library, pair.simulator.url, VENDOR_KEY)[name].objects())
    assert expected
    for time in ("first", "kept"):
        got = plain(calls(library, pair.gateway.url, "any-key-of-a-client")[name].objects())
        assert pointed(got, pair.gateway.url, pair.simulator.url) == expected, f"the {time} answer differs"


@pytest.mark.no_cover  # half a million bars; to trace each line takes three times as long
def test_two_years_of_minutes_come_back_whole_and_in_order(pair: Pair) -> None:
    client = massive.RESTClient(api_key="any", base=pair.gateway.url)
    cold = pair.simulator.calls.count("/v2/aggs/")
    bars = list(client.list_aggs("AAPL", 1, "minute", "2022-05-02", "2024-05-01", limit=50_000))
    times = [bar.timestamp for bar in bars]
    before = pair.simulator.calls.count("/v2/aggs/")
    assert before - cold == 8, "pages of the vendor's largest size"
    again = list(client.list_aggs("AAPL", 1, "minute", "2022-05-02", "2024-05-01", limit=50_000))
    assert pair.simulator.calls.count("/v2/aggs/") == before, "the second time everything is kept"
    assert again == bars
    direct = massive.RESTClient(api_key=VENDOR_KEY, base=pair.simulator.url)
    assert len(bars) > 150_000
    assert all(earlier < later for earlier, later in pairwise(times))
    assert bars == list(direct.list_aggs("AAPL", 1, "minute", "2022-05-02", "2024-05-01", limit=50_000))


@pytest.mark.no_cover
@pytest.mark.parametrize("kind", ["trades", "quotes"])
def test_the_vendors_largest_page_fits(pair: Pair, kind: str) -> None:
    """Fifty thousand quotes are 12 MB: an answer refused for its size would be refused for ever."""
    client = massive.RESTClient(api_key="any", base=pair.gateway.url, pagination=False)
    listed = client.list_trades if kind == "trades" else client.list_quotes
    assert sum(1 for _ in listed("AAPL", timestamp="2024-05-01", limit=50_000)) == 50_000
