"""Rules of judgement: the best is found, and what was judged decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import inf

from search.conformance.case import Case, Run
from search.conformance.process import Process, brute_force
from search.conformance.report import Finding
from search.conformance.subject import NotApplicable, Subject, maze

TELLING = 32
"""Shares of fewer calls than this differ by chance: their standard error is above 0.12."""


def optimum(subject: Subject) -> Iterator[Finding]:
    """With an exact judge it finds the best leaf within a known number of calls.

    Over steps: 6 calls for each move at each level, the end being one more (where only ends are
    judged, 4 for each leaf); over whole answers: as many as there are leaves, which the model
    writes in turn, the best one last. Without a judge:
    three calls a level of each of six traces, of which four agree, or of the only one. Who stops
    sooner has to answer with the best that it has drawn, or with what most say.
    """
    habits = subject.habits
    blind = habits.judge is not None and not habits.partial
    for process in (maze(1), maze(2)) if blind else (maze(2), maze(5)):
        bound = subject.expansions or _bound(process, subject)
        case = Case(process, writes=subject.writes, calls=bound)
        run = subject.run(case)
        best, worth = brute_force(process)
        found, own = _worth(run, process), _stops_itself(run, bound)
        if found >= worth:
            continue
        if own and _took_the_best(run, process, subject):
            raise NotApplicable(
                f"it stopped by itself after {len(run.model.calls)} of {bound} calls, too early to"
                " find the best; of what it drew it took the best"
            )
        yield Finding(
            "optimum",
            f"the answer {process.end(best)[1:]!r} (found by brute force, worth {worth}) within"
            f" {bound} calls",
            f"{run.made.answer!r}, worth {found}, after {len(run.model.calls)} calls"
            + (", and it had drawn a better one" if own else ""),
            case,
        )
        return


def values(subject: Subject) -> Iterator[Finding]:
    """The same model on the same question, judged the other way: another answer."""
    habits = subject.habits
    if habits.judge is None:
        raise NotApplicable("no judge is asked")
    depth = 3 if habits.steps else 1
    first, second = "0" * depth, "1" * depth
    process = Process(depth, "ab", {first: 1.0, second: 0.2})
    flipped = replace(process, rewards={first: 0.2, second: 1.0})
    bound = 2 * (subject.expansions or _bound(process, subject))
    case = Case(process, writes="in turn", calls=bound, favours=(first, second))
    runs = [subject.run(replace(case, process=p)) for p in (process, flipped)]
    answers = [run.made.answer for run in runs]
    wanted = [process.end(first)[1:], process.end(second)[1:]]
    if answers == wanted:
        yield from _ends_decide(subject)
        return
    early = [_stops_itself(run, bound) and _took_the_best(run, run.case.process, subject)
             for run in runs]  # fmt: skip
    if all(early):
        raise NotApplicable("it stopped by itself before both answers were drawn")
    yield Finding(
        "values",
        f"{wanted[0]!r}, and {wanted[1]!r} when the judge prefers that",
        f"{answers[0]!r} and {answers[1]!r}",
        case,
    )


def _ends_decide(subject: Subject) -> Iterator[Finding]:
    """Where all unfinished traces look alike, the judgement of the finished ones decides."""
    process = Process(3, "ab", {"101": 1.0}, likes="01")
    for seed in range(6):
        case = Case(process, tokens=24 * process.length, seed=seed)
        run = subject.run(case)
        drawn = any(call.after == process.text("101") for call in run.model.calls)
        if drawn and run.made.answer != "bab":
            yield Finding(
                "values",
                "the answer 'bab', which is worth 1 and was drawn; every other is worth 0",
                repr(run.made.answer),
                case,
            )
            return


def steering(subject: Subject) -> Iterator[Finding]:
    """What a judge says of partial traces decides where the calls go."""
    habits = subject.habits
    if not habits.steps or habits.judge != "scorer" or not habits.partial:
        raise NotApplicable("no scorer is asked about partial traces")
    shares: dict[str, float] = {}
    fewest, early = inf, True
    for likes in ("01", "23"):
        process = Process(4, "abcd", {"0000": 0.5}, 0.5, likes=likes)
        inner: list[str] = []
        for seed in range(3):
            case = Case(process, tokens=24 * process.length, seed=seed)
            run = subject.run(case)
            early &= run.made.stopped_by != "budget"
            paths = [process.read(call.prefix)[0] for call in run.model.calls if call.question]
            inner += [path for path in paths if path]
        shares[likes] = sum(path[-1] in "01" for path in inner) / max(1, len(inner))
        fewest = min(fewest, len(inner))
    if shares["01"] > shares["23"]:
        return
    if early:
        raise NotApplicable("it stopped by itself after too few calls to tell")
    if fewest < TELLING:
        raise NotApplicable(f"it made only {fewest} calls after a move, too few to tell")
    yield Finding(
        "steering",
        "more calls after moves 'a' and 'b' where the scorer likes those than where it likes"
        " 'c' and 'd'",
        f"{shares['01']:.0%} of the calls against {shares['23']:.0%}",
        case,
    )


def look_ahead(subject: Subject) -> Iterator[Finding]:
    """Every finished trace that was paid for is judged; and traces written to the end from the
    middle undo what an unfinished trace only seems to be worth."""
    habits = subject.habits
    if habits.judge is None:
        raise NotApplicable("no judge is asked")
    run = subject.run(subject.plain)
    assert run.made is not None
    ended = [c.after for c in run.model.calls if c.question and c.finish == "eos"]
    unseen = [text for text in dict.fromkeys(ended) if text not in run.seen.all]
    if unseen and len(set(ended)) > 1:
        yield Finding(
            "look-ahead",
            "every finished trace that was paid for is shown to the judge",
            f"{len(unseen)} of {len(set(ended))} were not, the first of them {unseen[0]!r}",
            subject.plain,
        )
    if habits.rollouts:
        shown = {"0": 0.9, "1": 0.3}
        process = Process(3, "ab", dict.fromkeys(("100", "101", "110", "111"), 1.0), 0.0, shown)
        case = Case(process, tokens=24 * process.length)
        found = _worth(subject.run(case), process)
        if found < 1.0:
            yield Finding(
                "look-ahead",
                "an answer worth 1: whoever looks ahead sees that everything below 'a' is worth 0",
                f"an answer worth {found}",
                case,
            )


def _bound(process: Process, subject: Subject) -> int:
    levels, habits = process.depth + 1, subject.habits
    if habits.judge is None:
        return 3 * levels * 6
    if habits.partial:
        return 6 * levels * process.branching
    return 4 * process.leaves if habits.steps else process.leaves


def _worth(run: Run, process: Process) -> float:
    """What the answer is worth; nothing for no answer."""
    answer = run.made.answer
    leaf = None if answer is None else process.leaf(f"={answer}")
    return 0.0 if leaf is None else process.reward(leaf)


def _stops_itself(run: Run, bound: int) -> bool:
    return run.made.stopped_by != "budget" and len(run.model.calls) < bound


def _took_the_best(run: Run, process: Process, subject: Subject) -> bool:
    """Whether the answer is worth as much as any that was drawn; without a judge, whether none was
    drawn more often."""
    drawn = [call.after for call in run.model.calls if call.question and call.finish == "eos"]
    if not drawn or run.made.answer is None:
        return not drawn
    if subject.habits.judge is not None:
        return _worth(run, process) >= max(process.judged(text, True) for text in drawn)
    votes = Counter(process.read(text)[1] for text in drawn)
    return votes[run.made.answer] == max(votes.values())
