"""What the fast lane answers, counts and leaves to the ASGI path."""

from __future__ import annotations

import gzip
import re

import pytest

from stock_service.base.events import Faulted
from stock_service.base.reply import Reply
from stock_service.cache.entry import Entry
from stock_service.web.hit_series import EDGES
from stock_service.web.lookup import LINE_MAX_BYTES, LINES_PER_ENTRY, Lookup
from tests.support.wire import (
    HIT,
    KEY,
    KEY_LINES,
    LIFETIME,
    LIMITED_KEY,
    LINKED_HIT,
    LOST,
    OTHER_KEY,
    REVOKED_KEY,
    SMALL_HIT,
    Answer,
    FakeTransport,
    Wire,
    get,
    key_line,
    vendor_body,
)


async def _hit(wire: Wire, raw: bytes, method: str = "GET", *, expect: int = 1) -> Answer:
    """Send one request that must, or must not, be answered by the fast lane."""
    before = wire.hits
    connection = await wire.connect().send(raw)
    assert wire.hits - before == expect
    [answer] = connection.answers(method)
    return answer


async def test_a_hit_is_a_whole_answer() -> None:
    """Every header of a data answer is there once, and the body is the vendor's."""
    wire = Wire()
    await wire.warm(get())
    answer = await _hit(wire, get())
    assert answer.status == 200
    assert gzip.decompress(answer.body) == vendor_body(HIT)
    names = [name for name, _ in answer.headers]
    assert names == [
        "content-type",
        "content-length",
        "content-encoding",
        "etag",
        "vary",
        "cache-control",
        "age",
        "cache-status",
        "date",
        "x-request-id",
    ]


async def test_age_and_ttl_move_with_time() -> None:
    """Heads are rendered as the seconds pass, not once."""
    wire = Wire()
    await wire.warm(get())
    told = []
    for seconds in (0.0, 1.5, 1.5, 30.0):
        wire.clock.shift(seconds)
        await wire.connect().send(get())  # the credential is verified anew after two seconds
        answer = await _hit(wire, get())
        told.append((answer.header("age"), answer.header("cache-status"), answer.header("date")))
    assert [age for age, _, _ in told] == ["0", "1", "3", "33"]
    assert [status for _, status, _ in told] == [f"stock-service; hit; ttl={ttl}" for ttl in (60, 58, 57, 27)]
    assert len({date for _, _, date in told}) == 4


@pytest.mark.parametrize("validator", [(), ("If-None-Match: *",)])
async def test_a_rendered_head_promises_no_more_than_is_left(validator: tuple[str, ...]) -> None:
    """Age and freshness do not end with the same fraction of a second; both are said as the slow lane says them."""
    wire = Wire()
    await wire.warm(get())
    wire.entry(HIT).fresh_until += 0.7
    names = ("age", "cache-control", "cache-status")
    for _ in range(20):
        wire.clock.shift(0.15)
        [slow] = (await wire.connect().send(get(HIT, "Cache-Control: max-age=0", *validator))).answers()
        fast = await _hit(wire, get(HIT, *validator))
        assert [fast.header(name) for name in names] == [slow.header(name) for name in names]


@pytest.mark.parametrize(("version", "field", "says"), [("1.1", "close", "close"), ("1.0", "close", "close"),
    ("1.0", "Keep-Alive", "keep-alive"), ("1.0", None, "close")])  # fmt: skip
@pytest.mark.parametrize("size", [HIT, SMALL_HIT])
async def test_a_last_request_and_an_old_client_are_hits_too(
    version: str, field: str | None, says: str, size: str
) -> None:
    """A proxy that speaks HTTP/1.0, `ab`, a script that opens a connection each time: all ask for what is kept."""
    wire = Wire()
    await wire.warm(get(size))
    raw = get(size, *([f"Connection: {field}"] if field else [])).replace(b"HTTP/1.1", b"HTTP/%b" % version.encode())
    answer = await _hit(wire, raw)
    assert answer.header("connection") == says
    assert answer.status == 200


