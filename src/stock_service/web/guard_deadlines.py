"""Which deadline a connection has exceeded: a pure verdict on what the sweep sees of it."""

from __future__ import annotations

from enum import Enum

from stock_service.web.guard_limits import Limits


class Phase(Enum):
    """What the next bytes of the client are."""

    HEAD = "head"
    BODY = "body"
    OVER = "over"  # nothing more is answered; bytes are thrown away until the client has read the last answer


# Bound once: to find a member through its enum takes ten times as long, and every request asks often.
HEAD, BODY, OVER = Phase


class Overdue(Enum):
    """Why a connection must end."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    LINGERING = "lingering"


def judge_deadline(phase: Phase, *, for_seconds: float, begun: bool, idle_for: float, limits: Limits) -> Overdue | None:
    """Return what is overdue after `for_seconds` in `phase`; `begun` if part of a message is here."""
    match phase:
        case Phase.OVER:
            return Overdue.LINGERING if for_seconds >= limits.linger_for else None
        case Phase.BODY:
            return Overdue.BODY if for_seconds >= limits.body_for else None
        case Phase.HEAD:
            if begun:
                return Overdue.HEAD if for_seconds >= limits.head_for else None
            return Overdue.IDLE if for_seconds >= idle_for else None
