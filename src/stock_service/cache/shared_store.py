"""The shared store as everybody in this process uses it: asks in batches, waits briefly, never raises.

What is asked within one turn of the event loop goes out in one piece, equal reads once: a command each would cost ten
times as much. A fault is an answer like any other: `None`. Always holds: nobody waits longer than `answer_for` of
the loop's own running time; no asker who leaves disturbs a command under way, so no connection is left in the middle
of an answer; while the store rests nothing but the beat reaches it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import InvalidResponse, NoScriptError

from stock_service.base.clock import Clock
from stock_service.base.events import Observer, SharedAnswered, SharedAsked, SharedMoved
from stock_service.cache.running_time import TICK_FOR, RunningTime
from stock_service.cache.shared_client import Wire
from stock_service.cache.shared_errors import classify_fault
from stock_service.cache.shared_faults import TIMEOUT, Fault
from stock_service.cache.shared_rest import Rest, RestSettings

_TIME = "#!lua flags=no-writes\nreturn redis.call('TIME')"
_CONNECTS_FOR = 3  # times an answer's own time
_UNDER_WAY_MAX = 4  # batches; more is gained by larger ones
_CLOCK_TRUSTED_FOR = 0.01  # seconds a round trip may take to teach us the store's clock once we know it


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Lengths in seconds. `scope` begins every key: stores may be shared by services that must not meet."""

    scope: str = "stocks"
    answer_for: float = 0.05
    beat_every: float = 2.0
    rest: RestSettings = field(default_factory=RestSettings)


class _Batch:
    """What goes out together; every future ends with a value or None, never with an exception."""

    __slots__ = ("due", "gets", "runs", "sent_at", "settled")

    def __init__(self, due: float) -> None:
        self.due = due
        self.gets: dict[str, asyncio.Future[Any]] = {}
        self.runs: list[tuple[str, tuple[Any, ...], asyncio.Future[Any]]] = []
        self.sent_at: float | None = None
        self.settled = False

    def futures(self) -> list[asyncio.Future[Any]]:
        return [*self.gets.values(), *(future for _, _, future in self.runs)]