async def test_an_old_client_that_stays_is_recognised_without_parsing() -> None:
    """`ab -k` sends the same bytes again and again; a byte more or less, or half of them, is parsed."""
    wire = Wire()
    await wire.warm(get(SMALL_HIT), get(HIT))
    raw = get(SMALL_HIT, "Connection: Keep-Alive").replace(b"HTTP/1.1", b"HTTP/1.0")
    connection = await wire.connect().send(raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.protocol, "parser", None)
        await connection.send(raw, raw)
    other = get(HIT, "Connection: Keep-Alive").replace(b"HTTP/1.1", b"HTTP/1.0")
    await connection.send(raw[:20], raw[20:], raw + raw, other, raw, get(SMALL_HIT))
    answers = connection.answers()
    assert len({answer.header("x-request-id") for answer in answers}) == 9
    assert [answer.header("connection") for answer in answers] == ["keep-alive"] * 8 + [None]
    assert [len(answer.body) for answer in answers[:6]] == [len(answers[0].body)] * 6
    assert answers[6].body != answers[0].body == answers[7].body


async def test_no_two_hits_have_one_id() -> None:
    """Whole, without a body and not modified; beyond the 256 whose beginnings are made at once."""
    wire = Wire()
    await wire.warm(get(HIT), get(HIT, method="HEAD"))
    etag = wire.entry(HIT).pack().etag.decode()
    asked = [get(HIT), get(HIT, method="HEAD"), get(HIT, f"If-None-Match: {etag}")]
    connection, hits = wire.connect(), wire.hits
    for number in range(600):
        await connection.send(asked[number % 3])
    ids = re.findall(rb"x-request-id: (\S+)\r\n\r\n", connection.transport.written)
    assert (len(ids), len(set(ids))) == (600, 600)
    assert wire.hits - hits >= 599


async def test_what_is_stale_is_served_and_renewed_once_a_second() -> None:
    """The hook is called, the client does not wait."""
    wire = Wire()
    await wire.warm(get())
    wire.clock.shift(61.0)
    await wire.connect().send(get())  # the ASGI path: verifies the key, and renews by itself
    wire.memory.discard(wire.entry(HIT).key)
    await wire.warm(get())
    wire.clock.shift(60.0)
    wire.lookup.trusted[KEY].until = wire.clock.monotonic() + 2.0
    for expected in (1, 1, 1):
        answer = await _hit(wire, get())
        assert answer.header("cache-status") == "stock-service; hit; ttl=0"
        assert len(wire.renewed) == expected
    wire.clock.shift(1.0)
    answer = await _hit(wire, get())
    assert answer.header("cache-status") == "stock-service; hit; ttl=-1"
    assert answer.header("cache-control") == "private, max-age=0"
    assert len(wire.renewed) == 2
    assert sum(series.stale for series in wire.lookup.series()) == 4


async def test_what_is_too_old_is_no_hit() -> None:
    """Beyond its refreshing time only the read path decides."""
    wire = Wire()
    await wire.warm(get())
    wire.clock.shift(120.0)
    wire.lookup.trusted[KEY].until = 1e9
    answer = await _hit(wire, get(), expect=0)
    assert answer.header("age") == "0"


@pytest.mark.parametrize("target", [HIT, LOST, LINKED_HIT])
async def test_head_is_the_same_without_the_body(target: str) -> None:
    """Its length is told, its bytes are not sent."""
    wire = Wire()
    await wire.warm(get(target), get(target, method="HEAD"))
    full = await _hit(wire, get(target))
    bare = await _hit(wire, get(target, method="HEAD"), "HEAD")
    assert bare.body == b""
    assert [field for field in bare.headers if field[0] != "x-request-id"] == [
        field for field in full.headers if field[0] != "x-request-id"
    ]


