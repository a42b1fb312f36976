"""A loop that does not turn is noticed; a machine that slept is forgiven."""

from __future__ import annotations

import asyncio

import pytest

from stock_service.base.events import LoopStalled
from stock_service.web.watchdog import EXIT_HUNG, Heartbeat, Judge, Watchdog, WatchdogSettings
from tests.support.clock import ManualClock, settle
from tests.support.reading import Recorder

_SETTINGS = WatchdogSettings(look_every=0.5, dump_after=10.0, exit_after=30.0)


async def test_the_heart_beats_ten_times_a_second_and_measures_its_lag() -> None:
    """Lateness beyond half a second is an event; the worst is kept until it is read."""
    clock, recorder = ManualClock(), Recorder()
    heart = Heartbeat(clock, recorder, WatchdogSettings())
    task = asyncio.get_running_loop().create_task(heart.run())
    await clock.advance(1.0)
    assert heart.beats in (9, 10)  # tenths are not exact
    assert heart.lag < 0.001
    clock.shift(0.7)
    await clock.advance(0.1)
    await settle()
    assert heart.worst == pytest.approx(0.7, abs=0.11)
    assert recorder.count(LoopStalled) == 1
    assert heart.reset() == pytest.approx(0.7, abs=0.11)
    assert heart.worst == 0.0
    task.cancel()


def test_ten_silent_seconds_dump_once_and_thirty_end_the_process() -> None:
    """Counted in rounds of the watching thread."""
    judge = Judge(_SETTINGS)
    verdicts = [judge.judge_round(7) for _ in range(62)]
    assert verdicts.index("dump") == 20  # the first round only learns the beat
    assert verdicts.index("exit") == 60
    assert verdicts.count("dump") == 1


def test_a_single_beat_starts_the_count_anew() -> None:
    """However late it comes; and after a suspension there is one."""
    judge = Judge(_SETTINGS)
    for beat in range(10):
        verdicts = [judge.judge_round(beat) for _ in range(20)]
        assert set(verdicts) == {""}


def test_zero_means_the_process_is_never_ended() -> None:
    """Only the stacks are written."""
    judge = Judge(WatchdogSettings(exit_after=0.0))
    verdicts = [judge.judge_round(1) for _ in range(500)]
    assert set(verdicts) == {"", "dump"}


def test_the_thread_dumps_and_leaves() -> None:
    """With the code for an internal fault."""
    heart = Heartbeat(ManualClock(), Recorder(), _SETTINGS)
    done: list[object] = []
    dog = Watchdog(heart, _SETTINGS, pause=lambda seconds: None, dump=lambda: done.append("dump"), leave=done.append)
    for _ in range(61):
        dog.look()
    assert done == ["dump", "dump", EXIT_HUNG]


def test_a_stopped_watchdog_does_nothing_and_its_thread_ends() -> None:
    """Tests and orderly ends stop it."""
    heart = Heartbeat(ManualClock(), Recorder(), _SETTINGS)
    done: list[object] = []
    dog = Watchdog(heart, _SETTINGS, pause=lambda seconds: dog.stop(), dump=lambda: done.append(1), leave=done.append)
    thread = dog.start()
    thread.join(5)
    assert not thread.is_alive()
    for _ in range(100):
        dog.look()
    assert done == []
