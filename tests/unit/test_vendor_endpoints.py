"""The table of routes: complete against the vendor's description and against the clients that call it."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from stock_service.vendor.endpoints import ENDPOINTS, UNCLASSIFIED, Endpoint, Group, match, printed_routes

# The paths of the vendor's own description, by the group their answers age in.
DESCRIBED = {
    "bars": """
        /v2/aggs/ticker/{cryptoTicker}/range/{multiplier}/{timespan}/{from}/{to}
        /v2/aggs/ticker/{forexTicker}/range/{multiplier}/{timespan}/{from}/{to}
        /v2/aggs/ticker/{indicesTicker}/range/{multiplier}/{timespan}/{from}/{to}
        /v2/aggs/ticker/{optionsTicker}/range/{multiplier}/{timespan}/{from}/{to}
        /v2/aggs/ticker/{stocksTicker}/range/{multiplier}/{timespan}/{from}/{to}
    """,
    "prev": """
        /v2/aggs/ticker/{cryptoTicker}/prev
        /v2/aggs/ticker/{forexTicker}/prev
        /v2/aggs/ticker/{indicesTicker}/prev
        /v2/aggs/ticker/{optionsTicker}/prev
        /v2/aggs/ticker/{stocksTicker}/prev
    """,
    "grouped": """
        /v2/aggs/grouped/locale/global/market/crypto/{date}
        /v2/aggs/grouped/locale/global/market/fx/{date}
        /v2/aggs/grouped/locale/us/market/stocks/{date}
    """,
    "openclose": """
        /v1/open-close/crypto/{from}/{to}/{date}
        /v1/open-close/{indicesTicker}/{date}
        /v1/open-close/{optionsTicker}/{date}
        /v1/open-close/{stocksTicker}/{date}
    """,
    "indicator": """
        /v1/indicators/ema/{cryptoTicker}
        /v1/indicators/ema/{fxTicker}
        /v1/indicators/ema/{indicesTicker}
        /v1/indicators/ema/{optionsTicker}
        /v1/indicators/ema/{stockTicker}
        /v1/indicators/macd/{cryptoTicker}
        /v1/indicators/macd/{fxTicker}
        /v1/indicators/macd/{indicesTicker}
        /v1/indicators/macd/{optionsTicker}
        /v1/indicators/macd/{stockTicker}
        /v1/indicators/rsi/{cryptoTicker}
        /v1/indicators/rsi/{fxTicker}
        /v1/indicators/rsi/{indicesTicker}
        /v1/indicators/rsi/{optionsTicker}
        /v1/indicators/rsi/{stockTicker}
        /v1/indicators/sma/{cryptoTicker}
        /v1/indicators/sma/{fxTicker}
        /v1/indicators/sma/{indicesTicker}
        /v1/indicators/sma/{optionsTicker}
        /v1/indicators/sma/{stockTicker}
    """,
    "ticks": """
        /v3/quotes/{fxTicker}
        /v3/quotes/{optionsTicker}
        /v3/quotes/{stockTicker}
        /v3/trades/{cryptoTicker}
        /v3/trades/{optionsTicker}
        /v3/trades/{stockTicker}
    """,
    "ticks_old": """
        /v1/historic/crypto/{from}/{to}/{date}
        /v1/historic/forex/{from}/{to}/{date}
        /v2/ticks/stocks/nbbo/{ticker}/{date}
        /v2/ticks/stocks/trades/{ticker}/{date}
    """,
    "last": """
        /v1/last/crypto/{from}/{to}
        /v1/last_quote/currencies/{from}/{to}
        /v2/last/nbbo/{stocksTicker}
        /v2/last/trade/{optionsTicker}
        /v2/last/trade/{stocksTicker}
    """,
    "conv": """
        /v1/conversion/{from}/{to}
    """,
    "snap_stk": """
        /v2/snapshot/locale/us/markets/stocks/tickers
        /v2/snapshot/locale/us/markets/stocks/tickers/{stocksTicker}
        /v2/snapshot/locale/us/markets/stocks/{direction}
    """,
    "snap_cc": """
        /v2/snapshot/locale/global/markets/crypto/tickers
        /v2/snapshot/locale/global/markets/crypto/tickers/{ticker}
        /v2/snapshot/locale/global/markets/crypto/tickers/{ticker}/book
        /v2/snapshot/locale/global/markets/crypto/{direction}
        /v2/snapshot/locale/global/markets/forex/tickers
        /v2/snapshot/locale/global/markets/forex/tickers/{ticker}
        /v2/snapshot/locale/global/markets/forex/{direction}
    """,
    "snap_v3": """
        /v1/summaries
        /v3/snapshot
        /v3/snapshot/indices
        /v3/snapshot/options/{underlyingAsset}
        /v3/snapshot/options/{underlyingAsset}/{optionContract}
    """,
    "mkt_now": """
        /v1/marketstatus/now
    """,
    "mkt_up": """
        /v1/marketstatus/upcoming
    """,
    "tickers": """
        /v3/reference/tickers
    """,
    "ticker": """
        /v3/reference/tickers/{ticker}
    """,
    "types": """
        /v3/reference/conditions
        /v3/reference/exchanges
        /v3/reference/tickers/types
    """,
    "corp": """
        /v3/reference/dividends
        /v3/reference/splits
    """,
    "contracts": """
        /v3/reference/options/contracts
        /v3/reference/options/contracts/{options_ticker}
    """,
    "news": """
        /v2/reference/news
    """,
    "related": """
        /v1/related-companies/{ticker}
    """,
    "fund": """
        /vX/reference/financials
        /vX/reference/ipos
        /vX/reference/tickers/taxonomies
        /vX/reference/tickers/{id}/events
    """,
    "sec": """
        /v1/reference/sec/filings
        /v1/reference/sec/filings/{filing_id}
        /v1/reference/sec/filings/{filing_id}/files
        /v1/reference/sec/filings/{filing_id}/files/{file_id}
    """,
}

SAMPLES = {"multiplier": "1", "timespan": "day", "date": "2024-01-02", "locale": "us", "market_type": "stocks"}


def described() -> list[tuple[str, str]]:
    return [(group, path) for group, paths in DESCRIBED.items() for path in paths.split()]


def sample_of(template: str, **values: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: {**SAMPLES, **values}.get(found[1], "AAPL"), template)


def endpoint_named(name: str) -> Endpoint:
    return next(endpoint for endpoint in ENDPOINTS if endpoint.name == name)


def routes_called_by(package: str) -> set[str]:
    """Return every route in the source of an installed client, with its placeholders."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    sources = (Path(spec.origin).parent / "rest").rglob("*.py")
    return {route for file in sources for route in re.findall(r'url = f?"(/[^"\s]+)"', file.read_text("utf-8"))}


