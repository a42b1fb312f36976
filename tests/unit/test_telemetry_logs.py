"""What is logged, at which level, in which form, and that no credential and no waiting is in it."""

from __future__ import annotations

import inspect
import json
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import fields as fields_of
from datetime import datetime
from typing import Any

import pytest

from stock_service.base import events
from stock_service.base.events import Event
from stock_service.telemetry.log_lines import Form, Level
from stock_service.telemetry.log_writer import LineWriter
from stock_service.telemetry.logs import REPEAT_AFTER, LibraryLogs, Log, LogObserver
from stock_service.telemetry.scrub import Scrubber
from tests.support.clock import ManualClock

VENDOR_KEY = 'vk17"key/Zq81+x'
CLIENT_KEY = "stk_ab12cd34_0123456789abcdef"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Book:
    """A log at hand, with everything written to it."""

    def __init__(self, level: Level = Level.INFO, form: Form = Form.JSON) -> None:
        self.written: list[bytes] = []
        self.clock = ManualClock()
        self.log = Log(self.written.append, self.clock, Scrubber([VENDOR_KEY, ""]), level=level, form=form)
        self.observer = LogObserver(self.log, self.clock)

    def text(self) -> str:
        return b"".join(self.written).decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.written]

    def levels(self) -> list[str]:
        return [line["level"] for line in self.lines()]


def finished(route: str = "bars", status: int = 200, **changes: Any) -> events.RequestFinished:
    given: dict[str, Any] = {
        "method": "GET", "route": route, "status": status, "seconds": 0.01234, "cache": "hit", "client": "ab12cd34",
        "request_id": "r-1", "target": "/v2/aggs", **changes,
    }  # fmt: skip
    return events.RequestFinished(**given)


def error_with(text: str) -> ValueError:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def every_event(text: str) -> list[Event]:
    """Return one of each class of event, `text` in every field that takes text."""
    made: list[Event] = []
    for _, kind in inspect.getmembers(events, inspect.isclass):
        if issubclass(kind, Event) and kind is not Event:
            given: dict[str, Any] = {}
            for field in fields_of(kind):
                plain = {"float": 1.0, "int": 1, "int | None": 1, "BaseException": error_with(text)}
                given[field.name] = plain.get(str(field.type), text)
            made.append(kind(**given))
    return made


def test_a_request_is_one_line_with_everything_one_looks_for() -> None:
    book = Book()
    book.observer.notify(finished(traceparent=f"00-{TRACE}-00f067aa0ba902b7-01"))
    assert book.lines() == [
        {
            "time": "2023-11-14T22:13:20.000Z",
            "level": "INFO",
            "event": "RequestFinished",
            "message": "GET /v2/aggs 200",
            "request_id": "r-1",
            "client": "ab12cd34",
            "method": "GET",
            "route": "bars",
            "status": 200,
            "duration_ms": 12.34,
            "cache": "hit",
            "trace_id": TRACE,
        }
    ]
    assert book.written[0].startswith(b'{"time":"2023-11-14T22:13:20.000Z","level":"INFO",')
    assert book.written[0].endswith(b"}\n")


