"""The table of targets, and each one's share of a run."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.answers import Answers
from tests.fuzz.bodies import Bodies
from tests.fuzz.canonical import Canonical
from tests.fuzz.credentials import Credentials
from tests.fuzz.framing import Framing
from tests.fuzz.lanes import Lanes
from tests.fuzz.negotiation import Negotiation
from tests.fuzz.target import Target

# Percent of the inputs. The differential costs most per input and the canonicaliser least; each gets about as much
# time as it is worth. Those that take longest come first: they run side by side, and the others fill what is left.
TARGETS: dict[str, tuple[Callable[[], Target], int]] = {
    "lanes": (Lanes, 10),
    "credentials": (Credentials, 10),
    "framing": (Framing, 20),
    "canonical": (Canonical, 25),
    "answers": (Answers, 10),
    "negotiation": (Negotiation, 15),
    "bodies": (Bodies, 10),
}