def test_the_description_has_89_paths_which_are_58_routes() -> None:
    assert len(described()) == 89
    assert len({match(sample_of(path))[0].name for _, path in described()}) == 58


@pytest.mark.parametrize(("group", "path"), described())
def test_every_described_path_is_in_its_group(group: str, path: str) -> None:
    assert match(sample_of(path))[0].group == group


@pytest.mark.parametrize(("package", "least"), [("massive", 90), ("polygon", 74)])
def test_every_route_an_official_client_calls_is_classified(package: str, least: int) -> None:
    routes = routes_called_by(package)
    assert len(routes) >= least
    assert [route for route in sorted(routes) if match(sample_of(route))[0] is UNCLASSIFIED] == []


# What the JavaScript client 10.8.0 calls beside the routes of the Python clients.
CALLED_BY_JAVASCRIPT = {
    "economy": "/fed/v1/funding-conditions",
    "fund": "/v1/reference/ipos",
    "sec": "/stocks/filings/10-K/vX_0/sections",
    "ticks": "/options/v3/quotes/{ticker} /options/v3/trades/{ticker} /stocks/dev/trades/{ticker}",
    "types": "/crypto/v1/exchanges /forex/v1/exchanges /options/v1/exchanges /stocks/v1/exchanges",
}


@pytest.mark.parametrize(
    ("group", "route"), [(group, route) for group, routes in CALLED_BY_JAVASCRIPT.items() for route in routes.split()]
)
def test_every_route_the_javascript_client_adds_is_in_its_group(group: str, route: str) -> None:
    assert match(sample_of(route))[0].group == group


