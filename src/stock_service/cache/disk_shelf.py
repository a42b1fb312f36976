"""The shelf on this machine's disk: answers outlive a restart, and several processes of one host share them.

One thread reads, another writes, so that no read waits for a write. Always holds: the event loop never waits for the
disk; no request waits longer than `answer_for`; while the disk hangs nothing new is given to it; whatever goes wrong is
a miss. The clock is the machine's: when it is set, ages are wrong by as much until the answers are replaced.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from stock_service.base.clock import Clock
from stock_service.base.events import Observer, SharedAnswered, SharedAsked, SharedDamaged, SharedMoved
from stock_service.cache.disk_file import DiskFile, remove_file
from stock_service.cache.shared_faults import FULL, OTHER, TIMEOUT
from stock_service.cache.shelf import Turn

T = TypeVar("T")

_SWEEP_EVERY = 300.0
_BEAT_EVERY = 2.0
_SLICES = 10
_WRITES_FOR = 2.0  # seconds for a step no request waits for; a large one with its log may take some
_NOT_OURS = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class DiskSettings:
    """`scope` keeps the answers of different vendor accounts apart. Lengths in seconds."""

    folder: Path
    max_bytes: int
    scope: str = ""
    answer_for: float = 0.05


@dataclass(frozen=True, slots=True)
class _Job:
    """A step to take; `settle` gets its result, or the exception, on the event loop."""

    step: Callable[[DiskFile], Any]
    settle: Callable[[Any], None]


class DiskShelf:
    """Answers in a file. `keep` should run beside it: it finds out early whether the disk is there, and sweeps."""

    def __init__(self, settings: DiskSettings, clock: Clock, observer: Observer) -> None:
        self._settings = settings
        self._clock = clock
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._reader = _Clerk(settings, self._loop, "disk-reader", hangs=True)  # until a beat came back
        self._writer = _Clerk(settings, self._loop, "disk-writer", hangs=False)

    @property
    def up(self) -> bool:
        """Whether the disk is in use."""
        return not self._reader.hangs

    def store_ms(self, instant: float) -> int:
        """Return a monotonic `instant` in milliseconds of this machine's wall clock."""
        return round((self._clock.wall() - self._clock.monotonic() + instant) * 1000)

    def instant_of(self, store_ms: int) -> float:
        """Return the monotonic instant of a millisecond of this machine's wall clock."""
        return store_ms / 1000 - (self._clock.wall() - self._clock.monotonic())

    async def get(self, name: str) -> bytes | None:
        """Return the value under `name`."""
        full, now_ms = self._full(name), self._now_ms()
        return await self._ask(self._reader, "get", lambda file: file.get(full, now_ms))

    async def marks(self, series: str) -> list[str]:
        """Return what is noted about a series."""
        full, now_ms = self._full(series), self._now_ms()
        return await self._ask(self._reader, "script", lambda file: file.marks(full, now_ms)) or []

    async def lead(self, name: str, token: str, lease_ms: int, seen_ms: int) -> Turn | None:
        """Say whose turn it is to fetch among the processes of this machine."""
        full, now_ms = self._full(name), self._now_ms()
        return await self._ask(self._writer, "script", lambda file: file.lead(full, token, now_ms, lease_ms, seen_ms))

    async def renew(self, name: str, token: str, lease_ms: int) -> None:
        """Prolong the lease."""
        full, until_ms = self._full(name), self._now_ms() + lease_ms
        await self._change(lambda file: file.renew(full, token, until_ms))

    async def release(self, name: str, token: str) -> None:
        """End the lease."""
        full = self._full(name)
        await self._change(lambda file: file.release(full, token))

    async def put(self, name: str, token: str, fetched_ms: int, keep_ms: int, value: bytes) -> bool | None:
        """Keep `value` unless a newer one is there."""
        full, now_ms = self._full(name), self._now_ms()
        return await self._change(lambda file: file.put(full, token, fetched_ms, now_ms, now_ms + keep_ms, value))

    async def discard(self, name: str) -> None:
        """Give up the value."""
        full = self._full(name)
        await self._change(lambda file: file.discard(full))

    async def mark(self, series: str, text: str, keep_ms: int) -> None:
        """Note `text` about a series."""
        full, now_ms = self._full(series), self._now_ms()
        await self._change(lambda file: file.mark(full, text, now_ms, now_ms + keep_ms))

    async def purges(self) -> bytes | None:
        """Return the list of purges."""
        return await self._ask(self._reader, "script", lambda file: file.purges(self._settings.scope))

    async def swap_purges(self, old: bytes, new: bytes) -> bool | None:
        """Put the list `new` in the place of `old`."""
        return await self._change(lambda file: file.swap_purges(self._settings.scope, old, new))

    async def keep(self) -> None:
        """Look whether the disk answers, and give up what is useless now and then, for ever."""
        swept_at = self._clock.monotonic()

        def sweep(file: DiskFile) -> None:
            file.sweep(self._now_ms())

        while True:
            if not self._reader.waiting:
                await self._ask(self._reader, "beat", lambda file: file.marks("", 0))
            if self._clock.monotonic() - swept_at > _SWEEP_EVERY:
                swept_at = self._clock.monotonic()
                await self._change(sweep)
            await self._clock.sleep(_BEAT_EVERY)

    async def aclose(self, within: float) -> None:
        """Take the steps that are queued, for up to `within` seconds, and let go of the file."""
        for clerk in (self._writer, self._reader):
            await asyncio.to_thread(clerk.close, within)

    async def _change(self, step: Callable[[DiskFile], T]) -> T | None:
        """Take a step no request waits for."""
        return await self._ask(self._writer, "script", step, _WRITES_FOR)

    async def _ask(
        self, clerk: _Clerk, operation: str, step: Callable[[DiskFile], T], wait_for: float | None = None
    ) -> T | None:
        """Return what `step` brings; None when it fails, or takes too long and goes on without us."""
        if clerk.hangs and operation != "beat":
            self._observer.notify(SharedAsked(operation, "skipped"))
            return None
        future: asyncio.Future[Any] = self._loop.create_future()
        begun = self._clock.monotonic()

        def settle(result: Any) -> None:
            self._find(clerk)
            if not future.done():
                future.set_result(result)

        clerk.put(_Job(step, settle))
        for _ in range(_SLICES):  # a standstill of our own costs one of them, not all of the disk's time
            await asyncio.wait((future,), timeout=(wait_for or self._settings.answer_for) / _SLICES)
            if future.done():
                break
        self._observer.notify(SharedAnswered(self._clock.monotonic() - begun))
        if not future.done():
            self._lose(clerk)
            self._observer.notify(SharedAsked(operation, TIMEOUT.word))
            return None
        result: T | None = self._judge(operation, future.result())
        return result

    def _judge(self, operation: str, result: Any) -> Any:
        if isinstance(result, sqlite3.Error):
            code = getattr(result, "sqlite_errorcode", 0) & 0xFF
            if code in _NOT_OURS:
                self._observer.notify(SharedDamaged("file"))
            self._observer.notify(SharedAsked(operation, (FULL if code == sqlite3.SQLITE_FULL else OTHER).word))
            return None
        word = "ok" if operation != "get" else "miss" if result is None else "hit"
        self._observer.notify(SharedAsked(operation, word))
        return result

    def _lose(self, clerk: _Clerk) -> None:
        if not clerk.hangs and clerk is self._reader:
            self._observer.notify(SharedMoved("away", TIMEOUT.word))
        clerk.hangs = True

    def _find(self, clerk: _Clerk) -> None:
        if clerk.hangs and clerk is self._reader:
            self._observer.notify(SharedMoved("up", "beat"))
        clerk.hangs = False

    def _full(self, name: str) -> str:
        return f"{self._settings.scope}:{name}"

    def _now_ms(self) -> int:
        return self.store_ms(self._clock.monotonic())


