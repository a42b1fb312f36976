"""Which calls go wrong is a pure decision; what was called is counted exactly."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_service.simulator.admission import Admission
from stock_service.simulator.ask import Refusal
from stock_service.simulator.calls import CallLog
from stock_service.simulator.faults import FaultKind, FaultRule, Faults
from stock_service.simulator.posted import PARAMETERS

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"


def fired(faults: Faults, times: int, path: str = "/v2/x", now: float = 0.0) -> int:
    return sum(faults.choose(path, now) is not None for _ in range(times))


def test_without_rules_nothing_goes_wrong() -> None:
    """And after clearing them neither."""
    faults = Faults()
    assert fired(faults, 10) == 0
    faults.put([FaultRule(FaultKind.HANG)], 0.0)
    assert fired(faults, 10) == 10
    faults.clear()
    assert fired(faults, 10) == 0


def test_a_rule_fits_by_prefix_and_pattern() -> None:
    """Both must fit; the first rule that does decides."""
    faults = Faults()
    faults.put(
        [FaultRule(FaultKind.HTML, prefix="/v2/", pattern="AAPL"), FaultRule(FaultKind.EMPTY, prefix="/v2/")], 0.0
    )
    kinds = [faults.choose(path, 0.0) for path in ("/v2/AAPL", "/v2/IBM", "/v1/AAPL")]
    assert [rule and rule.kind for rule in kinds] == [FaultKind.HTML, FaultKind.EMPTY, None]
    assert [state["fired"] for state in faults.state()] == [1, 1]


@pytest.mark.parametrize("probability", [0.1, 0.4, 0.6, 1.0])
def test_a_share_of_calls_goes_wrong_and_the_same_ones_for_the_same_seed(probability: float) -> None:
    """Within two points of the share over 5,000 calls."""
    runs = []
    for seed in (1, 1, 2):
        faults = Faults()
        faults.put([FaultRule(FaultKind.STATUS, probability=probability, seed=seed)], 0.0)
        runs.append([faults.choose("/", 0.0) is not None for _ in range(5_000)])
    assert abs(sum(runs[0]) / 5_000 - probability) < 0.02
    assert runs[0] == runs[1]
    assert probability == 1.0 or runs[0] != runs[2]


def test_a_counted_rule_stops_after_its_count() -> None:
    """Three resets, then all is well."""
    faults = Faults()
    faults.put([FaultRule(FaultKind.RESET, count=3)], 0.0)
    assert fired(faults, 10) == 3


def test_a_flapping_rule_is_good_first_then_bad_and_again() -> None:
    """Five seconds each, counted from when the rule was put."""
    faults = Faults()
    faults.put([FaultRule(FaultKind.STATUS, good_for=5.0, bad_for=5.0)], 100.0)
    bad = [second for second in range(30) if fired(faults, 1, now=100.0 + second)]
    assert bad == [5, 6, 7, 8, 9, 15, 16, 17, 18, 19, 25, 26, 27, 28, 29]


@given(times=st.lists(st.floats(0, 100), min_size=1, max_size=40), window=st.floats(0.1, 60))
def test_the_busiest_window_is_the_true_maximum(times: list[float], window: float) -> None:
    """Against counting every window that ends with a call."""
    log = CallLog()
    for at in sorted(times):
        log.begin(at, "/v2/x", "/v2/x")
    assert log.busiest(window) == max(sum(end - window < at <= end for at in times) for end in times)


def test_the_log_is_bounded_but_the_counters_go_on() -> None:
    """The oldest calls fall out."""
    log = CallLog(capacity=3)
    for number in range(5):
        log.settle(log.begin(float(number), f"/v{number % 2}/x", ""), 200)
    assert (log.total, log.statuses[200], [call.at for call in log.calls()]) == (5, 5, [2.0, 3.0, 4.0])
    assert (log.count("/v0"), log.count("/v1")) == (2, 1)
    log.clear()
    assert (log.total, log.count(), log.statuses[200]) == (0, 0, 0)


@given(gaps=st.lists(st.floats(0, 20), min_size=1, max_size=60), calls=st.integers(1, 6), per=st.floats(1.0, 30.0))
def test_no_window_ever_admits_more_than_the_limit(gaps: list[float], calls: int, per: float) -> None:
    """Any arrivals; and a caller who waits a whole window is always served."""
    admission, now, admitted = Admission(("k",), calls, per), 0.0, []
    for gap in gaps:
        now += gap
        with suppress(Refusal):
            admission.ask("k", now)
            admitted.append(now)
    assert all(sum(end - per < at <= end for at in admitted) <= calls for end in admitted)
    admission.ask("k", (now + per) * 1.000001)


def test_refused_keys_do_not_fill_the_window() -> None:
    """A stranger cannot use up the limit."""
    admission = Admission(("k",), 1, 60.0)
    for wrong in (None, "", "x", "K"):
        with pytest.raises(Refusal):
            admission.ask(wrong, 0.0)
    admission.ask("k", 0.0)


def test_the_page_names_the_parameters_that_are_read() -> None:
    """A name that is not read would be refused, one that is not written would not be found."""
    table = PAGE.read_text("utf-8").partition("| kind | what happens")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split("|") for line in table.splitlines()[2:]]
    written = {
        kind: tuple(re.findall(r"`(\w+)`", row[-1])) for row in rows for kind in re.findall(r"`([\w-]+)`", row[0])
    }
    assert written == {kind.value: PARAMETERS.get(kind, ()) for kind in FaultKind}
