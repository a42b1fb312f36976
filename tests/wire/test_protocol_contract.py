"""The private parts of uvicorn we stand on: an update that moves one of them fails here, not in production."""

from __future__ import annotations

import asyncio
import inspect
import re
from importlib.metadata import version as version_of
from typing import Any

import httptools
import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

from tests.support.wire import SLOW, FakeTransport, Wire, get


def test_the_versions_are_those_we_know() -> None:
    """uvicorn changed just this code between minor versions; httptools before 0.8 wraps long targets around."""
    assert version_of("uvicorn").startswith("0.54.")
    assert tuple(map(int, version_of("httptools").split(".")[:2])) == (0, 9)


@pytest.mark.parametrize(
    "name",
    [
        "connection_made",
        "connection_lost",
        "data_received",
        "on_message_begin",
        "on_url",
        "on_header",
        "on_headers_complete",
        "on_body",
        "on_message_complete",
        "on_response_complete",
        "pause_writing",
        "resume_writing",
        "shutdown",
    ],
)
def test_the_methods_we_override_or_call_exist(name: str) -> None:
    """With the parameters we give."""
    theirs = inspect.signature(getattr(HttpToolsProtocol, name))
    ours = inspect.signature(getattr(Wire().protocol_class, name))
    assert list(theirs.parameters) == list(ours.parameters)


async def test_the_attributes_we_use_exist() -> None:
    """Of a connection with a request under way."""
    wire = Wire()
    connection = await wire.connect().send(get(SLOW))
    protocol = connection.protocol
    for name in ("parser", "cycle", "flow", "transport", "url", "headers", "scope", "server_state", "tasks"):
        assert getattr(protocol, name) is not None
    for name in ("connections", "loop", "server", "client", "scheme", "pipeline", "expect_100_continue"):
        assert hasattr(protocol, name)
    cycle = protocol.cycle
    assert isinstance(cycle, RequestResponseCycle)
    assert list(inspect.signature(RequestResponseCycle).parameters) == [
        "scope",
        "transport",
        "flow",
        "logger",
        "access_logger",
        "access_log",
        "default_headers",
        "message_event",
        "expect_100_continue",
        "keep_alive",
        "on_response",
    ]
    assert (cycle.response_complete, cycle.response_started, cycle.disconnected) == (False, False, False)
    assert cycle.keep_alive is True
    assert isinstance(cycle.message_event, asyncio.Event)
    assert isinstance(protocol.flow, FlowControl)
    assert (protocol.flow.write_paused, protocol.flow.read_paused) == (False, False)
    assert len(protocol.tasks) == 1
    assert not protocol.pipeline
    wire.vendor.release()
    await connection.send()
    assert cycle.response_complete
    assert protocol.server_state.total_requests == 1


def test_a_cycle_uses_no_more_of_its_transport_than_the_last_answer_offers() -> None:
    """We stand between the two when the connection ends after an answer."""
    used = set(re.findall(r"self\.transport\.(\w+)", inspect.getsource(RequestResponseCycle)))
    assert used == {"write", "close", "is_closing"}


@pytest.mark.parametrize("target", ["/v2/aggs/ticker/X%3AY/prev?a=%20b&c", "http://elsewhere:81/x?y", "/"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_the_scope_is_the_one_uvicorn_makes(target: str, version: str) -> None:
    """Ours is made before it is known whether the body is wanted, so it is made here."""
    wire, seen = Wire(), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    wire.config.loaded_app = app
    request = f"GET {target} HTTP/{version}\r\nHost: elsewhere:81\r\nX-Y: z\r\n\r\n".encode()
    for kind in (wire.protocol_class, HttpToolsProtocol):
        protocol = kind(wire.config, wire.server_state, {"kept": 1})
        protocol.connection_made(FakeTransport(protocol))  # type: ignore[arg-type]
        protocol.data_received(request)
    await asyncio.sleep(0)
    assert seen[0] == seen[1]
    assert len(seen) == 2


def test_the_parser_is_strict() -> None:
    """One leniency is switched on by uvicorn, for data after the last message; no other may be."""
    source = inspect.getsource(HttpToolsProtocol.__init__)
    assert source.count("set_dangerous_leniencies(") == 1
    assert "set_dangerous_leniencies(lenient_data_after_close=True)" in source


def test_the_parser_gives_its_verdict_while_a_message_completes() -> None:
    """We ask for method, version and keep-alive in `on_message_complete`."""
    told: list[tuple[bytes, str, bool]] = []

    class Listener:
        parser: httptools.HttpRequestParser

        def on_message_complete(self) -> None:
            told.append((self.parser.get_method(), self.parser.get_http_version(), self.parser.should_keep_alive()))

    for line in ("Connection: close", "X: y"):
        listener = Listener()
        listener.parser = httptools.HttpRequestParser(listener)
        listener.parser.feed_data(f"HEAD /x HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n".encode())
    assert told == [(b"HEAD", "1.1", False), (b"HEAD", "1.1", True)]


def test_the_server_offers_what_ours_replaces() -> None:
    """Signals, start and shutdown."""
    for name in ("startup", "shutdown", "handle_exit", "_wait_tasks_to_complete", "serve"):
        assert callable(getattr(Server, name))
    assert ServerState().connections == set()
