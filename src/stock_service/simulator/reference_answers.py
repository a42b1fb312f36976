"""Answers about tickers: lists, details, branding, related companies, name changes, news, codes.

Everything is drawn from the ticker's spelling. Names, addresses and articles are invented and say so.
"""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, date, datetime, timedelta

from stock_service.simulator.ask import Ask, Raw, not_found
from stock_service.simulator.codes import CONDITIONS, EXCHANGES, TICKER_TYPES
from stock_service.simulator.dice import roll, share
from stock_service.simulator.instruments import Instrument, instrument_of
from stock_service.simulator.listing import Listing, Row, page_rows
from stock_service.simulator.sessions import Market, ordinal_at
from stock_service.simulator.world import World, known

_ETFS = frozenset({"QQQ", "SPY"})
_ARTICLES = 40
_ONE_PIXEL_PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU"
    b"\x00\x00\x00\nIDATx\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)


def name_of(ticker: str) -> str:
    """An invented name."""
    return f"{ticker.partition(':')[2] or ticker} (simulated)"


def tickers(world: World, ask: Ask) -> object:
    """`/v3/reference/tickers`; the date it defaults to is pinned in the cursor."""
    today = date.fromordinal(ordinal_at(Market.STOCKS, ask.now_ms)).isoformat()
    asked = ask.resumed().params
    found = [instrument_of(ticker) for ticker in sorted({*world.universe, asked.get("ticker", "")})]
    search = asked.get("search", "").lower()
    rows = [_listed(instrument, asked.get("date") or today) for instrument in found if instrument is not None]
    rows = [row for row in rows if search in str(row["name"]).lower()]
    if asked.get("active", "true").lower() == "false":
        rows = []
    pinned = {"date": today, "active": "true"}
    return page_rows(ask, rows, Listing(limit=100, sort="ticker", pinned=pinned))


def ticker_details(world: World, ask: Ask, ticker: str) -> object:
    """`/v3/reference/tickers/{ticker}`; logo and icon are absolute links to this host."""
    instrument = known(ticker)
    today = date.fromordinal(ordinal_at(Market.STOCKS, ask.now_ms)).isoformat()
    row = dict(_listed(instrument, today))
    if instrument.market is Market.STOCKS:
        shares = 10_000_000 + roll("shares", ticker) % 5_000_000_000
        state = world.state(instrument, ask.now_ms)
        site = f"www.{ticker.lower()}.example"
        folder = base64.urlsafe_b64encode(site.encode()).decode().rstrip("=")
        images = f"{ask.origin}/v1/reference/company-branding/{folder}/images/{today}"
        row |= {
            "address": {"address1": "1 Simulation Way", "city": "Springfield", "postal_code": "00000", "state": "NY"},
            "branding": {"icon_url": f"{images}_icon.png", "logo_url": f"{images}_logo.svg"},
            "description": f"{ticker} is simulated. Nothing here describes a real company.",
            "homepage_url": f"https://{site}",
            "list_date": date.fromordinal(725_000 + roll("listed", ticker) % 6_000).isoformat(),
            "market_cap": 0.0 if state is None else round(shares * state.price, 2),
            "phone_number": "(555) 010-0000",
            "round_lot": 100,
            "share_class_shares_outstanding": shares,
            "sic_code": "3571",
            "sic_description": "SIMULATED",
            "ticker_root": ticker,
            "total_employees": 100 + roll("employees", ticker) % 200_000,
            "weighted_shares_outstanding": shares,
        }
    return {"status": "OK", "request_id": ask.request_id, "results": row}


