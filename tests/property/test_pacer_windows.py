"""In every window of any arrival sequence no more than the plan leaves, and at saturation at least 95 % of it."""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stock_service.upstream.pacer import Later, NoRoom, Pacer, PacerSettings, Slot, Spent, Window

PLANS = [
    (Window(5, 61.0),),
    (Window(1, 1.0),),
    (Window(100, 1.0),),
    (Window(3, 1.0), Window(10, 60.0)),
    (Window(2, 1.0), Window(5, 60.0), Window(40, 86_400.0)),
]


def most_in_any_window(times: list[float], per: float) -> int:
    """Return the largest count of a half-open window of length `per`; `times` ascend."""
    return max((bisect_left(times, start + per) - i for i, start in enumerate(times)), default=0)


class PacerMachine(RuleBasedStateMachine):
    """Arrivals of all kinds, late wake-ups, refunds, holds and refusals in any order."""

    @initialize(plan=st.sampled_from(PLANS), guard_for=st.sampled_from([0.0, 0.03]))
    def begin(self, plan: tuple[Window, ...], guard_for: float) -> None:
        self.plan = plan
        self.pacer = Pacer(PacerSettings(plan, guard_for=guard_for))
        self.now = 0.0
        self.waiting: list[Slot] = []
        self.sent: list[float] = []
        self.last: Spent | None = None
        self.held_until = -math.inf

    @rule(
        patience=st.sampled_from([0.0, 8.0, 100.0]),
        keep=st.sampled_from([0.0, 0.0, 0.2, 0.5]),
        asker=st.sampled_from([None, None, "first", "second", "third"]),
    )
    def arrive(self, patience: float, keep: float, asker: str | None = None) -> None:
        foreseen = self.pacer.peek(self.now).next_at
        answer = self.pacer.reserve(keep, self.now, self.now + patience, asker)
        if isinstance(answer, NoRoom):
            assert answer.next_at > self.now + (patience if keep == 0 else 0.0)
            return
        assert answer.start_at >= self.now
        if keep:
            assert answer.start_at == self.now
        else:
            assert answer.start_at >= foreseen  # behind those who were promised a slot before
        self.waiting.append(answer)

    @rule(keep=st.sampled_from([0.0, 0.2, 0.5]))
    def leave(self, keep: float) -> None:
        """Leave unplanned: only where a plan would have begun now, and past nobody who waits."""
        foreseen = self.pacer.peek(self.now)
        answer = self.pacer.leave(keep, self.now)
        if answer is None:
            return  # it is to be planned
        assert (foreseen.next_at, foreseen.waiting, answer.at) == (self.now, 0, self.now)
        self.sent.append(self.now)
        self.last = answer

    @rule(arrivals=st.integers(2, 30))
    def burst(self, arrivals: int) -> None:
        for _ in range(arrivals):
            self.arrive(100.0, 0.0)
        self.wake_all()

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 1_000))
    def wake(self, which: int) -> None:
        """Wake anyone, even too early: the book decides, not the plan."""
        slot = self.waiting[which % len(self.waiting)]
        answer = self.pacer.spend(slot, self.now)
        if isinstance(answer, Spent):
            assert self.now >= self.held_until
            self.waiting.remove(slot)
            self.sent.append(self.now)
            self.last = answer
        else:
            assert answer.until > self.now

    @rule()
    def wake_all(self) -> None:
        for index in range(len(self.waiting) - 1, -1, -1):
            self.wake(index)

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 1_000))
    def give_up(self, which: int) -> None:
        self.pacer.refund(self.waiting.pop(which % len(self.waiting)), self.now)

    @precondition(lambda self: self.last is not None)
    @rule()
    def refund_the_last(self) -> None:
        assert self.last is not None
        self.pacer.refund(self.last, self.now)
        self.sent.remove(self.last.at)
        self.last = None

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 7.0, 61.0, 4_000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.last = None

    @rule(seconds=st.floats(0.0, 20.0))
    def hold(self, seconds: float) -> None:
        self.held_until = max(self.held_until, self.now + seconds)
        self.pacer.hold_until(self.now + seconds, self.now)

    @precondition(lambda self: self.sent)
    @rule(retry_after=st.sampled_from([None, 1.0, 30.0]))
    def refused(self, retry_after: float | None) -> None:
        pause = self.pacer.limited(self.now, self.sent[-1], retry_after)
        self.held_until = max(self.held_until, self.now + pause)

    @invariant()
    def no_window_holds_more_than_the_plan(self) -> None:
        for window in self.plan:
            assert most_in_any_window(self.sent, window.per) <= window.calls

    @invariant()
    def the_books_agree(self) -> None:
        view = self.pacer.peek(self.now)
        assert view.waiting == len(self.waiting)
        assert view.remaining >= 0
        assert view.next_at >= max(self.now, self.held_until)
        assert 0.0 < view.level <= 1.0


TestPacer = PacerMachine.TestCase
TestPacer.settings = settings(max_examples=60, stateful_step_count=50)


