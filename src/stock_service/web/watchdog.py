"""Notices an event loop that no longer turns: measures its lag, and ends a process that would hang for ever.

The loop beats; a thread counts the beats. It counts its own rounds too, instead of reading a clock, so a machine that
was suspended, or a process that was stopped, is not taken for a hanging loop.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from stock_service.base.clock import Clock, pause_thread
from stock_service.base.events import LoopStalled, Observer

EXIT_HUNG = 70  # sysexits.h: internal software error


@dataclass(frozen=True, slots=True)
class WatchdogSettings:
    """When the loop counts as late, and when as dead. Seconds."""

    beat_every: float = 0.1
    stalled_after: float = 0.5  # a lag worth an event
    dump_after: float = 10.0  # the stacks of all threads go to stderr
    exit_after: float = 30.0  # 0: never
    look_every: float = 0.5


class Heartbeat:
    """Beats on the event loop. `lag` is how late the last beat was, in seconds; `worst` the latest since `reset`."""

    def __init__(self, clock: Clock, observer: Observer, settings: WatchdogSettings) -> None:
        self._clock = clock
        self._observer = observer
        self._settings = settings
        self.beats = 0
        self.lag = 0.0
        self.worst = 0.0

    async def run(self) -> None:
        """Beat until cancelled."""
        every = self._settings.beat_every
        while True:
            due = self._clock.monotonic() + every
            await self._clock.sleep(every)
            self.lag = max(0.0, self._clock.monotonic() - due)
            self.worst = max(self.worst, self.lag)
            self.beats += 1
            if self.lag >= self._settings.stalled_after:
                self._observer.notify(LoopStalled(self.lag))

    def reset(self) -> float:
        """Return the worst lag since the last call, and start anew."""
        worst, self.worst = self.worst, 0.0
        return worst


class Judge:
    """Counts rounds without a beat: a pure machine."""

    def __init__(self, settings: WatchdogSettings) -> None:
        self._settings = settings
        self._beats = -1
        self._rounds = 0
        self._dumped = False

    def judge_round(self, beats: int) -> str:
        """Return what to do after one more round in which the loop had made `beats`: ``, `dump` or `exit`."""
        if beats != self._beats:
            self._beats, self._rounds, self._dumped = beats, 0, False
            return ""
        self._rounds += 1
        silent_for = self._rounds * self._settings.look_every
        if 0.0 < self._settings.exit_after <= silent_for:
            return "exit"
        if silent_for >= self._settings.dump_after and not self._dumped:
            self._dumped = True
            return "dump"
        return ""


class Watchdog:
    """The thread that looks at the beats."""

    def __init__(
        self,
        heartbeat: Heartbeat,
        settings: WatchdogSettings,
        *,
        pause: Callable[[float], None] = pause_thread,
        dump: Callable[[], None] = lambda: faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr),
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        self._heartbeat = heartbeat
        self._settings = settings
        self._judge = Judge(settings)
        self._pause = pause
        self._dump = dump
        self._leave = leave
        self._stopped = threading.Event()

    def start(self) -> threading.Thread:
        """Start looking; the thread ends soon after `stop`, and with the process."""
        thread = threading.Thread(target=self.run, name="watchdog", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopped.is_set():
            self._pause(self._settings.look_every)
            self.look()

    def look(self) -> None:
        """Take one look."""
        verdict = self._judge.judge_round(self._heartbeat.beats)
        if self._stopped.is_set():
            return
        if verdict:
            self._dump()
        if verdict == "exit":
            self._leave(EXIT_HUNG)
