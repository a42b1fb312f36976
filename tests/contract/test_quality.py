"""The report on a ticker's bars: each verdict reached as it is in life, through the whole service."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord, Right, hash_key, make_key
from stock_service.cache.sizes import BarSize
from stock_service.market.hours import NEW_YORK
from stock_service.reads.quality import find_gaps
from stock_service.vendor.request import bars_request
from tests.support.asgi import Browser
from tests.support.instants import NEW_YEAR_2024
from tests.support.running import running_pair
from tests.support.serve_process import environment
from tests.support.warm_house import House, warm_house

FRIDAY = datetime(2025, 11, 21, 16, tzinfo=UTC).timestamp()
GENEROUS = {"quota.calls": 1_000, "quota.per": "1s"}
DAYS = "/api/stocks/AAPL/quality?from=2025-10-01&to=2025-10-31"
MINUTES = "/api/stocks/AAPL/quality?from=2025-11-10&to=2025-11-14&every=1m"

Mend = Callable[[str, bytes], bytes]


async def report(house: House, target: str, **headers: str) -> dict[str, Any]:
    got = await Browser(house.service.app).get(target, headers)
    assert got.status == 200, got.body
    return dict(got.json())


async def hold(house: House, first: str, last: str, *, size: str = "day", adjusted: bool = True) -> None:
    """Have the service keep bars, as somebody's question would."""
    await house.read(bars_request("AAPL", 1, size, first, last, adjusted=adjusted))


def without(*days: str) -> Mend:
    """A vendor that lacks the daily bars of some days."""

    def mend(target: str, body: bytes) -> bytes:
        answer = json.loads(body)
        if "/range/" in target:
            answer["results"] = [bar for bar in answer.get("results", []) if day_of(bar["t"]) not in days]
        return json.dumps(answer, separators=(",", ":")).encode()

    return mend


def changed(how: Callable[[dict[str, Any]], None]) -> Mend:
    """A vendor whose bars are now different."""

    def mend(target: str, body: bytes) -> bytes:
        answer = json.loads(body)
        if "/range/" in target:
            for bar in answer.get("results", []):
                how(bar)
        return json.dumps(answer, separators=(",", ":")).encode()

    return mend


def day_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, NEW_YORK).date().isoformat()


async def test_bars_that_are_whole_and_unchanged_leave_the_client() -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        await hold(house, "2025-10-01", "2025-10-31")
        found = await report(house, DAYS)
        assert (found["verdict"], found["bars"], found["gaps"]["sessions"]) == ("client", 23, 23)
        assert found["changes"] == {"compared": 23, "changed": 0, "because": "", "examples": []}
        assert all(re.fullmatch("[0-9a-f]{32}", each) for each in found["request_ids"])
        assert "next_url" in found["advice"]


async def test_minutes_are_held_against_the_sessions_of_the_calendar() -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        await hold(house, "2025-11-10", "2025-11-14", size="minute")
        found = await report(house, MINUTES)
        assert found["verdict"] == "client"
        assert found["gaps"]["dense"]
        assert found["changes"]["compared"] > 5 * 390


async def test_more_bars_than_a_report_looks_at_are_refused_before_the_vendor_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stock_service.reads.quality_desk.BARS_MAX", 20)
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        await hold(house, "2025-10-01", "2025-10-31")
        asked = len(house.vendor.calls)
        got = await Browser(house.service.app).get(DAYS)
        assert (got.status, got.json()["field"]) == (400, "to")
        assert len(house.vendor.calls) == asked


async def test_a_session_the_vendor_lacks_is_the_vendors() -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        house.vendor.mend = without("2025-10-07", "2025-10-08")
        await hold(house, "2025-10-01", "2025-10-31")
        found = await report(house, DAYS)
        assert found["verdict"] == "vendor"
        assert found["gaps"]["missing"] == ["2025-10-07", "2025-10-08"]
        assert found["changes"]["changed"] == 0
        assert found["request_ids"]


async def test_a_ticker_without_any_bar_is_told_apart_from_a_gap() -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        house.vendor.mend = lambda target, body: b'{"status":"OK","resultsCount":0}' if "/range/" in target else body
        found = await report(house, DAYS)
        assert (found["verdict"], len(found["gaps"]["missing"])) == ("vendor", 23)
        assert "no bar of it in this span at all" in found["told"]


