"""Vendor faults are met on uvloop, the loop that serves; the client's own suite meets them on asyncio's loop too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

BOTH = {"test_upstream_client.py", "test_upstream_dial.py", "test_upstream_tls.py"}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Say on which event loops a test runs."""
    uv: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    return {**uv, "asyncio": asyncio.new_event_loop} if item.path.name in BOTH else uv
