"""Which lines of the runbook a machine may run on a quiet day: those that only look. What the others need is said.

Pure, but for `check_lines`, which runs them. A line is run as a list of words up to its pipe or redirection: whether it
may read what it wants to read is the question, and no shell is needed for that.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stock_service.operate.checks import Check, Finding
from stock_service.operate.cluster import ClusterRefused
from stock_service.operate.runbook_page import Section

_LOOKS = {
    "kubectl": (("get",), ("describe",), ("logs",), ("top",), ("rollout", "history")),
    "helm": (("get",), ("history",), ("status",)),
    "curl": (("-I",),),
}
_ELSEWHERE = ("configmap", "--all-namespaces", "POD")  # the other cluster's; everybody's; only a person knows which
_CONTEXT = {"kubectl": "--context", "helm": "--kube-context"}


@dataclass(frozen=True, slots=True)
class Run:
    """A line that may be run, as words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """A line that is not run, and why. Its `program` has to be there all the same."""

    program: str
    reason: str


def judge_line(line: str, context: str) -> Run | Left:
    """Return what to do with a line; `context` is kubectl's, empty for the current one."""
    try:
        words = shlex.split(line.partition("|")[0].partition(">")[0])
    except ValueError:  # a quote that a pipe stands in
        return Left(line.split(maxsplit=1)[0], "not run: more than a machine should read into it")
    program, arguments = words[0], words[1:]
    if not any(tuple(arguments[: len(verb)]) == verb for verb in _LOOKS.get(program, ())):
        return Left(program, "not run: it changes something, or needs a place of yours")
    if any(word in arguments for word in _ELSEWHERE):
        return Left(program, "not run: it looks elsewhere, or at one thing only you can name")
    arguments = [word for word in arguments if word != "-w"]  # watching never ends
    chosen = [_CONTEXT[program], context] if context and program in _CONTEXT else []
    return Run((program, *chosen, *arguments))


def check_lines(sections: Mapping[str, Section], context: str, run: Callable[[tuple[str, ...]], str]) -> list[Check]:
    """Return what became of each line, by its words. `run` returns what was printed or raises ClusterRefused."""
    lines = {line: section.anchor for section in sections.values() for line in section.commands}
    return [_checked(line, anchor, context, run) for line, anchor in lines.items()]


def _checked(line: str, anchor: str, context: str, run: Callable[[tuple[str, ...]], str]) -> Check:
    verdict = judge_line(line, context)
    if isinstance(verdict, Left):
        if shutil.which(verdict.program) is None:
            return Check(line, Finding.BAD, f"{verdict.program} is not installed", anchor)
        return Check(line, Finding.UNKNOWN, verdict.reason, anchor)
    try:
        said = run(verdict.words)
    except ClusterRefused as error:
        return Check(line, Finding.BAD, " ".join(error.told.split()), anchor)
    return Check(line, Finding.GOOD, f"{len(said.splitlines())} lines", anchor)
