"""Rules of judgement: the best is found, and what was judged decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from search.conformance.case import Case, Run
from search.conformance.process import Process, brute_force
from search.conformance.report import Finding
from search.conformance.subject import NotApplicable, Subject, maze


def optimum(subject: Subject) -> Iterator[Finding]:
    """With an exact judge it finds the best leaf within a known number of calls.

    Over steps: 6 calls for each move at each level, the end being one more; over whole answers: as
    many as there are leaves, which the model writes in turn, the best one last. Without a judge:
    three calls a level of each of six traces, of which four agree, or of the only one.
    """
    habits = subject.habits
    whole = not habits.steps
    for process in (maze(1), maze(2)) if whole else (maze(2), maze(5)):
        bound = subject.expansions or _bound(process, subject)
        case = Case(process, writes=subject.writes, calls=bound)
        run = subject.run(case)
        best, worth = brute_force(process)
        found = _worth(run, process)
        if whole and habits.judge and run.made.stopped_by != "budget":
            worth = _best_drawn(run, process)  # it draws no more than so many traces
        if found < worth:
            yield Finding(
                "optimum",
                f"the answer {process.end(best)[1:]!r} (found by brute force, worth {worth}) within"
                f" {bound} calls",
                f"{run.made.answer!r}, worth {found}, after {len(run.model.calls)} calls",
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
    answers = [subject.run(replace(case, process=p)).made.answer for p in (process, flipped)]
    wanted = [process.end(first)[1:], process.end(second)[1:]]
    if answers != wanted:
        yield Finding(
            "values",
            f"{wanted[0]!r}, and {wanted[1]!r} when the judge prefers that",
            f"{answers[0]!r} and {answers[1]!r}",
            case,
        )


def steering(subject: Subject) -> Iterator[Finding]:
    """What a judge says of partial traces decides where the calls go."""
    habits = subject.habits
    if not habits.steps or habits.judge != "scorer" or not habits.partial:
        raise NotApplicable("no scorer is asked about partial traces")
    depth, shares = 4, {}
    leaf = "0" * depth
    for liked in "01":
        shown = {
            head: 0.9 if head[-1] == liked else 0.1
            for size in range(1, depth)
            for head in (f"{i:0{size}b}" for i in range(2**size))
        }
        process = Process(depth, "ab", {leaf: 0.5}, 0.5, shown)
        case = Case(process, tokens=8 * process.length)
        run = subject.run(case)
        assert run.made is not None
        paths = [process.read(call.prefix)[0] for call in run.model.calls if call.question]
        inner = [path for path in paths if path]
        shares[liked] = sum(path[-1] == "0" for path in inner) / max(1, len(inner))
    if shares["0"] <= shares["1"]:
        yield Finding(
            "steering",
            "more calls below moves 'a' where the scorer prefers those than where it prefers 'b'",
            f"{shares['0']:.0%} of the calls against {shares['1']:.0%}",
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
    if unseen:
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
    return 6 * levels * process.branching if habits.steps else process.leaves


def _worth(run: Run, process: Process) -> float:
    """What the answer is worth; nothing for no answer."""
    answer = run.made.answer
    leaf = None if answer is None else process.leaf(f"={answer}")
    return 0.0 if leaf is None else process.reward(leaf)


def _best_drawn(run: Run, process: Process) -> float:
    ended = [c.after for c in run.model.calls if c.question and c.finish == "eos"]
    return max((process.judged(text, True) for text in ended), default=0.0)
