"""A vendor for counting calls: as cheap to ask as can be, with the vendor's pages, and a stamp in what may change.

Every bar of the running day, and every other answer, carries `asof`, the second it was made for: how old an answer is
when somebody gets it is read from the answer and from nothing a cache says about itself.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urlsplit

from stock_service.market.calendar import Calendar
from stock_service.market.hours import NEW_YORK
from stock_service.market.markets import Market

ORIGIN = "https://api.vendor.example"
CALENDAR = Calendar()
_BAR = '{"v":48213,"vw":190.1234,"o":190.11,"c":190.2,"h":190.31,"l":190.02,"t":%d,"n":417}'
_MOVING = '{"v":48213,"vw":190.1234,"o":190.11,"c":190.2,"h":190.31,"l":190.02,"t":%d,"n":417,"asof":%d}'
_DAY = timedelta(days=1)
_SMALL = b'{"status":"OK","request_id":"x","asof":%d,"results":[{"T":"X","c":190.2,"h":190.3,"l":190.0,"o":190.1}]}'


@dataclass(frozen=True, slots=True)
class Page:
    """One answer. `next_target` is empty on the last page; `asof` is the stamp in it, None where nothing may change."""

    body: bytes
    next_target: str
    asof: float | None = None


_FIXED: dict[str, Page] = {}  # small pages in which nothing changes any more
_FIXED_BYTES = 64_000


def answer(target: str, wall: float) -> Page:
    """Return the vendor's answer to `target` at Unix second `wall`."""
    fixed = _FIXED.get(target)
    if fixed is not None:
        return fixed
    path = urlsplit(target).path
    if "/range/" in path:
        page = _bars(target, wall)
        if len(page.body) < _FIXED_BYTES and page.asof is None:
            _FIXED[target] = page
        return page
    if path == "/v3/reference/splits":
        return Page(b'{"status":"OK","results":[]}', "")
    if path == "/v1/marketstatus/upcoming":
        return Page(b"[]", "")
    return Page(_SMALL % wall, "", float(int(wall)))


def _bars(target: str, wall: float) -> Page:
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query))
    if "cursor" in query:
        query = dict(parse_qsl(base64.urlsafe_b64decode(query["cursor"] + "=" * (-len(query["cursor"]) % 4)).decode()))
    limit = int(query.get("limit", "5000"))
    head, ends = parts.path.rsplit("/", 3)[0], parts.path.rsplit("/", 2)[1:]
    first, last = _instant(ends[0], 0), min(_instant(ends[1], 1), int(wall * 1000))
    rows, count, next_at = _rows(head.endswith("minute") or "/minute" in parts.path, first, last, wall, limit)
    more = ""
    if next_at is not None:
        cursor = base64.urlsafe_b64encode(urlencode({"limit": limit, "sort": "asc"}).encode()).decode().rstrip("=")
        base = parts.path.rsplit("/", 2)[0]
        more = f"{base}/{next_at}/{ends[1]}?cursor={cursor}"
    link = f',"next_url":"{ORIGIN}{more}"' if more else ""
    body = f'{{"ticker":"X","queryCount":{count},"resultsCount":{count},"adjusted":true,"results":[{rows}],'
    text = f'{body}"status":"OK","request_id":"x","count":{count}{link}}}'
    return Page(text.encode(), more, float(int(wall)) if '"asof"' in rows[-200:] else None)


def _rows(minutes: bool, first: int, last: int, wall: float, limit: int) -> tuple[str, int, int | None]:
    texts: list[str] = []
    count = 0
    day = datetime.fromtimestamp(first / 1000, NEW_YORK).date()
    today = datetime.fromtimestamp(wall, NEW_YORK).date()
    end = datetime.fromtimestamp(last / 1000, NEW_YORK).date()
    while day <= end:
        times = _times(day, minutes)
        if times and (times[0] < first or times[-1] > last):
            times = [at for at in times if first <= at <= last]
        if times and count + len(times) > limit:
            room = limit - count
            times, next_at = times[:room], times[room]
        else:
            next_at = None
        if times:
            moving = day == today
            texts.append(_moving_text(times, int(wall)) if moving else _text(times[0], len(times), day, minutes))
            count += len(times)
        if next_at is not None:
            return ",".join(texts), count, next_at
        day += _DAY
    return ",".join(texts), count, None


@lru_cache(maxsize=2_000)
def _times(day: date, minutes: bool) -> list[int]:
    """Return the beginnings of a day's bars: its regular minutes, or the day itself."""
    session = CALENDAR.session_of(Market.STOCKS, day)
    if session is None:
        return []
    if minutes:
        return list(range(int(session.opens_at) * 1000, int(session.closes_at) * 1000, 60_000))
    return [int(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()) * 1000]


@lru_cache(maxsize=4_000)
def _text(first: int, count: int, day: date, minutes: bool) -> str:
    times = _times(day, minutes)
    low = times.index(first)
    return ",".join([_BAR % at for at in times[low : low + count]])


def _moving_text(times: list[int], asof: int) -> str:
    return ",".join([_MOVING % (at, asof) for at in times])


def _instant(text: str, end: int) -> int:
    if text.isdecimal():
        return int(text)
    day = date.fromisoformat(text) + end * _DAY
    return int(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()) * 1000 - end
