"""Every row of the freshness table, either side of its boundaries.

Times are New York's unless said otherwise. 2026-11-24 is an ordinary Tuesday, 2026-11-26 Thanksgiving, 2026-11-27 a
Friday that closes at 13:00.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_service.base.errors import BadRequest
from stock_service.base.reply import Reply
from stock_service.cache.freshness import Lifetime
from stock_service.cache.lifetimes import DAY, HOUR, MINUTE, TABLE, printed_table
from stock_service.cache.policy import Entitlement, Policy, PolicySettings, confirms_empty
from stock_service.cache.rows import row_name
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market
from stock_service.vendor.endpoints import ENDPOINTS, Group
from stock_service.vendor.request import parse_request

NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = Calendar()
FULL = b'{"status":"OK","request_id":"r","resultsCount":1,"results":[{"t":1,"c":2.0}]}'
EMPTY = b'{"status":"OK","request_id":"r","resultsCount":0}'
YEAR = 365 * DAY


def ny(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def judge(
    target: str,
    at: str | float,
    *,
    plan: Entitlement = Entitlement.REAL_TIME,
    status: int = 200,
    body: bytes = FULL,
    content_type: str = "application/json",
) -> Lifetime | None:
    path, _, query = target.partition("?")
    wall = ny(at) if isinstance(at, str) else at
    policy = Policy(CALENDAR, PolicySettings(entitlement=plan))
    return policy.judge_lifetime(parse_request(path, query), Reply(status, content_type, body, 0.0), wall)


def fresh(target: str, at: str | float, **rest: object) -> float:
    lifetime = judge(target, at, **rest)  # type: ignore[arg-type]
    assert lifetime is not None
    return lifetime.fresh_for


def until(target: str, at: str, **rest: object) -> str:
    """Return the New York time at which the answer stops being fresh."""
    end = ny(at) + fresh(target, at, **rest)
    return datetime.fromtimestamp(end, NEW_YORK).isoformat()[:16]


def bars(to: str, start: str = "2026-11-02", size: str = "1/minute", ticker: str = "AAPL") -> str:
    return f"/v2/aggs/ticker/{ticker}/range/{size}/{start}/{to}"


# --- bars -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "seconds"),
    [("1/second", 2), ("30/second", 30), ("1/minute", 60), ("5/minute", 60), ("1/hour", 60), ("1/day", 60)],
)
def test_bars_that_reach_the_running_session_live_one_bar_at_most_a_minute(size: str, seconds: float) -> None:
    assert fresh(bars("2026-11-24", size=size), "2026-11-24T12:00") == seconds
    assert fresh(bars("2026-11-24", size=size), "2026-11-24T04:00") == seconds


@pytest.mark.parametrize(
    ("to", "at", "end"),
    [
        ("2026-11-24", "2026-11-24T20:00", "2026-11-24T20:15"),  # once more for the last corrections
        ("2026-11-24", "2026-11-24T20:14", "2026-11-24T20:15"),
        ("2026-11-24", "2026-11-24T20:15", "2026-11-25T04:00"),  # then until the next session
        ("2026-11-24", "2026-11-24T03:59", "2026-11-24T04:00"),
        ("2026-11-24", "2026-11-25T00:30", "2026-11-25T12:00"),  # yesterday: nothing more before its settle line
        ("2026-11-24", "2026-11-25T11:59", "2026-11-25T12:00"),
        ("2026-11-25", "2026-11-25T20:15", "2026-11-26T12:00"),  # no session on Thanksgiving: settles first
        ("2026-11-27", "2026-11-27T17:01", "2026-11-27T17:15"),  # early close
        ("2026-11-28", "2026-11-28T13:00", "2026-11-29T13:00"),  # Saturday, reaching today: a day at most
        ("2026-11-30", "2026-11-29T12:00", "2026-11-30T04:00"),
        ("2030-01-01", "2026-11-24T20:15", "2026-11-25T04:00"),
    ],
)
def test_bars_while_closed_live_until_the_next_thing_happens(to: str, at: str, end: str) -> None:
    assert until(bars(to), at) == end


@pytest.mark.parametrize(
    ("ticker", "to", "settles"),
    [
        ("AAPL", "2026-11-24", ny("2026-11-25T12:00")),
        ("O:SPY261218C00650000", "2026-11-24", ny("2026-11-25T12:00")),
        ("I:SPX", "2026-11-24", ny("2026-11-25T12:00")),
        ("AAPL", "2026-11-29", ny("2026-11-30T00:00")),  # a Sunday: Friday settled long ago, but today is not over
        ("X:BTCUSD", "2026-11-24", utc("2026-11-25T12:00")),
        ("C:EURUSD", "2026-11-24", ny("2026-11-30T12:00")),
    ],
)
def test_bars_become_history_at_the_settle_line(ticker: str, to: str, settles: float) -> None:
    before = judge(bars(to, ticker=ticker), settles - 1)
    after = judge(bars(to, ticker=ticker), settles)
    assert before is not None
    assert before.fresh_for <= DAY
    assert after == Lifetime(30 * DAY, 30 * DAY, YEAR)


@pytest.mark.parametrize(
    ("to", "at", "settled"),
    [
        ("1795582799999", "2026-11-25T12:00", True),  # 2026-11-24 23:59:59.999
        ("1795582800000", "2026-11-25T12:00", False),  # 2026-11-25 00:00
        ("951868800000", "2026-11-25T12:00", True),  # twelve digits: 2000-03-01
        ("99999999999999999", "2026-11-25T12:00", False),
    ],
)
def test_milliseconds_are_read_in_the_market_s_days(to: str, at: str, settled: bool) -> None:
    assert (fresh(bars(to, start="1"), at) == 30 * DAY) is settled


def test_bars_longer_than_a_day_settle_with_the_bar_that_the_range_touches() -> None:
    """The vendor widens `to` to the end of its week or month."""
    assert fresh(bars("2026-11-18", size="1/week"), "2026-11-20T13:00") < DAY
    assert fresh(bars("2026-11-18", size="1/week"), "2026-12-02T13:00") == 30 * DAY
    assert fresh(bars("2026-10-05", start="2026-10-01", size="1/month"), "2026-10-20T13:00") < DAY
    assert fresh(bars("2026-10-05", start="2026-10-01", size="1/month"), "2026-11-20T13:00") == 30 * DAY


def test_a_changed_history_setting_is_obeyed() -> None:
    policy = Policy(CALENDAR, PolicySettings(history_for=HOUR))
    lifetime = policy.judge_lifetime(
        parse_request(bars("2026-11-02"), ""), Reply(200, "application/json", FULL, 0.0), ny("2026-11-24")
    )
    assert lifetime == Lifetime(HOUR, 30 * DAY, YEAR)


@pytest.mark.parametrize(
    ("size", "stale"),
    [("1/second", (5, 60)), ("1/minute", (60, 900)), ("1/hour", (60, 900)), ("1/day", (HOUR, 7 * DAY))],
)
def test_stale_bounds_of_bars(size: str, stale: tuple[float, float]) -> None:
    lifetime = judge(bars("2026-11-24", size=size), "2026-11-24T12:00")
    assert lifetime is not None
    assert (lifetime.stale_while_for, lifetime.stale_error_for) == stale


# --- a plan that is late ----------------------------------------------------------------------------------


def test_a_late_plan_sees_the_session_begin_and_end_15_minutes_late() -> None:
    late = Entitlement.DELAYED
    assert until(bars("2026-11-24"), "2026-11-24T04:10", plan=late) == "2026-11-24T04:15"
    assert fresh(bars("2026-11-24"), "2026-11-24T20:10", plan=late) == MINUTE
    assert until(bars("2026-11-24"), "2026-11-24T20:15", plan=late) == "2026-11-24T20:30"
    assert until(bars("2026-11-24"), "2026-11-24T20:30", plan=late) == "2026-11-25T04:15"


def test_an_end_of_day_plan_is_asked_every_five_minutes_and_every_quarter_of_an_hour() -> None:
    assert fresh(bars("2026-11-24"), "2026-11-24T12:00", plan=Entitlement.END_OF_DAY) == 5 * MINUTE
    assert fresh(bars("2026-11-24"), "2026-11-24T21:00", plan=Entitlement.END_OF_DAY) == 15 * MINUTE
    assert fresh(bars("2026-11-23"), "2026-11-24T12:00", plan=Entitlement.END_OF_DAY) == 30 * DAY


# --- the rest of the table --------------------------------------------------------------------------------

STOCK = "/v2/snapshot/locale/us/markets/stocks"
COIN = "/v2/snapshot/locale/global/markets/crypto"
PAIR = "/v2/snapshot/locale/global/markets/forex"
OPEN, NIGHT = "2026-11-24T12:00", "2026-11-24T22:00"


@pytest.mark.parametrize(
    ("target", "at", "seconds"),
    [
        ("/v2/aggs/ticker/AAPL/prev", "2026-11-24T04:29:59", MINUTE),
        ("/v2/aggs/ticker/AAPL/prev", "2026-11-24T04:30:00", 5 * MINUTE),
        ("/v2/aggs/ticker/AAPL/prev", "2026-11-24T19:59:00", 5 * MINUTE),
        ("/v2/aggs/ticker/AAPL/prev", "2026-11-24T20:00:00", MINUTE),
        ("/v2/aggs/ticker/AAPL/prev", "2026-11-28T10:00:00", 14 * HOUR),  # Saturday: until 00:00
        ("/v2/aggs/ticker/AAPL/prev", "2026-11-28T04:00:00", MINUTE),  # the night after Friday's session
        ("/v2/aggs/ticker/AAPL/prev", "2026-11-28T21:00:00", 3 * HOUR),  # no session, nothing to move on to
        ("/v2/aggs/ticker/AAPL/prev", "2026-11-30T03:00:00", 21 * HOUR),  # Monday before anything traded
        ("/v2/aggs/ticker/X:BTCUSD/prev", "2026-11-28T21:00:00", MINUTE),
        ("/v2/aggs/grouped/locale/us/market/stocks/2026-11-24", OPEN, 5 * MINUTE),
        ("/v2/aggs/grouped/locale/us/market/stocks/2026-11-24", NIGHT, 15 * MINUTE),
        ("/v2/aggs/grouped/locale/us/market/stocks/2026-11-23", "2026-11-24T11:59:59", 1),
        ("/v2/aggs/grouped/locale/us/market/stocks/2026-11-23", "2026-11-24T12:00:00", 30 * DAY),
        ("/v2/aggs/grouped/locale/global/market/crypto/2026-11-24", OPEN, 5 * MINUTE),
        ("/v1/open-close/AAPL/2026-11-24", OPEN, MINUTE),
        ("/v1/open-close/AAPL/2026-11-24", NIGHT, 15 * MINUTE),
        ("/v1/open-close/AAPL/2026-11-23", OPEN, 30 * DAY),
        ("/v1/open-close/crypto/BTC/USD/2026-11-24", OPEN, MINUTE),
        ("/v1/indicators/sma/AAPL?timespan=minute", OPEN, 30),
        ("/v1/indicators/sma/AAPL?timespan=hour", OPEN, MINUTE),
        ("/v1/indicators/sma/AAPL", OPEN, 5 * MINUTE),
        ("/v1/indicators/sma/AAPL", NIGHT, 6 * HOUR),
        ("/v1/indicators/macd/AAPL?timestamp.lte=2026-11-23", OPEN, 30 * DAY),
        ("/v1/indicators/macd/AAPL?timestamp.lt=2026-11-24", "2026-11-24T11:59:59", 1),
        ("/v1/indicators/rsi/AAPL?timestamp.gte=2026-11-23", OPEN, 5 * MINUTE),  # no upper bound
        ("/v3/trades/AAPL", OPEN, 2),
        ("/v3/trades/AAPL?timestamp=2026-11-24", OPEN, 2),
        ("/v3/trades/AAPL?timestamp.lt=1795539600000000000", OPEN, MINUTE),  # today until 12:00, and it is 12:00
        ("/v3/trades/AAPL?timestamp.lt=1795539601000000000", OPEN, 2),
        ("/v3/trades/AAPL", NIGHT, MINUTE),
        ("/v3/quotes/AAPL?timestamp=2026-11-23", "2026-11-24T11:59:30", 30),
        ("/v3/quotes/AAPL?timestamp=2026-11-23", "2026-11-24T12:00", DAY),  # re-checked once after a day
        ("/v3/quotes/AAPL?timestamp=2026-11-23", "2026-11-25T12:00", 30 * DAY),
        ("/v1/historic/crypto/BTC/USD/2026-11-20", OPEN, 30 * DAY),
        ("/v2/last/trade/AAPL", OPEN, 1),
        ("/v2/last/trade/AAPL", NIGHT, 5 * MINUTE),
        ("/v2/last/trade/AAPL", "2026-11-24T03:59:00", MINUTE),  # until the opening
        ("/v1/last/crypto/BTC/USD", NIGHT, 1),
        ("/v1/last_quote/currencies/EUR/USD", "2026-11-28T12:00", 5 * MINUTE),
        ("/v1/conversion/EUR/USD", OPEN, 1),
        ("/v1/conversion/EUR/USD", "2026-11-28T12:00", MINUTE),
        (f"{STOCK}/tickers/AAPL", OPEN, 1),
        (f"{STOCK}/tickers", OPEN, 5),
        (f"{STOCK}/gainers", OPEN, 5),
        (f"{STOCK}/tickers/AAPL", NIGHT, 5 * MINUTE),
        (f"{STOCK}/tickers/AAPL", "2026-11-24T03:29:00", MINUTE),  # cleared at 03:30
        (f"{COIN}/tickers/X:BTCUSD", NIGHT, 1),
        (f"{COIN}/tickers/X:BTCUSD/book", NIGHT, 1),
        (f"{COIN}/losers", NIGHT, 5),
        (f"{PAIR}/tickers/C:EURUSD", OPEN, 1),
        (f"{PAIR}/tickers", "2026-11-28T12:00", 5 * MINUTE),
        ("/v3/snapshot?ticker.any_of=AAPL,MSFT", NIGHT, 5 * MINUTE),
        ("/v3/snapshot?ticker.any_of=AAPL,X:BTCUSD", NIGHT, 1),  # one of them still trades
        ("/v3/snapshot?ticker.any_of=AAPL,C:EURUSD", NIGHT, 1),
        ("/v3/snapshot", NIGHT, 1),
        ("/v3/snapshot/options/SPY", OPEN, 5),
        ("/v3/snapshot/options/SPY/O:SPY261218C00650000", OPEN, 1),
        ("/v3/snapshot/indices", NIGHT, 5 * MINUTE),
        ("/v1/marketstatus/now", OPEN, 15),
        ("/v1/marketstatus/now", "2026-11-24T15:59:50", 10),  # never past a change
        ("/v1/marketstatus/now", NIGHT, MINUTE),
        ("/v1/marketstatus/upcoming", "2026-11-24T04:00", 6 * HOUR),
        ("/v1/marketstatus/upcoming", "2026-11-24T23:00", HOUR),
        ("/v3/reference/tickers", OPEN, 6 * HOUR),
        ("/v3/reference/tickers?search=apple", OPEN, HOUR),
        ("/v3/reference/tickers", "2026-11-28T23:00", HOUR),
        ("/v3/reference/tickers", "2026-11-28T01:00", 5 * HOUR),
        ("/v3/reference/tickers?date=2026-11-23", OPEN, 7 * DAY),
        ("/v3/reference/tickers?date=2026-11-24", OPEN, 6 * HOUR),
        ("/v3/reference/tickers/AAPL", OPEN, 6 * HOUR),
        ("/v3/reference/tickers/AAPL", NIGHT, DAY),
        ("/v3/reference/tickers/AAPL?date=2026-11-23", OPEN, 7 * DAY),
        ("/v3/reference/tickers/types", OPEN, 7 * DAY),
        ("/v3/reference/conditions", NIGHT, 7 * DAY),
        ("/v3/reference/splits?ticker=AAPL", OPEN, HOUR),
        ("/v3/reference/splits?ticker=AAPL", NIGHT, 6 * HOUR),
        ("/v3/reference/splits?execution_date.lt=2026-11-24", OPEN, DAY),
        ("/v3/reference/splits?execution_date.lte=2026-11-24", OPEN, HOUR),
        ("/stocks/v1/dividends?ex_dividend_date.lte=2026-11-23", OPEN, DAY),
        ("/v3/reference/options/contracts", OPEN, HOUR),
        ("/v3/reference/options/contracts?as_of=2026-11-23", OPEN, 30 * DAY),
        ("/v3/reference/options/contracts/O:SPY251219C00650000", OPEN, 30 * DAY),  # expired
        ("/v3/reference/options/contracts/O:SPY261218C00650000", OPEN, HOUR),
        ("/v3/reference/options/contracts/O:SPY251399C00650000", OPEN, HOUR),  # no such day
        ("/v2/reference/news", OPEN, MINUTE),
        ("/v2/reference/news", NIGHT, 5 * MINUTE),
        ("/v2/reference/news?published_utc.lte=2026-11-17T17:00:00Z", "2026-11-24T12:00:01", 7 * DAY),
        ("/v2/reference/news?published_utc.lte=2026-11-17T17:00:01Z", "2026-11-24T12:00:00", MINUTE),
        ("/v1/related-companies/AAPL", OPEN, DAY),
        ("/vX/reference/financials", OPEN, 6 * HOUR),
        ("/vX/reference/financials", NIGHT, DAY),
        ("/vX/reference/financials?period_of_report_date.lte=2024-12-31", OPEN, 7 * DAY),
        ("/vX/reference/ipos", OPEN, HOUR),
        ("/v1/reference/sec/filings", OPEN, 10 * MINUTE),
        ("/v1/reference/sec/filings/0001-22", OPEN, 30 * DAY),
        ("/v1/reference/sec/filings/0001-22/files", OPEN, 10 * MINUTE),
        ("/v1/reference/sec/filings/0001-22/files/1", OPEN, 30 * DAY),
        ("/futures/v1/aggs/ESZ6", OPEN, MINUTE),
        ("/futures/v1/aggs/ESZ6?window_start.lte=2026-11-20", "2026-11-30T12:00", 30 * DAY),
        ("/futures/v1/products", OPEN, HOUR),
        ("/stocks/v1/short-interest", OPEN, 6 * HOUR),
        ("/fed/v1/inflation", OPEN, 6 * HOUR),
        ("/benzinga/v1/ratings", OPEN, 15 * MINUTE),
        ("/etf-global/v1/profiles", OPEN, 6 * HOUR),
        ("/v1/reference/company-branding/x/images/logo.svg", OPEN, 7 * DAY),
        ("/v9/something/new", OPEN, 5),
        ("/v9/something/new", NIGHT, 5),
    ],
)
def test_a_good_answer_is_fresh_for(target: str, at: str, seconds: float) -> None:
    assert fresh(target, at) == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize(
    ("target", "delayed", "end_of_day"),
    [("/v2/last/trade/AAPL", 15, 60), (f"{STOCK}/tickers/AAPL", 15, 60), (f"{COIN}/tickers/X:BTCUSD", 1, 60)],
)
def test_prices_of_a_late_plan_live_longer(target: str, delayed: float, end_of_day: float) -> None:
    assert fresh(target, OPEN, plan=Entitlement.DELAYED) == delayed
    assert fresh(target, OPEN, plan=Entitlement.END_OF_DAY) == end_of_day


def test_every_group_has_a_row_and_every_row_a_question() -> None:
    reached = set()
    for endpoint in ENDPOINTS:
        path = endpoint.template
        for name, value in {
            "multiplier": "1",
            "timespan": "day",
            "from": "2026-11-02",
            "to": "2026-11-03",
            "date": "2026-11-03",
        }.items():
            path = path.replace(f"{{{name}}}", value)
        path = path.replace("{", "").replace("}", "")
        for query in ("", "search=x" if endpoint.group is Group.TICKERS else "", "timespan=hour", "timespan=minute"):
            for at in (OPEN, NIGHT):
                reached.add(row_name(parse_request(path, query), ny(at), CALENDAR))
    for size in ("1/second", "1/minute", "1/hour"):
        reached.add(row_name(parse_request(bars("2026-11-24", size=size), ""), ny(OPEN), CALENDAR))
    reached.add(row_name(parse_request("/v9/new", ""), ny(OPEN), CALENDAR))
    assert reached == set(TABLE)
    assert {row.partition("/")[0] for row in TABLE} == {str(group) for group in Group}


def test_the_documented_table_is_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "freshness.md"
    assert printed_table() in page.read_text()


# --- pages ------------------------------------------------------------------------------------------------


def cursor(text: str) -> str:
    return base64.b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("target", "seconds"),
    [
        (f"/v3/reference/tickers?cursor={cursor('active=true&date=2022-04-27&limit=2&order=asc')}", 7 * DAY),
        (f"/v3/reference/tickers?cursor={cursor('active=true&date=2026-11-24&limit=2&order=asc')}", 6 * HOUR),
        (f"/v3/trades/AAPL?cursor={cursor('limit=10&timestamp.lte=1795300000000000000')}", 30 * DAY),
        ("/v3/trades/AAPL?cursor=not-base64-at-all!", 2),
        ("/v3/trades/AAPL?cursor=%C3%BF", 2),
    ],
)
def test_a_page_is_judged_by_the_bound_pinned_in_its_cursor(target: str, seconds: float) -> None:
    assert fresh(target, OPEN) == seconds


def test_a_page_of_bars_is_judged_by_its_path() -> None:
    assert fresh(f"{bars('2026-11-03', start='1793682000000')}?cursor={cursor('limit=2&sort=asc')}", OPEN) == 30 * DAY


# --- answers without content ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "to", "at", "seconds"),
    [
        ("2026-11-21", "2026-11-22", OPEN, DAY),  # a weekend
        ("2026-11-26", "2026-11-26", OPEN, DAY),  # a holiday to come
        ("2026-11-24", "2026-11-24", OPEN, MINUTE),  # trading
        ("2026-11-23", "2026-11-23", "2026-11-24T11:59", 15 * MINUTE),
        ("2026-11-23", "2026-11-23", "2026-11-24T12:00", 6 * HOUR),
        ("2026-11-17", "2026-11-17", OPEN, 6 * HOUR),
        ("2026-11-16", "2026-11-16", OPEN, DAY),
        ("2026-11-25", "2026-11-25", "2026-11-24T20:00", 4 * HOUR),  # tomorrow: until it begins
        ("2027-11-24", "2027-11-24", OPEN, DAY),
    ],
)
def test_nothing_there_is_believed_longer_the_longer_ago(start: str, to: str, at: str, seconds: float) -> None:
    assert judge(bars(to, start=start), at, body=EMPTY) == Lifetime(seconds)


def test_an_empty_list_of_reference_data_is_an_answer_like_any_other() -> None:
    assert fresh("/v3/reference/splits?ticker=NEW", OPEN, body=b'{"status":"OK","results":[]}') == HOUR


def test_a_long_answer_is_not_read_to_find_out_that_it_is_not_empty() -> None:
    assert fresh(bars("2026-11-24"), OPEN, body=EMPTY + b" " * 2_048) == MINUTE
    assert judge(bars("2026-11-24"), NIGHT, body=EMPTY + b" " * 2_048) != judge(bars("2026-11-24"), NIGHT, body=EMPTY)


@pytest.mark.parametrize(
    ("kept", "new", "doubted", "replaces"),
    [(5, 6, False, True), (5, 0, False, False), (5, 0, True, True), (0, 0, False, True), (0, 3, False, True)],
)
def test_empty_replaces_real_only_when_confirmed(kept: int, new: int, doubted: bool, replaces: bool) -> None:
    assert confirms_empty(kept, new, doubted) is replaces


# --- errors -----------------------------------------------------------------------------------------------


def error(message: str, word: str = "ERROR") -> bytes:
    return json.dumps({"status": word, "request_id": "r", "error": message, "message": message}).encode()


@pytest.mark.parametrize(
    ("target", "status", "body", "seconds"),
    [
        (bars("2026-11-24"), 400, error("bad"), 60),
        (bars("2026-11-24"), 422, error("bad"), 60),
        (bars("2026-11-24"), 403, error("You are not entitled to this data.", "NOT_AUTHORIZED"), HOUR),
        (bars("2026-11-24"), 403, error("Attempted to request today's data before end of day."), 5 * MINUTE),
        ("/v3/reference/tickers/NOPE", 404, error("Ticker not found.", "NOT_FOUND"), 30),
        ("/v1/open-close/AAPL/2026-11-28", 404, error("Data not found.", "NOT_FOUND"), DAY),
        ("/v1/open-close/AAPL/2026-11-24", 404, error("Data not found.", "NOT_FOUND"), 30),
        ("/v2/ticks/stocks/trades/AAPL/2020-10-14", 404, error("This endpoint is deprecated."), DAY),
    ],
)
def test_a_refusal_is_believed_for(target: str, status: int, body: bytes, seconds: float) -> None:
    """Never served stale: an error is no substitute for an answer."""
    assert judge(target, OPEN, status=status, body=body) == Lifetime(seconds)


def test_a_route_the_vendor_does_not_have_is_remembered_for_a_day() -> None:
    assert judge("/v9/x", OPEN, status=404, body=b"404 page not found", content_type="text/plain") == Lifetime(DAY)
    assert judge("/v9/x", OPEN, status=404, body=b"oops", content_type="text/plain") == Lifetime(30)


@pytest.mark.parametrize("status", [202, 204, 206, 301, 304, 401, 407, 408, 425, 429, 499, 500, 502, 503, 504, 520])
def test_failures_and_refused_keys_are_never_stored(status: int) -> None:
    assert judge(bars("2026-11-24"), OPEN, status=status, body=error("x")) is None


def test_a_refused_key_is_not_stored_under_403_either() -> None:
    assert judge(bars("2026-11-24"), OPEN, status=403, body=error("Unknown API Key")) is None


# --- whatever is asked ------------------------------------------------------------------------------------

DAYS = st.dates().map(date.isoformat) | st.integers(0, 10**18 - 1).map(str)


@given(
    size=st.tuples(st.integers(1, 10**9 - 1), st.sampled_from(["second", "minute", "day", "week", "quarter", "year"])),
    start=DAYS,
    to=DAYS,
    ticker=st.sampled_from(["AAPL", "X:BTCUSD", "C:EURUSD", "I:SPX"]),
    wall=st.floats(0, 4e9),
    plan=st.sampled_from(Entitlement),
    body=st.sampled_from([FULL, EMPTY]),
)
def test_every_question_of_bars_has_a_positive_lifetime(
    size: tuple[int, str], start: str, to: str, ticker: str, wall: float, plan: Entitlement, body: bytes
) -> None:
    target = f"/v2/aggs/ticker/{ticker}/range/{size[0]}/{size[1]}/{start}/{to}"
    try:
        lifetime = judge(target, wall, plan=plan, body=body)
    except BadRequest:
        return
    assert lifetime is not None
    assert 0 < lifetime.fresh_for <= 30 * DAY


@given(
    path=st.sampled_from(
        ["/v3/trades/AAPL", "/v1/indicators/sma/C:EURUSD", "/v2/reference/news", "/v3/reference/splits"]
    ),
    name=st.sampled_from(["timestamp", "published_utc", "execution_date"]),
    operator=st.sampled_from(["", ".lt", ".lte", ".gt", ".gte"]),
    value=DAYS | st.datetimes().map(datetime.isoformat) | st.text(st.characters(codec="ascii"), max_size=12),
    wall=st.floats(0, 4e9),
)
def test_every_bound_has_a_positive_lifetime(path: str, name: str, operator: str, value: str, wall: float) -> None:
    query = f"{name}{operator}=" + "".join(letter for letter in value if letter.isalnum() or letter in "-:.")
    assert fresh(f"{path}?{query}", wall) > 0


def test_no_bars_answer_outlives_the_next_session_it_reaches() -> None:
    """Walks two weeks hour by hour: whatever is stored while closed has ended when prices move again."""
    wall = ny("2026-11-20")
    for _ in range(24 * 14):
        today = CALENDAR.day_of(Market.STOCKS, wall)
        end = wall + fresh(bars((today + timedelta(days=1)).isoformat()), wall)
        opening = CALENDAR.next_trading(Market.STOCKS, wall)
        assert end <= max(opening, wall + MINUTE)
        wall += 3_600


@pytest.mark.parametrize("ticker", ["AAPL", "X:BTCUSD", "C:EURUSD"])
@pytest.mark.parametrize("body", [FULL, EMPTY])
def test_a_question_about_what_was_before_the_first_day_there_is_has_an_answer(ticker: str, body: bytes) -> None:
    """No calendar has a day before that one; what ends with it is long over."""
    assert fresh(f"/v3/trades/{ticker}?timestamp.lt=0001-01-01", "2026-11-24T11:00", body=body) >= HOUR
