"""Leases of one client on several instances against what a single bucket would let through."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from stock_service.access.lease import Ask, Lease, Lent, fleet_burst
from stock_service.access.quota import Limit
from tests.support.lease_fleet import Book

LIMITS = st.builds(Limit, st.sampled_from([1 / 30, 5 / 60, 3.0, 10.0, 100.0, 2_000.0]), st.integers(1, 120))
PODS = 3
HELD_FOR = 0.5  # seconds; what is lent is used within two leases: its own time, and that of one it was joined to


@dataclass
class Pod:
    """An instance whose questions take a while on the way; `asked` is the one under way."""

    limit: Limit
    way: float
    lease: Lease = field(init=False)
    asked: tuple[Ask, Lent | None, float] | None = None
    waiting: int = 0
    woken: bool = False

    def __post_init__(self) -> None:
        self.lease = Lease(self.limit, PODS, self.wake)

    def wake(self) -> None:
        self.woken = True

    def run(self, book: Book, now: float, *, up: bool) -> int:
        """Hear what has arrived, ask what is to be asked; return how many of those who waited got through."""
        served = 0
        if self.asked is not None and now >= self.asked[2] + self.way:
            ask, lent, asked_at = self.asked
            self.asked = None
            if lent is None:
                self.lease.miss(now, ask)
            else:
                served = self.lease.hear(ask, lent, asked_at, now)
        if self.asked is None and (self.waiting or self.woken) and not (self.waiting and self.lease.hopeless(now)):
            question = self.lease.ask(now, self.waiting)
            if question is not None:
                self.asked = (question, book.lend(question, now) if up else None, now)
            self.woken = False
        self.waiting = 0
        return served

    def request(self, now: float) -> bool:
        if self.lease.take(now):
            return True
        self.waiting += self.lease.short(now) and self.asked is None
        return False


def most_over(instants: list[float], rate: float) -> float:
    """Return by how many the worst span exceeds `rate` times its length."""
    worst = low = 0.0
    for number, at in enumerate(instants):
        low = min(low, number - rate * at) if number else -rate * at
        worst = max(worst, number + 1 - rate * at - low)
    return worst


@settings(max_examples=40, deadline=None)
@given(LIMITS, st.floats(0.0, 0.05), st.lists(st.tuples(st.integers(0, 7), st.integers(1, 200)), max_size=8))
def test_no_span_lets_more_through_than_the_limit_and_what_is_under_way(
    limit: Limit, way: float, phases: list[tuple[int, int]]
) -> None:
    """Load that comes, goes and moves between instances; `phases` say which of them are asked, and for how long."""
    pods, book, now, passed = [Pod(limit, way) for _ in range(PODS)], Book(limit), 1_000.0, []
    step = min(0.25, 0.2 / limit.rate)
    for who, ticks in phases:
        for _ in range(ticks):
            for number, pod in enumerate(pods):
                passed += [now] * pod.run(book, now, up=True)
                if who >> number & 1:
                    passed += [now] * sum(pod.request(now) for _ in range(3))
            now += step
    assert most_over(passed, limit.rate) <= fleet_burst(limit) + limit.rate * HELD_FOR + 0.01


@settings(max_examples=20, deadline=None)
@given(
    st.builds(Limit, st.sampled_from([5.0, 100.0, 400.0]), st.integers(1, 120)),
    st.floats(0.0005, 0.005),
    st.sampled_from([(7,), (1,), (1, 2, 4), (3, 4), (7, 1)]),
    st.integers(5, 60),
)
def test_whoever_asks_all_the_time_gets_the_whole_limit_wherever_the_load_is(
    limit: Limit, way: float, who: tuple[int, ...], turn: int
) -> None:
    pods, book, begun = [Pod(limit, way) for _ in range(PODS)], Book(limit), 1_000.0
    step = min(0.01, 0.25 / limit.rate)
    span = 2.0 if limit.rate > 50 else 40 / limit.rate
    passed, now, count = 0, begun, 0
    while now < begun + span:
        asked = who[count // turn % len(who)]
        for number, pod in enumerate(pods):
            passed += pod.run(book, now, up=True)
            if asked >> number & 1:
                passed += sum(pod.request(now) for _ in range(2))
        now, count = now + step, count + 1
    assert passed >= 0.95 * limit.rate * span


@settings(max_examples=25, deadline=None)
@example(Limit(3.0, 20), [(True, 20), (False, 150)] * 8)
@given(LIMITS, st.lists(st.tuples(st.booleans(), st.integers(1, 150)), min_size=1, max_size=8))
def test_a_lender_that_comes_and_goes_never_lifts_the_limit(limit: Limit, phases: list[tuple[bool, int]]) -> None:
    """Own shares and leases together, all instances asked all the time."""
    pods, book, now, passed = [Pod(limit, 0.001) for _ in range(PODS)], Book(limit), 1_000.0, []
    step = min(0.25, 0.2 / limit.rate)
    for up, ticks in phases:
        for _ in range(ticks):
            for pod in pods:
                passed += [now] * pod.run(book, now, up=up)
                passed += [now] * sum(pod.request(now) for _ in range(3))
            now += step
    shares = PODS * max(1, limit.burst // PODS)
    # At the start nobody knows what is left: then, and only then, there is a share of everything beside the loans.
    assert most_over(passed, limit.rate) <= fleet_burst(limit) + shares + limit.rate * HELD_FOR + 2 * PODS


@given(LIMITS)
def test_without_a_lender_an_instance_lets_its_share_through_and_never_nothing(limit: Limit) -> None:
    pod = Pod(limit, 0.0)
    pod.lease.miss(0.0)
    times = [tick * 0.1 / limit.rate for tick in range(600)]
    passed = sum(pod.lease.take(now) for now in times)
    share = max(1, limit.burst // PODS) + times[-1] * limit.rate / PODS
    assert share - 2 <= passed <= share + 1


def test_an_unused_lease_ends() -> None:
    limit = Limit(100.0, 100)
    pod, book = Pod(limit, 0.0), Book(limit)
    pod.waiting = 10
    pod.run(book, 0.0, up=True)
    assert pod.run(book, 0.0, up=True) == 10
    pod.lease.hear(Ask(0, 10, 0, 0.0), Lent(10, 0.5), 0.0, 0.0)
    assert pod.lease.take(0.24)
    assert not pod.lease.take(0.25)


def test_a_lender_that_forgot_is_told_what_was_last_heard() -> None:
    limit = Limit(1.0, 50)
    pod, book = Pod(limit, 0.0), Book(limit)
    pod.waiting = 50
    pod.run(book, 0.0, up=True)
    assert pod.run(book, 0.0, up=True) == 50
    book.taken = None  # as after a restart
    pod.waiting = 10
    pod.run(book, 2.0, up=True)
    assert pod.run(book, 2.0, up=True) == 2


@settings(max_examples=60, deadline=None)
@given(LIMITS, st.lists(st.tuples(st.floats(0.0, 0.4), st.integers(0, 12), st.booleans()), max_size=25))
def test_taking_and_showing_at_once_is_taking_and_then_showing(
    limit: Limit, steps: list[tuple[float, int, bool]]
) -> None:
    pods, now = [Pod(limit, 0.0), Pod(limit, 0.0)], 1_000.0
    books = [Book(limit), Book(limit)]
    for after, waiting, up in steps:
        now += after
        for pod, book in zip(pods, books, strict=True):
            pod.waiting = waiting
            pod.woken = True
            pod.run(book, now, up=up)
            pod.run(book, now, up=up)
        for _ in range(3):
            apart = pods[0].lease.limit_lines(now) if pods[0].lease.take(now) else None
            assert pods[1].lease.take_lines(now) == apart
