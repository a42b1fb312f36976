"""The short form of `make fuzz`: the same targets, a hundred thousand seeded inputs, without atheris.

Not a search: it shows that the targets still run against the service as it is, and holds what the seeds reach.
"""

from __future__ import annotations

import random
import re
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from stock_service.access.keys import KeySet
from stock_service.upstream.body import BodyCollector
from stock_service.upstream.connection import VendorConnection
from stock_service.vendor import request
from stock_service.web import guard_head, hit_answer
from stock_service.web.guard_connection import GuardedConnection
from tests.fuzz import engines
from tests.fuzz.lanes import Lanes
from tests.fuzz.mutate import Mutator
from tests.fuzz.parts import PARTS
from tests.fuzz.targets import TARGETS

RUNS = {
    "lanes": 3_000, "framing": 7_000, "canonical": 30_000, "bodies": 28_000, "credentials": 4_000,
    "negotiation": 28_000, "answers": 6_000,
}  # fmt: skip
SECONDS = 60.0  # a machine that is busy may take its time; the number of inputs is what counts


@pytest.mark.no_cover  # to trace each line takes three times as long
@pytest.mark.parametrize("name", TARGETS)
def test_the_target_holds_for_every_seed_and_some_thousand_mutations(name: str) -> None:
    """Seeded: a failure is the same failure everywhere."""
    make = TARGETS[name][0]
    report = engines.run_by_chance(name, make, runs=RUNS[name], seconds=SECONDS, seed=1, now=time.monotonic)
    assert report.finding == ""
    assert report.inputs == RUNS[name]


def test_a_hundred_thousand_inputs_are_tried() -> None:
    """And every target is among them."""
    assert sum(RUNS.values()) >= 100_000
    assert set(RUNS) == set(TARGETS)
    assert sum(share for _, share in TARGETS.values()) == 100


def test_every_target_names_modules_that_guide_its_search() -> None:
    """Without any the search ends before it begins; one that has moved guides nothing."""
    assert set(PARTS) == set(TARGETS)
    missing = {module for modules in PARTS.values() for module in modules if find_spec(module) is None}
    assert missing == set()


def test_the_differential_reaches_the_fast_lane() -> None:
    """A comparison of the slow lane with itself would hold too."""
    target = Lanes()
    before = target.hits
    for seed in target.seeds:
        target.check(seed)
    assert target.hits - before > len(target.seeds) // 2


def test_the_same_seed_makes_the_same_inputs() -> None:
    target = Lanes()
    mutator = Mutator(target.seeds, target.words)
    first, second = ([mutator.make(draw) for _ in range(200)] for draw in (random.Random(3), random.Random(3)))
    assert first == second
    assert len(set(first)) > 150


# --- every target is seen to fire ---


SABOTAGE: dict[str, tuple[object, str, object]] = {
    "lanes": (hit_answer, "matches_etag", lambda given, etag: False),
    "framing": (GuardedConnection, "part", lambda connection: None),
    "canonical": (request, "_CREDENTIAL", "key"),
    "bodies": (BodyCollector, "_keep", lambda collector, part: collector._parts.append(part)),
    "credentials": (KeySet, "find", lambda keys, credential: keys.records[0]),
    "answers": (VendorConnection, "on_message_begin", lambda connection: setattr(connection, "_whole", None)),
    "negotiation": (guard_head, "_LINE_BEGUN", re.compile(rb"[A-Z]+ [!-~]+\Z")),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_broken_part_is_found(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And what is left behind shows it again, until the part is mended."""
    make = TARGETS[name][0]
    monkeypatch.setattr(engines, "FOUND", tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(*SABOTAGE[name])
        report = engines.run_by_chance(name, make, runs=3_000, seconds=SECONDS, seed=1, now=time.monotonic)
        assert "AssertionError" in report.finding
        with pytest.raises(AssertionError):
            engines.replay(make(), tmp_path / f"{name}-finding.txt")
    assert engines.replay(make(), tmp_path / f"{name}-finding.txt") == min(report.inputs, 200)


def test_an_input_that_hangs_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And reported with its input, instead of a search that never ends."""

    class Hangs:
        seeds = (b"comes back", b"hangs")
        words = (b"word",)

        def check(self, data: bytes) -> None:
            while data == b"hangs":
                pass

    monkeypatch.setattr(engines, "FOUND", tmp_path)
    monkeypatch.setattr(engines, "_HANG_AFTER", 1)
    report = engines.run_by_chance("hangs", Hangs, runs=2, seconds=SECONDS, seed=1, now=time.monotonic)
    assert report.inputs == 2
    assert "no end after 1 s" in report.finding
    assert "input: b'hangs'" in report.finding
