"""Canonical questions: what shares a key, what is refused, what is sent."""

from __future__ import annotations

import pytest

from stock_service.base.errors import BadRequest
from stock_service.vendor.endpoints import Group
from stock_service.vendor.request import URL_MAX_BYTES, ask, bars_request, parse_request, reopen_request

BARS = "/v2/aggs/ticker/AAPL/range/1/day/2024-01-01/2024-01-31"
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks/2024-01-02"
CONTRACTS = "/v3/reference/options/contracts"


def key_of(path: str, query: str = "", accept: str = "") -> str:
    return parse_request(path, query, accept).key


def refusal_of(path: str, query: str = "") -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        parse_request(path, query)
    assert refused.value.problem
    return refused.value


@pytest.mark.parametrize(
    ("path", "query", "key"),
    [
        (BARS, "", BARS),
        (BARS, "adjusted=true&sort=asc&limit=5000", BARS),
        (BARS, "adjusted=True", BARS),
        (BARS, "adjusted=false", f"{BARS}?adjusted=false"),
        (BARS, "sort=desc&limit=050", f"{BARS}?limit=50&sort=desc"),
        (BARS, "apiKey=SECRET&sort=desc", f"{BARS}?sort=desc"),
        (BARS, "apikey=SECRET&api%4Bey=SECRET", BARS),
        (BARS, "&&sort=desc&", f"{BARS}?sort=desc"),
        (BARS, "sort=&limit", BARS),
        (GROUPED, "locale=us&market_type=stocks&include_otc=false", GROUPED),
        (GROUPED, "locale=global", f"{GROUPED}?locale=global"),
        ("/v3/reference/tickers/AAPL", "ticker=AAPL", "/v3/reference/tickers/AAPL"),
        ("/v3/reference/tickers/AAPL", "ticker=aapl", "/v3/reference/tickers/AAPL?ticker=aapl"),
        ("/v1/related-companies/AAPL", "ticker=AAPL", "/v1/related-companies/AAPL"),
        ("/v3/reference/tickers", "ticker=AAPL", "/v3/reference/tickers?ticker=AAPL"),
        (
            "/v3/snapshot",
            "ticker.any_of=MSFT%2CAAPL,O%3ASPY,AAPL&limit=10",
            "/v3/snapshot?ticker.any_of=AAPL,MSFT,O:SPY",
        ),
        ("/vX/reference/tickers/META/events", "types=b,a", "/vX/reference/tickers/META/events?types=a,b"),
        ("/v2/reference/news", "tickers=B,A", "/v2/reference/news?tickers=B,A"),
        ("/v3/snapshot", "ticker.any_of=,", "/v3/snapshot"),
        (
            CONTRACTS,
            "strike_price.gte=0150.50&strike_price.lt=200.00",
            f"{CONTRACTS}?strike_price.gte=150.5&strike_price.lt=200",
        ),
        (CONTRACTS, "strike_price=-0.0", f"{CONTRACTS}?strike_price=0"),
        (CONTRACTS, "strike_price=1e2", f"{CONTRACTS}?strike_price=1e2"),
        (CONTRACTS, "underlying_ticker=TRUE&expired=TRUE", f"{CONTRACTS}?expired=true&underlying_ticker=TRUE"),
        (CONTRACTS, "underlying_ticker=007", f"{CONTRACTS}?underlying_ticker=007"),
        ("/v1/conversion/EUR/USD", "amount=1.00&precision=2", "/v1/conversion/EUR/USD"),
        ("/v1/indicators/rsi/AAPL", "window=14&series_type=close", "/v1/indicators/rsi/AAPL"),
        ("/v1/indicators/sma/AAPL", "window=14", "/v1/indicators/sma/AAPL?window=14"),
        ("/v3/reference/tickers", "search=a+b%20c%26d%3De%23", "/v3/reference/tickers?search=a%20b%20c%26d%3De%23"),
        ("/v3/reference/tickers", "search=Nestl%C3%A9", "/v3/reference/tickers?search=Nestl%C3%A9"),
        ("/v3/reference/tickers", "search=%2B", "/v3/reference/tickers?search=%2B"),
        ("/v3/trades/X%3ABTCUSD", "", "/v3/trades/X:BTCUSD"),
        ("/v3/trades/%41APL", "timestamp.gte=2024-01-02", "/v3/trades/AAPL?timestamp.gte=2024-01-02"),
        ("/v3/trades/KIMpL", "", "/v3/trades/KIMpL"),
        ("/v9/new/route", "b=2&a=1", "/v9/new/route?a=1&b=2"),
        ("/v9/odd%20%3F%23", "", "/v9/odd%20%3F%23"),
    ],
)
def test_the_key_is_the_documented_recipe(path: str, query: str, key: str) -> None:
    request = parse_request(path, query)
    assert (request.key, request.target) == (key, key)
    assert reopen_request(key) == request


def test_dates_and_milliseconds_are_different_questions() -> None:
    """The vendor snaps them differently."""
    assert key_of(BARS) != key_of("/v2/aggs/ticker/AAPL/range/1/day/1704067200000/1706659200000")


