"""Puts the parts together. Passes settings, clock and observer down, and knows nothing about what the parts do."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from ipaddress import ip_network
from typing import TYPE_CHECKING

from stock_service import __version__
from stock_service.base.clock import Clock
from stock_service.base.events import BreakerOverridden, Broadcast, Observer
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
from stock_service.reads.quality_desk import QualityDesk
from stock_service.reads.questions import Questions
from stock_service.reads.quote_desk import QuoteDesk
from stock_service.reads.read_path import Landed, ReadPath, ReadSettings
from stock_service.reads.rolled_source import RolledSource
from stock_service.reads.sources import Source, VendorSource
from stock_service.telemetry.counters import Counters
from stock_service.telemetry.metrics import Exporter
from stock_service.upstream.breaker import Override
from stock_service.upstream.call import Upstream
from stock_service.upstream.pacer import Pacer
from stock_service.upstream.slots import LocalSlots
from stock_service.vendor.links import vendor_origins
from stock_service.web.admin import Admin
from stock_service.web.api import Api
from stock_service.web.app import App, RequestIds
from stock_service.web.doorkeeper import Doorkeeper
from stock_service.web.drain import Drain
from stock_service.web.gateway import Gateway
from stock_service.web.hit_protocol import make_protocol
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import Lookup
from stock_service.web.openapi import openapi_document
from stock_service.web.ops import Ops
from stock_service.web.routes import Part
from stock_service.wiring.access import make_access
from stock_service.wiring.recording import make_answering
from stock_service.wiring.service import Service
from stock_service.wiring.translate import (
    closed_sets,
    connection_limits,
    pacer_settings,
    policy_settings,
    route_of,
    upstream_settings,
)
from stock_service.wiring.views import Views
from stock_service.wiring.warm import make_warmer

if TYPE_CHECKING:
    from stock_service.wiring.disk import Disk
    from stock_service.wiring.shared import Shared


def build_service(settings: Settings, log: Observer, log_dropped: Callable[[], int], clock: Clock) -> Service:
    """Return the service these settings describe. Opens nothing; call it on the event loop that will run it.

    Raises:
        KeysFaulty: the keys file cannot be used.
        RecordingFaulty: the folder of recorded answers cannot be used.
        TickersFaulty: the file of tickers to keep ready cannot be used.
    """
    return _Builder(settings, log, log_dropped, clock).build()


_SERIES_SHARE = 0.5  # of the cache's bytes: bars by ticker and span, beside whole answers


class _Lever:
    """The breakers, as the admin route moves them: in words, and leaving a line in the log."""

    def __init__(self, upstream: Upstream, observer: Observer) -> None:
        self._upstream = upstream
        self._observer = observer

    def override(self, mode: str, by: str) -> None:
        self._upstream.override(Override(mode), by)

    def reset(self, by: str) -> None:
        self._upstream.reset()
        self._observer.notify(BreakerOverridden("reset", by))


class _Builder:
    """The parts while they are put together."""

    def __init__(self, settings: Settings, log: Observer, log_dropped: Callable[[], int], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._log_dropped = log_dropped
        self._counters = Counters(closed_sets())
        self._observer = Broadcast(self._counters, log)
        self._date = HttpDate(clock)
        self._trusted = tuple(ip_network(each) for each in settings.server.trusted_proxies)
        self._drain = Drain()
        self._calendar = Calendar()
        self._origins = vendor_origins(settings.upstream.url)
        for_series = int(settings.cache.max_bytes * _SERIES_SHARE)
        self._memory = Memory(settings.cache.max_bytes - for_series)
        self._series = SeriesStore(for_series)
        self._flights: Flights[Landed] = Flights(clock)
        self._outdated = Outdated()
        self._lookup = Lookup()
        self._shared = self._make_shared()
        self._answering = make_answering(settings, upstream_settings(settings).client, clock, self._observer)
        self._market_clock = self._answering.market_clock
        self._purge = Purge(self._memory, self._series, self._outdated, self._market_clock)
        self._upstream = self._make_upstream()
        self._policy = Policy(self._calendar, policy_settings(settings))
        self._fleet = Alone() if self._shared is None else self._shared.fleet
        self._vendor = VendorSource(self._upstream, self._policy, self._market_clock, self._fleet, self._outdated)
        self._source = self._make_source()
        self._warmer = make_warmer(
            settings,
            bars=self._source,
            whole=self._vendor,
            store=self._series,
            policy=self._policy,
            calendar=self._calendar,
            clock=clock,
            observer=self._observer,
        )
        self._reads = self._make_reads()
        self._news = self._make_news()
        store = None if self._shared is None else self._shared.store
        self._access = make_access(settings, store, self._lookup.distrust_all, clock, self._observer)

    def build(self) -> Service:
        prefix = secrets.token_hex(4)
        limits = connection_limits(self._settings)
        app = self._make_app(prefix)
        protocol = make_protocol(
            self._lookup,
            clock=self._clock,
            date=self._date,
            drain=self._drain,
            limits=limits,
            observer=self._observer,
            renew=self._reads.refresh_entry,
            names=f"{prefix}-h",
            public_url=self._settings.server.public_url,
            trusted_proxies=self._trusted,
        )
        service = Service(
            app=app,
            protocol=protocol,
            limits=limits,
            drain=self._drain,
            observer=self._observer,
            clock=self._clock,
            plan=pacer_settings(self._settings).text,
            _access=self._access,
            _lookup=self._lookup,
            _reads=self._reads,
            _flights=self._flights,
            _upstream=self._upstream,
            _news=self._news,
            _shared=self._shared,
            _warmer=self._warmer,
        )
        self._service = service
        self._drain.on_start(service.quiet)
        return service

    def _make_shared(self) -> Shared | Disk | None:
        # Loaded where it is used: the client of a server takes 0.1 s to import.
        if self._settings.shared.url:
            from stock_service.wiring.shared import make_shared  # noqa: PLC0415

            return make_shared(self._settings, self._origins, self._clock, self._observer)
        if self._settings.cache.dir:
            from stock_service.wiring.disk import make_disk  # noqa: PLC0415

            return make_disk(self._settings, self._origins, self._clock, self._observer)
        return None

    def _make_upstream(self) -> Upstream:
        settings = upstream_settings(self._settings)
        common = None if self._shared is None else self._shared.slots
        slots = LocalSlots(Pacer(settings.pacer), self._clock) if common is None else common
        return Upstream(settings, self._answering.client, slots, self._clock, self._observer)

    def _make_reads(self) -> ReadPath:
        return ReadPath(
            memory=self._memory,
            flights=self._flights,
            source=self._rolling(self._source),
            clock=self._market_clock,
            observer=self._observer,
            settings=ReadSettings(self._settings.server.request_timeout, self._origins),
            jitter=random.random,
            outdated=self._outdated,
        )

    def _make_source(self) -> BarsSource:
        return BarsSource(
            store=self._series,
            beyond=self._vendor,
            upstream=self._upstream,
            gaps=Flights(self._clock),
            policy=self._policy,
            calendar=self._calendar,
            clock=self._market_clock,
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
            store=self._series, beyond=beyond, policy=self._policy, clock=self._market_clock, link_origin=link_origin
        )

    def _make_news(self) -> MarketNews:
        return MarketNews(
            source=self._vendor,
            calendar=self._calendar,
            purge=self._purge,
            clock=self._market_clock,
            observer=self._observer,
            kept=self._keeps_anything,
            settings=NewsSettings(self._settings.server.request_timeout, self._origins),
        )

    def _keeps_anything(self) -> bool:
        """Say whether the market's news concern us: not while nothing is kept, and not in a recording."""
        return not self._settings.upstream.replay_dir and len(self._series) + self._memory.entries > 0

    def _make_app(self, prefix: str) -> App:
        server = self._settings.server
        doorkeeper = Doorkeeper(self._access.gate, self._clock)
        questions = Questions(self._reads, self._market_clock, self._origins)
        desk = QuoteDesk(questions, self._calendar, self._market_clock)
        gateway = Gateway(
            reads=self._reads,
            doorkeeper=doorkeeper,
            hits=self._lookup,
            clock=self._clock,
            date=self._date,
            public_url=server.public_url,
            trusted=self._trusted,
        )
        quality = QualityDesk(
            questions=questions,
            held=self._source,
            vendor=self._vendor,
            calendar=self._calendar,
            entitlement=policy_settings(self._settings).entitlement,
            clock=self._market_clock,
            origins=self._origins,
        )
        api = Api(
            desk=desk,
            quality=quality,
            questions=questions,
            calendar=self._calendar,
            doorkeeper=doorkeeper,
            clock=self._market_clock,
        )
        admin = Admin(
            doorkeeper=doorkeeper,
            breaker=_Lever(self._upstream, self._observer),
            snapshot=self._upstream.breaker_snapshot,
            purge=self._purge,
            observer=self._observer,
            keys=self._access.keys,
            usage=self._access.usage,
            clock=self._clock,
        )
        views = Views(
            settings=self._settings,
            memory=self._memory,
            series=self._series,
            flights=self._flights,
            upstream=self._upstream,
            gate=self._access.gate,
            shared=self._shared,
            news=self._news,
            warmer=self._warmer,
            clock=self._clock,
            readiness=self._readiness,
            running=lambda: self._app.running,
        )
        sources = views.metric_sources(self._lookup.series, self._log_dropped)
        exporter = Exporter(self._counters, sources, version=__version__, commit="")
        ops = Ops(
            version=__version__,
            readiness=self._readiness,
            breaker=self._upstream.breaker_snapshot,
            status=views.status,
            metrics=exporter.render,
            openapi=openapi_document(__version__),
        )
        self._app = App(
            handlers={
                Part.GATEWAY: gateway.handle,
                Part.API: api.handle,
                Part.ADMIN: admin.handle,
                Part.OPS: ops.handle,
            },
            route_of=route_of,
            ids=RequestIds(prefix),
            clock=self._clock,
            date=self._date,
            observer=self._observer,
            request_for=server.request_timeout,
            requests_max=server.max_requests,
        )
        return self._app

    def _readiness(self) -> str:
        if self._drain.started:
            return "draining"
        return "ready" if self._service.ready and self._access.settled() else "starting"
