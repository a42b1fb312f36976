"""The series through two weeks of the simulated market: never an answer older than promised.

The clock walks through sessions, nights, a holiday, an early close, weekends and a change of clocks. Every answer is
compared with what the vendor says directly at that instant: a bar that was complete a minute ago must be there, byte
for byte, and nothing may be there that the vendor does not have.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from stock_service.cache.bar_lifetimes import judge_parts
from stock_service.cache.bar_questions import BarsQuestion, ask_for, envelope, question_of
from stock_service.cache.chunks import split_page
from stock_service.cache.policy import Policy, PolicySettings
from stock_service.cache.ranges import Span
from stock_service.cache.series import Gaps, answered_span
from stock_service.cache.series_store import SeriesStore
from stock_service.market.calendar import Calendar
from stock_service.simulator.ask import Ask
from stock_service.simulator.prices import Prices
from stock_service.simulator.routes import answer_to
from stock_service.simulator.world import World
from stock_service.vendor.request import VendorRequest, parse_request

NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = Calendar()
POLICY = Policy(CALENDAR, PolicySettings())
WORLD = World(Prices(7))
BEGIN = datetime(2026, 10, 30, 3, 0, tzinfo=NEW_YORK)
PROMISE_MS = 60_000  # no bar's fresh time while the market trades is longer
LENGTH_MS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 8 * 86_400_000}


def direct(request: VendorRequest, wall: float) -> bytes:
    path, _, query = request.target.partition("?")
    params = dict(pair.split("=") for pair in query.split("&") if pair)
    return msgspec.json.encode(answer_to(WORLD, Ask(path, params, int(wall * 1_000), "http://v")))


@dataclass
class Gateway:
    """Plan, ask for what is missing or due for renewal, merge, plan again. Wall and monotonic time run together."""

    wall: float
    store: SeriesStore = field(default_factory=lambda: SeriesStore(10**8))
    calls: int = 0

    def answer(self, request: VendorRequest) -> list[dict[str, float]]:
        question = question_of(request)
        assert question is not None
        for _ in range(500):
            planned = self.store.plan(question, self.wall)
            spans = planned.spans if isinstance(planned, Gaps) else planned.refresh
            if not spans:
                page = json.loads(b"".join(envelope(question, self.store.slice(question), "id", "http://v")))
                assert "next_url" not in page
                bars: list[dict[str, float]] = page.get("results", [])
                return bars
            self.fill(question, spans[0])
        raise AssertionError("the gaps never close")

    def fill(self, question: BarsQuestion, span: Span) -> None:
        self.calls += 1
        key = question.key
        body = direct(ask_for(key, span, descending=question.descending), self.wall)
        page = split_page(body, key.size, descending=question.descending)
        answered = answered_span(span, page, question.descending)
        parts = judge_parts(POLICY, CALENDAR, key.market, key.size, answered, self.wall, nothing=page.count == 0)
        self.store.merge(key, answered, page, parts, self.wall, self.wall)


def check(request: VendorRequest, bars: list[dict[str, float]], wall: float) -> None:
    length = LENGTH_MS[request.path_params["timespan"]] * int(request.path_params["multiplier"])
    now = {bar["t"]: bar for bar in json.loads(direct(request, wall)).get("results", [])}
    then = {bar["t"]: bar for bar in json.loads(direct(request, wall - PROMISE_MS / 1_000)).get("results", [])}
    assert [bar["t"] for bar in bars] == sorted((bar["t"] for bar in bars), reverse=request.param("sort") == "desc")
    for bar in bars:
        if bar["t"] + length <= wall * 1_000 - PROMISE_MS:
            assert bar == now[bar["t"]]
        else:  # still building within the promised age
            assert then.get(bar["t"], bar)["v"] <= bar["v"] <= now[bar["t"]]["v"]
    assert set(then) <= {bar["t"] for bar in bars} <= set(now)


@pytest.mark.parametrize("seed", range(6))
def test_no_answer_is_older_than_promised(seed: int) -> None:
    chance = random.Random(seed)
    gateway = Gateway(BEGIN.timestamp())
    ticker = ["AAPL", "X:BTCUSD", "C:EURUSD"][seed % 3]
    asked = 0
    while gateway.wall < (BEGIN + timedelta(days=14)).timestamp():
        gateway.wall += chance.choice([1, 20, 59, 600, 4_000, 30_000])
        size = chance.choice(["1/minute", "5/minute", "1/hour", "1/day", "1/week"])
        today = datetime.fromtimestamp(gateway.wall, NEW_YORK).date()
        first = today - timedelta(days=chance.randrange(1 if "minute" in size else 12))
        last = first + timedelta(days=chance.randrange(3))
        order = chance.choice(["asc", "desc"])
        path = f"/v2/aggs/ticker/{ticker}/range/{size}/{first}/{last}"
        request = parse_request(path, f"adjusted=false&limit=50000&sort={order}")
        check(request, gateway.answer(request), gateway.wall)
        asked += 1
    assert asked > 100
    assert gateway.calls < asked
