"""One running fetch per key, shared by everyone who asks while it runs.

The flight owns its task; an asker waits beside it and may leave without disturbing it, so a fetch that was paid for
always finishes and fills the cache. Errors are shared with all present and kept for a moment, so that a herd behind
a failing vendor does not become a convoy of second fetches. Cancellation is never shared.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, TypeVar

from stock_service.base.clock import Clock
from stock_service.base.errors import ServiceError, VendorSlow
from stock_service.base.record import record

T = TypeVar("T")

_FAILURES_MAX = 10_000


@record
class Landed(Generic[T]):
    """A flight's result; `joined` when somebody else had started it."""

    value: T
    joined: bool


@record
class _Failed:
    """What a flight raised, and its traceback then: each raising of the same exception adds to the one it carries."""

    error: Exception
    traceback: TracebackType | None

    def fresh(self) -> Exception:
        """Return what one of many may raise; anything outside the family as if nobody had raised it yet."""
        if isinstance(self.error, ServiceError):
            return _fresh(self.error)
        return self.error.with_traceback(self.traceback)


class Flights(Generic[T]):
    """Running fetches by key, and failures of the last moment.

    Args:
        clock: monotonic time.
        linger_for: seconds a failure answers later askers too.
    """

    def __init__(self, clock: Clock, linger_for: float = 0.5) -> None:
        self._clock = clock
        self._linger_for = linger_for
        self._running: dict[str, asyncio.Task[T | _Failed]] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._failed: dict[str, tuple[float, ServiceError]] = {}

    def __len__(self) -> int:
        """How many fetches run."""
        return len(self._running)

    def running(self, key: str) -> bool:
        """Return whether a fetch of `key` runs."""
        return key in self._running

    async def join(self, key: str, start: Callable[[], Coroutine[Any, Any, T]], until: float) -> Landed[T]:
        """Return the result of the flight of `key`, starting one when none runs.

        Raises:
            VendorSlow: nothing landed before `until` (monotonic); the flight goes on.
            ServiceError: the flight failed, now or within the last `linger_for` seconds.
        """
        task = self._running.get(key)
        joined = task is not None
        if task is None:
            self._raise_recent(key)
            task = self._launch(key, start)
        begun = self._clock.monotonic()
        await self._wait(key, task, until - begun)
        if not task.done() or task.cancelled():
            raise VendorSlow(self._clock.monotonic() - begun)
        flown = task.result()
        if isinstance(flown, _Failed):
            raise flown.fresh()
        return Landed(flown, joined)

    def launch(self, key: str, start: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T | _Failed]:
        """Start the flight of `key` unless one runs; return its task. Nobody has to wait for it."""
        return self._running.get(key) or self._launch(key, start)

    def _launch(self, key: str, start: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T | _Failed]:
        # An empty context: no asker's request id, trace or deadline leaks into work done for all.
        task = asyncio.get_running_loop().create_task(self._fly(key, start), context=contextvars.Context())
        self._running[key] = task
        return task

    async def aclose(self, within: float) -> int:
        """Wait up to `within` seconds for all flights, cancel the rest and return how many were cancelled."""
        tasks = list(self._running.values())
        if not tasks:
            return 0
        _, late = await asyncio.wait(tasks, timeout=within)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return len(late)

    async def _fly(self, key: str, start: Callable[[], Coroutine[Any, Any, T]]) -> T | _Failed:
        """Return what was fetched, or why it was not: raised, it would be lost where nobody waits."""
        try:
            value = await start()
        except Exception as error:  # noqa: BLE001 - those who wait raise it
            if isinstance(error, ServiceError):
                self._keep_failure(key, _fresh(error))  # without the frames of the fetch, and all they hold
            return _Failed(error, error.__traceback__)
        else:
            self._failed.pop(key, None)
            return value
        finally:
            self._land(key)

    def _land(self, key: str) -> None:
        """Wake who waits; by the time they run, the task is done."""
        del self._running[key]
        for woken in self._waiting.pop(key, ()):
            _settle(woken)

    async def _wait(self, key: str, task: asyncio.Task[T | _Failed], seconds: float) -> None:
        """Wait for `task` without owning it: leaving early or being cancelled does not touch it."""
        if task.done():
            return
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        waiting = self._waiting.setdefault(key, set())
        waiting.add(woken)
        timer = loop.call_later(max(0.0, seconds), _settle, woken)
        try:
            await woken
        finally:
            timer.cancel()
            waiting.discard(woken)

    def _keep_failure(self, key: str, error: ServiceError) -> None:
        if self._linger_for > 0:
            while len(self._failed) >= _FAILURES_MAX:
                self._failed.pop(next(iter(self._failed)))
            self._failed[key] = (self._clock.monotonic() + self._linger_for, error)

    def _raise_recent(self, key: str) -> None:
        recent = self._failed.get(key)
        if recent is None:
            return
        until, error = recent
        if self._clock.monotonic() < until:
            raise _fresh(error)
        del self._failed[key]


def _settle(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


def _fresh(error: ServiceError) -> ServiceError:
    """Return a new error saying the same."""
    return type(error)(*error.args)
