"""Back-off of failed renewals per key."""

from __future__ import annotations

import pytest

from stock_service.reads.renewals import Renewals


def test_wait_doubles_to_its_limit() -> None:
    renewals = Renewals(jitter=lambda: 0.5)
    waits = [renewals.settle_failure("k", now=0.0) for _ in range(8)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


@pytest.mark.parametrize(("drawn", "expected"), [(0.0, 0.75), (0.999, 1.2495)])
def test_wait_is_spread(drawn: float, expected: float) -> None:
    assert Renewals(jitter=lambda: drawn).settle_failure("k", now=0.0) == pytest.approx(expected)


def test_retry_time_of_the_refusal_is_a_bounded_floor() -> None:
    renewals = Renewals(jitter=lambda: 0.5)
    assert renewals.settle_failure("k", 0.0, retry_after=12.0) == 12.0
    assert Renewals(jitter=lambda: 0.5).settle_failure("k", 0.0, retry_after=3_600.0) == 30.0


def test_success_forgets() -> None:
    renewals = Renewals(jitter=lambda: 0.5)
    renewals.settle_failure("k", now=100.0)
    assert renewals.retry_at("k") == 101.0
    renewals.settle_success("k")
    assert renewals.retry_at("k") == 0.0
    assert renewals.settle_failure("k", now=100.0) == 1.0


def test_keys_are_bounded_and_the_oldest_goes() -> None:
    renewals = Renewals(jitter=lambda: 0.5)
    for number in range(10_001):
        renewals.settle_failure(str(number), now=0.0)
    assert len(renewals) == 10_000
    assert renewals.retry_at("0") == 0.0
    assert renewals.retry_at("10000") == 1.0
