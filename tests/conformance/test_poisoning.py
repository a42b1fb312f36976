"""Nothing a request's header says gets into what others are answered: a thousand names, each with a mark in it.

The first to ask a question decides what is kept; so each name is sent with a question of its own that nobody has
asked before, and the next, plain asker must hear what the vendor said and no more.
"""

from __future__ import annotations

from itertools import product

import msgspec
import pytest

from tests.support.wire import LINKED_HIT, Wire, get

MARK = "marker7.example"
KNOWN = (
    "Accept", "Accept-Charset", "Accept-Datetime", "Accept-Encoding", "Accept-Language", "Age", "Alt-Used",
    "Cache-Control", "CDN-Loop", "CF-Connecting-IP", "Client-IP", "Content-Language", "Content-Type", "Cookie",
    "Date", "DNT", "ETag", "Early-Data", "Fastly-Client-IP", "Forwarded", "From", "Front-End-Https", "Host",
    "HTTP-Host", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Location",
    "Max-Forwards", "Origin", "Pragma", "Priority", "Proxy", "Proxy-Authorization", "Range", "Referer", "Save-Data",
    "Sec-Fetch-Mode", "Sec-WebSocket-Key", "Server", "Set-Cookie", "Surrogate-Capability", "TE", "True-Client-IP",
    "Trailer", "User-Agent", "Vary", "Via", "Warning", "X-Api-Key", "X-Api-Version", "X-ATT-DeviceId", "X-Cache-Key",
    "X-Correlation-Id", "X-CSRF-Token", "X-Do-Not-Track", "X-Forwarded", "X-Forwarded-For", "X-Forwarded-Host",
    "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-Server",
    "X-Forwarded-SSL", "X-Host", "X-HTTP-Method", "X-HTTP-Method-Override", "X-Middleware-Prefetch", "X-Original-Host",
    "X-Original-URL", "X-Proxy-URL", "X-Real-IP", "X-Request-Id", "X-Requested-With", "X-Rewrite-URL", "X-Wap-Profile",
)  # fmt: skip
_FIRSTS = (
    "X", "X-Forwarded", "X-Original", "X-Amz", "X-Amz-Cf", "X-Azure", "X-Backend", "X-Cache", "X-Cdn", "X-Client",
    "X-Cluster", "X-Custom", "X-Debug", "X-Edge", "X-Envoy", "X-Gateway", "X-Google", "X-Nginx", "X-Override",
    "X-Proxy", "X-Rewrite", "X-Varnish", "Akamai", "Cf", "Cloudfront", "Fastly", "Fly", "Incap", "Surrogate", "Vercel",
)  # fmt: skip
_LASTS = (
    "Accept", "Base", "Body", "Callback", "Client", "Cookie", "Country", "Device", "Domain", "Encoding", "Format", "Id",
    "Lang", "Link", "Method", "Mode", "Name", "Next", "Origin", "Path", "Query", "Redirect", "Ref", "Region", "Role",
    "Route", "Scheme", "Status", "Target", "Tenant", "Type", "Version",
)  # fmt: skip
NAMES = tuple(dict.fromkeys([*KNOWN, *(f"{first}-{last}" for first, last in product(_FIRSTS, _LASTS))]))
_BATCHES = 4


def test_a_thousand_names_are_tried() -> None:
    assert len(NAMES) >= 1_000


@pytest.mark.parametrize("batch", range(_BATCHES))
async def test_no_header_of_the_first_asker_is_in_the_answer_to_the_next(batch: int) -> None:
    """With links in the body, because links depend on the host that was named."""
    wire = Wire(anonymous=True)
    reached = 0
    for number, name in enumerate(NAMES[batch::_BATCHES]):
        target = f"{LINKED_HIT}?search=question{number}"
        host, lines = (MARK, ()) if name == "Host" else ("gateway", (f"{name}: {MARK}",))
        await wire.connect().send(get(target, *lines, key=None, host=host))
        reached += len(wire.vendor.asked) == number + 1
        [answer] = (await wire.connect().send(_plain(target))).answers()
        assert answer.status == 200, name
        assert MARK not in repr(answer), name
        assert msgspec.json.decode(answer.body)["next_url"].startswith("http://gateway/"), name
        assert len(wire.vendor.asked) == number + 1, f"{name} made another question of it"
    assert reached >= len(NAMES) // _BATCHES - 2  # the few that are refused or wait never reach the vendor


def _plain(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode()
