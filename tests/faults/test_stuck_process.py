"""A process whose event loop hangs writes its stacks and ends; one that is told twice to leave is gone at once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap

from stock_service.web.server import EXIT_TERMINATED
from stock_service.web.watchdog import EXIT_HUNG

STUCK = """
    import asyncio, time
    from stock_service.base.clock import SystemClock
    from stock_service.base.events import Silent
    from stock_service.web.watchdog import Heartbeat, Watchdog, WatchdogSettings

    def hang_for_ever():
        time.sleep(60)

    async def main():
        settings = WatchdogSettings(beat_every=0.01, look_every=0.05, dump_after=0.2, exit_after=0.6)
        heart = Heartbeat(SystemClock(), Silent(), settings)
        beating = asyncio.create_task(heart.run())
        Watchdog(heart, settings).start()
        await asyncio.sleep(0.1)
        hang_for_ever()

    asyncio.run(main())
"""


def test_a_hanging_loop_shows_where_it_hangs_and_ends_the_process() -> None:
    """The platform starts another; what hung is in the log."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(STUCK)], capture_output=True, text=True, timeout=50, check=False
    )
    assert ran.returncode == EXIT_HUNG
    assert "in hang_for_ever" in ran.stderr
    assert "Thread" in ran.stderr


async def test_a_second_signal_ends_a_real_process_at_once() -> None:
    """Though its drain would go on for a minute."""
    command = [sys.executable, "-m", "tests.support.serving", "60", "1", "5"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    while b"connection: close" not in await _asked(port):
        pass  # until the first signal has been heard
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 20) == EXIT_TERMINATED


async def _asked(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: gateway\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return head.lower()