def test_a_request_carries_what_the_vendor_will_take_it_for() -> None:
    request = parse_request(BARS, "limit=50&extra=x")
    assert request.endpoint.group is Group.BARS
    assert request.path_params["from"] == "2024-01-01"
    assert request.params == (("extra", "x"), ("limit", "50"))
    assert [request.param(name) for name in ("limit", "sort", "extra", "none")] == ["50", "asc", "x", None]


@pytest.mark.parametrize(
    ("path", "accept", "wanted"),
    [
        (BARS, "", "json"),
        (BARS, "*/*", "json"),
        (BARS, "text/csv", "csv"),
        (BARS, "Text/CSV; q=0.9, application/json;q=0.5", "csv"),
        (BARS, "text/csv;q=0.5, application/json", "json"),
        (BARS, "application/json, text/csv", "json"),
        (BARS, "text/csv;q=0", "json"),
        (BARS, "text/csv;q=nonsense", "csv"),
        (BARS, "text/csvx", "json"),
        ("/v1/marketstatus/now", "text/csv", "json"),
    ],
)
def test_csv_is_another_answer_where_the_route_offers_it(path: str, accept: str, wanted: str) -> None:
    request = parse_request(path, "", accept)
    assert request.accept == wanted
    assert request.target == path
    assert request.key == (path + " csv" if wanted == "csv" else path)
    assert reopen_request(request.key) == request


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("cursor=bGltaXQ9MiZzb3J0PWFzYw", "cursor=bGltaXQ9MiZzb3J0PWFzYw"),
        ("cursor=a%3D%3d&apiKey=SECRET", "cursor=a%3D%3d"),
        ("sort=asc&cursor=a==&limit=5000&limit.x=", "sort=asc&cursor=a==&limit=5000&limit.x="),
        ("limit=999999999&cursor=a", "limit=999999999&cursor=a"),
        ('cursor=a "#<>', "cursor=a%20%22%23%3C%3E"),
    ],
)
def test_a_cursor_is_followed_as_given(query: str, kept: str) -> None:
    """The vendor's state is in it: only the client's credential goes."""
    request = parse_request(BARS, query)
    assert request.target == f"{BARS}?{kept}"
    assert reopen_request(request.key) == request


def test_an_empty_cursor_is_none() -> None:
    assert key_of(BARS, "cursor=&sort=asc") == BARS


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("", "", "path"),
        ("v2/aggs", "", "path"),
        ("/", "", "path"),
        ("/v2/aggs/ticker//prev", "", "path"),
        ("/v3/reference/tickers/", "", "path"),
        ("/v2/../admin", "", "path"),
        ("/v2/%2e%2E/admin", "", "path"),
        ("/v2/./x", "", "path"),
        ("/v3/trades/A%2FB", "", "path"),
        ("/v3/trades/A%252FB", "", "path"),
        ("/v3/trades/A\\B", "", "path"),
        ("/v3/trades/A%5CB", "", "path"),
        ("/v3/trades/A%00", "", "path"),
        ("/v3/trades/A%0d%0aHost:x", "", "path"),
        ("/v3/trades/A\r\nHost:x", "", "path"),
        ("/v3/trades/A%zz", "", "path"),
        ("/v3/trades/A%4", "", "path"),
        ("/v3/trades/Ä", "", "path"),
        ("/v3/trades/%C3%84", "", "path"),
        ("/v3/trades/%FF", "", "path"),
        ("/v3/trades/AAPL", "timestamp=%00", "timestamp"),
        ("/v3/trades/AAPL", "timestamp=%0A", "timestamp"),
        ("/v3/trades/AAPL", "timestamp=%E2%80%A8", "timestamp"),
        ("/v3/trades/AAPL", "timestamp=%", "timestamp"),
        ("/v3/trades/AAPL", "timestamp=%ff", "timestamp"),
        ("/v3/trades/AAPL", "timestamp=ä", "timestamp"),
        ("/v3/trades/AAPL", "%0d=1", "query"),
        ("/v3/trades/AAPL", "=1", "query"),
        ("/v3/trades/AAPL", "sort=a&sort=a", "sort"),
        ("/v3/trades/AAPL", "sort=a&s%6Frt=b", "sort"),
        ("/v3/trades/AAPL", "cursor=a&cursor=b", "cursor"),
        ("/v9/unknown", "x=1&x=2", "x"),
        ("/v9/" + "x" * URL_MAX_BYTES, "", "url"),
        ("/v9/x", "y=" + "x" * URL_MAX_BYTES, "url"),
        ("/v9/x", "y=" + "|" * (URL_MAX_BYTES // 2), "url"),
    ],
)
def test_a_malformed_url_is_refused(path: str, query: str, field: str) -> None:
    assert refusal_of(path, query).field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"AAPL": "%20"}, "ticker"),
        ({"AAPL": "A%20B"}, "ticker"),
        ({"AAPL": "<script>"}, "ticker"),
        ({"AAPL": "A" * 65}, "ticker"),
        ({"/1/": "/0/"}, "multiplier"),
        ({"/1/": "/-1/"}, "multiplier"),
        ({"/1/": "/1.5/"}, "multiplier"),
        ({"/1/": "/x/"}, "multiplier"),
        ({"/day/": "/fortnight/"}, "timespan"),
        ({"/day/": "/Day/"}, "timespan"),
        ({"2024-01-01": "2024-02-30"}, "from"),
        ({"2024-01-01": "2024-1-1"}, "from"),
        ({"2024-01-01": "yesterday"}, "from"),
        ({"2024-01-31": "20240131T"}, "to"),
        ({"2024-01-31": "2023-12-31"}, "to"),
        ({"2024-01-01": "1706659200001", "2024-01-31": "1706659200000"}, "to"),
    ],
)
def test_a_malformed_range_of_bars_is_refused(change: dict[str, str], field: str) -> None:
    path = BARS
    for old, new in change.items():
        path = path.replace(old, new)
    refused = refusal_of(path)
    assert refused.field == field
    assert refused.hint


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        (BARS, "limit=0", "limit"),
        (BARS, "limit=-5", "limit"),
        (BARS, "limit=1.5", "limit"),
        (BARS, "limit=many", "limit"),
        (BARS, "limit=50001", "limit"),
        ("/v3/snapshot", "limit=251", "limit"),
        (BARS, "adjusted=yes", "adjusted"),
        ("/v2/aggs/ticker/AAPL/prev", "adjusted=1", "adjusted"),
        (BARS, "sort=up", "sort"),
        ("/v3/trades/AAPL", "order=up", "order"),
        ("/v1/indicators/sma/AAPL", "order=down", "order"),
        ("/v1/open-close/AAPL/2024-13-01", "", "date"),
        ("/v1/open-close/AAPL/today", "", "date"),
        ("/v2/aggs/grouped/locale/us/market/stocks/2023-02-29", "", "date"),
    ],
)
def test_a_value_its_route_cannot_take_is_refused(path: str, query: str, field: str) -> None:
    assert refusal_of(path, query).field == field


