"""The driver of a read: when the vendor is asked, who gets what, and what survives a failure."""

from __future__ import annotations

import asyncio

import pytest

from stock_service.base.errors import CircuitOpen, NotCached, QuotaSpent, VendorFailed, VendorSlow
from stock_service.base.events import FetchJoined, OlderDropped, RefreshFailed, StaleServed
from stock_service.cache.freshness import Lifetime
from stock_service.reads.chains import next_page_key
from stock_service.reads.decide import ANY_WAY, Wishes
from stock_service.reads.read_path import Answer, Via
from stock_service.upstream.call import Priority
from stock_service.vendor.request import VendorRequest, ask
from tests.support.clock import settle
from tests.support.reading import Desk, make_desk

PREV = "/v2/aggs/ticker/AAPL/prev"
BODY = b'{"status":"OK","results":[{"c":1.5}]}'
NEWER = b'{"status":"OK","results":[{"c":1.6}]}'


@pytest.fixture
def request_() -> VendorRequest:
    return ask(PREV)


@pytest.fixture
async def desk() -> Desk:
    return make_desk()


async def read(desk: Desk, request: VendorRequest, wishes: Wishes = ANY_WAY) -> Answer:
    return await desk.reads.read(request, desk.asker, deadline=desk.clock.monotonic() + 9.0, wishes=wishes)


async def fill(desk: Desk, request: VendorRequest, body: bytes = BODY) -> None:
    desk.vendor.now_answer = lambda _: body
    await read(desk, request)
    desk.vendor.now_answer = None
    desk.vendor.calls.clear()
    desk.asker.vendor_calls = 0


async def test_first_question_asks_the_vendor_and_the_second_does_not(desk: Desk, request_: VendorRequest) -> None:
    desk.vendor.now_answer = lambda _: BODY
    first, second = await read(desk, request_), await read(desk, request_)
    assert (first.via, second.via) == (Via.MISS, Via.HIT)
    assert second.entry.body == BODY
    assert len(desk.vendor.calls) == 1
    assert desk.asker.vendor_calls == 1


async def test_herd_is_one_call_and_only_its_starter_is_charged(desk: Desk, request_: VendorRequest) -> None:
    askers = [asyncio.create_task(read(desk, request_)) for _ in range(200)]
    await settle()
    assert len(desk.vendor.calls) == 1
    desk.vendor.calls[0].answer(BODY)
    answers = await asyncio.gather(*askers)
    assert sum(answer.via is Via.COLLAPSED for answer in answers) == 199
    assert desk.events.count(FetchJoined) == 199
    assert desk.asker.vendor_calls == 1


async def test_soft_stale_is_served_at_once_and_renewed_once(desk: Desk, request_: VendorRequest) -> None:
    await fill(desk, request_)
    desk.clock.shift(15.0)
    answers = [await read(desk, request_) for _ in range(5)]
    await settle()
    assert {answer.entry.body for answer in answers} == {BODY}
    assert [call.priority for call in desk.vendor.calls] == [Priority.REFRESH]
    desk.vendor.calls[0].answer(NEWER)
    await settle()
    assert (await read(desk, request_)).entry.body == NEWER


async def test_hard_stale_asks_first_and_falls_back(desk: Desk, request_: VendorRequest) -> None:
    await fill(desk, request_)
    desk.clock.shift(60.0)
    desk.vendor.now_answer = lambda _: VendorFailed("server", 500)
    answer = await read(desk, request_)
    assert (answer.via, answer.reason, answer.entry.body) == (Via.STALE, "vendor-down", BODY)
    assert desk.events.count(StaleServed) == 1
    assert desk.events.count(RefreshFailed) == 1


async def test_failed_renewal_backs_off_per_key(desk: Desk, request_: VendorRequest) -> None:
    """Every request for a stale answer would otherwise try the broken vendor again."""
    await fill(desk, request_)
    desk.clock.shift(60.0)
    desk.vendor.now_answer = lambda _: VendorFailed("server", 500)
    answers = [await read(desk, request_) for _ in range(50)]
    assert len(desk.vendor.calls) == 1
    assert [answer.reason for answer in answers] == ["vendor-down"] + ["backing-off"] * 49
    desk.clock.shift(1.3)
    await read(desk, request_)
    assert len(desk.vendor.calls) == 2


