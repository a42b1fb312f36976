"""What the service shows of itself: the figures metrics are made of, and the snapshot under `/status`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from stock_service import __version__
from stock_service.access.gate import Gate
from stock_service.base.clock import Clock
from stock_service.cache.flight import Flights
from stock_service.cache.memory import Memory
from stock_service.cache.series_store import SeriesStore
from stock_service.config.sections import Settings
from stock_service.reads.market_news import MarketNews
from stock_service.reads.read_path import Landed
from stock_service.reads.warm import Warmer
from stock_service.telemetry.metrics import CacheSize, QuotaLevel, SeriesCounts, SharedLevel, Sources, WarmLevel
from stock_service.upstream.breaker import State
from stock_service.upstream.call import Upstream
from stock_service.wiring.translate import vendor_name

if TYPE_CHECKING:
    from stock_service.wiring.disk import Disk
    from stock_service.wiring.shared import Shared


class Views:
    """Looks at the parts when asked, and changes none of them."""

    def __init__(
        self,
        *,
        settings: Settings,
        memory: Memory,
        series: SeriesStore,
        flights: Flights[Landed],
        upstream: Upstream,
        gate: Gate,
        shared: Shared | Disk | None,
        news: MarketNews,
        warmer: Warmer | None,
        clock: Clock,
        readiness: Callable[[], str],
        running: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._memory = memory
        self._series = series
        self._flights = flights
        self._upstream = upstream
        self._gate = gate
        self._shared = shared
        self._news = news
        self._warmer = warmer
        self._clock = clock
        self._readiness = readiness
        self._running = running
        self._begun_at = clock.monotonic()

    def metric_sources(self, answered: Callable[[], Iterable[SeriesCounts]], log_dropped: Callable[[], int]) -> Sources:
        """Return where the exporter finds what is not counted by events."""
        return Sources(
            series=answered,
            cache=self._cache_size,
            breaker_state=lambda: int(self._upstream.breaker_snapshot()["gauge"]),
            breaker_due=lambda: float(self._upstream.breaker_snapshot()["due_for"]),
            breaker=self._breaker_gauges,
            quota=self._quota_level,
            shared=SharedLevel if self._shared is None else self._shared.level,
            warm=self._warm_level,
            clients=self._gate.usage,
            in_progress=self._running,
            log_dropped=log_dropped,
        )

    def status(self) -> dict[str, Any]:
        """Return one snapshot of every part."""
        memory, series = self._memory, self._series
        return {
            "version": __version__,
            "readiness": self._readiness(),
            "uptime_seconds": round(self._clock.monotonic() - self._begun_at, 1),
            "vendor": vendor_name(self._settings),
            **self._upstream.snapshot(),
            "cache": {
                "entries": memory.entries,
                "bytes": memory.bytes,
                "max_bytes": self._settings.cache.max_bytes,
                "evictions": memory.evictions,
            },
            "series": {
                "kept": len(series),
                "bytes": series.weight_bytes,
                "evictions": series.evictions,
            },
            "market_news": self._news.snapshot(),
            "shared": None if self._shared is None else self._shared.snapshot(),
            "warm": None if self._warmer is None else self._warmer.snapshot(),
            "requests": {"running": self._running(), "fetches": len(self._flights)},
            "clients": [
                {
                    "id": each.client,
                    "requests": each.requests,
                    "vendor_calls": each.vendor_calls,
                    "limited": each.limited,
                }
                for each in self._gate.usage()
            ],
        }

    def _cache_size(self) -> CacheSize:
        memory, series = self._memory, self._series
        return CacheSize(
            memory.entries + len(series), memory.bytes + series.weight_bytes, memory.evictions + series.evictions
        )

    def _warm_level(self) -> WarmLevel:
        warmer = self._warmer
        return WarmLevel() if warmer is None else WarmLevel(warmer.targets, warmer.left, warmer.calls)

    def _breaker_gauges(self) -> Mapping[str, int]:
        classes = self._upstream.breaker_snapshot()["classes"]
        return {name: State[view["state"].upper()].value for name, view in classes.items()}

    def _quota_level(self) -> QuotaLevel:
        quota = self._upstream.snapshot()["quota"]
        return QuotaLevel(quota["remaining"], quota["waiting"])
