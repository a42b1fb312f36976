"""The breaker against a small reference model, over random orders of events."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stock_service.upstream.breaker import Breaker, BreakerSettings, Override, Permit, Settlement, State, Verdict


@dataclass
class Model:
    """The rules in the plainest words: a list of results, and instants."""

    run_limit: int = 0
    state: str = "closed"
    until: float = 0.0
    epoch: int = 0
    failed_probes: int = 0
    results: list[tuple[int, bool]] = field(default_factory=list)
    run: int = 0

    def sleep(self) -> float:
        return min(5.0 * 2.0**self.failed_probes, 60.0)

    def enter(self, state: str, until: float = 0.0) -> None:
        self.state, self.until, self.epoch = state, until, self.epoch + 1

    def lapse(self, now: float) -> None:
        if self.state == "half" and now >= self.until:
            self.failed_probes += 1
            self.enter("open", self.until + self.sleep())

    def ask(self, now: float) -> bool:
        self.lapse(now)
        if self.state == "open" and now >= self.until:
            self.enter("half", now + 6.0)
            return True
        return self.state == "closed"

    def settle(self, epoch: int, verdict: Verdict, now: float, retry_after: float) -> bool:
        """Return whether the result was in time."""
        self.lapse(now)
        if epoch != self.epoch:
            return False
        if self.state == "half":
            if verdict is Verdict.SUCCESS:
                self.close()
                return True
            self.failed_probes += verdict is Verdict.FAILURE
            self.enter("open", now + max(self.sleep(), retry_after))
        elif verdict is not Verdict.IGNORED:
            self.count(verdict is Verdict.FAILURE, now, retry_after)
        return True

    def count(self, failed: bool, now: float, retry_after: float) -> None:
        self.run = self.run + 1 if failed else 0
        self.results.append((int(now), failed))
        total, failures = self.sums(now)
        if (total >= 20 and failures * 100 >= 50 * total) or 0 < self.run_limit <= self.run:
            self.enter("open", now + max(5.0, retry_after))
        elif failed and retry_after:
            self.enter("open", now + retry_after)

    def close(self) -> None:
        self.results, self.run, self.failed_probes = [], 0, 0
        self.enter("closed")

    def sums(self, now: float) -> tuple[int, int]:
        recent = [failed for second, failed in self.results if second > int(now) - 10]
        return len(recent), sum(recent)


class BreakerMachine(RuleBasedStateMachine):
    """Asks, reports, forgets, waits and overrides in any order; both must agree at every step."""

    @initialize(run_limit=st.sampled_from([0, 5]))
    def begin(self, run_limit: int) -> None:
        self.breaker = Breaker(BreakerSettings(jitter=0.0, consecutive_failures=run_limit), lambda: 0.0)
        self.model = Model(run_limit)
        self.now = 0.0
        self.out: list[tuple[Permit, int]] = []

    @rule()
    def ask(self) -> None:
        answer = self.breaker.ask(self.now)
        if self.breaker.override is Override.NONE:
            assert isinstance(answer, Permit) == self.model.ask(self.now)
        if isinstance(answer, Permit):
            self.out.append((answer, self.model.epoch))

    @precondition(lambda self: self.out)
    @rule(
        which=st.integers(0, 10_000),
        verdict=st.sampled_from(Verdict),
        retry_after=st.sampled_from([0.0, 0.0, 2.0, 300.0]),
    )
    def settle(self, which: int, verdict: Verdict, retry_after: float) -> None:
        permit, epoch = self.out.pop(which % len(self.out))
        settlement = self.breaker.settle(permit, verdict, self.now, retry_after)
        if permit.generation >= 0:
            in_time = self.model.settle(epoch, verdict, self.now, retry_after if verdict is Verdict.FAILURE else 0.0)
            assert (settlement is not Settlement.LATE) == in_time
        else:
            assert settlement is Settlement.IGNORED

    @rule(verdict=st.sampled_from([Verdict.SUCCESS, Verdict.FAILURE]), times=st.integers(1, 15))
    def burst(self, verdict: Verdict, times: int) -> None:
        for _ in range(times):
            self.ask()
            if self.out:
                self.settle(len(self.out) - 1, verdict, 0.0)

    @precondition(lambda self: self.out)
    @rule()
    def forget(self) -> None:
        self.out.pop()

    @rule(seconds=st.floats(0.0, 70.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(mode=st.sampled_from(Override))
    def override(self, mode: Override) -> None:
        self.breaker.override = mode

    @rule()
    def reset(self) -> None:
        self.breaker.reset()
        self.model.close()

    @invariant()
    def state_equals_the_models(self) -> None:
        view = self.breaker.peek(self.now)
        assert view.state in (0, 1, 2)
        if self.breaker.override is not Override.NONE:
            return
        state, until = self.model.state, self.model.until
        if state == "half" and self.now >= until:
            state = "open"
            until += min(5.0 * 2 ** (self.model.failed_probes + 1), 60.0)
        assert view.state is {"closed": State.CLOSED, "half": State.HALF_OPEN, "open": State.OPEN}[state]
        if view.wait_until is not None:
            assert view.wait_until == until
        assert (view.total, view.failures) == self.model.sums(self.now)

    @invariant()
    def at_most_one_probe_is_current(self) -> None:
        current = [permit for permit, epoch in self.out if permit.probe and epoch == self.model.epoch]
        assert len(current) <= 1

    @invariant()
    def silence_always_ends_in_a_probe(self) -> None:
        """After the lease and the longest sleep, or the vendor's own wish, somebody may ask again."""
        if self.breaker.override is Override.NONE:
            until = self.breaker.peek(self.now).wait_until
            if until is not None:
                later = self.breaker.peek(max(until, self.now) + 66.0)
                assert until - self.now <= 300.0 + 1e-6
                assert later.wait_until is None


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=60)
