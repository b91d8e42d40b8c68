"""Selection: which traces are worth learning from, and what each rule took away.

Rules work in a fixed order: verdict, end, difficulty of the problem, length, soundness, repetition,
novelty, how many a problem, how many in all. Keeping the right ones of several samples is rejection
sampling (Yuan et al. 2023, section 3.3, which keeps those of different reasoning as well).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, overload

import numpy as np

from evaluators.errors import BadInput, UnknownName
from reasoning.core import SeedPath
from reasoning.data.diversity import Shingles, resemblance, shingles
from reasoning.data.rows import TraceRow, digest
from reasoning.data.sound import flaw, task_of

VERDICTS = ("right", "wrong", "any")
DISTINCT = ("text", "answer", "none")
PREFERENCES = ("first", "random", "shortest", "longest", "likely", "novel")


@dataclass(frozen=True)
class Selection:
    """The rules.

    `verdict`: traces that a verifier passed, those that it did not, or any, judged or not. `ended`:
    only traces that ended by themselves. `solved`: the least and greatest share of its problem's
    traces that are right (of all rows given, those written with a hint left out). `tokens`: the
    least and greatest length, None for no upper bound. `sound`: only traces without a step that
    the task's step verifier rejects (a right answer does not tell). `distinct`: equal texts, or
    equal answers, of a problem once. `novelty`: the least distance (1 - resemblance) to every trace
    of the problem that is kept. `each`: at most so many a problem, taken in the order of `prefer`.
    `limit`: at most so many in all, drawn by the seed.
    """

    verdict: Literal["right", "wrong", "any"] = "right"
    ended: bool = True
    hinted: bool = True
    solved: tuple[float, float] = (0.0, 1.0)
    tokens: tuple[int, int | None] = (0, None)
    sound: bool = False
    distinct: Literal["text", "answer", "none"] = "text"
    novelty: float = 0.0
    each: int | None = None
    prefer: Literal["first", "random", "shortest", "longest", "likely", "novel"] = "first"
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("verdict", self.verdict, VERDICTS),
            ("distinct", self.distinct, DISTINCT),
            ("prefer", self.prefer, PREFERENCES),
        ):
            if value not in known:
                raise UnknownName(f"choice for {name}", str(value), known)
        low, high = self.solved
        shortest, longest = self.tokens
        for name, ok, want in (
            ("solved", 0 <= low <= high <= 1, "two shares in 0..1, the lower first"),
            ("tokens", shortest >= 0 and (longest is None or longest >= shortest),
             "two lengths, the shorter first"),
            ("novelty", 0 <= self.novelty <= 1, "in 0..1"),
            ("each", self.each is None or self.each >= 1, "1 or more, or None"),
            ("limit", self.limit is None or self.limit >= 1, "1 or more, or None"),
        ):  # fmt: skip
            if not ok:
                raise BadInput(f"selection: {name} must be {want}, not {getattr(self, name)!r}")


@dataclass(frozen=True)
class Sieve:
    """What one rule left: rows and problems."""

    rule: str
    rows: int
    problems: int


@dataclass(frozen=True)
class Selected(Sequence[TraceRow]):
    """The rows that were selected, in their order; a sequence of rows. `sieves` are the rules that
    were at work, the first of them all rows that were given."""

    rows: tuple[TraceRow, ...]
    sieves: tuple[Sieve, ...]
    settings: Selection

    @overload
    def __getitem__(self, at: int) -> TraceRow: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[TraceRow]: ...
    def __getitem__(self, at: int | slice) -> TraceRow | Sequence[TraceRow]:
        return self.rows[at]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[TraceRow]:
        return iter(self.rows)

    def __str__(self) -> str:
        """One line a rule."""
        wide = max(len(sieve.rule) for sieve in self.sieves)
        return "\n".join(
            f"{s.rule.ljust(wide)}  {s.rows:7,} traces of {s.problems:6,} problems"
            for s in self.sieves
        )

    def told(self) -> dict[str, Any]:
        """Settings and what each rule left, as JSON values."""
        return {"settings": asdict(self.settings), "sieves": [asdict(s) for s in self.sieves]}


@dataclass(frozen=True)
class Rate:
    """How often a problem was solved: `passed` of `judged` traces."""

    passed: int
    judged: int

    @property
    def share(self) -> float | None:
        """None where nothing was judged."""
        return self.passed / self.judged if self.judged else None


def question_of(row: TraceRow) -> str:
    """What rows of the same question share: the task and a hash of the question's fields."""
    return f"{row.task}|{digest(row.problem.get('fields', {}))}"


def solve_rates(rows: Iterable[TraceRow]) -> dict[str, Rate]:
    """How often each question was solved, over its judged rows that were written without a hint."""
    counts: dict[str, list[int]] = {}
    for row in rows:
        count = counts.setdefault(question_of(row), [0, 0])
        if row.verdict is not None and not row.hint_used:
            count[0] += row.correct
            count[1] += 1
    return {key: Rate(*count) for key, count in counts.items()}


def said(row: TraceRow) -> str:
    """What rows that say the same share: the collector's key, or the text without white space."""
    return row.dedup_key or "".join(row.text.split())


