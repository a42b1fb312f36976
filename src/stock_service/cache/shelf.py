"""Where answers are kept beyond this process: the questions `shared.SharedCache` asks, whoever answers them.

One contract for a server (`server_shelf`) and a file of this machine (`disk_shelf`). Names stand for keys; `None` is
any fault. Every method that changes something is one indivisible step, also for other processes.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Turn(Enum):
    """Whose turn it is to fetch."""

    LOOK = "look"  # nobody's: an answer newer than the one seen is there
    LEAD = "lead"  # the asker's
    WAIT = "wait"  # somebody else's


class Shelf(Protocol):
    """Answers, leases, marks and a list of purges, on a clock all users of the shelf share."""

    @property
    def up(self) -> bool:
        """Whether it is in use."""
        ...

    def store_ms(self, instant: float) -> int | None:
        """Return a monotonic `instant` in milliseconds of the shelf's clock; None while that is not known."""
        ...

    def instant_of(self, store_ms: int) -> float:
        """Return the monotonic instant of a millisecond of the shelf's clock."""
        ...

    async def get(self, name: str) -> bytes | None:
        """Return the value under `name`; None also when there is none."""
        ...

    async def lead(self, name: str, token: str, lease_ms: int, seen_ms: int) -> Turn | None:
        """Say whose turn it is; with `LEAD` the lease of `name` is `token`'s for so long."""
        ...

    async def renew(self, name: str, token: str, lease_ms: int) -> None:
        """Prolong the lease of `name` if it is still `token`'s."""
        ...

    async def release(self, name: str, token: str) -> None:
        """End the lease of `name` if it is still `token`'s."""
        ...

    async def put(self, name: str, token: str, fetched_ms: int, keep_ms: int, value: bytes) -> bool | None:
        """Keep `value` unless a newer one is there, and end the lease; return whether it is kept now."""
        ...

    async def discard(self, name: str) -> None:
        """Give up the value under `name`."""
        ...

    async def mark(self, series: str, text: str, keep_ms: int) -> None:
        """Note `text` about a series for so long."""
        ...

    async def marks(self, series: str) -> list[str]:
        """Return what is noted about a series; nothing also for every fault."""
        ...

    async def purges(self) -> bytes | None:
        """Return the list of purges (`purge_list`); empty when there is none."""
        ...

    async def swap_purges(self, old: bytes, new: bytes) -> bool | None:
        """Put the list `new` in the place of `old`; False when another one is there by now."""
        ...


MARKS_MAX = 128  # of one series; what would go soonest goes first
