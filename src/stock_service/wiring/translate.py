"""What each part's own settings are, given the operator's. Pure."""

from __future__ import annotations

from hashlib import blake2b

from stock_service.cache.policy import Entitlement, PolicySettings
from stock_service.cache.shared_faults import DAMAGE_WORDS, SHARED_WORDS
from stock_service.config.sections import Settings
from stock_service.telemetry.counters import ClosedSets
from stock_service.upstream.body import BodyLimits
from stock_service.upstream.breaker import BreakerSettings
from stock_service.upstream.call import UpstreamSettings
from stock_service.upstream.client import ClientSettings
from stock_service.upstream.pacer import PacerSettings, Window
from stock_service.vendor.endpoints import Group, match
from stock_service.web.api_table import match_operation
from stock_service.web.guard_faults import Fault
from stock_service.web.guard_limits import Limits
from stock_service.web.routes import API_ROUTES, OPS_ROUTES, Part

_DAY = 86_400.0
_NO_LIMIT = 1_000_000  # calls in a second: a recording is never asked too often
_LEASE_BEYOND_ATTEMPT = 1.0
_DELAYS = {"realtime": Entitlement.REAL_TIME, "15m": Entitlement.DELAYED, "eod": Entitlement.END_OF_DAY}


def pacer_settings(settings: Settings) -> PacerSettings:
    """Return the vendor's plan."""
    quota = settings.quota
    if settings.upstream.replay_dir:
        return PacerSettings(windows=(Window(_NO_LIMIT, 1.0),))
    windows = [Window(quota.calls, quota.per)]
    if quota.per_day:
        windows.append(Window(quota.per_day, _DAY))
    return PacerSettings(windows=tuple(windows))


def vendor_name(settings: Settings) -> str:
    """Return who answers, for people: the vendor's address, or the recording in its place."""
    folder = settings.upstream.replay_dir
    return f"replay of {folder}" if folder else settings.upstream.url


def account_digest(settings: Settings) -> str:
    """Return what keeps answers and calls of different vendor accounts or plans apart; it tells no secret."""
    account = "\n".join((settings.upstream.url, settings.upstream.api_key.reveal(), settings.upstream.delay))
    return blake2b(account.encode(), digest_size=8).hexdigest()


def upstream_settings(settings: Settings) -> UpstreamSettings:
    """Return everything between a miss and the vendor."""
    return UpstreamSettings(
        client=_client_settings(settings),
        pacer=pacer_settings(settings),
        breaker=_breaker_settings(settings),
        max_wait=settings.quota.max_wait,
        backfill_keeps=settings.warm.leave_free / 100,
    )


def _client_settings(settings: Settings) -> ClientSettings:
    section = settings.upstream
    return ClientSettings(
        url=section.url,
        connect_for=section.connect_timeout,
        first_byte_for=section.first_byte_timeout,
        between_bytes_for=section.idle_timeout,
        attempt_for=section.attempt_timeout,
        renew_after=section.max_connection_age,
        connections=section.max_calls,
        body=BodyLimits(max_bytes=section.max_body),
    )


def _breaker_settings(settings: Settings) -> BreakerSettings:
    section = settings.breaker
    return BreakerSettings(
        window_for=section.window,
        min_volume=section.volume,
        error_percent=section.error_percent,
        consecutive_failures=section.consecutive,
        sleep_for=section.sleep,
        sleep_max=section.sleep_max,
        lease_for=settings.upstream.attempt_timeout + _LEASE_BEYOND_ATTEMPT,
    )


def policy_settings(settings: Settings) -> PolicySettings:
    """Return how late the plan gets prices."""
    return PolicySettings(entitlement=_DELAYS[settings.upstream.delay])


def connection_limits(settings: Settings) -> Limits:
    """Return how much one client may take of a connection."""
    server = settings.server
    return Limits(
        connections=server.max_connections,
        head_for=server.header_timeout,
        body_for=server.body_timeout,
        keep_alive_for=server.keepalive,
        unread_for=server.write_timeout,
        linger_for=server.drain_linger,
    )


def closed_sets() -> ClosedSets:
    """Return the values metric labels may have."""
    groups = tuple(group.value for group in Group)
    return ClosedSets(
        routes=(*groups, *API_ROUTES, *OPS_ROUTES.values(), "admin", "unmatched"),
        endpoints=groups,
        refusals=(*(fault.kind for fault in Fault), "unread"),
        faults=("request", "hit", "chores", "shared", "record", "warm", "sweep", "observer"),
        shared_results=SHARED_WORDS,
        damages=DAMAGE_WORDS,
    )


def route_of(part: Part, path: str) -> str:
    """Return the closed name of a path for metrics and logs; never anything the client wrote."""
    match part:
        case Part.GATEWAY:
            return match(path)[0].group
        case Part.API:
            found = match_operation(path)
            return found[0].route if found else "api_unknown"
        case Part.ADMIN:
            return "admin"
        case _:
            return OPS_ROUTES.get(path, "unmatched")
