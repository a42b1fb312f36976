"""Answers shared by all processes of a fleet, and who of them fetches next.

A help, never a need: every fault is a miss. What is kept never goes back in time, whoever writes it: the shelf
compares instants of its own clock. Across processes one fetches and the others wait for its answer; a leader
who dies delays them by `lease_for` at most; without the store everybody leads.

The seam to `reads`: `find`, then `lead`; inside the lead fetch, then `publish`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from hashlib import blake2b
from types import TracebackType
from typing import Any

from stock_service.base.clock import Clock
from stock_service.base.events import FetchLed, Observer, SharedAsked, SharedDamaged
from stock_service.base.reply import Reply
from stock_service.cache.codec import Damage, Stored, decode_stored, encode_stored
from stock_service.cache.entry import GZIP_INLINE_BYTES
from stock_service.cache.freshness import Lifetime
from stock_service.cache.marks import Mark, parse_mark
from stock_service.cache.shelf import Shelf, Turn

_TOGETHER_BYTES = 256 * 1024  # of bodies, written in one round trip
_PACKS_AT_MOST = 16  # times; a body larger than that many bounds cannot get below one


@dataclass(frozen=True, slots=True)
class SharedSettings:
    """Lengths in seconds. A lease is renewed while its holder fetches, so its length bounds what a dead one costs.

    `follow_for` bounds the wait for another process's answer: as long as a fetch of our own may wait for its slot.
    `writes_max` values wait to be written; more push out the oldest.
    """

    value_max_bytes: int = 2 * 1024 * 1024
    lease_for: float = 1.5
    poll_least: float = 0.025
    poll_most: float = 0.1
    follow_for: float = 8.0
    writes_max: int = 256


@dataclass(frozen=True, slots=True)
class Found:
    """An answer of the store on this process's clock: `fetched_at` and `kept_at` are monotonic seconds."""

    stored: Stored
    fetched_at: float
    kept_at: float


class Lead:
    """The right to fetch, as a context: ends with the answer in place or, without one, for the next process."""

    def __init__(self, shared: SharedCache, key: str, token: str | None) -> None:
        self._shared = shared
        self._key = key
        self._token = token
        self._renewing: asyncio.Task[None] | None = None
        self._published = False

    async def __aenter__(self) -> Lead:
        if self._token is not None:
            self._renewing = asyncio.get_running_loop().create_task(self._shared.renew(self._key, self._token))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        if self._token is not None and not self._published:
            self._shared.release(self._key, self._token)

    def publish(self, reply: Reply, lifetime: Lifetime, kept_at: float, mark: Mark | None = None) -> None:
        """Offer `reply` to the other processes; returns at once. `lifetime` counts from `kept_at` (monotonic)."""
        self._published = self._shared.put(self._key, reply, lifetime, kept_at, self._token or "", mark)


@dataclass(frozen=True, slots=True)
class _Write:
    """An answer that waits to be written, the lease that ends with it, and what it says of a series."""

    stored: Stored
    token: str
    mark: Mark | None


