"""What `make bench-calls` compares by: its vendor's pages, nginx's whole seconds, and answers that are too old."""

from __future__ import annotations

import re

from bench.calls import _replay_steps
from bench.calls_caches import Cost, Lifetimes, promised_until
from bench.calls_vendor import answer
from bench.calls_workloads import Step
from tests.support.whole import new_york

PATH = "/v2/aggs/ticker/AAPL/range/1/minute/2026-11-16/2026-11-18"
WEDNESDAY = new_york("2026-11-18T12:00")


def times(body: bytes) -> list[int]:
    return [int(at) for at in re.findall(rb'"t":(\d+)', body)]


def test_pages_of_its_vendor_together_are_one_large_page() -> None:
    whole = times(answer(f"{PATH}?limit=50000", WEDNESDAY).body)
    assert len(whole) == 390 + 390 + 151  # half past nine to noon, the minute of noon included
    target, found = f"{PATH}?limit=100", list[int]()
    while target:
        page = answer(target, WEDNESDAY)
        found += times(page.body)
        target = page.next_target
    assert found == whole


def test_nginx_keeps_an_answer_through_the_last_second_of_its_lifetime() -> None:
    cache = Lifetimes(2.0)
    for at in (0.4, 2.9, 3.0, 5.9, 6.1):
        cache.ask("/v2/aggs/ticker/A/prev", "prev", WEDNESDAY + at)
    assert cache.cost.calls == 3


def test_an_answer_past_its_promise_is_counted() -> None:
    cost = Cost()
    assert promised_until("bars/minute", WEDNESDAY) == WEDNESDAY + 121
    cost.serve("bars/minute", WEDNESDAY, WEDNESDAY + 121)
    assert (cost.too_old, cost.oldest) == (0, 121)
    cost.serve("bars/minute", WEDNESDAY, WEDNESDAY + 122)
    assert cost.too_old == 1


async def test_ours_asks_for_an_overlap_once_and_for_the_tail_again() -> None:
    cache = Lifetimes(120.0)
    spans = ["2026-10-01/2026-11-18", "2026-10-15/2026-11-18", "2026-09-01/2026-11-17", "2026-11-02/2026-11-18"]
    steps = [
        Step(WEDNESDAY + 300 * number, f"/v2/aggs/ticker/AAPL/range/1/minute/{span}", "bars/minute")
        for number, span in enumerate(spans)
    ]
    ours = await _replay_steps(iter(steps), [cache])
    news = 2  # the split list and the closures
    assert ours.calls - news == 4
    assert ours.answers == cache.cost.answers == cache.cost.calls == 11
    assert ours.too_old == 0
    assert ours.bytes < cache.cost.bytes / 2
