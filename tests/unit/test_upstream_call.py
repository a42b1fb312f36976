"""The driver: order of its layers, exactly one settlement of each, and honest errors. A scripted client, no sockets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from stock_service.base.errors import (
    CircuitOpen,
    CredentialRefused,
    Overloaded,
    QuotaSpent,
    ServiceError,
    VendorFailed,
    VendorSlow,
)
from stock_service.base.events import (
    BreakerMoved,
    BreakerOverridden,
    CredentialAccepted,
    CredentialLatched,
    Event,
    LateResultDropped,
    SlotGranted,
    SlotRefused,
    VendorCalled,
    VendorLimited,
    VendorRetried,
)
from stock_service.base.reply import Reply
from stock_service.upstream.breaker import BreakerSettings, Override
from stock_service.upstream.breakers import Breakers
from stock_service.upstream.call import Priority, Upstream, UpstreamSettings
from stock_service.upstream.client import ClientSettings, Exchange
from stock_service.upstream.outcome import ExchangeFailed, Fault
from stock_service.upstream.pacer import Pacer, PacerSettings, Window
from stock_service.upstream.slots import LocalSlots
from stock_service.vendor.request import ask, parse_request
from tests.support.clock import ManualClock, settle

JSON = "application/json"
GOOD = Exchange(200, JSON, b'{"status":"OK"}', "req-1")
WIDE = (Window(3, 1.0),)  # slow enough for the run rule, quick enough for short tests
PAID = (Window(100, 1.0),)
BARS = ask("/v2/aggs/ticker/AAPL/range/1/day/2024-01-01/2024-02-01")
NEWS = ask("/v2/reference/news")

Act = Exchange | Fault | asyncio.Event


def answer(status: int, body: bytes = b"{}", **fields: Any) -> Exchange:
    return Exchange(status, JSON, body, **fields)


class ScriptedClient:
    """Plays the next of `acts`, or `always`; an event is waited for and then answered well."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.acts: list[Act] = []
        self.always: Act = GOOD
        self.takes = 0.0
        self.calls: list[tuple[float, str, str, float]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.closed = 0

    async def exchange(
        self, target: str, *, accept: str, within: float, edge: Mapping[str, str] | None = None
    ) -> Exchange:
        self.calls.append((self.clock.monotonic(), target, accept, within))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            act = self.acts.pop(0) if self.acts else self.always
            if self.takes:
                await self.clock.sleep(self.takes)
            if isinstance(act, asyncio.Event):
                await act.wait()
                return GOOD
            if isinstance(act, Fault):
                raise ExchangeFailed(act)
            return act
        finally:
            self.under_way -= 1

    async def aclose(self) -> None:
        self.closed += 1


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class Rig:
    """An upstream with its surroundings."""

    def __init__(self, *windows: Window, **changes: Any) -> None:
        self.clock = ManualClock()
        self.client = ScriptedClient(self.clock)
        self.seen = Recorder()
        self.settings = UpstreamSettings(pacer=PacerSettings(windows or WIDE, guard_for=0.0), **changes)
        self.pacer = Pacer(self.settings.pacer)
        slots = LocalSlots(self.pacer, self.clock)
        self.upstream = Upstream(self.settings, self.client, slots, self.clock, self.seen, lambda: 0.5)

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    async def fetch(
        self, request: Any = BARS, *, within: float = 9.0, priority: Priority = Priority.INTERACTIVE
    ) -> Reply:
        """Fetch, moving the clock along while anyone sleeps."""
        task = self.start(request, within=within, priority=priority)
        await settle()
        while not task.done():
            await self.clock.advance(0.05)
        return task.result()

    def start(
        self, request: Any = BARS, *, within: float = 9.0, priority: Priority = Priority.INTERACTIVE
    ) -> asyncio.Task[Reply]:
        return asyncio.create_task(self.upstream.fetch(request, deadline=self.now + within, priority=priority))

    async def error(self, request: Any = BARS, **how: Any) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            await self.fetch(request, **how)
        return caught.value

    async def fail(self, act: Act, times: int, apart: float = 1.0) -> list[ServiceError]:
        errors = []
        for _ in range(times):
            self.client.acts.append(act)
            errors.append(await self.error(priority=Priority.REFRESH))
            await self.clock.advance(apart)
        return errors

    def state(self) -> str:
        return str(self.upstream.breaker_snapshot()["state"])

    def remaining(self) -> int:
        return int(self.upstream.snapshot()["quota"]["remaining"])


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_an_answer_is_returned_with_the_instant_its_exchange_began(rig: Rig) -> None:
    rig.client.takes = 2.0
    began = rig.now
    assert await rig.fetch() == Reply(200, JSON, b'{"status":"OK"}', began, "req-1")
    assert rig.client.calls == [(began, BARS.target, JSON, 5.0)]
    assert rig.seen.events == [
        SlotGranted("interactive", 0.0),
        VendorCalled("bars", "ok", 200, 2.0),
    ]


async def test_a_clients_mistake_is_an_answer(rig: Rig) -> None:
    for status in (400, 404, 410, 422):
        rig.client.acts.append(answer(status, b'{"status":"NOT_FOUND"}'))
        assert (await rig.fetch()).status == status
    assert rig.upstream.breaker_snapshot()["classes"]["bars"]["failures"] == 0


async def test_csv_is_asked_for_when_the_question_wants_it(rig: Rig) -> None:
    await rig.fetch(parse_request(BARS.target, "", "text/csv"))
    assert rig.client.calls[0][2] == "text/csv"


async def test_a_large_body_is_judged_like_a_small_one(rig: Rig) -> None:
    rig.client.acts.append(answer(200, b'{"status":"OK","pad":"' + b"x" * 400_000 + b'"}'))
    task = rig.start()
    assert (await task).status == 200
    rig.client.acts.append(answer(200, b'{"status":"OK","pad":"' + b"x" * 400_000))
    with pytest.raises(VendorFailed):
        await rig.start()


# --- retries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [answer(502), answer(503), answer(504), *map(Fault, ["unreachable", "lost_early"])])
async def test_a_failure_that_may_pass_is_tried_once_more(rig: Rig, first: Act) -> None:
    rig.client.acts.append(first)
    assert (await rig.fetch()).status == 200
    assert len(rig.client.calls) == 2
    assert rig.seen.of(VendorRetried) == [VendorRetried("bars", "done")]


@pytest.mark.parametrize(
    "first", [answer(500), answer(200, b"<html>"), *map(Fault, ["timeout", "certificate", "bomb", "redirected"])]
)
async def test_a_failure_that_will_not_pass_is_not_tried_again(rig: Rig, first: Act) -> None:
    rig.client.acts.append(first)
    await rig.error()
    assert len(rig.client.calls) == 1
    assert rig.seen.of(VendorRetried) == []


@pytest.mark.parametrize("priority", [Priority.REFRESH, Priority.BACKFILL])
async def test_background_work_is_not_retried(rig: Rig, priority: Priority) -> None:
    rig.client.acts.append(answer(502))
    await rig.error(priority=priority)
    assert len(rig.client.calls) == 1


async def test_retries_stop_at_the_budget() -> None:
    rig = Rig(*PAID, breaker=BreakerSettings(consecutive_failures=0))
    rig.client.always = answer(502)
    for _ in range(5):
        await rig.error()
    assert len(rig.client.calls) == 6
    assert Counter(event.result for event in rig.seen.of(VendorRetried)) == {"done": 1, "budget": 4}


async def test_no_retry_when_the_deadline_is_near(rig: Rig) -> None:
    rig.client.takes = 0.4
    rig.client.always = Fault.LOST_EARLY
    await rig.error(within=0.6)
    assert len(rig.client.calls) == 1
    assert rig.seen.of(VendorRetried) == [VendorRetried("bars", "deadline")]


# --- pacer -------------------------------------------------------------------------------------------------


async def test_an_interactive_caller_waits_for_its_slot_and_the_rest_hear_the_true_time() -> None:
    rig = Rig(Window(5, 10.0))
    began = rig.now
    for _ in range(5):
        await rig.fetch()
    error = await rig.error(within=9.0)
    assert isinstance(error, QuotaSpent)
    assert error.retry_after == pytest.approx(10.0)
    await rig.clock.advance(3.0)
    await rig.fetch()
    assert rig.client.calls[-1][0] == pytest.approx(began + 10.0)
    assert rig.seen.of(SlotGranted)[-1].waited == pytest.approx(7.0)
    assert rig.seen.of(SlotRefused) == [SlotRefused("interactive")]


async def test_nobody_waits_past_what_the_exchange_needs_of_the_deadline() -> None:
    rig = Rig(Window(1, 3.0))
    await rig.fetch()
    assert isinstance(await rig.error(within=3.9), QuotaSpent)
    assert (await rig.fetch(within=4.1)).status == 200


async def test_a_short_deadline_still_gets_a_slot_that_is_free_now(rig: Rig) -> None:
    assert (await rig.fetch(within=0.5)).status == 200
    assert rig.client.calls[0][3] == pytest.approx(0.5)


@pytest.mark.parametrize(("priority", "granted"), [(Priority.REFRESH, 8), (Priority.BACKFILL, 5)])
async def test_background_work_leaves_its_share_free_and_never_waits(priority: Priority, granted: int) -> None:
    rig = Rig(Window(10, 5.0))
    began = rig.now
    for _ in range(granted):
        await rig.fetch(priority=priority)
    error = await rig.error(priority=priority)
    assert isinstance(error, QuotaSpent)
    assert error.retry_after == pytest.approx(5.0)
    assert rig.now == began
    assert (await rig.fetch()).status == 200


async def test_a_429_drains_the_pacer_and_leaves_the_breaker_alone(rig: Rig) -> None:
    rig.client.acts.append(answer(429, b"", retry_after=4.0))
    error = await rig.error()
    assert isinstance(error, QuotaSpent)
    assert error.retry_after == pytest.approx(4.0)
    assert [event.pause for event in rig.seen.of(VendorLimited)] == [pytest.approx(4.0)]
    assert rig.upstream.breaker_snapshot()["classes"]["bars"]["calls"] == 0
    began = rig.now
    await rig.fetch()
    assert [call[0] - began for call in rig.client.calls] == [0.0, pytest.approx(4.0)]
    assert rig.seen.of(VendorRetried) == []


async def test_a_429_beyond_the_patience_is_told_with_its_whole_pause(rig: Rig) -> None:
    rig.client.acts.append(answer(429, b"", retry_after=120.0))
    await rig.error()
    error = await rig.error()
    assert isinstance(error, QuotaSpent)
    assert error.retry_after == pytest.approx(120.0)
    assert len(rig.client.calls) == 1


async def test_a_vendor_with_nothing_left_is_not_asked_until_its_reset(rig: Rig) -> None:
    rig.client.acts.append(answer(200, b'{"status":"OK"}', spent_for=6.0))
    await rig.fetch()
    began = rig.now
    await rig.fetch()
    assert rig.client.calls[1][0] - began == pytest.approx(6.0)


# --- breaker -----------------------------------------------------------------------------------------------


async def test_a_failing_class_opens_alone_and_costs_no_slot_while_open(rig: Rig) -> None:
    await rig.fail(answer(500), times=5)
    assert rig.state() == "open"
    remaining = rig.remaining()
    error = await rig.error()
    assert isinstance(error, CircuitOpen)
    assert error.retry_after == pytest.approx(4.0)
    assert (len(rig.client.calls), rig.remaining()) == (5, remaining)
    assert (await rig.fetch(NEWS)).status == 200


async def test_the_probe_closes_the_breaker_and_every_move_is_told(rig: Rig) -> None:
    await rig.fail(answer(500), times=5)
    await rig.clock.advance(5.0)
    assert (await rig.fetch()).status == 200
    assert rig.state() == "closed"
    assert [(event.before, event.after) for event in rig.seen.of(BreakerMoved)] == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]


