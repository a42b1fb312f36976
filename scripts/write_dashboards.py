"""Writes the Grafana dashboards of the chart from `scripts/dashboard_panels.py`; `--check` compares instead.

The SDK's classes know which fields exist, so a misspelt option is an error here and not an empty panel there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, timeseries
from grafana_foundation_sdk.builders.common import GraphThresholdsStyleConfig, VizLegendOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from scripts.dashboard_panels import BOARDS, Board, Panel

PLACE = Path(__file__).resolve().parents[1] / "charts" / "stock-service" / "files" / "dashboards"
_SOURCE = DataSourceRef(type_val="prometheus", uid="$datasource")
_WIDTH, _HEIGHT = 12, 8  # two panels a row on Grafana's grid of 24


def board_json(board: Board) -> str:
    """Return the dashboard as Grafana imports it."""
    page = (
        build.Dashboard(board.title)
        .uid(board.uid)
        .tags(["stock-service"])
        .editable()
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .with_variable(build.DatasourceVariable("datasource").type("prometheus").label("Prometheus"))
        .with_variable(
            build.QueryVariable("namespace")
            .label("Namespace")
            .datasource(_SOURCE)
            .query('label_values(up{job="stock-service"}, namespace)')
            .refresh(model.VariableRefresh.ON_DASHBOARD_LOAD)
        )
    )
    for panel in board.panels:
        page = page.with_panel(_graph(panel))
    return JSONEncoder(sort_keys=True, indent=2).encode(page.build()) + "\n"


def _graph(panel: Panel) -> timeseries.Panel:
    graph = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.question)
        .datasource(_SOURCE)
        .unit(panel.unit)
        .min(0)
        .span(_WIDTH)
        .height(_HEIGHT)
        .legend(
            VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
        )
    )
    if panel.limit is not None:
        graph = _with_line(graph, panel.limit)
    for query in panel.queries:
        graph = graph.with_target(prometheus.Dataquery().expr(query.expr).legend_format(query.legend))
    return graph


def _with_line(graph: timeseries.Panel, limit: float) -> timeseries.Panel:
    steps = [model.Threshold(color="green"), model.Threshold(color="red", value=limit)]
    return graph.thresholds(build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)).thresholds_style(
        GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE)
    )


def main() -> int:
    """Write every dashboard, or compare with `--check`."""
    check = "--check" in sys.argv[1:]
    stale = [board.uid for board in BOARDS if _differs(board)]
    for board in () if check else BOARDS:
        _path(board).write_text(board_json(board))
    if check and stale:
        print(f"run python -m scripts.write_dashboards: {', '.join(stale)} differ", file=sys.stderr)
    return 1 if check and stale else 0


def _path(board: Board) -> Path:
    return PLACE / f"{board.uid}.json"


def _differs(board: Board) -> bool:
    return not _path(board).exists() or _path(board).read_text() != board_json(board)


if __name__ == "__main__":
    sys.exit(main())