def test_a_limit_above_the_page_is_refused_with_the_largest_page() -> None:
    assert "50000" in refusal_of(BARS, "limit=50001").hint


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v2/aggs/ticker/BRK.B/prev", ""),
        ("/v2/aggs/ticker/BCpA/prev", ""),
        ("/v2/aggs/ticker/O:SPY251219C00650000/prev", ""),
        ("/v2/aggs/ticker/C:EURUSD/prev", ""),
        ("/v3/trades/X:BTC-USD", ""),
        ("/futures/v1/aggs/ESZ5-ESH6", "resolution=1min"),
        ("/v2/aggs/ticker/AAPL/range/1/day/1578114000000/2020-01-10", ""),
        ("/v2/aggs/ticker/AAPL/range/1/day/2024-01-01/2024-01-01", ""),
        ("/v2/aggs/ticker/AAPL/range/1/day/1704067200000/1704067200000", ""),
        ("/v3/reference/splits", "order=sideways"),
        ("/v9/unknown/AAPL", "limit=many&adjusted=perhaps&sort=up"),
        ("/benzinga/v2/news", "limit=50000"),
    ],
)
def test_what_the_vendor_may_take_is_passed_on(path: str, query: str) -> None:
    assert parse_request(path, query).key.startswith(path)


def test_our_own_questions_are_spelled_as_the_official_client_spells_them() -> None:
    request = ask("/v3/trades/AAPL", timestamp_gte="2024-01-02", ticker_any_of=None, limit=50_000, reverse=True)
    assert request.params == (("limit", "50000"), ("reverse", "true"), ("timestamp.gte", "2024-01-02"))
    assert ask("/v3/snapshot", ticker_any_of="B,A").params == (("ticker.any_of", "A,B"),)


def test_bars_are_asked_for_in_the_largest_page() -> None:
    request = bars_request("X:BTCUSD", 5, "minute", "2024-01-01", "2024-01-31", adjusted=False)
    path = "/v2/aggs/ticker/X:BTCUSD/range/5/minute/2024-01-01/2024-01-31"
    assert request.target == f"{path}?adjusted=false&limit=50000"


@pytest.mark.parametrize("ticker", ["A/B", "../x", "A?b=c", "A#", "", "A&B%"])
def test_a_ticker_cannot_reach_into_the_rest_of_the_url(ticker: str) -> None:
    with pytest.raises(BadRequest):
        bars_request(ticker, 1, "day", "2024-01-01", "2024-01-31")


def test_a_doubled_name_is_shown_cut() -> None:
    """A key glued to a parameter's name by mistake is not read back in the error."""
    glued = "aPIKEYstk_0123456789abcdef0123456789abcdef"
    with pytest.raises(BadRequest) as refused:
        parse_request("/v2/aggs/ticker/AAPL/prev", f"{glued}=1&{glued}=1")
    assert refused.value.field == glued[:24]
