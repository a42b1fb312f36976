"""Prints `market/closures.py` from the maintained `holidays` library, which is too heavy to import at run time.

Run after an update of the library: `python -m tests.support.market_table > src/stock_service/market/closures.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import groupby

from holidays import financial_holidays

FIRST_YEAR = 2000
LAST_YEAR = 2035

_HEAD = '''"""The exchange's special days: generated from the `holidays` library, never edited by hand.

`holidays` costs 29 MiB and half a second to import, so its answer is kept instead of the library; a test
compares this file with what the library says now, and with a second, independent library. Weekends are left
out. Regenerate with `python -m tests.support.market_table`.
"""

from __future__ import annotations

from datetime import date
'''


def special_days(category: str) -> list[date]:
    """Return the NYSE's weekday holidays (`public`) or early closes (`half_day`) of the covered years."""
    days = financial_holidays("XNYS", years=range(FIRST_YEAR, LAST_YEAR + 1), categories=(category,))
    return sorted(day for day in days if day.weekday() < 5 and FIRST_YEAR <= day.year <= LAST_YEAR)


def printed_table() -> str:
    """Return the text of `market/closures.py`."""
    parts = [
        _HEAD,
        f"FIRST_YEAR = {FIRST_YEAR}",
        f"LAST_YEAR = {LAST_YEAR}",
        "",
        "# month and day of each weekday on which the New York Stock Exchange does not open",
        *_printed("_CLOSED", special_days("public")),
        "",
        "# month and day of each session that closes at 13:00 New York time",
        *_printed("_EARLY", special_days("half_day")),
        "",
        "",
        "def _days(table: dict[int, str]) -> frozenset[date]:",
        "    return frozenset(",
        "        date(year, int(word[:2]), int(word[3:])) for year, words in table.items() for word in words.split()",
        "    )",
        "",
        "",
        "CLOSED_DAYS = _days(_CLOSED)",
        "EARLY_CLOSE_DAYS = _days(_EARLY)",
    ]
    return "\n".join(parts) + "\n"


def _printed(name: str, days: Iterable[date]) -> list[str]:
    lines = [f"{name} = {{"]
    for year, group in groupby(days, key=lambda day: day.year):
        lines.append(f'    {year}: "{" ".join(f"{day:%m-%d}" for day in group)}",')
    return [*lines, "}"]


if __name__ == "__main__":
    print(printed_table(), end="")
