"""Answers recorded once come back without a vendor, through the vendor's own unmodified client."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import massive
import pytest
from massive.exceptions import BadResponse

from stock_service.base.clock import StoppedWall, SystemClock
from stock_service.base.events import Silent
from stock_service.simulator.server import SimulatorSettings
from stock_service.upstream.recorded import RecordingFaulty
from tests.contract.test_official_clients import calls, plain, pointed
from tests.support.client_calls import NOW, calls_of
from tests.support.running import VENDOR_KEY, Gateway, LoopThread, running_pair, start_gateway, stop_gateway

CLIENT_KEY = "key-of-a-client-that-records"
MINUTES = ("AAPL", 1, "minute", "2024-01-02", "2024-03-28")
NAMES = [call.name for call in calls_of(massive.RESTClient(api_key="none", base="http://127.0.0.1:1"))]


@dataclass(frozen=True, slots=True)
class Session:
    """What a client saw while its answers were recorded, and where the gateway was."""

    folder: Path
    url: str
    objects: Mapping[str, Any]
    minutes: list[Any]
    average: Any


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("recording")
    flags = {"upstream.record_dir": str(folder)}
    simulated = SimulatorSettings(port=0, key=VENDOR_KEY)
    with running_pair(simulated, flags, clock=StoppedWall(SystemClock(), NOW)) as pair:
        url = pair.gateway.url
        seen = {name: plain(call.objects()) for name, call in calls("massive", url, CLIENT_KEY).items()}
        minutes = list(massive.RESTClient(api_key=CLIENT_KEY, base=url).list_aggs(*MINUTES, limit=50_000))
        return Session(folder, url, seen, minutes, get_json(f"{url}/api/stocks/MSFT/average?days=5"))


@contextmanager
def replaying(folder: Path) -> Iterator[Gateway]:
    """A gateway with no vendor, no key and the machine's own time."""
    loop = LoopThread()
    try:
        gateway = loop.run(start_gateway({"upstream.replay_dir": str(folder)}, Silent(), SystemClock()))
        try:
            yield gateway
        finally:
            loop.run(stop_gateway(gateway))
    finally:
        loop.close()


@pytest.fixture(scope="module")
def replay(session: Session) -> Iterator[Gateway]:
    with replaying(session.folder) as gateway:
        yield gateway


def get_json(url: str) -> Any:
    with urlopen(url, timeout=20) as answer:
        return json.load(answer)


