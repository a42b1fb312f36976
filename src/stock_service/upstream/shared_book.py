"""What the book of the fleet's calls says, read with distrust: bytes that came over a wire. Pure.

Whatever is not exactly an answer of our scripts is `None`, like every other fault of the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_MICRO = 1_000_000
_WORDS = frozenset({"go", "wait", "join", "learn", "joined", "warming"})
_SHORTEST = {"join": 1, "joined": 8, "warming": 8}
_FAR = 400 * 86_400.0  # seconds; no window and no pause is longer


@dataclass(frozen=True, slots=True)
class News:
    """What pods tell each other: how many refusals the vendor made, how long ago the last, how long to pause."""

    refusals: str = "0"
    lowered_ago: float = 0.0
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. `after` are seconds until a call may leave, or until the book is ready; `left` calls may go now."""

    word: str
    after: float = 0.0
    left: int = 0
    news: News = News()
    created: str = "0"
    seat: int = 0


@dataclass(slots=True)
class Told:
    """What the book last said of itself, as monotonic instants."""

    created: str = "0"
    refusals: str = "0"
    remaining: int = 0
    next_at: float = 0.0
    warm_until: float = 0.0


def read_said(answer: Any) -> Said | None:
    """Return what a script that plans calls answered."""
    try:
        word = answer[0].decode()
        if word not in _WORDS or len(answer) < _SHORTEST.get(word, 6):
            return None
        if word == "join":
            return Said(word)
        after, left, news = int(answer[1]) / _MICRO, int(answer[2]), read_news(answer[3:6])
        created, seat = (answer[6].decode(), int(answer[7])) if word in ("joined", "warming") else ("0", 0)
    except (ValueError, TypeError, AttributeError, IndexError):
        return None
    if news is None or not (-_FAR < after < _FAR and left >= 0 and seat >= 0 and created.isdecimal()):
        return None
    return Said(word, after, left, news, created, seat)


def read_news(answer: Any) -> News | None:
    """Return the news in an answer."""
    try:
        refusals, lowered_ago, pause = answer[0].decode(), int(answer[1]) / _MICRO, int(answer[2]) / _MICRO
    except (ValueError, TypeError, AttributeError, IndexError):
        return None
    return News(refusals, lowered_ago, pause) if refusals.isdecimal() else None
