"""What an exception of the shared store's client library means.

Imports that library; only `shared_client`, `shared_store` and this module may, and only a process with a shared store
loads them. Reads reply codes, which are protocol, and no sentences.
"""

from __future__ import annotations

from typing import Final

from redis import exceptions

from stock_service.cache.shared_faults import (
    CONNECTION,
    CROWDED,
    FULL,
    OTHER,
    PROTOCOL,
    READ_ONLY,
    REFUSED,
    STARTING,
    TIMEOUT,
    WRONG_TYPE,
    Fault,
)

_CODES: Final = {
    "NOAUTH": REFUSED,
    "WRONGPASS": REFUSED,
    "NOPERM": REFUSED,
    "OOM": FULL,
    "READONLY": READ_ONLY,
    "LOADING": STARTING,
    "MASTERDOWN": STARTING,
    "CLUSTERDOWN": STARTING,
    "TRYAGAIN": STARTING,
    "WRONGTYPE": WRONG_TYPE,
}
# The first that fits: the library's connection errors are a family, and the refused one is among them.
_KINDS: Final = (
    (exceptions.AuthenticationError, REFUSED),
    (exceptions.NoPermissionError, REFUSED),
    (exceptions.OutOfMemoryError, FULL),
    (exceptions.ReadOnlyError, READ_ONLY),
    (exceptions.BusyLoadingError, STARTING),
    (exceptions.ClusterDownError, STARTING),
    (exceptions.TryAgainError, STARTING),
    (exceptions.TimeoutError, TIMEOUT),
    (TimeoutError, TIMEOUT),
    (exceptions.InvalidResponse, PROTOCOL),
    (exceptions.ConnectionError, CONNECTION),
    (OSError, CONNECTION),
    (exceptions.RedisClusterException, CONNECTION),
)


def classify_fault(error: BaseException) -> Fault:
    """Return what `error` means. Errors inside a script come wrapped, their code among the words; hence the search."""
    words = str(error).split()
    if isinstance(error, exceptions.ConnectionError) and words[:3] == ["max", "number", "of"]:
        return CROWDED
    for kind, fault in _KINDS:
        if isinstance(error, kind):
            return fault
    if isinstance(error, exceptions.ResponseError):
        return next((_CODES[word.strip(":'-")] for word in words if word.strip(":'-") in _CODES), OTHER)
    # A reply that is not the protocol at all surfaces as whatever the parser stumbled over.
    return PROTOCOL
