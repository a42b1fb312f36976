"""The vendor's manners on the wire: errors, limits, paging, links, headers; and the simulator's own switchboard."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from stock_service.base.clock import SystemClock
from stock_service.simulator.server import Simulator, SimulatorSettings, run_simulator, start_simulator
from stock_service.simulator.world import Plan
from tests.support.client_calls import NOW
from tests.support.clock import ManualClock
from tests.support.simulated import simulated

RANGE = "/v2/aggs/ticker/AAPL/range"
KEYED = {"Authorization": "Bearer demo-key"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=KEYED) as opened:
        yield opened


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulated() as running:
        yield running


async def get(session: aiohttp.ClientSession, simulator: Simulator, target: str, **options: Any) -> tuple[int, Any]:
    async with session.get(simulator.url + target, **options) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if "json" in answer.content_type else text


@pytest.mark.parametrize(
    ("target", "status", "member"),
    [
        (f"{RANGE}/0/day/2025-01-01/2025-01-31", 400, "error"),
        (f"{RANGE}/x/day/2025-01-01/2025-01-31", 400, "error"),
        (f"{RANGE}/1/days/2025-01-01/2025-01-31", 400, "error"),
        (f"{RANGE}/1/day/2025-01-32/2025-01-31", 400, "error"),
        (f"{RANGE}/1/day/2025-02-01/2025-01-01", 400, "error"),
        (f"{RANGE}/1/day/2025-01-01/2025-01-31?limit=50001", 400, "error"),
        (f"{RANGE}/1/day/2025-01-01/2025-01-31?limit=-1", 400, "error"),
        (f"{RANGE}/1/day/2025-01-01/2025-01-31?sort=up", 400, "error"),
        (f"{RANGE}/1/day/2025-01-01/2025-01-31?adjusted=maybe", 400, "error"),
        (f"{RANGE}/1/day/2025-01-01/2025-01-31?cursor=%21", 400, "error"),
        ("/v3/reference/tickers/TSLAAPL", 404, "message"),
        ("/v1/open-close/AAPL/2025-11-22", 404, "message"),
        ("/v2/last/trade/aapl", 404, "message"),
        ("/v2/ticks/stocks/trades/AAPL/2020-10-14", 404, "message"),
    ],
)
async def test_an_error_is_the_vendors(
    target: str, status: int, member: str, session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """Status, and a JSON body of status, request_id and a reason (facts.md 1.6)."""
    got, body = await get(session, simulator, target)
    assert got == status
    assert sorted(body) == sorted(["status", "request_id", member])
    assert body["status"] == ("ERROR" if status == 400 else "NOT_FOUND")


@pytest.mark.parametrize("target", ["/", "/v9/nothing", "/v2/aggs", "/v3/reference/nothing", "/favicon.ico"])
async def test_no_such_route_is_plain_text_and_needs_no_key(target: str, simulator: Simulator) -> None:
    """As the vendor's router answers."""
    async with aiohttp.ClientSession() as bare, bare.get(simulator.url + target) as answer:
        assert (answer.status, answer.content_type, await answer.text()) == (404, "text/plain", "404 page not found")


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({}, "", 401),
        ({"Authorization": "Bearer wrong"}, "", 401),
        ({"Authorization": "Bearer wrong"}, "?apiKey=demo-key", 401),
        ({"Authorization": "Basic demo-key"}, "", 401),
        ({}, "?apiKey=wrong", 401),
        ({}, "?apiKey=demo-key", 200),
        ({"Authorization": "bearer demo-key"}, "", 200),
    ],
)
async def test_the_key_is_checked(headers: dict[str, str], query: str, status: int, simulator: Simulator) -> None:
    """As a bearer or as apiKey=; refused calls are in the log, keys are not."""
    async with aiohttp.ClientSession(headers=headers) as asker:
        got, body = await get(asker, simulator, f"/v2/aggs/ticker/AAPL/prev{query}")
    assert got == status
    assert body["status"] == ("OK" if status == 200 else "ERROR")
    [call] = simulator.calls.calls()
    assert (call.status, call.target) == (status, "/v2/aggs/ticker/AAPL/prev")


