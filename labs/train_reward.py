"""`reasonlab train reward`: sample, label, train a reward model; the same command resumes."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from evaluators.errors import BadInput, UnknownName
from labs.recipe_options import options_of

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class RewardSettings:
    """What to train: `kind` of model from `model`, on traces that `writer` (the model itself where
    it is None) samples on training problems of `task`, labelled exactly or by `rollouts`
    continuations a step; an outcome model also on the preferences in the file `data`."""

    kind: Literal["process", "outcome"] = "process"
    head: Literal["likelihood", "classes"] = "likelihood"
    model: str = "tiny"
    writer: str | None = None
    data: str | None = None
    task: str = "expressions"
    options: Mapping[str, Any] = field(default_factory=dict)
    problems: int = 1000
    samples: int = 4
    temperature: float = 1.0
    labels: Literal["exact", "rollouts"] = "exact"
    rollouts: int = 8
    input: Literal["trace", "state"] = "trace"
    epochs: float = 1.0
    lr: float | None = None
    seed: int = 0


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab train reward",
        description="Train a reward model from a policy: a process model rates every step, an"
        " outcome model whole traces. Traces are sampled on training problems; labels are exact"
        " where the task has a solver, or by rollouts. A run that was stopped goes on when the same"
        " command is given again. --recipe tiny-prm makes the embedded process model.",
    )
    default = RewardSettings()
    made.add_argument("--recipe", help="a recipe of an embedded model (tiny-prm), as it stands")
    made.add_argument("--kind", choices=("process", "outcome"), default=default.kind)
    made.add_argument(
        "--head", choices=("likelihood", "classes"), default=default.head,
        help="what rates a step of a process model: its likelihood, or a classifier at its end",
    )  # fmt: skip
    made.add_argument("--model", default=default.model, help="an embedded policy or hf:FOLDER")
    made.add_argument("--writer", help="who samples the traces (the model itself)")
    made.add_argument(
        "--data", help="a file of preferences (pairs) to learn from in place of samples"
    )
    made.add_argument("--task", default=default.task)
    made.add_argument("--options", default="", help="difficulty of the task: ops=4..8 or numbers=5")
    made.add_argument("--problems", type=int, default=default.problems, help="training problems")
    made.add_argument("--samples", type=int, default=default.samples, help="traces a problem")
    made.add_argument("--temperature", type=float, default=default.temperature)
    made.add_argument("--labels", choices=("exact", "rollouts"), default=default.labels)
    made.add_argument("--rollouts", type=int, default=default.rollouts, help="rollouts a step")
    made.add_argument(
        "--input", choices=("trace", "state"), default=default.input,
        help="what a process model reads: the trace, or the task's text of the state",
    )  # fmt: skip
    made.add_argument("--epochs", type=float, default=default.epochs)
    made.add_argument("--lr", type=float, help="another learning rate than the recipe's")
    made.add_argument("--seed", type=int, default=default.seed)
    made.add_argument("--out", type=Path, help="folder of the run (runs/reward-KIND)")
    return made


def report(row: Mapping[str, Any]) -> None:
    """One line of progress."""
    if "loss" in row:
        print(f"step {row['step']:5d} of {row['of']} · loss {row['loss']:.4f}", flush=True)


def policy_folder(name: str) -> str:
    """The folder of a policy's weights: an embedded model, or `hf:FOLDER`. Raises BadInput."""
    from reasoning import models

    place = name.removeprefix("hf:")
    if place != name or Path(place).is_dir():
        return place
    found = Path(models.__file__).parent / "tiny" / name
    if not (found / "config.json").is_file():
        raise BadInput(
            f"--model {name}: a policy to train from is an embedded model (tiny, tiny-weak,"
            " tiny-student) or hf:FOLDER of a saved model"
        )
    return str(found)


