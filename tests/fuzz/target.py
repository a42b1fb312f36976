"""What every fuzz target is: seeds to begin with, words worth inserting, and one check of one input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Target(Protocol):
    """One property of one part, for any bytes.

    A target is made once per run. An input may leave traces for the next (what a service was taught), which is why
    a finding is kept with the inputs before it.
    """

    @property
    def seeds(self) -> Sequence[bytes]:
        """Whole inputs to begin with."""
        ...

    @property
    def words(self) -> Sequence[bytes]:
        """Pieces worth inserting."""
        ...

    def check(self, data: bytes) -> None:
        """Raise whatever tells that the property does not hold for `data`."""
        ...
