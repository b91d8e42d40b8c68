"""Rules of use: the answer is one of the traces, and nothing is asked or drawn for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from search.conformance.case import Run
from search.conformance.report import Finding
from search.conformance.subject import Subject


def sound(subject: Subject) -> Iterator[Finding]:
    """The answer is that of the chosen trace, and the model wrote what the traces say."""
    run = subject.run(subject.plain)
    made = run.made
    if made.chosen is not None and not 0 <= made.chosen < len(made.traces):
        seen = f"trace {made.chosen} of {len(made.traces)}"
        yield Finding("sound", "`chosen` counts the traces from 0", seen, subject.plain)
    elif made.chosen is not None and made.traces[made.chosen].answer != made.answer:
        seen = f"{made.answer!r}, the chosen trace says {made.traces[made.chosen].answer!r}"
        yield Finding("sound", "the answer of the chosen trace", seen, subject.plain)
    written = "".join(call.text for call in run.model.calls)
    if made.answer is not None and made.answer not in written:
        yield Finding("sound", "an answer that the model wrote", repr(made.answer), subject.plain)
    if not isinstance(made.stopped_by, str) or not made.stopped_by:
        seen = repr(made.stopped_by)
        yield Finding("sound", "`stopped_by` says in a word why it stopped", seen, subject.plain)


def ends(subject: Subject) -> Iterator[Finding]:
    """No call goes on from a trace that has ended."""
    run = subject.run(subject.plain)
    assert run.made is not None
    late = [call for call in run.model.calls if call.ended]
    if late:
        yield Finding(
            "ends",
            "no call after the end of a trace",
            f"{len(late)} of {len(run.model.calls)} calls, the first after {late[0].prefix!r}",
            subject.plain,
        )


def used(subject: Subject) -> Iterator[Finding]:
    """What was drawn for the question stands in a finished trace or is on the ledger as discarded
    with a reason; and it was kept or judged before it was dropped."""
    run = subject.run(subject.plain)
    discarded = {row.key for row in run.ledger.rows if row.discarded}
    finished = _heads(t.text for t in run.made.traces if t.answer is not None)
    known = _heads([*run.seen.all, *_texts(run)])
    silent, dropped = [], []
    asked = [call for call in run.model.calls if call.question]
    for call in asked:
        if call.after not in finished and call.key not in discarded:
            silent.append(call)
        if call.after not in known:
            dropped.append(call)
    if silent:
        tokens = sum(call.tokens for call in silent)
        yield Finding(
            "used",
            "tokens of no finished trace are on the ledger as discarded",
            f"{tokens} tokens of {len(silent)} calls are not, the first is {silent[0].key!r}",
            subject.plain,
        )
    if dropped:
        yield Finding(
            "used",
            "what was drawn is kept in the solution, or judged before it is dropped",
            f"{len(dropped)} of {len(asked)} calls ({len(dropped) / len(asked):.0%}) were for"
            f" nothing, the first drew {dropped[0].text!r} after {dropped[0].prefix!r}",
            subject.plain,
        )


def _texts(run: Run) -> list[str]:
    """What the solution holds: its traces, and all paths of its tree."""
    made = run.made
    nodes = getattr(made.tree, "nodes", ())
    return [t.text for t in made.traces] + ["".join(made.tree.texts(node)) for node in nodes]


def _heads(texts: Iterator[str] | list[str]) -> set[str]:
    """Every beginning of every text."""
    return {text[:end] for text in set(texts) for end in range(len(text) + 1)}
