"""How `tiny-prm` is made: labelled steps of `tiny` on training problems, then the process model.

Most texts are traces that `tiny` samples itself, because those are what a search asks about. To
them come random walks of countdown, half of whose steps are good ones: the policy's own traces have
few states in which the way on is open. All labels are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluators import load_task
from evaluators.tasks import countdown, countdown_chain
from evaluators.tasks import countdown_solver as solver
from reasoning.core import LanguageModel
from reasoning.loop import run
from reasoning.train.labels import Draws, Labelled, label
from reasoning.train.reward import LIKELIHOOD, ProcessRecipe


@dataclass(frozen=True)
class Part:
    """Traces of `problems` training problems of a task, `samples` each."""

    task: str
    options: tuple[tuple[str, Any], ...]
    problems: int
    samples: int
    temperature: float = 1.0


@dataclass(frozen=True)
class PrmPlan:
    """The data of a process model and how it is trained. `walks` random walks for each count of
    numbers."""

    policy: str = "tiny"
    parts: tuple[Part, ...] = (
        Part("expressions", (("ops", (4, 10)),), 1500, 2),
        Part("countdown", (("numbers", 4),), 1000, 4),
        Part("countdown", (("numbers", 5),), 2000, 4),
    )
    walks: tuple[tuple[int, int], ...] = ((4, 3200), (5, 4800))
    seed: int = 1
    recipe: ProcessRecipe = LIKELIHOOD


PLANS: dict[str, PrmPlan] = {"tiny-prm": PrmPlan()}


def rows_of(
    plan: PrmPlan, model: LanguageModel, progress: Callable[[str], None] = lambda text: None
) -> list[Labelled]:
    """All labelled texts of a plan, training problems only."""
    found: list[Labelled] = []
    for at, part in enumerate(plan.parts):
        task = load_task(part.task, "train", part.problems, plan.seed + at, **dict(part.options))
        draws = Draws(part.samples, part.temperature)
        found += run(label(task, model, draws, seed=plan.seed + at))
        progress(f"{part.task} {dict(part.options)}: {len(found)} labelled traces so far")
    for numbers, count in plan.walks:
        found += walks(numbers, count, plan.seed)
        progress(f"walks of {numbers} numbers: {len(found)} labelled texts so far")
    return found


def walks(numbers: int, count: int, seed: int) -> list[Labelled]:
    """Random legal walks of countdown, on training problems: at each step with even chance a move
    after which the target can be reached, or one after which it cannot (and sometimes one more)."""
    task = load_task("countdown", "train", count, seed + 1000, numbers=numbers)
    rng = np.random.Generator(np.random.Philox(key=[seed, numbers]))
    found = []
    for problem in task.problems:
        state, target = tuple(problem.fields["numbers"]), problem.fields["target"]
        lines: list[str] = []
        labels: list[float] = []
        alive = True
        while len(state) > 1 and (alive or rng.random() < 0.3):
            options = solver.moves(state)
            good = [m for m in options if solver.reachable(solver.after(state, m), target)]
            dead = [m for m in options if m not in good]
            some = good if good and (not dead or rng.random() < 0.6) else dead
            move = some[int(rng.integers(len(some)))]
            lines.append(countdown_chain.line(state, move) + "\n")
            state, alive = solver.after(state, move), bool(good) and some is good
            labels.append(float(alive))
        question = countdown.TASK.render(problem, "chain", "compact")
        found.append(Labelled("countdown", problem.id, (question, *lines), (None, *labels)))
    return found


def make(
    name: str, folder: Path, tell: Callable[[str], None],
    progress: Callable[[dict[str, Any]], None],
) -> Path:  # fmt: skip
    """Make an embedded process model in `folder`, measure it and write its card; returns the folder
    of its weights. What an earlier session of the same recipe has made is used again."""
    from labs.recipes import prm_card
    from labs.train_reward import policy_folder
    from reasoning.models import load_model
    from reasoning.models.process import load_process_model
    from reasoning.train import labels
    from reasoning.train.reward import train_process

    plan, kept = PLANS[name], folder / "rows.jsonl"
    model = load_model(plan.policy)
    if kept.is_file():
        rows = labels.read(kept)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        rows = rows_of(plan, model, tell)
        labels.save(rows, kept)
    weights = train_process(rows, policy_folder(plan.policy), folder, plan.recipe, progress)
    prm_card.write(name, weights, prm_card.measure(load_process_model(f"hf:{weights}"), model))
    return weights
