"""The pacer's rules, one by one, on a clock that is only an argument."""

from __future__ import annotations

import math

import pytest

from stock_service.upstream.pacer import Later, NoRoom, Pacer, PacerSettings, Slot, Spent, Window

BASIC = (Window(5, 60.0),)


def make_pacer(*windows: Window, guard_for: float = 0.0) -> Pacer:
    return Pacer(PacerSettings(windows or BASIC, guard_for=guard_for))


def planned(pacer: Pacer, now: float, latest: float = math.inf, keep: float = 0.0) -> Slot:
    slot = pacer.reserve(keep, now, latest)
    assert isinstance(slot, Slot)
    return slot


def spend(pacer: Pacer, slot: Slot, now: float) -> Spent:
    spent = pacer.spend(slot, now)
    assert isinstance(spent, Spent)
    return spent


def send(pacer: Pacer, now: float, keep: float = 0.0) -> Spent:
    return spend(pacer, planned(pacer, now, now, keep), now)


def next_at(pacer: Pacer, now: float, keep: float = 0.0) -> float:
    answer = pacer.reserve(keep, now, now)
    assert isinstance(answer, NoRoom)
    return answer.next_at


def test_a_full_window_frees_one_call_when_its_oldest_leaves() -> None:
    pacer = make_pacer()
    for now in (0.0, 1.0, 2.0, 3.0, 4.0):
        send(pacer, now)
    assert next_at(pacer, 5.0) == 60.0
    send(pacer, 60.0)
    assert next_at(pacer, 60.0) == 61.0


def test_callers_queue_in_order_and_each_learns_its_own_start() -> None:
    pacer = make_pacer()
    for _ in range(5):
        send(pacer, 0.0)
    assert [planned(pacer, 1.0).start_at for _ in range(6)] == [60.0] * 5 + [120.0]


def test_a_call_leaves_unplanned_where_there_is_room_and_nobody_before_it() -> None:
    pacer = make_pacer(Window(2, 60.0))
    assert pacer.leave(0.0, 0.0) == Spent(0.0)
    assert pacer.leave(0.5, 0.0) is None  # would take the half that is to stay free
    waiting = planned(pacer, 1.0)
    assert pacer.leave(0.0, 1.0) is None
    pacer.refund(waiting, 1.0)
    assert pacer.leave(0.0, 1.0) == Spent(1.0)
    assert pacer.leave(0.0, 2.0) is None
    assert sent_away(pacer, "somebody", 2.0) == 60.0
    assert pacer.leave(0.0, 60.0) is None  # kept for somebody
    pacer.hold_until(300.0, 61.0)
    assert pacer.leave(0.0, 200.0) is None


def sent_away(pacer: Pacer, asker: str, now: float) -> float:
    answer = pacer.reserve(0.0, now, now, asker)
    assert isinstance(answer, NoRoom)
    return answer.next_at


def full_pacer() -> Pacer:
    pacer = make_pacer()
    for _ in range(5):
        send(pacer, 0.0)
    return pacer


def test_whoever_is_sent_away_hears_a_time_of_its_own_and_finds_room_then() -> None:
    """Told the same time, all but five would come back in vain; a client that tries four times would give up."""
    pacer = full_pacer()
    askers = [f"question {number}" for number in range(7)]
    times = [sent_away(pacer, asker, 1.0) for asker in askers]
    assert times == [60.0] * 5 + [120.0] * 2
    assert sent_away(pacer, "a newcomer", 60.0) == 120.0  # the five are due, and what is free is theirs
    for asker, at in zip(askers, times, strict=True):
        slot = pacer.reserve(0.0, at + 1.0, at + 1.0, asker)  # whole seconds, rounded up
        assert isinstance(slot, Slot)
        spend(pacer, slot, at + 1.0)


def test_nothing_is_kept_for_those_who_do_not_come_back() -> None:
    """Two seconds after their time it is anyone's, and those whose time is later still find room."""
    pacer = full_pacer()
    assert [sent_away(pacer, f"question {number}", 1.0) for number in range(6)] == [60.0] * 5 + [120.0]
    for _ in range(5):
        send(pacer, 62.5)
    assert sent_away(pacer, "a newcomer", 62.5) == 122.5
    assert isinstance(pacer.reserve(0.0, 122.5, 122.5, "question 5"), Slot)


