"""The vendor's client meets its faults on uvloop, the loop that serves, and on asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

_UVLOOP = {"test_upstream_client.py", "test_upstream_dial.py", "test_upstream_tls.py", "test_upstream_call.py"}
_ASYNCIO_TOO = _UVLOOP - {"test_upstream_call.py"}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Say on which event loops a test runs."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {}
    if item.path.name in _UVLOOP:
        loops["uvloop"] = uvloop.new_event_loop
    if item.path.name in _ASYNCIO_TOO or not loops:
        loops["asyncio"] = asyncio.new_event_loop
    return loops
