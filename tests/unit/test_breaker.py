"""The breaker's rules, one by one, on a clock that is only an argument."""

from __future__ import annotations

import pytest

from stock_service.upstream.breaker import (
    LATCH_SETTINGS,
    Breaker,
    BreakerSettings,
    Override,
    Permit,
    Settlement,
    State,
    Verdict,
    Wait,
)

SHARE_ONLY = BreakerSettings(consecutive_failures=0)
OK, BAD, SKIP = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED


def make_breaker(settings: BreakerSettings = SHARE_ONLY, draw: float = 0.5) -> Breaker:
    return Breaker(settings, lambda: draw)


def permit(breaker: Breaker, now: float) -> Permit:
    answer = breaker.ask(now)
    assert isinstance(answer, Permit)
    return answer


def record(breaker: Breaker, now: float, *verdicts: Verdict) -> None:
    for verdict in verdicts:
        breaker.settle(permit(breaker, now), verdict, now)


def opened(now: float = 0.0, settings: BreakerSettings = SHARE_ONLY, draw: float = 0.5) -> Breaker:
    breaker = make_breaker(settings, draw)
    record(breaker, now, *[BAD] * 20)
    assert breaker.peek(now).state is State.OPEN
    return breaker


def wait_until(breaker: Breaker, now: float) -> float:
    answer = breaker.ask(now)
    assert isinstance(answer, Wait)
    return answer.until


def test_the_gauge_has_the_runbooks_values() -> None:
    """Dashboards copied from resilience4j would swap 1 and 2."""
    assert [(state.name, int(state)) for state in State] == [("CLOSED", 0), ("HALF_OPEN", 1), ("OPEN", 2)]


def test_it_opens_on_the_twentieth_counted_result_and_not_on_the_nineteenth() -> None:
    breaker = make_breaker()
    record(breaker, 0.0, *[BAD] * 19)
    assert breaker.peek(0.0).state is State.CLOSED
    record(breaker, 0.0, BAD)
    assert breaker.peek(0.0).state is State.OPEN


@pytest.mark.parametrize(("failures", "state"), [(9, State.CLOSED), (10, State.OPEN)])
def test_it_opens_at_half_failing_without_rounding(failures: int, state: State) -> None:
    breaker = make_breaker()
    record(breaker, 0.0, *[BAD] * failures, *[OK] * (20 - failures))
    assert breaker.peek(0.0).state is state


def test_forty_nine_point_nine_percent_does_not_open() -> None:
    breaker = make_breaker()
    record(breaker, 0.0, *[OK] * 501, *[BAD] * 499)
    assert (breaker.peek(0.0).total, breaker.peek(0.0).failures) == (1_000, 499)
    assert breaker.peek(0.0).state is State.CLOSED


def test_results_older_than_the_window_do_not_count() -> None:
    breaker = make_breaker()
    record(breaker, 0.0, *[BAD] * 19)
    record(breaker, 10.0, BAD)
    assert breaker.peek(10.0).total == 1
    assert breaker.peek(10.0).state is State.CLOSED


def test_ignored_results_count_in_neither_number() -> None:
    breaker = make_breaker()
    record(breaker, 0.0, *[BAD] * 10, *[SKIP] * 500, *[OK] * 9)
    assert (breaker.peek(0.0).total, breaker.peek(0.0).failures) == (19, 10)


def test_reading_never_opens_and_peeking_never_moves() -> None:
    breaker = opened()
    before = breaker.peek(100.0)
    assert [breaker.peek(100.0) for _ in range(3)] == [before] * 3
    assert before.state is State.OPEN
    assert before.wait_until is None
    assert isinstance(breaker.ask(100.0), Permit)


def test_the_run_rule_opens_a_slow_plan_on_the_fifth_failure_in_a_row() -> None:
    breaker = make_breaker(BreakerSettings())
    record(breaker, 0.0, *[BAD] * 4, OK, *[BAD] * 4)
    assert breaker.peek(0.0).state is State.CLOSED
    record(breaker, 60.0, BAD)
    assert breaker.peek(60.0).state is State.OPEN


