"""What the hit path knows by heart: request lines that lead to kept answers, and credentials known to be good.

Only the ASGI path teaches it, after the whole request was parsed, validated, authorised and answered. So a hit never
parses, decodes or normalises a target, and never decides who may ask: a spelling or a credential it has not been
taught is simply slow. Always holds: a line leads to an answer the cache still keeps, or nowhere; a credential is
believed for at most `TRUST_FOR` seconds after its last full check; both tables are bounded.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Protocol

from stock_service.access.gate import credential_of
from stock_service.cache.entry import Entry, Pointer
from stock_service.vendor.request import VendorRequest
from stock_service.web.exchange import Exchange
from stock_service.web.hit_series import Series

TRUST_FOR = 2.0  # with the two seconds between looks at the keys file, a revoked key is refused within five
TRUSTED_MAX = 10_000
LINES_MAX = 65_536
LINE_MAX_BYTES = 512  # longer targets are not worth their memory
CREDENTIAL_MAX_CHARS = 512  # nor are longer credentials, where any is accepted
LINES_PER_ENTRY = 32  # spellings of one question; one team's many `apiKey=` are as many lines


class HitClient(Protocol):
    """The client behind a hit; `access.gate.Client` is one."""

    id: str
    requests: int
    vendor_calls: int
    take_lines: Callable[[float], bytes | None]


class Target(Pointer):
    """What one request line leads to."""

    __slots__ = ("credential", "head_only", "line", "series")

    def __init__(self, line: bytes, entry: Entry, credential: str | None, series: Series) -> None:
        self.entry = entry
        self.line = line
        self.credential = credential  # of the query; never logged
        self.head_only = series.method == "HEAD"
        self.series = series


class Trusted:
    """A credential's owner, believed before `until` (monotonic).

    May be kept outside the table: when the credential is to be forgotten, `until` is over.
    """

    __slots__ = ("client", "until")

    def __init__(self, client: HitClient, until: float) -> None:
        self.client = client
        self.until = until


class Lookup:
    """The two tables, and the counters of what was answered through them."""

    def __init__(self, *, lines_max: int = LINES_MAX) -> None:
        self._lines_max = lines_max
        self._series: dict[tuple[str, str, int], Series] = {}
        self.targets: OrderedDict[bytes, Target] = OrderedDict()
        self.trusted: dict[str | None, Trusted] = {}

    def learn(self, exchange: Exchange, request: VendorRequest, entry: Entry, client: HitClient) -> None:
        """Take note that `exchange` was `client`'s, asked `request` and was answered with `entry`.

        Learns less, or nothing, from whatever is out of the ordinary; that costs speed only.
        """
        if exchange.credential is None or len(exchange.credential) <= CREDENTIAL_MAX_CHARS:
            self._trust(exchange.credential, client, exchange.started_at)
        if entry.kept and request.accept == "json" and exchange.method in ("GET", "HEAD"):
            in_query = credential_of((), exchange.query) if exchange.query else None
            self._point(_line(exchange), entry, in_query, exchange.method)

    def distrust_all(self) -> None:
        """Forget every credential, because keys changed: each is fully checked on its next use."""
        for trusted in self.trusted.values():
            trusted.until = -math.inf  # also where it is kept outside the table
        self.trusted.clear()

    def series(self) -> Iterable[Series]:
        """Return the counters of every route, method and status answered so far."""
        return self._series.values()

    def _trust(self, credential: str | None, client: HitClient, checked_at: float) -> None:
        until = checked_at + TRUST_FOR
        known = self.trusted.get(credential)
        if known is not None and known.client is client:
            known.until = until
            return
        if known is not None:
            known.until = -math.inf
        elif len(self.trusted) >= TRUSTED_MAX:
            self.distrust_all()
        self.trusted[credential] = Trusted(client, until)

    def _point(self, line: bytes, entry: Entry, credential: str | None, method: str) -> None:
        known = self.targets.get(line)
        if len(line) > LINE_MAX_BYTES or (known is not None and known.entry is entry):
            return
        if known is not None:
            self._forget(known)
        while len(entry.pointers) >= LINES_PER_ENTRY:
            self._forget(entry.pointers[0])
        while len(self.targets) >= self._lines_max:
            self._forget(next(iter(self.targets.values())))
        target = Target(line, entry, credential, self._series_of(entry, method))
        self.targets[line] = target
        entry.pointers = (*entry.pointers, target)

    def _forget(self, pointer: Pointer) -> None:
        if isinstance(pointer, Target):
            self.targets.pop(pointer.line, None)
        entry, pointer.entry = pointer.entry, None
        if entry is not None:
            entry.pointers = tuple(each for each in entry.pointers if each is not pointer)

    def _series_of(self, entry: Entry, method: str) -> Series:
        names = (entry.group, method, entry.status)
        series = self._series.get(names)
        if series is None:
            series = self._series[names] = Series(*names)
        return series


def _line(exchange: Exchange) -> bytes:
    mark = b"?" if exchange.query else b""
    return b"%b %b%b%b HTTP/1.1" % (exchange.method.encode(), exchange.path.encode("latin-1"), mark, exchange.query)
