"""What settings that are fine one by one may not say together. Pure.

A fault is refused at start; a warning is logged once. Each sentence says what is wrong and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from operator import attrgetter
from typing import Final
from urllib.parse import urlsplit

from stock_service.config.kinds import write_duration, write_size
from stock_service.config.sections import BreakerOptions, Settings

# A second length of 0 means "never" and contradicts nothing.
_ORDER: Final = (
    ("quota.max_wait", "less than", "server.request_timeout"),
    ("breaker.sleep", "at most", "breaker.sleep_max"),
    ("server.watchdog_dump", "less than", "server.watchdog_exit"),
)


def find_faults(settings: Settings) -> Iterator[str]:
    """Yield the contradictions the service must not start with."""
    yield from _access_faults(settings)
    yield from _recording_faults(settings)
    yield from _warm_faults(settings)
    yield from _order_faults(settings)
    if settings.cache.dir and settings.shared.url:
        yield "cache.dir is for one machine without a shared store: unset it, or unset shared.url"


def find_warnings(settings: Settings) -> Iterator[str]:
    """Yield what an operator should know and may have meant."""
    upstream, quota, breaker, access = settings.upstream, settings.quota, settings.breaker, settings.access
    if not upstream.api_key and not upstream.replay_dir:
        yield "upstream.api_key is empty: the vendor will refuse every call; set STOCKS_UPSTREAM__API_KEY"
    if upstream.url.startswith("http:") and not is_loopback(urlsplit(upstream.url).hostname or ""):
        yield f"upstream.url {upstream.url} is not encrypted: the vendor key travels in the clear; use https"
    if access.keys_file and access.allow_anonymous:
        yield "access.allow_anonymous has no effect: with access.keys_file everybody needs a key"
    reachable = quota.calls / quota.per * breaker.window
    meant = breaker.volume != BreakerOptions().volume or not breaker.consecutive
    if meant and reachable < breaker.volume:
        rest = (
            f"only {breaker.consecutive} failures in a row open the breaker"
            if breaker.consecutive
            else "the breaker can never open; set breaker.consecutive"
        )
        yield (
            f"breaker.volume {breaker.volume} is out of reach: the quota allows about {reachable:.1f} calls in "
            f"{write_duration(breaker.window)}, so {rest}"
        )
    if settings.cache.max_bytes < 2 * upstream.max_body:
        yield (
            f"cache.max_bytes {write_size(settings.cache.max_bytes)} is less than twice upstream.max_body "
            f"{write_size(upstream.max_body)}: the largest answers will not be kept"
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _access_faults(settings: Settings) -> Iterator[str]:
    access = settings.access
    if not (is_loopback(settings.server.host) or access.keys_file or access.allow_anonymous):
        yield (
            f"server.host {settings.server.host} is open to others and nobody is asked for a key: set access.keys_file "
            "(make keys with `stock-service keys create`), or say access.allow_anonymous = true"
        )


def _recording_faults(settings: Settings) -> Iterator[str]:
    record, replay = settings.upstream.record_dir, settings.upstream.replay_dir
    if record and replay:
        yield (
            f"upstream.record_dir {record} and upstream.replay_dir {replay} contradict each other: a replay asks no "
            "vendor, so there is nothing to record; leave one out"
        )
    name = "upstream.record_dir" if record else "upstream.replay_dir"
    for other, given in (("shared.url", settings.shared.url), ("cache.dir", settings.cache.dir)):
        if given and (record or replay):
            yield (
                f"{name} and {other} contradict each other: answers kept elsewhere would be missing in a recording, "
                "and recorded ones must not get there; leave one out"
            )


def _warm_faults(settings: Settings) -> Iterator[str]:
    warm = settings.warm
    wanted = "warm.tickers" if warm.tickers else "warm.tickers_file" if warm.tickers_file else ""
    if wanted and not warm.bars:
        yield f"{wanted} is given and warm.bars is empty: nothing would be kept ready; say which bars"
    if wanted and settings.upstream.replay_dir:
        yield f"{wanted} and upstream.replay_dir contradict each other: a replay has all it has from the start"


def _order_faults(settings: Settings) -> Iterator[str]:
    for low, relation, high in _ORDER:
        least, most = attrgetter(low)(settings), attrgetter(high)(settings)
        fits = least < most if relation == "less than" else least <= most
        if most and not fits:
            yield (
                f"{low} {write_duration(least)} must be {relation} {high} {write_duration(most)}: "
                "lower the first or raise the second"
            )
