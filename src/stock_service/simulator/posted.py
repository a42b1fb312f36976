"""What is posted to the switchboard, read strictly: a rule that would break every later call is refused at once.

Raises ValueError with the place and the problem; nothing is changed then. Pure.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from stock_service.simulator.faults import FaultKind, FaultRule, Param

_LATEST: Final = 4_102_444_800.0  # 2100-01-01
PARAMETERS: Final = {
    FaultKind.HANG: ("seconds",),
    FaultKind.SLOW_FIRST_BYTE: ("seconds",),
    FaultKind.DRIP: ("bytes", "every"),
    FaultKind.SHORT_BODY: ("missing",),
    FaultKind.HTML: ("status",),
    FaultKind.STATUS: ("status", "retry_after"),
    FaultKind.LIMITED: ("retry_after",),
    FaultKind.HUGE: ("bytes",),
    FaultKind.ENDLESS: ("bytes",),
    FaultKind.GZIP_BOMB: ("bytes",),
    FaultKind.LYING_CODING: ("coding",),
    FaultKind.BIG_HEADER: ("bytes",),
    FaultKind.MANY_HEADERS: ("count",),
    FaultKind.REDIRECT: ("location", "status"),
    FaultKind.OLDER: ("seconds", "date"),
    FaultKind.CLOSE_IDLE: ("seconds",),
}
_TEXTS: Final = frozenset({"retry_after", "coding", "location"})
_FIELD: Final = re.compile(r"[ -~]*\Z")  # what may stand in a header
_MOST: Final = {"status": 599, "seconds": 1e9, "every": 1e9}
_LEAST: Final = {"status": 200}

_Positive = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]


class _Rule(msgspec.Struct, forbid_unknown_fields=True):
    """A fault rule as it is posted; the fields are those of `FaultRule`."""

    kind: FaultKind
    prefix: str = ""
    pattern: str = ""
    probability: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 1.0
    count: Annotated[int, msgspec.Meta(ge=0)] | None = None
    seed: int = 0
    good_for: _Positive = 0.0
    bad_for: _Positive = 0.0
    params: dict[str, Param] = {}


class _Instant(msgspec.Struct, forbid_unknown_fields=True):
    """`at` freezes at a Unix second, `advance` moves a frozen instant on, `follow` goes back to the clock."""

    at: float | None = None
    advance: float = 0.0
    follow: bool = False


def read_rules(body: bytes) -> list[FaultRule]:
    """Return the rules of a JSON list."""
    posted = msgspec.json.decode(body, type=list[_Rule])
    for place, rule in enumerate(posted):
        try:
            re.compile(rule.pattern)
        except re.error as error:
            raise ValueError(f"`$[{place}].pattern` is no regular expression: {error}") from None
        for name, value in rule.params.items():
            problem = _problem(rule.kind, name, value)
            if problem:
                raise ValueError(f"`$[{place}].params.{name}` {problem}")
    return [FaultRule(**{name: getattr(rule, name) for name in rule.__struct_fields__}) for rule in posted]


def read_instant(body: bytes, now: float) -> float | None:
    """Return the instant to stand still at, None to follow the clock; `now` is the one in force."""
    posted = msgspec.json.decode(body, type=_Instant)
    if posted.follow:
        return None
    moved = (now if posted.at is None else posted.at) + posted.advance
    if not 0.0 <= moved <= _LATEST:
        raise ValueError("the instant must be a Unix second from 1970 to 2100")
    return moved


def read_window(text: str) -> float:
    """Return the length of a window in seconds."""
    seconds = float(text)
    if not 0.0 < seconds < float("inf"):
        raise ValueError(f"window {text!r} is not a number of seconds")
    return seconds


def _problem(kind: FaultKind, name: str, value: Param) -> str:
    """Return what is wrong with a parameter of a rule, or nothing."""
    known = PARAMETERS.get(kind, ())
    if name not in known:
        return f"is none of {kind.value}; its parameters are: {', '.join(known) or 'none'}"
    if name in _TEXTS:
        return "" if _FIELD.match(str(value)) else "must be printable ASCII"
    least, most = _LEAST.get(name, 0), _MOST.get(name, 1 << 50)
    fits = isinstance(value, int | float) and least <= value <= most
    return "" if fits else f"must be a number from {least} to {most:.0f}"