@pytest.mark.parametrize("header", ["", "00-xyz-1-01", f"00-{TRACE.upper()}-00f067aa0ba902b7-01", TRACE])
def test_a_malformed_traceparent_names_no_trace(header: str) -> None:
    book = Book()
    book.observer.notify(finished(traceparent=header))
    assert "trace_id" not in book.lines()[0]


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (finished("health"), "DEBUG"),
        (finished("ready", 503), "DEBUG"),
        (finished("metrics"), "DEBUG"),
        (finished("bars", 404), "INFO"),
        (finished("bars", 429), "INFO"),
        (finished("bars", 502), "ERROR"),
        (events.Faulted("request", ValueError("x")), "ERROR"),
        (events.BreakerMoved("bars", "closed", "open", 5.0), "ERROR"),
        (events.BreakerMoved("bars", "open", "half_open", 0.0), "INFO"),
        (events.BreakerMoved("bars", "half_open", "closed", 0.0), "INFO"),
        (events.BreakerOverridden("force_open", "ops"), "WARNING"),
        (events.CredentialLatched(60.0), "ERROR"),
        (events.CredentialAccepted(), "INFO"),
        (events.RefreshFailed("bars", "VendorSlow", 1.0), "WARNING"),
        (events.StaleServed("bars", 9.0, "VendorSlow"), "WARNING"),
        (events.VendorCalled("bars", "ok", 200, 0.1), "DEBUG"),
        (events.VendorCalled("bars", "client_fault", 404, 0.1), "DEBUG"),
        (events.VendorCalled("bars", "timeout", None, 2.0), "WARNING"),
        (events.VendorLimited(3.0), "WARNING"),
        (events.SlotRefused("interactive"), "WARNING"),
        (events.LoopStalled(0.6), "WARNING"),
        (events.SharedMoved("away", "timeout"), "WARNING"),
        (events.SharedMoved("up", "beat"), "INFO"),
        (events.SharedDamaged("sum"), "WARNING"),
        (events.BudgetMoved("local"), "WARNING"),
        (events.BudgetMoved("shared"), "INFO"),
        (events.Started("http://127.0.0.1:8080", "vendor", "5 per 61 s"), "INFO"),
        (events.DrainStarted("SIGTERM"), "INFO"),
        (events.DrainFinished(5.0, 0), "INFO"),
        (events.DrainFinished(5.0, 2), "WARNING"),
        (events.Warned("the keys file is open to others"), "WARNING"),
        (events.CacheHit("bars", "team"), "DEBUG"),
        (events.ConnectionRefused("malformed"), "DEBUG"),
    ],
)
def test_an_event_has_its_level(event: Event, level: str) -> None:
    book = Book(Level.DEBUG)
    book.observer.notify(event)
    assert book.levels() == [level]


def test_refreshing_in_the_background_is_not_worth_a_line() -> None:
    book = Book(Level.DEBUG)
    book.observer.notify(events.StaleServed("bars", 9.0, "refreshing"))
    assert book.written == []


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (Level.DEBUG, ["DEBUG", "INFO", "WARNING", "ERROR"]),
        (Level.INFO, ["INFO", "WARNING", "ERROR"]),
        (Level.WARNING, ["WARNING", "ERROR"]),
        (Level.ERROR, ["ERROR"]),
    ],
)
def test_lines_below_the_chosen_level_are_not_written(level: Level, expected: list[str]) -> None:
    book = Book(level)
    for event in (finished("health"), finished(), events.Warned("x"), finished(status=500)):
        book.observer.notify(event)
    assert book.levels() == expected


@pytest.mark.parametrize("form", list(Form))
def test_every_event_has_a_line_or_none_and_never_a_credential(form: Form) -> None:
    planted = f'{VENDOR_KEY} Bearer {CLIENT_KEY} ?apiKey=planted77&x=1 {CLIENT_KEY} {{"api_key": "planted77"}}'
    book = Book(Level.DEBUG, form)
    made = every_event(planted)
    assert len(made) >= 24
    for event in made:
        book.observer.notify(event)
    assert len(book.written) >= len(made) - 2
    text = book.text()
    assert [word for word in ("vk17", "Zq81", "0123456789abcdef", "planted77") if word in text] == []
    assert "***" in text
    if form is Form.JSON:
        assert len(book.lines()) == len(book.written)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
        ("authorization=bearer%20abc", "authorization=bearer%20***"),
        ("GET /v2/x?apiKey=abc&limit=5", "GET /v2/x?apiKey=***&limit=5"),
        ("/v2/x?apikey%3Dabc", "/v2/x?apikey%3D***"),
        ('{"apiKey":"abc","a":1}', '{"apiKey":"***","a":1}'),
        (r"{\"api_key\": \"abc\"}", r"{\"api_key\": \"***\"}"),
        (CLIENT_KEY, "stk_ab12cd34_***"),
        (f"'{CLIENT_KEY}'", "'stk_ab12cd34_***'"),
        ("vk17%22key%2FZq81%2Bx", "***"),
        (json.dumps(VENDOR_KEY), '"***"'),
        ("AAPL 2024-01-02 apis and keys", "AAPL 2024-01-02 apis and keys"),
    ],
)
def test_a_credential_is_taken_out_in_every_spelling_and_the_rest_stays(text: str, left: str) -> None:
    assert Scrubber([VENDOR_KEY]).scrub(text) == left


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("secret", ["plain-secret-99", "of-ERROR-secret"])
@pytest.mark.parametrize("before", [0, 1_990, 1_999, 15_970, 15_990])
def test_no_part_of_a_secret_is_left_by_cutting_or_respelling_a_line(secret: str, before: int, form: Form) -> None:
    """Wherever it stands in a message, a field or a traceback, from its beginning or from its end."""
    written: list[bytes] = []
    log = Log(written.append, ManualClock(), Scrubber([secret]), Level.INFO, form)
    text = "z" * before + secret
    log.write(Level.INFO, "x", text, {"field": text}, error_with(text))
    log.write(Level.INFO, "x", text, {"field": text}, error_with(secret + "z" * before))
    log.write(Level.INFO, "x", text, {"field": text})
    left = b"".join(written).decode().replace("\\u0045", "E")
    assert [part for at in range(len(secret) - 4) if (part := secret[at : at + 5]) in left] == []
    assert max(map(len, written)) < 25_000


