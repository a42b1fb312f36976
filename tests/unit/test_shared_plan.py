"""However a plan is divided, the parts never exceed it together."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_service.upstream.pacer import PacerSettings, Window
from stock_service.upstream.shared_plan import divide_plan
from stock_service.upstream.shared_turns import OwnTurns

PLANS = [
    PacerSettings((Window(100, 1.0),)),
    PacerSettings((Window(5, 61.0),)),
    PacerSettings((Window(100, 1.0), Window(5_000, 86_400.0))),
    PacerSettings((Window(3, 1.0), Window(10, 60.0))),
]


def most_in_any_window(times: list[float], per: float) -> int:
    ascending = sorted(times)
    return max((sum(start <= at < start + per for at in ascending) for start in ascending), default=0)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.text)
@pytest.mark.parametrize("pods", [2, 3, 7, 20])
def test_all_pods_by_turns_stay_within_each_part(plan: PacerSettings, pods: int) -> None:
    division = divide_plan(plan, pods)
    for name in ("first_turns", "later_turns"):
        made = []
        for seat in range(pods):
            turns = getattr(division, name)(seat)
            made += [
                turns.phase + n * turns.period for n in range(3 if turns.period > 1.0 else int(3.0 / turns.period))
            ]
        for whole, shared in zip(plan.windows, division.shared, strict=True):
            part = max(1, whole.calls - shared.calls) if name == "first_turns" else shared.calls
            assert most_in_any_window(made, whole.per) <= part


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.text)
def test_the_shared_part_and_the_first_part_are_the_plan(plan: PacerSettings) -> None:
    division = divide_plan(plan, 20)
    for whole, shared in zip(plan.windows, division.shared, strict=True):
        assert shared.calls == whole.calls - math.ceil(whole.calls / 10)


def test_one_pod_alone_has_the_whole_plan() -> None:
    division = divide_plan(PLANS[0], 1)
    assert division.shared == PLANS[0].windows
    assert division.later_turns(0).period == pytest.approx(1.03 / 100)


@given(st.floats(-1e6, 1e12), st.integers(0, 19), st.sampled_from(PLANS))
def test_a_turn_is_never_in_the_past_and_never_further_than_a_period(
    now: float, seat: int, plan: PacerSettings
) -> None:
    turns = divide_plan(plan, 20).later_turns(seat)
    slack = 1e-6 * max(1.0, abs(now))
    assert -slack <= turns.next_at(now) - now <= turns.period + slack


def test_a_turn_is_taken_once_and_given_back_once() -> None:
    turns = OwnTurns(PLANS[0], 4, 5.0, now=-100.0)
    first = turns.next_at(0.0, 0.0)
    before = turns.reserve(first)
    second = turns.next_at(0.0, 0.0)
    assert second == pytest.approx(first + turns.division.later_turns(0).period)
    turns.refund(first, before)
    assert turns.next_at(0.0, 0.0) == first


def test_the_first_part_is_all_we_have_until_the_others_miss_us() -> None:
    turns = OwnTurns(PLANS[0], 4, 5.0, now=0.0)
    assert turns.next_at(1.0, 0.0) >= 1.0
    early = turns.next_at(0.5, 0.0)
    turns.reserve(early)
    assert turns.next_at(early, 0.0) - early == pytest.approx(4 * 1.03 / 10)
    turns.reserve(late := turns.next_at(10.0, 0.0))
    assert turns.next_at(late, 0.0) - late == pytest.approx(4 * 1.03 / 90)


def test_a_days_share_is_not_exceeded_by_turns() -> None:
    turns = OwnTurns(PacerSettings((Window(100, 1.0), Window(100, 86_400.0))), 10, 5.0, now=-1_000.0)
    now = 0.0
    for _ in range(9):
        now = turns.next_at(now, 0.0)
        turns.reserve(now)
        turns.spend(now)
    assert now < 10.0
    assert turns.next_at(now, 0.0) >= 86_400.0


def test_the_clock_of_the_store_decides_whose_turn_it_is() -> None:
    """Two processes with different monotonic clocks agree."""
    one, other = (OwnTurns(PLANS[0], 4, 5.0, now=-100.0) for _ in range(2))
    assert one.next_at(100.0, 1_000.0) + 1_000.0 == pytest.approx(other.next_at(600.0, 500.0) + 500.0)
