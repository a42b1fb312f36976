"""Answers shared by all processes of a fleet, and who of them fetches next.

A help, never a need: every fault is a miss. What is kept never goes back in time, whoever writes it (the scripts
compare instants of the store's own clock). Across processes one fetches and the others wait for its answer; a leader
who dies delays them by `lease_for` at most; without the store everybody leads.

The seam to `reads`: `find`, then `lead`; inside the lead fetch, then `publish`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from hashlib import blake2b
from types import TracebackType
from typing import Any, Protocol

from stock_service.base.clock import Clock
from stock_service.base.events import FetchLed, Observer, SharedAsked, SharedDamaged
from stock_service.base.reply import Reply
from stock_service.cache.codec import Damage, Stored, decode_stored, encode_stored
from stock_service.cache.entry import GZIP_INLINE_BYTES
from stock_service.cache.freshness import Lifetime
from stock_service.cache.shared_scripts import DISCARD, LEAD, PUT, RELEASE, RENEW

_TOGETHER_BYTES = 256 * 1024  # of bodies, written in one round trip
_PACKS_AT_MOST = 16  # times; a body larger than that many bounds cannot get below one


class Store(Protocol):
    """What is asked of `shared_store.SharedStore`."""

    @property
    def up(self) -> bool: ...
    def key(self, *parts: str) -> str: ...
    def store_ms(self, instant: float) -> int | None: ...
    def instant_of(self, store_ms: int) -> float: ...
    async def get(self, key: str) -> bytes | None: ...
    async def run(self, script: str, keys: list[str], args: list[str | bytes | int]) -> Any | None: ...


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

    def publish(self, reply: Reply, lifetime: Lifetime, kept_at: float) -> None:
        """Offer `reply` to the other processes; returns at once. `lifetime` counts from `kept_at` (monotonic)."""
        self._published = self._shared.put(self._key, reply, lifetime, kept_at, self._token or "")


class SharedCache:
    """The answers in a shared store."""

    def __init__(
        self, store: Store, settings: SharedSettings, clock: Clock, observer: Observer, jitter: Callable[[], float]
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._observer = observer
        self._jitter = jitter
        self._writes: deque[tuple[Stored, str]] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_idle: Callable[[], bool] = lambda: True

    async def find(self, key: str) -> Found | None:
        """Return what the fleet keeps of `key`, however old; None also for every fault."""
        name = self._name(key)
        value = await self._store.get(name)
        if value is None:
            return None
        if len(value) > GZIP_INLINE_BYTES:
            stored = await asyncio.to_thread(decode_stored, key, value)
        else:
            stored = decode_stored(key, value)
        if isinstance(stored, Damage):
            self._observer.notify(SharedDamaged(stored.value))
            if stored is not Damage.NEWER:  # a newer release is being rolled out: its values are right
                self._leave(self._store.run(DISCARD, [name], []))
            return None
        return self._found(stored)

    async def lead(self, key: str, seen: Found | None, until: float) -> Lead | Found:
        """Return another process's answer newer than `seen`, or the lead once nobody else has it.

        Waits for another leader until `until` (monotonic) or `follow_for`; then, and whenever the store is away,
        the lead comes without a lease: at most one fetch per process.
        """
        token = secrets.token_hex(8)
        names = [self._name(key), self._lease_name(key)]
        seen_ms = -1 if seen is None else seen.stored.fetched_at
        until = min(until, self._clock.monotonic() + self._settings.follow_for)
        poll_for = self._settings.poll_least
        while True:
            said = await self._store.run(LEAD, names, [token, round(self._settings.lease_for * 1000), seen_ms])
            if said == b"look":
                found = await self.find(key)
                if found is not None and found.stored.fetched_at > seen_ms:
                    self._observer.notify(FetchLed("followed"))
                    return found
                return self.alone(key)  # it is there and cannot be read
            if said == b"lead":
                self._observer.notify(FetchLed("lead"))
                return Lead(self, key, token)
            if said != b"wait":
                return self.alone(key)
            now = self._clock.monotonic()
            if now >= until:
                return self.alone(key, "late")
            await self._clock.sleep(min(until - now, poll_for * (0.75 + 0.5 * self._jitter())))
            poll_for = min(self._settings.poll_most, poll_for * 1.5)

    def put(self, key: str, reply: Reply, lifetime: Lifetime, kept_at: float, token: str) -> bool:
        """Queue `reply` for writing, ending the lease `token`; return False when it will not be written."""
        fetched_ms, kept_ms = self._store.store_ms(reply.fetched_at), self._store.store_ms(kept_at)
        if fetched_ms is None or kept_ms is None or not self._store.up:
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
        self._writes.append((stored, token))
        if len(self._writes) > self._settings.writes_max:
            dropped, lease = self._writes.popleft()
            self._observer.notify(SharedAsked("put", "dropped"))
            self.release(dropped.key, lease)
        if self._is_idle():
            self._is_idle = self._leave(self._write_all())
        return True

    def release(self, key: str, token: str) -> None:
        """Let the next process lead; returns at once."""
        self._leave(self._store.run(RELEASE, [self._lease_name(key)], [token]))

    async def renew(self, key: str, token: str) -> None:
        """Keep the lease alive until cancelled."""
        milliseconds = round(self._settings.lease_for * 1000)
        while True:
            await self._clock.sleep(self._settings.lease_for / 3)
            await self._store.run(RENEW, [self._lease_name(key)], [token, milliseconds])

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
            batch: list[tuple[Stored, str]] = []
            size = 0
            while not batch or (self._writes and size + len(self._writes[0][0].body) <= _TOGETHER_BYTES):
                batch.append(self._writes.popleft())
                size += len(batch[-1][0].body)
            await asyncio.gather(*(self._write(stored, token) for stored, token in batch))

    async def _write(self, stored: Stored, token: str) -> None:
        now_ms = self._store.store_ms(self._clock.monotonic()) or stored.kept_at
        left_ms = stored.useless_at - now_ms
        if len(stored.body) > GZIP_INLINE_BYTES:
            value = await asyncio.to_thread(encode_stored, stored)
        else:
            value = encode_stored(stored)
        if left_ms <= 0 or len(value) > self._settings.value_max_bytes:
            self._observer.notify(SharedAsked("put", "large" if left_ms > 0 else "dropped"))
            self.release(stored.key, token)
            return
        names = [self._name(stored.key), self._lease_name(stored.key)]
        said = await self._store.run(PUT, names, [token, stored.fetched_at, left_ms, value])
        if said is not None:
            self._observer.notify(SharedAsked("put", "ok"))

    def alone(self, key: str, why: str = "alone") -> Lead:
        """Return the right to fetch whatever others do; what comes of it is still shared."""
        self._observer.notify(FetchLed(why))
        return Lead(self, key, None)

    def _found(self, stored: Stored) -> Found:
        # A store whose clock was set back must not make answers younger than they can be.
        now = self._clock.monotonic()
        fetched_at = min(now, self._store.instant_of(stored.fetched_at))
        return Found(stored, fetched_at, min(now, self._store.instant_of(stored.kept_at)))

    def _name(self, key: str) -> str:
        # Braces: in a Cluster the lease lives where its value lives.
        return self._store.key("answer", f"{{{_digest(key)}}}")

    def _lease_name(self, key: str) -> str:
        return self._store.key("lease", f"{{{_digest(key)}}}")

    def _leave(self, work: Coroutine[Any, Any, Any]) -> Callable[[], bool]:
        """Let `work` run by itself; the returned function says whether it has ended."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task.done


def _digest(key: str) -> str:
    return blake2b(key.encode(), digest_size=16).hexdigest()
