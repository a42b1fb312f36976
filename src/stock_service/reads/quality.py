"""What is wrong with the bars of one ticker, and whose fault it is. Pure.

Looks at three things: sessions of the calendar against the bars there are, bars the service holds against the bars
the vendor gives now, and the splits since the span began. Only what is settled is compared: a day still in motion
differs without a fault. A minute without a trade has no bar, so runs of missing bars are only told where the ticker
otherwise trades all day.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from statistics import median

from stock_service.cache.ranges import Span
from stock_service.cache.sizes import BarSize
from stock_service.market.hours import Session
from stock_service.vendor.payloads import Bar

EXAMPLES_MAX = 20
_DENSE_FROM = 0.9  # of a session's bars on a usual day: from here on a long run without any is a gap
_RUN_FOR_MS = 30 * 60_000
_SPARSE_BELOW = 0.5  # of a usual day
_FIELDS = (("o", "open"), ("h", "high"), ("l", "low"), ("c", "close"), ("v", "volume"))
_SCALE_TOLERANCE = 0.002


class Verdict(StrEnum):
    """Who is at fault, if anybody."""

    CLIENT = "client"
    CACHE = "cache"
    VENDOR = "vendor"
    BOTH = "cache-and-vendor"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Partial:
    """A session with fewer bars than usual. The run is the longest without a bar: its first and last bar's time."""

    day: str
    bars: int
    expected: int
    run_first: str
    run_last: str
    run_bars: int


@dataclass(frozen=True, slots=True)
class Gaps:
    """Sessions against bars. `before_first`: sessions before the first bar, as before a listing."""

    sessions: int
    before_first: int
    missing: list[str]
    partial: list[Partial]
    dense: bool

    @property
    def found(self) -> bool:
        """Whether anything is missing that should be there."""
        return bool(self.missing or self.partial)


@dataclass(frozen=True, slots=True)
class Change:
    """A bar the service holds that the vendor gives differently; None where one of them has no such bar."""

    time: str
    field: str
    held: float | None
    vendor: float | None


@dataclass(frozen=True, slots=True)
class SplitDay:
    """`split_from` old shares became `split_to` new ones on `day`."""

    day: str
    split_from: float
    split_to: float


@dataclass(frozen=True, slots=True)
class Changes:
    """Held bars against the vendor's. `because` is `split` when all differ by one listed split, else `correction`."""

    compared: int
    changed: int
    because: str
    examples: list[Change]


def find_gaps(times: Iterable[float], expected: Mapping[date, range], size: BarSize) -> Gaps:
    """Return what is missing.

    Args:
        times: the beginnings of all bars, in milliseconds.
        expected: of each session that has ended, in order, when its bars begin.
    """
    present = frozenset(map(int, times))
    kept = {day: sum(at in present for at in starts) for day, starts in expected.items()}
    shares = [count / len(expected[day]) for day, count in kept.items() if count]
    usual = median(shares) if shares else 0.0
    days = list(expected)
    before = next((number for number, day in enumerate(days) if kept[day]), 0)
    missing, partial = [], []
    for day in days[before:]:
        starts = expected[day]
        if not kept[day]:
            missing.append(day.isoformat())
            continue
        run = _longest_run(starts, present)
        if run and _is_partial(kept[day], len(run), len(starts), usual, size):
            ends = (iso(run[0]), iso(run[-1]))
            partial.append(Partial(day.isoformat(), kept[day], len(starts), *ends, len(run)))
    return Gaps(len(days), before, missing, partial, usual >= _DENSE_FROM)


def compare(
    held: Sequence[Bar], fresh: Sequence[Bar], unheld: Sequence[Span], until_ms: int, splits: Sequence[SplitDay]
) -> Changes:
    """Return how the held bars that begin before `until_ms` differ from the vendor's.

    `unheld` are the spans the service would ask for before it answers: what is held of them says nothing.
    """
    spans = sorted(unheld)
    starts = [span.start for span in spans]

    def counts(bar: Bar) -> bool:
        place = bisect_left(starts, bar.t + 1) - 1
        return bar.t < until_ms and not (place >= 0 and bar.t < spans[place].stop)

    mine = {int(bar.t): bar for bar in held if counts(bar)}
    theirs = {int(bar.t): bar for bar in fresh if counts(bar)}
    differing = [at for at in sorted({*mine, *theirs}) if not _same(mine.get(at), theirs.get(at))]
    examples = [change for at in differing[:EXAMPLES_MAX] for change in _changes(at, mine.get(at), theirs.get(at))]
    pairs = [(mine[at], theirs[at]) for at in differing if at in mine and at in theirs]
    if not differing:
        return Changes(len(mine), 0, "", [])
    rescaled = len(pairs) == len(differing) and _on_old_scale(pairs, splits)
    return Changes(len(mine), len(differing), "split" if rescaled else "correction", examples[:EXAMPLES_MAX])


