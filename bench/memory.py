"""What 100,000 kept answers really take: resident memory of a fresh process, beside what the cache counts.

The cache is bounded by what entries say they weigh; this is where the figure for their overhead comes from.
"""

from __future__ import annotations

import json
import subprocess
import sys

import psutil

ENTRIES = 100_000
_BODY = 300


def _fill(rendered: bool) -> dict[str, float]:
    """Run in a process of its own: fill the tables and return what they take."""
    from bench.peers import make_body
    from stock_service.access.gate import Client
    from stock_service.base.reply import Reply
    from stock_service.cache.entry import Entry
    from stock_service.cache.freshness import Lifetime
    from stock_service.cache.memory import Memory
    from stock_service.vendor.request import parse_request
    from stock_service.web.exchange import Exchange
    from stock_service.web.lookup import Lookup

    body, lookup, client = make_body(_BODY), Lookup(lines_max=ENTRIES), Client("bench")
    memory = Memory(2**40)
    process = psutil.Process()
    before = process.memory_info().rss
    for number in range(ENTRIES):
        path = f"/v2/aggs/ticker/SYM{number}/prev"
        request = parse_request(path, "")
        own_body = body.replace(b"6a7e4663", b"%08x" % number)  # no two answers share their bytes
        reply = Reply(200, "application/json", own_body, 0.0)
        entry = Entry(request.key, request.endpoint.group, reply, Lifetime(60.0), 0.0)
        memory.put(entry)
        if rendered:
            nothing = None
            exchange = Exchange(
                "GET",
                path,
                b"",
                (),
                "",
                "http",
                b"",
                0.0,
                0.0,
                "",
                nothing,  # type: ignore[arg-type]
            )
            lookup.learn(exchange, request, entry, client)
            for variant in entry.ready:
                if variant is not None:
                    variant.render_ok(entry, 1.0, b"Tue, 14 Nov 2023 22:13:20 GMT")
    taken = process.memory_info().rss - before
    return {
        "rss_mib": taken / 2**20,
        "counted_mib": memory.bytes / 2**20,
        "rss_bytes_each": taken / ENTRIES,
        "counted_bytes_each": memory.bytes / ENTRIES,
    }


def run() -> dict[str, dict[str, float]]:
    """Measure entries as stored, and as asked for (heads rendered, lines taught), and print both."""
    figures = {}
    print(f"\nmemory of {ENTRIES:,} answers of {_BODY} bytes")
    for name, argument in (("as stored", "stored"), ("asked for: rendered and taught", "asked")):
        told = subprocess.run([sys.executable, "-m", "bench.memory", argument], capture_output=True, check=True)
        each = figures[name] = json.loads(told.stdout)
        print(
            f"  {name:32} resident {each['rss_mib']:6.0f} MiB ({each['rss_bytes_each']:,.0f} B each),"
            f" counted {each['counted_mib']:6.0f} MiB ({each['counted_bytes_each']:,.0f} B each)"
        )
    return figures


if __name__ == "__main__":
    print(json.dumps(_fill(sys.argv[1] == "asked")))
