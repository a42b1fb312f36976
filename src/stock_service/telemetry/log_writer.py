"""Gets finished lines out of the process without ever stopping the event loop.

A thread writes; a queue of bounded length lies between. When nobody reads standard output, lines are dropped and
counted: an incomplete log is better than a service that stands still. Always holds: `put` never waits.
"""

from __future__ import annotations

import os
import select
from queue import SimpleQueue
from threading import Thread

from stock_service.base.clock import pause_thread

LINES_MAX = 10_000
_BATCH_MAX = 2_000
_GATHER_FOR = 0.02  # seconds; a thread woken for every line takes the interpreter from the event loop every time


class LineWriter:
    """Writes lines to the file descriptor `fd` from a thread of its own.

    It writes to the descriptor and not to a stream: a stream has a lock, which a blocked thread would still hold
    when the interpreter wants to end.
    """

    def __init__(self, fd: int, lines_max: int = LINES_MAX) -> None:
        self._fd = fd
        self._lines_max = lines_max
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._not_queued = 0  # counted by whoever logs
        self._not_written = 0  # counted by the thread
        self._thread = Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines were lost."""
        return self._not_queued + self._not_written

    def put(self, line: bytes) -> None:
        """Queue `line`, end included, or drop it when too many wait."""
        if self._queue.qsize() >= self._lines_max:
            self._not_queued += 1
            return
        self._queue.put(line)

    def close(self, within: float) -> None:
        """Write what is queued and end, or give up after `within` seconds."""
        self._queue.put(None)
        self._thread.join(within)

    def _run(self) -> None:
        ending = False
        while not ending:
            batch = self._next_batch()
            ending = None in batch
            lines = [line for line in batch if line is not None]
            try:
                self._write(b"".join(lines))
            except OSError:
                self._not_written += len(lines)  # nobody will read them; there is nowhere to say so

    def _next_batch(self) -> list[bytes | None]:
        first = self._queue.get()
        if first is None:
            return [None]
        pause_thread(_GATHER_FOR)
        more = min(self._queue.qsize(), _BATCH_MAX - 1)  # nobody else takes any: so many are there
        return [first, *[self._queue.get_nowait() for _ in range(more)]]

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # somebody made the descriptor non-blocking
                select.select([], [self._fd], [])