class SharedStore:
    """One shared store. `keep` must run beside it: without beats it is never used."""

    def __init__(self, wire: Wire, settings: StoreSettings, clock: Clock, observer: Observer) -> None:
        self._wire = wire
        self._settings = settings
        self._clock = clock
        self._observer = observer
        self._rest = Rest(settings.rest)
        self._next: _Batch | None = None
        self._under_way: set[_Batch] = set()
        self._beating = False
        self._beats_lost = 0  # since the last one that came back
        self._told_away = False
        self._running = RunningTime(clock, self._look_at_time)
        self._tasks: set[asyncio.Task[None]] = set()
        self._hashes: dict[str, str] = {}
        self._muted_until = 0.0
        self._alarm = asyncio.Event()
        self._ahead: float | None = None  # the store's clock minus our monotonic one

    @property
    def up(self) -> bool:
        """Whether the store is in use."""
        return not self._rest.away

    @property
    def writable(self) -> bool:
        """Whether it is, and takes writes."""
        return self.up and self._clock.monotonic() >= self._muted_until

    @property
    def ready(self) -> bool:
        """Whether a script would be sent now: not while a failure is being looked into."""
        return self.writable and self._rest.admits(self._running.now)

    def key(self, *parts: str) -> str:
        """Return the name of something in the store."""
        return ":".join((self._settings.scope, *parts))

    def store_ms(self, instant: float) -> int | None:
        """Return a monotonic `instant` in milliseconds of the store's clock; None before the first beat.

        The clocks of the processes never meet in the store: theirs may differ, and be set.
        """
        return None if self._ahead is None else round((instant + self._ahead) * 1000)

    def instant_of(self, store_ms: int) -> float:
        """Return the monotonic instant of a millisecond of the store's clock."""
        return store_ms / 1000 - (self._ahead or 0.0)

    async def get(self, key: str) -> bytes | None:
        """Return the value of `key`; None when there is none or none can be had."""
        if not self._rest.admits(self._running.now):
            self._observer.notify(SharedAsked("get", "skipped"))
            return None
        batch = self._batch()
        future = batch.gets.get(key)
        if future is None:
            future = batch.gets[key] = asyncio.get_running_loop().create_future()
        value: bytes | None = await asyncio.shield(future)
        return value

    async def run(
        self, script: str, keys: Sequence[str], args: Sequence[str | bytes | int], *, writes: bool = True
    ) -> Any | None:
        """Return what `script` returned, never nil; None when it could not be run, or nobody knows whether it was.

        One that does not write is run also while the store takes no writes.
        """
        if not (self.ready if writes else self._rest.admits(self._running.now)):
            self._observer.notify(SharedAsked("script", "skipped"))
            return None
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._batch().runs.append((script, (len(keys), *keys, *args), future))
        return await asyncio.shield(future)

    async def keep(self) -> None:
        """Beat for ever: learn the store's clock, look into failures, find out whether it is back."""
        while True:
            self._alarm.clear()
            if self._rest.beat_due(self._clock.monotonic()):
                await self._beat()
            if self._rest.doubtful and self.up:
                await self._clock.sleep(self._settings.rest.doubt_for)
                continue
            # Not wait_for: it may lose a cancellation that comes with the alarm, and this would never end.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.beat_every / (1 if self.up else 4)):
                    await self._alarm.wait()

    async def aclose(self) -> None:
        """Let what is under way end, and close the connections; a server that does not say goodbye is left."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.answer_for)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._hang_up(self._wire.aclose())

    def _batch(self) -> _Batch:
        batch = self._next
        if batch is None:
            batch = self._next = _Batch(self._running.now + self._settings.answer_for)
            self._running.run()
            asyncio.get_running_loop().call_soon(self._flush)
        return batch

    def _flush(self) -> None:
        batch = self._next
        if batch is None or len(self._under_way) >= _UNDER_WAY_MAX:
            return  # the end of one under way flushes
        self._next = None
        self._under_way.add(batch)
        batch.sent_at = self._clock.monotonic()
        self._rest.begin(self._running.now)
        self._start(self._send(batch))

    def _look_at_time(self) -> bool:
        """Give up what has taken too long; return whether anything is left to wait for."""
        waiting = self._under_way if self._next is None else {*self._under_way, self._next}
        for batch in [each for each in waiting if each.due <= self._running.now]:
            self._give_up(batch)
        return self._beating or self._next is not None or any(not batch.settled for batch in self._under_way)

    def _give_up(self, batch: _Batch) -> None:
        """The time is over: answer everybody."""
        if batch is self._next:
            self._next = None
        if batch.sent_at is not None:
            self._settle(batch, TIMEOUT)
        for future in batch.futures():
            _end(future, None)

    async def _send(self, batch: _Batch) -> None:
        try:
            await self._exchange(batch)
        except Exception as error:  # noqa: BLE001 - a garbled reply may surface as any exception of the parser
            self._settle(batch, classify_fault(error))
        finally:
            self._under_way.discard(batch)
            for future in batch.futures():
                _end(future, None)
            self._flush()

    async def _exchange(self, batch: _Batch) -> None:
        scripts = [(script, args) for script, args, _ in batch.runs]
        values, answers = await self._wire.send(
            list(batch.gets), [("EVALSHA", self._hash(script), *args) for script, args in scripts]
        )
        unknown = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            _, again = await self._wire.send((), [("EVAL", scripts[i][0], *scripts[i][1]) for i in unknown])
            for i, answer in zip(unknown, again, strict=True):
                answers[i] = answer
        faults = [classify_fault(answer) for answer in (*values, *answers) if isinstance(answer, Exception)]
        failed = len(faults) == len(values) + len(answers) and all(fault.fails for fault in faults)
        self._settle(batch, faults[0] if failed else None)
        for future, value in zip(batch.gets.values(), values, strict=True):
            is_value = value is None or isinstance(value, bytes | Exception)
            self._answer("get", future, value if is_value else InvalidResponse(type(value).__name__))
        for (_, _, future), answer in zip(batch.runs, answers, strict=True):
            self._answer("script", future, answer)

    def _answer(self, operation: str, future: asyncio.Future[Any], answer: Any) -> None:
        if isinstance(answer, Exception):
            fault = classify_fault(answer)
            self._heed(fault)
            self._observer.notify(SharedAsked(operation, fault.word))
            _end(future, None)
            return
        result = "ok" if operation == "script" else "miss" if answer is None else "hit"
        self._observer.notify(SharedAsked(operation, result))
        _end(future, answer)

    def _settle(self, batch: _Batch, fault: Fault | None) -> None:
        """Tell the rest how a batch ended, once: an answer after its time counts as the failure it was."""
        if batch.settled:
            return
        batch.settled = True
        now = self._clock.monotonic()
        rested = self._rest.settle(now, ok=fault is None or not fault.fails)
        if batch.sent_at is not None:
            self._observer.notify(SharedAnswered(now - batch.sent_at))
        if fault is None:
            return
        self._alarm.set()
        operation = "get" if batch.gets else "script"
        self._observer.notify(SharedAsked(operation, fault.word))
        if rested:
            self._tell_away(fault)
        self._heed(fault)

    def _heed(self, fault: Fault) -> None:
        now = self._clock.monotonic()
        if fault.rest_for and self._rest.rest(now, fault.rest_for):
            self._tell_away(fault)
        muted = now < self._muted_until
        if fault.mute_for:
            self._muted_until = now + fault.mute_for
        if fault.reconnect and not muted:
            self._start(self._hang_up(self._wire.reconnect()))

    async def _hang_up(self, closing: Coroutine[Any, Any, None]) -> None:
        """Close connections. The other end may be gone, or never say goodbye, as TLS waits for: no failure of ours."""
        with suppress(Exception):
            await closing

    async def _beat(self) -> None:
        begun_at = self._clock.monotonic()
        try:
            told = await self._ask_time()
            self._learn(int(told[0]) + int(told[1]) / 1e6, begun_at)
        except Exception as error:  # noqa: BLE001 - as in _send
            fault = classify_fault(error)
            was_up = self.up
            self._beats_lost += 1
            self._rest.beat(self._clock.monotonic(), ok=False)
            self._heed(fault)
            self._observer.notify(SharedAsked("beat", fault.word))
            # The very first may only have found no connection yet.
            if not self.up and (was_up or fault.rest_for or self._beats_lost > 1):
                self._tell_away(fault)
            return
        self._beats_lost = 0
        self._observer.notify(SharedAsked("beat", "ok"))
        if self._rest.beat(self._clock.monotonic(), ok=True):
            self._told_away = False
            self._observer.notify(SharedMoved("up", "beat"))

    def _tell_away(self, fault: Fault) -> None:
        """Say once why it is not used, also of one that never was: a wrong password is looked for in the log."""
        if not self._told_away:
            self._told_away = True
            self._observer.notify(SharedMoved("away", fault.word))

    async def _ask_time(self) -> Any:
        """Return what the store's clock says; raises whatever went wrong, TimeoutError after `answer_for`.

        A connection that is being made gets more time: the next beat finds it ready.
        """
        begun, self._beating = self._running.now, True
        self._running.run()
        asked = asyncio.ensure_future(self._wire.send((), [("EVAL", _TIME, 1, self.key("beat"))]))
        try:
            while not asked.done():
                await asyncio.wait((asked,), timeout=TICK_FOR)
                if not asked.done() and self._running.now - begun > _CONNECTS_FOR * self._settings.answer_for:
                    raise TimeoutError
            _, (told,) = asked.result()
            if self._running.now - begun > self._settings.answer_for:
                raise TimeoutError
        finally:
            self._beating = False
            asked.cancel()
        if isinstance(told, Exception):
            raise told
        return told

    def _learn(self, store_time: float, begun_at: float) -> None:
        """Take over the store's clock: from a quick answer always, from a slow one only for want of better."""
        now = self._clock.monotonic()
        if self._ahead is None or not self.up or now - begun_at <= _CLOCK_TRUSTED_FOR:
            self._ahead = store_time - (begun_at + now) / 2

    def _hash(self, script: str) -> str:
        known = self._hashes.get(script)
        if known is None:
            known = self._hashes[script] = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        return known

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _end(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)
