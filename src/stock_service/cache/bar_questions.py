"""A question for bars in terms of the series: which one, which bars, how many; and its answer in the vendor's words.

Reads the vendor's path and parameters, and writes its envelope and page links. Our cursors keep the vendor's way of
moving the position into the path; they carry a mark, are never sent to the vendor, and need no memory of ours.
"""

from __future__ import annotations

import base64
from datetime import date, timedelta
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from stock_service.base.record import record
from stock_service.cache.ranges import Span
from stock_service.cache.series import Slice
from stock_service.cache.sizes import END_OF_BARS_MS, BarSize, day_at, midnight_ms
from stock_service.market.hours import zone_of
from stock_service.market.markets import Market, market_of
from stock_service.vendor.endpoints import Group
from stock_service.vendor.request import VendorRequest, bars_request

_PARAMS = frozenset({"adjusted", "sort", "limit"})
_MARK = ("by", "stock-service")
_LIMIT_MAX = 50_000
_DAY = timedelta(days=1)


@record
class SeriesKey:
    """What a series holds: the vendor gives other bars for every other key."""

    ticker: str
    size: BarSize
    adjusted: bool

    @property
    def text(self) -> str:
        """The key in words, the same in every process."""
        size = f"{self.size.multiplier}{self.size.timespan}"
        return f"bars {self.ticker} {size} {'adjusted' if self.adjusted else 'raw'}"

    @property
    def market(self) -> Market:
        """The market of the ticker."""
        return market_of(self.ticker)


@record
class BarsQuestion:
    """A range of bars. `first` and `last` are the ends as the path had them, `limit` counts base bars."""

    key: SeriesKey
    span: Span
    first: str
    last: str
    descending: bool = False
    limit: int = 5_000

    @property
    def bars_max(self) -> int:
        """How many bars a page holds: at most as many as the vendor's `limit` allows, and at least one."""
        return max(1, self.limit // self.key.size.base_bars)


def question_of(request: VendorRequest) -> BarsQuestion | None:
    """Return the question for bars that `request` is, or None when the series cannot answer it.

    It cannot when the bars' grid is not known, when the answer is to be CSV, for a range that ends before it begins or
    that no calendar reaches, or for a cursor or a parameter that is not ours: such a request is for the vendor as it
    stands.
    """
    if request.endpoint.group is not Group.BARS or request.accept != "json":
        return None
    path, params = request.path_params, dict(request.params)
    cursor = params.pop("cursor", None)
    if cursor is not None:
        params = _read_cursor(cursor) | params
    size = BarSize(int(path["multiplier"]), path["timespan"])
    limit = params.get("limit", request.endpoint.defaults["limit"])
    known = _PARAMS if cursor is None else _PARAMS | {_MARK[0]}
    if not size.kept or not set(params) <= known or not limit.isdecimal() or not 1 <= int(limit) <= _LIMIT_MAX:
        return None
    if cursor is not None and params.get(_MARK[0]) != _MARK[1]:
        return None
    key = SeriesKey(path["ticker"], size, params.get("adjusted", "true") == "true")
    span = _read_span(key, path["from"], path["to"])
    if span.start >= min(span.stop, END_OF_BARS_MS):
        return None
    return BarsQuestion(key, span, path["from"], path["to"], params.get("sort") == "desc", int(limit))


def ask_for(key: SeriesKey, span: Span, *, descending: bool = False) -> VendorRequest:
    """Return the vendor request for the bars that begin in `span`, on the largest page there is.

    Ask in the order the bars are wanted: the first page is then the one that is needed. Whole days are asked for as
    days, so that a range of which nothing is known reaches the vendor in the client's own words.
    """
    zone = zone_of(key.market)
    first_day, next_day = day_at(span.start, zone), day_at(span.stop, zone)
    from_day, to_day = midnight_ms(first_day, zone) == span.start, midnight_ms(next_day, zone) == span.stop
    return bars_request(
        key.ticker,
        key.size.multiplier,
        key.size.timespan,
        first_day.isoformat() if from_day else str(max(0, span.start)),
        (next_day - _DAY).isoformat() if to_day else str(max(0, span.stop - 1)),
        adjusted=key.adjusted,
        sort="desc" if descending else "asc",
        limit=_LIMIT_MAX,
    )


def envelope(question: BarsQuestion, found: Slice, request_id: str, origin: str) -> list[bytes]:
    """Return the body of the vendor's answer in pieces; `origin` (scheme and host) begins its link to the next page.

    `queryCount` says how many bars are returned: how many base bars are behind them only the vendor knows.
    """
    head: dict[str, object] = {"ticker": question.key.ticker, "queryCount": found.count, "resultsCount": found.count}
    head["adjusted"] = question.key.adjusted
    tail: dict[str, object] = {"status": "OK", "request_id": request_id, "count": found.count}
    if found.next_at is not None:
        tail["next_url"] = origin + next_target(question, found.next_at)
    pieces = [msgspec.json.encode(head)[:-1]]
    if found.pieces:
        pieces.append(b',"results":[')
        for piece in found.pieces:
            pieces += (piece, b",")
        pieces[-1] = b"]"
    return [*pieces, b"," + msgspec.json.encode(tail)[1:]]


def next_target(question: BarsQuestion, next_at: int) -> str:
    """Return path and query of the page that begins with the bar at `next_at`."""
    key = question.key
    ends = (str(next_at), question.last)
    if question.descending:
        # The last bar may begin before the asked time it overlaps; the range must not end before it begins.
        ends = (question.first, str(max(next_at, _first_ms(key, question.first))))
    state = {
        "adjusted": str(key.adjusted).lower(),
        _MARK[0]: _MARK[1],
        "limit": str(question.limit),
        "sort": "desc" if question.descending else "asc",
    }
    cursor = base64.urlsafe_b64encode(urlencode(state).encode()).decode().rstrip("=")
    parts = (key.ticker, "range", str(key.size.multiplier), key.size.timespan, *ends)
    return f"/v2/aggs/ticker/{'/'.join(quote(part, safe=':') for part in parts)}?cursor={cursor}"


def _read_span(key: SeriesKey, first: str, last: str) -> Span:
    """Return the beginnings of all bars that overlap the asked time: the vendor widens both ends to whole bars."""
    zone, start = zone_of(key.market), _first_ms(key, first)
    if last.isdecimal():
        end = int(last)
    else:
        end = midnight_ms(min(date.fromisoformat(last), date(9000, 1, 1)) + _DAY, zone) - 1
    return Span(key.size.first_start(key.market, start), end + 1)


def _first_ms(key: SeriesKey, first: str) -> int:
    return int(first) if first.isdecimal() else midnight_ms(date.fromisoformat(first), zone_of(key.market))


def _read_cursor(cursor: str) -> dict[str, str]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        return {}
    return dict(parse_qsl(text))
