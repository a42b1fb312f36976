"""Lends every client's allowance out of a store that all instances share; the driver of `lease.py`.

Asks in the background, and at once for a request that waits; never for one that can be answered from memory. At most
one question a client is under way. Always holds: whoever waits is answered when the store has answered or failed; a
fault of the store is the lease's own share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from stock_service.access.lease import Ask, Lease, Lent, fleet_burst
from stock_service.access.lender_script import LEND
from stock_service.access.quota import UNLIMITED, Allowance, Headers, Limit
from stock_service.access.store import Store
from stock_service.base.clock import Clock
from stock_service.base.events import Faulted, Observer

_MICRO = 1_000_000


class Lender:
    """The allowances of all clients, as one instance sees them.

    Args:
        prefix: begins every key in the store.
        pods: how many instances there may be.
    """

    def __init__(self, store: Store, prefix: str, pods: int, clock: Clock, observer: Observer) -> None:
        self._store = store
        self._prefix = prefix
        self._pods = pods
        self._clock = clock
        self._observer = observer
        self._tasks: set[asyncio.Task[None]] = set()

    def allowance_of(self, client_id: str, limit: Limit | None) -> Allowance:
        """Return the allowance of a client; without a limit there is nothing to lend."""
        return UNLIMITED if limit is None else _Account(self._launch, client_id, limit, self._pods, self._clock)

    async def aclose(self) -> None:
        """End all questions under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _launch(self, account: _Account) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(account))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._land(account, done))

    def _land(self, account: _Account, task: asyncio.Task[None]) -> None:
        """Let nobody wait for a task that is over, also when it was cancelled before it began."""
        self._tasks.discard(task)
        if task.cancelled():
            for each in account.waiting:
                _end(each, got=False)

    async def _serve(self, account: _Account) -> None:
        """Ask until nobody waits."""
        while True:
            waiting, account.waiting = account.waiting, []
            try:
                await self._ask(account, waiting)
            except Exception as error:  # noqa: BLE001 - the next one who is short asks again
                self._observer.notify(Faulted("shared", error))
            finally:
                for each in waiting:
                    _end(each, got=False)
            if not account.waiting:
                account.asking = False
                return

    async def _ask(self, account: _Account, waiting: list[asyncio.Future[bool]]) -> None:
        lease, asked_at = account.lease, self._clock.monotonic()
        if waiting and lease.hopeless(asked_at):
            return
        if not self._store.ready:
            lease.miss(asked_at)
            return
        ask = lease.ask(asked_at, len(waiting))
        if ask is None:
            return
        said = await self._store.run(LEND, [f"{self._prefix}:limit:{{{account.client_id}}}"], _args(lease.limit, ask))
        now = self._clock.monotonic()
        lent = _read_lent(said)
        if lent is None:
            lease.miss(now, ask)
            return
        served = lease.hear(ask, lent, asked_at, now)
        for each in waiting[:served]:
            if not _end(each, got=True):
                lease.give_back()


def _read_lent(said: Any) -> Lent | None:
    """Return what the store lent; None for a fault, and for bytes that say nothing of the kind."""
    try:
        return Lent(int(said[0]), int(said[1]) / _MICRO)
    except (ValueError, TypeError, IndexError):
        return None


class _Account:
    """One client's allowance and who waits for some of it."""

    __slots__ = (
        "_clock",
        "_launch",
        "asking",
        "client_id",
        "lease",
        "limit_headers",
        "limit_lines",
        "retry_after",
        "take",
        "take_lines",
        "waiting",
    )

    take: Callable[[float], bool]
    retry_after: Callable[[float], float]
    limit_headers: Callable[[float], Headers]
    limit_lines: Callable[[float], bytes]
    take_lines: Callable[[float], bytes | None]

    def __init__(
        self, launch: Callable[[_Account], None], client_id: str, limit: Limit, pods: int, clock: Clock
    ) -> None:
        self._launch = launch
        self._clock = clock
        self.client_id = client_id
        self.lease = lease = Lease(limit, pods, self.wake)
        self.take, self.retry_after = lease.take, lease.retry_after
        self.limit_headers, self.limit_lines = lease.limit_headers, lease.limit_lines
        self.take_lines = lease.take_lines
        self.waiting: list[asyncio.Future[bool]] = []
        self.asking = False

    def wake(self) -> None:
        if not self.asking:
            self.asking = True
            self._launch(self)

    async def borrow(self) -> bool:
        if not self.lease.short(self._clock.monotonic()):
            return False
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        self.wake()
        return await answer


def _args(limit: Limit, ask: Ask) -> list[str | bytes | int]:
    step, known = _MICRO / limit.rate, round(ask.taken_for * _MICRO)
    return [f"{step:.6f}", f"{fleet_burst(limit):.3f}", ask.needed, ask.wanted, ask.spent, known]


def _end(answer: asyncio.Future[bool], *, got: bool) -> bool:
    """Answer one who waits; False when he is gone, or was answered."""
    if answer.done():
        return False
    answer.set_result(got)
    return True
