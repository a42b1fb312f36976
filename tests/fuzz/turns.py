"""An event loop without time, sockets or threads: it runs what is ready until nothing is.

One input is then one synchronous call, at a fraction of what a real loop costs, and two runs of it are the same run.
Nothing sleeps here: a timer that is set is forgotten.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

_TURNS_MAX = 10_000  # callbacks of one input; more is a loop that feeds itself


class TurnLoop(asyncio.AbstractEventLoop):
    """Ready callbacks, in order. `faults` collects what asyncio would only have logged."""

    def __init__(self) -> None:
        self._ready: deque[asyncio.Handle] = deque()
        self.faults: list[str] = []

    @contextmanager
    def current(self) -> Iterator[None]:
        """Be the running loop of this thread."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(before)

    def turn(self) -> None:
        """Run until nothing is ready."""
        for _ in range(_TURNS_MAX):
            if not self._ready:
                return
            handle = self._ready.popleft()
            if not handle.cancelled():
                handle._run()
        raise AssertionError("the event loop never came to rest")

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return asyncio.Handle(callback, args, self, context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **named: Any) -> asyncio.Task[Any]:  # type: ignore[override]
        return asyncio.Task(coro, loop=self, **named)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.faults.append(repr(context.get("exception") or context.get("message")))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def time(self) -> float:
        return 0.0


def make_loop() -> TurnLoop:
    """Return a loop; the methods that would need time, sockets or threads are left out."""
    return TurnLoop()  # type: ignore[abstract]
