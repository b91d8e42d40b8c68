"""Rules of growth: a call costs the same work in a large tree as in a small one, and depth is no
limit. Work is counted in function calls of the interpreter, not in seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from search.conformance.case import Case
from search.conformance.process import Process
from search.conformance.report import Finding
from search.conformance.subject import NotApplicable, Subject

CALLS, FEWEST, GROWTH = 480, 48, 1.6
"""Model calls that are looked at; how few say too little; by how much work may grow between the
second quarter of them and the last."""

ROOM = (3, 9, 36)
"""For how many deep traces the budget has room, each tried where the one before was too small."""


def growth(subject: Subject) -> Iterator[Finding]:
    """The work between two model calls does not grow with the number of nodes."""
    process = Process(4, "abcdefghij", {"0123": 1.0})
    case = Case(process, calls=CALLS)
    marks: list[int] = []
    work = 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal work
        if event == "call":
            work += 1

    sys.setprofile(count)
    try:
        run = subject.fresh(case, on_call=lambda: marks.append(work))
    finally:
        sys.setprofile(None)
    assert run.made is not None
    if len(marks) < FEWEST:
        raise NotApplicable(f"it made only {len(marks)} calls on a large problem")
    quarter = len(marks) // 4
    early = marks[2 * quarter] - marks[quarter]
    late = marks[4 * quarter - 1] - marks[3 * quarter - 1]
    if late > GROWTH * early:
        yield Finding(
            "growth",
            f"at most {GROWTH} times the work for a call among many nodes as among few",
            f"{late / early:.1f} times: {late // quarter} function calls for a model call in the"
            f" last quarter of {len(marks)}, {early // quarter} in the second",
            case,
        )


def deep(subject: Subject) -> Iterator[Finding]:
    """A trace of thousands of steps is a trace like any other: no error, and an answer once the
    budget pays for it."""
    path = "01" * (subject.depth // 2)
    process = Process(len(path), "ab", {path: 1.0})
    expected = f"an answer at depth {len(path)}"
    for traces in ROOM:
        case = Case(process, writes="sure", tokens=traces * process.length)
        run = subject.fresh(case)
        if run.error is not None:
            seen = f"{type(run.error).__name__}: {str(run.error)[:200]}"
            yield Finding("deep", expected, seen)
            return
        if run.made.answer is not None:
            return
        ended = any(call.finish == "eos" for call in run.model.calls if call.question)
        if ended or run.made.stopped_by != "budget":
            break
    if ended or subject.habits.steps:
        seen = f"none, stopped by {run.made.stopped_by}, with room for {traces} such traces"
        yield Finding("deep", expected, seen)
