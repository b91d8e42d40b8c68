"""The traces of one round of STaR: sampled by the model at hand, verified, failures perhaps asked
again with a hint."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evaluators.errors import BadInput
from evaluators.tasks.base import Task
from reasoning.core import LanguageModel, Strategy
from reasoning.data.rows import TraceRow
from reasoning.ledger import Row
from reasoning.train.practice import Practice
from reasoning.train.rewards import rejects
from reasoning.train.run import Progress

if TYPE_CHECKING:
    from reasoning.data.collect import Collecting
    from reasoning.data.traces import Traces

CHUNK = 256
"""Problems that are sampled before the next look at the cap."""


@dataclass(frozen=True)
class Sitting:
    """What a round samples: `problems` of the practice, drawn by `seed`, by `k` runs of
    `strategy` or as `k` samples at `temperature`; `hints` for those without a right trace."""

    practice: Practice
    strategy: Strategy | None
    problems: int
    k: int
    temperature: float
    hints: Literal["none", "answer", "step"]
    seed: int

    def decks(self) -> list[list[Task]]:
        """The problems in chunks, each chunk a list of tasks with their share of it. A problem is
        asked once a round."""
        seen: dict[tuple[int, str], Any] = {}
        for drawn in self.practice.deck(self.problems, self.seed):
            seen.setdefault((drawn.task, drawn.problem.id), drawn)
        deck, made = list(seen.values()), []
        for start in range(0, len(deck), CHUNK):
            part = deck[start : start + CHUNK]
            tasks = []
            for at, task in enumerate(self.practice.bare):
                mine = [drawn.problem for drawn in part if drawn.task == at]
                if mine:
                    tasks.append(replace(task, problems=mine))
            made.append(tasks)
        return made


@dataclass(frozen=True)
class Harvest:
    """What a round's sampling brought: `rows` with their verdicts; how many problems were asked,
    traces sampled, problems solved, traces right, problems solved only with a hint; tokens that the
    model read and wrote (what a search threw away among them), and FLOPs of one of them."""

    rows: Sequence[TraceRow] = field(repr=False)
    problems: int = 0
    sampled: int = 0
    solved: int = 0
    passed: int = 0
    hinted: int = 0
    errors: int = 0
    tokens: int = 0
    forward: float = 0.0

    @property
    def flops(self) -> float:
        """FLOPs of the sampling."""
        return self.tokens * self.forward

    def right(self, practice: Practice) -> list[TraceRow]:
        """The rows to learn from: right, and for the reward `sound` without a rejected step."""
        tasks = {task.name: task for task in practice.bare}
        right = [row for row in self.rows if row.correct]
        if practice.reward != "sound":
            return right
        return [r for r in right if not rejects(tasks[r.task], r.asked(), r.prefix + r.text)]

    def to_json(self) -> dict[str, Any]:
        """Everything but the rows."""
        told = asdict(replace(self, rows=()))
        del told["rows"]
        return told

    @staticmethod
    def from_json(told: Mapping[str, Any], rows: Sequence[TraceRow]) -> Harvest:
        return Harvest(rows, **told)


def refuse_reward(practice: Practice) -> None:
    """Raises BadInput for a reward that does not say which traces are right."""
    if practice.reward not in ("verifier", "sound"):
        raise BadInput(
            f"star keeps traces that are right: reward 'verifier' or 'sound', not"
            f" {practice.reward!r}"
        )


def harvest(
    policy: str, sitting: Sitting, folder: Path, cap: float | None,
    progress: Progress, stop: threading.Event | None,
) -> Harvest | None:  # fmt: skip
    """Sample with the model in the folder `policy` until all problems were asked, or until `cap`
    FLOPs were spent; None where `stop` was set meanwhile. Responses are logged in `folder`, so that
    the same call asks nothing again."""
    from reasoning.models import load_model

    model = load_model(f"hf:{policy}")
    try:
        found = Harvest((), forward=model.flops_per_token)
        for number, tasks in enumerate(sitting.decks()):
            for task in tasks:
                place = folder / f"sampled-{number}" / _file(task.name)
                found = _asked(model, task, sitting, place, found, stop)
                if stop is not None and stop.is_set():
                    return None
            progress({"chunk": number + 1, "problems": found.problems, "solved": found.solved,
                      "right": found.passed, "sampled": found.sampled})  # fmt: skip
            if cap is not None and found.flops >= cap:
                break
        return found
    finally:
        close = getattr(model, "close", None)
        if close is not None:
            close()


def _asked(
    model: LanguageModel, task: Task, sitting: Sitting, place: Path, before: Harvest,
    stop: threading.Event | None,
) -> Harvest:  # fmt: skip
    """The harvest with one task's traces more; part of them where it was stopped."""
    from reasoning.data.collect import collect_traces
    from reasoning.data.rationalise import rationalise

    style = sitting.practice.style
    plain: dict[str, Any] = {"temperature": sitting.temperature, "format": style.format,
                             "shots": style.shots, "role": style.role}  # fmt: skip
    own = {} if sitting.strategy is not None else plain
    made = _waited(collect_traces(
        task, model, sitting.strategy, sitting.k, out=place, seed=sitting.seed, progress=False,
        wait=False, **own,
    ), stop)  # fmt: skip
    if stop is not None and stop.is_set():
        return before
    solved = {row.problem["id"] for row in made if row.correct}
    rows, tokens, hinted = list(made), _tokens(made.spent, sitting), 0
    if sitting.hints != "none" and len(solved) < len(task):
        told = rationalise(
            task, model, made, hint=sitting.hints, k=sitting.k, out=place, seed=sitting.seed,
            progress=False, **plain,
        )  # fmt: skip
        hinted = len({row.problem["id"] for row in told if row.correct})
        rows += told
        tokens += told.spent.prompt + told.spent.completion
    return replace(
        before, rows=(*before.rows, *rows), problems=before.problems + len(task),
        sampled=before.sampled + len(rows), solved=before.solved + len(solved),
        passed=before.passed + sum(row.correct for row in rows), hinted=before.hinted + hinted,
        errors=before.errors + len(made.errors), tokens=before.tokens + tokens,
    )  # fmt: skip


def _waited(work: Collecting, stop: threading.Event | None) -> Traces:
    """The traces, or those that were there when it was stopped. Ctrl-C ends the sampling first."""
    try:
        while not work.done():
            if stop is not None and stop.is_set():
                work.stop()
                break
            time.sleep(0.05)
        return work.result()
    except KeyboardInterrupt:
        work.stop()
        work.result()
        raise


def _tokens(spent: Row, sitting: Sitting) -> int:
    """Tokens that the model read and wrote. Independent samples read their prompt each, as rollouts
    are counted everywhere; of a search, which asks for every step anew, what the prefix cache held
    was not read again."""
    known = 0 if sitting.strategy is None else spent.cached
    return spent.prompt - known + spent.completion + spent.scored


def _file(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else f"%{ord(c):x}%" for c in name)