def test_a_secret_too_short_to_be_one_does_not_garble_the_log() -> None:
    assert Scrubber(["a", ""]).scrub("a banana") == "a banana"


def test_the_word_grep_looks_for_is_in_error_lines_and_only_there() -> None:
    book = Book(Level.DEBUG)
    book.observer.notify(finished(target="/v2/ERROR/\\ERROR"))
    book.observer.notify(events.Warned("the body said ERROR"))
    book.log.write(Level.INFO, "x", "message", {"status": "ERROR", "ERROR": 1})
    assert "ERROR" not in book.text()
    assert book.lines()[0]["message"] == "GET /v2/ERROR/\\ERROR 200"
    assert book.lines()[2]["ERROR"] == 1
    book.observer.notify(finished(status=500))
    assert [b"ERROR" in line for line in book.written] == [False, False, False, True]
    assert b'"level":"ERROR"' in book.written[3]


def test_a_traceback_stays_inside_its_line() -> None:
    book = Book()
    book.observer.notify(events.Faulted("request", error_with("two\nlines")))
    assert book.text().count("\n") == 1
    line = book.lines()[0]
    assert (line["message"], line["where"]) == ("unexpected ValueError in request", "request")
    assert line["traceback"].startswith("Traceback (most recent call last):\n")
    assert line["traceback"].endswith("ValueError: two\nlines\n")


def test_odd_and_long_text_makes_a_bounded_line_of_valid_json() -> None:
    book = Book()
    book.log.write(Level.INFO, "x", "\udcff\x00\x1b[31m" + "y" * 100_000, {"a": "\ud800"})
    assert len(book.written[0]) < 3_000
    assert book.lines()[0]["a"] == "?"


UNSEEN = "\x1b[2J\x7f\x80\x85\x9b31m\xad\u202e\u2028\ufeff\U000e0001"  # C0, DEL, C1, and what reorders or hides a text


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("ending", ["", " naïve 😀"])
def test_no_line_holds_a_character_that_could_command_a_terminal(form: Form, ending: str) -> None:
    """In the message, in a field, or in the traceback; what is read as JSON is still what was said."""
    text = f"{UNSEEN}{ending}"
    book = Book(form=form)
    book.log.write(Level.INFO, "x", text, {"a": text})
    book.observer.notify(events.Faulted("request", error_with(text)))
    book.log.write(Level.INFO, "x", text * 500)
    lines = book.text().rstrip("\n").split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    assert all(line.endswith(ending) for line in lines if line.startswith("ValueError"))
    if form is Form.JSON:
        told = book.lines()
        assert (told[0]["message"], told[0]["a"]) == (text, text)
        assert told[1]["traceback"].endswith(f"ValueError: {text}\n")


def test_the_console_shows_columns_and_lets_nobody_command_the_terminal() -> None:
    book = Book(form=Form.CONSOLE)
    book.observer.notify(finished(target="/v2/\x1b[31mred\n"))
    book.observer.notify(events.Faulted("request", error_with("bad")))
    text = book.text()
    assert text.startswith("22:13:20.000 INFO    GET /v2/?[31mred? 200 request_id=r-1 client=ab12cd34 ")
    assert "ERROR   unexpected ValueError in request where=request\nTraceback" in text


def test_a_flood_of_one_kind_is_one_line_that_later_says_how_many_were_left_out() -> None:
    book = Book()
    for _ in range(1_000):
        book.observer.notify(events.RefreshFailed("bars", "VendorSlow", 1.0))
    book.observer.notify(events.RefreshFailed("quotes", "VendorSlow", 1.0))
    assert len(book.written) == 2
    book.clock.shift(REPEAT_AFTER)
    book.observer.notify(events.RefreshFailed("bars", "VendorSlow", 1.0))
    assert [line.get("left_out") for line in book.lines()] == [None, None, 999]


