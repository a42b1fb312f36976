"""The keys file: its form, its reloading, and its rewriting."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from stock_service.access.key_file import POLL_EVERY, KeyFile
from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord, KeysFaulty, Right, hash_key, make_key, parse_keys, render_record
from stock_service.base.errors import NotFound
from stock_service.base.events import Event, Silent, Warned

if TYPE_CHECKING:
    from pathlib import Path

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 6, 1, tzinfo=UTC)


class Notes:
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]


def record_of(key_id: str = "abcd", key: str = "stk_abcd_x", **fields: Any) -> KeyRecord:
    return KeyRecord(id=key_id, name="notebooks", sha256=hash_key(key), created=CREATED, **fields)


def line_of(**changes: Any) -> str:
    fields = {"id": "abcd", "name": "n", "sha256": "a" * 64, "created": "2026-01-01T00:00:00Z", **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def write(path: Path, *records: KeyRecord) -> None:
    path.write_text("".join(f"{render_record(record)}\n" for record in records))
    path.chmod(0o600)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_key_names_its_id_and_is_found_by_its_hash_alone() -> None:
    key_id, key = make_key()
    assert key.startswith(f"stk_{key_id}_")
    assert len(key) == 61
    record = record_of(key_id, key)
    assert parse_keys(render_record(record)).find(key) == record
    assert key not in render_record(record)


@pytest.mark.parametrize(
    "credential",
    [
        "",
        "abcd",
        "stk_abcd_",
        "stk_abcd_y",
        "stk_abcd_x ",
        "STK_ABCD_X",
        "stk_nobody_",
        "x" * 100_000,
        "stk_abcd_x\x00",
        "\xff\udcff",
        "0" * 64,
        hash_key("stk_abcd_x"),
    ],
)
def test_nothing_but_the_key_itself_is_found(credential: str) -> None:
    assert parse_keys(render_record(record_of())).find(credential) is None


def test_a_key_longer_than_any_of_ours_does_not_match_by_its_beginning() -> None:
    key = "stk_abcd_".ljust(256, "k")
    keys = parse_keys(render_record(record_of(key=key)))
    assert keys.find(key) is not None
    assert keys.find(key + "k") is None


def test_a_record_survives_writing_and_reading() -> None:
    record = record_of(expires=LATER, revoked=LATER, rights=(Right.ADMIN, Right.NO_CACHE), limit="100/s", burst=20)
    assert parse_keys(f"# the team\n\n{render_record(record)}\n").records == (record,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no key in it"),
        ("# only a comment\n", "no key in it"),
        ("{", "line 1: not a key record"),
        ("[]", "line 1: not a key record"),
        (line_of(id="A"), "`id`"),
        (line_of(id="anonymous"), "reserved"),
        (line_of(name=""), "`name`"),
        (line_of(name="a\nb"), "`name`"),
        (line_of(name="\x9b31m"), "`name`"),
        (line_of(name="a\u2028b"), "`name`"),
        (line_of(name="\u202eyek"), "`name`"),
        (line_of(name="  "), "`name`"),
        (line_of(sha256="A" * 64), "`sha256`"),
        (line_of(sha256="stk_abcd_planted"), "never the key"),
        (line_of(created=None), "created"),
        (line_of(created="yesterday"), "created"),
        (line_of(expires="2026-01-01T00:00:00"), "offset"),
        (line_of(rights=["root"]), "rights"),
        (line_of(limit="fast"), "`limit`"),
        (line_of(burst=5), "needs a `limit`"),
        (line_of(limit="5/s", burst=0), "burst"),
        (line_of(colour="red"), "colour"),
        (f"{line_of()}\n{line_of()}", "line 2: the id 'abcd'"),
    ],
)
def test_each_fault_is_named_without_showing_what_may_be_secret(text: str, words: str) -> None:
    with pytest.raises(KeysFaulty) as caught:
        parse_keys(text)
    assert words in str(caught.value)
    assert "planted" not in str(caught.value)


def test_all_faults_of_all_lines_are_named_at_once() -> None:
    with pytest.raises(KeysFaulty) as caught:
        parse_keys("\n".join([line_of(id="?", name=""), line_of(), "{", line_of(sha256="")]))
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["line 1", "line 1", "line 3", "line 4"]


def test_a_missing_file_is_a_fault_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(KeysFaulty, match="cannot be read"):
        KeyFile(tmp_path / "none", Silent())


@pytest.mark.parametrize(("content", "words"), [(b"\xff\xfe", "UTF-8"), (b"#" * 4_200_000, "larger")])
def test_a_file_that_cannot_be_keys_is_a_fault(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(KeysFaulty, match=words):
        KeyFile(tmp_path / "keys", Silent())


def test_a_changed_file_is_taken_at_the_next_look_and_looks_are_apart(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    write(path, record_of())
    file = KeyFile(path, Silent())
    assert not file.reload_if_changed(10.0)
    write(path, record_of(), record_of("efgh"))
    assert not file.reload_if_changed(10.0 + POLL_EVERY - 0.01)
    assert file.reload_if_changed(10.0 + POLL_EVERY)
    assert [record.id for record in file.keys.records] == ["abcd", "efgh"]
    assert not file.reload_if_changed(10.0 + 2 * POLL_EVERY)


@pytest.mark.parametrize("broken", ["{", "", None])
def test_a_broken_version_is_reported_once_and_the_last_good_one_stays(tmp_path: Path, broken: str | None) -> None:
    path, notes = tmp_path / "keys", Notes()
    write(path, record_of())
    file = KeyFile(path, notes)
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken)
    assert [file.reload_if_changed(now) for now in (10.0, 20.0, 30.0)] == [False, False, False]
    assert [record.id for record in file.keys.records] == ["abcd"]
    assert len(notes.warnings()) == 1
    assert "earlier version stays" in notes.warnings()[0]
    write(path, record_of("efgh"))
    assert file.reload_if_changed(40.0)
    assert [record.id for record in file.keys.records] == ["efgh"]


def test_a_swapped_symbolic_link_is_a_change(tmp_path: Path) -> None:
    """Kubernetes replaces a mounted Secret by pointing a link at another folder."""
    write(tmp_path / "one", record_of())
    write(tmp_path / "two", record_of("efgh"))
    link = tmp_path / "keys"
    link.symlink_to("one")
    file = KeyFile(link, Silent())
    link.unlink()
    link.symlink_to("two")
    assert file.reload_if_changed(10.0)


def test_a_file_open_to_others_is_warned_about(tmp_path: Path) -> None:
    path, notes = tmp_path / "keys", Notes()
    write(path, record_of())
    KeyFile(path, notes)
    assert notes.warnings() == []
    path.chmod(0o640)
    KeyFile(path, notes)
    assert len(notes.warnings()) == 1


def test_the_store_makes_a_private_file_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    store = KeyStore(path)
    assert store.records() == ()
    store.add(record_of())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text(f"# ours\n{path.read_text().rstrip()}")  # an editor without a last line end
    store.add(record_of("efgh"))
    assert path.read_text().startswith("# ours\n")
    assert [record.id for record in store.records()] == ["abcd", "efgh"]


def test_the_store_keeps_the_mode_and_the_link_somebody_chose(tmp_path: Path) -> None:
    path, link = tmp_path / "keys", tmp_path / "link"
    write(path, record_of())
    path.chmod(0o640)
    link.symlink_to(path)
    KeyStore(link).add(record_of("efgh"))
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert len(KeyStore(path).records()) == 2


def test_revoking_changes_one_line_and_is_remembered_at_its_first_instant(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    write(path, record_of(), record_of("efgh"))
    path.write_text(f"# first\n{path.read_text()}# last\n")
    store, before = KeyStore(path), path.read_text().split("\n")
    assert store.revoke("efgh", LATER).revoked == LATER
    assert store.revoke("efgh", CREATED).revoked == LATER
    after = path.read_text().split("\n")
    assert [index for index, line in enumerate(after) if line != before[index]] == [2]


def test_revoking_an_unknown_id_says_so(tmp_path: Path) -> None:
    write(tmp_path / "keys", record_of())
    with pytest.raises(NotFound):
        KeyStore(tmp_path / "keys").revoke("zzzz", LATER)


def test_a_faulty_file_is_not_written_to_and_a_taken_id_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    write(path, record_of())
    with pytest.raises(KeysFaulty, match="earlier line"):
        KeyStore(path).add(record_of())
    path.write_text("{\n")
    with pytest.raises(KeysFaulty, match="line 1"):
        KeyStore(path).add(record_of("efgh"))
    assert path.read_text() == "{\n"
    assert names_in(tmp_path) == [".keys.lock", "keys"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    write(path, record_of())
    before = path.read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        KeyStore(path).add(record_of("efgh"))
    assert path.read_text() == before
    assert names_in(tmp_path) == [".keys.lock", "keys"]


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.add(record_of(f"id{number:04d}")), range(40)))
    assert len(store.records()) == 40
