"""The settings and their table: every option is written here once, with its kind, its default and its meaning.

`FIELDS` feeds the reading, the `config` command, `docs/configuration.md` and the chart's check. Nothing here changes
after start: all sections are frozen. Lengths are seconds, sizes are bytes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Final

from stock_service.cache.shared_address import parse_address
from stock_service.cache.wishes import Wish, parse_ticker, parse_wish
from stock_service.config import kinds
from stock_service.config.kinds import Kind
from stock_service.config.secret import Secret

PREFIX: Final = "STOCKS_"


def option(default: Any, kind: Kind, meaning: str) -> Any:
    """One option of a section."""
    return field(default=default, metadata={"kind": kind, "meaning": meaning})


_host = kinds.text("write a host name or an address", r"[A-Za-z0-9._:\[\]-]+")
_path = kinds.text()
_patience = kinds.duration("1ms", "10m")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """The door: where we listen, how much we take, how we leave."""

    host: str = option("127.0.0.1", _host, "Address to listen on. The container sets 0.0.0.0.")
    port: int = option(8080, kinds.whole(0, 65535), "Port to listen on. 0: a free one, named in the start-up log.")
    public_url: str = option(
        "",
        kinds.origin("https", "http"),
        "Origin in links we hand out. Empty: the one the client used. No path: the clients would double it.",
    )
    trusted_proxies: tuple[str, ...] = option(
        (), kinds.networks(), "Peers whose X-Forwarded-Host and X-Forwarded-Proto count. Empty: none."
    )
    request_timeout: float = option(
        9.0, kinds.duration("100ms", "10m"), "Time for one answer, waits included. The official clients read for 10s."
    )
    header_timeout: float = option(10.0, _patience, "Time for a client to send the head of a request.")
    body_timeout: float = option(10.0, _patience, "Time for a client to send a request's body.")
    write_timeout: float = option(20.0, _patience, "Time for a client to take what we send.")
    keepalive: float = option(75.0, kinds.duration("1s", "1h"), "How long an idle connection stays open.")
    max_connections: int = option(12_000, kinds.whole(1, 1_000_000), "Open connections; more are refused with 503.")
    max_requests: int = option(12_000, kinds.whole(1, 1_000_000), "Requests in work; more are refused with 503.")
    drain_wait: float = option(
        5.0,
        kinds.duration("0", "5m"),
        "Shutdown, first: not ready, still listening, answers say `Connection: close`. 0: none.",
    )
    drain_linger: float = option(
        1.0, kinds.duration("0", "5m"), "Shutdown, second: a moment for connections that look idle. 0: none."
    )
    drain_finish: float = option(
        15.0, kinds.duration("0", "10m"), "Shutdown, last: time for running requests. 0: they are cut off."
    )
    watchdog_dump: float = option(
        10.0, kinds.duration("0", "1h"), "Event loop stuck this long: all stacks go to the log. 0: never."
    )
    watchdog_exit: float = option(
        30.0, kinds.duration("0", "1h"), "Event loop stuck this long: the process ends. 0: never."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamOptions:
    """The vendor and what one exchange with it may cost."""

    url: str = option(
        "https://api.polygon.io",
        kinds.origin("https", "http"),
        "The vendor's REST address; https://api.massive.com works too.",
    )
    api_key: Secret = option(
        Secret(), kinds.secret(), "The vendor key. Empty: `POLYGON_API_KEY`, then `MASSIVE_API_KEY`."
    )
    api_key_file: str = option("", _path, "File holding the vendor key, instead of api_key. Read once, at start.")
    delay: str = option(
        "realtime",
        kinds.choice("realtime", "15m", "eod"),
        "How late the vendor's plan gets prices; decides how long answers count as fresh.",
    )
    attempt_timeout: float = option(5.0, kinds.duration("10ms", "5m"), "Time for one exchange, everything included.")
    connect_timeout: float = option(1.0, kinds.duration("10ms", "1m"), "Time to connect, TLS included.")
    first_byte_timeout: float = option(4.5, kinds.duration("10ms", "5m"), "Time to the answer's whole head.")
    idle_timeout: float = option(2.0, kinds.duration("10ms", "5m"), "Longest pause inside an answer.")
    max_body: int = option(
        20 * 1024**2,
        kinds.size("64KiB", "256MiB"),
        "Largest answer taken, after decompression. 50,000 quotes, the vendor's largest page, are 12 to 17 MB.",
    )
    max_calls: int = option(16, kinds.whole(1, 10_000), "Vendor calls in flight at once.")
    max_connection_age: float = option(
        300.0, kinds.duration("0", "1d"), "A busy connection is made anew after this, to follow the name. 0: never."
    )
    record_dir: str = option(
        "", _path, "Directory in which every usable answer of the vendor is kept for a replay. Empty: none."
    )
    replay_dir: str = option(
        "", _path, "Directory of recorded answers that take the vendor's place: no key, no calls. Empty: none."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaOptions:
    """The vendor's call budget."""

    calls: int = option(5, kinds.whole(1, 1_000_000), "Calls the plan allows within `per`.")
    per: float = option(
        61.0, kinds.duration("100ms", "1d"), "Length of the window. A second above the vendor's: clocks differ."
    )
    per_day: int = option(0, kinds.whole(0, 1_000_000_000), "Calls the plan allows a day. 0: no such limit.")
    max_wait: float = option(
        8.0, kinds.duration("0", "5m"), "How long a request may wait for a free call. 0: it is refused at once."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOptions:
    """When we stop asking a vendor that keeps failing."""

    window: float = option(10.0, kinds.duration("1s", "10m"), "Over how long the share of errors is taken.")
    volume: int = option(20, kinds.whole(1, 100_000), "Calls within the window below which the share says nothing.")
    error_percent: int = option(50, kinds.whole(1, 100), "Share of failed calls that opens the breaker.")
    consecutive: int = option(
        5, kinds.whole(0, 1_000), "Failures in a row that open it where the volume is out of reach. 0: never."
    )
    sleep: float = option(5.0, kinds.duration("100ms", "10m"), "How long it stays open the first time.")
    sleep_max: float = option(60.0, kinds.duration("100ms", "1h"), "How long it stays open at most.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """What is kept."""

    max_bytes: int = option(64 * 1024**2, kinds.size("1MiB", "64GiB"), "Answers kept in memory, overhead counted.")
    rollup: bool = option(
        False,
        kinds.switch(),
        "Make longer bars of kept minutes or days when that saves a vendor call. Such answers say `detail=derived`.",
    )
    dir: str = option(
        "",
        _path,
        "Folder on a local disk for answers that outlive a restart; one machine's processes may share it. Empty: none.",
    )
    dir_max_bytes: int = option(1024**3, kinds.size("16MiB", "1024GiB"), "Answers kept in that folder.")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmOptions:
    """What is kept ready before anybody asks, out of spare vendor calls."""

    tickers: tuple[str, ...] = option((), kinds.listed("tickers", parse_ticker), "Tickers to keep ready. Empty: none.")
    tickers_file: str = option("", _path, "File of more tickers, one a line; a comma or # ends one. Read at start.")
    bars: tuple[Wish, ...] = option(
        (parse_wish("1/day:2y"), parse_wish("1/minute:30d")),
        kinds.listed("sizes and lengths", parse_wish, lambda wish: wish.text),
        "Which bars of each, and how far back: `1/day:2y`, `5/minute:6mo`.",
    )
    leave_free: int = option(
        80, kinds.whole(0, 99), "Percent of the vendor's budget that must be free for warming to make a call."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedOptions:
    """What several instances share."""

    url: Secret = option(
        Secret(),
        kinds.checked_secret("store URL", parse_address),
        "Valkey or Redis: `valkey://host:6379`, `valkeys://` with TLS, `?cluster=true`, `valkey+sentinel://`. "
        "Empty: nothing is shared.",
    )
    ca_file: str = option("", _path, "Certificates to trust for `valkeys://`, a PEM file. Empty: those of the system.")
    max_pods: int = option(
        20,
        kinds.whole(1, 1_000),
        "Instances there may be at once. Without the store each takes this share of the vendor's budget and of the "
        "clients' limits.",
    )
    scope: str = option(
        "stocks",
        kinds.text("write letters, digits, _ and -", r"[A-Za-z0-9_-]{1,64}"),
        "Begins every key in the store. Services that must not share need different ones.",
    )
    timeout: float = option(
        0.05,
        kinds.duration("5ms", "1s"),
        "How long the store, or `cache.dir`, may take to answer before we do without it.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessOptions:
    """Who may ask."""

    keys_file: str = option("", _path, "File of client keys (`stock-service keys`). Empty: no keys.")
    allow_anonymous: bool = option(
        False, kinds.switch(), "Without keys: answer everybody, also on an address that is not loopback."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """What is written to standard output."""

    level: str = option("INFO", kinds.choice("DEBUG", "INFO", "WARNING", "ERROR"), "Least level that is written.")
    format: str = option(
        "auto", kinds.choice("auto", "json", "console"), "Form of a line. `auto`: console on a terminal, else JSON."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is configurable."""

    server: ServerOptions = ServerOptions()
    upstream: UpstreamOptions = UpstreamOptions()
    quota: QuotaOptions = QuotaOptions()
    breaker: BreakerOptions = BreakerOptions()
    cache: CacheOptions = CacheOptions()
    warm: WarmOptions = WarmOptions()
    shared: SharedOptions = SharedOptions()
    access: AccessOptions = AccessOptions()
    log: LogOptions = LogOptions()


@dataclass(frozen=True, slots=True)
class Field:
    """One row of the table. `name` is dotted: `server.port`."""

    section: str
    key: str
    kind: Kind
    default: Any
    meaning: str

    @property
    def name(self) -> str:
        """The dotted name, as in messages and in the TOML file."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"{PREFIX}{self.section}__{self.key}".upper()

    def value_in(self, settings: Settings) -> Any:
        """Return this option's value."""
        return getattr(getattr(settings, self.section), self.key)

    def written_in(self, settings: Settings) -> str:
        """Return this option's value as an operator would write it; stars for a secret."""
        return self.kind.write(self.value_in(settings))


SECTIONS: Final[dict[str, Any]] = {section.name: type(section.default) for section in dataclasses.fields(Settings)}

FIELDS: Final = tuple(
    Field(section, item.name, item.metadata["kind"], item.default, item.metadata["meaning"])
    for section, described in SECTIONS.items()
    for item in dataclasses.fields(described)
)


def settings_of(values: dict[str, Any]) -> Settings:
    """Build settings from already read `values` by dotted name; what is not named keeps its default."""
    parts: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for name, value in values.items():
        section, key = name.split(".")
        parts[section][key] = value
    return Settings(**{section: SECTIONS[section](**found) for section, found in parts.items()})