@pytest.mark.parametrize("days", ["from=2025-12-01&to=2025-12-31", "from=2025-11-15&to=2025-11-16"])
async def test_days_without_a_session_say_nothing(days: str) -> None:
    """To come, and a weekend."""
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        found = await report(house, f"/api/stocks/AAPL/quality?{days}")
        assert (found["verdict"], found["gaps"]["sessions"]) == ("unknown", 0)
        assert "nothing to hold it against" in found["told"]


async def test_an_hour_without_minutes_is_found_where_the_ticker_trades_all_day() -> None:
    hole = range(1_762_956_000_000, 1_762_959_600_000)  # 12 November 2025, 09:00 to 10:00 in New York

    def mend(target: str, body: bytes) -> bytes:
        answer = json.loads(body)
        answer["results"] = [bar for bar in answer.get("results", []) if bar["t"] not in hole]
        return json.dumps(answer, separators=(",", ":")).encode()

    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        house.vendor.mend = lambda target, body: mend(target, body) if "/range/" in target else body
        found = await report(house, MINUTES)
        (partial,) = found["gaps"]["partial"]
        assert found["verdict"] == "vendor"
        assert (partial["day"], partial["run_bars"]) == ("2025-11-12", 30)
        assert partial["run_first"] == "2025-11-12T14:30:00Z"


async def test_a_bar_the_vendor_corrected_is_the_caches_and_shown() -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        await hold(house, "2025-10-01", "2025-10-31")

        def correct(bar: dict[str, Any]) -> None:
            if day_of(bar["t"]) == "2025-10-15":
                bar["c"], bar["v"] = 1.25, 7

        house.vendor.mend = changed(correct)
        found = await report(house, DAYS)
        assert (found["verdict"], found["changes"]["changed"], found["changes"]["because"]) == (
            "cache",
            1,
            "correction",
        )
        shown = {(each["time"][:10], each["field"], each["vendor"]) for each in found["changes"]["examples"]}
        assert shown == {("2025-10-15", "close", 1.25), ("2025-10-15", "volume", 7.0)}
        again = await report(house, DAYS)
        assert again["changes"] == found["changes"], "a report changes nothing"


async def test_what_it_says_to_do_mends_it() -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        await hold(house, "2025-10-01", "2025-10-31")
        house.vendor.mend = changed(lambda bar: bar.update(v=5))
        assert (await report(house, DAYS))["verdict"] == "cache"
        await house.forget("AAPL")
        await hold(house, "2025-10-01", "2025-10-31")
        assert (await report(house, DAYS))["verdict"] == "client"


async def test_bars_on_the_scale_before_a_split_are_told_from_corrections() -> None:
    """Held over the night of Apple's 4:1 split, without the news of it."""
    before = datetime(2020, 8, 29, 20, tzinfo=UTC).timestamp()
    async with warm_house(before, GENEROUS, warming=False) as house:
        await hold(house, "2020-08-03", "2020-08-28")
        await house.pass_time(4 * 86_400.0)
        found = await report(house, "/api/stocks/AAPL/quality?from=2020-08-03&to=2020-08-28")
        assert (found["verdict"], found["changes"]["because"]) == ("cache", "split")
        assert found["changes"]["changed"] == found["changes"]["compared"] == 20
        assert "split" in found["told"]
        assert found["splits"] == [{"day": "2020-08-31", "split_from": 1.0, "split_to": 4.0}]


async def test_both_can_be_at_fault() -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        await hold(house, "2025-10-01", "2025-10-31")
        house.vendor.mend = without("2025-10-07")
        found = await report(house, DAYS)
        assert found["verdict"] == "cache-and-vendor"
        (change,) = found["changes"]["examples"]
        assert (change["field"], change["vendor"]) == ("close", None)


async def test_splits_since_the_span_began_are_listed() -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        found = await report(house, "/api/stocks/AAPL/quality?from=2020-08-03&to=2020-09-30")
        assert {"day": "2020-08-31", "split_from": 1.0, "split_to": 4.0} in found["splits"]


@pytest.mark.parametrize(
    ("retired", "splits"), [({"/v3/reference/splits"}, 1), ({"/v3/reference/splits", "/stocks/v1/splits"}, 0)]
)
async def test_a_split_list_the_vendor_retires_is_no_reason_to_refuse_the_report(
    retired: set[str], splits: int
) -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        house.vendor.retired = frozenset(retired)
        found = await report(house, "/api/stocks/AAPL/quality?from=2020-08-03&to=2020-09-30")
        assert (found["verdict"], len(found["splits"])) == ("client", splits)


