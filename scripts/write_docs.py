"""Writes the pages of docs/ that are made from tables in the code; `--check` compares instead.

A page belongs here when a list in it would otherwise be kept twice by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from stock_service.cli.exit_codes import ExitCode
from stock_service.config.sections import FIELDS, SECTIONS, Field, Settings
from stock_service.telemetry.metrics_page import render_page

ROOT = Path(__file__).resolve().parents[1]

_HEAD = """\
# Configuration

<!-- Written by `make docs` from src/stock_service/config/sections.py; edit the table there. -->

Four sources, the later wins: the defaults below, a TOML file (`--config FILE`, or the file `STOCKS_CONFIG` names),
environment variables, flags of the command. `stock-service config` shows the value in force of each setting and
where it comes from, with stars for secrets; `--json` for machines.

```toml
[quota]            # the same as STOCKS_QUOTA__CALLS=100 and STOCKS_QUOTA__PER=1s
calls = 100
per = "1s"
```

- Durations carry a unit: `750ms`, `30s`, `5m`, `1h`, `1d`; only 0 needs none. Sizes: `64MiB`, `10MB`, `1GiB`, or bytes.
- Lists are arrays in TOML and separated by commas in the environment.
- An empty environment variable counts as not given.
- An unknown name under `STOCKS_` or in the file, a bad value, a contradiction: all faults are listed, nothing is
  started, exit code 2. Should Kubernetes inject names for a Service called `stocks`, set `enableServiceLinks: false`.
- The vendor key comes from `STOCKS_UPSTREAM__API_KEY`, or the file `STOCKS_UPSTREAM__API_KEY_FILE` names (both at
  once is a fault), or `POLYGON_API_KEY`, or `MASSIVE_API_KEY`.
- The client commands (`status`, `quote`, `bars`, `quality`, `purge`, `keys usage`) read `STOCKS_CLIENT_URL` and
  `STOCKS_CLIENT_KEY`.

## Settings
"""

_CONTRADICTIONS = """
## Contradictions

Refused at start:

- `server.host` is not loopback, and neither `access.keys_file` nor `access.allow_anonymous` says who may ask.
- `upstream.api_key` and `upstream.api_key_file` are both given, or a named file is missing, unreadable or empty.
- `upstream.record_dir` and `upstream.replay_dir` are both given, or one of them and `shared.url` or `cache.dir`.
- `warm.tickers` or `warm.tickers_file` with an empty `warm.bars`, or together with `upstream.replay_dir`.
- `quota.max_wait` is not less than `server.request_timeout`: who waits that long is never answered.
- `breaker.sleep` is more than `breaker.sleep_max`.
- `server.watchdog_dump` is not less than `server.watchdog_exit` (unless the latter is 0).

Warned about once, at start:

- No vendor key (a replay needs none); a vendor address without TLS outside this machine; `allow_anonymous` beside a
  keys file.
- `breaker.volume` changed to what the quota cannot reach within the window, or `breaker.consecutive` 0 where only
  failures in a row could open the breaker.
- `cache.max_bytes` less than twice `upstream.max_body`.

## Exit codes

| code | meaning |
|---|---|
"""

_CODES = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "it ran, and the answer is not good: unknown symbol, refused request",
    ExitCode.FAULTY: "the call or the configuration is wrong; nothing was started",
    ExitCode.UNREACHABLE: "no service answers at the address",
}


def configuration_page() -> str:
    """Return docs/configuration.md."""
    parts = [_HEAD]
    for section, described in SECTIONS.items():
        parts.append(
            f"\n### {section}\n\n{described.__doc__}\n\n| variable | default | may be | meaning |\n|---|---|---|---|\n"
        )
        parts.extend(_row(field) for field in FIELDS if field.section == section)
    parts.append(_CONTRADICTIONS)
    parts.extend(f"| {code.value} | {_CODES[code]} |\n" for code in ExitCode)
    return "".join(parts)


PAGES: dict[str, Callable[[], str]] = {"docs/configuration.md": configuration_page, "docs/metrics.md": render_page}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` name those that differ. Returns the exit code."""
    outdated = [path for path, page in PAGES.items() if _stored(path) != page()]
    if arguments == ["--check"]:
        for path in outdated:
            print(f"{path} is out of date; run: make docs", file=sys.stderr)
        return 1 if outdated else 0
    for path in outdated:
        (ROOT / path).write_text(PAGES[path](), "utf-8")
        print(f"wrote {path}")
    return 0


def _row(field: Field) -> str:
    written = field.written_in(Settings())
    default = f"`{written}`" if written else "empty"
    return f"| `{field.variable}` | {default} | {field.kind.label} | {field.meaning} |\n"


def _stored(path: str) -> str:
    file = ROOT / path
    return file.read_text("utf-8") if file.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