@pytest.mark.parametrize(("most_calls", "run"), [(5.0, 5), (39.0, 5), (40.0, 0), (1_000.0, 0)])
def test_the_run_rule_is_on_only_where_the_window_can_hardly_fill(most_calls: float, run: int) -> None:
    assert BreakerSettings().for_volume(most_calls).consecutive_failures == run


def test_after_the_sleep_one_probe_goes_and_the_rest_wait_for_its_lease() -> None:
    breaker = opened()
    assert wait_until(breaker, 4.99) == 5.0
    assert permit(breaker, 5.0).probe
    assert breaker.peek(5.0).state is State.HALF_OPEN
    assert [wait_until(breaker, 5.0 + i) for i in range(3)] == [11.0] * 3


def test_the_probes_success_closes_with_an_empty_window_and_the_first_sleep() -> None:
    breaker = opened()
    breaker.settle(permit(breaker, 5.0), BAD, 5.0)
    breaker.settle(permit(breaker, 15.0), OK, 15.0)
    assert breaker.peek(15.0).state is State.CLOSED
    assert breaker.peek(15.0).total == 0
    record(breaker, 15.0, *[BAD] * 20)
    assert wait_until(breaker, 15.0) == 20.0


def test_failed_probes_double_the_sleep_up_to_a_minute() -> None:
    breaker = opened()
    now, sleeps = 0.0, []
    for _ in range(6):
        until = wait_until(breaker, now)
        sleeps.append(until - now)
        now = until
        breaker.settle(permit(breaker, now), BAD, now)
    assert sleeps == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


@pytest.mark.parametrize(("draw", "sleep"), [(0.0, 4.5), (0.5, 5.0), (1.0, 5.5)])
def test_the_sleep_is_jittered_by_a_tenth(draw: float, sleep: float) -> None:
    assert wait_until(opened(draw=draw), 0.0) == pytest.approx(sleep)


def test_jitter_never_lengthens_the_longest_sleep() -> None:
    breaker = opened(settings=BreakerSettings(sleep_for=60.0, consecutive_failures=0), draw=1.0)
    assert wait_until(breaker, 0.0) == 60.0


def test_a_probe_without_a_verdict_costs_the_same_sleep_again() -> None:
    breaker = opened()
    breaker.settle(permit(breaker, 5.0), SKIP, 6.0)
    assert breaker.peek(6.0).state is State.OPEN
    assert wait_until(breaker, 6.0) == 11.0


def test_a_lost_probe_lapses_with_its_lease_and_counts_as_failed() -> None:
    breaker = opened()
    lost = permit(breaker, 5.0)
    assert breaker.peek(11.0).state is State.OPEN
    assert wait_until(breaker, 11.0) == 21.0
    assert breaker.settle(lost, OK, 12.0) is Settlement.LATE
    assert breaker.peek(12.0).state is State.OPEN
    assert permit(breaker, 21.0).probe


def test_a_lease_nobody_looked_at_lapses_before_the_late_result_is_heard() -> None:
    breaker = opened()
    lost = permit(breaker, 5.0)
    assert breaker.settle(lost, OK, 11.0) is Settlement.LATE
    assert breaker.peek(11.0).late == 1


def test_late_success_does_not_close_an_open_breaker() -> None:
    breaker = make_breaker()
    early = permit(breaker, 0.0)
    record(breaker, 0.0, *[BAD] * 20)
    assert breaker.settle(early, OK, 1.0) is Settlement.LATE
    assert breaker.peek(1.0).state is State.OPEN


def test_late_failure_of_an_older_world_does_not_reach_the_probe() -> None:
    breaker = make_breaker()
    early = permit(breaker, 0.0)
    record(breaker, 0.0, *[BAD] * 20)
    probe = permit(breaker, 5.0)
    assert breaker.settle(early, BAD, 5.5) is Settlement.LATE
    assert breaker.settle(probe, OK, 6.0) is Settlement.COUNTED
    assert breaker.settle(probe, BAD, 6.0) is Settlement.LATE
    assert breaker.peek(6.0).state is State.CLOSED


