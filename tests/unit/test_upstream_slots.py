"""Waiting for a slot: leaves on time, gives back what it does not use, and tells the truth when it gives up."""

from __future__ import annotations

import asyncio

from stock_service.upstream.pacer import NoRoom, Pacer, PacerSettings, Spent, Window
from stock_service.upstream.slots import LocalSlots
from stock_service.upstream.stall import StallWatch
from tests.support.clock import ManualClock, settle


async def test_a_waiter_leaves_at_its_instant() -> None:
    clock = ManualClock(0.0)
    slots = LocalSlots(Pacer(PacerSettings((Window(1, 5.0),), guard_for=0.0)), clock)
    assert await slots.take(0.0, 0.0) == Spent(0.0)
    waiter = asyncio.create_task(slots.take(0.0, 8.0))
    await clock.advance(4.9)
    assert not waiter.done()
    await clock.advance(0.1)
    assert waiter.result() == Spent(5.0)


async def test_a_waiter_whose_slot_a_hold_moved_beyond_its_patience_hears_the_new_time() -> None:
    clock = ManualClock(0.0)
    slots = LocalSlots(Pacer(PacerSettings((Window(1, 5.0),), guard_for=0.0)), clock)
    await slots.take(0.0, 0.0)
    waiter = asyncio.create_task(slots.take(0.0, 8.0))
    await settle()
    slots.hold(60.0)
    await clock.advance(5.0)
    assert waiter.result() == NoRoom(60.0)
    assert slots.peek().waiting == 0


async def test_a_waiter_whose_slot_a_hold_moved_within_its_patience_goes_on_waiting() -> None:
    clock = ManualClock(0.0)
    slots = LocalSlots(Pacer(PacerSettings((Window(1, 5.0),), guard_for=0.0)), clock)
    await slots.take(0.0, 0.0)
    waiter = asyncio.create_task(slots.take(0.0, 8.0))
    await settle()
    slots.hold(7.0)
    await clock.advance(7.0)
    assert waiter.result() == Spent(7.0)


async def test_a_standstill_is_seen_by_the_tick_that_ends_it() -> None:
    clock = ManualClock()
    watch = StallWatch(clock)
    entered_at = watch.enter()
    assert not watch.stalled_since(entered_at)
    clock.shift(3.0)
    watch._tick()
    assert watch.stalled_since(entered_at)
    assert not watch.stalled_since(watch.enter() + 0.001)
    watch.leave()
    watch.leave()


async def test_ticking_ends_with_the_first_tick_nobody_waits_for() -> None:
    watch = StallWatch(ManualClock())
    watch.enter()
    watch._tick()
    waiting = watch._handle
    watch.leave()
    watch._tick()
    assert watch._handle is waiting
    watch.enter()
    assert watch._handle is waiting  # it is not due yet, and does for this one too


async def test_a_standstill_nobody_watched_is_no_excuse_for_what_comes_later() -> None:
    clock = ManualClock()
    watch = StallWatch(clock)
    watch.enter()
    watch.leave()
    late = watch._handle
    clock.shift(3.0)
    entered_at = watch.enter()
    assert late is not None
    assert late.cancelled()
    assert not watch.stalled_since(entered_at)
