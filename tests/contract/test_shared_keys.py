"""Client keys that several instances share on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from stock_service.access.key_feed_scripts import PUT
from stock_service.access.key_orders import KeyOrder, RotateOrder
from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord, Right, hash_key, make_key
from stock_service.base.errors import BadRequest, NotFound, Unavailable
from stock_service.base.events import KeyChanged, Warned
from tests.support.key_fleet import KeyPod, key_pod
from tests.support.redis_server import RedisServer, redis_cluster, redis_server
from tests.support.shared_pod import until

pytestmark = pytest.mark.system_tool("redis-server")

ORDER = KeyOrder("notebooks", "100/s")


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def server(lasting: RedisServer) -> RedisServer:
    lasting.admin.flushall()
    return lasting


class Root:
    """A keys file with one admin key, as a mounted Secret holds it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys.jsonl"
        self.id, self.key = make_key()
        created = datetime(2026, 1, 1, tzinfo=UTC)
        self.record = KeyRecord(
            id=self.id, name="root", sha256=hash_key(self.key), created=created, rights=(Right.ADMIN,)
        )
        KeyStore(self.path).add(self.record)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@asynccontextmanager
async def fleet(urls: list[str], root: Root) -> AsyncIterator[list[KeyPod]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(key_pod(url, root.path)) for url in urls]


async def test_a_key_made_here_works_everywhere_and_revoked_there_nowhere(server: RedisServer, root: Root) -> None:
    async with fleet([server.url] * 3, root) as pods:
        record, key = await pods[0].desk.create(ORDER, root.id)
        assert pods[0].verdict(key) == record.id
        assert await until(lambda: all(pod.verdict(key) == record.id for pod in pods)) < 2.0
        await pods[1].desk.revoke(record.id, root.id)
        assert pods[1].verdict(key) == "revoked"
        assert await until(lambda: all(pod.verdict(key) == "revoked" for pod in pods)) < 2.0
        assert KeyChanged("revoked", record.id, root.id, "store") in pods[1].events.events
        assert key not in str(server.admin.hvals("t:access:{keys}:records"))


async def test_a_cluster_holds_keys_too(tmp_path_factory: pytest.TempPathFactory, root: Root) -> None:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as servers:
        async with fleet([f"{each.url}?cluster=true" for each in servers], root) as pods:
            record, key = await pods[0].desk.create(ORDER, root.id)
            await until(lambda: all(pod.verdict(key) == record.id for pod in pods))


async def test_a_key_of_the_file_is_withdrawn_and_replaced_everywhere_though_the_file_stays(
    server: RedisServer, root: Root
) -> None:
    async with fleet([server.url] * 2, root) as pods:
        before = root.path.read_text()
        fresh, old, key = await pods[0].desk.rotate(root.id, RotateOrder("1h"), root.id)
        assert old.expires is not None
        await until(lambda: pods[1].verdict(key) == fresh.id)
        assert pods[1].verdict(root.key) == root.id
        assert fresh.rights == (Right.ADMIN,)
        await pods[1].desk.revoke(root.id, fresh.id)
        await until(lambda: all(pod.verdict(root.key) == "revoked" for pod in pods))
        assert root.path.read_text() == before


async def test_the_last_good_keys_stay_while_the_store_is_away_and_orders_are_refused(
    tmp_path_factory: pytest.TempPathFactory, root: Root
) -> None:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        async with fleet([server.url], root) as (pod,):
            record, key = await pod.desk.create(ORDER, root.id)
            server.kill()
            await until(lambda: not pod.store.up)
            assert pod.verdict(key) == record.id
            with pytest.raises(Unavailable):
                await pod.desk.create(ORDER, root.id)
            with pytest.raises(Unavailable):
                await pod.desk.revoke(record.id, root.id)
            assert pod.verdict(key) == record.id


async def test_an_instance_that_has_not_heard_of_the_keys_says_so_to_strangers_and_lets_the_files_in(
    root: Root,
) -> None:
    async with key_pod("redis://127.0.0.1:1", root.path, up=False) as pod:
        assert pod.verdict(root.key) == root.id
        assert pod.verdict(make_key()[1]) == "unavailable"
        assert pod.verdict("") == "missing"


