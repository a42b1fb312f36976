"""The vendor's bodies: what one says about itself, bars as rows, and error bodies in the vendor's shape.

Looking into a body never builds its rows: a page of five megabytes is skimmed in the time it takes to scan it.
Rows are floats, because volumes are fractional, and loose, because trade counts and averages may be absent.
Never judges what an answer is worth: outcome classes are `upstream`'s, lifetimes are `cache`'s.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Annotated, Any

import msgspec

from stock_service.base.errors import VendorFailed
from stock_service.base.record import record


class Form(Enum):
    """What kind of thing a body is."""

    OBJECT = "object"
    LIST = "list"
    OTHER = "other"  # not said to be JSON, and not JSON: CSV, a filed document, an image, a proxy's HTML
    BROKEN = "broken"  # said to be JSON, and not an object or a list


class Refusal(StrEnum):
    """Why the vendor answered 401 or 403; only its text tells."""

    BAD_KEY = "bad-key"
    BEFORE_END_OF_DAY = "before-end-of-day"  # the plan gets a day at its end: ask again later
    TIMEFRAME = "timeframe"  # the plan's history or delay excludes the time asked about
    NOT_ENTITLED = "not-entitled"


_INSTANT_MAX_MS = 7_258_118_400_000  # 2200-01-01: beyond, calendars overflow

ERROR_WORDS = frozenset({"ERROR", "NOT_FOUND", "NOT_AUTHORIZED"})

# Texts as third parties report them (facts 1.6); the first that occurs decides.
_REFUSALS = (
    ("before end of day", Refusal.BEFORE_END_OF_DAY),
    ("timeframe", Refusal.TIMEFRAME),
    ("api key", Refusal.BAD_KEY),
)


@record
class BodyFacts:
    """What a body says about itself.

    `status_word` is the envelope's `status`, or empty. `results` counts the entries of whatever the route lists,
    0 when it says that there are none, None when it does not list anything. `error` is the vendor's explanation.
    `refusal` is set for 401 and 403 only.
    """

    form: Form
    status_word: str = ""
    results: int | None = None
    error: str = ""
    refusal: Refusal | None = None

    @property
    def is_error(self) -> bool:
        """Whether the envelope says error, whatever the HTTP status was."""
        return self.status_word in ERROR_WORDS


class Bar(msgspec.Struct, gc=False):
    """One bar; `t` is its beginning in Unix milliseconds. Indices have no volume: `v` is 0 there."""

    t: Annotated[float, msgspec.Meta(ge=-_INSTANT_MAX_MS, le=_INSTANT_MAX_MS)]
    o: float
    h: float
    l: float  # noqa: E741 - the vendor's name
    c: float
    v: float = 0.0
    vw: float | None = None
    n: float | None = None


class BarsPage(msgspec.Struct):
    """One page of bars; `next_url` is empty on the last one."""

    results: list[Bar]
    next_url: str = ""


class _Object(msgspec.Struct):
    """Any object; those of indicators hold their rows in `values`, and `underlying` even when there are none."""

    values: _Listed = msgspec.UNSET
    underlying: _Listed = msgspec.UNSET


_Listed = list[msgspec.Raw] | _Object | str | float | bool | msgspec.UnsetType | None


class _Envelope(msgspec.Struct, rename={"results_count": "resultsCount"}):
    """The members any answer may have; `Any` where the vendor's type is not certain."""

    status: Any = None
    error: Any = None
    message: Any = None
    count: Any = None
    results_count: Any = None
    results: _Listed = msgspec.UNSET
    tickers: _Listed = msgspec.UNSET
    ticks: _Listed = msgspec.UNSET


class _BarsBody(msgspec.Struct):
    results: list[Bar] | None = None
    next_url: str | None = None


_envelopes = msgspec.json.Decoder(_Envelope)
_lists = msgspec.json.Decoder(list[msgspec.Raw])
_bars = msgspec.json.Decoder(_BarsBody)


def inspect_body(status: int, content_type: str, body: bytes) -> BodyFacts:
    """Return what `body`, answered with HTTP `status`, says about itself; never raises."""
    first = body[:64].lstrip()[:1]
    try:
        if first == b"{":
            return _facts_of(status, _envelopes.decode(body))
        if first == b"[":
            return BodyFacts(Form.LIST, results=len(_lists.decode(body)), refusal=classify_refusal(status, ""))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # what it is not is decided below
    form = Form.BROKEN if "json" in content_type.lower() else Form.OTHER
    return BodyFacts(form, refusal=classify_refusal(status, ""))


def classify_refusal(status: int, error: str) -> Refusal | None:
    """Return why the vendor refused, by its text; None when `status` is not a refusal."""
    if status == 401:
        return Refusal.BAD_KEY
    if status != 403:
        return None
    text = error.lower()
    return next((refusal for words, refusal in _REFUSALS if words in text), Refusal.NOT_ENTITLED)


def decode_bars(body: bytes) -> BarsPage:
    """Return the rows of a page of bars.

    Raises:
        VendorFailed: `body` is not one.
    """
    try:
        page = _bars.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise VendorFailed("invalid") from None
    return BarsPage(page.results or [], page.next_url or "")


def error_body(status_word: str, message: str, request_id: str) -> bytes:
    """Return an error in the vendor's shape; `ERROR` explains itself in `error`, other words in `message`."""
    where = "error" if status_word == "ERROR" else "message"
    return msgspec.json.encode({"status": status_word, "request_id": request_id, where: message})


def _facts_of(status: int, envelope: _Envelope) -> BodyFacts:
    error = _text(envelope.error) or _text(envelope.message)
    return BodyFacts(
        Form.OBJECT,
        _text(envelope.status),
        _count(envelope),
        error,
        classify_refusal(status, error),
    )


def _count(envelope: _Envelope) -> int | None:
    for listed in (envelope.results, envelope.tickers, envelope.ticks):
        if listed is not msgspec.UNSET:
            return _count_of(listed)
    return 0 if 0 in (envelope.results_count, envelope.count) else None


def _count_of(listed: _Listed) -> int:
    if isinstance(listed, list):
        return len(listed)
    if isinstance(listed, _Object):
        return int(listed.underlying is msgspec.UNSET) if listed.values is msgspec.UNSET else _count_of(listed.values)
    return int(listed is not None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
