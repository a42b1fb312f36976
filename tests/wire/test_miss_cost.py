"""What a miss costs of our own, counted in calls of our functions: the same on every machine, however busy it is.

`python -m bench.micro_miss` has the microseconds; a call is worth about a third of one.
"""

from __future__ import annotations

import sys
from types import FrameType

from bench.micro_miss import Misses

_MOST = 275
_OURS = "/stock_service/"


async def test_a_miss_calls_few_functions_of_ours() -> None:
    """From the bytes of a question to those of its answer, a coroutine that goes on after a wait counted again."""
    misses, seen = Misses(), 0
    for _ in range(3):
        await misses.ask()

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal seen
        seen += event == "call" and _OURS in frame.f_code.co_filename

    sys.setprofile(count)
    try:
        await misses.ask()
    finally:
        sys.setprofile(None)
    assert seen <= _MOST
    assert seen > _MOST // 2  # the bench still asks what it says it asks