def train(
    settings: RewardSettings, folder: Path, report: Report = report,
    stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """Sample, label and train; returns the folder of the weights. What was sampled is kept in
    `folder`, and used again by a run that goes on. When `stop` is set the training ends after its
    step and keeps a checkpoint. Raises LabError."""
    from evaluators import load_task
    from reasoning import load_model
    from reasoning.loop import run as wait
    from reasoning.train import labels, reward

    if min(settings.problems, settings.samples, settings.rollouts) < 1 or settings.epochs <= 0:
        raise BadInput("--problems, --samples, --rollouts and --epochs must be above 0")
    if settings.temperature < 0 or (settings.lr is not None and settings.lr <= 0):
        raise BadInput("--temperature must be 0 or more, and --lr above 0")
    if settings.data is not None and settings.kind != "outcome":
        raise BadInput("--data holds preferences: they make an outcome model (--kind outcome)")
    policy = policy_folder(settings.model)
    more: dict[str, Any] = {"epochs": settings.epochs, "seed": settings.seed}
    if settings.lr is not None:
        more["lr"] = settings.lr
    if settings.data is not None:
        _same(settings, folder)
        couples = _preferred(Path(settings.data), policy)
        recipe = reward.OutcomeRecipe(**more)
        return reward.train_outcome(couples, policy, folder, recipe, report, stop)
    task = load_task(settings.task, "train", settings.problems, settings.seed, **settings.options)
    rows = folder / "rows.jsonl"
    _same(settings, folder)
    if rows.is_file():
        known = labels.read(rows)
        print(f"{len(known)} labelled texts of an earlier session: {rows}")
    else:
        steps = settings.labels == "rollouts" and settings.kind == "process"
        each = settings.rollouts if steps else 0
        draws = labels.Draws(settings.samples, settings.temperature)
        model = load_model(settings.writer or settings.model)
        known = wait(labels.label(task, model, draws, rollouts_each=each, seed=settings.seed))
        if settings.input == "state" and settings.kind == "process":
            known = labels.states(known, task)
        labels.save(known, rows)
        print(f"{len(known)} labelled texts: {rows}")
    if settings.kind == "process":
        base = reward.LIKELIHOOD if settings.head == "likelihood" else reward.ProcessRecipe()
        return reward.train_process(known, policy, folder, replace(base, **more), report, stop)
    couples = reward.pairs(known, settings.seed)
    return reward.train_outcome(couples, policy, folder, reward.OutcomeRecipe(**more), report, stop)


def _preferred(file: Path, policy: str) -> list[Any]:
    """The pairs of a file as the texts that an outcome model of this policy reads."""
    import transformers

    from labs.stage import dialect_of
    from reasoning.data import pairs
    from reasoning.models.encode import Encoder
    from reasoning.models.weights import located
    from reasoning.train.reward import preferred

    words = transformers.AutoTokenizer.from_pretrained(**located(policy, policy, None))
    return preferred(pairs.read(file), Encoder(words, dialect_of(policy), policy))


def _same(settings: RewardSettings, folder: Path) -> None:
    """Keep the settings in the folder. Raises BadInput where it holds a run with others."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written ({error}): name another folder") from error
    record, told = folder / "asked.json", json.dumps(asdict(settings), indent=1)
    before = json.loads(record.read_text("utf-8")) if record.is_file() else {}
    if before and {"writer": None, "data": None, **before} != json.loads(told):
        raise BadInput(f"{folder} holds a run with other settings: name another folder (--out)")
    if not record.is_file():
        draft = record.with_suffix(".new")
        draft.write_text(told + "\n", "utf-8")
        draft.replace(record)


def run(argv: list[str]) -> int:
    """The command."""
    given = parser().parse_args(argv)
    try:
        if given.recipe is not None:
            from labs.recipes.prm import PLANS, make

            if given.recipe not in PLANS:
                raise UnknownName("recipe of a reward model", given.recipe, PLANS)
            weights = make(given.recipe, given.out or Path("runs") / given.recipe, print, report)
        else:
            names = [name for name in vars(given) if name not in ("recipe", "out", "options")]
            asked = {name: getattr(given, name) for name in names}
            settings = RewardSettings(**asked, options=options_of(given.options))
            folder = given.out or Path("runs") / f"reward-{given.kind}"
            from labs.stage import stoppable

            weights = stoppable(lambda note, stop: train(settings, folder, note, stop), report)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("the same command goes on from the last checkpoint") from stop
    print(f"weights: {weights}")
    return 0
