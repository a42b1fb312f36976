"""The oracle: random questions for bars through the whole gateway while sessions, splits and corrections go by.

The pages together must be, byte for byte in every bar, what the vendor itself says at that moment; where a bar
differs, it must be what the vendor said at an earlier fetch that the rules still allow. The rules are written down
here a second time, from docs/freshness.md and not from the code.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market, market_of
from stock_service.simulator.splits import Split
from stock_service.simulator.world import Plan, World
from tests.support.clock import settle
from tests.support.whole import Whole, new_york, whole_gateway

pytestmark = pytest.mark.no_cover  # to trace each line takes four times as long

NEW_YORK, UTC = ZoneInfo("America/New_York"), ZoneInfo("UTC")
CALENDAR = Calendar()
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
QUESTIONS = 200
# Each begins some days before a real split of its first ticker: at the weekend, on a Monday, in a holiday week.
STORIES = [
    ("2025-11-12T15:50", "NFLX"),
    ("2024-06-06T19:45", "NVDA"),
    ("2022-08-23T09:20", "TSLA"),
    ("2020-08-27T12:00", "AAPL"),
    ("2025-11-25T11:00", "IBM"),
    ("2025-03-07T15:00", "IBM"),  # the clocks go forward on the 9th
]
OTHERS = ("IBM", "X:BTCUSD", "C:EURUSD", "I:SPX", "ZZZ")
SIZES = [
    *((1, "minute"), (1, "minute"), (5, "minute"), (1, "hour"), (1, "day"), (1, "day"), (1, "week"), (1, "month")),
    *((30, "second"), (7, "minute"), (2, "day")),
]
STEPS = (0.0, 0.0, 7.0, 61.0, 300.0, HOUR, 5 * HOUR, 17 * HOUR, 3 * DAY)


class _Page(msgspec.Struct):
    results: list[msgspec.Raw] = []
    next_url: str = ""


class _Time(msgspec.Struct):
    t: int


def read_page(body: bytes) -> tuple[dict[int, bytes], str]:
    page = msgspec.json.decode(body, type=_Page)
    return {msgspec.json.decode(row, type=_Time).t: bytes(row) for row in page.results}, page.next_url


@dataclass
class Question:
    """A range of bars, in the vendor's words."""

    ticker: str
    multiplier: int
    timespan: str
    first: str
    last: str
    adjusted: bool
    descending: bool
    limit: int

    @property
    def market(self) -> Market:
        return market_of(self.ticker)

    def ends_before_it_begins(self) -> bool:
        return self.first.isdecimal() and self.last.isdecimal() and int(self.first) > int(self.last)

    def target(self, limit: int) -> str:
        order = "desc" if self.descending else "asc"
        path = f"/v2/aggs/ticker/{self.ticker}/range/{self.multiplier}/{self.timespan}/{self.first}/{self.last}"
        return f"{path}?adjusted={str(self.adjusted).lower()}&sort={order}&limit={limit}"


