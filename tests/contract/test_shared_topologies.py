"""The ways to a store, each over real servers: a password and an ACL, TLS, and Sentinels that name another primary."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from stock_service.base.clock import SystemClock
from stock_service.base.events import SharedAsked
from stock_service.cache.shared_address import parse_address
from stock_service.cache.shared_client import open_wire
from stock_service.cache.shared_store import SharedStore, StoreSettings
from tests.support.reading import Recorder
from tests.support.redis_server import RedisServer, free_port, redis_server
from tests.support.shared_pod import pod, until
from tests.support.tcp_proxy import TcpProxy
from tests.support.tools import require

pytestmark = pytest.mark.system_tool("redis-server")

CLOCK = SystemClock()
ROOT = Path(__file__).parents[2]
PATIENT = 2.0

# What the service needs, and no more: docs/scale.md tells operators the same.
RIGHTS = ("~stocks:*", "~test:*", "+mget", "+get", "+evalsha", "+eval", "+script", "+ping", "+client", "+hello",
          "+set", "+del", "+getrange", "+pexpire", "+pexpireat", "+time", "+type", "+zadd", "+zrem", "+zcard",
          "+zcount", "+zscore", "+zrange", "+zrangebyscore", "+zremrangebyscore", "+zremrangebyrank", "+hset",
          "+hsetnx", "+hmget", "+hget", "+hincrby", "+hscan", "+setnx", "+expireat", "+select")  # fmt: skip


def test_the_rights_told_to_operators_cover_every_script() -> None:
    scripts = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    used = {f"+{name.lower()}" for name in re.findall(r"redis\.p?call\('(\w+)'", scripts)}
    assert len(used) > 20
    assert used <= set(RIGHTS)


async def test_an_acl_user_with_a_password_and_few_rights_suffices(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.ask("ACL", "SETUSER", "stocks", "on", ">s3cret/pass", "-@all", *RIGHTS)
        server.ask("ACL", "SETUSER", "default", "off")
        async with pod(f"redis://stocks:s3cret%2Fpass@127.0.0.1:{server.port}", answer_for=PATIENT) as one:
            one.put("k", b"body")
            await one.written()
            assert await one.body("k") == b"body"
            lead = await one.cache.lead("other", None, CLOCK.monotonic() + 1)
            async with lead:  # type: ignore[union-attr]
                pass
            await one.shelf.mark("series", "text", 1_000)
            assert await one.shelf.marks("series") == ["text"]


async def test_a_wrong_password_is_said_and_never_repeated_soon(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.admin.config_set("requirepass", "right")
        async with pod(f"redis://:wrong@127.0.0.1:{server.port}", up=False, answer_for=PATIENT) as one:
            await until(lambda: SharedAsked("beat", "refused") in one.events.events)
            assert not one.store._rest.beat_due(CLOCK.monotonic() + 50)
            assert not one.store.up


@pytest.mark.system_tool("openssl")
async def test_tls_with_certificates_of_ones_own(tmp_path: Path) -> None:
    ca, certificate, key = make_certificates(tmp_path)
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key)
    with redis_server(tmp_path, *tls, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no"):
        for trusted, works in ((ca, True), ("", False)):
            wire = open_wire(parse_address(f"valkeys://localhost:{port}"), PATIENT, 4, trusted)
            try:
                if works:
                    assert await wire.send(["k"], []) == ([None], [])
                else:
                    with pytest.raises(redis.ConnectionError, match="certificate"):
                        await wire.send(["k"], [])
            finally:
                await wire.aclose()


@pytest.mark.system_tool("openssl")
async def test_leaving_a_tls_store_that_has_fallen_silent_takes_a_moment_and_is_no_error(tmp_path: Path) -> None:
    """TLS waits for the other end to say goodbye too."""
    ca, certificate, key = make_certificates(tmp_path)
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key)
    with redis_server(tmp_path, *tls, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no"):
        async with TcpProxy(port) as proxy:
            wire = open_wire(parse_address(f"valkeys://localhost:{proxy.port}"), 0.5, 4, ca)
            store = SharedStore(wire, StoreSettings("test", answer_for=0.5), CLOCK, Recorder())
            keeper = asyncio.create_task(store.keep())
            await until(lambda: store.up)
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            proxy.silent = True
            begun = time.monotonic()
            await store.aclose()
            assert time.monotonic() - begun < 5.0  # without a bound: half a minute
            proxy.cut()


async def test_sentinels_name_the_primary_and_after_a_failover_the_new_one(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("one", "two", "sentinel")]
    for place in places:
        place.mkdir()
    with redis_server(places[0]) as first, redis_server(places[1]) as second:
        second.ask("REPLICAOF", "127.0.0.1", first.port)
        with sentinel(places[2], first) as asked:
            url = f"redis+sentinel://127.0.0.1:{asked.port}/main"
            async with pod(url, answer_for=PATIENT) as one:
                one.put("k", b"body")
                await one.written()
                assert await one.body("k") == b"body"
                await synced(second)
                asked.ask("SENTINEL", "FAILOVER", "main")
                begun = time.monotonic()
                while asked.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")[1] != str(second.port).encode():
                    assert time.monotonic() - begun < 20.0
                    await asyncio.sleep(0.1)
                for number in range(400):
                    one.put(f"again {number}", b"x")
                    await one.written()
                    if second.admin.exists(one.key_of(f"again {number}")):
                        break
                    await asyncio.sleep(0.05)
                else:
                    pytest.fail("nothing was written to the new primary")
                assert await one.body(f"again {number}") == b"x"


async def synced(replica: RedisServer) -> None:
    """Wait until a replica has what its primary has."""
    begun = time.monotonic()
    while replica.admin.info("replication")["master_link_status"] != "up":
        assert time.monotonic() - begun < 20.0
        await asyncio.sleep(0.1)


@contextmanager
def sentinel(folder: Path, primary: RedisServer) -> Iterator[RedisServer]:
    """One Sentinel that watches `primary` under the name main, once it knows the replica too."""
    port, file = free_port(), folder / "sentinel.conf"
    watching = f"sentinel monitor main 127.0.0.1 {primary.port} 1\nsentinel down-after-milliseconds main 2000\n"
    file.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n{watching}")
    command = [str(require("redis-server")), str(file), "--sentinel"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    asked = RedisServer(folder, port)
    try:
        begun = time.monotonic()
        while not knows_replica(asked):
            assert time.monotonic() - begun < 30.0
            time.sleep(0.1)
        yield asked
    finally:
        asked.admin.close()
        process.kill()
        process.wait()


def knows_replica(asked: RedisServer) -> bool:
    """Return whether the Sentinel runs and has heard of the replica from its primary."""
    try:
        return bool(asked.ask("SENTINEL", "REPLICAS", "main"))
    except redis.ConnectionError:
        return False


def make_certificates(folder: Path) -> tuple[str, str, str]:
    """Make an authority and a certificate for localhost; return the files of authority, certificate and key."""
    ca, ca_key, certificate, key = (str(folder / name) for name in ("ca.crt", "ca.key", "store.crt", "store.key"))
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl = str(require("openssl"))
    new = (openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    for made in (
        ("-keyout", ca_key, "-out", ca, "-subj", "/CN=test authority"),
        ("-keyout", key, "-out", certificate, *subject, "-CA", ca, "-CAkey", ca_key),
    ):
        subprocess.run([*new, *made], check=True, capture_output=True)
    return ca, certificate, key
