"""Bars in the forms our API offers: JSON, CSV, Arrow and Parquet. CPU-bound; call it in a thread when there are many.

Times are the beginning of a bar, in UTC: ISO 8601 in text, `timestamp[ms, UTC]` in Arrow and Parquet.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from stock_service.base.errors import BadRequest
from stock_service.vendor.payloads import Bar

FORMATS = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
_DAY_MS = 86_400_000
_COLUMNS = ("time", "open", "high", "low", "close", "volume", "vwap", "trades")


class BarRow(msgspec.Struct, gc=False):
    """One bar; `vwap` and `trades` are null where the vendor gives none."""

    time: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float | None
    trades: float | None


class _Line(BarRow, gc=False, array_like=True):
    """The same as a line of a table."""


class BarsAnswer(msgspec.Struct):
    """Bars of one symbol, oldest first. `age_seconds` is the oldest part's age."""

    symbol: str
    every: str
    adjusted: bool
    count: int
    age_seconds: int
    stale: bool
    bars: list[BarRow]


class _Times:
    """Formats instants, remembering days and times of day: most bars share them."""

    def __init__(self) -> None:
        self._days: dict[int, str] = {}
        self._times: dict[int, str] = {}

    def iso(self, at_ms: float) -> str:
        day, rest = divmod(int(at_ms), _DAY_MS)
        date_part = self._days.get(day)
        if date_part is None:
            date_part = self._days[day] = datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%dT")
        time_part = self._times.get(rest)
        if time_part is None:
            moment = datetime.fromtimestamp(rest / 1e3, UTC)
            fraction = f".{rest % 1000:03d}Z" if rest % 1000 else "Z"
            time_part = self._times[rest] = moment.strftime("%H:%M:%S") + fraction
        return date_part + time_part


def json_rows(bars: Sequence[Bar]) -> list[BarRow]:
    """Return the bars as rows of a JSON answer."""
    iso = _Times().iso
    return [BarRow(iso(b.t), b.o, b.h, b.l, b.c, b.v, b.vw, b.n) for b in bars]


def csv_table(bars: Sequence[Bar]) -> bytes:
    """Return the bars as CSV with a header line; absent values are empty."""
    iso = _Times().iso
    header = ",".join(_COLUMNS).encode("ascii") + b"\n"
    if not bars:
        return header
    lines = msgspec.json.encode([_Line(iso(b.t), b.o, b.h, b.l, b.c, b.v, b.vw, b.n) for b in bars])
    # The encoder writes numbers as the vendor means them; only its brackets, quotes and nulls are not CSV.
    return header + lines[2:-2].replace(b"],[", b"\n").replace(b'"', b"").replace(b"null", b"") + b"\n"


def columnar(bars: Sequence[Bar], form: str) -> bytes:
    """Return the bars as an Arrow IPC stream or a Parquet file.

    Raises:
        BadRequest: the extra that writes them is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - 40 MiB that only this format needs
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise BadRequest(
            "format", f"{form} is not available on this server", "install stock-service[arrow] there, or ask for csv"
        ) from None
    numbers = {
        "open": [b.o for b in bars],
        "high": [b.h for b in bars],
        "low": [b.l for b in bars],
        "close": [b.c for b in bars],
        "volume": [b.v for b in bars],
        "vwap": [b.vw for b in bars],
        "trades": [b.n for b in bars],
    }
    columns = {"time": pa.array([int(b.t) for b in bars], pa.timestamp("ms", "UTC"))}
    columns |= {name: pa.array(values, pa.float64()) for name, values in numbers.items()}
    table = pa.table(columns)
    sink = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()