async def test_a_failed_probe_is_not_retried(rig: Rig) -> None:
    await rig.fail(answer(500), times=5)
    await rig.clock.advance(5.0)
    rig.client.always = Fault.LOST_EARLY
    assert isinstance(await rig.error(), VendorFailed)
    assert len(rig.client.calls) == 6


async def test_the_failure_that_opens_is_not_retried(rig: Rig) -> None:
    rig.client.always = Fault.UNREACHABLE
    await rig.fail(Fault.UNREACHABLE, times=4)
    error = await rig.error()
    assert isinstance(error, VendorFailed)
    assert len(rig.client.calls) == 5


@pytest.mark.parametrize("wish", [2.0, 300.0])
async def test_a_503_with_retry_after_is_passed_on_and_nothing_is_sent_before(rig: Rig, wish: float) -> None:
    rig.client.acts.append(answer(503, retry_after=wish))
    error = await rig.error()
    assert isinstance(error, VendorFailed)
    assert (error.status, error.retry_after) == (503, wish)
    refused = await rig.error()
    assert isinstance(refused, CircuitOpen)
    assert refused.retry_after >= wish
    assert len(rig.client.calls) == 1


async def test_a_server_that_names_a_time_is_not_asked_before_it_even_when_forced(rig: Rig) -> None:
    rig.upstream.override(Override.FORCE_CLOSED, "key-1")
    rig.client.acts.append(answer(503, retry_after=2.0))
    assert isinstance(await rig.error(), VendorFailed)
    assert len(rig.client.calls) == 1