@pytest.fixture
def routed() -> Iterator[Book]:
    book = Book()
    before = (logging.root.handlers[:], logging.root.level)
    server = logging.getLogger("uvicorn.error")
    silenced = server.level  # by tests of the wire, when they ran before in this process
    server.setLevel(logging.NOTSET)
    handler = LibraryLogs(book.log)
    handler.install()
    yield book
    handler.remove()
    server.setLevel(silenced)
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)


def test_libraries_write_into_the_same_log_from_warning_on(routed: Book) -> None:
    library = logging.getLogger("uvicorn.error")
    library.info("chatter")
    library.warning("%s retries", 3)
    try:
        raise KeyError("x")
    except KeyError:
        library.exception("failed with Bearer %s", CLIENT_KEY)
    library.critical("worse")
    seen = [(line["level"], line["message"]) for line in routed.lines()]
    assert seen == [
        ("WARNING", "3 retries"),
        ("ERROR", "failed with Bearer ***"),
        ("ERROR", "worse"),
    ]
    assert "KeyError" in routed.lines()[1]["traceback"]
    assert routed.lines()[0]["logger"] == "uvicorn.error"


def test_a_library_that_miscounts_its_arguments_is_logged_all_the_same() -> None:
    book = Book()
    LibraryLogs(book.log).emit(logging.LogRecord("x", logging.ERROR, "f", 1, "%s and %s", (1,), None))
    assert [(line["level"], line["message"]) for line in book.lines()] == [("ERROR", "%s and %s")]


def test_a_warning_of_python_is_a_line_too(routed: Book) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert routed.levels() == ["WARNING"]


def test_a_logger_that_brought_its_own_handler_loses_it() -> None:
    stray = logging.getLogger("stray")
    stray.addHandler(logging.StreamHandler())
    stray.propagate = False
    book, before = Book(), logging.root.handlers[:]
    handler = LibraryLogs(book.log)
    handler.install()
    stray.error("once")
    handler.remove()
    logging.root.handlers[:] = before
    assert [line["message"] for line in book.lines()] == ["once"]


def read_all(end: int) -> bytes:
    parts = []
    while part := os.read(end, 65_536):
        parts.append(part)
    return b"".join(parts)


def test_lines_arrive_whole_and_in_order() -> None:
    reading, writing = os.pipe()
    writer = LineWriter(writing)
    expected = [b"%d\n" % number for number in range(2_000)]
    for line in expected:
        writer.put(line)
    writer.close(5.0)
    os.close(writing)
    assert read_all(reading).splitlines(keepends=True) == expected
    os.close(reading)
    assert writer.dropped == 0


def test_when_nobody_reads_lines_are_dropped_and_counted_and_nobody_waits() -> None:
    reading, writing = os.pipe()
    writer = LineWriter(writing, lines_max=50)
    line = b"x" * 1_000 + b"\n"
    for _ in range(5_000):
        writer.put(line)
    assert writer.dropped > 4_000
    writer.close(0.01)  # the thread is stuck in its write: closing gives up
    os.set_blocking(reading, False)
    received = 0
    while received < 5_000 - writer.dropped:
        try:
            received += os.read(reading, 1_000_000).count(b"\n")
        except BlockingIOError:
            continue
    assert received == 5_000 - writer.dropped
    writer.close(5.0)
    os.close(writing)
    os.close(reading)


def test_a_non_blocking_output_loses_nothing() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    writer = LineWriter(writing)
    for _ in range(300):
        writer.put(b"y" * 1_000 + b"\n")
    received = 0
    while received < 300:
        received += os.read(reading, 1_000_000).count(b"\n")
    writer.close(5.0)
    os.close(writing)
    os.close(reading)
    assert (received, writer.dropped) == (300, 0)


def test_an_output_that_is_gone_is_counted_and_harmless() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = LineWriter(writing)
    for _ in range(10):
        writer.put(b"x\n")
    writer.close(5.0)
    os.close(writing)
    assert writer.dropped == 10


def test_a_local_time_is_never_shown() -> None:
    book = Book()
    book.observer.notify(finished())
    assert datetime.fromisoformat(book.lines()[0]["time"]).timestamp() == book.clock.wall()