class SharedCache:
    """The answers on a shelf that outlives this process."""

    def __init__(
        self, shelf: Shelf, settings: SharedSettings, clock: Clock, observer: Observer, jitter: Callable[[], float]
    ) -> None:
        self._shelf = shelf
        self._settings = settings
        self._clock = clock
        self._observer = observer
        self._jitter = jitter
        self._writes: deque[_Write] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_idle: Callable[[], bool] = lambda: True

    @property
    def busy(self) -> bool:
        """Whether anything is still to be written or told."""
        return bool(self._tasks)

    async def find(self, key: str) -> Found | None:
        """Return what the fleet keeps of `key`, however old; None also for every fault."""
        name = name_of(key)
        value = await self._shelf.get(name)
        if value is None:
            return None
        if len(value) > GZIP_INLINE_BYTES:
            stored = await asyncio.to_thread(decode_stored, key, value)
        else:
            stored = decode_stored(key, value)
        if isinstance(stored, Damage):
            self._observer.notify(SharedDamaged(stored.value))
            if stored is not Damage.NEWER:  # a newer release is being rolled out: its values are right
                self._leave(self._shelf.discard(name))
            return None
        return self._found(stored)

    async def marks(self, series: str) -> list[Mark]:
        """Return which answers about a series the fleet keeps; nothing also for every fault."""
        found = (parse_mark(series, text) for text in await self._shelf.marks(name_of(series)))
        return [replace(mark, fetched_at=self._shelf.instant_of(int(mark.fetched_at))) for mark in found if mark]

    async def lead(self, key: str, seen: Found | None, until: float) -> Lead | Found:
        """Return another process's answer newer than `seen`, or the lead once nobody else has it.

        Waits for another leader until `until` (monotonic) or `follow_for`; then, and whenever the store is away,
        the lead comes without a lease: at most one fetch per process.
        """
        token = secrets.token_hex(8)
        lease_ms = round(self._settings.lease_for * 1000)
        seen_ms = -1 if seen is None else seen.stored.fetched_at
        until = min(until, self._clock.monotonic() + self._settings.follow_for)
        poll_for = self._settings.poll_least
        while True:
            turn = await self._shelf.lead(name_of(key), token, lease_ms, seen_ms)
            if turn is Turn.LOOK:
                found = await self.find(key)
                if found is not None and found.stored.fetched_at > seen_ms:
                    self._observer.notify(FetchLed("followed"))
                    return found
                return self.alone(key)  # it is there and cannot be read
            if turn is Turn.LEAD:
                self._observer.notify(FetchLed("lead"))
                return Lead(self, key, token)
            if turn is None:
                return self.alone(key)
            now = self._clock.monotonic()
            if now >= until:
                return self.alone(key, "late")
            await self._clock.sleep(min(until - now, poll_for * (0.75 + 0.5 * self._jitter())))
            poll_for = min(self._settings.poll_most, poll_for * 1.5)

    def put(
        self, key: str, reply: Reply, lifetime: Lifetime, kept_at: float, token: str, mark: Mark | None = None
    ) -> bool:
        """Queue `reply` for writing, ending the lease `token`; return False when it will not be written."""
        fetched_ms, kept_ms = self._shelf.store_ms(reply.fetched_at), self._shelf.store_ms(kept_at)
        if fetched_ms is None or kept_ms is None or not self._shelf.up:
            return False
        if len(reply.body) > self._settings.value_max_bytes * _PACKS_AT_MOST:
            self._observer.notify(SharedAsked("put", "large"))
            return False
        stored = Stored(
            key=key,
            status=reply.status,
            content_type=reply.content_type,
            request_id=reply.request_id,
            fetched_at=fetched_ms,
            kept_at=kept_ms,
            lifetime=lifetime,
            body=reply.body,
        )
        self._writes.append(_Write(stored, token, mark))
        if len(self._writes) > self._settings.writes_max:
            dropped = self._writes.popleft()
            self._observer.notify(SharedAsked("put", "dropped"))
            self.release(dropped.stored.key, dropped.token)
        if self._is_idle():
            self._is_idle = self._leave(self._write_all())
        return True

    def release(self, key: str, token: str) -> None:
        """Let the next process lead; returns at once."""
        self._leave(self._shelf.release(name_of(key), token))

    async def renew(self, key: str, token: str) -> None:
        """Keep the lease alive until cancelled."""
        milliseconds = round(self._settings.lease_for * 1000)
        while True:
            await self._clock.sleep(self._settings.lease_for / 3)
            await self._shelf.renew(name_of(key), token, milliseconds)

    async def aclose(self, within: float) -> None:
        """Write what is queued, for up to `within` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write_all(self) -> None:
        while self._writes:
            # Together as much as fits one round trip; all of a burst would hold up the reads behind it.
            batch: list[_Write] = []
            size = 0
            while not batch or (self._writes and size + len(self._writes[0].stored.body) <= _TOGETHER_BYTES):
                batch.append(self._writes.popleft())
                size += len(batch[-1].stored.body)
            await asyncio.gather(*(self._write(each) for each in batch))

    async def _write(self, write: _Write) -> None:
        stored, token = write.stored, write.token
        now_ms = self._shelf.store_ms(self._clock.monotonic()) or stored.kept_at
        left_ms = stored.useless_at - now_ms
        if len(stored.body) > GZIP_INLINE_BYTES:
            value = await asyncio.to_thread(encode_stored, stored)
        else:
            value = encode_stored(stored)
        if left_ms <= 0 or len(value) > self._settings.value_max_bytes:
            self._observer.notify(SharedAsked("put", "large" if left_ms > 0 else "dropped"))
            self.release(stored.key, token)
            return
        kept = await self._shelf.put(name_of(stored.key), token, stored.fetched_at, left_ms, value)
        if kept is not None:
            self._observer.notify(SharedAsked("put", "ok"))
        if kept and write.mark is not None:
            await self._shelf.mark(name_of(write.mark.series), write.mark.text(stored.fetched_at), left_ms)

    def alone(self, key: str, why: str = "alone") -> Lead:
        """Return the right to fetch whatever others do; what comes of it is still shared."""
        self._observer.notify(FetchLed(why))
        return Lead(self, key, None)

    def _found(self, stored: Stored) -> Found:
        # A store whose clock was set back must not make answers younger than they can be.
        now = self._clock.monotonic()
        fetched_at = min(now, self._shelf.instant_of(stored.fetched_at))
        return Found(stored, fetched_at, min(now, self._shelf.instant_of(stored.kept_at)))

    def _leave(self, work: Coroutine[Any, Any, Any]) -> Callable[[], bool]:
        """Let `work` run by itself; the returned function says whether it has ended."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task.done


def name_of(key: str) -> str:
    """Return the name on the shelf that stands for `key`."""
    return blake2b(key.encode(), digest_size=16).hexdigest()