async def test_an_unknown_ticker_has_no_bars_and_no_results_member(
    session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """An empty range is a success without `results`."""
    status, body = await get(session, simulator, "/v2/aggs/ticker/TSLAAPL/range/1/day/2025-01-01/2025-01-31")
    assert (status, body["resultsCount"], "results" in body) == (200, 0, False)
    status, body = await get(session, simulator, f"{RANGE}/1/day/2025-11-22/2025-11-23")
    assert (status, body["queryCount"], "results" in body) == (200, 0, False)


async def test_limit_counts_base_bars_and_withholds_what_does_not_fit(
    session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """100 minute bars make one hour bar (facts.md 1.4); the next page begins with the hour that was withheld."""
    status, body = await get(session, simulator, f"{RANGE}/1/hour/1763650800000/1763658000000?limit=100")
    assert (status, body["resultsCount"], body["queryCount"]) == (200, 1, 60)
    assert "/1763654400000/1763658000000?cursor=" in body["next_url"]


async def test_next_url_moves_the_state_into_the_path_and_names_no_key(simulator: Simulator) -> None:
    """Absolute, on the host that was called, with a cursor that spells limit and sort, and absent at the end."""
    seen: list[int] = []
    target = f"{RANGE}/1/day/2025-11-03/2025-11-14?apiKey=demo-key&limit=4"
    pages = 0
    async with aiohttp.ClientSession(headers={"Host": "vendor.example"}) as asker:
        while target:
            _, body = await get(asker, simulator, target)
            pages += 1
            seen += [bar["t"] for bar in body["results"]]
            target = ""
            if "next_url" in body:
                assert body["next_url"].startswith("http://vendor.example/v2/aggs/ticker/AAPL/range/1/day/17")
                assert "demo-key" not in body["next_url"]
                path, cursor = body["next_url"].removeprefix("http://vendor.example").split("?cursor=")
                assert path.endswith("/2025-11-14")
                assert base64.urlsafe_b64decode(cursor + "==").decode() == "limit=4&sort=asc"
                target = f"{path}?cursor={cursor}&apiKey=demo-key"
    assert (pages, len(seen), seen) == (3, 10, sorted(set(seen)))


async def test_an_exactly_full_last_page_has_no_next(session: aiohttp.ClientSession, simulator: Simulator) -> None:
    """No empty trailing page follows (facts.md 1.5)."""
    _, body = await get(session, simulator, f"{RANGE}/1/day/2025-11-03/2025-11-14?limit=10")
    assert (body["resultsCount"], "next_url" in body) == (10, False)


async def test_the_ticker_list_pins_its_date_in_the_cursor(
    session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """A chain begun today goes on as of today, though the clock moves on."""
    _, body = await get(session, simulator, "/v3/reference/tickers?limit=2")
    cursor = body["next_url"].split("cursor=")[1]
    pinned = base64.urlsafe_b64decode(cursor + "==").decode()
    assert pinned == "active=true&ap=2&date=2025-11-21&limit=2&order=asc&sort=ticker"
    simulator.freeze(NOW + 86_400)
    _, later = await get(session, simulator, f"/v3/reference/tickers?cursor={cursor}")
    assert {row["last_updated_utc"] for row in later["results"]} == {"2025-11-21T00:00:00Z"}


async def test_the_limit_is_a_sliding_window_and_recovers() -> None:
    """Five calls a minute; the sixth gets the vendor's 429, and one is free a minute after the first."""
    clock = ManualClock()
    async with simulated(clock, calls=5, per=60.0) as limited, aiohttp.ClientSession(headers=KEYED) as asker:
        statuses = []
        for _ in range(7):
            statuses.append((await get(asker, limited, "/v1/marketstatus/now"))[0])
            clock.shift(5.0)
        assert statuses == [200] * 5 + [429] * 2
        _, body = await get(asker, limited, "/v1/marketstatus/now")
        assert body["error"].startswith("You've exceeded the maximum requests per minute")
        clock.shift(25.0)
        assert [(await get(asker, limited, "/v1/marketstatus/now"))[0] for _ in range(2)] == [200, 429]
        assert limited.calls.total == 10
        assert limited.calls.busiest(60.0) == 9


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (f"{RANGE}/1/day/2025-11-21/2025-11-21", "Attempted to request today's data before end of day"),
        (f"{RANGE}/1/day/2020-01-02/2020-02-01", "Your plan doesn't include this data timeframe"),
        ("/v2/last/trade/AAPL", "You are not entitled to this data"),
        ("/v2/snapshot/locale/us/markets/stocks/tickers/AAPL", "You are not entitled to this data"),
    ],
)
async def test_the_free_plan_refuses_what_it_does_not_include(target: str, reason: str) -> None:
    """403 with the vendor's words; the message, not the status, tells the cases apart."""
    async with simulated(plan=Plan.BASIC) as basic, aiohttp.ClientSession(headers=KEYED) as asker:
        status, body = await get(asker, basic, target)
        assert (status, body["status"]) == (403, "NOT_AUTHORIZED")
        assert body["message"].startswith(reason)
        status, body = await get(asker, basic, f"{RANGE}/1/day/2025-11-19/2025-11-21")
        assert (status, body["resultsCount"]) == (200, 2)


async def test_headers_are_the_vendors_and_gzip_only_when_asked(
    session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """No validator and no freshness: facts.md 1.4."""
    target = f"{simulator.url}{RANGE}/1/day/2025-01-02/2025-06-30"
    async with session.get(target, headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        body = await packed.read()
    async with session.get(target, headers={"Accept-Encoding": "identity"}) as plain:
        assert await plain.read() == body
        names = {name.lower() for name in plain.headers}
    assert {"server", "date", "content-type", "x-request-id", "vary"} <= names
    assert not names & {"etag", "cache-control", "last-modified", "expires", "content-encoding"}


async def test_branding_links_lead_to_pictures_on_the_same_host(
    session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """The links in a ticker's details are absolute and answer with bytes."""
    _, body = await get(session, simulator, "/v3/reference/tickers/AAPL")
    branding = body["results"]["branding"]
    async with session.get(branding["icon_url"]) as icon, session.get(branding["logo_url"]) as logo:
        assert (icon.content_type, (await icon.read())[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
        assert (logo.content_type, (await logo.read())[:4]) == ("image/svg+xml", b"<svg")


async def test_unknown_tickers_are_items_of_a_universal_snapshot(
    session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """An error inside a success."""
    _, body = await get(session, simulator, "/v3/snapshot?ticker.any_of=AAPL,TSLAAPL")
    assert [(row["ticker"], row.get("error")) for row in body["results"]] == [("AAPL", None), ("TSLAAPL", "NOT_FOUND")]


async def test_today_grows_with_the_clock_and_only_by_whole_minutes(
    session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """Today's bar is made of the minutes that ended; the past stays."""
    target = f"{RANGE}/1/day/2025-11-20/2025-11-21"
    _, at_eleven = await get(session, simulator, target)
    simulator.freeze(NOW + 59)
    _, within = await get(session, simulator, target)
    simulator.freeze(NOW + 3600)
    _, at_noon = await get(session, simulator, target)
    assert at_eleven["results"] == within["results"]
    assert at_eleven["results"][0] == at_noon["results"][0]
    assert at_eleven["results"][1]["v"] < at_noon["results"][1]["v"]
    assert at_eleven["results"][1]["o"] == at_noon["results"][1]["o"]


async def test_examples_answer_the_routes_nothing_is_computed_for(tmp_path: Any) -> None:
    """A description given at run time; computed routes stay computed. A client that pages comes to an end."""
    example = {"status": "OK", "results": [{"ticker": "RAPP"}]}
    shown = {**example, "next_url": "https://api.massive.com/vX/reference/ipos?cursor=YXA9MQ"}
    answer = {"get": {"responses": {"200": {"content": {"application/json": {"example": shown}}}}}}
    described = {"paths": {"/vX/reference/ipos": answer, "/v2/aggs/ticker/{stocksTicker}/prev": answer}}
    path = tmp_path / "description.json"
    path.write_text(json.dumps(described))
    async with simulated(examples=path) as informed, aiohttp.ClientSession(headers=KEYED) as asker:
        assert (await get(asker, informed, "/vX/reference/ipos"))[1] == example
        assert (await get(asker, informed, "/v2/aggs/ticker/AAPL/prev"))[1] != example


@pytest.mark.parametrize(
    ("target", "member", "count"),
    [
        ("/v2/aggs/grouped/locale/us/market/stocks/2025-11-22", "results", 0),
        ("/v2/aggs/grouped/locale/global/market/crypto/2025-11-20", "results", 4),
        ("/v2/aggs/grouped/locale/global/market/fx/2025-11-20", "results", 5),
        ("/v2/snapshot/locale/global/markets/forex/tickers", "tickers", 5),
        ("/v2/snapshot/locale/global/markets/crypto/tickers?tickers=X:BTCUSD,AAPL", "tickers", 1),
        ("/v3/snapshot?type=indices", "results", 4),
        ("/v3/snapshot/options/SPY?contract_type=call&limit=250", "results", 28),
        ("/v3/quotes/C:EURUSD?limit=7", "results", 7),
        ("/v3/trades/X:BTC-USD?limit=7&timestamp.lte=2025-11-20T12:00:00Z", "results", 7),
        ("/v3/reference/tickers?market=fx", "results", 5),
        ("/v3/reference/tickers?search=btc", "results", 1),
        ("/v3/reference/tickers?active=false", "results", 0),
        ("/v3/reference/tickers?ticker.gte=V&market=stocks", "results", 4),
        ("/v3/reference/tickers?ticker=PLTR", "results", 1),
        ("/v3/reference/exchanges?asset_class=crypto", "results", 2),
        ("/v3/reference/conditions?id=12", "results", 1),
        ("/v3/reference/splits?ticker=AAPL&execution_date.gte=2014-01-01", "results", 2),
        ("/v3/reference/splits?ticker.any_of=AAPL,TSLA&limit=1000", "results", 6),
        ("/v3/reference/options/contracts?underlying_ticker=SPY&expired=true&limit=1000", "results", 56),
        ("/v3/reference/options/contracts?underlying_ticker=SPY&strike_price.lt=0", "results", 0),
        ("/vX/reference/financials?ticker=AAPL&limit=3", "results", 3),
        ("/v1/reference/sec/filings", "results", 10),
        ("/v1/reference/ipos", "results", 10),
        ("/options/v3/trades/O:SPY251219C00650000?limit=7", "results", 7),
        ("/options/v3/quotes/O:SPY251219C00650000?limit=7", "results", 7),
        ("/stocks/dev/trades/AAPL?limit=7", "results", 7),
        ("/crypto/v1/exchanges?asset_class=crypto", "results", 2),
    ],
)
async def test_lists_are_filtered_as_asked(
    target: str, member: str, count: int, session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """By market, by any field and by comparison; an empty list is a success."""
    status, body = await get(session, simulator, target)
    assert (status, len(body.get(member, []))) == (200, count)


@pytest.mark.parametrize(
    ("target", "head", "lines"),
    [
        (f"{RANGE}/1/day/2025-11-03/2025-11-07", "c,h,l,n,o,t,v,vw", 6),
        ("/v2/aggs/ticker/I:SPX/range/1/day/2025-11-03/2025-11-07", "c,h,l,o,t", 6),
        ("/v2/aggs/ticker/AAPL/prev", "T,c,h,l,n,o,t,v,vw", 2),
    ],
)
async def test_bars_come_as_a_table_when_asked_for(
    target: str, head: str, lines: int, session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """The same numbers as in JSON."""
    _, rows = await get(session, simulator, target)
    _, table = await get(session, simulator, target, headers={"Accept": "text/csv"})
    first, *others = table.splitlines()
    assert (first, len(others)) == (head, lines - 1)
    told = [dict(zip(head.split(","), line.split(","), strict=True)) for line in others]
    assert told == [{name: str(value) for name, value in row.items()} for row in rows["results"]]


@pytest.mark.parametrize("target", ["/v3/reference/tickers?active=false", f"{RANGE}/1/day/2025-11-08/2025-11-09"])
async def test_nothing_as_a_table_is_json(target: str, session: aiohttp.ClientSession, simulator: Simulator) -> None:
    """As whatever is not made of bars."""
    status, body = await get(session, simulator, target, headers={"Accept": "text/csv"})
    assert (status, body["status"]) == (200, "OK")


async def test_a_crypto_day_has_its_first_and_last_trades(session: aiohttp.ClientSession, simulator: Simulator) -> None:
    """Open and close are the prices of the trades beside them."""
    _, body = await get(session, simulator, "/v1/open-close/crypto/BTC/USD/2025-11-20")
    assert (body["open"], body["close"]) == (body["openTrades"][0]["p"], body["closingTrades"][0]["p"])
    assert (body["symbol"], body["isUTC"], body["day"]) == ("BTC-USD", True, "2025-11-20T00:00:00.000Z")


async def test_snapshots_are_cleared_in_the_night_and_refill(
    session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """At 03:30 in New York yesterday's day bar becomes the previous one (facts.md 1.2)."""
    target = "/v2/snapshot/locale/us/markets/stocks/tickers/AAPL"
    seen = []
    for hour in (3.4, 3.6, 4.5):  # of Friday
        simulator.freeze(NOW + (hour - 11) * 3600)
        _, body = await get(session, simulator, target)
        seen.append(body["ticker"])
    assert seen[0]["day"] == seen[1]["prevDay"] == seen[2]["prevDay"]
    assert [row["day"]["v"] > 0 for row in seen] == [True, False, True]


async def test_the_market_status_follows_the_instant(session: aiohttp.ClientSession, simulator: Simulator) -> None:
    """Early, regular and late hours, the night, and a Saturday."""
    words = []
    for hours in (-6, 0, 6, 10, 24):
        simulator.freeze(NOW + hours * 3600)
        _, body = await get(session, simulator, "/v1/marketstatus/now")
        words.append((body["market"], body["earlyHours"], body["afterHours"]))
    assert words == [
        ("extended-hours", True, False),
        ("open", False, False),
        ("extended-hours", False, True),
        ("closed", False, False),
        ("closed", False, False),
    ]


async def test_a_file_that_is_no_description_stops_the_start(tmp_path: Any) -> None:
    """Before anything listens."""
    path = tmp_path / "description.json"
    for text in ("no json", "[]", "{}"):
        path.write_text(text)
        with pytest.raises(ValueError, match="is not an OpenAPI description"):
            await start_simulator(SimulatorSettings(examples=path), SystemClock())


async def test_it_runs_until_it_is_told_to_leave() -> None:
    """What `simulate` does: announce the address, serve, stop."""
    told: asyncio.Queue[str] = asyncio.Queue()
    running = asyncio.create_task(run_simulator(SimulatorSettings(), SystemClock(), told.put_nowait))
    url = await asyncio.wait_for(told.get(), 5)
    async with aiohttp.ClientSession(headers=KEYED) as asker, asker.get(f"{url}/v1/marketstatus/now") as answer:
        assert answer.status == 200
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with aiohttp.ClientSession() as asker:
        with pytest.raises(aiohttp.ClientConnectionError):
            await asker.get(url)


def test_settings_do_not_show_the_key() -> None:
    """Whoever logs them logs no secret."""
    assert "secret-key" not in repr(SimulatorSettings(key="secret-key"))


async def test_the_switchboard_works_over_http(session: aiohttp.ClientSession, simulator: Simulator) -> None:
    """Faults put and cleared, the instant set and moved, calls read, all forgotten; bad rules are refused."""
    control = f"{simulator.url}/__simulator__"
    rule = {"kind": "status", "prefix": "/v1/", "params": {"status": 503, "retry_after": "7"}}
    async with session.post(f"{control}/faults", json=[rule]) as answer:
        assert answer.status == 200
    async with session.get(f"{simulator.url}/v1/marketstatus/now") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
    assert (await get(session, simulator, "/v2/aggs/ticker/AAPL/prev"))[0] == 200
    async with session.delete(f"{control}/faults") as answer:
        assert answer.status == 200
    async with session.post(f"{control}/clock", json={"at": NOW + 60}) as answer:
        assert (await answer.json())["now"] == NOW + 60
    async with session.post(f"{control}/clock", json={"advance": 30}) as answer:
        assert (await answer.json())["now"] == NOW + 90
    _, body = await get(session, simulator, "/v1/marketstatus/now")
    assert body["serverTime"] == "2025-11-21T11:01:30-05:00"
    _, state = await get(session, simulator, "/__simulator__/state")
    assert (state["calls"], state["statuses"]) == (3, {"200": 2, "503": 1})
    _, calls = await get(session, simulator, "/__simulator__/calls?prefix=/v1/")
    assert [(call["path"], call["status"]) for call in calls] == [
        ("/v1/marketstatus/now", 503),
        ("/v1/marketstatus/now", 200),
    ]
    async with session.post(f"{control}/reset") as answer:
        assert answer.status == 200
    assert simulator.calls.total == 0


@pytest.mark.parametrize(
    ("order", "posted", "says"),
    [
        ("faults", [{"kind": "nonsense"}], "$[0].kind"),
        ("faults", [{"kind": "html", "chance": 1}], "chance"),
        ("faults", {"kind": "html"}, "array"),
        ("faults", [{"kind": "html", "probability": 5}], "probability"),
        ("faults", [{"kind": "empty"}, {"kind": "html", "pattern": "("}], "$[1].pattern"),
        ("faults", [{"kind": "drip", "params": {"second": 1}}], "its parameters are: bytes, every"),
        ("faults", [{"kind": "reset", "params": {"seconds": 1}}], "its parameters are: none"),
        ("faults", [{"kind": "drip", "params": {"bytes": "many"}}], "$[0].params.bytes"),
        ("faults", [{"kind": "status", "params": {"status": 99}}], "from 200 to 599"),
        ("faults", [{"kind": "huge", "params": {"bytes": -1}}], "$[0].params.bytes"),
        ("faults", [{"kind": "limited", "params": {"retry_after": "1\r\nX: 1"}}], "printable ASCII"),
        ("clock", {"at": 1e30}, "Unix second"),
        ("clock", {"advance": -1e12}, "Unix second"),
        ("clock", {"at": "noon"}, "$.at"),
    ],
)
async def test_the_switchboard_refuses_what_would_break_every_call(
    order: str, posted: object, says: str, session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    """It says where and why, and what was in force stays so."""
    async with session.post(f"{simulator.url}/__simulator__/{order}", json=posted) as answer:
        assert answer.status == 400
        assert says in (await answer.json())["error"]
    _, state = await get(session, simulator, "/__simulator__/state")
    assert (state["faults"], state["now"]) == ([], NOW)
    assert (await get(session, simulator, "/v2/aggs/ticker/AAPL/prev"))[0] == 200


@pytest.mark.parametrize("window", ["abc", "-1", "0", "nan", "inf"])
async def test_a_window_without_a_length_is_refused(
    window: str, session: aiohttp.ClientSession, simulator: Simulator
) -> None:
    status, _ = await get(session, simulator, f"/__simulator__/state?window={window}")
    assert status == 400
