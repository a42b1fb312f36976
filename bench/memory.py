"""What kept answers really take: resident memory of a fresh process, beside what the cache counts.

The cache is bounded by what entries say they weigh; this is where the figures for their overhead come from. Weights
are those of an answer that was asked for: with its head rendered and its request line known. Twice 100,000 small
answers, and as many bytes of larger ones that are kept in both codings.
"""

from __future__ import annotations

import json
import subprocess
import sys

import psutil

_SIZES = {300: 100_000, 3_000: 20_000}  # bytes of a body, and how many of them


def _fill(size: int, count: int, asked: bool) -> dict[str, float]:
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

    body, lookup, client = make_body(size), Lookup(lines_max=count), Client("bench")
    memory = Memory(2**40)
    process = psutil.Process()
    before = process.memory_info().rss
    for number in range(count):
        path = f"/v2/aggs/ticker/SYM{number}/prev"
        request = parse_request(path, "")
        own_body = body.replace(b"6a7e4663", b"%08x" % number)  # no two answers share their bytes
        reply = Reply(200, "application/json", own_body, 0.0, f"6a7e466379af0a71039d60cc{number:08x}")
        entry = Entry(request.key, request.endpoint.group, reply, Lifetime(60.0), float(number))
        memory.put(entry)
        if asked:
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
            for variant in {entry.plain, entry.pack()} if size >= 1_024 else {entry.plain}:
                variant.render_ok(entry, float(number), b"Tue, 14 Nov 2023 22:13:20 GMT")
    taken = process.memory_info().rss - before
    return {
        "rss_mib": taken / 2**20,
        "counted_mib": memory.bytes / 2**20,
        "rss_bytes_each": taken / count,
        "counted_bytes_each": memory.bytes / count,
    }


def run() -> dict[str, dict[str, float]]:
    """Measure entries as stored, and as asked for (heads rendered, lines taught), and print both."""
    figures = {}
    print("\nmemory of kept answers")
    for size, count in _SIZES.items():
        for name, asked in (("as stored", False), ("asked for", True)):
            command = [sys.executable, "-m", "bench.memory", str(size), str(count), str(int(asked))]
            told = subprocess.run(command, capture_output=True, check=True)
            title = f"{count:,} of {size:,} B, {name}"
            each = figures[title] = json.loads(told.stdout)
            print(
                f"  {title:32} resident {each['rss_mib']:6.0f} MiB ({each['rss_bytes_each']:,.0f} B each),"
                f" counted {each['counted_mib']:6.0f} MiB ({each['counted_bytes_each']:,.0f} B each)"
            )
    return figures


if __name__ == "__main__":
    print(json.dumps(_fill(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1")))
