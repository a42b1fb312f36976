"""What `serve` and `demo` say first: what runs where, on which budget, for whom, and what to try next.

Goes to standard error: standard output belongs to the log, one JSON line per event.
"""

from __future__ import annotations

from stock_service import __version__
from stock_service.config.sections import Settings, UpstreamOptions

_MIB = 1024 * 1024
_TICKERS_SHOWN = 5


def first_screen(settings: Settings, address: str, plan: str, *, simulated: bool = False) -> str:
    """Return the screen; no secret is on it.

    Args:
        address: where the service listens, `http://host:port`.
        plan: the vendor's call budget in words.
        simulated: the vendor is the demo's own.
    """
    facts = (
        ("address", f"{address}   (docs {address}/docs, state {address}/status, metrics {address}/metrics)"),
        *_vendor(settings, plan, simulated=simulated),
        ("clients", _clients(settings)),
        ("cache", f"{settings.cache.max_bytes / _MIB:g} MiB in memory"),
    )
    lines = [f"Stock Service {__version__}", *(f"  {name:<8} {text}" for name, text in facts)]
    lines.append("Try in another terminal (Ctrl-C here ends the service):")
    return "\n".join([*lines, *(f"  {line}" for line in _examples(settings, address))]) + "\n"


def _vendor(settings: Settings, plan: str, *, simulated: bool) -> tuple[tuple[str, str], ...]:
    upstream = settings.upstream
    if upstream.replay_dir:
        return (("vendor", f"none: the answers recorded in {upstream.replay_dir}, as things stood when they ended"),)
    facts = (
        ("vendor", f"simulated, at {upstream.url}; its prices are made up" if simulated else _real(upstream)),
        ("budget", f"{plan}; a question waits up to {settings.quota.max_wait:g} s for its turn"),
    )
    warm = ", ".join(filter(None, (_few(settings.warm.tickers), settings.warm.tickers_file)))
    more = (("records", f"into {upstream.record_dir}" if upstream.record_dir else ""), ("warms", warm))
    return (*facts, *(fact for fact in more if fact[1]))


def _few(tickers: tuple[str, ...]) -> str:
    return ", ".join(tickers[:_TICKERS_SHOWN]) + (" …" if len(tickers) > _TICKERS_SHOWN else "")


def _real(upstream: UpstreamOptions) -> str:
    if upstream.api_key:
        return f"{upstream.url}, with a key"
    return f"{upstream.url}, WITHOUT a key: it will refuse every call; set STOCKS_UPSTREAM__API_KEY"


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
        f"print(RESTClient('{key}', base='{address}').get_previous_close_agg('AAPL'))\"   # pip install massive",
    ]
