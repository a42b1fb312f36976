"""What `serve` and `demo` say first: what runs where, on which budget, for whom, and what to try next.

Goes to standard error: standard output belongs to the log, one JSON line per event.
"""

from __future__ import annotations

from stock_service import __version__
from stock_service.config.sections import Settings

_MIB = 1024 * 1024


def first_screen(settings: Settings, address: str, plan: str) -> str:
    """Return the screen; no secret is on it."""
    facts = (
        ("address", f"{address}   (docs {address}/docs, state {address}/status, metrics {address}/metrics)"),
        *_vendor(settings, plan),
        ("clients", _clients(settings)),
        ("cache", f"{settings.cache.max_bytes / _MIB:g} MiB in memory"),
    )
    lines = [f"Stock Service {__version__}", *(f"  {name:<8} {text}" for name, text in facts), "Try:"]
    return "\n".join([*lines, *(f"  {line}" for line in _examples(settings, address))]) + "\n"


def _vendor(settings: Settings, plan: str) -> tuple[tuple[str, str], ...]:
    upstream = settings.upstream
    if upstream.replay_dir:
        return (("vendor", f"none: the answers recorded in {upstream.replay_dir}, as things stood when they ended"),)
    facts = (
        ("vendor", f"{upstream.url}, {'with a key' if upstream.api_key else 'WITHOUT a key'}"),
        ("budget", f"{plan}; a question waits up to {settings.quota.max_wait:g} s for its turn"),
    )
    return (*facts, ("records", f"into {upstream.record_dir}")) if upstream.record_dir else facts


def _clients(settings: Settings) -> str:
    if settings.access.keys_file:
        return f"those with a key in {settings.access.keys_file}"
    if settings.access.allow_anonymous:
        return "anybody who can reach this address; any key or none"
    return "anybody on this machine; any key or none"


def _examples(settings: Settings, address: str) -> list[str]:
    key = "$STOCKS_CLIENT_KEY" if settings.access.keys_file else "any"
    header = ' -H "Authorization: Bearer $STOCKS_CLIENT_KEY"' if settings.access.keys_file else ""
    return [
        f"curl -s{header} '{address}/api/stocks/AAPL'",
        f"curl -s{header} '{address}/v2/aggs/ticker/AAPL/prev'",
        f'python -c "from massive import RESTClient; '
        f"print(RESTClient('{key}', base='{address}').get_previous_close_agg('AAPL'))\"",
    ]
