"""Questions for bars that have little or no answer: the vendor's own words, and no second call for them."""

from __future__ import annotations

import json

import pytest

from tests.support.whole import whole_gateway

NOON = "2025-11-28T12:00"  # the short session after Thanksgiving


@pytest.mark.parametrize(
    ("path", "bars"),
    [
        ("AAPL/range/1/minute/2025-11-27/2025-11-27", 0),  # a holiday
        ("AAPL/range/1/day/2025-11-22/2025-11-23", 0),  # a weekend
        ("AAPL/range/1/day/2026-02-02/2026-02-06", 0),  # still to come
        ("AAPL/range/1/day/1985-01-01/1985-12-31", 0),  # before there was anything
        ("ZZZ/range/1/day/2025-11-03/2025-11-07", 0),  # no such ticker
        ("O:SPY230120C00400000/range/1/day/2025-11-03/2025-11-07", 0),  # an option long expired
        ("FB/range/1/day/2025-11-26/2025-11-26", 1),  # a symbol that has been another company's
        ("AAPL/range/1/day/2025-11-26/1764201600000", 1),  # a date and a millisecond
        ("AAPL/range/1/day/2025-11-24/2025-11-30?limit=1", 1),
        ("AAPL/range/1/day/2025-11-24/2025-11-30?limit=50000&sort=desc", 4),
        ("KIMpL/range/1/minute/2025-11-26/2025-11-26?limit=50000", None),  # few trades, many gaps
    ],
)
async def test_the_answer_is_the_vendors_and_is_kept(path: str, bars: int | None) -> None:
    target = f"/v2/aggs/ticker/{path}"
    with whole_gateway(NOON) as whole:
        answers = [await whole.browser.get(target) for _ in range(2)]
        assert [got.status for got in answers] == [200, 200]
        assert answers[0].body == answers[1].body
        assert len(whole.vendor.calls) == 1
        told, direct = answers[0].json(), json.loads(whole.vendor.direct(target)[1])
    for member in ("ticker", "resultsCount", "results", "adjusted", "status"):
        assert told.get(member) == direct.get(member)
    assert bars is None or told["resultsCount"] == bars


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("AAPL/range/1/day/2025-11-07/2025-11-03", "from"),
        ("AAPL/range/1/day/1762750000000/2025-11-03", "from"),
        ("AAPL/range/1/fortnight/2025-11-03/2025-11-07", "timespan"),
        ("AAPL/range/0/day/2025-11-03/2025-11-07", "multiplier"),
        ("AAPL/range/1/day/2025-13-03/2025-11-07", "from"),
        ("AAPL/range/1/day/2025-11-03/2025-11-07?limit=0", "limit"),
        ("AAPL/range/1/day/2025-11-03/2025-11-07?limit=50001", "limit"),
        ("AAPL/range/1/day/2025-11-03/2025-11-07?sort=up", "sort"),
    ],
)
async def test_a_malformed_question_says_what_is_wrong(path: str, says: str) -> None:
    with whole_gateway(NOON) as whole:
        got = await whole.browser.get(f"/v2/aggs/ticker/{path}")
        assert got.status == 400
        assert says in got.body.decode()
