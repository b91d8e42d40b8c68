"""Practice: what a model that learns by sampling practises on: weighted tasks, how they are asked,
and what a trace earns."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem
from evaluators.tasks.base import Dialect, Task
from reasoning.core import Prompt, SeedPath
from reasoning.data.rows import digest, question
from reasoning.describe import describe
from reasoning.prompts import PromptStyle, build
from reasoning.train.judge import named
from reasoning.train.rewards import LEARNED, REWARDS, Reward

CHAIN = PromptStyle()


@dataclass(frozen=True)
class Practice:
    """Problems of several tasks, drawn in proportion to the tasks' weights, asked in `style`.

    `reward` is a name of `REWARDS` (`verifier`: right or not), `model:FOLDER` (the output of an
    outcome model), or a function (task, problem, text, finish) -> number or None out of a module.
    """

    tasks: tuple[tuple[Task, float], ...]
    style: PromptStyle = CHAIN
    reward: str | Reward = "verifier"

    def __post_init__(self) -> None:
        if not self.tasks:
            raise BadInput("a practice needs at least one task")
        for task, weight in self.tasks:
            if not weight > 0:
                raise BadInput(f"the weight of {task.name} must be above 0, not {weight!r}")
            if not task.problems:
                raise BadInput(f"task {task.name} has no problems: load it with n=…")
            if self.style.format not in task.formats:
                raise UnknownName(
                    f"prompt format for task {task.name!r}", self.style.format, task.formats
                )
        if isinstance(self.reward, str) and not self.learned and self.reward not in REWARDS:
            raise UnknownName("reward", self.reward, [*REWARDS, f"{LEARNED}FOLDER"])

    @staticmethod
    def of(data: Practice | Task | Sequence[Any], **settings: Any) -> Practice:
        """A task, several (of equal weight), or pairs of task and weight, as a practice."""
        if isinstance(data, Practice):
            return data
        if isinstance(data, Task):
            return Practice(((data, 1.0),), **settings)
        pairs = tuple((one, 1.0) if isinstance(one, Task) else tuple(one) for one in data)
        return Practice(pairs, **settings)  # type: ignore[arg-type]

    @property
    def learned(self) -> str | None:
        """The folder of the outcome model that rewards, or None."""
        named = isinstance(self.reward, str) and self.reward.startswith(LEARNED)
        return self.reward.removeprefix(LEARNED) if named else None  # type: ignore[union-attr]

    @property
    def bare(self) -> tuple[Task, ...]:
        """The tasks without their weights."""
        return tuple(task for task, _ in self.tasks)

    def __len__(self) -> int:
        return sum(len(task) for task in self.bare)

    def max_tokens(self, dialect: Dialect) -> int:
        """A length that no sensible trace exceeds."""
        return max(task.max_tokens(self.style.format, dialect) for task in self.bare)

    def prompt(self, drawn: Drawn, dialect: Dialect) -> Prompt:
        """The question as a prompt."""
        return build(self.bare[drawn.task], drawn.problem, self.style, dialect)

    def deck(self, count: int, seed: int) -> list[Drawn]:
        """`count` problems: each of a task drawn by weight, and of that task the next one in an
        order that is shuffled anew every time it has been gone through."""
        rng = np.random.Generator(np.random.Philox(key=SeedPath(seed, ("practice",)).key))
        weights = np.array([weight for _, weight in self.tasks])
        chosen = rng.choice(len(weights), size=count, p=weights / weights.sum())
        orders: list[list[int]] = [[] for _ in self.tasks]
        drawn = []
        for which in map(int, chosen):
            problems = self.bare[which].problems
            if not orders[which]:
                orders[which] = rng.permutation(len(problems)).tolist()
            drawn.append(Drawn(which, problems[orders[which].pop()]))
        return drawn

    def fingerprint(self) -> str:
        """A hash of what is practised: tasks, problems, weights, style, reward."""
        told = [
            [type(task).__qualname__, task.name, weight, [question(p) for p in task.problems]]
            for task, weight in self.tasks
        ]
        style = [self.style.format, self.style.shots, self.style.role]
        return digest([told, style, self._rewarding()])

    def told(self) -> dict[str, Any]:
        """In words, for records."""
        tasks = [
            {"task": task.name, "weight": weight, "problems": len(task)}
            for task, weight in self.tasks
        ]
        return {"tasks": tasks, "format": self.style.format, "reward": self._rewarding()}

    def _rewarding(self) -> str:
        if self.learned is not None:
            from reasoning.models.weights import weights_id

            return f"{LEARNED}{weights_id(self.learned, None)}"
        if isinstance(self.reward, str):
            return self.reward
        made: Callable[..., Any] = self.reward
        return f"{made.__module__}:{named(made)}{settings_in(made)}"


def settings_in(reward: Callable[..., Any]) -> str:
    """What a reward that is an object is set to; empty for a function."""
    held = getattr(reward, "__dict__", {})
    return f" {json.dumps(describe(dict(held)), sort_keys=True)}" if held else ""


@dataclass(frozen=True)
class Drawn:
    """One problem of a deck, and the index of its task."""

    task: int
    problem: Problem
