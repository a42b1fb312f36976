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


_lines = msgspec.json.Encoder()


class BarsAnswer(msgspec.Struct):
    """Bars of one symbol, oldest first. `age_seconds` is the oldest part's age."""

    symbol: str
    every: str
    adjusted: bool
    count: int
    age_seconds: int
    stale: bool
    bars: list[BarRow]


class _Dates(dict[float, str]):
    """The date of each day since 1970, as text; formatted once, because most bars share theirs."""

    def __missing__(self, day: float) -> str:
        text = self[day] = datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%dT")
        return text


class _Clocks(dict[float, str]):
    """The time of day of each millisecond of a day, as text; formatted once, because every day has the same ones."""

    def __missing__(self, rest: float) -> str:
        fraction = f".{int(rest) % 1000:03d}Z" if int(rest) % 1000 else "Z"
        text = self[rest] = datetime.fromtimestamp(rest // 1_000, UTC).strftime("%H:%M:%S") + fraction
        return text


class _Times:
    """Formats the beginnings of bars."""

    def __init__(self) -> None:
        self._dates = _Dates()
        self._clocks = _Clocks()

    def of(self, bars: Sequence[Bar]) -> list[str]:
        dates, clocks = self._dates, self._clocks
        return [dates[bar.t // _DAY_MS] + clocks[bar.t % _DAY_MS] for bar in bars]


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
        rows = [
            BarRow(time, b.o, b.h, b.l, b.c, b.v, b.vw, None if b.n is None else round(b.n))
            for time, b in zip(self._times.of(bars), bars, strict=True)
        ]
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
        rows = [
            _Line(time, b.o, b.h, b.l, b.c, b.v, b.vw, None if b.n is None else round(b.n))
            for time, b in zip(self._times.of(bars), bars, strict=True)
        ]
        # Only the encoder's brackets, quotes and nulls are not CSV.
        self._pieces.append(_lines.encode_lines(rows).translate(None, b'[]"').replace(b"null", b""))

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
            [None if b.n is None else round(b.n) for b in bars],
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
