"""Keys and usage as an operator handles them over HTTP, with the keys in a file."""

from __future__ import annotations

import csv
import errno
import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord, Right, hash_key, make_key
from stock_service.base.events import KeyChanged
from tests.support.asgi import Got
from tests.support.front import Front, make_front

PREV = "/v2/aggs/ticker/AAPL/prev"
PROBLEM = "urn:stock-service:problem:"
CREATED = datetime(2020, 1, 1, tzinfo=UTC)
ORDER = {"name": "=bots, inc", "limit": "50/s", "burst": 7, "rights": ["no_cache"], "expires_after": "90d"}


class Operator:
    """Holds an admin key of a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id, self.key = make_key()
        record = KeyRecord(id=self.id, name="root", sha256=hash_key(self.key), created=CREATED, rights=(Right.ADMIN,))
        KeyStore(path).add(record)
        self.front: Front = make_front(path)
        self.front.desk.vendor.now_answer = lambda _: b'{"status":"OK"}'

    async def get(self, target: str) -> Got:
        return await self.front.browser.get(target, {"authorization": f"Bearer {self.key}"})

    async def post(self, target: str, order: Any = None) -> Got:
        body = order if isinstance(order, bytes) else b"" if order is None else msgspec.json.encode(order)
        return await self.front.browser.send("POST", target, {"authorization": f"Bearer {self.key}"}, body)

    async def ask(self, key: str) -> int:
        return (await self.front.browser.get(PREV, {"authorization": f"Bearer {key}"})).status


@pytest.fixture
async def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path / "keys.jsonl")


async def test_a_made_key_is_shown_once_and_works_at_once(operator: Operator) -> None:
    made = await operator.post("/admin/keys", ORDER)
    assert made.status == 201
    assert made.headers["cache-control"] == "no-store"
    key, record = made.json()["key"], made.json()["record"]
    assert (record["name"], record["limit"], record["burst"], record["state"]) == ("=bots, inc", "50/s", 7, "valid")
    assert await operator.ask(key) == 200
    shown = await operator.get("/admin/keys")
    assert [each["id"] for each in shown.json()["keys"]] == sorted([operator.id, record["id"]])
    one = await operator.get(f"/admin/keys/{record['id']}")
    for text in (shown.body.decode(), one.body.decode(), *map(repr, operator.front.desk.events.events)):
        assert key not in text
        assert hash_key(key) not in text


async def test_a_revoked_key_is_refused_at_once_and_a_replaced_one_after_its_grace(operator: Operator) -> None:
    made = (await operator.post("/admin/keys", ORDER)).json()
    rotated = await operator.post(f"/admin/keys/{made['record']['id']}/rotate", {"grace": "1h"})
    assert rotated.status == 201
    assert rotated.json()["replaced"]["replaced_by"] == rotated.json()["record"]["id"]
    assert [await operator.ask(made["key"]), await operator.ask(rotated.json()["key"])] == [200, 200]
    operator.front.desk.clock.shift(3_600)
    assert [await operator.ask(made["key"]), await operator.ask(rotated.json()["key"])] == [401, 200]
    assert (await operator.post(f"/admin/keys/{rotated.json()['record']['id']}/revoke")).json()["state"] == "revoked"
    assert await operator.ask(rotated.json()["key"]) == 401


async def test_every_change_is_announced_with_who_made_it(operator: Operator) -> None:
    made = (await operator.post("/admin/keys", ORDER)).json()["record"]["id"]
    rotated = (await operator.post(f"/admin/keys/{made}/rotate")).json()["record"]["id"]
    await operator.post(f"/admin/keys/{rotated}/revoke")
    assert [event for event in operator.front.desk.events.events if isinstance(event, KeyChanged)] == [
        KeyChanged("created", made, operator.id, "file"),
        KeyChanged("rotated", made, operator.id, "file"),
        KeyChanged("revoked", rotated, operator.id, "file"),
    ]


async def test_keys_are_listed_page_by_page(operator: Operator) -> None:
    for number in range(6):
        await operator.post("/admin/keys", {"name": f"n{number}"})
    seen: list[str] = []
    target = "/admin/keys?limit=3"
    pages = 0
    while True:
        page = (await operator.get(target)).json()
        pages += 1
        seen += [each["id"] for each in page["keys"]]
        if page["next"] is None:
            break
        target = f"/admin/keys?limit=3&after={page['next']}"
    assert (pages, len(seen), seen) == (3, 7, sorted(set(seen)))


@pytest.mark.parametrize(
    ("target", "order", "field"),
    [
        ("/admin/keys", b"", "body"),
        ("/admin/keys", b"[]", "body"),
        ("/admin/keys", b'{"name":"x"', "body"),
        ("/admin/keys", b'{"name":"\xff"}', "body"),
        ("/admin/keys", {"name": 5}, "body"),
        ("/admin/keys", {"name": "x", "sha256": "y"}, "body"),
        ("/admin/keys", {"name": ""}, "name"),
        ("/admin/keys", {"name": "x", "limit": "fast"}, "limit"),
        ("/admin/keys", {"name": "x", "burst": 3}, "burst"),
        ("/admin/keys", {"name": "x", "rights": ["root"]}, "rights"),
        ("/admin/keys", {"name": "x", "expires_after": "later"}, "expires_after"),
        ("/admin/keys", {"name": "x" * 5_000}, "body"),
        ("/admin/keys/{id}/rotate", {"grace": "later"}, "grace"),
        ("/admin/keys/{id}/rotate", {"for": "1h"}, "body"),
    ],
)
async def test_a_malformed_order_names_its_part_and_changes_nothing(
    operator: Operator, target: str, order: Any, field: str
) -> None:
    before = operator.path.read_text()
    got = await operator.post(target.replace("{id}", operator.id), order)
    assert (got.status, got.headers["content-type"]) == (400, "application/problem+json")
    assert got.json()["field"] == field
    assert got.json()["problem"]
    assert operator.path.read_text() == before


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "/admin/keys/zzzz/revoke", 404),
        ("POST", "/admin/keys/zzzz/rotate", 404),
        ("GET", "/admin/keys/zzzz", 404),
        ("GET", "/admin/keys/a/b/c", 404),
        ("DELETE", "/admin/keys", 405),
        ("GET", "/admin/keys?limit=0", 400),
        ("GET", "/admin/keys?limit=1001", 400),
        ("GET", "/admin/keys?page=2", 400),
        ("GET", "/admin/usage?from=yesterday", 400),
        ("GET", "/admin/usage?from=2024-02-01&to=2024-01-01", 400),
        ("GET", "/admin/usage?from=2020-01-01&to=2024-01-01", 400),
        ("GET", "/admin/usage?format=xml", 400),
        ("POST", "/admin/usage", 405),
    ],
)
async def test_what_cannot_be_done_is_a_problem(operator: Operator, method: str, target: str, status: int) -> None:
    got = await (
        operator.get(target)
        if method == "GET"
        else operator.front.browser.send(method, target, {"authorization": f"Bearer {operator.key}"}, b"")
    )
    assert (got.status, got.headers["content-type"]) == (status, "application/problem+json")


async def test_only_an_admin_key_may(operator: Operator) -> None:
    key = (await operator.post("/admin/keys", {"name": "user"})).json()["key"]
    for target in ("/admin/keys", "/admin/usage", f"/admin/keys/{operator.id}"):
        assert (await operator.front.browser.get(target, {"authorization": f"Bearer {key}"})).status == 403
        assert (await operator.front.browser.get(target)).status == 401


async def test_a_file_that_cannot_be_written_is_refused_with_what_to_do(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("stock_service.access.key_store.os.open", refuse)
    got = await operator.post("/admin/keys", ORDER)
    assert (got.status, got.json()["type"]) == (409, f"{PROBLEM}keys-fixed")
    assert "STOCKS_SHARED__URL" in got.json()["detail"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_a_disk_that_is_full_or_broken_is_named_and_is_not_said_to_be_read_only(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    before = operator.path.read_text()
    with monkeypatch.context() as patched:
        patched.setattr("stock_service.access.key_store.os.fsync", fail)
        got = await operator.post("/admin/keys", ORDER)
    assert (got.status, got.json()["type"], got.headers["retry-after"]) == (503, f"{PROBLEM}unavailable", "60")
    assert f"unable to write the keys file: {os.strerror(number)}" in got.json()["detail"]
    assert operator.path.read_text() == before
    assert (await operator.post("/admin/keys", ORDER)).status == 201


@pytest.mark.parametrize(("span", "told"), [("101y", "longer than 100y"), ("0d", "over at once"), ("9", "not a span")])
async def test_an_expiry_that_cannot_be_is_refused_with_what_is_wrong(operator: Operator, span: str, told: str) -> None:
    got = await operator.post("/admin/keys", {"name": "x", "expires_after": span})
    assert (got.status, got.json()["field"]) == (400, "expires_after")
    assert told in got.json()["problem"]


async def test_a_faulty_file_is_not_written_to(operator: Operator) -> None:
    operator.path.write_text("{\n")
    assert (await operator.post("/admin/keys", ORDER)).status == 409
    assert operator.path.read_text() == "{\n"


async def test_usage_is_told_by_key_and_day_and_says_whose_it_is(operator: Operator) -> None:
    key = (await operator.post("/admin/keys", {"name": "=bots", "limit": "2/m"})).json()
    for _ in range(3):
        await operator.ask(key["key"])
    day = datetime.fromtimestamp(operator.front.desk.clock.wall(), tz=UTC).date().isoformat()
    report = (await operator.get("/admin/usage")).json()
    assert (report["scope"], report["to"]) == ("instance", day)
    mine = {each["client"]: each for each in report["totals"]}[key["record"]["id"]]
    assert (mine["requests"], mine["vendor_calls"], mine["limited"]) == (2, 1, 1)
    assert {row["day"] for row in report["days"]} == {day}
    text = await operator.get("/admin/usage?format=csv")
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(text.body.decode())))
    row = next(each for each in rows if each["client"] == key["record"]["id"])
    assert (row["requests"], row["vendor_calls"], row["scope"], row["day"]) == ("2", "1", "instance", day)
    before = (await operator.get("/admin/usage?from=2020-01-01&to=2020-01-05")).json()
    assert before["totals"] == []
