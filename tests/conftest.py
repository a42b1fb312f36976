"""What holds for every test: no setting of the machine leaks in, no address but loopback is dialled."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Speed is judged in bench/, never here: a busy machine must not fail an example for being slow to make or to run.
settings.register_profile("developer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples every time: what fails a pipeline fails on every machine. Chance is for developers and make fuzz.
settings.register_profile("ci", parent=settings.get_profile("developer"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "developer")

# To trace a line takes longer than most lines do. What only computes, and runs nothing that is not traced by another
# test, runs three times as fast untraced.
_UNTRACED = (
    "tests/architecture/",
    "tests/chart/",
    "tests/fuzz/",
    "tests/property/test_bars_over_time.py",
    "tests/property/test_memory_model.py",
    "tests/property/test_ranges.py",
    "tests/property/test_series_days.py",
    "tests/property/test_vendor_keys.py",
    "tests/wire/test_protocol_splits.py",
)

_LEAKING = ("STOCKS_", "POLYGON_API_KEY", "MASSIVE_API_KEY")


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_the_machine() -> Iterator[None]:
    """A developer's own key or configuration must not decide a test; nor may a proxy see loopback traffic."""
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.startswith(_LEAKING) or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name)
    yield
    patch.undo()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let coverage look away where that only costs time."""
    for item in items:
        if item.nodeid.startswith(_UNTRACED):
            item.add_marker(pytest.mark.no_cover)
