"""Lists of rows the way the vendor pages, filters and sorts them.

One rule for every list: `field=x`, `field.gt|gte|lt|lte|any_of` filter by any field the rows have, `sort` and `order`
sort by one, `limit` cuts pages, and the cursor carries the whole question with what it defaulted to (a date, for
instance), so that later pages belong to the first one (facts.md 1.5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from stock_service.simulator.ask import Ask

Row = Mapping[str, object]

_TESTS: dict[str, Callable[[object, object], bool]] = {
    "": lambda have, want: have == want,
    "gt": lambda have, want: have > want,  # type: ignore[operator]
    "gte": lambda have, want: have >= want,  # type: ignore[operator]
    "lt": lambda have, want: have < want,  # type: ignore[operator]
    "lte": lambda have, want: have <= want,  # type: ignore[operator]
}


@dataclass(frozen=True, slots=True)
class Listing:
    """How one list pages and sorts when the question does not say."""

    limit: int = 10
    most: int = 1_000
    sort: str = ""
    order: str = "asc"
    pinned: Mapping[str, str] = field(default_factory=dict)


def page_rows(ask: Ask, rows: Sequence[Row], listing: Listing) -> dict[str, object]:
    """One page of `rows` as an answer; `ask` may resume from a cursor."""
    asked = ask.resumed()
    limit = asked.whole("limit", listing.limit, listing.most)
    begin = asked.whole("ap", 0, 10**9, least=0)
    name, _, suffix = (asked.params.get("sort") or listing.sort).partition(".")
    order = suffix or asked.choice("order", listing.order, "asc", "desc", "ascending", "descending")
    found = [row for row in rows if _matches(row, asked.params)]
    if name:
        found.sort(key=lambda row: _sortable(row.get(name)), reverse=order.startswith("desc"))
    answer: dict[str, object] = {"status": "OK", "request_id": ask.request_id}
    answer |= {"count": len(found[begin : begin + limit]), "results": found[begin : begin + limit]}
    if begin + limit < len(found):
        kept = {key: value for key, value in asked.params.items() if key not in ("ap", "limit", "order", "sort")}
        state = {**listing.pinned, **kept, "ap": begin + limit, "limit": limit, "order": order}
        answer["next_url"] = ask.link(state | ({"sort": name} if name else {}))
    return answer


def _matches(row: Row, params: Mapping[str, str]) -> bool:
    return all(_passes(row, *parameter.partition(".")[::2], want) for parameter, want in params.items())


def _passes(row: Row, name: str, test: str, want: str) -> bool:
    have = row.get(name)
    if have is None or not want:
        return True
    if test == "any_of":
        return any(_passes(row, name, "", word) for word in want.split(","))
    if isinstance(have, list):
        return want in have
    compare = _TESTS.get(test)
    if compare is None:
        return True
    if isinstance(have, bool):
        return compare(str(have).lower(), want.lower())
    if isinstance(have, int | float):
        try:
            return compare(float(have), float(want))
        except ValueError:
            return False
    return compare(str(have), want)


def _sortable(value: object) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return (1, float(value), "")
    return (0, 0.0, "") if value is None else (2, 0.0, str(value))
