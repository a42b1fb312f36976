"""What stands in a field of a feed's row, told from the field's name.

A table read top to bottom: the first pattern that fits names the value. Values follow from route, field, ticker and
row number; a date is always a real one before today.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from stock_service.simulator.dice import roll

_EPOCH = date(1970, 1, 1).toordinal()
_DAY_NS = 86_400 * 10**9

_TEXT_ENDINGS = (
    "acronym action administrator advisor agent analyst asset_class asset_sub_class author bear_case benchmark body "
    "bull_case category center classification code company consensus_rating consumer_type country "
    "country_of_exchange currency currency_traded cusip custodian date_status description disposed distributor "
    "event exchange figi firm focus frequency grade group group_code indirect industry insight isin issuer leverage "
    "locale maker manager method mic name notes objective ownership positioning product_type quotation rating "
    "region remarks section sector sedol status style subadvisor taxonomy teaser text time timeframe title "
    "trading_venue trustee type unit_of_measure"
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of one row; `number` is the row's, `today` the day of asking."""

    route: str
    field: str
    ticker: str
    today: date
    number: int

    @property
    def day(self) -> date:
        """A day of its own for each row, a month apart."""
        return self.today - timedelta(days=30 * self.number + 1)

    @property
    def chance(self) -> int:
        """A number of its own for each cell."""
        return roll(self.route, self.field, self.ticker, self.number)

    @property
    def text(self) -> str:
        """A text that says what it is."""
        return f"{self.field.replace('_', ' ')} {self.number}"


def value_of(cell: Cell) -> object:
    """The value of a cell; a number when nothing in its name says otherwise."""
    for pattern, value in _RULES:
        if pattern.search(cell.field):
            return value(cell)
    return round(1 + cell.chance % 100_000 / 100, 2)


def _rule(pattern: str, value: Callable[[Cell], object]) -> tuple[re.Pattern[str], Callable[[Cell], object]]:
    return re.compile(pattern), value


_RULES = (
    _rule(r"^ticker$|_ticker$", lambda cell: cell.ticker),
    _rule(r"^tickers$", lambda cell: [cell.ticker]),
    _rule(r"^(?:channels|images|tags|other_managers)$", lambda cell: [cell.text]),
    _rule(r"_exposure$", lambda _: {"A": 0.6, "B": 0.4}),
    _rule(r"^active$", lambda _: True),
    _rule(r"^(?:is|aff|not)_|^equity_swap_involved$", lambda _: False),
    _rule(r"^(?:last_updated|published)$", lambda cell: f"{cell.day.isoformat()}T12:00:00Z"),
    _rule(r"^time$", lambda _: "09:30:00"),
    _rule(r"^fiscal_year$", lambda cell: cell.day.year),
    _rule(r"^fiscal_period$", lambda cell: f"Q{(cell.day.month + 2) // 3}"),
    _rule(r"^fiscal_quarter$", lambda cell: (cell.day.month + 2) // 3),
    _rule(r"timestamp$|^window_start$", lambda cell: (cell.day.toordinal() - _EPOCH) * _DAY_NS),
    _rule(r"^(?:channel|report_sequence|sequence_number|days_to_maturity)$", lambda cell: cell.chance % 10_000),
    _rule(r"^tmx_company_id$", lambda cell: cell.chance % 10_000),
    _rule(r"(?:^|_)date$|^date_of|^period|^active_(?:from|to)$", lambda cell: cell.day.isoformat()),
    _rule(r"^id$|_id$|cik$|_number$|^us_code$", lambda cell: f"{cell.chance:016x}"),
    _rule(r"url$", lambda cell: f"https://simulated.example/{cell.chance:08x}"),
    _rule(rf"(?:^|_)(?:{_TEXT_ENDINGS.replace(' ', '|')})$", lambda cell: cell.text),
)
