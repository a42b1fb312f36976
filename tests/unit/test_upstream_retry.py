"""Retries: few, jittered, on a budget, never past the deadline. And the headers that say when."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_service.upstream.retry import Pause, Retries, RetrySettings, Stopped
from stock_service.upstream.vendor_limits import parse_retry_after, parse_spent_for

FAR = 1e9


def make_retries(firsts: int = 1, draw: float = 1.0, now: float = 0.0) -> Retries:
    retries = Retries(RetrySettings(), lambda: draw)
    for _ in range(firsts):
        retries.note_sent(now)
    return retries


def decide(
    retries: Retries, now: float = 0.0, attempt: int = 1, attempts: int = 2, deadline: float = FAR
) -> Pause | Stopped:
    return retries.decide(attempt=attempt, attempts=attempts, now=now, deadline=deadline)


@pytest.mark.parametrize(("attempt", "attempts"), [(2, 2), (1, 1), (3, 2)])
def test_the_last_attempt_is_the_last(attempt: int, attempts: int) -> None:
    assert decide(make_retries(), attempt=attempt, attempts=attempts) is Stopped.ATTEMPTS


def test_the_pause_is_jittered_over_its_whole_length_and_doubles_to_its_bound() -> None:
    pauses = [decide(make_retries(), attempt=attempt, attempts=9) for attempt in range(1, 7)]
    assert pauses == [Pause(0.1), Pause(0.2), Pause(0.4), Pause(0.8), Pause(1.0), Pause(1.0)]
    assert decide(make_retries(draw=0.0)) == Pause(0.0)


def test_one_retry_per_ten_seconds_is_always_left() -> None:
    retries = make_retries()
    assert isinstance(decide(retries), Pause)
    assert decide(retries) is Stopped.BUDGET
    assert decide(retries, now=8.9) is Stopped.BUDGET
    assert isinstance(decide(retries, now=10.0), Pause)


def test_retries_are_a_tenth_of_live_traffic() -> None:
    retries = make_retries(firsts=100)
    granted = 0
    for _ in range(100):
        if isinstance(decide(retries), Pause):
            granted += 1
            retries.note_sent(0.0)
    assert granted == 10


def test_under_total_failure_attempts_stay_within_a_tenth_more() -> None:
    retries = make_retries(firsts=0)
    attempts = 0
    for tick in range(2_000):
        now = tick / 100
        retries.note_sent(now)
        again = isinstance(decide(retries, now=now), Pause)
        if again:
            retries.note_sent(now)
        attempts += 1 + again
    assert attempts <= 1.1 * 2_000


@pytest.mark.parametrize(("left", "answer"), [(0.34, Stopped.DEADLINE), (0.36, Pause(0.1))])
def test_no_retry_without_time_for_pause_and_attempt(left: float, answer: Pause | Stopped) -> None:
    retries = make_retries()
    assert decide(retries, now=100.0, deadline=100.0 + left) == answer


def test_a_refusal_takes_nothing_from_the_budget() -> None:
    retries = make_retries()
    decide(retries, deadline=0.1)
    decide(retries, attempt=2)
    assert isinstance(decide(retries), Pause)


NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("2", 2.0),
        (" 7 ", 7.0),
        ("120", 120.0),
        ("1000000000", 300.0),
        ("9" * 18, 300.0),
        ("9" * 5_000, None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("soon", None),
        ("0x10", None),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30.0),
        ("Tue Nov 14 22:13:50 2023", 30.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        ("Tue, 14 Nov 2124 22:13:50 GMT", 300.0),
        ("Tue, 99 Nov 2023 22:13:50 GMT", None),
        ("Tue, 14 Nov 99999 22:13:50 GMT", None),
    ],
)
def test_retry_after_in_every_form(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text(max_size=60))
def test_retry_after_never_raises_and_never_leaves_its_bounds(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0.0 <= seconds <= 300.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "12"}, 12.0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "12"}, 12.0),
        ({"ratelimit": '"default";r=0;t=30'}, 30.0),
        ({"ratelimit": "limit=5, remaining=0, reset=9"}, 9.0),
        ({"ratelimit": '"default";r=4;t=30'}, None),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "12"}, None),
        ({"x-ratelimit-remaining": "0"}, None),
        ({"x-ratelimit-reset": "12"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000060"}, None),
        ({"x-ratelimit-remaining": "none", "x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-remaining": "-1", "x-ratelimit-reset": "12"}, None),
    ],
)
def test_limit_headers_are_heard_only_when_nothing_is_left(headers: Mapping[str, str], seconds: float | None) -> None:
    assert parse_spent_for(headers) == seconds
