"""The client limit against a model that keeps every instant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stock_service.access.quota import Limit, Quota

LIMITS = st.builds(Limit, st.sampled_from([1 / 3600, 5 / 60, 0.7, 1.0, 3.3, 100.0, 20_000.0]), st.integers(1, 40))
STARTS = st.sampled_from([0.0, 1_000.0, 3.2e8])
# In steps of the limit, so that every rate is driven round its edge.
GAPS = st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.3, 0.5, 0.99, 1.0, 1.5, 3.0, 60.0]), min_size=1, max_size=120)


def instants(limit: Limit, start: float, gaps: list[float]) -> list[float]:
    now, found = start, []
    for gap in gaps:
        now += gap / limit.rate
        found.append(now)
    return found


@given(LIMITS, STARTS, GAPS)
def test_no_span_lets_more_through_than_the_burst_and_the_rate_allow(
    limit: Limit, start: float, gaps: list[float]
) -> None:
    quota = Quota(limit)
    admitted = [now for now in instants(limit, start, gaps) if quota.take(now)]
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            span = admitted[last] - admitted[first]
            assert last - first + 1 <= limit.burst + limit.rate * span + 0.01


@given(LIMITS, STARTS, GAPS)
def test_it_lets_through_whatever_a_bucket_of_the_same_size_would(
    limit: Limit, start: float, gaps: list[float]
) -> None:
    """A plain token bucket, given 1 % less, never admits what ours refuses."""
    quota, tokens, before = Quota(limit), float(limit.burst), start
    for now in instants(limit, start, gaps):
        tokens = min(float(limit.burst), tokens + (now - before) * limit.rate)
        before = now
        admitted = quota.take(now)
        if tokens >= 1.01:
            assert admitted
        if admitted:
            tokens = max(0.0, tokens - 1.0)


@given(LIMITS, STARTS, GAPS)
def test_the_count_shown_is_above_zero_exactly_when_the_next_request_passes(
    limit: Limit, start: float, gaps: list[float]
) -> None:
    quota = Quota(limit)
    for now in instants(limit, start, gaps):
        shown = quota.peek(now)
        assert 0 <= shown <= limit.burst
        # At the very edge the two round differently by less than a thousandth of a request.
        edge = abs(quota.retry_after(now)) * limit.rate < 1e-4 and shown == 0
        if not edge:
            lines = quota.take_lines(now)
            assert (lines is not None) is (shown > 0)
            assert lines is None or b"r=%d;" % quota.peek(now) in lines
