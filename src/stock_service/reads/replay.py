"""A recording in the vendor's place: what was recorded is answered, nothing else, and nobody is ever asked.

A question that was recorded gets the bytes of its recording. Bars are answered for any range inside what was
recorded, because our own questions for bars depend on what is kept already; they come out of a series without bound
or age. Everything else raises `NotRecorded`, which says what was asked. The same recording and the same questions
give the same answers, at any time of any day.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stock_service.base.errors import BadRequest, NotRecorded, VendorFailed
from stock_service.cache.bar_questions import BarsQuestion, SeriesKey, envelope, question_of
from stock_service.cache.chunks import split_page
from stock_service.cache.ranges import Part, Span
from stock_service.cache.series import Gaps, Series, answered_span
from stock_service.cache.sizes import day_at
from stock_service.cache.stamp import Stamp
from stock_service.market.hours import zone_of
from stock_service.upstream.client import Exchange
from stock_service.upstream.judged import judge_answer
from stock_service.upstream.recorded import LINK_ORIGIN, RecordedHead, RecordingFaulty, read_heads, read_recorded
from stock_service.vendor.request import VendorRequest, parse_request, reopen_request

_JSON = "application/json"
_REQUEST_ID = "replayed"
_NOW = 0.0  # nothing recorded ever grows old


@dataclass(slots=True)
class Recording:
    """What a folder holds: files by question, those of bars by series too, and the instant of the newest."""

    files: dict[str, Path] = field(default_factory=dict)
    pages: dict[SeriesKey, list[RecordedHead]] = field(default_factory=dict)
    ended_at: float = -math.inf


def open_recording(folder: Path) -> Recording:
    """Return what `folder` holds; reads the heads of its files only.

    Raises:
        RecordingFaulty: it holds nothing, or something else than recorded answers.
    """
    recording = Recording()
    for head in read_heads(folder):
        try:
            question = question_of(reopen_request(head.key))
        except BadRequest:
            raise RecordingFaulty(f"{head.path} asks for nothing the vendor could answer; remove it") from None
        recording.files[head.key] = head.path
        recording.ended_at = max(recording.ended_at, head.recorded_at)
        if question is not None and head.status == 200:
            recording.pages.setdefault(question.key, []).append(head)
    if not recording.files:
        raise RecordingFaulty(f"{folder} holds no recorded answers; record some with --record {folder}")
    return recording


class ReplayClient:
    """Makes exchanges with a recording. Opens a file when it is first needed, and keeps the bars it has read."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._series: dict[SeriesKey, Series] = {}
        self._turn = asyncio.Lock()

    async def exchange(
        self,
        target: str,
        *,
        accept: str,
        within: float,
        edge: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Return the recorded answer.

        Raises:
            NotRecorded: there is none, or its file was removed, or holds nothing that would have been recorded.
        """
        path, _, query = target.partition("?")
        request = parse_request(path, query, accept)
        async with self._turn:
            try:
                return await asyncio.to_thread(self._find, request)
            except RecordingFaulty as error:
                raise NotRecorded(request.key, error.problem) from error

    async def aclose(self) -> None:
        """Nothing is open."""

    def _find(self, request: VendorRequest) -> Exchange:
        file = self._recording.files.get(request.key)
        if file is not None:
            found = read_recorded(file)
            exchange = Exchange(found.status, found.content_type, found.body, found.request_id)
            if not judge_answer(request, exchange).judgement.rule.passes:
                raise _damaged(file)
            return exchange
        question = question_of(request)
        if question is None or question.key not in self._recording.pages:
            raise NotRecorded(request.key if question is None else _described(question, question.span))
        return self._bars(question)

    def _bars(self, question: BarsQuestion) -> Exchange:
        series = self._series.get(question.key)
        if series is None:
            series = self._series[question.key] = self._read_series(question.key)
        planned = series.plan(question.span, question.bars_max, question.descending, _NOW)
        if isinstance(planned, Gaps):
            raise NotRecorded(_described(question, Span(planned.spans[0].start, planned.spans[-1].stop)))
        found = series.slice(question.span, question.bars_max, question.descending)
        return Exchange(200, _JSON, b"".join(envelope(question, found, _REQUEST_ID, LINK_ORIGIN)), _REQUEST_ID)

    def _read_series(self, key: SeriesKey) -> Series:
        """Put the recorded pages together, oldest first, so that what was recorded last counts."""
        series = Series(key.size)
        for head in sorted(self._recording.pages[key], key=lambda each: each.recorded_at):
            question = question_of(reopen_request(head.key))
            assert question is not None  # it was one when the recording was opened
            try:
                page = split_page(read_recorded(head.path).body, key.size, descending=question.descending)
            except VendorFailed:
                raise _damaged(head.path) from None
            answered = answered_span(question.span, page, question.descending)
            stamp = Stamp(head.recorded_at, math.inf, math.inf, math.inf)
            if answered.start < answered.stop:
                series.merge(answered, page, [Part(answered.start, answered.stop, stamp)], _NOW)
        return series


def _damaged(file: Path) -> RecordingFaulty:
    """Return the complaint about an answer that would not have been recorded as it is."""
    return RecordingFaulty(f"the answer in {file} was changed or is cut off; record it again or remove the file")


def _described(question: BarsQuestion, span: Span) -> str:
    """Return in words which bars are asked for: the question itself counts milliseconds."""
    key = question.key
    zone = zone_of(key.market)
    days = f"{day_at(span.start, zone)} to {day_at(span.stop - 1, zone)}"
    adjusted = "" if key.adjusted else ", unadjusted"
    return f"bars of {key.ticker}, {key.size.multiplier} {key.size.timespan}{adjusted}, {days}"
