"""Our own API: quotes, whole bars in every format, averages, markets, and its way of refusing."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import threading
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stock_service.base.reply import Reply
from stock_service.cache.freshness import Lifetime
from stock_service.market.hours import NEW_YORK
from stock_service.reads.spans import most_bars, parse_every
from stock_service.vendor.request import VendorRequest
from stock_service.web import admin_table
from stock_service.web.api_table import OPERATIONS
from stock_service.web.bar_formats import BarWriter, make_writer
from tests.support.front import Front, make_front

SNAPSHOT = {
    "status": "OK",
    "ticker": {
        "ticker": "AAPL",
        "day": {"o": 100.0, "h": 103.0, "l": 99.0, "c": 102.0, "v": 1000.5},
        "prevDay": {"c": 100.0},
        "lastTrade": {"p": 102.5},
        "updated": 1_700_000_000_000_000_000,
    },
}
DAY_MS = 86_400_000
FIRST_MS = 1_704_171_600_000  # 2024-01-02 00:00 in New York


def bars(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {"t": FIRST_MS + (start + i) * DAY_MS, "o": 1.0, "h": 2.0, "l": 0.5, "c": 1.0 + start + i, "v": 10.5, "n": 3}
        for i in range(count)
    ]


Answerer = Callable[[VendorRequest], dict[str, Any] | int | bytes]


@pytest.fixture
async def front() -> Front:
    return make_front()


def answer_with(front: Front, answerer: Answerer) -> None:
    """Let the vendor answer by route; an integer is a bare error status, bytes are the body of a 403."""

    async def fetch(request: VendorRequest, *, spend: Callable[[], None], **_: Any) -> Reply:
        spend()
        front.desk.vendor.calls.append(request)  # type: ignore[arg-type]
        given = answerer(request)
        now = front.desk.clock.monotonic()
        if isinstance(given, bytes):
            return Reply(403, "application/json", given, now)
        if isinstance(given, int):
            return Reply(given, "application/json", b'{"status":"ERROR","error":"no"}', now)
        return Reply(200, "application/json", msgspec.json.encode(given), now)

    front.desk.vendor.fetch = fetch  # type: ignore[method-assign]


async def test_quote_comes_from_the_snapshot(front: Front) -> None:
    answer_with(front, lambda _: SNAPSHOT)
    got = await front.browser.get("/api/stocks/aapl")
    assert got.status == 200
    quote = got.json()
    assert (quote["symbol"], quote["price"], quote["change"], quote["change_percent"]) == ("AAPL", 102.5, 2.5, 2.5)
    assert (quote["open"], quote["high"], quote["low"], quote["volume"]) == (100.0, 103.0, 99.0, 1000.5)
    assert (quote["source"], quote["as_of"], quote["stale"]) == ("snapshot", "2023-11-14T22:13:20.000Z", False)


async def test_plan_without_snapshots_is_answered_from_bars_and_asked_once(front: Front) -> None:
    answer_with(front, lambda r: 403 if "snapshot" in r.target else {"status": "OK", "results": bars(2)})
    first = await front.browser.get("/api/stocks/AAPL")
    await front.browser.get("/api/stocks/MSFT")
    quote = first.json()
    assert (quote["price"], quote["previous_close"], quote["source"]) == (2.0, 1.0, "daily-bars")
    asked = [request.target for request in front.desk.vendor.calls]  # type: ignore[attr-defined]
    assert sum("snapshot" in target for target in asked) == 1


async def test_several_symbols_of_a_market_are_one_call(front: Front) -> None:
    other = {**SNAPSHOT["ticker"], "ticker": "MSFT"}  # type: ignore[dict-item]
    answer_with(front, lambda _: {"status": "OK", "tickers": [SNAPSHOT["ticker"], other]})
    got = (await front.browser.get("/api/stocks?symbols=MSFT,AAPL,NOPE,AAPL")).json()
    assert [quote["symbol"] for quote in got["quotes"]] == ["MSFT", "AAPL"]
    assert got["missing"] == ["NOPE"]
    assert len(front.desk.vendor.calls) == 1


async def test_many_symbols_without_snapshots_are_two_calls(front: Front) -> None:
    rows = [{"T": symbol, **bars(1)[0]} for symbol in ("A", "B", "C", "D")]
    answer_with(front, lambda r: 403 if "snapshot" in r.target else {"status": "OK", "results": rows})
    got = (await front.browser.get("/api/stocks?symbols=A,B,C,ZZ")).json()
    assert [quote["symbol"] for quote in got["quotes"]] == ["A", "B", "C"]
    assert got["missing"] == ["ZZ"]
    asked = [request.target for request in front.desk.vendor.calls]  # type: ignore[attr-defined]
    assert sum("grouped" in target for target in asked) == 2


async def test_a_plan_without_one_markets_snapshots_keeps_the_others(front: Front) -> None:
    """Whoever asked for a coin the plan has not got would see yesterday's close of every stock for an hour."""
    answer_with(
        front,
        lambda r: SNAPSHOT if "markets/stocks" in r.target else 403 if "snapshot" in r.target else {"results": bars(2)},
    )
    assert (await front.browser.get("/api/stocks/X:BTCUSD")).json()["source"] == "daily-bars"
    assert (await front.browser.get("/api/stocks/AAPL")).json()["source"] == "snapshot"