@dataclass
class Story:
    """A gateway, its vendor, and the states the vendor went through."""

    whole: Whole
    chance: random.Random
    states: list[tuple[float, World, Mapping[str, tuple[Split, ...]]]] = field(default_factory=list)
    rescaled_at: dict[str, float] = field(default_factory=dict)
    asked: int = 0
    late: int = 0

    @property
    def now(self) -> float:
        return self.whole.clock.wall()

    def note_state(self) -> None:
        self.states.append((self.now, self.whole.vendor.world, dict(self.whole.listed_late)))

    def direct(self, question: Question, wall: float) -> tuple[int, dict[int, bytes]]:
        """Return status and bars of the vendor as it was at `wall`."""
        _, world, listed = next(state for state in reversed(self.states) if state[0] <= wall)
        now_world, now_listed = self.whole.vendor.world, dict(self.whole.listed_late)
        self.whole.vendor.world = world
        self.whole.listed_late.clear()
        self.whole.listed_late.update(listed)
        try:
            bars: dict[int, bytes] = {}
            target = question.target(50_000)
            while target:
                status, body, _ = self.whole.vendor.direct(target, wall)
                if status != 200:
                    return status, {}
                found, next_url = read_page(body)
                bars |= found
                target = next_url.removeprefix("https://api.vendor.example")
            return 200, bars
        finally:
            self.whole.vendor.world = now_world
            self.whole.listed_late.clear()
            self.whole.listed_late.update(now_listed)

    async def through_gateway(self, question: Question, limit: int) -> tuple[int, dict[int, bytes]]:
        """Return status and bars of all pages."""
        bars: dict[int, bytes] = {}
        order: list[int] = []
        target = question.target(limit)
        for _ in range(2_000):
            got = await self.whole.browser.get(target)
            if got.status != 200:
                return got.status, {}
            found, next_url = read_page(got.body)
            order += found
            assert not bars.keys() & found.keys(), "a bar came twice"
            bars |= found
            if not next_url:
                assert order == sorted(order, reverse=question.descending)
                return 200, bars
            assert next_url.startswith("http://gw.example:8080/")
            target = next_url.removeprefix("http://gw.example:8080")
        raise AssertionError("the pages never end")

    async def ask(self, question: Question) -> None:
        """Ask, and hold the answer against the vendor."""
        self.asked += 1
        status, true = self.direct(question, self.now)
        got_status, got = await self.through_gateway(question, max(question.limit, len(true) // 9))
        if got_status == 400 and question.ends_before_it_begins():
            return  # the vendor widens both ends first, and may then find nothing wrong
        assert got_status == status, question
        if got == true:
            return
        self.late += 1
        differing = {at for at in got.keys() | true.keys() if got.get(at) != true.get(at)}
        fetches = sorted({at for at, target in self.whole.vendor.calls if question.ticker in target}, reverse=True)
        oldest = self.now - 70 * DAY
        for fetched_at in (at for at in fetches if at >= oldest):
            _, then = self.direct(question, fetched_at)
            differing -= {
                at
                for at in differing
                if got.get(at) == then.get(at) and fetched_at >= allowed_from(self, question, at / 1_000)
            }
            if not differing:
                return
        first = min(differing)
        shown = (datetime.fromtimestamp(first / 1_000, NEW_YORK), got.get(first), true.get(first))
        raise AssertionError(f"{len(differing)} bars are none the rules allow: {question} at {self.now}: {shown}")


def allowed_from(story: Story, question: Question, begins_at: float) -> float:
    """Return the earliest fetch whose word on the bar that begins at `begins_at` may still be served."""
    now, market = story.now, question.market
    size = {"second": 1.0, "minute": MINUTE, "hour": HOUR}.get(question.timespan, DAY) * question.multiplier
    fresh = min(MINUTE, max(2.0, size))
    soft = {"second": 5.0, "minute": MINUTE, "hour": MINUTE}.get(question.timespan, HOUR)
    length = {"week": 7 * DAY, "month": 31 * DAY}.get(question.timespan, size)
    last_day = CALENDAR.day_of(market, min(begins_at + length - 1, max(now, begins_at)))
    session = CALENDAR.previous_session(market, last_day + timedelta(days=1))
    since = story.rescaled_at.get(question.ticker, 0.0) if question.adjusted else 0.0
    if last_day <= CALENDAR.settled_day(market, now):
        settled_at = CALENDAR.settle_line(market, session.day)
        return max(since, now - 60 * DAY, settled_at if now >= settled_at + soft else 0.0)
    if CALENDAR.phase(market, now).trading and CALENDAR.day_of(market, now) <= last_day:
        return max(since, now - fresh - soft)
    turns = (session.ends_at + 15 * MINUTE, CALENDAR.settle_line(market, session.day))
    passed = [at for at in turns if at + soft <= now]
    return max([since, now - DAY - soft, *passed])


def random_question(story: Story, tickers: tuple[str, ...]) -> Question:
    chance, now = story.chance, story.now
    ticker = chance.choice((tickers[0], tickers[0], *tickers))
    multiplier, timespan = chance.choice(SIZES)
    today = datetime.fromtimestamp(now, NEW_YORK).date()
    most = {"second": 1, "minute": 4, "hour": 20}.get(timespan, 200)
    last = today + timedelta(days=chance.choice((0, 0, 0, 1, -1, -2, -chance.randrange(most), 40)))
    first = last - timedelta(days=chance.randrange(most))
    ends = [spell(chance, day, number) for number, day in enumerate((first, last))]
    if timespan == "second":  # half an hour: they are many
        moment = int(now) // 60 * 60 - chance.choice((0, 600, 40_000, 90_000))
        ends = [f"{moment - chance.randrange(1_800)}000", f"{moment}000"]
    if chance.random() < 0.03:
        ends.reverse()
    limit = chance.choice((1, 7, 120, 1_000, 5_000, 50_000))
    return Question(
        ticker, multiplier, timespan, ends[0], ends[1], chance.random() < 0.75, chance.random() < 0.4, limit
    )


def spell(chance: random.Random, day: date, number: int) -> str:
    if chance.random() < 0.7:
        return day.isoformat()
    moment = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp() + chance.randrange(86_400)
    moment -= moment % 60 * chance.randrange(2)
    return str(int(moment + number) * 1_000)


async def live_on(story: Story, ticker: str) -> None:
    """Let time pass, and now and then the vendor change its mind about the past."""
    chance, whole = story.chance, story.whole
    step = chance.choice(STEPS)
    whole.jump(story.now + step)
    if chance.random() < 0.2:
        whole.jump(story.now + 1.0)  # no two states of the vendor share an instant
        days = chance.choice((0, 1, 1, 2, 40))
        whole.vendor.correct(ticker, datetime.fromtimestamp(story.now, NEW_YORK).date().toordinal() - days)
    story.note_state()
    await whole.service.look_at_market()
    since = whole.service._news._splits.since
    for each in (ticker, "IBM"):
        story.rescaled_at[each] = since(each, story.now)
    await settle()


@pytest.mark.parametrize("number", range(len(STORIES)))
async def test_every_bar_is_what_the_vendor_says_or_said_as_lately_as_promised(number: int) -> None:
    begin, ticker = STORIES[number]
    with whole_gateway(begin) as whole:
        story = Story(whole, random.Random(number))
        story.note_state()
        tickers = (ticker, *OTHERS)
        for _ in range(QUESTIONS):
            await live_on(story, ticker)
            await story.ask(random_question(story, tickers))
        assert story.asked == QUESTIONS
        assert story.late < QUESTIONS // 2  # most answers are the vendor's of this second
        assert sum("limit=50000" in target for _, target in whole.vendor.calls) < QUESTIONS  # gaps of series


async def test_an_end_of_day_plan_gets_what_the_vendor_gives_it() -> None:
    """Today is refused by itself and left out of a longer range; what lies beyond the plan is refused."""
    with whole_gateway("2025-11-12T15:50", {"upstream.delay": "eod"}, plan=Plan.BASIC) as whole:
        story = Story(whole, random.Random(5))
        story.note_state()
        for _ in range(QUESTIONS):
            await live_on(story, "NFLX")
            question = random_question(story, ("NFLX", "IBM", "X:BTCUSD"))
            status, true = story.direct(question, story.now)
            got_status, got = await story.through_gateway(question, max(question.limit, len(true) // 9))
            if got_status != 400 or not question.ends_before_it_begins():
                assert got_status == status, question
                assert set(got) <= set(true), question


async def test_an_end_of_day_plan_is_not_refused_a_year_for_the_sake_of_today() -> None:
    """Only today is missing of what is kept; asked for by itself, it is refused."""
    path = "/v2/aggs/ticker/NFLX/range/1/day"
    with whole_gateway("2025-11-12T15:50", {"upstream.delay": "eod"}, plan=Plan.BASIC) as whole:
        for _ in range(4):
            got = await whole.browser.get(f"{path}/2025-06-02/2025-11-12")
            assert got.status == 200
            assert len(got.json()["results"]) > 100
            await settle(60)
            assert (await whole.browser.get(f"{path}/2025-06-02/2025-11-12")).status == 200
            whole.jump(whole.clock.wall() + 2_000)
        assert len(whole.vendor.calls) <= 5
        whole.jump(new_york("2025-11-13T12:30"))
        assert len((await whole.browser.get(f"{path}/2025-11-12/2025-11-13")).json()["results"]) == 1


async def test_today_alone_is_refused_on_an_end_of_day_plan_for_five_minutes_at_a_time() -> None:
    path = "/v2/aggs/ticker/NFLX/range/1/day/2025-11-12/2025-11-12"
    with whole_gateway("2025-11-12T15:50", {"upstream.delay": "eod"}, plan=Plan.BASIC) as whole:
        for calls in (1, 1, 2):
            got = await whole.browser.get(path)
            assert got.status == 403
            assert "before end of day" in got.json()["message"]
            assert len(whole.vendor.calls) == calls
            whole.jump(whole.clock.wall() + 160)
        whole.jump(new_york("2025-11-13T00:30"))
        assert len((await whole.browser.get(path)).json()["results"]) == 1