def judge(gaps: Gaps, changes: Changes | None) -> Verdict:
    """Return whose fault it is; without a comparison, or a session that has ended, nobody can tell."""
    if changes is None:
        return Verdict.UNKNOWN
    if changes.changed:
        return Verdict.BOTH if gaps.found else Verdict.CACHE
    if not gaps.sessions:
        return Verdict.UNKNOWN
    return Verdict.VENDOR if gaps.found else Verdict.CLIENT


def told(verdict: Verdict, gaps: Gaps, changes: Changes | None, splits: Sequence[SplitDay]) -> tuple[str, str]:
    """Return the verdict in a sentence, and what to do."""
    changed = 0 if changes is None else changes.changed
    lacking = f"{_count(len(gaps.missing), 'session')} without bars and {len(gaps.partial)} with too few"
    purge = "Have the ticker forgotten (stock-service purge) and ask again; the vendor's numbers then come with it."
    report = "Report the days to the vendor with the request ids; asking again will not help."
    match verdict:
        case Verdict.UNKNOWN if not gaps.sessions:
            return "No session in this span has ended: there is nothing to hold it against.", "Ask for earlier days."
        case Verdict.UNKNOWN if gaps.found:
            return f"Incomplete: {lacking}. Not compared with the vendor.", "Compare to learn whose fault it is."
        case Verdict.UNKNOWN:
            return "Complete by the calendar. Not compared with the vendor.", "Compare to learn of changed history."
        case Verdict.CACHE if changes is not None and changes.because == "split":
            return f"The cache is behind a split: {_count(changed, 'held bar')} on the old scale.", purge
        case Verdict.CACHE:
            return f"The cache is behind: the vendor has changed {_count(changed, 'bar')} since.", purge
        case Verdict.VENDOR if len(gaps.missing) == gaps.sessions:
            nothing = "The vendor has no bar of it in this span at all."
            return nothing, "Check the ticker, the days it was listed, and how far back your plan reaches."
        case Verdict.VENDOR:
            return f"The vendor: {lacking}, in the vendor's own answer of just now too.", report
        case Verdict.BOTH:
            both = f"Both: the vendor has changed {_count(changed, 'bar')} since, and lacks data ({lacking})."
            return both, f"{purge} {report}"
        case Verdict.CLIENT:
            held = changes is not None and changes.compared
            here = "what is held is what the vendor says" if held else "nothing of it is held here that could be old"
            hint = f"adjusted prices before {splits[-1].day} differ from those you stored before it; " if splits else ""
            return (
                f"Neither the cache nor the vendor: complete by the calendar, and {here}.",
                f"If your numbers differ, look at the client: {hint}the adjusted flag, pages not followed (next_url), "
                "times read in another zone than UTC.",
            )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def iso(at_ms: float) -> str:
    """Return an instant as the API writes it."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def expected_starts(session: Session, midnight_ms: int, size: BarSize) -> range:
    """Return when the bars of a session's regular hours begin; `midnight_ms` is the beginning of its day."""
    if size.timespan == "day":
        return range(midnight_ms, midnight_ms + 1)
    opens, closes, step = int(session.opens_at * 1_000), int(session.closes_at * 1_000), size.length_ms
    first = midnight_ms + (opens - midnight_ms) // step * step
    return range(first, closes, step)


def _longest_run(wanted: range, present: frozenset[int]) -> range:
    """Return the longest stretch of `wanted` of which nothing is present."""
    longest, begins = wanted[:0], 0
    for place, at in enumerate(wanted):
        if at in present:
            begins = place + 1
        elif place + 1 - begins > len(longest):
            longest = wanted[begins : place + 1]
    return longest


def _is_partial(found: int, run: int, wanted: int, usual: float, size: BarSize) -> bool:
    if found < _SPARSE_BELOW * usual * wanted:
        return True
    return usual >= _DENSE_FROM and run >= max(2, _RUN_FOR_MS // size.length_ms)


def _same(held: Bar | None, vendor: Bar | None) -> bool:
    return held is not None and vendor is not None and all(getattr(held, n) == getattr(vendor, n) for n, _ in _FIELDS)


def _changes(at: int, held: Bar | None, vendor: Bar | None) -> Iterator[Change]:
    for name, field in _FIELDS if held is not None and vendor is not None else _FIELDS[3:4]:
        mine, theirs = (None if bar is None else getattr(bar, name) for bar in (held, vendor))
        if mine != theirs:
            yield Change(iso(at), field, mine, theirs)


def _on_old_scale(pairs: Sequence[tuple[Bar, Bar]], splits: Sequence[SplitDay]) -> bool:
    """Return whether all prices differ by the factor of one of the splits: never inferred from prices alone."""
    if any(vendor.c <= 0 for _, vendor in pairs):
        return False
    scales = [held.c / vendor.c for held, vendor in pairs]
    factors = [split.split_to / split.split_from for split in splits]
    return any(all(abs(scale / factor - 1) < _SCALE_TOLERANCE for scale in scales) for factor in factors)