async def test_one_probe_at_a_time_and_the_others_get_their_slots_back() -> None:
    rig = Rig(Window(8, 10.0))
    await rig.fail(answer(500), times=5)
    await rig.clock.advance(8.0)
    gate = asyncio.Event()
    rig.client.always = gate
    rig.pacer.hold_until(rig.now + 1.0, rig.now)
    tasks = [rig.start() for _ in range(3)]
    await rig.clock.advance(1.5)
    assert rig.client.under_way == 1
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert Counter(type(result) for result in results) == {Reply: 1, CircuitOpen: 2}
    assert rig.remaining() == 7


async def test_a_result_of_an_older_world_is_dropped_and_told(rig: Rig) -> None:
    gate = asyncio.Event()
    rig.client.acts.append(gate)
    slow = rig.start()
    await settle()
    await rig.fail(answer(500), times=5)
    gate.set()
    assert (await slow).status == 200
    assert rig.state() == "open"
    assert rig.seen.of(LateResultDropped) == [LateResultDropped("bars")]


async def test_an_operator_may_force_and_reset(rig: Rig) -> None:
    rig.upstream.override(Override.FORCE_OPEN, "key-1")
    assert isinstance(await rig.error(), CircuitOpen)
    assert rig.upstream.breaker_snapshot()["gauge"] == 2
    rig.upstream.override(Override.NONE, "key-1")
    await rig.fail(answer(500), times=5)
    rig.upstream.override(Override.FORCE_CLOSED, "key-1")
    assert (await rig.fetch()).status == 200
    rig.upstream.override(Override.NONE, "key-1")
    assert rig.state() == "open"
    rig.upstream.reset()
    assert (rig.state(), rig.upstream.breaker_snapshot()["gauge"]) == ("closed", 0)
    assert [event.mode for event in rig.seen.of(BreakerOverridden)] == ["force_open", "none", "force_closed", "none"]


