"""Who is let in, by which credential, and how a changed keys file takes effect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from stock_service.access.gate import Client, Gate, credential_of, require_admin
from stock_service.access.keys import KeyRecord, KeySet, Right, hash_key
from stock_service.base.errors import BadRequest, ClientLimited, NotAllowed

NOW, WALL = 1_000.0, 1_800_000_000.0
DAY = datetime.fromtimestamp(WALL, tz=UTC)


class Shelf:
    """Keys a test changes by hand."""

    complete = True

    def __init__(self, *records: KeyRecord) -> None:
        self.keys = KeySet(records)
        self._changed = False

    def replace(self, *records: KeyRecord) -> None:
        self.keys = KeySet(records)
        self._changed = True

    def reload_if_changed(self, now: float) -> bool:
        changed, self._changed = self._changed, False
        return changed


def key_of(key_id: str) -> str:
    return f"stk_{key_id}_secret"


def record_of(key_id: str = "team", **fields: Any) -> KeyRecord:
    return KeyRecord(id=key_id, name=key_id, sha256=hash_key(key_of(key_id)), created=DAY - timedelta(days=1), **fields)


def refusal(gate: Gate, credential: str | None, wall: float = WALL) -> str:
    with pytest.raises(NotAllowed) as caught:
        gate.admit(credential, NOW, wall)
    assert str(credential) not in str(caught.value) or credential in (None, "")
    reason: str = caught.value.reason
    return reason


def test_a_key_of_the_file_is_let_in_with_its_rights() -> None:
    gate = Gate(Shelf(record_of(rights=(Right.ADMIN,)), record_of("bots", rights=(Right.NO_CACHE,))), anonymous=False)
    team, bots = (gate.admit(key_of(key_id), NOW, WALL) for key_id in ("team", "bots"))
    assert (team.id, team.admin, team.no_cache) == ("team", True, False)
    assert (bots.id, bots.admin, bots.no_cache) == ("bots", False, True)


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        (None, "missing"),
        ("", "missing"),
        ("anything", "unknown"),
        ("stk_team_wrong", "unknown"),
        ("stk_none_secret", "unknown"),
        (key_of("gone"), "revoked"),
        (key_of("aged"), "expired"),
        ("stk_gone_wrong", "unknown"),  # whether an id is revoked is told only to who holds its key
        ("stk_aged_wrong", "unknown"),
    ],
)
def test_everybody_else_is_refused_for_a_named_reason(credential: str | None, reason: str) -> None:
    shelf = Shelf(record_of(), record_of("gone", revoked=DAY), record_of("aged", expires=DAY))
    assert refusal(Gate(shelf, anonymous=False), credential) == reason


def test_a_key_is_valid_until_the_second_it_expires() -> None:
    gate = Gate(Shelf(record_of(expires=DAY)), anonymous=False)
    assert gate.admit(key_of("team"), NOW, WALL - 0.001).id == "team"
    assert refusal(gate, key_of("team"), WALL) == "expired"


@pytest.mark.parametrize("credential", [None, "", "vendor-key-of-somebody", key_of("team")])
def test_without_keys_any_credential_or_none_is_one_anonymous_client_without_rights(credential: str | None) -> None:
    gate = Gate(None, anonymous=True)
    client = gate.admit(credential, NOW, WALL)
    assert (client.id, client.admin, client.no_cache) == ("anonymous", False, False)
    assert client is gate.identify(None, WALL)


def test_keys_are_required_once_there_are_any_even_where_anybody_was_welcome() -> None:
    assert refusal(Gate(Shelf(record_of()), anonymous=True), None) == "missing"


def test_a_gate_that_nobody_can_pass_is_not_built() -> None:
    with pytest.raises(ValueError, match="needs keys"):
        Gate(None, anonymous=False)


def test_requests_over_the_limit_are_refused_counted_apart_and_told_when_to_come_back() -> None:
    gate = Gate(Shelf(record_of(limit="2/m")), anonymous=False)
    for _ in range(2):
        gate.admit(key_of("team"), NOW, WALL)
    for _ in range(3):
        with pytest.raises(ClientLimited) as caught:
            gate.admit(key_of("team"), NOW, WALL)
        assert caught.value.retry_after == pytest.approx(30.0, abs=0.1)
    assert gate.usage() == (("team", 2, 0, 3),)


def test_identifying_charges_nothing() -> None:
    gate = Gate(Shelf(record_of(limit="1/m")), anonymous=False)
    for _ in range(5):
        gate.identify(key_of("team"), WALL)
    assert gate.admit(key_of("team"), NOW, WALL).requests == 1


def test_a_revoked_key_is_refused_at_the_next_refresh_and_remembered_credentials_are_distrusted() -> None:
    shelf = Shelf(record_of(), record_of("bots"))
    gate = Gate(shelf, anonymous=False)
    gate.refresh(NOW, WALL)
    assert gate.generation == 0
    shelf.replace(record_of(revoked=DAY), record_of("bots"))
    gate.refresh(NOW + 2, WALL + 2)
    assert gate.generation == 1
    assert refusal(gate, key_of("team")) == "revoked"
    assert gate.admit(key_of("bots"), NOW, WALL).id == "bots"


def test_an_expiry_distrusts_remembered_credentials_once_and_so_does_a_clock_set_back() -> None:
    gate = Gate(Shelf(record_of(expires=DAY), record_of("bots")), anonymous=False)
    seen = []
    for offset in (-2.0, -1.0, 0.0, 1.0, 2.0, -1.0):
        gate.refresh(NOW, WALL + offset)
        seen.append(gate.generation)
    assert seen == [0, 0, 1, 1, 1, 2]


def test_a_changed_record_changes_the_client_and_keeps_its_counts_and_what_is_left() -> None:
    shelf = Shelf(record_of(limit="3/m"))
    gate = Gate(shelf, anonymous=False)
    client = gate.admit(key_of("team"), NOW, WALL)
    client.vendor_calls += 7
    shelf.replace(record_of(limit="3/m", rights=(Right.ADMIN,)))
    gate.refresh(NOW, WALL)
    again = gate.admit(key_of("team"), NOW, WALL)
    assert again is client
    assert (again.admin, again.requests, again.vendor_calls) == (True, 2, 7)
    assert [again.take(NOW), again.take(NOW)] == [True, False]
    shelf.replace(record_of(limit="9/m"))
    gate.refresh(NOW, WALL)
    assert sum(again.take(NOW) for _ in range(20)) == 9


def test_a_key_taken_out_of_the_file_is_unknown_and_its_counts_stay() -> None:
    shelf = Shelf(record_of(), record_of("bots"))
    gate = Gate(shelf, anonymous=False)
    gate.admit(key_of("team"), NOW, WALL)
    shelf.replace(record_of("bots"))
    gate.refresh(NOW, WALL)
    assert refusal(gate, key_of("team")) == "unknown"
    assert {row.client: row.requests for row in gate.usage()} == {"team": 1, "bots": 0}


def test_refreshing_a_gate_without_keys_changes_nothing() -> None:
    gate = Gate(None, anonymous=True)
    gate.refresh(NOW, WALL)
    assert gate.generation == 0


def test_only_an_admin_key_passes_for_admin() -> None:
    client = Client("team")
    with pytest.raises(NotAllowed) as caught:
        require_admin(client)
    assert caught.value.reason == "admin-only"
    client.follow(msgspec.structs.replace(record_of(), rights=(Right.ADMIN,)))
    require_admin(client)


@pytest.mark.parametrize(
    ("headers", "query", "credential"),
    [
        ([], b"", None),
        ([(b"authorization", b"Bearer KEY")], b"", "KEY"),
        ([(b"Authorization", b"bearer KEY")], b"", "KEY"),
        ([(b"AUTHORIZATION", b"  BEARER   KEY  ")], b"", "KEY"),
        ([(b"authorization", b"Bearer ")], b"", None),
        ([(b"authorization", b"Bearer")], b"", None),
        ([(b"authorization", b"Basic S0VZ")], b"", None),
        ([(b"authorization", b"KEY")], b"", None),
        ([(b"x-authorization", b"Bearer KEY")], b"", None),
        ([], b"apiKey=KEY", "KEY"),
        ([], b"a=1&apiKey=KEY&b=2", "KEY"),
        ([], b"apikey=KEY", "KEY"),
        ([], b"APIKEY=KEY", "KEY"),
        ([], b"%61piKey=K%45Y", "KEY"),
        ([], b"api%4Bey=KEY", "KEY"),
        ([], b"apiKey=", None),
        ([], b"apiKey", None),
        ([], b"apiKey=+", None),
        ([], b"xapiKey=KEY", None),
        ([], b"q=apiKey%3DKEY", None),
        ([], b"apiKey=a=b", "a=b"),
        ([], b"apiKey=%FF", "\xff"),
        ([(b"authorization", b"Bearer KEY")], b"apiKey=KEY", "KEY"),
        ([(b"authorization", b"Bearer KEY"), (b"authorization", b"bearer KEY")], b"", "KEY"),
        ([(b"authorization", b"Basic x")], b"apiKey=KEY", "KEY"),
    ],
)
def test_the_credential_is_taken_from_the_bearer_header_or_the_query(
    headers: list[tuple[bytes, bytes]], query: bytes, credential: str | None
) -> None:
    assert credential_of(headers, query) == credential


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([(b"authorization", b"Bearer ONE")], b"apiKey=TWO"),
        ([(b"authorization", b"Bearer ONE"), (b"Authorization", b"Bearer TWO")], b""),
        ([], b"apiKey=ONE&apiKey=TWO"),
        ([], b"apiKey=ONE&%61pikey=TWO"),
        ([(b"authorization", b"Bearer one")], b"apiKey=ONE"),
    ],
)
def test_two_different_credentials_are_refused_without_being_repeated(
    headers: list[tuple[bytes, bytes]], query: bytes
) -> None:
    with pytest.raises(BadRequest) as caught:
        credential_of(headers, query)
    assert "ONE" not in str(caught.value)
    assert "TWO" not in str(caught.value)
