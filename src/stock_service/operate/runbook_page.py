"""The runbook's page as data: its sections by anchor, and in each the command lines as they are to be typed. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^ *```bash\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,4} .*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the text under it, up to the next heading; commands in fences are left out of `text`."""

    anchor: str
    text: str
    commands: tuple[str, ...]


class TwoSections(Exception):
    """Two headings have the same anchor, so a link to it leads to one of them only."""

    def __init__(self, anchor: str) -> None:
        super().__init__(anchor)
        self.anchor = anchor


def sections_of(page: str) -> dict[str, Section]:
    """Return the sections by their anchor, in order; raises TwoSections."""
    found: dict[str, Section] = {}
    parts = _HEADING.split(page)
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        anchor = anchor_of(heading.lstrip("# "))
        lines = [line.strip() for fence in _FENCE.findall(body) for line in fence.splitlines() if line.strip()]
        if anchor in found:
            raise TwoSections(anchor)
        found[anchor] = Section(anchor, folded(_FENCE.sub("", body)), tuple(lines))
    return found


def anchor_of(heading: str) -> str:
    """Return the anchor GitHub gives a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.strip().lower()).replace(" ", "-")


def folded(text: str) -> str:
    """Return the text on one line."""
    return " ".join(text.split())