@pytest.mark.parametrize("error", [QuotaSpent(12.0), CircuitOpen(5.0), VendorSlow(5.0)])
async def test_any_refusal_serves_stale_within_its_bound(desk: Desk, request_: VendorRequest, error: Exception) -> None:
    await fill(desk, request_)
    desk.clock.shift(129.0)
    desk.vendor.now_answer = lambda _: error
    assert (await read(desk, request_)).entry.body == BODY
    desk.clock.shift(5.0)  # past the bound, and past the errors kept for a moment
    with pytest.raises(type(error)):
        await read(desk, request_)


async def test_failure_without_anything_kept_is_the_typed_error(desk: Desk, request_: VendorRequest) -> None:
    desk.vendor.now_answer = lambda _: VendorFailed("server", 500)
    with pytest.raises(VendorFailed) as raised:
        await read(desk, request_)
    assert raised.value.status == 500
    assert desk.events.count(RefreshFailed) == 0


async def test_hanging_vendor_costs_a_stale_answer_part_of_the_time(desk: Desk, request_: VendorRequest) -> None:
    await fill(desk, request_)
    desk.clock.shift(60.0)
    # The wait itself is the event loop's; nothing is left of this asker's time.
    answer = await desk.reads.read(request_, desk.asker, deadline=desk.clock.monotonic())
    assert (answer.via, answer.reason) == (Via.STALE, "vendor-slow")
    assert desk.flights.running(request_.key)
    desk.vendor.calls[0].answer(NEWER)
    await settle()
    assert (await read(desk, request_)).entry.body == NEWER


async def test_older_answer_never_replaces_a_newer_one(desk: Desk, request_: VendorRequest) -> None:
    """A slow old fetch may land after a fast new one."""
    await fill(desk, request_, NEWER)
    kept = desk.memory.peek(request_.key)
    assert kept is not None
    desk.clock.shift(11.0)
    asyncio.get_running_loop()
    forced = asyncio.create_task(read(desk, request_, Wishes(force=True)))
    await settle()
    call = desk.vendor.calls[0]
    call.started_at = kept.fetched_at - 1.0
    call.answer(BODY)
    assert (await forced).entry.body == NEWER
    assert desk.events.count(OlderDropped) == 1


TRADES = tuple(
    b'{"status":"OK","results":{"T":"AAPL","p":1.5,"t":%d}}' % (1_763_740_800_000_000_000 + n) for n in (0, 5_000)
)


async def test_an_answer_about_an_earlier_moment_does_not_take_the_place_of_a_later_one(desk: Desk) -> None:
    """A vendor's server that is behind the others; its answer is believed once the kept one may not be served."""
    earlier, later = TRADES
    trade = ask("/v2/last/trade/AAPL")
    await fill(desk, trade, later)
    desk.vendor.now_answer = lambda _: earlier
    desk.clock.shift(60.0)
    answer = await read(desk, trade)
    assert (answer.via, answer.reason, answer.entry.body) == (Via.STALE, "older", later)
    assert desk.events.count(OlderDropped) == 1
    assert (await read(desk, trade)).reason == "backing-off"
    desk.clock.shift(71.0)
    assert (await read(desk, trade)).entry.body == earlier


async def test_forced_read_asks_though_fresh(desk: Desk, request_: VendorRequest) -> None:
    await fill(desk, request_)
    desk.clock.shift(1.0)
    desk.vendor.now_answer = lambda _: NEWER
    assert (await read(desk, request_, Wishes(force=True))).entry.body == NEWER
    assert (await read(desk, request_)).entry.body == NEWER


async def test_only_cached_never_asks(desk: Desk, request_: VendorRequest) -> None:
    with pytest.raises(NotCached):
        await read(desk, request_, Wishes(only_cached=True))
    assert desk.vendor.calls == []


async def test_answer_that_must_not_be_kept_is_served_and_forgotten(desk: Desk, request_: VendorRequest) -> None:
    desk.policy.lifetime = None
    desk.vendor.now_answer = lambda _: BODY
    assert (await read(desk, request_)).entry.body == BODY
    assert desk.memory.entries == 0
    assert (await read(desk, request_)).via is Via.MISS


async def test_quiet_reads_start_no_background_work(desk: Desk, request_: VendorRequest) -> None:
    await fill(desk, request_)
    desk.clock.shift(15.0)
    desk.reads.quiet()
    assert (await read(desk, request_)).entry.body == BODY
    await settle()
    assert desk.vendor.calls == []


