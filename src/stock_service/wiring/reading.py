"""Puts together what answers a question: what keeps answers, who asks the vendor, and the chores beside them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from stock_service.base.clock import Clock
from stock_service.base.events import Observer
from stock_service.cache.flight import Flights
from stock_service.cache.memory import Memory
from stock_service.cache.outdated import Outdated
from stock_service.cache.policy import Policy
from stock_service.cache.series_store import SeriesStore
from stock_service.config.sections import Settings
from stock_service.market.calendar import Calendar
from stock_service.reads.bars_source import BarsSource
from stock_service.reads.fleet import Alone
from stock_service.reads.market_news import MarketNews, NewsSettings
from stock_service.reads.purge import Purge
from stock_service.reads.read_path import Landed, ReadPath, ReadSettings
from stock_service.reads.rolled_source import RolledSource
from stock_service.reads.sources import FleetSource, Source, VendorSource
from stock_service.upstream.call import Upstream
from stock_service.upstream.pacer import Pacer
from stock_service.upstream.slots import LocalSlots
from stock_service.vendor.links import vendor_origins
from stock_service.wiring.recording import make_answering
from stock_service.wiring.translate import policy_settings, upstream_settings
from stock_service.wiring.warm import make_warmer

if TYPE_CHECKING:
    from stock_service.wiring.disk import Disk
    from stock_service.wiring.shared import Shared

_SERIES_SHARE = 0.5  # of the cache's bytes: bars by ticker and span, beside whole answers


class Reading:
    """The parts that answer questions, from memory to the vendor. Opens nothing.

    Raises:
        RecordingFaulty: the folder of recorded answers cannot be used.
        TickersFaulty: the file of tickers to keep ready cannot be used.
    """

    def __init__(self, settings: Settings, clock: Clock, observer: Observer) -> None:
        self._settings = settings
        self._clock = clock
        self._observer = observer
        self._outdated = Outdated()
        self.origins = vendor_origins(settings.upstream.url)
        self.calendar = Calendar()
        for_series = int(settings.cache.max_bytes * _SERIES_SHARE)
        self.memory = Memory(settings.cache.max_bytes - for_series)
        self.series = SeriesStore(for_series)
        self.flights: Flights[Landed] = Flights(clock)
        self._answering = make_answering(settings, upstream_settings(settings).client, clock, observer)
        self.market_clock = self._answering.market_clock
        self._purge = Purge(self.memory, self.series, self._outdated, self.market_clock)
        self.shared = self._make_shared()
        self._fleet = Alone() if self.shared is None else self.shared.fleet
        self.purges = self._purge if self.shared is None else self.shared.purges
        self.upstream = self._make_upstream()
        self._policy = Policy(self.calendar, policy_settings(settings))
        self.vendor = self._make_vendor()
        self.bars = self._make_bars()
        self.warmer = make_warmer(
            settings,
            bars=self.bars,
            whole=self.vendor,
            store=self.series,
            policy=self._policy,
            calendar=self.calendar,
            clock=clock,
            observer=observer,
        )
        self.reads = self._make_reads()
        self.news = self._make_news()

    def _make_shared(self) -> Shared | Disk | None:
        # Loaded where it is used: the client of a server takes 0.1 s to import.
        if self._settings.shared.url:
            from stock_service.wiring.shared import make_shared  # noqa: PLC0415

            return make_shared(self._settings, self.origins, self._purge, self._clock, self._observer)
        if self._settings.cache.dir:
            from stock_service.wiring.disk import make_disk  # noqa: PLC0415

            return make_disk(self._settings, self.origins, self._purge, self._clock, self._observer)
        return None

    def _make_upstream(self) -> Upstream:
        settings = upstream_settings(self._settings)
        common = None if self.shared is None else self.shared.slots
        slots = LocalSlots(Pacer(settings.pacer), self._clock) if common is None else common
        return Upstream(settings, self._answering.client, slots, self._clock, self._observer)

    def _make_vendor(self) -> Source:
        vendor = VendorSource(self.upstream, self._policy, self.market_clock)
        return vendor if self.shared is None else FleetSource(vendor, self._fleet, self._outdated)

    def _make_bars(self) -> BarsSource:
        return BarsSource(
            store=self.series,
            beyond=self.vendor,
            upstream=self.upstream,
            gaps=Flights(self._clock),
            policy=self._policy,
            calendar=self.calendar,
            clock=self.market_clock,
            link_origin=self._settings.upstream.url,
            fleet=self._fleet,
            outdated=self._outdated,
        )

    def _rolling(self, beyond: BarsSource) -> Source:
        """Return `beyond`, with longer bars made of shorter ones in front of it if the operator wants that."""
        if not self._settings.cache.rollup:
            return beyond
        link_origin = self._settings.upstream.url
        return RolledSource(
            store=self.series, beyond=beyond, policy=self._policy, clock=self.market_clock, link_origin=link_origin
        )

    def _make_reads(self) -> ReadPath:
        return ReadPath(
            memory=self.memory,
            flights=self.flights,
            source=self._rolling(self.bars),
            clock=self.market_clock,
            observer=self._observer,
            settings=ReadSettings(self._settings.server.request_timeout, self.origins),
            jitter=random.random,
            outdated=self._outdated,
        )

    def _make_news(self) -> MarketNews:
        return MarketNews(
            source=self.vendor,
            calendar=self.calendar,
            purge=self._purge,
            clock=self.market_clock,
            observer=self._observer,
            kept=self._keeps_anything,
            settings=NewsSettings(self._settings.server.request_timeout, self.origins),
        )

    def _keeps_anything(self) -> bool:
        """Say whether the market's news concern us: not while nothing is kept, and not in a recording."""
        return not self._settings.upstream.replay_dir and len(self.series) + self.memory.entries > 0
