"""CompareSettings: a comparison as plain values, shared by the command line and TOML files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from search.progress import Watcher

if TYPE_CHECKING:
    from search.report import Report

Value = int | float | bool | str


@dataclass(frozen=True)
class CompareSettings:
    """What to compare. Strategies are texts such as `best-of-n(n=8,scorer=likelihood)`.

    `budget` is generated tokens a problem; `dollars` and `seconds` cap, for each arm at each budget
    and seed, the whole run (dollars need prices of the model). `options` go to the task (its
    difficulty, such as `ops=5`), `model_options` to the model (`device=cuda`, `dtype=bfloat16`,
    `record=FILE`).
    """

    task: str = "expressions"
    model: str = "tiny"
    model_options: Mapping[str, Value] = field(default_factory=dict)
    strategy: tuple[str, ...] = ("chain-of-thought", "self-consistency", "best-of-n")
    budget: tuple[int, ...] = (32, 128, 512)
    dollars: float | None = None
    seconds: float | None = None
    problems: int = 200
    split: str = "test"
    task_seed: int = 0
    options: Mapping[str, Value] = field(default_factory=dict)
    seed: tuple[int, ...] = (0,)
    out: str | None = None
    resume: bool = False
    concurrency: int = 64


def compare_from(settings: CompareSettings, progress: bool | Watcher | None = None) -> Report:
    """Load the task and the model by name and compare. Raises LabError for what cannot work."""
    from evaluators.tasks import load_task
    from reasoning.budget import Budget
    from reasoning.models import load_model
    from search.comparison import compare
    from search.strategies import parse

    strategies = [parse(text) for text in settings.strategy]  # names fail before a model is loaded
    task = load_task(
        settings.task, split=settings.split, n=settings.problems, seed=settings.task_seed,
        **settings.options,
    )  # fmt: skip
    budgets = [
        Budget(tokens, seconds=settings.seconds, dollars=settings.dollars)
        for tokens in settings.budget
    ]
    chosen: dict[str, Any] = dict(settings.model_options)
    model = load_model(settings.model, **chosen)
    return compare(
        strategies, task, model, budgets, settings.seed,
        out=settings.out, resume=settings.resume, concurrency=settings.concurrency,
        progress=progress,
    )  # fmt: skip
