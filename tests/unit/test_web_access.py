"""Keys at the front door: who gets in, what a refusal says, and that no credential travels further."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord, Right, hash_key, make_key
from stock_service.base.events import Purged, RequestFinished
from tests.support.front import Front, make_front

PREV = "/v2/aggs/ticker/AAPL/prev"
BODY = b'{"status":"OK","results":[{"c":1.5}]}'
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Keys:
    """A keys file with one key of each kind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids: dict[str, str] = {}
        store = KeyStore(path)
        self.user = self._add(store, "user")
        self.slow = self._add(store, "slow", limit="1/s", burst=2)
        self.fresh = self._add(store, "fresh", rights=(Right.NO_CACHE,))
        self.admin = self._add(store, "admin", rights=(Right.ADMIN,))
        self.expired = self._add(store, "expired", expires=LONG_AGO + timedelta(days=1))
        self.revoked = self._add(store, "revoked", revoked=LONG_AGO)

    def _add(self, store: KeyStore, name: str, **fields: object) -> str:
        key_id, key = make_key()
        record = KeyRecord(id=key_id, name=name, sha256=hash_key(key), created=LONG_AGO, **fields)  # type: ignore[arg-type]
        store.add(record)
        self.ids[name] = key_id
        return key


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys.jsonl")


@pytest.fixture
async def front(keys: Keys) -> Front:
    made = make_front(keys.path)
    made.desk.vendor.now_answer = lambda _: BODY
    return made


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def test_key_in_header_or_query(front: Front, keys: Keys) -> None:
    assert (await front.browser.get(PREV, bearer(keys.user))).status == 200
    assert (await front.browser.get(f"{PREV}?apiKey={keys.user}")).status == 200
    assert (await front.browser.get(f"{PREV}?apiKey={keys.user}", bearer(keys.user))).status == 200


@pytest.mark.parametrize("name", ["apiKey", "apikey", "APIKEY", "api%4Bey"])
async def test_the_parameter_of_the_key_has_any_spelling_everywhere(front: Front, keys: Keys, name: str) -> None:
    for path in (PREV, "/api/market"):
        assert (await front.browser.get(f"{path}?{name}={keys.user}")).status == 200


@pytest.mark.parametrize("kind", ["missing", "unknown", "expired", "revoked"])
@pytest.mark.parametrize("path", [PREV, "/api/stocks/AAPL", "/api/market", "/admin/circuit-breaker"])
async def test_refusals_are_401_and_ask_nobody(front: Front, keys: Keys, kind: str, path: str) -> None:
    headers = {} if kind == "missing" else bearer(getattr(keys, kind, "stk_aaaaaaaa_" + "b" * 32))
    got = await front.browser.get(path, headers)
    assert got.status == 401
    assert front.desk.vendor.calls == []
    for key in (keys.expired, keys.revoked, keys.user):
        assert key.encode() not in got.body


async def test_two_different_keys_are_refused(front: Front, keys: Keys) -> None:
    assert (await front.browser.get(f"{PREV}?apiKey={keys.user}", bearer(keys.admin))).status == 400


async def test_refusal_comes_before_the_question_is_looked_at(front: Front) -> None:
    """A stranger learns nothing, not even whether a question is well formed."""
    assert (await front.browser.get("/v2/aggs/ticker/%00/prev?x=1&x=2")).status == 401


async def test_limit_of_a_key_is_its_own_and_says_when(front: Front, keys: Keys) -> None:
    got = [await front.browser.get(PREV, bearer(keys.slow)) for _ in range(4)]
    assert [one.status for one in got] == [200, 200, 429, 429]
    assert int(got[2].headers["retry-after"]) >= 1
    assert all("ratelimit" in one.headers and "ratelimit-policy" in one.headers for one in got)
    assert (await front.browser.get(PREV, bearer(keys.user))).status == 200
    finished = [event for event in front.desk.events.events if isinstance(event, RequestFinished)]
    assert finished[2].client == finished[0].client != ""


async def test_right_to_skip_the_cache(front: Front, keys: Keys) -> None:
    for _ in range(2):
        await front.browser.get(PREV, bearer(keys.fresh) | {"cache-control": "no-cache"})
    await front.browser.get(PREV, bearer(keys.user) | {"cache-control": "no-cache"})
    assert len(front.desk.vendor.calls) == 2


async def test_no_credential_reaches_the_vendor_the_cache_or_an_event(front: Front, keys: Keys) -> None:
    await front.browser.get(f"{PREV}?apiKey={keys.user}")
    call = front.desk.vendor.calls[0].request
    kept = front.desk.memory.peek(call.key)
    assert kept is not None
    seen = [call.key, call.target, kept.key, *map(repr, front.desk.events.events)]
    assert not any(keys.user in text for text in seen)
    assert not any("apikey" in text.lower() for text in seen)


