"""What can go wrong between us and the shared store, and what each fault asks for. One table, read by the driver.

Imports the client library; only `shared_client` and this module may, and only a process with a shared store loads
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from redis import exceptions

from stock_service.cache.codec import Damage


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by its closed `word`.

    `fails`: counts towards a rest. `rest_for`: seconds of rest at once. `mute_for`: seconds without writing.
    `reconnect`: the connections lead to the wrong server.
    """

    word: str
    fails: bool = True
    rest_for: float = 0.0
    mute_for: float = 0.0
    reconnect: bool = False


TIMEOUT: Final = Fault("timeout")
CONNECTION: Final = Fault("connection")
REFUSED: Final = Fault("refused", rest_for=60.0)  # NOAUTH, WRONGPASS, NOPERM: asking again changes nothing soon
FULL: Final = Fault("oom", fails=False, mute_for=5.0)
READ_ONLY: Final = Fault("readonly", fails=False, mute_for=2.0, reconnect=True)
STARTING: Final = Fault("loading")  # LOADING, MASTERDOWN, CLUSTERDOWN, TRYAGAIN: not this server, not now
CROWDED: Final = Fault("clients")
WRONG_TYPE: Final = Fault("type", fails=False)
PROTOCOL: Final = Fault("protocol")
OTHER: Final = Fault("other")

FAULTS: Final = (TIMEOUT, CONNECTION, REFUSED, FULL, READ_ONLY, STARTING, CROWDED, WRONG_TYPE, PROTOCOL, OTHER)
SHARED_WORDS: Final = ("hit", "miss", "ok", "skipped", "large", "dropped", *(fault.word for fault in FAULTS))
DAMAGE_WORDS: Final = (*(damage.value for damage in Damage), "type")

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
    """Return what `error` of the client library means. Reads reply codes, which are protocol, and no sentences.

    Errors inside a script come wrapped, their code among the words; hence the search.
    """
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
