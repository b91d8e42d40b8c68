"""Once: no program is evaluated twice. What has a known syntax is not; what is in flight is shared.

Among proposals of the same syntax the one with the smallest number is evaluated and the others are
its duplicates, whichever of them arrived first. (Where a later one arrived first and had another
floor, the program is evaluated again: who is quicker must make no difference.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from evaluators.discovery.base import DiscoveryProblem, Evaluation
from search.evolve.pool import Job, Pool
from search.evolve.seen import Seen
from search.evolve.syntax import syntax_key

Done = Callable[[Evaluation | None, bool], None]
"""Gets the evaluation (None: a duplicate) and whether it was begun twice."""


@dataclass(eq=False)
class _Sent:
    """A program that is being evaluated, or was and is not committed yet."""

    k: int
    source: str
    floor: float | None
    waiting: list[Done] = field(default_factory=list)
    evaluation: Evaluation | None = None


class Once:
    """Hands programs to the pool, each syntax once."""

    def __init__(self, problem: DiscoveryProblem, pool: Pool) -> None:
        self.problem, self.pool = problem, pool
        self.seen = Seen()
        self._sent: dict[int, _Sent] = {}
        self._latest: tuple[str, tuple[int, int]] = ("", (0, 0))

    def syntax(self, source: str) -> tuple[int, int]:
        """The key and size of a source; quick when it is asked twice in a row."""
        if self._latest[0] is not source:
            self._latest = (source, syntax_key(source, self.problem.limits.source_bytes))
        return self._latest[1]

    def known(self, source: str) -> bool:
        """Whether some proposal had this syntax."""
        return self.seen.first(self.syntax(source)[0]) is not None

    def evaluate(self, k: int, source: str, floor: float | None, done: Done) -> None:
        """Evaluate proposal `k`, perhaps at once (a duplicate), and tell `done`."""
        key, _ = self.syntax(source)
        if self.seen.add(key, k) < k:
            done(None, False)
            return
        sent = self._sent.get(key)  # a later proposal was quicker
        if sent is not None and (sent.source, sent.floor) == (source, floor):
            if sent.evaluation is not None:
                done(sent.evaluation, False)
            else:
                sent.waiting.append(done)
            return
        sent = self._sent[key] = _Sent(k, source, floor, [done])
        self.pool.submit(
            Job(source, lambda answer: _arrived(sent, answer), "train", floor, audit=True)
        )

    def committed(self, k: int, key: int) -> None:
        """Forget what was kept for later proposals of the same syntax."""
        sent = self._sent.get(key)
        if sent is not None and sent.k <= k:
            del self._sent[key]


def _arrived(sent: _Sent, answer: dict[str, Any]) -> None:
    sent.evaluation = evaluation_of(answer)
    waiting, sent.waiting = sent.waiting, []
    for done in waiting:
        done(sent.evaluation, answer["retried"])


def evaluation_of(answer: dict[str, Any]) -> Evaluation:
    """The evaluation in a worker's answer; a scorer that broke down makes the program invalid."""
    if "broken" in answer:
        return Evaluation("invalid", reason=f"the scorer failed: {answer['broken']}")
    return Evaluation.from_row(answer["evaluation"])