def test_the_number_of_breakers_is_bounded() -> None:
    breakers = Breakers(BreakerSettings(), lambda: 0.5, Recorder())
    for number in range(1_000):
        breakers.ask(f"class-{number}", 0.0)
    assert len(breakers.snapshot(0.0)["classes"]) == 64


async def test_an_open_breaker_says_for_how_long_it_has_waited_for_a_question(rig: Rig) -> None:
    """Of several the one that was asked last: while one of them is asked in vain, it is no quiet night."""
    await rig.fail(answer(500), times=5)
    assert rig.upstream.breaker_snapshot()["due_for"] == 0
    await rig.clock.advance(30.0)
    waited = rig.upstream.breaker_snapshot()["due_for"]
    assert 20 < waited < 30
    rig.client.acts.append(answer(500))
    await rig.error()
    assert (rig.state(), rig.upstream.breaker_snapshot()["due_for"]) == ("open", 0)
    await rig.clock.advance(600.0)
    rig.upstream.override(Override.FORCE_OPEN, "key-1")
    assert (rig.state(), rig.upstream.breaker_snapshot()["due_for"]) == ("open", 0)


# --- key ---------------------------------------------------------------------------------------------------


async def test_a_revoked_key_is_latched_after_three_and_asked_for_once_a_minute(rig: Rig) -> None:
    refusal = answer(401, b'{"status":"ERROR","error":"Unknown API Key"}')
    first = await rig.fail(refusal, times=3)
    assert [(type(error), getattr(error, "retry_after", 0)) for error in first] == [(CredentialRefused, None)] * 3
    latched = await rig.error()
    assert isinstance(latched, CredentialRefused)
    assert latched.status == 401
    assert latched.retry_after == pytest.approx(59.0)
    rig.client.always = refusal
    calls = len(rig.client.calls)
    for _ in range(180):
        await rig.clock.advance(1.0)
        await rig.error()
    assert len(rig.client.calls) - calls == 3
    rig.client.always = GOOD
    await rig.clock.advance(60.0)
    assert (await rig.fetch()).status == 200
    assert (await rig.fetch(NEWS)).status == 200
    assert rig.state() == "closed"
    assert rig.seen.of(CredentialLatched) == [CredentialLatched(60.0)] * 4
    assert rig.seen.of(CredentialAccepted) == [CredentialAccepted()]


