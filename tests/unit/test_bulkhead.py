"""Seats for vendor calls: never more than there are, handed on in order, and none lost whoever gives up when."""

from __future__ import annotations

import asyncio

import pytest

from stock_service.base.errors import Overloaded
from stock_service.upstream.bulkhead import Bulkhead
from tests.support.clock import settle


def waiter(bulkhead: Bulkhead, wait_for: float = 60.0) -> asyncio.Task[bool]:
    """Begin to take a seat as an interactive caller."""
    return asyncio.create_task(bulkhead.take(background=False, wait_for=wait_for))


async def test_a_seat_left_goes_to_whoever_waits_longest() -> None:
    """And the takers are told that they waited."""
    bulkhead = Bulkhead(1, 1, 10)
    assert await bulkhead.take(background=False, wait_for=0.0) is False
    first, second = waiter(bulkhead), waiter(bulkhead)
    await settle()
    assert (bulkhead.taken, bulkhead.waiting) == (1, 2)
    bulkhead.leave(background=False)
    late = waiter(bulkhead)
    await settle()
    assert (first.done(), second.done(), late.done()) == (True, False, False)
    assert await first is True
    for _ in range(3):
        bulkhead.leave(background=False)
    assert (await second, await late) == (True, True)
    assert (bulkhead.taken, bulkhead.waiting) == (0, 0)


async def test_one_who_gives_up_loses_nobody_a_seat() -> None:
    """Neither while still in the line, nor in the moment the seat is handed over."""
    bulkhead = Bulkhead(1, 1, 10)
    await bulkhead.take(background=False, wait_for=0.0)
    quitter, handed, last = waiter(bulkhead), waiter(bulkhead), waiter(bulkhead)
    await settle()
    quitter.cancel()
    bulkhead.leave(background=False)
    handed.cancel()
    await asyncio.gather(quitter, handed, return_exceptions=True)
    assert await last is True
    bulkhead.leave(background=False)
    assert (bulkhead.taken, bulkhead.waiting) == (0, 0)


async def test_a_waiter_that_is_closed_hands_on_no_seat_it_never_had() -> None:
    """As happens to those who still wait when the loop is taken down."""
    bulkhead = Bulkhead(1, 1, 10)
    await bulkhead.take(background=False, wait_for=0.0)
    first = waiter(bulkhead)
    await settle()
    closed = bulkhead.take(background=False, wait_for=60.0)
    closed.send(None)
    closed.close()
    await settle()
    assert (bulkhead.taken, bulkhead.waiting, first.done()) == (1, 1, False)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert bulkhead.waiting == 0


async def test_the_line_is_bounded_in_time_and_in_number() -> None:
    """Both are told that there is too much to do."""
    bulkhead = Bulkhead(1, 1, 1)
    await bulkhead.take(background=False, wait_for=0.0)
    late = waiter(bulkhead, wait_for=0.01)
    await settle()
    with pytest.raises(Overloaded):
        await bulkhead.take(background=False, wait_for=60.0)
    with pytest.raises(Overloaded):
        await late
    assert (bulkhead.taken, bulkhead.waiting) == (1, 0)


async def test_background_work_takes_its_share_at_once_or_leaves() -> None:
    """One of two seats, and nothing while all are taken."""
    bulkhead = Bulkhead(2, 1, 10)
    await bulkhead.take(background=True, wait_for=0.0)
    with pytest.raises(Overloaded):
        await bulkhead.take(background=True, wait_for=60.0)
    await bulkhead.take(background=False, wait_for=0.0)
    bulkhead.leave(background=True)
    await bulkhead.take(background=False, wait_for=0.0)
    with pytest.raises(Overloaded):
        await bulkhead.take(background=True, wait_for=60.0)
