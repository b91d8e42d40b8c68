"""What a process model can tell, measured on held-out problems, and its card."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluators import load_task
from labs.recipes.measure import auc
from reasoning.core import LanguageModel
from reasoning.ledger import Ledger
from reasoning.loop import run
from reasoning.models.process import ProcessModel
from reasoning.train.labels import Draws, Labelled, label

SETTINGS: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = (
    ("expressions", (("ops", (4, 6)),)),
    ("expressions", (("ops", (6, 8)),)),
    ("expressions", (("ops", (8, 10)),)),
    ("countdown", (("numbers", 4),)),
    ("countdown", (("numbers", 5),)),
)
SEED = 4_000
RESAMPLES = 400


@dataclass(frozen=True)
class Measured:
    """The AUC of one setting at one depth (`all`, or the step's number) by one aggregate, with its
    95 % interval over problems; `bad` is the share of states that are lost."""

    setting: str
    depth: str
    aggregate: str
    value: float
    low: float
    high: float
    states: int
    bad: float


def measure(model: ProcessModel, policy: LanguageModel, n: int = 120) -> list[Measured]:
    """How well it tells good states from lost ones in traces that the policy samples on test
    problems (4 a problem at temperature 0.8): all states, and by depth."""
    found: list[Measured] = []
    for name, options in SETTINGS:
        task = load_task(name, "test", n, SEED, **dict(options))
        rows = run(label(task, policy, Draws(4, 0.8), seed=SEED))
        rated = run(_rated(model, rows))
        setting = " ".join([name, *(f"{key}={_shown(value)}" for key, value in options)])
        for aggregate in ("min", "product", "last"):
            found += _of_setting(setting, aggregate, rows, rated)
    return found


async def _rated(model: ProcessModel, rows: Sequence[Labelled]) -> list[list[float]]:
    calls = [model.rate([row.pieces], Ledger()) for row in rows]
    return [answer[0] or [] for answer in await asyncio.gather(*calls)]


def _of_setting(
    setting: str, aggregate: str, rows: Sequence[Labelled], rated: Sequence[Sequence[float]]
) -> list[Measured]:
    """Of all depths together, and for the minimum of each depth that has enough of both kinds."""
    states: dict[tuple[str, tuple[str, ...]], tuple[int, bool, float]] = {}
    for row, ratings in zip(rows, rated, strict=True):
        for at in range(1, len(row.pieces)):
            known = row.labels[at]
            if known is not None:
                value = one(aggregate, ratings[1 : at + 1])
                states[row.problem, row.pieces[: at + 1]] = (at, known > 0.5, value)
    problems = np.array([key[0] for key in states])
    depth, truth, score = (np.array(column) for column in zip(*states.values(), strict=True))
    found = [_one(setting, "all", aggregate, problems, truth, score)]
    for at in np.unique(depth) if aggregate == "min" else []:
        here = depth == at
        if min(truth[here].sum(), (~truth[here]).sum()) >= 10:
            found.append(
                _one(setting, str(at), aggregate, problems[here], truth[here], score[here])
            )
    return found


def one(aggregate: str, ratings: Sequence[float]) -> float:
    """The ratings of a trace's steps as one number."""
    if aggregate == "last":
        return ratings[-1]
    return min(ratings) if aggregate == "min" else float(np.prod(ratings))


def _one(
    setting: str, depth: str, aggregate: str, problems: np.ndarray, truth: np.ndarray,
    score: np.ndarray,
) -> Measured:  # fmt: skip
    rng = np.random.Generator(np.random.Philox(0))
    names, index = np.unique(problems, return_inverse=True)
    members = [np.flatnonzero(index == at) for at in range(len(names))]
    drawn = []
    for _ in range(RESAMPLES):
        some = np.concatenate([members[at] for at in rng.integers(len(names), size=len(names))])
        if 0 < truth[some].sum() < len(some):
            drawn.append(auc(truth[some], score[some]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Measured(setting, depth, aggregate, auc(truth, score), float(low), float(high),
                    len(truth), float(1 - truth.mean()))  # fmt: skip


def page(name: str, training: Mapping[str, Any], rows: Sequence[Measured]) -> str:
    """The card as Markdown."""
    recipe, data = training["recipe"], training["data"]
    steps = training["curve"][-1]["of"] if training["curve"] else 0
    lines = [
        "---", "license: apache-2.0", "library_name: transformers", "---", "", f"# {name}", "",
        "A process reward model: after each line of a chain it tells the probability that what"
        " stands can still be brought to a right answer. For `tiny`, on `expressions` and"
        " `countdown`, in the compact dialect.", "",
        f"The weights of `{training['parent']['place']}` ({training['parent']['weights']}), trained"
        " until the likelihood of a line says whether it is good (see"
        f" `reasoning/models/process.py`), bf16, by `reasonlab train reward --recipe {name}`:"
        f" {steps} steps of about {recipe['tokens_per_step']:,} tokens ({recipe['optimiser']},"
        f" rate {recipe['lr']}, seed {recipe['seed']}) on {data['rows']:,} texts of training"
        f" problems (hash {data['hash']}): traces that `tiny` sampled at temperature 1, and random"
        " walks of countdown. Labels are exact.", "",
        "```python",
        "from reasoning.models.process import load_process_model", "",
        f'model = load_process_model("{name}")',
        '# as a scorer: BestFirst(scorer="process-model(sure=0.9,doubt=4)", enough=1)', "```", "",
        "It knows nothing but the text. It was trained on these two tasks, with numbers as `tiny`"
        " meets them; elsewhere its ratings mean nothing.", "",
        "## How well it tells good states from lost ones", "",
        "AUC on held-out test problems, in traces that `tiny` samples at temperature 0.8; 95 %"
        " intervals over problems. `min`, `product`, `last`: how the ratings of a trace's steps are"
        " made one number.", "",
        "| setting | depth | aggregate | AUC | 95 % interval | states | lost |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {r.setting} | {r.depth} | {r.aggregate} | {r.value:.3f} | {r.low:.3f} to {r.high:.3f}"
        f" | {r.states} | {r.bad:.2f} |"
        for r in rows
    ]
    return "\n".join([*lines, ""])


def write(name: str, folder: Path, rows: Sequence[Measured]) -> None:
    """Write `card.json` and `README.md` beside the weights in `folder`."""
    training = json.loads((folder / "training.json").read_text("utf-8"))
    (folder / "card.json").write_text(json.dumps([asdict(r) for r in rows], indent=1) + "\n")
    (folder / "README.md").write_text(page(name, training, rows))


def _shown(value: Any) -> str:
    return "..".join(map(str, value)) if isinstance(value, tuple) else str(value)
