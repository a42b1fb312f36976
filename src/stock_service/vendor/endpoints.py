"""Which vendor route a path is, out of a closed table.

Decides nothing about freshness or errors: a group is only the name under which other parts keep their rules. A path
the table does not know is not an error, because the vendor adds routes: it is `UNCLASSIFIED`. Names of endpoints and
groups come from the table alone, so they are safe as metric labels.

docs/vendor.md holds this table, printed with `python -m stock_service.vendor.endpoints`; a test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from stock_service.vendor.routes import CALLED_BY_CLIENTS, DESCRIBED, JSON_OR_CSV, Route


class Group(StrEnum):
    """Routes that age alike."""

    BARS = "bars"
    PREV = "prev"
    GROUPED = "grouped"
    OPENCLOSE = "openclose"
    INDICATOR = "indicator"
    TICKS = "ticks"
    TICKS_OLD = "ticks_old"
    LAST = "last"
    CONV = "conv"
    SNAP_STK = "snap_stk"
    SNAP_CC = "snap_cc"
    SNAP_V3 = "snap_v3"
    MKT_NOW = "mkt_now"
    MKT_UP = "mkt_up"
    TICKERS = "tickers"
    TICKER = "ticker"
    TYPES = "types"
    CORP = "corp"
    CONTRACTS = "contracts"
    NEWS = "news"
    RELATED = "related"
    FUND = "fund"
    SEC = "sec"
    FUTURES_BARS = "futures_bars"  # the range is in the query, and the sessions are CME's
    FUTURES_REF = "futures_ref"
    SHARES = "shares"  # short interest, short volume, float
    ECONOMY = "economy"
    RATINGS = "ratings"  # analysts' opinions and company guidance
    PARTNER = "partner"  # data sets of other houses, renewed once a day at most
    BRANDING = "branding"  # logos and icons under dated names
    UNCLASSIFIED = "unclassified"


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """What we know about one route; each exists once and equals only itself.

    `defaults` are the vendor's own, in canonical spelling. `sets` are parameters whose comma-joined parts have no
    order. `junk` are parameters that repeat a path part (`fixed` holds the literal ones). `max_limit` is the largest
    page. `media` are the media types of a good answer, `type/*` for a whole type. `places` are the names of the
    template's parameters by the number of their segment.
    """

    name: str
    template: str
    group: Group
    defaults: Mapping[str, str] = field(repr=False)
    sets: frozenset[str] = field(repr=False)
    junk: frozenset[str] = field(repr=False)
    fixed: Mapping[str, str] = field(repr=False)
    max_limit: int | None
    paginated: bool
    media: frozenset[str] = field(repr=False)
    places: tuple[tuple[int, str], ...] = field(repr=False)

    @property
    def adjustable(self) -> bool:
        """Whether the answer depends on the splits of its ticker unless `adjusted=false` is asked for."""
        return "adjusted" in self.defaults

    @property
    def offers_csv(self) -> bool:
        """Whether the route also answers in `text/csv`."""
        return "text/csv" in self.media

    def accepts_media(self, content_type: str) -> bool:
        """Return whether an answer of this content type is one the route gives."""
        if content_type in self.media:
            return True
        kind = content_type.partition(";")[0].strip().lower()
        return kind in self.media or kind.partition("/")[0] + "/*" in self.media


@dataclass(slots=True)
class _Branch:
    """One segment deep in the tree of templates."""

    literals: dict[str, _Branch] = field(default_factory=dict)
    parameter: _Branch | None = None
    endpoint: Endpoint | None = None

    def grow(self, segment: str) -> _Branch:
        """Return the branch of a template's segment, making it when missing."""
        if not segment.startswith("{"):
            return self.literals.setdefault(segment, _Branch())
        if self.parameter is None:
            self.parameter = _Branch()
        return self.parameter

    def find(self, segments: list[str]) -> Endpoint | None:
        """Return the endpoint of `segments`, trying the literal before the parameter at each of them."""
        branch = self
        for place, segment in enumerate(segments):
            literal, parameter = branch.literals.get(segment), branch.parameter
            if literal is None:
                if parameter is None:
                    return None
                branch = parameter
            elif parameter is None:
                branch = literal
            else:
                rest = segments[place + 1 :]
                return literal.find(rest) or parameter.find(rest)
        return branch.endpoint


def _endpoint(row: Route) -> Endpoint:
    return Endpoint(
        name=row.name,
        template=row.template,
        group=Group(row.group),
        defaults=MappingProxyType(dict(row.defaults)),
        sets=frozenset(row.sets),
        junk=frozenset(row.junk),
        fixed=MappingProxyType(dict(row.fixed)),
        max_limit=row.max_limit,
        paginated=row.paginated,
        media=row.media,
        places=tuple(
            (place, segment[1:-1])
            for place, segment in enumerate(row.template.split("/")[1:])
            if segment.startswith("{")
        ),
    )


def _tree(endpoints: tuple[Endpoint, ...]) -> _Branch:
    root = _Branch()
    for endpoint in endpoints:
        branch = root
        for segment in endpoint.template.split("/")[1:]:
            branch = branch.grow(segment)
        branch.endpoint = endpoint
    return root


ENDPOINTS: tuple[Endpoint, ...] = tuple(_endpoint(row) for row in (*DESCRIBED, *CALLED_BY_CLIENTS))
UNCLASSIFIED = _endpoint(Route("unclassified", "unclassified", "", media=JSON_OR_CSV))

_ROOT = _tree(ENDPOINTS)


def match(path: str) -> tuple[Endpoint, dict[str, str]]:
    """Return the endpoint of a decoded path, and its path parameters by the template's names.

    The most literal template wins. An unknown path gives `UNCLASSIFIED` and no parameters.
    """
    return match_segments(path.split("/")[1:])


def match_segments(segments: list[str]) -> tuple[Endpoint, dict[str, str]]:
    """Return what `match` returns for the path of these segments."""
    endpoint = _ROOT.find(segments)
    if endpoint is None:
        return UNCLASSIFIED, {}
    return endpoint, {name: segments[place] for place, name in endpoint.places}


def printed_routes() -> str:
    """Return the table as Markdown, by group."""
    lines = ["| group | route | defaults that are not sent | largest page |", "|---|---|---|---|"]
    for group in Group:
        for endpoint in ENDPOINTS:
            if endpoint.group is group:
                defaults = "&".join(f"{name}={value}" for name, value in endpoint.defaults.items())
                cells = (
                    group,
                    f"`{endpoint.template}`",
                    f"`{defaults}`" if defaults else "-",
                    endpoint.max_limit or "-",
                )
                lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(printed_routes())