def branding(world: World, ask: Ask, folder: str, image: str) -> object:  # noqa: ARG001 - one shape of answers
    """`/v1/reference/company-branding/{folder}/images/{image}`"""
    if image.endswith(".png"):
        return Raw("image/png", _ONE_PIXEL_PNG)
    if image.endswith(".svg"):
        hue = zlib.crc32(folder.encode()) % 360
        shape = f'<rect width="8" height="8" fill="hsl({hue},50%,50%)"/>'
        return Raw("image/svg+xml", f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">{shape}</svg>'.encode())
    raise not_found("Image not found.")


def ticker_types(world: World, ask: Ask) -> object:
    """`/v3/reference/tickers/types`"""
    return _whole(world, ask, TICKER_TYPES)


def exchanges(world: World, ask: Ask) -> object:
    """`/v3/reference/exchanges`"""
    return _whole(world, ask, EXCHANGES)


def conditions(world: World, ask: Ask) -> object:  # noqa: ARG001 - every answer has the same arguments
    """`/v3/reference/conditions`"""
    return page_rows(ask, CONDITIONS, Listing(limit=10, sort="id"))


def related(world: World, ask: Ask, ticker: str) -> object:
    """`/v1/related-companies/{ticker}`"""
    known(ticker)
    others = sorted((roll("related", ticker, other.ticker), other.ticker) for other in world.listed(Market.STOCKS))
    rows = [{"ticker": other} for _, other in others if other != ticker][:10]
    return {"status": "OK", "request_id": ask.request_id, "ticker": ticker, "results": rows}


def events(world: World, ask: Ask, ticker: str) -> object:  # noqa: ARG001 - every answer has the same arguments
    """`/vX/reference/tickers/{id}/events`"""
    known(ticker)
    listed = date.fromordinal(725_000 + roll("listed", ticker) % 6_000).isoformat()
    changes = [{"date": listed, "ticker_change": {"ticker": ticker}, "type": "ticker_change"}]
    if ticker == "META":
        changes = [
            {"date": "2022-06-09", "ticker_change": {"ticker": "META"}, "type": "ticker_change"},
            {"date": "2012-05-18", "ticker_change": {"ticker": "FB"}, "type": "ticker_change"},
        ]
    row = {
        "name": name_of(ticker),
        "composite_figi": _figi("composite", ticker),
        "cik": _cik(ticker),
        "events": changes,
    }
    return {"status": "OK", "request_id": ask.request_id, "results": row}


def news(world: World, ask: Ask) -> object:
    """`/v2/reference/news`: one article an hour, each about one ticker."""
    asked = ask.resumed().params
    wanted = asked.get("ticker")
    stocks = [wanted] if wanted else [instrument.ticker for instrument in world.listed(Market.STOCKS)]
    newest = ask.now_ms // 3_600_000
    rows = [_article(stocks, hour) for hour in range(newest, newest - _ARTICLES, -1)]
    return page_rows(ask, rows, Listing(limit=10, sort="published_utc", order="desc"))


def _article(stocks: list[str], hour: int) -> Row:
    ticker = stocks[roll("news", hour) % len(stocks)]
    published = datetime.fromtimestamp(hour * 3600, UTC) + timedelta(seconds=roll("minute", hour) % 3600)
    link = f"https://news.example/{hour}"
    feeling = ("positive", "neutral", "negative")[hour % 3]
    return {
        "id": f"{roll('article', hour, ticker):016x}",
        "publisher": {"name": "Simulated Wire", "homepage_url": "https://news.example/"},
        "title": f"Nothing happened to {ticker}",
        "author": "The Simulator",
        "published_utc": published.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "article_url": link,
        "image_url": f"{link}.jpg",
        "tickers": [ticker],
        "description": "An article without content.",
        "keywords": ["simulation"],
        "insights": [{"ticker": ticker, "sentiment": feeling, "sentiment_reasoning": "Drawn by lot."}],
    }


def _listed(instrument: Instrument, day: str) -> Row:
    market, ticker = instrument.market, instrument.ticker
    row: dict[str, object] = {"ticker": ticker, "name": name_of(ticker), "market": market.value, "active": True}
    row |= {"locale": "us" if market in (Market.STOCKS, Market.INDICES) else "global"}
    row |= {"last_updated_utc": f"{day}T00:00:00Z", "currency_name": "usd"}
    if market is Market.STOCKS:
        row |= {"type": "ETF" if ticker in _ETFS else "CS", "cik": _cik(ticker)}
        row |= {"primary_exchange": "XNAS" if share("exchange", ticker) < 0.5 else "XNYS"}
        row |= {"composite_figi": _figi("composite", ticker), "share_class_figi": _figi("class", ticker)}
    if market in (Market.CRYPTO, Market.FX):
        base, quoted = ticker[2:-3], ticker[-3:]
        row |= {"base_currency_symbol": base, "base_currency_name": base, "currency_symbol": quoted}
        row |= {"currency_name": quoted}
    return row


def _whole(world: World, ask: Ask, rows: tuple[Row, ...]) -> object:  # noqa: ARG001 - one shape of answers
    wanted = {name: ask.params[name] for name in ("asset_class", "locale") if ask.params.get(name)}
    found = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
    return {"status": "OK", "request_id": ask.request_id, "count": len(found), "results": found}


def _cik(ticker: str) -> str:
    return f"{roll('cik', ticker) % 10**7:010d}"


def _figi(kind: str, ticker: str) -> str:
    return f"BBG{roll(kind, ticker) % 36**9:09X}"[:12]