class _Clerk:
    """A thread that takes steps on the file, one after another, with a connection of its own."""

    def __init__(self, settings: DiskSettings, loop: asyncio.AbstractEventLoop, name: str, *, hangs: bool) -> None:
        self._settings = settings
        self._loop = loop
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._file: DiskFile | None = None
        self.waiting = 0  # steps given and not taken; this and the next are changed on the event loop only
        self.hangs = hangs
        # A thread that hangs in the kernel must not keep the process from ending.
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, job: _Job) -> None:
        """Have a step taken."""
        self.waiting += 1
        self._jobs.put(job)

    def close(self, within: float) -> None:
        """Take what is queued and end, or give up after `within` seconds."""
        self._jobs.put(None)
        self._thread.join(within)

    def _run(self) -> None:
        ending = False
        while not ending:
            jobs = self._next_jobs()
            ending = jobs[-1] is None
            done = [(job, self._take(job)) for job in jobs if job is not None]
            if done:
                # One call for all: waking the event loop costs more than a step.
                with suppress(RuntimeError):  # it is closed: nobody waits any more
                    self._loop.call_soon_threadsafe(self._settle, done)
        if self._file is not None:
            self._file.close()

    def _next_jobs(self) -> list[_Job | None]:
        jobs = [self._jobs.get()]
        while jobs[-1] is not None and len(jobs) < 64:
            try:
                jobs.append(self._jobs.get_nowait())
            except Empty:
                break
        return jobs

    def _take(self, job: _Job) -> Any:
        try:
            if self._file is not None and not self._file.in_place:
                self._file.close()
                self._file = None
            if self._file is None:
                self._file = DiskFile(self._settings.folder, self._settings.max_bytes)
            return job.step(self._file)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_OURS:
                self._start_over()
            return error
        except Exception as error:  # noqa: BLE001 - a damaged file may hold anything; this thread is the only one
            return sqlite3.OperationalError(str(error))

    def _start_over(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        try:
            remove_file(self._settings.folder)
        except OSError:
            return  # not ours to remove: every step fails until somebody looks

    def _settle(self, done: list[tuple[_Job, Any]]) -> None:
        self.waiting -= len(done)
        for job, result in done:
            job.settle(result)