async def test_a_plan_that_does_not_include_the_data_is_no_refusal_of_the_key(rig: Rig) -> None:
    body = b'{"status":"NOT_AUTHORIZED","message":"You are not entitled to this data."}'
    for _ in range(5):
        rig.client.acts.append(answer(403, body))
        assert (await rig.fetch()).status == 403
    assert rig.upstream.snapshot()["credential"]["latched"] is False


async def test_reset_unlatches_the_key(rig: Rig) -> None:
    await rig.fail(answer(401), times=3)
    rig.upstream.reset()
    assert (await rig.fetch()).status == 200


# --- limits of our own -------------------------------------------------------------------------------------


async def test_never_more_calls_under_way_than_seats_and_a_burst_is_served_in_turn() -> None:
    rig = Rig(*PAID, client=ClientSettings(connections=4))
    rig.client.takes = 1.0
    tasks = [rig.start() for _ in range(10)]
    await rig.clock.advance(3.5)
    assert [task.result().status for task in tasks] == [200] * 10
    assert rig.client.most_under_way == 4


async def test_background_work_takes_at_most_its_seats_and_none_that_is_waited_for() -> None:
    rig = Rig(*PAID, client=ClientSettings(connections=6), background_calls=4)
    gate = asyncio.Event()
    rig.client.always = gate
    background = [rig.start(priority=Priority.REFRESH) for _ in range(6)]
    await settle()
    assert rig.client.under_way == 4
    interactive = [rig.start() for _ in range(2)]
    await settle()
    late = await asyncio.gather(rig.start(priority=Priority.REFRESH), return_exceptions=True)
    assert isinstance(late[0], Overloaded)
    gate.set()
    results = await asyncio.gather(*background, *interactive, return_exceptions=True)
    assert Counter(type(result) for result in results) == {Reply: 6, Overloaded: 2}
    assert rig.upstream.snapshot()["calls"] == {"under_way": 0, "queued": 0}


async def test_a_refresh_never_queues_for_a_seat() -> None:
    rig = Rig(*PAID, client=ClientSettings(connections=2))
    gate = asyncio.Event()
    rig.client.always = gate
    interactive = [rig.start() for _ in range(2)]
    await settle()
    refresh = rig.start(priority=Priority.REFRESH)
    await settle()
    assert isinstance(refresh.exception(), Overloaded)
    gate.set()
    await asyncio.gather(*interactive)


async def test_a_circuit_that_opened_while_one_queued_for_a_seat_costs_no_further_wait() -> None:
    rig = Rig(*PAID, client=ClientSettings(connections=1))
    gate = asyncio.Event()
    rig.client.always = gate
    first, second = rig.start(), rig.start()
    await settle()
    rig.upstream.override(Override.FORCE_OPEN, "key-1")
    rig.pacer.hold_until(rig.now + 5.0, rig.now)
    gate.set()
    await first
    await settle()
    assert isinstance(second.exception(), CircuitOpen)
    assert len(rig.seen.of(SlotGranted)) == 1


async def test_the_queue_for_seats_is_bounded_in_number_and_in_time() -> None:
    rig = Rig(*PAID, client=ClientSettings(connections=1), queue_max=2, max_wait=0.02)
    gate = asyncio.Event()
    rig.client.always = gate
    tasks = [rig.start() for _ in range(4)]
    refused = await asyncio.gather(*tasks[1:], return_exceptions=True)
    assert [type(error) for error in refused] == [Overloaded] * 3
    assert rig.client.under_way == 1
    gate.set()
    assert (await tasks[0]).status == 200


async def test_a_deadline_that_has_passed_costs_nothing(rig: Rig) -> None:
    assert isinstance(await rig.error(within=0.0), VendorSlow)
    assert (rig.client.calls, rig.remaining()) == ([], 3)


async def test_a_timeout_is_the_vendors_only_when_it_had_a_fair_share_of_the_time(rig: Rig) -> None:
    for within, failures in ((2.0, 0), (3.0, 1)):
        rig.client.acts.append(Fault.TIMEOUT)
        assert isinstance(await rig.error(within=within), VendorSlow)
        assert rig.upstream.breaker_snapshot()["classes"]["bars"]["failures"] == failures
    assert [event.outcome for event in rig.seen.of(VendorCalled)] == ["local", "timeout"]


