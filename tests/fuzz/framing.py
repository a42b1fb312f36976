"""Target: the protocol class alone, before an application that costs nothing, so that most inputs can be tried here.

Nothing of the gateway runs; a fixed set of request lines is known to the fast lane. Held to be true: as in the
differential, save the comparison, and no more answers come than bytes could have asked for.
"""

from __future__ import annotations

from tests.fuzz.conversation import check_order, converse, read_plan
from tests.fuzz.lanes import Lanes, conversation_seeds
from tests.fuzz.service import Service, answer_plainly
from tests.fuzz.turns import make_loop
from tests.support.wire import parse_answers


class Framing:
    """Messages of one connection."""

    words = Lanes.words

    def __init__(self) -> None:
        self._service = Service(make_loop(), taught=True).ready()
        self._service.app = answer_plainly
        self.seeds = conversation_seeds(self._service)

    def check(self, data: bytes) -> None:
        plan, segments = read_plan(data)
        heard, ended = converse(self._service, plan, segments)
        raw = b"".join(segments)
        if b"HEAD" not in raw:
            answers = parse_answers(heard)
            assert len(answers) <= raw.count(b"HTTP/") + 1, f"{len(answers)} answers"
            check_order([each for each in (answer.header("x-request-id") for answer in answers) if each], raw)
            assert ended or all(answer.header("connection") != "close" for answer in answers)
