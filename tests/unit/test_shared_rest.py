"""The shared store is left alone while it fails, and comes back by beats only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stock_service.cache.shared_rest import Rest, RestSettings


def rest_up(now: float = 0.0) -> Rest:
    rest = Rest(RestSettings())
    rest.beat(now, ok=True)
    return rest


def fail(rest: Rest, now: float, times: int) -> list[bool]:
    moved = []
    for _ in range(times):
        rest.begin(now)
        moved.append(rest.settle(now, ok=False))
    return moved


def test_it_is_away_until_the_first_beat() -> None:
    rest = Rest(RestSettings())
    assert not rest.admits(0.0)
    assert rest.beat_due(0.0)
    assert rest.beat(0.0, ok=True)
    assert rest.admits(0.0)


def test_five_failures_in_a_row_and_no_fewer_send_it_to_rest() -> None:
    rest = rest_up()
    assert fail(rest, 1.0, 5) == [False, False, False, False, True]
    assert not rest.admits(1.0)


def test_one_failure_puts_it_in_doubt_until_something_succeeds() -> None:
    rest = rest_up()
    fail(rest, 1.0, 1)
    assert not rest.admits(1.0)
    assert rest.beat_due(1.0)
    assert not rest.beat(1.05, ok=True)
    assert rest.admits(1.05)
    fail(rest, 2.0, 1)
    rest.settle(2.0, ok=True)
    assert rest.admits(2.0)


def test_failed_beats_count_like_any_failure() -> None:
    rest = rest_up()
    fail(rest, 1.0, 1)
    for _ in range(4):
        assert rest.beat_due(1.0)
        rest.beat(1.0, ok=False)
    assert rest.away
    assert not rest.beat_due(2.9)


def test_a_success_in_between_starts_the_count_anew() -> None:
    rest = rest_up()
    fail(rest, 1.0, 4)
    rest.begin(1.0)
    rest.settle(1.0, ok=True)
    assert not any(fail(rest, 1.0, 4))


def test_half_of_twenty_within_ten_seconds_sends_it_to_rest() -> None:
    rest = rest_up()
    for i in range(19):
        rest.settle(1.0 + i / 10, ok=i % 2 == 0)
    assert not rest.away
    assert rest.settle(3.0, ok=False)


def test_old_failures_are_forgotten() -> None:
    rest = rest_up()
    for i in range(19):
        rest.settle(1.0, ok=i % 2 == 0)
    assert not rest.settle(12.0, ok=False)


def test_only_a_beat_ends_the_rest_and_not_before_two_seconds() -> None:
    rest = rest_up()
    fail(rest, 1.0, 5)
    rest.settle(1.1, ok=True)  # a late answer of somebody who asked before
    assert not rest.admits(1.1)
    assert not rest.beat_due(2.9)
    assert rest.beat_due(3.0)
    assert not rest.beat(3.0, ok=False)
    assert not rest.admits(3.0)
    assert rest.beat(3.5, ok=True)
    assert rest.admits(3.5)


def test_the_first_failure_after_a_rest_does_not_bring_back_the_old_ones() -> None:
    rest = rest_up()
    fail(rest, 1.0, 5)
    rest.beat(3.0, ok=True)
    assert not any(fail(rest, 3.0, 4))


def test_askers_pass_by_a_store_that_answered_none_of_four() -> None:
    rest = rest_up()
    for _ in range(4):
        rest.begin(1.0)
    assert rest.admits(1.01)
    assert not rest.admits(1.02)
    rest.settle(1.03, ok=True)
    assert rest.admits(1.03)


def test_a_refused_credential_rests_as_long_as_asked() -> None:
    rest = rest_up()
    assert rest.rest(1.0, 60.0)
    assert not rest.rest(1.0)
    assert not rest.beat_due(60.9)
    assert rest.beat_due(61.0)


@given(st.lists(st.tuples(st.sampled_from(["begin", "ok", "bad", "beat", "deaf"]), st.floats(0, 3)), max_size=80))
def test_it_is_never_stuck_and_never_asked_while_away(steps: list[tuple[str, float]]) -> None:
    rest, now = Rest(RestSettings()), 0.0
    for step, later in steps:
        now += later
        match step:
            case "begin" if rest.admits(now):
                assert not rest.away
                rest.begin(now)
            case "ok" | "bad":
                was_away = rest.away
                rest.settle(now, ok=step == "ok")
                assert rest.away or not was_away
            case "beat" | "deaf" if rest.beat_due(now):
                rest.beat(now, ok=step == "beat")
    assert rest.beat_due(now + 2.0)
    rest.beat(now + 2.0, ok=True)
    assert rest.admits(now + 2.0)
