"""Connects to the vendor: name, TCP and TLS within one limit.

Addresses of both families are tried side by side (RFC 8305), so that a family that leads nowhere costs a quarter of a
second and not the limit. Always holds: no proxy, whatever the environment says; a certificate that does not fit the
name is a fault of its own; nothing the library raises leaves this file.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

import aiohappyeyeballs

from stock_service.base.clock import Clock
from stock_service.upstream.connection import ConnectionLimits, VendorConnection
from stock_service.upstream.outcome import ExchangeFailed, Fault

_NEXT_ADDRESS_AFTER = 0.25  # seconds; RFC 8305, 5
DEFAULT_PORTS = {"http": 80, "https": 443}

_Addresses = Sequence[aiohappyeyeballs.AddrInfoType]


class Dialer:
    """Connects to one origin.

    Args:
        url: the origin, `https://host[:port]`.
        connect_for, names_for: seconds a connection may take, and a name's addresses are believed.
        trust: certificates to believe instead of the system's.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_for: float,
        names_for: float,
        limits: ConnectionLimits,
        clock: Clock,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._connect_for = connect_for
        self._names_for = names_for
        self._limits = limits
        self._clock = clock
        self._trust = (trust or _system_trust()) if parts.scheme == "https" else None
        self._addresses: _Addresses = ()
        self._addresses_until = 0.0
        self._lookup: asyncio.Task[_Addresses] | None = None

    async def connect(self, deadline: float) -> VendorConnection:
        """Return a new connection.

        Raises:
            ExchangeFailed: there is none within `connect_for` seconds, or before `deadline` (monotonic).
        """
        left = deadline - self._clock.monotonic()
        try:
            async with asyncio.timeout(min(self._connect_for, left)):
                return await self._connect()
        except TimeoutError:
            fault = Fault.CONNECT_TIMEOUT if self._connect_for <= left else Fault.TIMEOUT
        except ssl.SSLError:
            fault = Fault.CERTIFICATE
        except (OSError, RuntimeError, ValueError):  # the latter two: of uvloop; no address, or a name that cannot be
            fault = Fault.UNREACHABLE
        self._addresses = ()  # the vendor may have moved
        raise ExchangeFailed(fault)

    async def _connect(self) -> VendorConnection:
        loop = asyncio.get_running_loop()
        connected = await aiohappyeyeballs.start_connection(
            await self._find_addresses(), happy_eyeballs_delay=_NEXT_ADDRESS_AFTER, interleave=1, loop=loop
        )
        connection = VendorConnection(self._limits, self._clock)
        try:
            await loop.create_connection(
                lambda: connection,
                sock=connected,
                ssl=self._trust,
                server_hostname=self._host.rstrip(".") if self._trust else None,
            )
        except BaseException:
            connection.close()  # before its socket: a TLS transport that lost it would go on reading the number
            connected.close()
            raise
        return connection

    async def _find_addresses(self) -> _Addresses:
        if self._addresses and self._clock.monotonic() < self._addresses_until:
            return self._addresses
        # One question at a time, whoever waits or leaves: the loop has few threads for them, and a name server that
        # is silent keeps each for ten seconds.
        if self._lookup is None:
            self._lookup = asyncio.get_running_loop().create_task(self._look_up())
        return await asyncio.shield(self._lookup)

    async def _look_up(self) -> _Addresses:
        try:
            loop = asyncio.get_running_loop()
            self._addresses = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            self._addresses_until = self._clock.monotonic() + self._names_for
            return self._addresses
        finally:
            self._lookup = None


def _system_trust() -> ssl.SSLContext:
    """Read the system's certificates: 20 ms in which nothing else runs, so not in the middle of serving."""
    trust = ssl.create_default_context()
    trust.set_alpn_protocols(["http/1.1"])
    return trust
