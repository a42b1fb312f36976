"""What is asked of a store that all instances share: one script at a time, at most a moment's wait, never an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Store(Protocol):
    """The shared store, as far as clients are concerned."""

    @property
    def ready(self) -> bool:
        """Whether it would be asked now."""
        ...

    async def run(self, script: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any | None:
        """Return what `script` returned; None is any fault, and nobody knows whether it ran."""
        ...