def test_retry_after_extends_the_sleep_and_jitter_is_put_on_top() -> None:
    breaker = make_breaker(draw=1.0)
    record(breaker, 0.0, *[BAD] * 19)
    breaker.settle(permit(breaker, 0.0), BAD, 0.0, retry_after=100.0)
    assert wait_until(breaker, 0.0) == pytest.approx(110.0)


def test_a_failure_that_names_its_retry_after_opens_at_once() -> None:
    """The vendor has said when asking makes sense: nothing is sent before."""
    breaker = make_breaker(draw=0.0)
    breaker.settle(permit(breaker, 0.0), BAD, 0.0, retry_after=2.0)
    assert wait_until(breaker, 0.0) == 2.0
    assert permit(breaker, 2.0).probe


def test_a_retry_after_means_nothing_without_a_failure() -> None:
    breaker = opened()
    breaker.settle(permit(breaker, 5.0), SKIP, 5.0, retry_after=100.0)
    assert wait_until(breaker, 5.0) == 10.0
    breaker.settle(permit(breaker, 10.0), OK, 10.0, retry_after=100.0)
    breaker.settle(permit(breaker, 10.0), OK, 10.0, retry_after=100.0)
    assert breaker.peek(10.0).state is State.CLOSED


def test_a_short_retry_after_does_not_shorten_a_failed_probes_sleep() -> None:
    breaker = opened()
    breaker.settle(permit(breaker, 5.0), BAD, 5.0, retry_after=1.0)
    assert wait_until(breaker, 5.0) == 15.0


def test_force_open_refuses_with_a_finite_wait_and_shows_open() -> None:
    breaker = make_breaker()
    breaker.override = Override.FORCE_OPEN
    assert wait_until(breaker, 3.0) == 8.0
    assert breaker.peek(3.0).state is State.OPEN


def test_force_closed_lets_all_through_and_hears_nothing() -> None:
    breaker = opened()
    breaker.override = Override.FORCE_CLOSED
    forced = permit(breaker, 0.0)
    assert not forced.probe
    assert breaker.settle(forced, OK, 0.0) is Settlement.IGNORED
    assert breaker.peek(0.0).state is State.CLOSED
    breaker.override = Override.NONE
    assert breaker.peek(0.0).state is State.OPEN


def test_reset_closes_forgets_and_makes_running_calls_late() -> None:
    breaker = opened()
    probe = permit(breaker, 5.0)
    breaker.reset()
    assert (breaker.peek(5.0).state, breaker.peek(5.0).total) == (State.CLOSED, 0)
    assert breaker.settle(probe, BAD, 5.0) is Settlement.LATE


def test_every_move_is_told_once_and_in_order() -> None:
    breaker = opened()
    permit(breaker, 5.0)  # lost
    permit(breaker, 21.0)
    moves = [(move.before.name, move.after.name, move.open_for) for move in breaker.take_moves()]
    assert moves == [
        ("CLOSED", "OPEN", 5.0),
        ("OPEN", "HALF_OPEN", 0.0),
        ("HALF_OPEN", "OPEN", 10.0),
        ("OPEN", "HALF_OPEN", 0.0),
    ]
    assert breaker.take_moves() == []


def test_the_latch_takes_three_refusals_in_a_row_and_then_one_try_a_minute() -> None:
    latch = make_breaker(LATCH_SETTINGS)
    record(latch, 0.0, BAD, BAD, SKIP, OK, BAD, BAD, SKIP, BAD)
    assert wait_until(latch, 0.0) == 60.0
    for now in (60.0, 120.0, 180.0):
        latch.settle(permit(latch, now), BAD, now)
        assert wait_until(latch, now) == now + 60.0
    latch.settle(permit(latch, 240.0), OK, 240.0)
    assert not permit(latch, 240.0).probe


def test_the_latch_knows_no_share() -> None:
    latch = make_breaker(LATCH_SETTINGS)
    for _ in range(100):
        record(latch, 0.0, BAD, BAD, OK)
    assert latch.wait_until(0.0) is None
