"""One fetch per key: shared results, shared errors, and nobody's leaving disturbs anybody."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import traceback
import weakref

import pytest

from stock_service.base.errors import VendorFailed, VendorSlow
from stock_service.cache.flight import Flights
from tests.support.clock import ManualClock, settle


class Fetcher:
    """Counts its runs and answers when told."""

    def __init__(self) -> None:
        self.runs = 0
        self.finish: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> str:
        self.runs += 1
        return await asyncio.shield(self.finish)


async def test_thousand_askers_cost_one_fetch() -> None:
    clock, fetch = ManualClock(), Fetcher()
    flights: Flights[str] = Flights(clock)
    askers = [asyncio.create_task(flights.join("k", fetch, clock.monotonic() + 9)) for _ in range(1000)]
    await settle()
    fetch.finish.set_result("bars")
    landed = await asyncio.gather(*askers)
    assert fetch.runs == 1
    assert {one.value for one in landed} == {"bars"}
    assert sum(not one.joined for one in landed) == 1
    assert len(flights) == 0


async def test_fetch_outlives_its_asker() -> None:
    """The quota is spent; throwing the answer away would spend it again."""
    clock, fetch = ManualClock(), Fetcher()
    flights: Flights[str] = Flights(clock)
    leader = asyncio.create_task(flights.join("k", fetch, clock.monotonic() + 9))
    await settle()
    follower = asyncio.create_task(flights.join("k", fetch, clock.monotonic() + 9))
    await settle()
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    fetch.finish.set_result("bars")
    assert (await follower).value == "bars"
    assert fetch.runs == 1


async def test_every_asker_may_leave_and_the_fetch_still_lands() -> None:
    clock, fetch = ManualClock(), Fetcher()
    flights: Flights[str] = Flights(clock)
    asker = asyncio.create_task(flights.join("k", fetch, clock.monotonic() + 9))
    await settle()
    asker.cancel()
    await asyncio.gather(asker, return_exceptions=True)
    assert flights.running("k")
    fetch.finish.set_result("bars")
    await settle()
    assert not flights.running("k")


async def test_failure_reaches_all_as_separate_errors_and_lingers() -> None:
    clock, fetch = ManualClock(), Fetcher()
    flights: Flights[str] = Flights(clock, linger_for=0.5)
    askers = [asyncio.create_task(flights.join("k", fetch, clock.monotonic() + 9)) for _ in range(50)]
    await settle()
    fetch.finish.set_exception(VendorFailed("server", 500))
    errors = await asyncio.gather(*askers, return_exceptions=True)
    assert {type(error) for error in errors} == {VendorFailed}
    assert len({id(error) for error in errors}) == 50
    with pytest.raises(VendorFailed) as late:
        await flights.join("k", fetch, clock.monotonic() + 9)
    assert late.value.status == 500
    assert fetch.runs == 1
    clock.shift(0.6)
    second = Fetcher()
    second.finish.set_result("bars")
    assert (await flights.join("k", second, clock.monotonic() + 9)).value == "bars"
    assert second.runs == 1


async def test_impatient_asker_gets_a_typed_error_and_leaves_the_fetch_running() -> None:
    clock, fetch = ManualClock(), Fetcher()
    flights: Flights[str] = Flights(clock)
    with pytest.raises(VendorSlow):
        await flights.join("k", fetch, clock.monotonic())
    assert flights.running("k")
    fetch.finish.set_result("bars")
    await settle()


async def test_unexpected_exception_is_not_kept_for_later_askers() -> None:
    """Only the family is a verdict about the vendor; a bug must show itself each time."""
    clock = ManualClock()
    flights: Flights[str] = Flights(clock)
    runs = 0

    async def broken() -> str:
        nonlocal runs
        runs += 1
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await flights.join("k", broken, clock.monotonic() + 9)
    assert runs == 2


async def test_an_unexpected_exception_is_as_short_for_the_last_asker_as_for_the_first() -> None:
    """Each raising adds to the traceback: logging those of a thousand askers held the loop up for half a minute."""
    clock = ManualClock()
    flights: Flights[str] = Flights(clock)
    lengths: list[int] = []

    async def broken() -> str:
        await settle()
        raise ZeroDivisionError

    async def ask() -> None:
        try:
            await flights.join("k", broken, clock.monotonic() + 9)
        except ZeroDivisionError as error:
            lengths.append(len(traceback.extract_tb(error.__traceback__)))

    await asyncio.gather(*(ask() for _ in range(50)))
    assert (len(lengths), len(set(lengths))) == (50, 1)


async def test_a_failure_that_is_kept_holds_nothing_of_its_fetch() -> None:
    """A body of megabytes that was no answer is not kept for the sake of the error that says so."""
    clock = ManualClock()
    flights: Flights[str] = Flights(clock)
    freed: list[str] = []

    class Body:
        """Something large."""

    async def fetch() -> str:
        body = Body()
        weakref.finalize(body, freed.append, "body")
        raise VendorFailed("invalid")

    with pytest.raises(VendorFailed):
        await flights.join("k", fetch, clock.monotonic() + 9)
    await settle()
    gc.collect()
    assert freed == ["body"]
    with pytest.raises(VendorFailed):
        await flights.join("k", fetch, clock.monotonic() + 9)
    assert len(freed) == 1


async def test_no_context_of_an_asker_leaks_into_the_fetch() -> None:
    secret: contextvars.ContextVar[str] = contextvars.ContextVar("secret", default="none")
    secret.set("the asker's")
    clock = ManualClock()
    flights: Flights[str] = Flights(clock)

    async def fetch() -> str:
        return secret.get()

    assert (await flights.join("k", fetch, clock.monotonic() + 9)).value == "none"


async def test_closing_waits_then_cancels_and_counts() -> None:
    clock, stuck, quick = ManualClock(), Fetcher(), Fetcher()
    flights: Flights[str] = Flights(clock)
    _ = flights.launch("stuck", stuck)
    _ = flights.launch("quick", quick)
    await settle()
    quick.finish.set_result("bars")
    assert await flights.aclose(within=0.01) == 1
    assert len(flights) == 0


async def test_kept_failures_are_bounded() -> None:
    clock = ManualClock()
    flights: Flights[str] = Flights(clock, linger_for=60.0)

    async def failing() -> str:
        raise VendorFailed("server", 500)

    for number in range(10_050):
        _ = flights.launch(str(number), failing)
    await settle()
    assert len(flights._failed) == 10_000
