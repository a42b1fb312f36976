"""A recorded answer is the same bytes again, and only what may be used is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stock_service.base.events import Faulted
from stock_service.upstream.client import Exchange
from stock_service.upstream.outcome import ExchangeFailed, Fault
from stock_service.upstream.recorded import (
    Recorded,
    RecordingFaulty,
    file_name,
    parse_recorded,
    read_heads,
    read_recorded,
    write_recorded,
)
from stock_service.upstream.recorder import RecorderSettings, RecordingClient
from stock_service.vendor.links import vendor_origins
from tests.support.clock import ManualClock
from tests.support.reading import Recorder

TARGET = "/v2/aggs/ticker/AAPL/prev"
VENDOR = "http://127.0.0.1:4999"
GOOD = b'{"status":"OK","results":[{"T":"AAPL","c":1.50},{"T":"AAPL","c":2E1}]}'
FILE = write_recorded(Recorded(TARGET, 1.7e9, 200, "application/json", "", GOOD))


class Vendor:
    """Answers with what it is given."""

    def __init__(self, answer: Exchange | Fault) -> None:
        self.answer = answer

    async def exchange(
        self, target: str, *, accept: str, within: float, edge: Mapping[str, str] | None = None
    ) -> Exchange:
        if isinstance(self.answer, Fault):
            raise ExchangeFailed(self.answer)
        return self.answer

    async def aclose(self) -> None:
        pass


def recording(vendor: Vendor, folder: Path, seen: Recorder | None = None) -> RecordingClient:
    settings = RecorderSettings(folder, vendor_origins(VENDOR))
    return RecordingClient(vendor, settings, ManualClock(), seen or Recorder())


async def ask(client: RecordingClient, target: str = TARGET, accept: str = "application/json") -> Exchange:
    return await client.exchange(target, accept=accept, within=5.0)


def answer(body: bytes = GOOD, status: int = 200, content_type: str = "application/json") -> Exchange:
    return Exchange(status, content_type, body, "r-1")


ROWS = st.lists(st.sampled_from([b"},{", b"[{", b"}]", b"\n", b'"', b"1.50"])).map(b"".join)


@given(st.binary(max_size=200) | ROWS, st.sampled_from(["application/json", "text/csv", "image/png"]))
@example(b'{"a":"},\\n{","b":[{"c":1},{"d":[{}]}]}', "application/json")
@example(b"", "text/csv")
@example(b"a\n\nb\n", "application/json")
def test_a_body_comes_back_byte_for_byte(body: bytes, content_type: str) -> None:
    told = Recorded(TARGET, 1_700_000_000.25, 200, content_type, "r-1", body)
    assert parse_recorded(Path("x"), write_recorded(told)) == told


def test_rows_have_a_line_each() -> None:
    lines = FILE.splitlines()
    assert lines.count(b'{"T":"AAPL","c":1.50},') == 1
    assert lines.count(b'{"T":"AAPL","c":2E1}') == 1


def test_names_are_readable_safe_and_differ_where_only_the_case_does() -> None:
    names = [file_name(f"/v2/aggs/ticker/{ticker}/prev") for ticker in ("KIMpL", "KIMPL", "X:BTCUSD")]
    assert len({name.lower() for name in names}) == 3
    assert names[2].startswith("v2_aggs_ticker_X_BTCUSD_prev.")
    assert len(file_name("/v1/" + "long" * 500)) < 130


async def test_the_newest_answer_to_a_question_counts(tmp_path: Path) -> None:
    vendor = Vendor(answer())
    client = recording(vendor, tmp_path / "new" / "folder")
    await ask(client)
    vendor.answer = answer(b'{"status":"OK","results":[]}')
    assert (await ask(client)).body == vendor.answer.body
    (head,) = read_heads(tmp_path / "new" / "folder")
    assert (head.key, head.status) == (TARGET, 200)
    assert read_recorded(head.path).body == vendor.answer.body


async def test_csv_and_json_of_one_question_are_two_answers(tmp_path: Path) -> None:
    client = recording(Vendor(answer(b"a,b\n1,2\n", content_type="text/csv")), tmp_path)
    bars = "/v2/aggs/ticker/AAPL/range/1/day/2024-01-02/2024-01-31"
    await ask(client, bars, "text/csv")
    await ask(recording(Vendor(answer()), tmp_path), bars)
    assert [head.key for head in read_heads(tmp_path)] == sorted([bars, f"{bars} csv"], key=file_name)


@pytest.mark.parametrize(
    "useless",
    [
        answer(b"gateway timeout", 504, "text/html"),
        answer(b'{"status":"ERROR","error":"maximum requests per minute"}', 429),
        answer(b'{"status":"ERROR","error":"Unknown API Key"}', 401),
        answer(b"<html>maintenance</html>", 200, "text/html"),
        answer(b'{"status":"OK","resul'),
        Fault.TIMEOUT,
    ],
)
async def test_what_may_not_be_used_is_not_recorded(tmp_path: Path, useless: Exchange | Fault) -> None:
    client = recording(Vendor(useless), tmp_path)
    if isinstance(useless, Fault):
        with pytest.raises(ExchangeFailed):
            await ask(client)
    else:
        assert await ask(client) is useless
    assert list(read_heads(tmp_path)) == []


async def test_an_unknown_ticker_is_an_answer_too(tmp_path: Path) -> None:
    await ask(recording(Vendor(answer(b'{"status":"NOT_FOUND","message":"Ticker not found."}', 404)), tmp_path))
    assert [head.status for head in read_heads(tmp_path)] == [404]


async def test_links_lose_their_credentials_and_name_the_vendor(tmp_path: Path) -> None:
    body = b'{"status":"OK","results":[],"next_url":"http://127.0.0.1:4999/v3/x?apiKey=k3y&cursor=abc"}'
    await ask(recording(Vendor(answer(body)), tmp_path))
    (head,) = read_heads(tmp_path)
    kept = read_recorded(head.path).body
    assert b'"next_url":"https://api.polygon.io/v3/x?cursor=abc"' in kept
    assert b"k3y" not in head.path.read_bytes()


async def test_a_file_that_cannot_be_written_is_reported_and_costs_no_answer(tmp_path: Path) -> None:
    seen, folder = Recorder(), tmp_path / "folder"
    client = recording(Vendor(answer()), folder, seen)
    folder.rmdir()
    assert (await ask(client)).body == GOOD
    assert [(event.where, type(event.error)) for event in seen.events if isinstance(event, Faulted)] == [
        ("record", FileNotFoundError)
    ]


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingFaulty) as caught:
        recording(Vendor(answer()), tmp_path / "file" / "folder")
    assert "cannot be made" in caught.value.problem
    with pytest.raises(RecordingFaulty) as caught:
        recording(Vendor(answer()), tmp_path / "file")
    assert "is a file; name a directory" in caught.value.problem


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        FILE.replace(b"status: 200", b"status: x"),
        FILE.replace(b"Z\n", b"?\n"),
        b"=======\n" + FILE,
        b"\xff\xfe" + FILE,
    ],
)
def test_a_file_that_is_no_answer_is_named(content: bytes) -> None:
    with pytest.raises(RecordingFaulty) as caught:
        parse_recorded(Path("changed.txt"), content)
    assert "changed.txt" in caught.value.problem