async def test_hit_below_the_framework_renews_through_the_same_door(desk: Desk, request_: VendorRequest) -> None:
    await fill(desk, request_)
    desk.clock.shift(15.0)
    entry = desk.memory.peek(request_.key)
    assert entry is not None
    for _ in range(3):
        desk.reads.refresh_entry(entry, desk.asker)
    await settle()
    assert [call.request.target for call in desk.vendor.calls] == [PREV]
    desk.vendor.calls[0].fail(VendorFailed("server", 500))
    await settle()
    desk.reads.refresh_entry(entry, desk.asker)
    await settle()
    assert len(desk.vendor.calls) == 1


async def test_large_answer_is_kept_whole(desk: Desk, request_: VendorRequest) -> None:
    large = b'{"status":"OK","next_url":"https://api.polygon.io/v2/x?cursor=1","results":[' + b"1," * 60_000 + b"1]}"
    desk.policy.lifetime = Lifetime(10.0)
    desk.vendor.now_answer = lambda _: large
    answer = await read(desk, request_)
    assert answer.entry.body == large
    assert len(answer.entry.links) == 1


NOTHING = b'{"status":"OK","resultsCount":0}'


async def test_empty_answer_replaces_a_real_one_only_when_confirmed(desk: Desk, request_: VendorRequest) -> None:
    """The vendor answers "no results" under load; one such answer must not wipe out what is known."""
    await fill(desk, request_)
    desk.clock.shift(60.0)
    desk.vendor.now_answer = lambda _: NOTHING
    doubted = await read(desk, request_)
    assert (doubted.reason, doubted.entry.body) == ("unconfirmed-empty", BODY)
    desk.clock.shift(2.0)
    assert (await read(desk, request_)).entry.body == NOTHING
    assert len(desk.vendor.calls) == 2


async def test_doubt_ends_with_a_real_answer(desk: Desk, request_: VendorRequest) -> None:
    await fill(desk, request_)
    desk.clock.shift(60.0)
    for body, expected in ((NOTHING, BODY), (NEWER, NEWER)):
        desk.vendor.now_answer = lambda _, body=body: body
        assert (await read(desk, request_)).entry.body == expected
        desk.clock.shift(2.0)
    desk.clock.shift(60.0)
    desk.vendor.now_answer = lambda _: NOTHING
    assert (await read(desk, request_)).reason == "unconfirmed-empty"


async def test_a_newer_page_is_never_joined_to_an_older_next_one(desk: Desk) -> None:
    """Rows that moved between the two fetches would be missing or come twice; the third page follows the second."""
    pages = [ask("/v3/reference/tickers", limit=2), *(ask("/v3/reference/tickers", cursor=each) for each in "ab")]

    def answer(request: VendorRequest) -> bytes:
        place = [page.key for page in pages].index(request.key)
        more = f',"next_url":"https://api.polygon.io{pages[place + 1].target}"' if place < 2 else ""
        return f'{{"results":[{{"ticker":"T{place}"}}]{more},"status":"OK"}}'.encode()

    desk.vendor.now_answer = answer
    for _ in range(2):
        for page in pages:
            await read(desk, page)
    assert len(desk.vendor.calls) == 3
    desk.clock.shift(5.0)
    await read(desk, pages[0], Wishes(force=True))
    assert [(await read(desk, page)).via for page in pages] == [Via.HIT, Via.MISS, Via.MISS]
    assert [(await read(desk, page)).via for page in pages] == [Via.HIT] * 3
    assert len(desk.vendor.calls) == 6


async def test_an_older_next_page_still_stands_in_when_the_vendor_fails(desk: Desk) -> None:
    first, second = ask("/v3/reference/tickers"), ask("/v3/reference/tickers", cursor="a")
    body = b'{"next_url":"https://api.polygon.io/v3/reference/tickers?cursor=a","results":[{"ticker":"T"}]}'
    desk.vendor.now_answer = lambda request: body if request.key == first.key else BODY
    for page in (first, second):
        await read(desk, page)
    desk.clock.shift(5.0)
    await read(desk, first, Wishes(force=True))
    desk.vendor.now_answer = lambda _: VendorSlow(1.0)
    assert (await read(desk, second)).via is Via.STALE


@pytest.mark.parametrize(
    "link",
    ["", "https://elsewhere.example/v3/reference/tickers?cursor=a", "nothing", "/v2/aggs/ticker/A/range/1/day/x/y"],
)
def test_a_link_that_may_not_be_followed_leads_to_no_page(link: str) -> None:
    assert next_page_key(b'{"next_url":"%b"}' % link.encode(), frozenset({b"https://api.polygon.io"})) is None