async def test_operational_routes_need_no_key(front: Front) -> None:
    for path in ("/health", "/ready", "/metrics", "/status", "/circuit-breaker"):
        assert (await front.browser.get(path)).status == 200


@pytest.mark.parametrize("mode", ["force_open", "force_closed", "none", "reset"])
async def test_admin_moves_the_breaker(front: Front, keys: Keys, mode: str) -> None:
    got = await front.browser.send(
        "POST", "/admin/circuit-breaker", bearer(keys.admin), b'{"mode":"%b"}' % mode.encode()
    )
    assert got.status == 200
    assert front.lever.moves == [(mode, keys.ids["admin"])]


async def test_admin_needs_the_right(front: Front, keys: Keys) -> None:
    got = await front.browser.send("POST", "/admin/circuit-breaker", bearer(keys.user), b'{"mode":"force_open"}')
    assert got.status == 403
    assert front.lever.moves == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"mode":"open"}', b'{"mode":1}', b'{"mode":"reset","x":1}', b"{" * 5000]
)
async def test_malformed_order_moves_nothing(front: Front, keys: Keys, body: bytes) -> None:
    got = await front.browser.send("POST", "/admin/circuit-breaker", bearer(keys.admin), body)
    assert got.status == 400
    assert front.lever.moves == []


async def test_admin_purges_one_ticker_after_a_preview(front: Front, keys: Keys) -> None:
    """What was kept is told first, then forgotten; other tickers stay."""
    front.desk.vendor.now_answer = lambda request: b'{"results":[{"c":1}],"status":"OK"}'
    others = "/v2/aggs/ticker/MSFT/prev"
    for path in (PREV, others):
        assert (await front.browser.get(path, bearer(keys.user))).status == 200
    ticker = PREV.split("/")[4]

    async def purge(order: dict[str, object]) -> dict[str, object]:
        body = json.dumps(order).encode()
        got = await front.browser.send("POST", "/admin/purge", bearer(keys.admin), body)
        assert got.status == 200, got.body
        answer: dict[str, object] = got.json()
        return answer

    told = await purge({"ticker": ticker, "preview": True})
    assert (told["answers"], told["first_keys"]) == (1, [PREV])
    assert front.desk.memory.peek(PREV) is not None
    assert (told["reached"], told["note"]) == (
        "nobody",
        "A preview: nothing was forgotten. The counts are this instance's.",
    )
    done = await purge({"ticker": ticker})
    assert done == told | {"preview": False, "reached": "instance", "note": done["note"]}
    assert "tell each of them" in str(done["note"])
    assert front.desk.memory.peek(PREV) is None
    assert front.desk.memory.peek(others) is not None
    misspelt = await purge({"ticker": ticker.lower()})
    assert (misspelt["answers"], "spelt as the vendor spells it" in str(misspelt["note"])) == (0, True)
    assert (await purge({"everything": True}))["answers"] == 1
    assert "spelt" not in str((await purge({"everything": True}))["note"])
    purged = [event for event in front.desk.events.events if isinstance(event, Purged)]
    assert {event.by for event in purged} == {keys.ids["admin"]}
    assert [event.tickers for event in purged] == [ticker, ticker.lower(), "everything", "everything"]


NO_TICKER = "ticker: is not a ticker; 1 to 64 letters, digits and . : - _, such as AAPL or X:BTCUSD"


@pytest.mark.parametrize("ticker", ["A B", "a\n", "/", "A" * 65, "\u0100"])
async def test_a_purge_of_what_is_no_ticker_is_refused(front: Front, keys: Keys, ticker: str) -> None:
    body = json.dumps({"ticker": ticker}).encode()
    got = await front.browser.send("POST", "/admin/purge", bearer(keys.admin), body)
    assert (got.status, got.json()["detail"]) == (400, NO_TICKER)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ticker":"A","everything":true}', b'{"symbol":"A"}', b"[]"])
async def test_a_purge_that_names_nothing_or_too_much_is_refused(front: Front, keys: Keys, body: bytes) -> None:
    got = await front.browser.send("POST", "/admin/purge", bearer(keys.admin), body)
    assert got.status == 400
    assert "everything" in got.json()["hint"]
    assert (await front.browser.send("POST", "/admin/purge", bearer(keys.user), b'{"ticker":"A"}')).status == 403
    assert (await front.browser.get("/admin/purge", bearer(keys.admin))).status == 405


async def test_admin_looks_without_moving(front: Front, keys: Keys) -> None:
    assert (await front.browser.get("/admin/circuit-breaker", bearer(keys.admin))).json() == {"state": "closed"}
    assert (await front.browser.get("/admin/nothing", bearer(keys.admin))).status == 404
