"""Bars in the forms our API offers: JSON, CSV, Arrow and Parquet. CPU-bound; call it in a thread when there are many.

Times are the beginning of a bar, in UTC: ISO 8601 in text, `timestamp[ms, UTC]` in Arrow and Parquet.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

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
    trades: int | None


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


def _whole(trades: float | None) -> int | None:
    return None if trades is None else round(trades)


class BarWriter(Protocol):
    """Takes bars page by page and gives the whole answer; CPU-bound, to be called in a thread when pages are large."""

    def add(self, bars: Sequence[Bar]) -> None:
        """Take the next page."""
        ...

    def finish(self, head: BarsAnswer) -> bytes:
        """Return the answer; `head.bars` is empty."""
        ...


def make_writer(form: str) -> BarWriter:
    """Return a writer of `form`, one of `FORMATS`.

    Raises:
        BadRequest: the extra that writes it is not installed.
    """
    match form:
        case "json":
            return _JsonWriter()
        case "csv":
            return _CsvWriter()
        case _:
            return _ColumnWriter(form)


class _JsonWriter:
    def __init__(self) -> None:
        self._times = _Times()
        self._pieces: list[bytes] = []

    def add(self, bars: Sequence[Bar]) -> None:
        iso = self._times.iso
        rows = [BarRow(iso(b.t), b.o, b.h, b.l, b.c, b.v, b.vw, _whole(b.n)) for b in bars]
        if rows:
            self._pieces.append(msgspec.json.encode(rows)[1:-1])

    def finish(self, head: BarsAnswer) -> bytes:
        # `bars` is the last member, so the rows go in front of the two closing brackets.
        return b"%b%b]}" % (msgspec.json.encode(head)[:-2], b",".join(self._pieces))


class _CsvWriter:
    def __init__(self) -> None:
        self._times = _Times()
        self._pieces = [",".join(_COLUMNS).encode("ascii") + b"\n"]

    def add(self, bars: Sequence[Bar]) -> None:
        iso = self._times.iso
        rows = [_Line(iso(b.t), b.o, b.h, b.l, b.c, b.v, b.vw, _whole(b.n)) for b in bars]
        lines = msgspec.json.encode(rows)[2:-2]
        if lines:
            # Only the encoder's brackets, quotes and nulls are not CSV.
            self._pieces.append(lines.replace(b"],[", b"\n").replace(b'"', b"").replace(b"null", b"") + b"\n")

    def finish(self, head: BarsAnswer) -> bytes:
        return b"".join(self._pieces)


class _ColumnWriter:
    """Arrow IPC stream or Parquet file."""

    def __init__(self, form: str) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - 40 MiB that only these formats need
            import pyarrow.parquet as pq  # noqa: PLC0415
        except ImportError:
            raise BadRequest(
                "format",
                f"{form} is not available on this server",
                "install stock-service[arrow] there, or ask for csv",
            ) from None
        self._pa, self._pq, self._form = pa, pq, form
        numbers = [(name, pa.float64()) for name in _COLUMNS[1:-1]]
        self._schema = pa.schema([("time", pa.timestamp("ms", "UTC")), *numbers, ("trades", pa.int64())])
        self._batches: list[Any] = []

    def add(self, bars: Sequence[Bar]) -> None:
        columns = [
            [int(b.t) for b in bars],
            [b.o for b in bars],
            [b.h for b in bars],
            [b.l for b in bars],
            [b.c for b in bars],
            [b.v for b in bars],
            [b.vw for b in bars],
            [_whole(b.n) for b in bars],
        ]
        arrays = [self._pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._batches.append(self._pa.record_batch(arrays, schema=self._schema))

    def finish(self, head: BarsAnswer) -> bytes:
        table = self._pa.Table.from_batches(self._batches, schema=self._schema)
        sink = io.BytesIO()
        if self._form == "parquet":
            self._pq.write_table(table, sink)
        else:
            with self._pa.ipc.new_stream(sink, self._schema) as writer:
                writer.write_table(table)
        return sink.getvalue()
