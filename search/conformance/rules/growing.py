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

CALLS, FEWEST, GROWTH = (240, 1_200), 48, 1.4
"""How many model calls are looked at (few at first), how few say too little, and by how much the
work for one may grow between the second quarter of them and the last."""

LEVELS = 1_100
"""More than Python recurses."""


def growth(subject: Subject) -> Iterator[Finding]:
    """The work between two model calls does not grow with the number of nodes."""
    process = Process(4, "abcdefghij", {"0123": 1.0})
    for most in CALLS:
        case = Case(process, calls=most)
        marks = _work_at_calls(subject, case)
        if len(marks) < FEWEST:
            raise NotApplicable(f"it made only {len(marks)} calls on a large problem")
        quarter = len(marks) // 4
        early = marks[2 * quarter] - marks[quarter]
        late = marks[4 * quarter - 1] - marks[3 * quarter - 1]
        if late > GROWTH * early:
            yield Finding(
                "growth",
                f"at most {GROWTH} times the work for a call among many nodes as among few",
                f"{late / early:.1f} times: {late // quarter} function calls for a model call in"
                f" the last quarter of {len(marks)}, {early // quarter} in the second",
                case,
            )
            return


def _work_at_calls(subject: Subject, case: Case) -> list[int]:
    """How many functions had been called when each model call was made."""
    marks: list[int] = []
    work = 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal work
        if event == "call":
            work += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        run = subject.fresh(case, on_call=lambda: marks.append(work))
    finally:
        sys.setprofile(before)
    assert run.made is not None
    return marks


def deep(subject: Subject) -> Iterator[Finding]:
    """A trace of thousands of steps is a trace like any other: no error, and an answer once the
    budget pays for it."""
    full, tenth, reached = subject.depth, subject.depth // 10, 0
    for depth, room in ((full, 3), (full, 12), (tenth, 9), (tenth, 36)):
        if depth == full and reached > LEVELS:
            continue  # deep enough to see an error; an answer may need more than can be waited for
        path = ("01" * depth)[:depth]
        process = Process(depth, "ab", {path: 1.0})
        run = subject.fresh(Case(process, writes="sure", tokens=room * process.length))
        if run.error is not None:
            seen = f"{type(run.error).__name__}: {str(run.error)[:200]}"
            yield Finding("deep", f"an answer at depth {depth}", seen)
            return
        if run.made.answer is not None:
            return
        reached = max((len(process.read(call.prefix)[0]) for call in run.model.calls), default=0)
        ended = any(call.finish == "eos" for call in run.model.calls if call.question)
        if ended or run.made.stopped_by != "budget":
            break
    if ended or subject.habits.steps:
        seen = f"none, stopped by {run.made.stopped_by}, with room for {room} such traces"
        yield Finding("deep", f"an answer at depth {depth}", seen)