@pytest.mark.parametrize(
    ("locale", "market"), [("us", "stocks"), ("global", "crypto"), ("global", "forex")], ids=lambda part: part
)
@pytest.mark.parametrize("rest", ["tickers", "tickers/{ticker}", "{direction}"])
def test_snapshots_of_every_market_the_client_offers_are_classified(locale: str, market: str, rest: str) -> None:
    path = sample_of(f"/v2/snapshot/locale/{locale}/markets/{market}/{rest}")
    assert match(path)[0].group in {Group.SNAP_STK, Group.SNAP_CC}


def test_names_and_templates_are_unique_and_names_are_safe_labels() -> None:
    names = [endpoint.name for endpoint in (*ENDPOINTS, UNCLASSIFIED)]
    assert len(set(names)) == len(names)
    assert len({endpoint.template for endpoint in ENDPOINTS}) == len(ENDPOINTS)
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []


def test_every_endpoint_is_found_by_its_own_template() -> None:
    for endpoint in ENDPOINTS:
        found, _ = match(sample_of(endpoint.template))
        assert found is endpoint


def test_every_group_has_a_route() -> None:
    assert {endpoint.group for endpoint in (*ENDPOINTS, UNCLASSIFIED)} == set(Group)


def test_path_parameters_have_the_names_of_the_template() -> None:
    _, params = match("/v2/aggs/ticker/X:BTCUSD/range/5/minute/2024-01-01/1704776400000")
    assert params == {
        "ticker": "X:BTCUSD",
        "multiplier": "5",
        "timespan": "minute",
        "from": "2024-01-01",
        "to": "1704776400000",
    }


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v3/reference/tickers/types", "ticker_types"),
        ("/v3/reference/tickers/AAPL", "ticker"),
        ("/vX/reference/tickers/taxonomies", "taxonomies"),
        ("/v3/snapshot/indices", "snapshot_indices"),
        ("/v1/open-close/crypto/BTC/USD/2024-01-01", "open_close_crypto"),
        ("/v1/open-close/crypto/2024-01-01", "open_close"),  # a ticker of that name: the literal leads nowhere
    ],
)
def test_a_literal_segment_wins_where_it_leads_to_a_route(path: str, name: str) -> None:
    assert match(path)[0].name == name


@pytest.mark.parametrize(
    "path", ["", "/", "/v1", "/v2/aggs", "/v2/aggs/ticker/AAPL", "/v2/aggs/ticker/AAPL/prev/", "/V2/aggs/ticker/A/prev"]
)
def test_an_unknown_path_is_unclassified_and_never_an_error(path: str) -> None:
    assert match(path) == (UNCLASSIFIED, {})


def test_splits_touch_prices_and_nothing_else() -> None:
    groups = {endpoint.group for endpoint in ENDPOINTS if endpoint.adjustable}
    assert groups == {Group.BARS, Group.PREV, Group.GROUPED, Group.OPENCLOSE, Group.INDICATOR}


def test_defaults_are_within_the_limits() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.max_limit is not None:
            assert 1 <= int(endpoint.defaults["limit"]) <= endpoint.max_limit


@pytest.mark.parametrize(
    ("name", "content_type", "good"),
    [
        ("bars", "application/json", True),
        ("bars", "Application/JSON; charset=utf-8", True),
        ("bars", "text/csv", True),
        ("bars", "text/html", False),
        ("market_now", "text/csv", False),
        ("filing_file", "text/html; charset=utf-8", True),
        ("filing_file", "image/png", False),
        ("branding", "image/svg+xml", True),
        ("branding", "text/html", False),
        ("bars", "", False),
    ],
)
def test_a_route_says_which_media_a_good_answer_has(name: str, content_type: str, good: bool) -> None:
    assert endpoint_named(name).accepts_media(content_type) is good


def test_the_documentation_holds_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "vendor.md").read_text("utf-8")
    assert printed_routes() in page
