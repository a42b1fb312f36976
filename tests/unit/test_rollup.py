"""Longer bars out of kept shorter ones: an option, exact where it can be, marked, and never a call."""

from __future__ import annotations

import pytest

from stock_service.cache.rollup import finer_size
from stock_service.cache.sizes import BarSize
from tests.support.whole import Whole, whole_gateway

NOON = "2025-11-12T12:00"
PATH = "/v2/aggs/ticker/{}/range/{}/2025-10-27/2025-11-11"  # the clocks go back on 2 November
EXACT = ("o", "h", "l", "c", "t", "n", "v")


def rows(body: dict[str, object]) -> list[dict[str, float]]:
    found = body["results"]
    assert isinstance(found, list)
    return found


async def ask(whole: Whole, target: str) -> tuple[dict[str, object], str]:
    got = await whole.browser.get(target)
    assert got.status == 200, got.body
    return got.json(), got.headers["cache-status"]


@pytest.mark.parametrize("ticker", ["AAPL", "X:BTCUSD", "I:SPX"])
@pytest.mark.parametrize(
    ("finer", "longer"), [("1/minute", "5/minute"), ("1/minute", "1/hour"), ("1/day", "1/week"), ("1/day", "1/month")]
)
async def test_longer_bars_cost_no_call_and_hold_what_the_vendors_hold(ticker: str, finer: str, longer: str) -> None:
    fine = PATH.format(ticker, finer).replace("10-27/2025-11-11", "09-28/2025-12-31") + "?limit=50000"
    if finer == "1/minute":
        fine = PATH.format(ticker, finer) + "?limit=50000"
    target = PATH.format(ticker, longer) + "?limit=50000&sort=desc"
    with whole_gateway(NOON, {"cache.rollup": True, "cache.max_bytes": "256MiB"}) as whole:
        await ask(whole, fine)
        calls = len(whole.vendor.calls)
        derived, status = await ask(whole, target)
        assert len(whole.vendor.calls) == calls
        assert "detail=derived" in status
        assert "detail=derived" in (await ask(whole, target))[1]
    with whole_gateway(NOON) as plain:
        true, status = await ask(plain, target)
        assert "derived" not in status
    assert derived["resultsCount"] == len(rows(true))
    for ours, theirs in zip(rows(derived), rows(true), strict=True):
        assert {name: ours.get(name) for name in EXACT} == {name: theirs.get(name) for name in EXACT}
        assert ours.get("vw", 0) == pytest.approx(theirs.get("vw", 0), rel=1e-4)


async def test_it_is_off_unless_asked_for_and_needs_all_of_the_shorter_bars() -> None:
    fine, target = PATH.format("AAPL", "1/minute") + "?limit=50000", PATH.format("AAPL", "1/hour")
    with whole_gateway(NOON) as whole:
        await ask(whole, fine)
        assert "derived" not in (await ask(whole, target))[1]
    with whole_gateway(NOON, {"cache.rollup": True}) as whole:
        await ask(whole, fine.replace("10-27", "10-28"))
        assert "derived" not in (await ask(whole, target))[1]


@pytest.mark.parametrize(
    ("size", "finer"),
    [
        ((5, "minute"), (1, "minute")),
        ((4, "hour"), (1, "minute")),
        ((1, "week"), (1, "day")),
        ((1, "year"), (1, "day")),
        ((1, "minute"), None),
        ((30, "second"), None),
        ((1, "day"), None),
        ((7, "minute"), None),
    ],
)
def test_what_a_size_is_made_of(size: tuple[int, str], finer: tuple[int, str] | None) -> None:
    assert finer_size(BarSize(*size)) == (None if finer is None else BarSize(*finer))
