"""`status`, `quote` and `bars` against a server that answers what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stock_service.cli.main import main

QUOTE = {
    "symbol": "AAPL", "price": 1234.5, "change": -1.25, "change_percent": -0.1, "open": None, "high": 1240.0,
    "low": None, "volume": 5.0, "previous_close": 1235.75, "session": "regular", "as_of": "", "age_seconds": 3,
    "stale": False, "source": "snapshot",
}  # fmt: skip
BAR = {"time": "2024-01-02T05:00:00Z", "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 1e6, "vwap": None}
SPAN = ("--from", "2024-01-02", "--to", "2024-01-03")


@dataclass
class Service:
    """What the server answers, and what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b'{"version": "1.0", "readiness": "ready"}'
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def says(self, content: object, status: int = 200) -> None:
        self.body, self.status = json.dumps(content).encode(), status


@pytest.fixture
def service() -> Iterator[Service]:
    state = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers.get("Authorization", "")))
            self.send_response(state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def run(*words: str, **env: str) -> Result:
    return CliRunner().invoke(main, words, env=env)


def test_quotes_are_a_table(service: Service) -> None:
    service.says({"quotes": [QUOTE], "missing": []})
    shown = run("quote", "AAPL", "MSFT,IBM", "--url", service.url)
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[1].split() == [
        "AAPL",
        "1,234.50",
        "-1.25",
        "-0.10",
        "-",
        "1,240.00",
        "regular",
        "3s",
    ]
    assert service.asked == [("/api/stocks?symbols=AAPL%2CMSFT%2CIBM", "")]


def test_an_unknown_symbol_is_told_and_the_code_is_1(service: Service) -> None:
    service.says({"quotes": [], "missing": ["NOPE"]})
    shown = run("quote", "NOPE", "--url", service.url)
    assert (shown.exit_code, shown.stdout, shown.stderr) == (1, "", "unknown to the vendor: NOPE\n")


@pytest.mark.parametrize("command", [("quote", "AAPL", "--url"), ("status",)])
def test_json_is_passed_on_for_machines(command: tuple[str, ...], service: Service) -> None:
    content = {"quotes": [QUOTE], "missing": [], "version": "1.0", "readiness": "ready"}
    service.says(content)
    assert json.loads(run(*command, service.url, "--json").stdout) == content


def test_the_key_travels_in_its_header_and_address_and_key_may_come_from_the_environment(service: Service) -> None:
    service.says({"quotes": [], "missing": []})
    shown = run("quote", "AAPL", STOCKS_CLIENT_URL=f"{service.url}/", STOCKS_CLIENT_KEY="k3y")
    assert service.asked == [("/api/stocks?symbols=AAPL", "Bearer k3y")]
    assert "k3y" not in shown.output


@pytest.mark.parametrize("words", [(), ("AAPL", "--everything")])
def test_a_purge_of_nothing_or_of_both_is_a_wrong_call(words: tuple[str, ...], service: Service) -> None:
    shown = run("purge", *words, "--url", service.url)
    assert (shown.exit_code, service.asked) == (2, [])
    assert "name one TICKER, or say --everything" in shown.stderr


def test_status_is_one_line_for_each_fact(service: Service) -> None:
    service.says(
        {
            "version": "1.0",
            "readiness": "ready",
            "vendor": {"open": False, "url": "u"},
            "routes": ["a", "b"],
            "pods": [{"n": 1}],
            "none": {},
            "x": None,
            "l": [],
        }
    )
    shown = run("status", service.url)
    assert [line.split(maxsplit=1) for line in shown.stdout.splitlines()[1:]] == [
        ["version", "1.0"], ["readiness", "ready"],
        ["vendor.open", "no"], ["vendor.url", "u"], ["routes", "a, b"], ["pods.0.n", "1"], ["none", "none"],
        ["x", "-"], ["l", "none"],
    ]  # fmt: skip


def test_a_span_without_bars_is_told_instead_of_an_empty_table(service: Service) -> None:
    service.says({"bars": []})
    shown = run("bars", "AAPL", *SPAN, "--url", service.url)
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", "no bars of AAPL from 2024-01-02 to 2024-01-03\n")


def test_bars_are_a_table(service: Service) -> None:
    service.says({"bars": [BAR]})
    shown = run("bars", "AAPL", *SPAN, "--every", "1h", "--unadjusted", "--url", service.url)
    assert shown.stdout.splitlines()[1].split() == ["2024-01-02T05:00:00Z", "1.00", "2.00", "0.50", "1.50", "1,000,000"]
    assert service.asked[0][0] == "/api/stocks/AAPL/bars?from=2024-01-02&to=2024-01-03&every=1h&adjusted=false"


@pytest.mark.parametrize("form", ["json", "csv", "arrow", "parquet"])
def test_bars_for_files_keep_every_byte(form: str, service: Service, tmp_path: Path) -> None:
    service.body = b"\x00\xff\r\n"
    assert run("bars", "AAPL", *SPAN, "--format", form, "--url", service.url).stdout_bytes == service.body
    file = tmp_path / "bars"
    run("bars", "AAPL", *SPAN, "--format", form, "--output", str(file), "--url", service.url)
    assert file.read_bytes() == service.body
    assert service.asked[1][0].endswith(f"format={form}")


@pytest.mark.parametrize(
    "words",
    [
        ("bars", "AAPL", "--from", "yesterday", "--to", "2024-01-01"),
        ("bars", "AAPL", *SPAN, "--output", "x.txt"),
        ("bars", "AAPL", *SPAN, "--format", "xml"),
        ("quote", "AAPL", "--url", "127.0.0.1:8080"),
        ("quote", "AAPL", "--url", "ftp://127.0.0.1"),
        ("quote", "AAPL", "--url", "http://127.0.0.1:99999"),
    ],
)
def test_a_wrong_call_asks_nobody_and_ends_with_2(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_binary_forms_are_refused_on_a_terminal(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stock_service.cli.bars.is_terminal", lambda: True)
    shown = run("bars", "AAPL", *SPAN, "--format", "arrow", "--url", service.url)
    assert (shown.exit_code, service.asked) == (2, [])
    assert "--output" in shown.stderr


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            401,
            b'{"status": "NOT_AUTHORIZED", "error": "Unknown API Key"}',
            "401: Unknown API Key (here: --key, or STOCKS_CLIENT_KEY)",
        ),
        (429, b'{"detail": "Your limit is used up."}', "429: Your limit is used up."),
        (500, b"<html>", "500: <html>"),
        (503, b"", "503: no explanation"),
        (400, b"[1]", "400: no explanation"),
        (400, b"{}", "400: no explanation"),
    ],
)
def test_a_refusal_is_told_in_the_services_words(status: int, body: bytes, told: str, service: Service) -> None:
    service.status, service.body = status, body
    shown = run("quote", "AAPL", "--url", service.url)
    assert shown.exit_code == 1
    assert shown.stderr == f"{service.url} answered {told}\n"


