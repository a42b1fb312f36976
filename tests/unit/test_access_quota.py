"""The client's own request limit and the fields that announce it."""

from __future__ import annotations

import copy
import math

import pytest

from stock_service.access.quota import UNLIMITED, Limit, Quota, parse_limit


def taken(quota: Quota, now: float, tries: int) -> int:
    return sum(quota.take(now) for _ in range(tries))


def test_the_burst_is_let_through_at_once_and_nothing_more() -> None:
    assert taken(Quota(Limit(100.0, 150)), 1_000.0, 1_000) == 150


def test_after_the_burst_requests_follow_at_the_rate() -> None:
    quota = Quota(Limit(100.0, 100))
    taken(quota, 1_000.0, 1_000)
    assert [taken(quota, 1_000.0 + tenth / 10, 1_000) for tenth in (1, 2, 3)] == [10, 10, 10]


@pytest.mark.parametrize("uptime", [0.0, 86_400.0 * 365, 86_400.0 * 3_650])
def test_rounding_after_years_of_uptime_costs_no_request(uptime: float) -> None:
    quota = Quota(Limit(1_000.0, 1_000))
    assert taken(quota, uptime, 2_000) == 1_000
    assert taken(quota, uptime + 0.5, 2_000) == 500


def test_a_refused_request_leaves_the_allowance_as_it_was() -> None:
    quota = Quota(Limit(1.0, 1))
    assert taken(quota, 0.0, 50) == 1
    assert quota.take(1.0)


def test_retry_after_is_the_instant_the_next_request_is_let_through() -> None:
    quota = Quota(Limit(0.1, 1))
    quota.take(0.0)
    wait = quota.retry_after(4.0)
    assert wait == pytest.approx(6.0, abs=0.02)
    assert not quota.take(4.0 + wait - 0.02)
    assert quota.take(4.0 + wait)


def test_the_fields_name_the_window_what_is_left_and_when_there_is_more() -> None:
    quota = Quota(Limit(100.0, 100))
    assert quota.limit_headers(0.0) == [
        (b"ratelimit-policy", b'"client";q=100;w=1'),
        (b"ratelimit", b'"client";r=100;t=1'),
    ]
    taken(quota, 0.0, 43)
    assert quota.limit_headers(0.0)[1] == (b"ratelimit", b'"client";r=57;t=1')


def test_the_reset_field_is_never_earlier_than_retry_after_and_no_more_than_a_second_later() -> None:
    quota = Quota(Limit(5 / 60, 5))
    taken(quota, 0.0, 5)
    for now in (0.0, 0.5, 7.3, 11.9):
        value = quota.limit_headers(now)[1][1]
        remaining, reset = (int(part.split(b"=")[1]) for part in value.split(b";")[1:])
        assert remaining == 0
        assert max(1, math.ceil(quota.retry_after(now))) == reset


@pytest.mark.parametrize("limit", [Limit(7 / 60, 9), Limit(3.0, 9), Limit(3.0, 2_000)])
def test_lines_below_the_framework_equal_the_fields_above_it(limit: Limit) -> None:
    quota, above = Quota(limit), Quota(limit)
    refused = 0
    for step in range(200):
        now = 0.45 * (step + step % 3) / limit.rate
        taken_above, lines = above.take(now), quota.take_lines(now)
        joined = b"".join(b"%b: %b\r\n" % pair for pair in above.limit_headers(now))
        assert lines == (joined if taken_above else None)
        refused += lines is None
    assert refused > 0 or limit.burst > 200


@pytest.mark.parametrize("limit", [Limit(rate, 5) for rate in (1.7, 3.3, 10.0, 33.3, 100.0, 999.9)])
def test_below_and_above_the_framework_the_edge_of_the_limit_is_the_same_instant(limit: Limit) -> None:
    """To the last bit: else one way lets through what the other, at the same instant, refuses."""
    passed = 0
    for beginning in range(200):
        now = 0.1 * beginning
        used = Quota(limit)
        while used.take_lines(now) is not None:
            pass
        edge = now + used.retry_after(now)
        assert used.take_lines(edge + 0.01 / limit.rate) is not None  # the last one, which is remembered
        now = edge + 0.01 / limit.rate
        edge = now + used.retry_after(now)
        for steps in range(-8, 9):
            at = edge + steps * math.ulp(edge)
            above = copy.copy(used).take(at)
            assert (copy.copy(used).take_lines(at) is not None) is above, (beginning, steps)
            passed += above
    assert passed > 0


@pytest.mark.parametrize("limit", [Limit(5 / 60, 5), Limit(5.0, 5)])
def test_an_asker_with_a_slightly_older_clock_value_sees_nothing_left(limit: Limit) -> None:
    quota = Quota(limit)
    taken(quota, 100.0, 5)
    assert quota.limit_headers(99.0)[1][1].startswith(b'"client";r=0;')
    assert quota.take_lines(99.0) is None


def test_a_client_without_limit_is_never_refused_and_shows_no_fields() -> None:
    assert sum(UNLIMITED.take(0.0) for _ in range(10_000)) == 10_000
    assert (UNLIMITED.limit_headers(0.0), UNLIMITED.take_lines(0.0), UNLIMITED.retry_after(0.0)) == ([], b"", 0.0)


@pytest.mark.parametrize(
    ("text", "burst", "limit"),
    [
        ("100/s", None, Limit(100.0, 100)),
        ("5/m", None, Limit(5 / 60, 5)),
        ("1000/h", 10, Limit(1000 / 3600, 10)),
        (" 1/30s ", None, Limit(1 / 30, 1)),
        ("10000/d", None, Limit(10000 / 86400, 10000)),
    ],
)
def test_a_limit_is_written_as_a_count_and_a_span(text: str, burst: int | None, limit: Limit) -> None:
    assert parse_limit(text, burst) == limit


@pytest.mark.parametrize(
    "text",
    [
        "",
        "100",
        "100/",
        "/s",
        "x/s",
        "-1/s",
        "1.5/s",
        "100/sec",
        "100/²s",
        "٣/s",
        "0/s",
        "5/0s",
        "1000000/s",
        "9" * 400 + "/s",
    ],
)
def test_a_malformed_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"limit|nothing through|rate"):
        parse_limit(text)


@pytest.mark.parametrize("burst", [0, -1, 10**400])
def test_a_burst_of_nothing_or_of_everything_is_refused(burst: int) -> None:
    with pytest.raises(ValueError, match="burst"):
        parse_limit("5/s", burst)


def test_rest_earns_no_more_than_the_burst_after_a_pace_that_is_exactly_the_rate() -> None:
    """Then the lines kept ready are those of a full burst, and a client that rests since must not be taken for busy."""
    plain, on_hits = Quota(Limit(1.0, 5)), Quota(Limit(1.0, 5))
    for now in (0.0, 1.0, *[2.99] * 5, 3.0):
        assert (on_hits.take_lines(now) is not None) is plain.take(now), now
    assert not plain.take(3.0)
