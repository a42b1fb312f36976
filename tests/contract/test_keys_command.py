"""`stock-service keys` says and does the same with the keys in a file and at a running service."""

from __future__ import annotations

import csv
import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stock_service.cli.keys import keys
from tests.support.running import running_pair


@dataclass
class Place:
    """The keys of a running service, and the words that lead a command to them."""

    url: str
    root: str
    file: Path
    words: tuple[str, ...]

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(keys, [*words, *self.words])

    def listed(self) -> dict[str, dict[str, object]]:
        rows = [json.loads(line) for line in self.run("list", "--json").stdout.splitlines()]
        return {row["id"]: row for row in rows}

    def ask(self, key: str) -> int:
        request = urllib.request.Request(f"{self.url}/api/market", headers={"Authorization": f"Bearer {key}"})
        try:
            with urllib.request.urlopen(request) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return int(error.code)


@pytest.fixture(params=["file", "service"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    file = tmp_path / "keys.jsonl"
    root = CliRunner().invoke(keys, ["create", "root", "--admin", "--file", str(file)]).stdout.strip()
    with running_pair(flags={"access.keys_file": str(file)}) as pair:
        url = pair.gateway.url
        words = ("--file", str(file)) if request.param == "file" else ("--url", url, "--key", root)
        yield Place(url, root, file, words)


def test_a_key_is_made_listed_replaced_and_withdrawn(place: Place) -> None:
    made = place.run("create", "bots", "--rate", "5/s", "--burst", "9", "--no-cache", "--expires", "12w")
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    key_id = key.split("_")[1]
    assert {name: place.listed()[key_id][name] for name in ("name", "state", "limit", "burst", "rights")} == {
        "name": "bots",
        "state": "valid",
        "limit": "5/s",
        "burst": 9,
        "rights": ["no_cache"],
    }
    rotated = place.run("rotate", key_id, "--grace", "0s")
    assert rotated.exit_code == 0, rotated.output
    fresh_id = rotated.stdout.strip().split("_")[1]
    assert (place.listed()[key_id]["state"], place.listed()[key_id]["replaced_by"]) == ("revoked", fresh_id)
    assert place.run("revoke", fresh_id).exit_code == 0
    assert place.listed()[fresh_id]["state"] == "revoked"
    shown = place.run("list").output + place.file.read_text()
    assert key not in shown
    assert rotated.stdout.strip() not in shown


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("revoke", "zzzz"), 1, "zzzz"),
        (("rotate", "zzzz"), 1, "zzzz"),
    ],
)
def test_an_unknown_key_is_told(place: Place, words: tuple[str, ...], code: int, told: str) -> None:
    result = place.run(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr


def test_what_was_used_is_shown_as_a_table_as_json_and_as_csv(place: Place) -> None:
    for _ in range(3):
        assert place.ask(place.root) == 200
    at_service = ("--url", place.url, "--key", place.root)
    table = CliRunner().invoke(keys, ["usage", *at_service])
    assert table.exit_code == 0, table.output
    head, row = table.stdout.splitlines()
    assert head.split() == ["ID", "NAME", "REQUESTS", "VENDOR", "CALLS", "LIMITED"]
    assert row.split()[:2] == [place.root.split("_")[1], "root"]
    assert int(row.split()[2]) >= 3
    assert "by the instance that answered" in table.stderr
    report = json.loads(CliRunner().invoke(keys, ["usage", "--json", *at_service]).stdout)
    assert report["scope"] == "instance"
    rows = list(csv.DictReader(io.StringIO(CliRunner().invoke(keys, ["usage", "--csv", *at_service]).stdout)))
    assert [each["name"] for each in rows] == ["root"]
    assert CliRunner().invoke(keys, ["usage", "--from", "never", *at_service]).exit_code == 1


def test_a_command_without_a_place_says_what_it_needs() -> None:
    result = CliRunner().invoke(keys, ["list"], env={"STOCKS_ACCESS__KEYS_FILE": None})
    assert result.exit_code == 2
    assert "--file" in result.stderr
    assert "--url" in result.stderr