EVENING = datetime(2024, 1, 4, 20, 30, tzinfo=NEW_YORK).timestamp()  # a Thursday, after its late session


@pytest.mark.parametrize(
    "target", ["/api/stocks/AAPL", "/api/stocks?symbols=A,B,C", "/api/stocks/AAPL/average", "/api/stocks?symbols=A,B"]
)
async def test_what_the_last_session_says_is_said_until_the_market_moves_on(front: Front, target: str) -> None:
    """Its bars are good for a month, but tomorrow's question about "the last" is another one."""
    front.desk.clock.set_wall(EVENING)
    front.desk.policy.lifetime = Lifetime(fresh_for=30 * 86_400.0)
    rows = [{"T": symbol, **bars(1)[0]} for symbol in ("A", "B", "C")]
    answer_with(
        front,
        lambda r: (
            403 if "snapshot" in r.target else {"status": "OK", "results": rows if "grouped" in r.target else bars(3)}
        ),
    )
    got = await front.browser.get(target)
    assert got.status == 200
    assert got.headers["cache-control"] == "private, max-age=12600"  # 20:30 to midnight


@pytest.mark.parametrize("target", ["/api/stocks/AAPL", "/api/stocks?symbols=A,B,C", "/api/stocks/AAPL/average?days=2"])
async def test_a_day_the_plan_has_not_got_yet_is_the_day_before(front: Front, target: str) -> None:
    """A plan that gets a day at its end refuses it hours after the session: the close before is an answer."""
    early = b'{"status":"NOT_AUTHORIZED","message":"Attempted to request today\'s data before end of day."}'
    front.desk.clock.set_wall(EVENING)
    front.desk.policy.lifetime = Lifetime(fresh_for=30 * 86_400.0)
    rows = [{"T": symbol, **bars(1)[0]} for symbol in ("A", "B", "C")]

    def answer(request: VendorRequest) -> dict[str, Any] | int | bytes:
        if "snapshot" in request.target:
            return 403
        if "2024-01-04" in request.target:
            return early
        return {"status": "OK", "results": rows if "grouped" in request.target else bars(2)}

    answer_with(front, answer)
    got = await front.browser.get(target)
    assert got.status == 200
    assert got.headers["cache-control"] == "private, max-age=300"  # as long as "too early" is believed
    assert b"2024-01-04" not in got.body


async def test_unknown_symbol_is_a_problem(front: Front) -> None:
    answer_with(front, lambda _: 404)
    got = await front.browser.get("/api/stocks/NOPE")
    assert (got.status, got.headers["content-type"]) == (404, "application/problem+json")
    assert got.json()["status"] == 404


def two_pages(request: VendorRequest) -> dict[str, Any]:
    if "cursor" in request.target:
        return {"status": "OK", "results": bars(2, start=2)}
    return {
        "status": "OK",
        "results": bars(2),
        "next_url": "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/day/1704344400000/2024-01-05?cursor=abc",
    }


QUESTION = "/api/stocks/AAPL/bars?from=2024-01-02&to=2024-01-05"


async def test_bars_are_whole_over_all_pages(front: Front) -> None:
    answer_with(front, two_pages)
    got = (await front.browser.get(QUESTION)).json()
    assert (got["count"], [bar["close"] for bar in got["bars"]]) == (4, [1.0, 2.0, 3.0, 4.0])
    assert got["bars"][0] == {
        "time": "2024-01-02T05:00:00Z",
        "open": 1.0,
        "high": 2.0,
        "low": 0.5,
        "close": 1.0,
        "volume": 10.5,
        "vwap": None,
        "trades": 3,
    }


