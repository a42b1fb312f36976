"""The moment an answer is about, as the vendor itself stamps it.

Only for answers that say what is true now: the last trade, the last quote, one ticker's snapshot, the day before. A
later one of these is never about an earlier moment, unless a vendor's server is behind the others. Comparable between
answers to one question and nowhere else: the unit is whatever the route's is.
"""

from __future__ import annotations

import msgspec

from stock_service.vendor.endpoints import Group

_STAMPED = frozenset({Group.LAST, Group.CONV, Group.SNAP_STK, Group.SNAP_CC, Group.PREV})
_LONGEST = 4_096  # bytes; no answer about one instrument is longer


class _Stamps(msgspec.Struct):
    t: float | None = None  # last trade and quote, bars
    timestamp: float | None = None  # crypto, currencies
    updated: float | None = None  # snapshots

    @property
    def moment(self) -> float | None:
        return next((each for each in (self.t, self.timestamp, self.updated) if each), None)


class _Answer(msgspec.Struct):
    results: list[_Stamps] | _Stamps | None = None
    last: _Stamps | None = None
    ticker: _Stamps | str | None = None


_answers = msgspec.json.Decoder(_Answer)


def moment_of(group: Group, body: bytes) -> float | None:
    """Return the moment `body`, a good answer of `group`, is about; None where the vendor does not say. Never raises.

    Nanoseconds lose their last few hundred on the way, alike in every answer.
    """
    if group not in _STAMPED or len(body) > _LONGEST:
        return None
    try:
        answer = _answers.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    spoken = answer.results[-1:] if isinstance(answer.results, list) else [answer.results]
    candidates = [*spoken, answer.last, answer.ticker]
    return next((each.moment for each in candidates if isinstance(each, _Stamps) and each.moment), None)
