"""The dashboards are what the code says, ask for series that exist, and are the ones the alerts link to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scripts.dashboard_panels import BOARDS, Board
from scripts.write_dashboards import PLACE, board_json
from tests.support.kube_chart import pick, render
from tests.support.prometheus_rules import alerts, rendered_groups
from tests.support.promql import metric_names, namespaces_named, own_series

PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes", "up"}
boards = pytest.mark.parametrize("board", BOARDS, ids=[board.uid for board in BOARDS])


def queries(board: Board) -> list[str]:
    return [query.expr for panel in board.panels for query in panel.queries]


@boards
def test_the_committed_file_is_what_the_code_writes(board: Board) -> None:
    """After a change: python -m scripts.write_dashboards."""
    assert (PLACE / f"{board.uid}.json").read_text() == board_json(board)


def test_no_file_is_left_of_a_board_that_is_gone() -> None:
    """The chart ships the whole directory."""
    assert {path.stem for path in PLACE.iterdir()} == {board.uid for board in BOARDS}


@boards
def test_every_query_parses_and_asks_for_series_that_exist(board: Board) -> None:
    """An unknown name is an empty panel, at the moment somebody looks at it."""
    recorded = {rule["record"] for group in rendered_groups() for rule in group["rules"] if "record" in rule}
    for expression in queries(board):
        assert metric_names(expression) <= own_series() | recorded | PROCESS, expression


@boards
def test_every_query_looks_at_one_namespace(board: Board) -> None:
    """Staging shares the job name."""
    for expression in queries(board):
        assert set(namespaces_named(expression)) == {"$namespace"}, expression


@boards
def test_panels_do_not_lie_on_each_other(board: Board) -> None:
    """Two a row on a grid of 24."""
    places = [panel["gridPos"] for panel in json.loads(board_json(board))["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(board.panels)
    assert all(place["x"] + place["w"] <= 24 for place in places)


def test_alerts_link_to_dashboards_that_exist() -> None:
    """By their fixed uid."""
    linked = {rule["annotations"]["dashboard_url"].rsplit("/", 1)[1] for rule in alerts().values()}
    assert linked <= {board.uid for board in BOARDS}


def test_the_chart_ships_every_dashboard_to_the_sidecar() -> None:
    """Which loads what carries the label."""
    shipped: dict[str, Any] = pick(render(), "ConfigMap", "stock-service-dashboards")
    assert shipped["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert {name: json.loads(text)["uid"] for name, text in shipped["data"].items()} == {
        f"{board.uid}.json": board.uid for board in BOARDS
    }