async def test_csv_has_a_header_and_empty_cells(front: Front) -> None:
    answer_with(front, two_pages)
    got = await front.browser.get(QUESTION + "&format=csv")
    rows = list(csv.DictReader(io.StringIO(got.body.decode())))
    assert got.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(rows) == 4
    assert (rows[3]["close"], rows[3]["trades"]) == ("4.0", "3")
    assert rows[3]["vwap"] == ""
    assert rows[0]["time"] == "2024-01-02T05:00:00Z"


async def test_empty_csv_is_its_header(front: Front) -> None:
    answer_with(front, lambda _: {"status": "OK", "resultsCount": 0})
    got = await front.browser.get(QUESTION + "&format=csv")
    assert got.body == b"time,open,high,low,close,volume,vwap,trades\n"


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_long_texts_are_packed_for_whoever_takes_it(front: Front, form: str) -> None:
    """The same text, under a validator of its own."""
    answer_with(front, lambda _: {"status": "OK", "results": bars(100)})
    target = f"{QUESTION}&format={form}"
    plain = await front.browser.get(target)
    packed = await front.browser.get(target, {"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(packed.body) < len(plain.body) / 2
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    tag = {"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]}
    assert (await front.browser.get(target, tag)).status == 304


@pytest.mark.parametrize("target", [QUESTION, QUESTION + "&format=parquet", "/api/market"])
async def test_what_packing_gains_nothing_for_stays_as_it_is(front: Front, target: str) -> None:
    answer_with(front, two_pages)
    assert "content-encoding" not in (await front.browser.get(target, {"accept-encoding": "gzip"})).headers


@pytest.mark.parametrize("form", ["arrow", "parquet"])
async def test_columnar_formats_hold_the_same(front: Front, form: str) -> None:
    answer_with(front, two_pages)
    got = await front.browser.get(f"{QUESTION}&format={form}")
    table = pq.read_table(io.BytesIO(got.body)) if form == "parquet" else pa.ipc.open_stream(got.body).read_all()
    assert table.column("close").to_pylist() == [1.0, 2.0, 3.0, 4.0]
    assert table.schema.field("time").type == pa.timestamp("ms", "UTC")
    assert table.column("vwap").null_count == 4
    assert table.column("trades").to_pylist() == [3, 3, 3, 3]


async def test_what_writes_columns_is_loaded_beside_the_event_loop(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading it takes the better part of a second, in which no hit would be answered."""
    made_in: list[int] = []

    def make(form: str) -> BarWriter:
        made_in.append(threading.get_ident())
        return make_writer(form)

    monkeypatch.setattr("stock_service.web.api.make_writer", make)
    answer_with(front, two_pages)
    assert (await front.browser.get(f"{QUESTION}&format=arrow")).status == 200
    assert made_in
    assert threading.get_ident() not in made_in


async def test_foreign_next_page_is_not_followed(front: Front) -> None:
    """Following it would hand our vendor key to whoever it names."""
    answer_with(front, lambda _: {"status": "OK", "results": bars(1), "next_url": "https://evil.example/v2/x?cursor=1"})
    got = await front.browser.get(QUESTION)
    assert got.status == 502
    assert len(front.desk.vendor.calls) == 1


async def test_average_of_the_last_sessions(front: Front) -> None:
    answer_with(front, lambda _: {"status": "OK", "results": bars(10)})
    got = (await front.browser.get("/api/stocks/AAPL/average?days=3")).json()
    assert (got["sessions"], got["average"]) == (3, 9.0)
    assert [close["close"] for close in got["closes"]] == [8.0, 9.0, 10.0]


async def test_markets_need_no_vendor(front: Front) -> None:
    got = (await front.browser.get("/api/market")).json()
    assert set(got["markets"]) >= {"stocks", "crypto", "fx"}
    assert got["markets"]["crypto"] == {"phase": "regular", "next_change_at": None, "next_phase": None}
    assert front.desk.vendor.calls == []


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ("/api/stocks/%20", "symbol"),
        ("/api/stocks/A%2FB%00", "symbol"),
        ("/api/stocks/X:BTCUSD%2Fbook", "symbol"),
        ("/api/stocks/AAPL%2F..%2FIBM", "symbol"),
        ("/api/stocks", "symbols"),
        ("/api/stocks?symbols=" + ",".join(f"S{i}" for i in range(101)), "symbols"),
        ("/api/stocks?symbol=AAPL", "symbol"),
        ("/api/stocks/AAPL?limit=5", "limit"),
        ("/api/stocks/AAPL/bars?to=2024-01-01", "from"),
        ("/api/stocks/AAPL/bars?from=2024-02-30&to=2024-03-01", "from"),
        ("/api/stocks/AAPL/bars?from=20240201&to=2024-03-01", "from"),
        ("/api/stocks/AAPL/bars?from=2024-W05-4&to=2024-03-01", "from"),
        ("/api/stocks/AAPL/bars?from=2024-02-01&to=2024-01-01", "from"),
        ("/api/stocks/AAPL/bars?from=2024-01-01&to=2024-01-02&every=0d", "every"),
        ("/api/stocks/AAPL/bars?from=2024-01-01&to=2024-01-02&every=1fortnight", "every"),
        ("/api/stocks/AAPL/bars?from=2024-01-01&to=2024-01-02&adjusted=yes", "adjusted"),
        ("/api/stocks/AAPL/bars?from=2024-01-01&to=2024-01-02&format=xml", "format"),
        ("/api/stocks/AAPL/bars?from=2024-01-01&from=2024-01-01&to=2024-01-02", "from"),
        ("/api/stocks/AAPL/average?days=0", "days"),
        ("/api/stocks/AAPL/average?days=251", "days"),
        ("/api/stocks/AAPL/average?days=seven", "days"),
    ],
)
async def test_malformed_questions_name_the_part(front: Front, target: str, field: str) -> None:
    answer_with(front, lambda _: SNAPSHOT)
    got = await front.browser.get(target)
    assert (got.status, got.headers["content-type"]) == (400, "application/problem+json")
    assert got.json()["field"] == field
    assert front.desk.vendor.calls == []


@pytest.mark.parametrize("target", ["/api", "/api/", "/api/stocks/", "/api/stocks/A/B", "/api/nothing"])
async def test_unknown_route_is_a_problem(front: Front, target: str) -> None:
    assert (await front.browser.get(target)).status == 404


async def test_openapi_lists_every_operation(front: Front) -> None:
    document = (await front.browser.get("/openapi.json")).json()
    operations = (*OPERATIONS, *admin_table.OPERATIONS)
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    assert described == {(operation.template, operation.method) for operation in operations}
    parameters = document["paths"]["/api/stocks/{symbol}/bars"]["get"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == ["symbol", "from", "to", "every", "adjusted", "format"]


async def test_answers_say_their_age_and_answer_validators(front: Front) -> None:
    answer_with(front, lambda _: SNAPSHOT)
    miss = await front.browser.get("/api/stocks/AAPL")
    hit = await front.browser.get("/api/stocks/AAPL")
    assert miss.headers["cache-status"] == "stock-service; fwd=uri-miss; ttl=10"
    assert hit.headers["cache-status"] == "stock-service; hit; ttl=10"
    assert (hit.headers["age"], hit.headers["cache-control"]) == ("0", "private, max-age=10")
    same = await front.browser.get("/api/stocks/AAPL", {"if-none-match": hit.headers["etag"]})
    assert (same.status, same.body) == (304, b"")


async def test_only_if_cached_asks_nobody(front: Front) -> None:
    answer_with(front, lambda _: SNAPSHOT)
    got = await front.browser.get("/api/stocks/AAPL", {"cache-control": "only-if-cached"})
    assert got.status == 504
    assert front.desk.vendor.calls == []


async def test_price_of_a_daily_bar_is_as_of_its_close(front: Front) -> None:
    answer_with(front, lambda r: 403 if "snapshot" in r.target else {"status": "OK", "results": bars(2)})
    got = (await front.browser.get("/api/stocks/AAPL")).json()
    assert got["as_of"] == "2024-01-03T21:00:00.000Z"  # 16:00 in New York


async def test_cleared_snapshot_has_no_day_yet(front: Front) -> None:
    """Before the session the vendor's snapshot is all zeros; a low of 0.00 would be a crash."""
    cleared = {"ticker": "AAPL", "day": {"o": 0, "h": 0, "l": 0, "c": 0, "v": 0}, "prevDay": {"c": 100.0}, "updated": 0}
    answer_with(front, lambda _: {"status": "OK", "ticker": cleared})
    got = (await front.browser.get("/api/stocks/AAPL")).json()
    assert (got["price"], got["low"], got["volume"], got["as_of"]) == (100.0, None, None, None)


@pytest.mark.parametrize(
    "ticker", [None, [], "AAPL", {"day": 5}, {"day": {"c": "102"}}, {"lastTrade": []}, {"updated": "now"}]
)
@pytest.mark.parametrize("target", ["/api/stocks/AAPL", "/api/stocks?symbols=AAPL,MSFT"])
async def test_a_snapshot_of_another_shape_is_the_vendors_fault(front: Front, target: str, ticker: object) -> None:
    body = {"status": "OK", "ticker": ticker, "tickers": [ticker]}
    answer_with(front, lambda _: body)
    got = await front.browser.get(target)
    assert (got.status, got.json()["type"]) == (502, "urn:stock-service:problem:vendor-failed")


@pytest.mark.parametrize(("symbol", "updated"), [("AAPL", 1_763_758_799_900_000_000), ("X:BTCUSD", 1_763_758_799_900)])
async def test_an_instant_is_read_in_the_unit_of_its_market(front: Front, symbol: str, updated: int) -> None:
    """The vendor stamps stocks in nanoseconds, coins and currencies in milliseconds."""
    answer_with(front, lambda _: {"status": "OK", "ticker": {"lastTrade": {"p": 1.5}, "updated": updated}})
    assert (await front.browser.get(f"/api/stocks/{symbol}")).json()["as_of"] == "2025-11-21T20:59:59.900Z"


@pytest.mark.parametrize("at", [-1, 0, 1e30])
async def test_an_instant_that_is_none_is_left_open(front: Front, at: float) -> None:
    answer_with(front, lambda _: {"status": "OK", "ticker": {"lastTrade": {"p": 1.5}, "updated": at}})
    assert (await front.browser.get("/api/stocks/AAPL")).json()["as_of"] is None


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
async def test_a_bar_at_no_instant_is_the_vendors_fault(front: Front, form: str) -> None:
    answer_with(front, lambda _: {"status": "OK", "results": [{**bars(1)[0], "t": 10**30}]})
    got = await front.browser.get(f"{QUESTION}&format={form}")
    assert (got.status, got.json()["type"]) == (502, "urn:stock-service:problem:vendor-failed")


async def test_an_answer_that_will_not_fit_is_refused_at_the_page_that_shows_it(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many bars a ticker has nobody knows beforehand: any span may hold none. No page is asked for in vain."""
    monkeypatch.setattr("stock_service.web.api.BARS_MAX", 3)
    page = "https://api.polygon.io/v2/aggs/ticker/AAPL/range/7/minute/2024-01-02/2024-01-05?cursor="

    def endless(_: VendorRequest) -> dict[str, Any]:
        asked = len(front.desk.vendor.calls)
        return {"status": "OK", "results": bars(2, start=2 * asked), "next_url": f"{page}{asked}"}

    answer_with(front, endless)
    got = await front.browser.get(f"{QUESTION}&every=7m")
    assert (got.status, got.json()["field"]) == (400, "to")
    assert len(front.desk.vendor.calls) == 2


async def test_nobody_is_asked_for_a_client_who_left(front: Front) -> None:
    answer_with(front, two_pages)
    got = await front.browser.get(QUESTION, leaves=True)
    assert got.status == 503
    assert len(front.desk.vendor.calls) == 1


async def test_a_short_question_does_not_wait_behind_long_ones(front: Front) -> None:
    """A few long answers at a time, and whoever asks for a month of days is no part of them."""
    held, begun = asyncio.Event(), []

    def answerer(request: VendorRequest) -> dict[str, Any]:
        return {"status": "OK", "results": bars(1) if "/day/" in request.target else []}

    answer_with(front, answerer)
    at_once = front.desk.vendor.fetch

    async def fetch(request: VendorRequest, **options: Any) -> Reply:
        if "/minute/" in request.target:
            begun.append(request.target)
            await held.wait()
        return await at_once(request, **options)

    front.desk.vendor.fetch = fetch  # type: ignore[method-assign]
    long = "/api/stocks/S{}/bars?from=2024-01-02&to=2024-12-31&every=1m"
    waiting = [asyncio.ensure_future(front.browser.get(long.format(number))) for number in range(4)]
    got = await asyncio.wait_for(front.browser.get(QUESTION), 10)
    assert (got.status, got.json()["count"]) == (200, 1)
    assert len(begun) == 2
    held.set()
    assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}
    assert len(begun) == 4


@pytest.mark.parametrize(
    ("every", "last", "most"), [("1d", "2024-01-31", 31), ("5m", "2024-01-01", 288), ("1q", "2024-12-31", 366 / 90)]
)
def test_no_more_bars_fit_into_a_span_than_in_a_market_that_never_closes(every: str, last: str, most: float) -> None:
    assert most_bars(parse_every(every), date(2024, 1, 1), date.fromisoformat(last)) == pytest.approx(most)
