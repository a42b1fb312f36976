"""The listening socket: how it is made, and how it ends without resetting a connection somebody has opened.

A client counts as connected before we accept it: its connection waits in the kernel's queue, with a request in it as
often as not, and closing the listener resets whatever waits there. So newcomers are turned away first (their first
packet is dropped; the kernel repeats it after a second and then hears a clean refusal), those that are half connected
get a moment to come through, and whoever waits is accepted before the socket is closed.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

BACKLOG = 2_048
HANDSHAKE_FOR = 0.02  # a few round trips inside a cluster; the connection is then in the queue or was never there

_SO_ATTACH_FILTER = 26  # Linux, asm-generic/socket.h; Python's socket module does not name it
# A classic packet filter over the TCP header: SYN dropped, everything else taken. (code, if true, if false, operand)
_NO_NEWCOMERS = (
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x45, 0, 1, 0x02),  # SYN set?
    (0x06, 0, 0, 0),  # take 0 bytes of it
    (0x06, 0, 0, 0xFFFFFFFF),  # take all
)


def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket, not yet listening; `getsockname()[1]` is its port.

    Raises:
        OSError: the address is taken or not ours.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def turn_newcomers_away(listening: socket.socket) -> None:
    """Let nobody begin to connect from now on. Where the kernel cannot do that, nothing changes."""
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _NO_NEWCOMERS))
    with suppress(OSError):
        listening.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_NO_NEWCOMERS), ctypes.addressof(program))
        )


def accept_waiting(listening: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that wait in the queue of `listening`."""
    with suppress(OSError):  # the last word is that none is left
        while True:
            try:
                waiting, _ = listening.accept()
            except ConnectionAbortedError:
                continue  # that one is gone again; others may wait behind it
            waiting.setblocking(False)
            yield waiting