def select(rows: Iterable[TraceRow], **settings: Any) -> Selected:
    """The rows that pass the rules (`Selection`), and what every rule took away.

    Raises BadInput and UnknownName for rules that cannot be, and BadInput where `prefer=likely`
    meets a row without its log-probability.
    """
    try:
        rules = Selection(**settings)
    except TypeError as error:
        raise UnknownName("rule of selection", _unknown(settings), vars(Selection())) from error
    return _Work(list(rows), rules).done()


def _unknown(settings: dict[str, Any]) -> str:
    return next(name for name in settings if name not in vars(Selection()))


class _Work:
    """One selection under way."""

    def __init__(self, rows: list[TraceRow], rules: Selection) -> None:
        self.rules, self.rows, self.all = rules, rows, rows
        self.sieves = [Sieve("all", len(rows), len({question_of(r) for r in rows}))]
        self._shingles: dict[int, Shingles] = {}

    def done(self) -> Selected:
        rules = self.rules
        low, high = rules.solved
        shortest, longest = rules.tokens
        if rules.verdict != "any":
            right = rules.verdict == "right"
            self.keep(rules.verdict, lambda r: r.verdict is not None and r.correct == right)
        if rules.ended:
            self.keep("ended by itself", lambda r: r.finish == "eos")
        if not rules.hinted:
            self.keep("without a hint", lambda r: not r.hint_used)
        if rules.solved != (0.0, 1.0):
            rates = {key: rate.share for key, rate in solve_rates(self.all).items()}

            def between(row: TraceRow) -> bool:
                share = rates[question_of(row)]
                return share is not None and low <= share <= high

            self.keep(f"solved {low:g} to {high:g}", between)
        if rules.tokens != (0, None):
            top = float("inf") if longest is None else longest
            self.keep(f"{shortest} to {top} tokens", lambda r: shortest <= r.n_tokens <= top)
        if rules.sound:
            tasks = {name: task_of(name) for name in {row.task for row in self.rows}}
            self.keep("sound steps", lambda r: flaw(r, tasks[r.task]) is None)
        if rules.distinct != "none":
            self.once()
        if rules.novelty or rules.each is not None:
            self.some()
        if rules.limit is not None and len(self.rows) > rules.limit:
            rng = _rng(rules.seed, "limit")
            chosen = sorted(rng.choice(len(self.rows), rules.limit, replace=False))
            self.take(f"at most {rules.limit}", [self.rows[i] for i in chosen])
        return Selected(tuple(self.rows), tuple(self.sieves), rules)

    def take(self, rule: str, rows: list[TraceRow]) -> None:
        self.rows = rows
        self.sieves.append(Sieve(rule, len(rows), len({question_of(row) for row in rows})))

    def keep(self, rule: str, wanted: Callable[[TraceRow], bool]) -> None:
        self.take(rule, [row for row in self.rows if wanted(row)])

    def once(self) -> None:
        by = self.rules.distinct
        first: dict[tuple[str, Any], TraceRow] = {}
        for row in self.rows:
            first.setdefault((question_of(row), said(row) if by == "text" else row.answer), row)
        self.take(f"different {by}s", list(first.values()))

    def some(self) -> None:
        """At most `each` of every problem, none too near to another, in the order preferred."""
        groups: dict[str, list[int]] = defaultdict(list)
        for at, row in enumerate(self.rows):
            groups[question_of(row)].append(at)
        kept: list[int] = []
        for name, places in groups.items():
            kept += self.chosen(self.ordered(name, places))
        told = [] if self.rules.each is None else [f"at most {self.rules.each} a problem"]
        told += [f"novelty {self.rules.novelty:g}"] if self.rules.novelty else []
        self.take(
            f"{', '.join(told)} ({self.rules.prefer})", [self.rows[at] for at in sorted(kept)]
        )

    def ordered(self, name: str, places: list[int]) -> list[int]:
        prefer = self.rules.prefer
        if prefer == "random":
            rng = _rng(self.rules.seed, "order", name)
            return [places[i] for i in rng.permutation(len(places))]
        if prefer == "likely":
            return sorted(places, key=lambda at: -self.likelihood(self.rows[at]))
        if prefer in ("shortest", "longest"):
            sign = 1 if prefer == "shortest" else -1
            return sorted(places, key=lambda at: sign * self.rows[at].n_tokens)
        return places

    def chosen(self, places: list[int]) -> list[int]:
        rules = self.rules
        found: list[int] = []
        waiting = list(places)
        far = dict.fromkeys(places, 1.0)  # distance to the nearest one that is kept
        while waiting and (rules.each is None or len(found) < rules.each):
            at = waiting[0]
            if rules.prefer == "novel" and found:  # farthest first (Gonzalez 1985)
                at = max(waiting, key=lambda i: far[i])
            waiting.remove(at)
            if found and far[at] < rules.novelty:
                continue
            found.append(at)
            if rules.novelty or rules.prefer == "novel":
                for other in waiting:
                    far[other] = min(far[other], 1 - resemblance(self.of(at), self.of(other)))
        return found

    def of(self, at: int) -> Shingles:
        if at not in self._shingles:
            self._shingles[at] = shingles(self.rows[at].text)
        return self._shingles[at]

    @staticmethod
    def likelihood(row: TraceRow) -> float:
        """The mean log-probability of a token."""
        if row.logprob is None:
            raise BadInput(f"trace {row.id} has no log-probability: prefer another order")
        return row.logprob / max(1, row.n_tokens)


def _rng(seed: int, *parts: str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=SeedPath(seed, ("select", *parts)).key))
