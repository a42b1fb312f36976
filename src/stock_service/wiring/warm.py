"""Makes the chore that keeps bars ready, if there are any to keep ready."""

from __future__ import annotations

from pathlib import Path

from stock_service.base.clock import Clock
from stock_service.base.events import Observer
from stock_service.cache.policy import Policy
from stock_service.cache.series_store import SeriesStore
from stock_service.cache.wishes import read_tickers
from stock_service.config.sections import Settings
from stock_service.market.calendar import Calendar
from stock_service.reads.bars_source import BarsSource
from stock_service.reads.market_days import MarketDays
from stock_service.reads.sources import Source
from stock_service.reads.warm import Warmer, WarmSettings
from stock_service.wiring.translate import policy_settings


def make_warmer(
    settings: Settings,
    *,
    bars: BarsSource,
    whole: Source,
    store: SeriesStore,
    policy: Policy,
    calendar: Calendar,
    clock: Clock,
    observer: Observer,
) -> Warmer | None:
    """Return the chore, or None when nothing is to be kept ready. `whole` answers for the market as a whole.

    Raises:
        TickersFaulty: the file of tickers cannot be used.
    """
    section = settings.warm
    listed = read_tickers(Path(section.tickers_file)) if section.tickers_file else ()
    tickers = tuple(dict.fromkeys((*section.tickers, *listed)))
    if not tickers:
        return None
    return Warmer(
        WarmSettings(tickers, section.bars, policy_settings(settings).entitlement),
        bars=bars,
        days=MarketDays(
            source=whole, store=store, make_room=bars.make_room, policy=policy, calendar=calendar, clock=clock
        ),
        evictions=lambda: store.evictions,
        calendar=calendar,
        clock=clock,
        observer=observer,
    )
