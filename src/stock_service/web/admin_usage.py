"""Renders what clients used, as JSON or CSV. Pure but for the ledger it asks."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Protocol

import msgspec

from stock_service.access.usage import KEPT_DAYS, Counts
from stock_service.access.usage_ledger import Usage
from stock_service.base.errors import BadRequest
from stock_service.reads.spans import parse_day
from stock_service.web.admin_table import USAGE_DAYS, USAGE_FORMATS, ClientDay, ClientTotal, UsageReport
from stock_service.web.exchange import Response, text_response

_COLUMNS = ("day", "client", "name", "requests", "vendor_calls", "limited", "scope")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Ledger(Protocol):
    """Whoever knows what was used."""

    def today(self) -> date:
        """Return the day it is, UTC."""
        ...

    async def read(self, days: Sequence[date]) -> Usage:
        """Return what was used on `days`."""
        ...


class UsageDesk:
    """Answers `/admin/usage`.

    Args:
        names: the names of clients by id.
    """

    def __init__(self, ledger: Ledger, names: Callable[[], Mapping[str, str]]) -> None:
        self._ledger = ledger
        self._names = names

    async def answer(self, parameters: Mapping[str, str]) -> Response:
        """Return the report; BadRequest names the parameter that is wrong."""
        form = parameters["format"]
        if form not in USAGE_FORMATS:
            raise BadRequest("format", f"{form[:20]!r} is none of ours", f"use one of {', '.join(USAGE_FORMATS)}")
        first, last = self._span(parameters)
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        report = _report(await self._ledger.read(days), first, last, self._names())
        if form == "csv":
            return text_response(200, b"text/csv; charset=utf-8", _csv(report))
        return text_response(200, b"application/json", msgspec.json.encode(report) + b"\n")

    def _span(self, parameters: Mapping[str, str]) -> tuple[date, date]:
        last = parse_day("to", parameters["to"]) if parameters["to"] else self._ledger.today()
        if parameters["from"]:
            first = parse_day("from", parameters["from"])
        else:
            first = last - timedelta(days=min(USAGE_DAYS - 1, (last - date.min).days))
        if first > last:
            raise BadRequest("from", f"{first} is after to={last}", "exchange the two")
        if (last - first).days >= KEPT_DAYS:
            raise BadRequest("from", f"to `to` are more than {KEPT_DAYS} days", "days are kept no longer than that")
        return first, last


def _report(usage: Usage, first: date, last: date, names: Mapping[str, str]) -> UsageReport:
    totals: dict[str, Counts] = {}
    days: list[ClientDay] = []
    for day, clients in sorted(usage.days.items()):
        for client, counts in sorted(clients.items()):
            totals[client] = totals.get(client, Counts()).plus(counts)
            days.append(ClientDay(client, names.get(client, ""), *counts, day))
    return UsageReport(
        scope="fleet" if usage.fleet else "instance",
        first=first.isoformat(),
        last=last.isoformat(),
        totals=[ClientTotal(client, names.get(client, ""), *counts) for client, counts in sorted(totals.items())],
        days=days,
    )


def _csv(report: UsageReport) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in report.days:
        counts = (row.requests, row.vendor_calls, row.limited)
        writer.writerow((row.day, row.client, _harmless(row.name), *counts, report.scope))
    return text.getvalue().encode()


def _harmless(text: str) -> str:
    """Return `text` such that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
