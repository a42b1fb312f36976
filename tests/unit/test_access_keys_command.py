"""`stock-service keys` as a user types it."""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from stock_service.access import key_store
from stock_service.access.keys import Right, parse_keys
from stock_service.cli.keys import keys

if TYPE_CHECKING:
    from pathlib import Path


def run(path: Path, *words: str) -> Result:
    return CliRunner().invoke(keys, [*words, "--file", str(path)])


def test_a_made_key_is_printed_alone_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    made = run(path, "create", "bots", "--admin", "--no-cache", "--rate", "100/s", "--burst", "20", "--expires", "90d")
    assert made.exit_code == 0
    key = made.stdout.strip()
    record = parse_keys(path.read_text()).find(key)
    assert record is not None
    assert (record.name, record.rights, record.limit, record.burst) == (
        "bots",
        (Right.ADMIN, Right.NO_CACHE),
        "100/s",
        20,
    )
    assert record.expires is not None
    assert (record.expires - record.created).days == 90
    assert key not in path.read_text() + made.stderr + run(path, "list").output + run(path, "list", "--json").output


def test_a_writer_that_never_ends_is_waited_for_and_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    run(path, "create", "one")
    monkeypatch.setattr(key_store, "_LOCK_TRIES", 3)
    with (tmp_path / ".keys.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = path.read_text()
        refused = run(path, "create", "two")
    assert refused.exit_code == 2
    assert "another process" in refused.stderr
    assert path.read_text() == before
    assert run(path, "create", "two").exit_code == 0


def test_the_list_says_what_each_key_is_and_a_revoked_one_stays_in_it(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    for name in ("one", "two"):
        run(path, "create", name)
    key_id = json.loads(run(path, "list", "--json").stdout.splitlines()[0])["id"]
    assert run(path, "revoke", key_id).exit_code == 0
    rows = [json.loads(line) for line in run(path, "list", "--json").stdout.splitlines()]
    assert [(row["name"], row["state"], "sha256" in row) for row in rows] == [
        ("one", "revoked", False),
        ("two", "valid", False),
    ]
    table = run(path, "list").stdout.splitlines()
    assert table[0].split() == ["ID", "NAME", "STATE", "LIMIT", "RIGHTS", "EXPIRES"]
    assert table[1].split() == [key_id, "one", "revoked", "none", "-", "never"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("create", "x", "--rate", "fast"), 2, "not a limit"),
        (("create", "x", "--burst", "5"), 2, "needs a `limit`"),
        (("create", "x", "--rate", "5/s", "--burst", "0"), 2, "burst"),
        (("create", "x", "--expires", "soon"), 2, "not a span"),
        (("create", "x", "--expires", "0d"), 2, "is over at once"),
        (("create", "x", "--expires", "101y"), 2, "is longer than 100y; write a shorter one"),
        (("create", "a\nb"), 2, "`name`"),
        (("revoke", "zzzz"), 1, "No key"),
    ],
)
def test_a_faulty_request_says_why_and_changes_nothing(
    tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    result = run(tmp_path / "keys", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert not (tmp_path / "keys").exists()


def test_a_faulty_or_unwritable_file_is_told_with_its_faults(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("{\n[\n")
    result = run(tmp_path / "keys", "list")
    assert result.exit_code == 2
    assert result.stderr.count("keys file: line") == 2
    assert run(tmp_path / "none" / "keys", "create", "x").exit_code == 2


def test_a_file_without_keys_is_told_instead_of_an_empty_table(tmp_path: Path) -> None:
    """A mistyped name must not look like a file in which all is well."""
    listed = run(tmp_path / "keys", "list")
    assert (listed.exit_code, listed.stdout) == (0, "")
    assert "no such file" in listed.stderr
