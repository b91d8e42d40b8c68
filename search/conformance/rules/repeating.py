"""Rules of repetition: the same tree under other names, in any order, anywhere, after a break."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from search.conformance.case import Case, Run, judged_by
from search.conformance.pace import PACES, Pace
from search.conformance.process import Process
from search.conformance.report import Finding
from search.conformance.scripted import ScriptedModel
from search.conformance.subject import NotApplicable, Subject
from search.conformance.toy import ExactScorer, ToyTask


def names(subject: Subject) -> Iterator[Finding]:
    """Other names for the same moves: the same calls, and the same answer by its other name."""
    one, other = "abc", "zxm"
    table = str.maketrans(one, other)
    for tokens in (12, 3):
        first = replace(subject.plain, tokens=tokens * subject.plain.process.length)
        second = replace(first, process=replace(first.process, names=other))
        runs = [subject.run(first), subject.run(second)]
        asked = [[(c.prefix, c.text, c.granted) for c in run.model.calls] for run in runs]
        asked[0] = [(p.translate(table), t.translate(table), g) for p, t, g in asked[0]]
        answers = [run.made.answer for run in runs]
        renamed = None if answers[0] is None else answers[0].translate(table)
        where = _differs(*asked)
        if where or renamed != answers[1]:
            seen = where or f"the answers {renamed!r} and {answers[1]!r}"
            yield Finding("names", "the same under other names for the moves", seen, second)
            return


def order(subject: Subject) -> Iterator[Finding]:
    """The tree, the answer and the ledger depend on no timing, nor on how many calls are answered
    side by side."""
    length = subject.plain.process.length
    for tokens in (12 * length, 3 * length + 2):
        first = replace(subject.plain, tokens=tokens)
        told = facts(subject.run(first))
        for pace in PACES[1:]:
            case = replace(first, pace=pace)
            where = _difference(told, facts(subject.run(case)))
            if where:
                yield Finding("order", f"the same when calls are answered {pace}", where, case)
                return


def seeds(subject: Subject) -> Iterator[Finding]:
    """A seed says everything, and no draw is made twice."""
    before = random.getstate(), _numpy_state()
    run = subject.run(subject.plain)
    where = _difference(facts(run), facts(subject.fresh(subject.plain)))
    if where:
        yield Finding("seeds", "the same twice from the same seed", where, subject.plain)
    if (random.getstate(), _numpy_state()) != before:
        seen = "the state of a global generator has changed"
        yield Finding("seeds", "draws from ctx.seed alone", seen, subject.plain)
    drawn = [(c.messages, c.prefix, c.key, c.sampling) for c in run.model.calls]
    if len(set(drawn)) < len(drawn):
        twice = next(at for at in drawn if drawn.count(at) > 1)
        seen = f"{len(drawn) - len(set(drawn))} calls draw again what was drawn: {twice[2]!r}"
        yield Finding("seeds", "every call has a seed path of its own", seen, subject.plain)


def other_seeds(subject: Subject) -> Iterator[Finding]:
    """Another seed draws other texts."""
    if subject.habits.greedy:
        raise NotApplicable("it draws at temperature 0")
    run = subject.run(subject.plain)
    others = [subject.run(replace(subject.plain, seed=seed)) for seed in (1, 2, 3, 4)]
    texts = [[c.text for c in other.model.calls] for other in [run, *others]]
    if all(said == texts[0] for said in texts):
        seen = "five seeds with the same texts"
        yield Finding("other seeds", "other seeds draw other texts", seen, subject.plain)


def anywhere(subject: Subject) -> Iterator[Finding]:
    """It works in a notebook, where an event loop is running already, and from threads."""
    wanted = subject.run(subject.plain).made.answer
    for where, call in (("in a running event loop", _in_loop), ("in two threads", _in_threads)):
        try:
            answers = call(subject)
        except Exception as error:
            seen = f"{type(error).__name__}: {error}"
            yield Finding("anywhere", f"the answer {wanted!r} {where}", seen, subject.plain)
            return
        if set(answers) != {wanted}:
            seen = ", ".join(map(repr, answers))
            yield Finding("anywhere", f"the answer {wanted!r} {where}", seen, subject.plain)


def resume(subject: Subject) -> Iterator[Finding]:
    """A log that breaks off after any number of responses is gone on from: the same tree, and no
    logged call is made again."""
    for case in (subject.plain, replace(subject.plain, tokens=40, pace="uneven")):
        whole = subject.fresh(case, past=[])
        told = facts(whole)
        where = _difference(facts(subject.run(case)), told)
        if where:
            yield Finding("resume", "the same with a log as without", where, case)
            return
        lines = whole.log
        for cut in sorted({0, 1, *range(2, len(lines), max(1, len(lines) // 7)), len(lines)}):
            again = subject.fresh(case, past=list(lines[:cut]))
            where = _difference(told, facts(again))
            if where:
                expected = f"the same after a break at response {cut} of {len(lines)}"
                yield Finding("resume", expected, where, case)
                return
            if len(again.log) != len(lines) - cut:
                seen = f"{len(again.log)} calls to the model"
                expected = f"{len(lines) - cut} calls, as {cut} of {len(lines)} were logged"
                yield Finding("resume", expected, seen, case)
                return


# -- inside ---------------------------------------------------------------------------


def facts(run: Run) -> dict[str, Any]:
    """What has to be the same: answer, traces, tree and ledger, without times."""
    made = run.made
    nodes = getattr(made.tree, "nodes", ())
    return {
        "answer": (made.answer, made.chosen, made.stopped_by),
        "traces": [(t.text, t.finish, t.answer, t.score, t.seed, t.tokens) for t in made.traces],
        "tree": [
            (n.parent, n.text, n.finish, n.score, n.visits, n.value, n.closed, n.draws, n.key)
            for n in nodes
        ],
        "ledger": [(r.key, r.prompt, r.completion, r.scored, r.discarded) for r in run.ledger.rows],
    }


def _difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Where two runs differ first; nothing where they do not."""
    for name, told in one.items():
        if told != other[name]:
            if name == "answer":
                return f"the answers {told} and {other[name]}"
            return f"{name}: {_differs(told, other[name])}"
    return ""


def _differs(one: list[Any], other: list[Any]) -> str:
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return f"number {at} is {left} and {right}"
    return "" if len(one) == len(other) else f"{len(one)} and {len(other)} of them"


def _numpy_state() -> Any:
    import numpy as np

    return repr(np.random.get_state())  # noqa: NPY002 - to see that nobody draws from it


def _compared(subject: Subject) -> str | None:
    """The answer by the public way: a comparison of one arm on the plain problem."""
    from search.comparison import compare

    case: Case = subject.plain
    process: Process = case.process
    task = ToyTask("toy", (process.problem("process"),))
    model: Any = ScriptedModel(process, case.policy(), Pace("uneven"))
    model.dialect = subject.dialect
    arm = judged_by(subject.strategy, ExactScorer(task.seen))
    report = compare([arm], task, model, [case.tokens or 0], [case.seed], progress=False)
    return report.cells[0].answer


def _in_loop(subject: Subject) -> list[str | None]:
    async def cell() -> str | None:
        return _compared(subject)  # a plain call, as a notebook makes it

    return [asyncio.run(cell())]


def _in_threads(subject: Subject) -> list[str | None]:
    answers: list[str | None] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            answers.append(_compared(subject))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return answers