def test_asking_again_too_early_neither_loses_the_time_one_was_told_nor_takes_another() -> None:
    """Two who ask the same question are one asker; the second must not send the first to the end of the queue."""
    pacer = full_pacer()
    assert [sent_away(pacer, "impatient", now) for now in (1.0, 2.0)] == [60.0] * 2
    others = [sent_away(pacer, f"question {number}", 2.5) for number in range(9)]
    assert others == [60.0] * 4 + [120.0] * 5
    assert sent_away(pacer, "impatient", 3.0) == 60.0
    pacer.hold_until(70.0, 4.0)
    assert sent_away(pacer, "impatient", 5.0) > 70.0  # what was told is no longer true


def test_the_number_of_promises_is_bounded() -> None:
    """By four windows; a flood of askers must not send everybody away for hours."""
    pacer = full_pacer()
    times = [sent_away(pacer, f"question {number}", 1.0) for number in range(1_000)]
    assert times == [60.0 * (1 + min(number, 20) // 5) for number in range(1_000)]


def test_a_large_plan_keeps_a_hundred_slots_at_most() -> None:
    """Each refusal reads the list: with a thousand slots kept, one would hold the event loop for a second."""
    pacer = make_pacer(Window(1_000, 60.0))
    for number in range(1_000):
        send(pacer, number * 0.01)
    times = [sent_away(pacer, f"question {number}", 20.0) for number in range(200)]
    assert times == sorted(times)
    assert len(set(times)) == 101


def test_whoever_finds_room_before_its_time_keeps_nothing_for_later() -> None:
    """A slot for it and one kept for it would be two."""
    pacer = full_pacer()
    times = [sent_away(pacer, f"question {number}", 1.0) for number in range(5)]
    assert times == [60.0] * 5
    slots = [pacer.reserve(0.0, 55.0, 63.0, f"question {number}") for number in range(5)]
    for slot in slots:
        assert isinstance(slot, Slot)
        pacer.refund(slot, 55.0)
    newcomer = pacer.reserve(0.0, 60.0, 60.0, "a newcomer")
    assert isinstance(newcomer, Slot)


def test_several_who_did_not_come_back_end_the_keeping_until_one_does() -> None:
    """A scan that asks and goes costs two seconds of one window, and nobody hears a time far away for its sake."""
    pacer = full_pacer()
    for number in range(15):
        sent_away(pacer, f"scan {number}", 1.0)
    for now in (62.5, 62.6, 62.7, 62.8):
        send(pacer, now)
    assert isinstance(pacer.reserve(0.0, 119.0, 119.0, "free is free"), Slot)
    assert sent_away(pacer, "regular", 119.0) == 122.5
    slot = pacer.reserve(0.0, 123.0, 123.0, "regular")
    assert isinstance(slot, Slot)
    spend(pacer, slot, 123.0)


@pytest.mark.parametrize(("calls", "per"), [(2, 1.0), (2, 30.0)])
def test_short_windows_promise_nothing(calls: int, per: float) -> None:
    """They free slots often enough, and two idle seconds would be much of them."""
    pacer = make_pacer(Window(calls, per))
    for _ in range(calls):
        send(pacer, 0.0)
    assert [sent_away(pacer, f"question {number}", 0.5) for number in range(5)] == [per] * 5


def test_no_room_before_latest_plans_nothing_and_tells_the_true_time() -> None:
    pacer = make_pacer()
    for _ in range(5):
        send(pacer, 0.0)
    assert pacer.reserve(0.0, 1.0, 9.0) == NoRoom(60.0)
    assert pacer.peek(1.0).waiting == 0


def test_the_guard_is_added_to_every_window() -> None:
    pacer = make_pacer(Window(1, 1.0), guard_for=0.25)
    send(pacer, 0.0)
    assert next_at(pacer, 0.5) == 1.25


def test_several_windows_hold_together() -> None:
    pacer = make_pacer(Window(2, 1.0), Window(3, 60.0), Window(4, 86_400.0))
    times = []
    now = 0.0
    for _ in range(5):
        answer = pacer.reserve(0.0, now, math.inf)
        assert isinstance(answer, Slot)
        now = answer.start_at
        spend(pacer, answer, now)
        times.append(now)
    assert times == [0.0, 0.0, 1.0, 60.0, 86_400.0]


def test_a_task_that_woke_late_pushes_the_next_window_back() -> None:
    """The plan said 60; the first call really left at 3, so the sixth may not leave before 63."""
    pacer = make_pacer()
    slots = [planned(pacer, 0.0) for _ in range(6)]
    assert slots[5].start_at == 60.0
    for slot in slots[:5]:
        spend(pacer, slot, 3.0)
    assert pacer.spend(slots[5], 60.0) == Later(63.0)
    assert pacer.spend(slots[5], 63.0) == Spent(63.0)


def test_an_overdue_plan_counts_from_now_in_the_forecast() -> None:
    pacer = make_pacer(Window(1, 10.0))
    planned(pacer, 0.0)
    assert next_at(pacer, 4.0) == 14.0


def test_refunding_a_plan_moves_the_forecast_up() -> None:
    pacer = make_pacer(Window(1, 10.0))
    send(pacer, 0.0)
    first = planned(pacer, 0.0)
    planned(pacer, 0.0)
    assert next_at(pacer, 0.0) == 30.0
    pacer.refund(first, 0.0)
    assert next_at(pacer, 0.0) == 20.0


def test_refunding_a_spent_call_frees_its_place_once() -> None:
    pacer = make_pacer(Window(1, 10.0))
    spent = send(pacer, 0.0)
    pacer.refund(spent, 0.0)
    send(pacer, 0.5)
    assert next_at(pacer, 0.5) == 10.5


def test_a_hold_drains_everything_planned_and_new() -> None:
    pacer = make_pacer()
    waiting = planned(pacer, 0.0)
    pacer.hold_until(30.0, 0.0)
    assert pacer.spend(waiting, 1.0) == Later(30.0)
    assert next_at(pacer, 1.0) == 30.0
    assert pacer.peek(1.0).remaining == 0
    assert pacer.peek(1.0).held_until == 30.0
    assert pacer.spend(waiting, 30.0) == Spent(30.0)


def test_a_hold_moves_the_whole_queue_in_the_forecast() -> None:
    pacer = make_pacer(Window(2, 10.0))
    assert [planned(pacer, 0.0).start_at for _ in range(3)] == [0.0, 0.0, 10.0]
    pacer.hold_until(30.0, 0.0)
    assert next_at(pacer, 0.0) == 40.0


def test_an_earlier_hold_does_not_shorten_a_later_one() -> None:
    pacer = make_pacer()
    pacer.hold_until(30.0, 0.0)
    pacer.hold_until(10.0, 0.0)
    assert next_at(pacer, 0.0) == 30.0


def test_a_refresh_leaves_a_fifth_free_and_a_backfill_half() -> None:
    pacer = make_pacer(Window(10, 60.0))
    for _ in range(5):
        send(pacer, 0.0, keep=0.5)
    assert next_at(pacer, 0.0, keep=0.5) == 60.0
    for _ in range(3):
        send(pacer, 0.0, keep=0.2)
    assert next_at(pacer, 0.0, keep=0.2) == 60.0
    for _ in range(2):
        send(pacer, 0.0)
    assert next_at(pacer, 0.0) == 60.0


def test_background_work_never_queues_whatever_it_says() -> None:
    pacer = make_pacer(Window(1, 10.0))
    send(pacer, 0.0)
    assert pacer.reserve(0.2, 1.0, math.inf) == NoRoom(10.0)
    assert planned(pacer, 1.0).start_at == 10.0


def test_background_work_does_not_overtake_a_waiting_caller() -> None:
    pacer = make_pacer(Window(10, 10.0))
    pacer.hold_until(5.0, 0.0)
    assert planned(pacer, 0.0).start_at == 5.0
    assert next_at(pacer, 1.0, keep=0.2) == 5.0
    assert pacer.peek(1.0).waiting == 1


def test_a_plan_of_one_call_still_lets_a_refresh_through() -> None:
    pacer = make_pacer(Window(1, 10.0))
    send(pacer, 0.0, keep=0.5)


def test_a_429_holds_for_its_retry_after_and_halves_the_minute() -> None:
    pacer = make_pacer(Window(10, 60.0), guard_for=0.0)
    spent = send(pacer, 0.0)
    assert pacer.limited(0.5, spent.at, 7.0) == 7.0
    assert next_at(pacer, 0.5) == 7.5
    for _ in range(4):
        send(pacer, 8.0)
    assert next_at(pacer, 8.0) == 60.0
    assert pacer.peek(8.0).level == 0.5


def test_429s_without_retry_after_double_the_pause_and_an_answer_resets_it() -> None:
    pacer = make_pacer(Window(100, 1.0))
    pauses = []
    now = 0.0
    for _ in range(8):
        now = pacer.peek(now).next_at
        spent = send(pacer, now)
        pauses.append(pacer.limited(now + 0.1, spent.at, None))
        now += 0.1
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    now = pacer.peek(now).next_at
    pacer.answered(send(pacer, now).at)
    now = pacer.peek(now + 1.0).next_at
    assert pacer.limited(now, send(pacer, now).at, None) == 1.0


def test_an_answer_to_a_call_from_before_the_refusal_resets_nothing() -> None:
    pacer = make_pacer(Window(100, 1.0))
    early = send(pacer, 0.0)
    pacer.limited(0.1, send(pacer, 0.0).at, None)
    pacer.answered(early.at)
    now = pacer.peek(1.0).next_at
    assert pacer.limited(now + 0.1, send(pacer, now).at, None) == 2.0


def test_a_slow_plan_waits_as_long_as_it_takes_to_free_one_call() -> None:
    pacer = make_pacer(Window(5, 60.0))
    assert pacer.limited(0.1, send(pacer, 0.0).at, None) == 12.0


def test_one_burst_of_429s_lowers_once() -> None:
    pacer = make_pacer(Window(100, 1.0))
    burst = [send(pacer, 0.0) for _ in range(10)]
    pauses = [pacer.limited(0.1 + i / 100, spent.at, None) for i, spent in enumerate(burst)]
    assert pauses == [1.0] * 10
    assert pacer.peek(1.0).level == 0.5


def test_the_level_rises_after_a_quiet_minute_up_to_below_what_was_refused() -> None:
    pacer = make_pacer(Window(100, 1.0))
    pacer.limited(0.0, send(pacer, 0.0).at, 1.0)
    levels = [round(pacer.peek(now).level, 2) for now in (0.0, 59.9, 60.0, 70.0, 80.0, 90.0, 899.0, 900.0)]
    assert levels == [0.5, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 1.0]


def test_a_429_does_not_shrink_the_day() -> None:
    """Half a day's calls spent would forbid the rest of the day."""
    pacer = make_pacer(Window(2, 1.0), Window(10, 86_400.0))
    for now in range(6):
        send(pacer, float(now))
    pacer.limited(6.0, 5.0, 1.0)
    assert next_at(pacer, 6.0) == 7.0


def test_the_book_is_bounded_by_the_largest_window() -> None:
    pacer = make_pacer(Window(100, 1.0), Window(5_000, 86_400.0))
    now = 0.0
    for _ in range(6_000):
        slot = planned(pacer, now)
        now = max(now, slot.start_at)
        spend(pacer, slot, now)
    assert len(pacer._sent) == 5_000
    assert now >= 86_400.0


def test_what_peek_says_is_what_a_newcomer_gets() -> None:
    pacer = make_pacer()
    for _ in range(3):
        send(pacer, 0.0)
    view = pacer.peek(1.0)
    assert (view.remaining, view.waiting, view.next_at, view.held_until) == (2, 0, 1.0, None)
    for _ in range(4):
        planned(pacer, 1.0)
    view = pacer.peek(1.0)
    assert (view.remaining, view.waiting, view.next_at) == (0, 4, 60.0)


@pytest.mark.parametrize("window", [(0, 60.0), (5, 0.0), (5, -1.0), (5, math.nan)])
def test_a_window_without_calls_or_time_is_refused(window: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match="window"):
        Window(*window)


def test_a_plan_without_windows_is_refused() -> None:
    with pytest.raises(ValueError, match="window"):
        PacerSettings(windows=())


def test_the_plan_says_itself_and_what_it_allows_in_ten_seconds() -> None:
    plan = PacerSettings((Window(5, 61.0), Window(1_000, 86_400.0)))
    assert plan.text == "5 calls per 61 s and 1000 calls per 86400 s"
    assert plan.most_within(10.0) == 5.0
    assert PacerSettings((Window(100, 1.0), Window(50_000, 86_400.0))).most_within(10.0) == 1_000.0