def test_a_redirect_is_not_followed_with_the_key(service: Service) -> None:
    service.status, service.headers = 302, {"Location": f"{service.url}/elsewhere"}
    assert run("quote", "AAPL", "--url", service.url, "--key", "k3y").exit_code == 1
    assert len(service.asked) == 1


@pytest.mark.parametrize("body", [b"hello", b"[]", b"7", b'{"other": "service"}'])
@pytest.mark.parametrize("words", [("status",), ("quote", "AAPL"), ("bars", "AAPL", *SPAN)])
def test_an_answer_of_something_else_is_told(body: bytes, words: tuple[str, ...], service: Service) -> None:
    service.body = body
    shown = run(*words, "--url", service.url)
    assert shown.exit_code == 1
    assert "is it a Stock Service?" in shown.stderr


def test_nobody_at_the_address_is_told_and_the_code_is_3() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        free = f"http://127.0.0.1:{server.server_port}"
    shown = run("status", free)
    assert shown.exit_code == 3
    assert free in shown.stderr
    assert "stock-service demo" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


def test_this_machine_is_asked_without_a_proxy(service: Service) -> None:
    assert run("status", service.url, http_proxy="http://127.0.0.1:1", no_proxy="").exit_code == 0
    assert run("status", "http://gateway.example", http_proxy="http://127.0.0.1:1", no_proxy="").exit_code == 3


TAKE_A_KEY = [
    ["status"], ["quote", "AAPL"], ["bars", "AAPL", *SPAN], ["quality", "AAPL", *SPAN], ["purge", "AAPL"],
    ["keys", "list"], ["keys", "usage"], ["doctor"], ["smoke"], ["watch", "--for", "1s"],
]  # fmt: skip


@pytest.mark.parametrize("command", TAKE_A_KEY, ids=lambda command: " ".join(command[:2]))
@pytest.mark.parametrize("key", ["stk_secret\nx", "stk_secret\x7f", "stk_secretкл"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(command: list[str], key: str) -> None:
    """The library's own error would quote the whole header, into the log of whatever runs the command."""
    shown = CliRunner().invoke(main, command, env={"STOCKS_CLIENT_KEY": key, "STOCKS_CLIENT_URL": "http://127.0.0.1:1"})
    assert shown.exit_code == 2
    assert "a character that no key has" in shown.output
    assert "secret" not in shown.output


def test_a_key_out_of_a_file_is_sent_without_its_line_end(service: Service) -> None:
    CliRunner().invoke(main, ["status", "--url", service.url], env={"STOCKS_CLIENT_KEY": "stk_one\r\n"})
    assert service.asked == [("/status", "Bearer stk_one")]


@pytest.mark.parametrize(
    ("command", "asked"),
    [(["quote", "A\udcff"], "/api/stocks?symbols=A%FF"), (["bars", "A\udcff", *SPAN], "/api/stocks/A%FF/bars?")],
)
def test_bytes_that_are_no_text_are_the_services_to_refuse(service: Service, command: list[str], asked: str) -> None:
    shown = CliRunner().invoke(main, [*command, "--url", service.url])
    assert shown.exit_code == 1
    assert service.asked[0][0].startswith(asked)
