"""Every vendor route we know, as data: what its defaults, sets and limits are.

Sources: the vendor's description (89 paths, 58 routes once parameter names are normalised) and the routes its Python
clients of both names call. `endpoints.py` turns the rows into endpoints; nothing else reads them.

A default stands here only when the vendor documents it or its cursors show it, because a parameter that equals its
default is not sent. `junk` are parameters the official clients send that repeat a part of the path; `fixed` gives
the value where that part is a literal of the template.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Pairs = Mapping[str, str]

JSON = frozenset({"application/json"})
JSON_OR_CSV = frozenset({"application/json", "text/csv"})
ANY_FILE = frozenset({"application/*", "text/*"})  # declared as JSON, served as the filed document
IMAGES = frozenset({"image/*"})

_NONE: Pairs = {}
_SPLITS: Pairs = {"adjusted": "true"}
_NO_OTC: Pairs = {"include_otc": "false"}


class Route(NamedTuple):
    """One row of the table; the fields are those of `endpoints.Endpoint`."""

    name: str
    group: str
    template: str
    defaults: Pairs = _NONE
    max_limit: int | None = None
    paginated: bool = False
    media: frozenset[str] = JSON_OR_CSV
    sets: tuple[str, ...] = ()
    junk: tuple[str, ...] = ()
    fixed: Pairs = _NONE


def _grouped(name: str, locale: str, market: str, defaults: Pairs) -> Route:
    return Route(
        name,
        "grouped",
        f"/v2/aggs/grouped/locale/{locale}/market/{market}/{{date}}",
        defaults,
        junk=("locale", "market_type"),
        fixed={"locale": locale, "market_type": market},
    )


def _indicator(name: str, windows: Pairs) -> Route:
    shared = {"timespan": "day", "adjusted": "true", "series_type": "close", "expand_underlying": "false"}
    defaults = {**shared, **windows, "order": "desc", "limit": "10"}
    return Route(name, "indicator", f"/v1/indicators/{name}/{{ticker}}", defaults, 5000, True)


def _ticks(name: str) -> Route:
    defaults = {"order": "desc", "sort": "timestamp", "limit": "1000"}
    return Route(name, "ticks", f"/v3/{name}/{{ticker}}", defaults, 50_000, True)


def _listing(name: str, group: str, template: str, sort: str, max_limit: int, media: frozenset[str]) -> Route:
    return Route(name, group, template, {"sort": sort, "limit": "10"}, max_limit, True, media)


def _snapshots(name: str, template: str, *sets: str) -> Route:
    return _listing(name, "snap_v3", template, "ticker", 250, JSON)._replace(sets=sets)


def _pages(group: str, *templates: str) -> tuple[Route, ...]:
    """Return rows for routes of which no more is known than that they are paginated; the path gives the name."""
    return tuple(Route(_name_of(template), group, template, paginated=True) for template in templates)


def _name_of(template: str) -> str:
    words = [part for part in template.strip("/").replace("-", "_").lower().split("/") if not part.startswith("{")]
    return "_".join(words)


_US = "/v2/snapshot/locale/us/markets/stocks"
_CRYPTO = "/v2/snapshot/locale/global/markets/crypto"
_FOREX = "/v2/snapshot/locale/global/markets/forex"
_FILINGS = "/v1/reference/sec/filings"

DESCRIBED: tuple[Route, ...] = (
    Route(
        "bars",
        "bars",
        "/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}",
        {"adjusted": "true", "sort": "asc", "limit": "5000"},
        50_000,
        True,
    ),
    Route("prev", "prev", "/v2/aggs/ticker/{ticker}/prev", _SPLITS),
    _grouped("grouped_stocks", "us", "stocks", {**_SPLITS, **_NO_OTC}),
    _grouped("grouped_crypto", "global", "crypto", {**_SPLITS, **_NO_OTC}),
    _grouped("grouped_forex", "global", "fx", {**_SPLITS, **_NO_OTC}),
    Route("open_close", "openclose", "/v1/open-close/{ticker}/{date}", _SPLITS),
    Route("open_close_crypto", "openclose", "/v1/open-close/crypto/{from}/{to}/{date}", _SPLITS),
    _indicator("sma", {"window": "50"}),
    _indicator("ema", {"window": "50"}),
    _indicator("rsi", {"window": "14"}),
    _indicator("macd", {"short_window": "12", "long_window": "26", "signal_window": "9"}),
    _ticks("trades"),
    _ticks("quotes"),
    Route("historic_crypto", "ticks_old", "/v1/historic/crypto/{from}/{to}/{date}", media=JSON),
    Route("historic_forex", "ticks_old", "/v1/historic/forex/{from}/{to}/{date}", media=JSON),
    Route("historic_quotes", "ticks_old", "/v2/ticks/stocks/nbbo/{ticker}/{date}", media=JSON),
    Route("historic_trades", "ticks_old", "/v2/ticks/stocks/trades/{ticker}/{date}", media=JSON),
    Route("last_trade", "last", "/v2/last/trade/{ticker}"),
    Route("last_quote", "last", "/v2/last/nbbo/{ticker}"),
    Route("last_crypto", "last", "/v1/last/crypto/{from}/{to}"),
    Route("last_forex", "last", "/v1/last_quote/currencies/{from}/{to}"),
    Route("conversion", "conv", "/v1/conversion/{from}/{to}", {"amount": "1", "precision": "2"}),
    Route("snapshot_stocks", "snap_stk", f"{_US}/tickers", _NO_OTC, sets=("tickers",)),
    Route("snapshot_stock", "snap_stk", f"{_US}/tickers/{{ticker}}"),
    Route("snapshot_stocks_movers", "snap_stk", f"{_US}/{{direction}}", _NO_OTC),
    Route("snapshot_cryptos", "snap_cc", f"{_CRYPTO}/tickers", _NO_OTC, sets=("tickers",)),
    Route("snapshot_crypto", "snap_cc", f"{_CRYPTO}/tickers/{{ticker}}"),
    Route("snapshot_crypto_book", "snap_cc", f"{_CRYPTO}/tickers/{{ticker}}/book"),
    Route("snapshot_crypto_movers", "snap_cc", f"{_CRYPTO}/{{direction}}", _NO_OTC),
    Route("snapshot_forexes", "snap_cc", f"{_FOREX}/tickers", _NO_OTC, sets=("tickers",)),
    Route("snapshot_forex", "snap_cc", f"{_FOREX}/tickers/{{ticker}}"),
    Route("snapshot_forex_movers", "snap_cc", f"{_FOREX}/{{direction}}", _NO_OTC),
    Route("summaries", "snap_v3", "/v1/summaries", media=JSON, sets=("ticker.any_of",)),
    _snapshots("snapshot", "/v3/snapshot", "ticker.any_of"),
    _snapshots("snapshot_indices", "/v3/snapshot/indices", "ticker.any_of"),
    _snapshots("snapshot_chain", "/v3/snapshot/options/{underlying}"),
    Route("snapshot_option", "snap_v3", "/v3/snapshot/options/{underlying}/{ticker}", paginated=True),
    Route("market_now", "mkt_now", "/v1/marketstatus/now", media=JSON),
    Route("market_upcoming", "mkt_up", "/v1/marketstatus/upcoming", media=JSON),
    Route(
        "tickers",
        "tickers",
        "/v3/reference/tickers",
        {"active": "true", "order": "asc", "sort": "ticker", "limit": "100"},
        1000,
        True,
    ),
    Route("ticker", "ticker", "/v3/reference/tickers/{ticker}", junk=("ticker",)),
    Route("ticker_types", "types", "/v3/reference/tickers/types"),
    _listing("conditions", "types", "/v3/reference/conditions", "asset_class", 1000, JSON_OR_CSV),
    Route("exchanges", "types", "/v3/reference/exchanges"),
    _listing("dividends", "corp", "/v3/reference/dividends", "ex_dividend_date", 1000, JSON_OR_CSV),
    Route(
        "splits",
        "corp",
        "/v3/reference/splits",
        {"order": "desc", "sort": "execution_date", "limit": "10"},
        1000,
        True,
    ),
    _listing("contracts", "contracts", "/v3/reference/options/contracts", "ticker", 1000, JSON_OR_CSV),
    Route("contract", "contracts", "/v3/reference/options/contracts/{ticker}"),
    _listing("news", "news", "/v2/reference/news", "published_utc", 1000, JSON_OR_CSV),
    Route("related", "related", "/v1/related-companies/{ticker}", media=JSON, junk=("ticker",)),
    Route(
        "financials",
        "fund",
        "/vX/reference/financials",
        {"include_sources": "false", "sort": "period_of_report_date", "limit": "10"},
        100,
        True,
        JSON,
    ),
    Route(
        "ipos",
        "fund",
        "/vX/reference/ipos",
        {"order": "desc", "sort": "listing_date", "limit": "10"},
        1000,
        True,
        JSON,
    ),
    Route(
        "taxonomies", "fund", "/vX/reference/tickers/taxonomies", {"limit": "10"}, 250, True, JSON, ("ticker.any_of",)
    ),
    Route("ticker_events", "fund", "/vX/reference/tickers/{id}/events", media=JSON, sets=("types",)),
    _listing("filings", "sec", _FILINGS, "filing_date", 1000, JSON),
    Route("filing", "sec", f"{_FILINGS}/{{filing_id}}", media=JSON),
    _listing("filing_files", "sec", f"{_FILINGS}/{{filing_id}}/files", "sequence", 1000, JSON),
    Route("filing_file", "sec", f"{_FILINGS}/{{filing_id}}/files/{{file_id}}", media=ANY_FILE),
)

# Routes the vendor's description lacks. Their defaults and limits are not documented in what we have: none are assumed.
CALLED_BY_CLIENTS: tuple[Route, ...] = (
    *(
        row
        for version in ("v1", "vX")
        for row in (
            *_pages("futures_bars", f"/futures/{version}/aggs/{{ticker}}"),
            *_pages("ticks", f"/futures/{version}/trades/{{ticker}}", f"/futures/{version}/quotes/{{ticker}}"),
            *_pages("snap_v3", f"/futures/{version}/snapshot"),
            *_pages("mkt_now", f"/futures/{version}/market-status"),
            *_pages(
                "futures_ref",
                f"/futures/{version}/contracts",
                f"/futures/{version}/products",
                f"/futures/{version}/schedules",
            ),
        )
    ),
    *_pages("futures_ref", "/futures/v1/exchanges"),
    Route("futures_vx_contract", "futures_ref", "/futures/vX/contracts/{ticker}"),
    Route("futures_vx_product", "futures_ref", "/futures/vX/products/{product_code}"),
    *_pages("futures_ref", "/futures/vX/products/{product_code}/schedules"),
    *_pages("ticks", "/options/v3/trades/{ticker}", "/options/v3/quotes/{ticker}", "/stocks/dev/trades/{ticker}"),
    *_pages("types", *(f"/{market}/v1/exchanges" for market in ("stocks", "options", "forex", "crypto"))),
    *_pages("corp", "/stocks/v1/splits", "/stocks/v1/dividends"),
    *_pages("shares", "/stocks/v1/short-interest", "/stocks/v1/short-volume", "/stocks/vX/float"),
    *_pages(
        "fund",
        "/stocks/financials/v1/balance-sheets",
        "/stocks/financials/v1/cash-flow-statements",
        "/stocks/financials/v1/income-statements",
        "/stocks/financials/v1/ratios",
        "/stocks/taxonomies/vX/disclosures",
        "/stocks/taxonomies/vX/risk-factors",
        "/v1/reference/ipos",
    ),
    *_pages(
        "sec",
        "/stocks/filings/10-K/vX/sections",
        "/stocks/filings/10-K/vX_0/sections",
        "/stocks/filings/8-K/vX/disclosures",
        "/stocks/filings/8-K/vX/text",
        "/stocks/filings/vX/13-F",
        "/stocks/filings/vX/form-3",
        "/stocks/filings/vX/form-4",
        "/stocks/filings/vX/index",
        "/stocks/filings/vX/risk-factors",
    ),
    *_pages(
        "economy",
        "/fed/v1/funding-conditions",
        "/fed/v1/inflation",
        "/fed/v1/inflation-expectations",
        "/fed/v1/labor-market",
        "/fed/v1/treasury-yields",
    ),
    *_pages("news", "/benzinga/v1/news", "/benzinga/v2/news"),
    *_pages(
        "ratings",
        "/benzinga/v1/analyst-insights",
        "/benzinga/v1/analysts",
        "/benzinga/v1/bulls-bears-say",
        "/benzinga/v1/consensus-ratings/{ticker}",
        "/benzinga/v1/earnings",
        "/benzinga/v1/firms",
        "/benzinga/v1/guidance",
        "/benzinga/v1/ratings",
    ),
    *_pages(
        "partner",
        "/etf-global/v1/analytics",
        "/etf-global/v1/constituents",
        "/etf-global/v1/fund-flows",
        "/etf-global/v1/profiles",
        "/etf-global/v1/taxonomies",
        "/tmx/v1/corporate-events",
        "/consumer-spending/eu/v1/merchant-aggregates",
        "/consumer-spending/eu/v1/merchant-hierarchy",
    ),
    Route("branding", "branding", "/v1/reference/company-branding/{company}/images/{file}", media=IMAGES),
)
