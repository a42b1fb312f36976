"""Counts over the last seconds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stock_service.upstream.window import RollingCounts


def test_counts_leave_bucket_by_bucket() -> None:
    counts = RollingCounts(10.0)
    for second in range(10):
        counts.add(float(second), total=1, marked=second % 2)
    assert [counts.sums(float(now)) for now in (9, 10, 14, 18, 19, 1_000)] == [
        (10, 5),
        (9, 5),
        (5, 3),
        (1, 1),
        (0, 0),
        (0, 0),
    ]


def test_clearing_forgets_everything() -> None:
    counts = RollingCounts(10.0)
    counts.add(5.0, marked=1)
    counts.clear()
    assert counts.sums(5.0) == (0, 0)


@given(st.lists(st.tuples(st.floats(0.0, 15.0), st.integers(0, 3)), max_size=60))
def test_sums_equal_a_plain_list(steps: list[tuple[float, int]]) -> None:
    counts = RollingCounts(10.0)
    seen: list[tuple[int, int]] = []
    now = 1_000_000.0
    for wait, amount in steps:
        now += wait
        counts.add(now, total=amount)
        seen.append((int(now), amount))
        expected = sum(amount for second, amount in seen if second > int(now) - 10)
        assert counts.sums(now) == (expected, 0)
        later = now + wait / 2
        assert counts.sums(later)[0] == sum(amount for second, amount in seen if second > int(later) - 10)
