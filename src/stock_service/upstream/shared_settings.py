"""How a budget is shared between pods. Zero pods, or a pod that comes back before it is missed, is refused."""

from __future__ import annotations

from dataclasses import dataclass

from stock_service.upstream.pacer import PacerSettings


@dataclass(frozen=True, slots=True)
class SharedSlotsSettings:
    """`pods`: how many there may be at once, the autoscaler's maximum and not today's number. Lengths in seconds."""

    plan: PacerSettings
    pods: int = 20
    name: str = "default"  # of the vendor account: its calls are counted together
    beat_every: float = 1.0
    missing_after: float = 4.0
    local_for: float = 5.0

    def __post_init__(self) -> None:
        if self.pods < 1 or self.missing_after >= self.local_for:
            raise ValueError("at least one pod; and it must be missed before it comes back")