async def test_a_timeout_after_our_own_standstill_is_not_the_vendors(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stood still: a step of ours that took long, or the whole machine, suspended."""

    async def stalled(*args: object, **kwargs: object) -> Exchange:
        rig.clock.shift(3.0)
        raise ExchangeFailed(Fault.TIMEOUT)

    monkeypatch.setattr(rig.client, "exchange", stalled)
    assert isinstance(await rig.error(), VendorSlow)
    assert [event.outcome for event in rig.seen.of(VendorCalled)] == ["local"]


# --- cancellation ------------------------------------------------------------------------------------------


async def test_cancelled_while_waiting_for_a_slot_the_plan_is_given_back() -> None:
    rig = Rig(Window(1, 5.0))
    await rig.fetch()
    waiting = rig.start()
    await settle()
    assert rig.upstream.snapshot()["quota"]["waiting"] == 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert rig.upstream.snapshot()["quota"]["waiting"] == 0
    assert rig.upstream.snapshot()["calls"]["under_way"] == 0


async def test_cancelled_inside_the_probe_the_breaker_may_try_again(rig: Rig) -> None:
    await rig.fail(answer(500), times=5)
    await rig.clock.advance(5.0)
    rig.client.acts.append(asyncio.Event())
    probe = rig.start()
    await settle()
    assert rig.state() == "half_open"
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert rig.state() == "open"
    assert rig.seen.of(VendorCalled)[-1].outcome == "local"
    await rig.clock.advance(5.0)
    assert (await rig.fetch()).status == 200


async def test_a_storm_of_cancellations_leaks_nothing() -> None:
    rig = Rig(Window(50, 1.0), client=ClientSettings(connections=4))
    rig.client.takes = 0.3
    tasks: list[asyncio.Task[Reply]] = []
    for round_ in range(200):
        tasks.append(rig.start(priority=list(Priority)[round_ % 3]))
        if round_ % 3 != 1:
            tasks[(round_ * 7) % len(tasks)].cancel()
        await rig.clock.advance(0.02)
    await rig.clock.advance(20.0)
    assert all(task.done() for task in tasks)
    await asyncio.gather(*tasks, return_exceptions=True)
    snapshot = rig.upstream.snapshot()
    assert snapshot["calls"] == {"under_way": 0, "queued": 0}
    assert (snapshot["quota"]["remaining"], snapshot["quota"]["waiting"]) == (50, 0)
    assert rig.client.under_way == 0
    rig.client.takes = 0.0
    assert [(await rig.fetch()).status for _ in range(10)] == [200] * 10


# --- what it says of itself --------------------------------------------------------------------------------


async def test_the_snapshot_says_plan_queue_hold_breakers_and_key(rig: Rig) -> None:
    await rig.fetch()
    rig.pacer.hold_until(rig.now + 2.0, rig.now)
    assert rig.upstream.snapshot() == {
        "quota": {
            "plan": "3 calls per 1 s",
            "level": 1.0,
            "remaining": 0,
            "waiting": 0,
            "next_slot_in": 2.0,
            "held_for": 2.0,
        },
        "calls": {"under_way": 0, "queued": 0},
        "circuit_breaker": {
            "state": "closed",
            "gauge": 0,
            "due_for": 0.0,
            "override": "none",
            "late_results": 0,
            "classes": {
                "bars": {
                    "state": "closed",
                    "calls": 1,
                    "failures": 0,
                    "failures_in_a_row": 0,
                    "next_try_in": None,
                }
            },
        },
        "credential": {"latched": False, "refused_in_a_row": 0, "next_try_in": None},
    }


async def test_closing_closes_the_client(rig: Rig) -> None:
    await rig.upstream.aclose()
    assert rig.client.closed == 1


def test_the_probes_lease_is_a_second_longer_than_an_attempt() -> None:
    assert UpstreamSettings(client=ClientSettings(attempt_for=20.0)).breaker_in_force.lease_for == 21.0


@pytest.mark.parametrize(
    ("windows", "run"), [((Window(5, 61.0),), 5), (PAID, 0), ((*PAID, Window(50_000, 86_400.0)), 0)]
)
def test_the_run_rule_follows_the_plan(windows: tuple[Window, ...], run: int) -> None:
    assert UpstreamSettings(pacer=PacerSettings(windows)).breaker_in_force.consecutive_failures == run
