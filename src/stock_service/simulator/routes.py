"""Which path is answered by what: the vendor's routes, top to bottom, first fit wins.

Every method of the official clients has a row or falls to the feeds; a path of no known family is no route at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from stock_service.simulator import (
    bars_answers,
    calendar_answers,
    corporate_answers,
    feeds,
    indicator_answers,
    reference_answers,
    snapshot_answers,
    tick_answers,
)
from stock_service.simulator.ask import Ask, NoSuchRoute
from stock_service.simulator.world import World

Handler = Callable[..., object]


@dataclass(frozen=True, slots=True)
class _Route:
    pattern: re.Pattern[str]
    handler: Handler


def _route(template: str, handler: Handler) -> _Route:
    """A template's `{}` is one part of the path, `{a|b}` one of a few words; each an argument unless it begins `?`."""
    pieces = re.split(r"\{([^}]*)\}", template)
    pattern = re.escape(pieces[0])
    for words, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        pattern += f"(?:{words[1:] or '[^/]+'})" if words.startswith("?") else f"({words or '[^/]+'})"
        pattern += re.escape(literal)
    return _Route(re.compile(pattern), handler)


_FEEDS = "benzinga|consumer-spending|etf-global|fed|futures|tmx"

_ROUTES = (
    _route("/v2/aggs/ticker/{}/range/{}/{}/{}/{}", bars_answers.bars_in_range),
    _route("/v2/aggs/ticker/{}/prev", bars_answers.previous_bar),
    _route("/v2/aggs/grouped/locale/us/market/stocks/{}", bars_answers.grouped_stocks),
    _route("/v2/aggs/grouped/locale/global/market/{crypto|fx}/{}", bars_answers.grouped_global),
    _route("/v1/open-close/crypto/{}/{}/{}", bars_answers.open_close_crypto),
    _route("/v1/open-close/{}/{}", bars_answers.open_close),
    _route("/v1/indicators/sma/{}", indicator_answers.sma),
    _route("/v1/indicators/ema/{}", indicator_answers.ema),
    _route("/v1/indicators/rsi/{}", indicator_answers.rsi),
    _route("/v1/indicators/macd/{}", indicator_answers.macd),
    _route("/{?v3|options/v3|stocks/dev}/trades/{}", tick_answers.trades),
    _route("/{?v3|options/v3}/quotes/{}", tick_answers.quotes),
    _route("/v2/last/trade/{}", tick_answers.last_trade),
    _route("/v2/last/nbbo/{}", tick_answers.last_quote),
    _route("/v1/last/crypto/{}/{}", tick_answers.last_crypto),
    _route("/v1/last_quote/currencies/{}/{}", tick_answers.last_currency),
    _route("/v1/conversion/{}/{}", tick_answers.conversion),
    _route("/v1/historic/{?crypto|forex}/{?}/{?}/{?}", tick_answers.retired),
    _route("/v2/ticks/stocks/{?nbbo|trades}/{?}/{?}", tick_answers.retired),
    _route("/v2/snapshot/locale/global/markets/crypto/tickers/{}/book", snapshot_answers.crypto_book),
    _route("/v2/snapshot/locale/{?us|global}/markets/{stocks|crypto|forex}/tickers/{}", snapshot_answers.one),
    _route("/v2/snapshot/locale/{?us|global}/markets/{stocks|crypto|forex}/tickers", snapshot_answers.several),
    _route("/v2/snapshot/locale/{?us|global}/markets/{stocks|crypto|forex}/{gainers|losers}", snapshot_answers.movers),
    _route("/v3/snapshot/indices", snapshot_answers.indices),
    _route("/v3/snapshot/options/{}/{}", snapshot_answers.option),
    _route("/v3/snapshot/options/{}", snapshot_answers.option_chain),
    _route("/v3/snapshot", snapshot_answers.universal),
    _route("/v1/summaries", snapshot_answers.summaries),
    _route("/v1/marketstatus/now", calendar_answers.status_now),
    _route("/v1/marketstatus/upcoming", calendar_answers.status_upcoming),
    _route("/v3/reference/tickers/types", reference_answers.ticker_types),
    _route("/v3/reference/tickers/{}", reference_answers.ticker_details),
    _route("/v3/reference/tickers", reference_answers.tickers),
    _route("/{?v3/reference|(?:stocks|options|forex|crypto)/v1}/exchanges", reference_answers.exchanges),
    _route("/v3/reference/conditions", reference_answers.conditions),
    _route("/v3/reference/splits", corporate_answers.splits_old),
    _route("/v3/reference/dividends", corporate_answers.dividends_old),
    _route("/stocks/v1/splits", corporate_answers.splits),
    _route("/stocks/v1/dividends", corporate_answers.dividends),
    _route("/v3/reference/options/contracts/{}", corporate_answers.contract),
    _route("/v3/reference/options/contracts", corporate_answers.contracts),
    _route("/v2/reference/news", reference_answers.news),
    _route("/v1/related-companies/{}", reference_answers.related),
    _route("/v1/reference/company-branding/{}/images/{}", reference_answers.branding),
    _route("/vX/reference/tickers/{}/events", reference_answers.events),
    _route("/vX/reference/financials", corporate_answers.financials),
    _route("/futures/{v1|vX}/snapshot", feeds.futures_snapshot),
    _route(f"/{{(?:{_FEEDS})/[^/]+/.+|stocks/[^/]+/.+}}", feeds.feed),
    _route("/{v[1X]/reference/ipos|vX/reference/tickers/taxonomies|v1/reference/sec/filings(?:/[^/]+)*}", feeds.feed),
)


def answer_to(world: World, ask: Ask) -> object:
    """What the vendor answers. Raises Refusal for an error it states, NoSuchRoute for a path it does not have."""
    for route in _ROUTES:
        found = route.pattern.fullmatch(ask.path)
        if found is not None:
            return route.handler(world, ask, *found.groups())
    raise NoSuchRoute


def is_route(path: str) -> bool:
    """Whether the vendor has that path."""
    return any(route.pattern.fullmatch(path) for route in _ROUTES)
