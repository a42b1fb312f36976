"""The whole gateway and the simulated vendor in one event loop, without sockets, on a clock the test moves.

Everything between a request's bytes and the vendor's is the real thing (`build_service`), so a week of sessions is
lived through in seconds. The vendor can be taken down, can correct a day, and can list a split late.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from unittest import mock
from urllib.parse import parse_qsl, unquote, urlsplit

from stock_service.base.events import Observer
from stock_service.config.load import load_settings
from stock_service.market.hours import NEW_YORK
from stock_service.simulator import corporate_answers, ranges
from stock_service.simulator.app import _answer
from stock_service.simulator.ask import Ask
from stock_service.simulator.instruments import Instrument
from stock_service.simulator.prices import Day, Prices
from stock_service.simulator.splits import Split, splits_of
from stock_service.simulator.world import Plan, World
from stock_service.upstream.client import Exchange
from stock_service.upstream.outcome import ExchangeFailed, Fault
from stock_service.wiring.build import build_service
from stock_service.wiring.service import Service
from tests.support.asgi import Browser
from tests.support.clock import ManualClock
from tests.support.reading import Recorder

ORIGIN = "https://api.vendor.example"


@dataclass(frozen=True)
class CorrectedPrices(Prices):
    """Prices whose volume of some days is another one since the vendor corrected them."""

    corrected: dict[tuple[str, int], int] = field(default_factory=dict)

    def day(self, instrument: Instrument, ordinal: int) -> Day | None:
        """As drawn, with a tenth more volume for each correction."""
        day = super().day(instrument, ordinal)
        times = self.corrected.get((instrument.ticker, ordinal), 0)
        if day is None or not times:
            return day
        grain = instrument.grain
        volume = day.bar.volume // grain * (10 + times) // 10 * grain
        bar = type(day.bar)(**{name: getattr(day.bar, name) for name in day.bar.__struct_fields__} | {"volume": volume})
        return replace(day, bar=bar)


class InProcessVendor:
    """Answers as the simulator does; `calls` are the targets it was asked, with the instant of each."""

    def __init__(self, clock: ManualClock, world: World) -> None:
        self.clock = clock
        self.world = world
        self.calls: list[tuple[float, str]] = []
        self.bytes = 0
        self.down = False

    async def exchange(
        self,
        target: str,
        *,
        accept: str,
        within: float,
        edge: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Answer at once."""
        self.calls.append((self.clock.wall(), target))
        if self.down:
            raise ExchangeFailed(Fault.UNREACHABLE)
        status, body, content_type = self.direct(target)
        self.bytes += len(body)
        return Exchange(status, content_type, body, "vendor-id")

    async def aclose(self) -> None:
        """There is no connection."""

    def direct(self, target: str, wall: float | None = None) -> tuple[int, bytes, str]:
        """Return the vendor's own answer at `wall`, now if None: status, body, content type."""
        parts = urlsplit(target)
        at = self.clock.wall() if wall is None else wall
        ask = Ask(unquote(parts.path), dict(parse_qsl(parts.query)), int(at) * 1000, ORIGIN)
        status, raw = _answer(self.world, ask)
        return status, raw.body, raw.content_type

    def correct(self, ticker: str, ordinal: int) -> None:
        """Change the volume of a day, as the vendor does long after it."""
        prices = self.world.prices
        assert isinstance(prices, CorrectedPrices)
        key = (ticker, ordinal)
        # A new object: the old one remembers days as they were.
        corrected = prices.corrected | {key: prices.corrected.get(key, 0) + 1}
        self.world = replace(self.world, prices=CorrectedPrices(prices.seed, prices.histories, corrected))


@dataclass(slots=True)
class Whole:
    """A gateway and its vendor."""

    clock: ManualClock
    vendor: InProcessVendor
    service: Service
    browser: Browser
    events: Recorder
    listed_late: dict[str, tuple[Split, ...]]

    async def turn(self, seconds: float) -> None:
        """Let time pass minute by minute, as the chores see it."""
        until = self.clock.wall() + seconds
        while self.clock.wall() < until:
            step = min(60.0 - self.clock.wall() % 60.0, until - self.clock.wall())
            await self.clock.advance(step)
            if self.clock.wall() % 60.0 == 0.0:
                await self.service.look_at_market()

    def jump(self, wall: float) -> None:
        """Move on to Unix second `wall` without living through what is between."""
        self.clock.shift(wall - self.clock.wall())


@contextmanager
def whole_gateway(
    at: str,
    flags: Mapping[str, object] | None = None,
    *,
    prices: Prices | None = None,
    plan: Plan = Plan.PAID,
    log: Observer | None = None,
) -> Iterator[Whole]:
    """Return both at New York time `at`; the vendor's plan is generous unless told otherwise."""
    clock = ManualClock(1_000_000.0, new_york(at))
    vendor = InProcessVendor(clock, World(prices or CorrectedPrices(1), plan=plan))
    events = Recorder()
    listed: dict[str, tuple[Split, ...]] = {}

    def all_splits(seed: int, ticker: str) -> tuple[Split, ...]:
        return splits_of(seed, ticker) + listed.get(ticker, ())

    generous = {"upstream.url": ORIGIN, "upstream.api_key": "k", "quota.calls": 1_000_000, "quota.per": "1s"}
    settings = load_settings(env={}, flags={**generous, **(flags or {})}).settings
    with (
        mock.patch.object(ranges, "splits_of", all_splits),
        mock.patch.object(corporate_answers, "splits_of", all_splits),
    ):
        service = build_service(settings, log or events, lambda: 0, clock)
        service._upstream._client._client = vendor
        service._reads._jitter = random.Random(1).random
        yield Whole(clock, vendor, service, Browser(service.app), events, listed)


def new_york(text: str) -> float:
    """Return the Unix second at which New York reads `text` (2026-11-24T12:00)."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()
