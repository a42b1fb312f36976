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
_PORTS = {"http": 80, "https": 443}


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
        self._port = parts.port or _PORTS[parts.scheme]
        self._secure = parts.scheme == "https"
        self._connect_for = connect_for
        self._names_for = names_for
        self._limits = limits
        self._clock = clock
        self._trust = trust
        self._addresses: Sequence[aiohappyeyeballs.AddrInfoType] = ()
        self._addresses_until = 0.0

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
        except (OSError, UnicodeError):
            fault = Fault.UNREACHABLE
        self._addresses = ()  # the vendor may have moved
        raise ExchangeFailed(fault)

    async def _connect(self) -> VendorConnection:
        loop = asyncio.get_running_loop()
        connected = await aiohappyeyeballs.start_connection(
            await self._find_addresses(), happy_eyeballs_delay=_NEXT_ADDRESS_AFTER, interleave=1, loop=loop
        )
        try:
            _, connection = await loop.create_connection(
                lambda: VendorConnection(self._limits, self._clock),
                sock=connected,
                ssl=self._certificates() if self._secure else None,
                server_hostname=self._host if self._secure else None,
            )
        except BaseException:
            connected.close()
            raise
        return connection

    async def _find_addresses(self) -> Sequence[aiohappyeyeballs.AddrInfoType]:
        now = self._clock.monotonic()
        if not self._addresses or now >= self._addresses_until:
            loop = asyncio.get_running_loop()
            self._addresses = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            self._addresses_until = now + self._names_for
        return self._addresses

    def _certificates(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = ssl.create_default_context()
            self._trust.set_alpn_protocols(["http/1.1"])
        return self._trust