async def test_links_lead_to_the_host_the_client_used() -> None:
    """Per origin; a new one is made by the ASGI path first."""
    wire = Wire()
    await wire.warm(get(LINKED_HIT), get(LINKED_HIT, host="other:81"))
    for host in ("gateway", "other:81"):
        answer = await _hit(wire, get(LINKED_HIT, host=host))
        assert f'"next_url":"http://{host}{LINKED_HIT}?cursor=abc"'.encode() in gzip.decompress(answer.body)
    await _hit(wire, get(LINKED_HIT, host="third"), expect=0)
    await _hit(wire, get(LINKED_HIT, host="third"), expect=1)


@pytest.mark.parametrize(("local", "host"), [("127.0.0.1", "127.0.0.1:8080"), ("::1", "[::1]:8080")])
async def test_links_for_a_client_without_host_lead_to_where_it_came_in(
    local: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only HTTP/1.0 may leave it out; on both lanes alike."""
    told = {"sockname": (local, 8080), "peername": (local, 50_000)}
    monkeypatch.setattr(FakeTransport, "get_extra_info", lambda self, name, default=None: told.get(name, default))
    wire = Wire()
    await wire.warm(get(LINKED_HIT))
    raw = get(LINKED_HIT).replace(b"HTTP/1.1\r\nHost: gateway", b"HTTP/1.0")
    for lane in (0, 1):
        answer = await _hit(wire, raw, expect=lane)
        assert f'"next_url":"http://{host}{LINKED_HIT}?cursor=abc"'.encode() in gzip.decompress(answer.body)


async def test_the_clients_own_request_id_comes_back() -> None:
    """If it is harmless; else it gets one of ours."""
    wire = Wire()
    await wire.warm(get())
    assert (await _hit(wire, get(HIT, "X-Request-Id: mine.1"))).header("x-request-id") == "mine.1"
    odd = await _hit(wire, get(HIT, "X-Request-Id: no good"), expect=0)
    assert odd.header("x-request-id") != "no good"


async def test_changing_trace_ids_are_recognised_without_parsing() -> None:
    """The same block but for the ids: no header is parsed, and each answer carries its own request id."""
    wire = Wire()
    await wire.warm(get())

    def traced(number: int) -> bytes:
        return get(HIT, f"traceparent: 00-{number:032x}-{number:016x}-01", f"X-Request-ID: {number:032x}")

    connection = await wire.connect().send(traced(1), traced(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.protocol, "parser", None)
        await connection.send(*(traced(number) for number in range(3, 20)))
    answers = connection.answers()
    assert [answer.header("x-request-id") for answer in answers] == [f"{number:032x}" for number in range(1, 20)]


async def test_what_is_known_to_change_stays_known_when_it_did_not_for_once() -> None:
    """Nor is it a lesson when what is known had to be parsed, because a credential had to be checked again."""
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(*(get(HIT, f"X-Request-Start: t={number}") for number in (1, 2)))
    for number in (3, 3, *range(4, 40)):
        wire.lookup.distrust_all()
        await connection.send(get(HIT, f"X-Request-Start: t={number}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.protocol, "parser", None)
        await connection.send(get(HIT, "X-Request-Start: t=40"))
    learnt = (get(HIT, "X-Request-Start: t=1", f"Cookie: {number}") for number in range(3))
    await connection.send(*learnt)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.protocol, "parser", None)
        await connection.send(get(HIT, "X-Request-Start: t=41", "Cookie: 5"))
    assert [answer.status for answer in connection.answers()] == [200] * (2 + 38 + 1 + 3 + 1)


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("1" * 31, True),
        ("root=1;a: b, c", True),
        ("", True),
        ("1" * 30 + "\r\n", False),
        ("1\t2", False),
        ("1\n2", False),
        ("\xe9", False),
    ],
)
async def test_only_printable_values_are_not_parsed(value: str, fits: bool) -> None:
    """Anything else takes the long way."""
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(*(get(HIT, f"b3: {number:032x}") for number in range(4)))
    template = connection.protocol._template
    assert template is not None
    raw = get(HIT, f"b3: {value}")
    assert template.fits(raw, raw.index(b"\r\n")) is fits


async def test_a_limited_client_is_limited_on_the_fast_lane_too() -> None:
    """Five a minute are five, whoever answers them, and the fields count down."""
    wire = Wire()
    await wire.warm(get())
    connection = wire.connect()
    await connection.send(*[get(key=LIMITED_KEY)] * 8)
    answers = connection.answers()
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
    left = [(answer.header("ratelimit") or "").split("r=")[1].split(";")[0] for answer in answers[:5]]
    assert left == ["4", "3", "2", "1", "0"]
    assert wire.hits >= 4
    assert (await _hit(wire, get())).status == 200  # others are not affected


async def test_a_revoked_key_is_refused_within_its_time() -> None:
    """At once when the tables are told, and within two seconds of the last check if nobody tells them."""
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(get(), get(), get())
    wire.keys.become([*KEY_LINES[1:], key_line(KEY, revoked="2026-02-02T00:00:00Z")])
    wire.gate.refresh(wire.clock.monotonic(), wire.clock.wall())
    await connection.send(get())
    wire.clock.shift(2.0)
    await connection.send(get())
    assert [answer.status for answer in connection.answers()] == [200, 200, 200, 200, 401]

    told = Wire()
    await told.warm(get())
    connection = await told.connect().send(get(), get(), get())
    told.keys.become([*KEY_LINES[1:], key_line(KEY, revoked="2026-02-02T00:00:00Z")])
    told.gate.refresh(told.clock.monotonic(), told.clock.wall())
    told.lookup.distrust_all()
    await connection.send(get())
    assert [answer.status for answer in connection.answers()] == [200, 200, 200, 401]


async def test_no_stranger_is_let_in_by_a_table_full_of_friends() -> None:
    """The credential is looked up at every request, remembered header lines or not."""
    wire = Wire()
    await wire.warm(get(), get(key=OTHER_KEY))
    for key in (None, REVOKED_KEY, KEY[:-1], KEY + "0", KEY.replace("stk_team1", "stk_team2")[:-1] + "0"):
        answer = await _hit(wire, get(key=key), expect=0)
        assert answer.status in (401, 403)


async def test_a_key_in_the_query_belongs_to_its_line_only() -> None:
    """And together with another one in the header nobody guesses."""
    wire = Wire()
    line = f"{HIT}?apiKey={KEY}"
    await wire.warm(get(line, key=None), get(key=OTHER_KEY))
    assert (await _hit(wire, get(line, key=None))).status == 200
    assert (await _hit(wire, get(line, key=OTHER_KEY), expect=0)).status == 400
    assert (await _hit(wire, get(HIT, key=None), expect=0)).status in (401, 403)


async def test_anybody_may_ask_where_that_is_allowed() -> None:
    """With any credential or none."""
    wire = Wire(anonymous=True)
    await wire.warm(get(key=None), get(key="whatever"))
    assert (await _hit(wire, get(key=None))).status == 200
    assert (await _hit(wire, get(key="whatever"))).status == 200


async def test_the_counters_equal_what_clients_saw() -> None:
    """Answers, 304s, clients' requests, entries' hits, and one observation each."""
    wire = Wire()
    await wire.warm(get(), get(LOST), get(method="HEAD"))
    etag = wire.entry(HIT).plain.etag.decode()
    client = wire.lookup.trusted[KEY].client
    hits, asked, entry_hits = wire.hits, client.requests, wire.entry(HIT).hits
    connection = await wire.connect().send(
        *[get()] * 7, *[get(HIT, f"If-None-Match: {etag[:-1]}-gz{etag[-1]}")] * 3, *[get(LOST)] * 2
    )
    statuses = [answer.status for answer in connection.answers()]
    assert statuses == [200] * 7 + [304] * 3 + [404] * 2
    assert wire.hits - hits == 12
    assert client.requests - asked == 12
    assert wire.entry(HIT).hits - entry_hits == 10
    for series in wire.lookup.series():
        assert sum(series.buckets) == series.count
    by_status = {(series.method, series.status): series for series in wire.lookup.series()}
    assert by_status["GET", 200].not_modified == 3


async def test_observations_fall_into_the_bucket_of_their_edge() -> None:
    """An edge belongs to its own bucket, as Prometheus counts `le`."""
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(get())
    [series] = wire.lookup.series()
    before, answers = series.buckets, wire.protocol_class.all_answers
    answers._monotonic = iter([x for edge in (*EDGES, 31.0) for x in (0.0, edge)]).__next__
    await connection.send(*[get()] * (len(EDGES) + 1))
    assert [now - then for now, then in zip(series.buckets, before, strict=True)] == [1] * (len(EDGES) + 1)
    assert series.seconds == pytest.approx(sum(EDGES) + 31.0)


async def test_lines_lead_only_to_what_the_cache_keeps() -> None:
    """Replaced: to the new answer. Evicted, discarded or of another status: nowhere."""
    wire = Wire()
    await wire.warm(get(SMALL_HIT))
    old = wire.entry(SMALL_HIT)
    [pointer] = old.pointers
    newer = Entry(old.key, old.group, Reply(200, "application/json", b"{}", old.fetched_at + 1), LIFETIME, 1_000.0)
    assert wire.memory.put(newer)
    assert pointer.entry is newer
    assert (await _hit(wire, get(SMALL_HIT))).body == b"{}"
    gone = Entry(old.key, old.group, Reply(404, "application/json", b"{}", old.fetched_at + 2), LIFETIME, 1_000.0)
    assert wire.memory.put(gone)
    assert pointer.entry is None
    assert (await _hit(wire, get(SMALL_HIT), expect=0)).status == 404
    await _hit(wire, get(SMALL_HIT), expect=1)
    wire.memory.discard(old.key)
    assert (await _hit(wire, get(SMALL_HIT), expect=0)).status == 200


async def test_both_tables_are_bounded() -> None:
    """By rows, by rows of one answer, and by the length of a line."""
    wire = Wire()
    wire.lookup._lines_max = 10
    for number in range(30):
        await wire.connect().send(get(f"/v2/aggs/ticker/T{number}/prev"))
    assert len(wire.lookup.targets) == 10
    wire.lookup._lines_max = 1_000
    for number in range(LINES_PER_ENTRY + 5):
        await wire.connect().send(get(f"{HIT}?apiKey={KEY}&adjusted=true{'&' * number}"))
    assert len(wire.entry(HIT).pointers) <= LINES_PER_ENTRY
    await wire.connect().send(get(f"{HIT}?zzz={'z' * LINE_MAX_BYTES}"))
    assert max(map(len, wire.lookup.targets)) <= LINE_MAX_BYTES


async def test_what_was_answered_but_not_kept_is_not_learnt() -> None:
    """A line must never keep alive what the cache let go."""
    wire = Wire()
    await wire.warm(get())
    entry = wire.entry(HIT)
    wire.memory.discard(entry.key)
    assert entry.pointers == ()
    lookup: Lookup = wire.lookup
    assert all(target.entry is None for target in lookup.targets.values())


async def test_a_fault_in_the_fast_lane_costs_speed_only() -> None:
    """The ASGI path answers; the fault is reported."""
    wire = Wire()
    await wire.warm(get())
    wire.lookup.trusted[KEY].client.take_lines = _broken
    connection = await wire.connect().send(get())
    assert wire.observer.count(Faulted) >= 1
    assert len(connection.answers()) == 1


def _broken(now: float) -> bytes | None:
    raise RuntimeError
