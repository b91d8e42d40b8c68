"""Rules of counting: the ledger says what was spent, a budget is kept, tokens are counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from search.conformance.case import Case, Run
from search.conformance.report import Finding
from search.conformance.subject import Subject, maze


def ledger(subject: Subject) -> Iterator[Finding]:
    """The rows add up to what the model counted; nothing is left open or running."""
    plain = subject.plain
    for case in (plain, replace(plain, pace="uneven"), replace(plain, scorer="charged")):
        run = subject.run(case)
        assert run.made is not None
        rows, model = run.ledger.rows, run.model
        pairs = {
            "generated tokens": (sum(row.completion for row in rows), model.completion),
            "prompt tokens": (sum(row.prompt for row in rows), model.prompt),
            "tokens read to score": (sum(row.scored for row in rows), model.read),
            "calls": (len(rows), len(model.calls) + model.readings),
            "open reservations": (run.ledger.in_flight, 0),
            "calls under way at the end": (run.running, 0),
        }
        for what, (told, counted) in pairs.items():
            if told != counted:
                yield Finding("ledger", f"{what}: {counted}", f"{told} on the ledger", case)
                return


def budget(subject: Subject) -> Iterator[Finding]:
    """At any budget: never over it, no exception, and an answer where a trace has ended."""
    process = maze(2)
    tokens = (Case(process, tokens=n) for n in range(3 * process.length + 1))
    calls = (Case(process, calls=n) for n in range(10))
    charged = (Case(process, tokens=n, scorer="charged") for n in range(0, 5 * process.length, 3))
    seeds = (Case(process, tokens=n, seed=1) for n in range(0, 12 * process.length, 7))
    for case in chain(tokens, calls, charged, seeds):
        found = list(_kept(subject.run(case), case))
        if found:
            yield from found
            return


def _kept(run: Run, case: Case) -> Iterator[Finding]:
    if run.error is not None:
        seen = f"{type(run.error).__name__}: {run.error}"
        yield Finding("budget", "an answer or none, and no exception", seen, case)
        return
    spent = run.ledger.spent
    for what, cap, used in (
        ("tokens", case.tokens, spent.tokens),
        ("calls", case.calls, spent.calls),
    ):
        if cap is not None and used > cap:
            yield Finding("budget", f"at most {cap} {what}", f"{used} {what}", case)
    answers = [trace.answer for trace in run.made.traces if trace.answer is not None]
    if answers and run.made.answer is None:
        seen = f"none, with finished traces that say {', '.join(map(repr, answers[:3]))}"
        yield Finding("budget", "an answer out of what there is", seen, case)


def counts(subject: Subject) -> Iterator[Finding]:
    """Every step that the model wrote has as many tokens as were drawn for it."""
    for case in (subject.plain, replace(subject.plain, tokens=2 * subject.plain.process.length)):
        run = subject.run(case)
        steps = [step for trace in run.made.traces for step in trace.steps]
        steps += [node.step for node in getattr(run.made.tree, "nodes", ()) if node.text]
        drawn: dict[str, set[int]] = {}
        for call in run.model.calls:
            drawn.setdefault(call.text, set()).add(call.tokens)
        for step in steps:
            if step.source != "model" or not step.text:
                continue
            wanted = drawn.get(step.text)
            sane = isinstance(step.tokens, int) and step.tokens > 0
            if not sane or (wanted and step.tokens not in wanted):
                told = " or ".join(map(str, sorted(wanted))) if wanted else "at least 1"
                seen = f"{step.tokens!r} for {step.text!r}"
                yield Finding("counts", f"{told} tokens, as were drawn", seen, case)
                return
