"""The one trouble at a start that another port or address mends: the gateway has it, and the simulated vendor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CannotListen(Exception):
    """The address is taken or not ours. `reason` is the system's own word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextmanager
def beginning_to_listen() -> Iterator[None]:
    """Around the steps that bind a socket and nothing else.

    Raises:
        CannotListen: one of them failed.
    """
    try:
        yield
    except OSError as error:
        raise CannotListen(error.strerror or str(error)) from error