async def test_a_store_that_forgot_is_told_again_and_a_revocation_survives_where_one_instance_heard_of_it(
    tmp_path_factory: pytest.TempPathFactory, root: Root
) -> None:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        async with fleet([server.url] * 2, root) as pods:
            kept, key = await pods[0].desk.create(ORDER, root.id)
            gone, gone_key = await pods[0].desk.create(ORDER, root.id)
            await until(lambda: pods[1].verdict(gone_key) == gone.id)
            await pods[0].desk.revoke(gone.id, root.id)
            server.kill()
            await until(lambda: not any(pod.store.up for pod in pods))
            server.start()
            await until(lambda: server.admin.hlen("t:access:{keys}:records") == 2, within=15.0)
            await until(lambda: all(pod.verdict(gone_key) == "revoked" for pod in pods))
            assert all(pod.verdict(key) == kept.id for pod in pods)
            async with key_pod(server.url, root.path) as late:
                assert (late.verdict(key), late.verdict(gone_key)) == (kept.id, "revoked")


async def test_orders_at_the_same_time_are_all_carried_out_or_refused_whole(server: RedisServer, root: Root) -> None:
    async with fleet([server.url] * 3, root) as pods:
        record, _ = await pods[0].desk.create(ORDER, root.id)
        await until(lambda: all(record.id in pod.feed.records for pod in pods))
        made = await asyncio.gather(*(pod.desk.create(ORDER, root.id) for pod in pods for _ in range(5)))
        rotated = await asyncio.gather(
            *(pod.desk.rotate(record.id, RotateOrder(), root.id) for pod in pods), return_exceptions=True
        )
        done = [each for each in rotated if not isinstance(each, BaseException)]
        assert len(done) == 1
        assert all(isinstance(each, BadRequest) for each in rotated if isinstance(each, BaseException))
        await until(lambda: all(len(pod.feed.records) == 1 + len(made) + 1 for pod in pods))


async def test_a_rotation_whose_answer_was_lost_is_not_made_twice_and_the_new_key_is_told(
    server: RedisServer, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet([server.url], root) as (pod,):
        record, _ = await pod.desk.create(ORDER, root.id)
        plain, lost = pod.store.run, [True]

        async def lossy(script: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> object:
            said = await plain(script, keys, args)
            return None if script == PUT and lost and lost.pop() else said

        monkeypatch.setattr(pod.store, "run", lossy)
        fresh, old, key = await pod.desk.rotate(record.id, RotateOrder(), root.id)
        assert not lost
        assert pod.verdict(key) == fresh.id
        assert pod.feed.records[record.id] == old
        assert len(pod.feed.records) == 2


def _always(records: Sequence[KeyRecord], _: Mapping[str, KeyRecord]) -> Sequence[KeyRecord]:
    return records


async def test_many_keys_arrive_whole(server: RedisServer, root: Root) -> None:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    records = tuple(
        KeyRecord(id=f"n{number:05}", name=f"n{number}", sha256=f"{number:064x}", created=created)
        for number in range(1_700)
    )
    async with fleet([server.url], root) as (pod,):
        for begin in range(0, len(records), 425):
            await pod.feed.change(partial(_always, records[begin : begin + 425]))
        async with key_pod(server.url, root.path) as late:
            assert len(late.feed.records) == len(records)
            late.refresh()
            assert len(late.desk.records()) == len(records) + 1


async def test_an_unknown_key_is_not_found_and_a_second_revocation_changes_nothing(
    server: RedisServer, root: Root
) -> None:
    async with fleet([server.url], root) as (pod,):
        with pytest.raises(NotFound):
            await pod.desk.revoke("zzzz", root.id)
        record, _ = await pod.desk.create(ORDER, root.id)
        first = await pod.desk.revoke(record.id, root.id)
        version = pod.feed.version
        assert await pod.desk.revoke(record.id, root.id) == first
        assert pod.feed.version == version


async def test_a_record_nobody_can_read_is_reported_once_and_replaces_nothing(server: RedisServer, root: Root) -> None:
    async with fleet([server.url], root) as (pod,):
        record, key = await pod.desk.create(ORDER, root.id)
        for revision in (5, 6):
            server.admin.hset("t:access:{keys}:records", record.id, '{"of": "a newer version"}')
            server.admin.hset("t:access:{keys}:revisions", record.id, str(revision))
            change = server.admin.hincrby("t:access:{keys}:state", "change", 1)
            server.admin.zadd("t:access:{keys}:changes", {record.id: change})
            await pod.feed.poll()
        assert pod.verdict(key) == record.id
        assert pod.events.count(Warned) == 1
