"""The page says nothing that no test holds: every command is typed, every number promised, every link leads on."""

from __future__ import annotations

import re

import pytest

from stock_service.operate.runbook_page import Section
from tests.support.prometheus_rules import alerts
from tests.support.runbook import PAGE, claims, commands, sections
from tests.support.tools import ROOT

# Names that hold a digit and promise nothing.
_NAMES = re.compile(r"\bP[123]\b|\bp9[59]\b|(?:^| )\d\. |Helm 4|https?://\S+|\]\([^)]*\)|sum by")


def test_every_command_is_typed_by_a_test() -> None:
    """A line nobody runs is a line that stops working."""
    held = {claim.arguments[0] for claim in claims() if claim.function == "typed"}
    assert commands() - held == set()


@pytest.mark.parametrize("section", sections().values(), ids=list(sections()))
def test_every_number_is_held_by_a_test(section: Section) -> None:
    """What is left of the text without the promised words has no digit in it."""
    text = section.text
    words = [
        word
        for claim in claims()
        if claim.function == "promised" and claim.arguments[0] == section.anchor
        for word in claim.arguments[1:]
    ]
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(" ".join(word.split()), "…")
    left = _NAMES.sub("…", text)
    assert re.findall(r"\S*\d\S*", left) == []


def test_a_new_number_or_command_is_noticed() -> None:
    """The guards above fire."""
    assert re.findall(r"\S*\d\S*", _NAMES.sub("…", "P1 pages for 7 minutes")) == ["7"]
    assert {"kubectl get nothing"} - {claim.arguments[0] for claim in claims()} == {"kubectl get nothing"}


def test_every_alert_links_to_a_section_that_exists() -> None:
    """And that names it, so that a search of the page finds it."""
    for name, rule in alerts().items():
        anchor = rule["annotations"]["runbook_url"].partition("#")[2]
        assert anchor in sections(), name
        short = re.sub(r"^StockServiceErrorBudget", "…", name)
        assert name in sections()[anchor].text or short in sections()[anchor].text, f"{name} is not in #{anchor}"


def test_every_link_of_the_page_leads_somewhere() -> None:
    """To a section of this page or to a file beside it."""
    for target in re.findall(r"\]\(([^)]+)\)", PAGE.read_text()):
        file, _, anchor = target.partition("#")
        assert not file or (PAGE.parent / file).exists(), target
        assert not anchor or file or anchor in sections(), target


@pytest.mark.parametrize("alert", alerts())
def test_the_command_of_an_alert_is_a_line_of_the_page(alert: str) -> None:
    """So it is run by a test, works as typed, and is explained there."""
    command = alerts()[alert]["annotations"]["command"]
    for label, word in {"namespace": "stock-service", "deployment": "stock-service", "pod": "POD"}.items():
        command = command.replace(f"{{{{ $labels.{label} }}}}", word)
    assert command in commands()


def test_the_deviations_name_only_alerts_and_commands_that_exist() -> None:
    """The page of deviations is part of the promise."""
    text = (ROOT / "docs" / "deviations.md").read_text()
    named = set(re.findall(r"`(StockService\w+)`", text))
    assert named <= set(alerts())