async def test_a_day_in_motion_is_neither_a_gap_nor_a_change() -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        await hold(house, "2025-11-17", "2025-11-21")
        await house.pass_time(30.0)
        found = await report(house, "/api/stocks/AAPL/quality?from=2025-11-17&to=2025-11-21")
        assert (found["verdict"], found["gaps"]["sessions"], found["compared_until"]) == ("client", 4, "2025-11-19")


async def test_bars_the_service_would_ask_for_anew_are_not_held_against_it() -> None:
    """Settled history is looked at again after 30 days by itself."""
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        await hold(house, "2025-10-01", "2025-10-31")
        house.vendor.mend = changed(lambda bar: bar.update(v=5))
        assert (await report(house, DAYS))["changes"]["changed"] == 23
        await house.pass_time(31 * 86_400.0)
        found = await report(house, DAYS)
        assert (found["verdict"], found["changes"]["compared"]) == ("client", 0)
        assert "nothing of it is held here" in found["told"]


async def test_a_report_is_about_now_and_no_client_keeps_it() -> None:
    """Its bars are good for a month; what is kept of them may be purged the next minute."""
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        await hold(house, "2025-10-01", "2025-10-31")
        for compare in ("true", "false"):
            got = await Browser(house.service.app).get(f"{DAYS}&compare={compare}")
            assert got.headers["cache-control"] == "private, max-age=0"


async def test_without_a_comparison_nobody_is_accused() -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        house.vendor.mend = without("2025-10-07")
        await hold(house, "2025-10-01", "2025-10-31")
        calls = [target for _, target in house.vendor.calls if "/range/" in target]
        found = await report(house, f"{DAYS}&compare=false")
        assert (found["verdict"], found["changes"], found["gaps"]["missing"]) == ("unknown", None, ["2025-10-07"])
        assert [target for _, target in house.vendor.calls if "/range/" in target] == calls


@pytest.mark.parametrize(("rights", "compared"), [((), False), ((Right.NO_CACHE,), True)])
async def test_with_keys_only_the_right_to_skip_the_cache_compares(
    tmp_path: Path, rights: tuple[Right, ...], compared: bool
) -> None:
    key_id, key = make_key()
    KeyStore(tmp_path / "keys").add(
        KeyRecord(id=key_id, name="team", sha256=hash_key(key), created=NEW_YEAR_2024, rights=rights)
    )
    flags = {**GENEROUS, "access.keys_file": str(tmp_path / "keys")}
    async with warm_house(FRIDAY, flags, warming=False) as house:
        found = await report(house, DAYS, authorization=f"Bearer {key}")
        assert (found["changes"] is not None) is compared


@pytest.mark.parametrize("every", ["1w", "1mo", "7m"])
async def test_sizes_no_session_can_be_held_against_are_refused(every: str) -> None:
    async with warm_house(FRIDAY, GENEROUS, warming=False) as house:
        got = await Browser(house.service.app).get(f"{DAYS}&every={every}")
        assert got.status == 400
        assert b"every" in got.body


def test_sessions_before_the_first_bar_are_no_gap() -> None:
    expected = {date(2024, 1, day): range(day * 1_000, day * 1_000 + 1) for day in range(2, 8)}
    gaps = find_gaps([4_000, 6_000, 7_000], expected, BarSize(1, "day"))
    assert (gaps.before_first, gaps.missing) == (2, ["2024-01-05"])
    assert find_gaps([], expected, BarSize(1, "day")).missing == [each.isoformat() for each in expected]


def test_the_command_ends_with_the_verdict_and_a_code() -> None:
    with running_pair() as pair:

        def quality(*words: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "stock_service", "quality", "AAPL", "--url", pair.gateway.url, *words]
            return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)

        span = ("--from", "2024-01-02", "--to", "2024-03-28")
        shown = quality(*span)
        assert shown.returncode == 0, shown.stderr
        assert "61 bars in 61 sessions" in shown.stdout
        assert "Verdict: client." in shown.stdout
        assert "all day" not in shown.stdout  # of minutes, which nobody asked about
        told = json.loads(quality(*span, "--json", "--no-compare").stdout)
        assert told["verdict"] == "unknown"
        assert quality(*span, "--every", "1w").returncode == 1
        assert quality("--from", "2024-01-02").returncode == 2
        assert quality(*span, "--url", "http://127.0.0.1:1").returncode == 3