def refusal(url: str) -> tuple[int, Any]:
    with pytest.raises(HTTPError) as caught:
        get_json(url)
    return caught.value.code, json.load(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_of_the_client_gives_the_objects_it_gave_before(
    session: Session, replay: Gateway, name: str
) -> None:
    got = plain(calls("massive", replay.url, "another-key")[name].objects())
    assert pointed(got, replay.url, session.url) == session.objects[name]


def test_all_pages_come_back_whatever_their_size(session: Session, replay: Gateway) -> None:
    client = massive.RESTClient(api_key="any", base=replay.url)
    assert len(session.minutes) > 20_000
    for limit in (50_000, 7_000):
        assert list(client.list_aggs(*MINUTES, limit=limit)) == session.minutes


def test_any_range_inside_the_recorded_bars_is_answered_also_as_the_first_question(session: Session) -> None:
    with replaying(session.folder) as fresh:
        client = massive.RESTClient(api_key="any", base=fresh.url)
        part = list(client.list_aggs("AAPL", 1, "minute", "2024-02-06", "2024-02-08", sort="desc", limit=500))
    first, last = part[-1].timestamp, part[0].timestamp
    assert part == [bar for bar in reversed(session.minutes) if first <= bar.timestamp <= last]
    assert len(part) > 1_000


def test_our_own_api_stands_where_the_recording_ended(session: Session, replay: Gateway) -> None:
    again = get_json(f"{replay.url}/api/stocks/MSFT/average?days=5")
    assert {**again, "age": 0} == {**session.average, "age": 0}
    recorded_on = datetime.fromtimestamp(NOW, UTC).date().isoformat()
    assert get_json(f"{replay.url}/api/market")["at"].startswith(recorded_on)


def test_a_question_that_was_not_recorded_says_so_and_how_to_record_it(replay: Gateway) -> None:
    status, body = refusal(f"{replay.url}/v2/aggs/ticker/AAPL/range/1/minute/2024-03-20/2024-04-05?limit=50000")
    assert status == 501
    assert body["status"] == "ERROR"
    assert "bars of AAPL, 1 minute, 2024-03-29 to 2024-04-05" in body["error"], "only what is missing is named"
    assert "serve --record" in body["error"]
    status, body = refusal(f"{replay.url}/v3/reference/tickers/NOBODY")
    assert status == 501
    assert "/v3/reference/tickers/NOBODY" in body["error"]
    status, problem = refusal(f"{replay.url}/api/stocks/NOBODY/average")
    assert (status, problem["type"]) == (501, "urn:stock-service:problem:not-recorded")


@pytest.mark.parametrize("name", ["v2_aggs_ticker_AAPL_range_1_minute_*", "v3_reference_tickers_AAPL.*"])
@pytest.mark.parametrize("changed", ["removed", "overwritten", "cut", "conflicting"])
def test_a_file_that_goes_or_changes_while_it_is_replayed_is_named(
    session: Session, tmp_path: Path, name: str, changed: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(session.folder, folder)
    with replaying(folder) as fresh:
        victims = list(folder.glob(name))
        assert victims
        for victim in victims:
            if changed == "removed":
                victim.unlink()
            elif changed == "overwritten":
                victim.write_text("<<<<<<< HEAD\n")
            else:
                head, _, body = victim.read_text("utf-8").partition("\n\n")
                conflict = f"<<<<<<< HEAD\n{body}=======\n{body}>>>>>>> theirs\n"
                victim.write_text(f"{head}\n\n{body[: len(body) // 2] if changed == 'cut' else conflict}", "utf-8")
        bars = "/v2/aggs/ticker/AAPL/range/1/minute/2024-02-06/2024-02-08?limit=500"
        target = bars if "aggs" in name else "/v3/reference/tickers/AAPL"
        status, body = refusal(f"{fresh.url}{target}")
        assert (status, body["status"]) == (501, "ERROR")
        assert any(str(victim) in body["error"] for victim in victims)
        assert "serve --record" in body["error"]
        assert get_json(f"{fresh.url}/status")["circuit_breaker"]["state"] == "closed"


def test_the_client_fails_at_once_instead_of_trying_again(replay: Gateway) -> None:
    client = massive.RESTClient(api_key="any", base=replay.url)
    with pytest.raises(BadResponse, match="Not in the recording"):
        client.get_ticker_details("NOBODY")


def test_a_replay_counts_no_limits_and_names_itself(replay: Gateway) -> None:
    status = get_json(f"{replay.url}/status")
    assert status["vendor"].startswith("replay of ")
    assert status["circuit_breaker"]["state"] == "closed"
    assert status["quota"]["remaining"] > 900_000


def test_no_key_is_in_a_file_and_every_file_has_a_readable_name(session: Session) -> None:
    files = sorted(session.folder.iterdir())
    assert len(files) > 80
    for file in files:
        content = file.read_bytes()
        assert VENDOR_KEY.encode() not in content
        assert CLIENT_KEY.encode() not in content
        assert b"apikey" not in content.lower()
        assert file.suffix == ".txt"
    assert any(file.name.startswith("v2_aggs_ticker_AAPL_range_1_minute_") for file in files)


def test_two_recordings_of_one_session_have_the_same_names(session: Session, tmp_path: Path) -> None:
    """And links do not depend on where the vendor was: names and links are stable in version control."""
    simulated = SimulatorSettings(port=0, key=VENDOR_KEY)
    with running_pair(simulated, {"upstream.record_dir": str(tmp_path)}, clock=StoppedWall(SystemClock(), NOW)) as pair:
        for call in calls("massive", pair.gateway.url, CLIENT_KEY).values():
            call.objects()
    before = {file.name for file in session.folder.iterdir()}
    assert {file.name for file in tmp_path.iterdir()} <= before
    port = pair.simulator.url.rpartition(":")[2].encode()
    assert not [file for file in tmp_path.iterdir() if b"127.0.0.1:" + port in file.read_bytes()]


def test_a_folder_that_is_no_recording_stops_the_start(session: Session, tmp_path: Path) -> None:
    def problem(folder: Path) -> str:
        with pytest.raises(RecordingFaulty) as caught, replaying(folder):
            pass
        return caught.value.problem

    assert "is no directory" in problem(tmp_path / "absent")
    assert "holds no recorded answers" in problem(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(session.folder, broken)
    victim = next(broken.glob("v2_aggs*"))
    victim.write_bytes(b"<<<<<<< HEAD\n" + victim.read_bytes())
    assert str(victim) in problem(broken)
