"""What can go wrong between us and a store of answers, and what each fault asks for. One table, read by the driver.

The words are metric labels: a closed set, known without loading any store's client.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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
DAMAGE_WORDS: Final = (*(damage.value for damage in Damage), "file")
