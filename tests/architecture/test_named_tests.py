"""A page that names a test as proof names one that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
PAGES = sorted((ROOT / "docs").glob("*.md"))
_NAMED = re.compile(r"`(?:tests/)?((?:[a-z_0-9]+/)+test_[a-z_0-9]+\.py)(?:::(\w+))?`")


def named_in(page: Path) -> list[tuple[str, str]]:
    return _NAMED.findall(page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_a_page_names_exists(page: Path) -> None:
    """File and function: a renamed test would leave a promise without its proof."""
    for file, function in named_in(page):
        path = TESTS / file
        assert path.is_file(), file
        if function:
            assert re.search(rf"^\s*(?:async )?(?:def|class) {function}\b", path.read_text(), re.MULTILINE), function


def test_the_promises_name_their_proof() -> None:
    """Every line of the first two tables of docs/resilience.md."""
    assert len(named_in(ROOT / "docs" / "resilience.md")) > 30