@pytest.mark.parametrize("plan", PLANS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=5)
def test_saturated_callers_get_the_whole_plan_and_never_more(plan: tuple[Window, ...], seed: int) -> None:
    """Callers that come back at once, each waking up to 5 ms late, over many windows."""
    draw = random.Random(seed)
    pacer = Pacer(PacerSettings(plan))
    longest = max(plan, key=lambda window: window.per)
    until = min(longest.per * 10, longest.per * 2_000 / longest.calls)
    sleepers: list[tuple[float, int]] = []
    slots: dict[int, Slot] = {}
    sent: list[float] = []

    def plan_one(now: float) -> None:
        slot = pacer.reserve(0.0, now, math.inf)
        assert isinstance(slot, Slot)
        slots[slot.token] = slot
        heapq.heappush(sleepers, (slot.start_at + draw.uniform(0.0, 0.005), slot.token))

    for _ in range(20):
        plan_one(0.0)
    now = 0.0
    while now < until:
        due, token = heapq.heappop(sleepers)
        now = max(now, due)
        answer = pacer.spend(slots[token], now)
        if isinstance(answer, Spent):
            sent.append(now)
            plan_one(now)
        else:
            heapq.heappush(sleepers, (answer.until + draw.uniform(0.0, 0.005), token))
    for window in plan:
        assert most_in_any_window(sent, window.per) <= window.calls
    granted = min(window.calls * max(1.0, until / window.per) for window in plan)
    assert len([at for at in sent if at <= until]) >= 0.95 * granted


@pytest.mark.parametrize("plan", [Window(5, 61.0), Window(20, 60.0), Window(10, 2.0)])
@pytest.mark.parametrize("returning", [0.0, 0.5, 1.0])
def test_clients_sent_away_cost_the_plan_next_to_nothing(plan: Window, returning: float) -> None:
    """Four times too many, each with its own question; of those sent away some come back, up to three times."""
    draw = random.Random(1)
    pacer = Pacer(PacerSettings((plan,)))
    until = 30 * plan.per
    comings: list[tuple[float, int, int, Slot | None]] = [
        (draw.uniform(0.0, until), question, 0, None) for question in range(4 * 30 * plan.calls)
    ]
    heapq.heapify(comings)
    sent: list[float] = []
    while comings and comings[0][0] < until:
        now, question, times, slot = heapq.heappop(comings)
        if slot is None:
            answer = pacer.reserve(0.0, now, now + 8.0, question)
            if isinstance(answer, Slot):
                heapq.heappush(comings, (answer.start_at, question, times, answer))
            elif times < 3 and draw.random() < returning:
                heapq.heappush(comings, (now + math.ceil(answer.next_at - now), question, times + 1, None))
        elif isinstance(left := pacer.spend(slot, now), Later):
            heapq.heappush(comings, (left.until, question, times, slot))
        else:
            sent.append(now)
    assert most_in_any_window(sent, plan.per) <= plan.calls
    granted = plan.calls * (until - 2 * plan.per) / plan.per
    assert len([at for at in sent if at >= 2 * plan.per]) >= 0.95 * granted


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20)
def test_twenty_page_loops_on_one_small_plan_are_sent_away_at_most_once_a_page(seed: int) -> None:
    """Whoever waits as long as it was told succeeds. Told all the same time, a third gave up after four tries."""
    draw = random.Random(seed)
    pacer = Pacer(PacerSettings((Window(5, 61.0),)))
    comings: list[tuple[float, int, int, Slot | None]] = [
        (draw.uniform(0.0, 1.0), client, 0, None) for client in range(20)
    ]
    refused: set[tuple[int, int]] = set()
    answered = 0
    while comings:
        now, client, page, slot = heapq.heappop(comings)
        if slot is None:
            answer = pacer.reserve(0.0, now, now + 8.0, (client, page))
            if isinstance(answer, NoRoom):
                assert (client, page) not in refused
                refused.add((client, page))
                told_for = math.ceil(answer.next_at - now) + draw.uniform(0.0, 0.1)
                heapq.heappush(comings, (now + told_for, client, page, None))
            else:
                heapq.heappush(comings, (answer.start_at, client, page, answer))
        elif isinstance(left := pacer.spend(slot, now), Later):
            heapq.heappush(comings, (left.until, client, page, slot))
        else:
            answered += 1
            if page < 9:
                heapq.heappush(comings, (now + draw.uniform(0.05, 0.3), client, page + 1, None))
    assert answered == 200


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20)
def test_a_stream_of_background_work_never_makes_an_interactive_caller_queue_longer(seed: int) -> None:
    """At any instant an interactive caller who finds nobody interactive waiting gets the last fifth at once."""
    draw = random.Random(seed)
    pacer = Pacer(PacerSettings((Window(10, 10.0),)))
    now = 0.0
    interactive = [-math.inf]
    for _ in range(400):
        now += draw.uniform(0.0, 0.3)
        background = pacer.reserve(draw.choice([0.2, 0.5]), now, math.inf)
        if isinstance(background, Slot):
            assert isinstance(pacer.spend(background, now), Spent)
        if now - interactive[-1] > 6.0:
            slot = pacer.reserve(0.0, now, now)
            assert isinstance(slot, Slot)
            assert isinstance(pacer.spend(slot, now), Spent)
            interactive.append(now)


@pytest.mark.parametrize("vendor_calls", [1, 3, 4])
def test_a_smaller_quota_than_configured_is_learned(vendor_calls: int) -> None:
    """Over a saturated hour the refused share is below 5 % once the level has been found (fault row 25)."""
    pacer = Pacer(PacerSettings((Window(5, 61.0),)))
    accepted: list[float] = []
    asked = refused = 0
    now = 0.0
    while now < 6 * 3_600.0:
        slot = pacer.reserve(0.0, now, math.inf)
        assert isinstance(slot, Slot)
        now = slot.start_at
        while not isinstance(spent := pacer.spend(slot, now), Spent):
            now = spent.until
        judged = now > 1_800.0
        asked += judged
        if sum(at > now - 60.0 for at in accepted) < vendor_calls:
            accepted.append(now)
            pacer.answered(spent.at)
        else:
            refused += judged
            pacer.limited(now + 0.05, spent.at, None)
            now += 0.05
    assert asked > 0.5 * vendor_calls * (6 * 60 - 30) * 0.9
    assert refused < 0.05 * asked
