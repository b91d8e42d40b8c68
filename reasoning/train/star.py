"""STaR: sample, keep what a verifier passes, train from the base, again (Zelikman et al. 2022,
algorithm 1; without rationalisation it is expert iteration).

Each round samples on new problems with the model of the round before and fine-tunes the base, not
that model, on the right traces. Problems that no sample solved can be rationalised: asked again
with a hint, which is stripped. With a search strategy as sampler, search makes the traces.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from evaluators.errors import BadInput
from evaluators.tasks.base import Task
from reasoning.core import Strategy
from reasoning.data.rows import TraceRow, read, save
from reasoning.data.select import select
from reasoning.describe import describe
from reasoning.runlog import RunLog
from reasoning.train.methods import trained
from reasoning.train.practice import Practice
from reasoning.train.run import (
    Progress,
    finished,
    opened,
    processes,
    saved,
    settings_of,
    unheard,
)
from reasoning.train.sft import SFTRecipe, train_sft
from reasoning.train.spent import Spent
from reasoning.train.star_traces import Harvest, Sitting, harvest, refuse_reward

ROUND = "round.json"
"""The record of a finished round, in its folder beside `traces.jsonl` and `model`."""


@dataclass(frozen=True)
class StarRecipe(SFTRecipe):
    """How a model improves on its own right traces.

    Each of `rounds` draws `problems` of the practice, samples `k` traces of each at `temperature`,
    and keeps at most `keep` different right ones a problem. `hints` asks the problems without a
    right trace again, with the answer told or with the first step forced; the hint is stripped.
    `gather` trains on the traces of all rounds so far, else on those of the last one. Steps,
    epochs, batch and rate are those of one round's training, which begins from the base. With
    `flops` what is left is shared evenly among the rounds left; sampling stops after the share
    `sampling` of a round's part, training at its end.
    """

    lr: float = 5e-4
    epochs: float = 4.0
    rounds: int = 3
    problems: int = 1000
    k: int = 8
    keep: int = 4
    temperature: float = 1.0
    hints: Literal["none", "answer", "step"] = "none"
    gather: bool = False
    sampling: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, ok, want in (
            ("rounds", self.rounds >= 1, "1 or more"),
            ("problems", self.problems >= 1, "1 or more"),
            ("k", self.k >= 1, "1 or more"),
            ("keep", self.keep >= 1, "1 or more"),
            ("temperature", self.temperature > 0, "above 0"),
            ("hints", self.hints in ("none", "answer", "step"), "none, answer or step"),
            ("sampling", 0 < self.sampling < 1, "a share in 0..1, neither 0 nor 1"),
        ):
            if not ok:
                raise BadInput(f"recipe: {name} must be {want}, not {getattr(self, name)!r}")

    def training(self, flops: float | None, seed: int) -> SFTRecipe:
        """The recipe of one round's training."""
        known = {f.name: getattr(self, f.name) for f in fields(SFTRecipe)}
        return SFTRecipe(**{**known, "flops": flops, "seed": seed})


def star(
    policy: Any, data: Practice | Task | Sequence[Any], *, strategy: Strategy | None = None,
    out: str | Path | None = None, progress: Progress | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Improve `policy` (a model or its name) on its own right traces; opens the last round's model.

    `data` are the tasks to practise on (a Task, several, or a Practice; training problems).
    `strategy` makes the traces in `k` runs a problem, in place of `k` independent samples.
    `settings` change `StarRecipe`; `out` is the run folder (None: a temporary one), where the same
    call goes on after an interruption. Raises BadInput and UnknownName.
    """
    given = Practice.of(data)
    work = given if strategy is None else (given, strategy)
    return trained("star", policy, work, out, progress, **settings)


def train_star(
    data: Any, policy: str, folder: Path, recipe: StarRecipe,
    progress: Progress = unheard, stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """The rounds from the policy in the folder `policy`; returns the folder of the last round's
    weights. `data` is what `star` takes, or a Practice and a strategy.

    `folder/round-N` holds each round's traces and weights. The same call goes on where it stopped:
    sampled rows are read, a training run resumes. When `stop` is set it ends within the round and
    saves the weights of the last one that has any.

    Raises BadInput where a round finds no right trace, for other settings in the same folder, and
    under several processes.
    """
    import transformers

    searched = isinstance(data, tuple) and isinstance(data[0], Practice)
    practice, strategy = data if searched else (Practice.of(data), None)
    refuse_reward(practice)
    if processes() > 1:
        raise BadInput("star runs in one process: start it without accelerate launch")
    settings = settings_of("star", policy, practice.fingerprint(), len(practice), asdict(recipe))
    settings["strategy"] = describe(strategy)
    with RunLog(folder, settings, resume=(folder / "run.json").exists()) as log:
        work = _Rounds(practice, strategy, policy, folder, recipe, log, progress, stop)
        if (done := finished(folder)) is not None:
            return done
        place = work.run()
        model, words, _ = opened(place, transformers.AutoModelForCausalLM, recipe.seed)
        return saved(
            model, words, folder, settings, log, policy=policy, spent=work.spent,
            rounds=work.done, practice=practice.told(),
            finished=len(work.done) == recipe.rounds and bool(work.done[-1]["whole"]),
        )  # fmt: skip


class _Rounds:
    """The rounds of one run: `done` are the records of the finished ones."""

    def __init__(
        self, practice: Practice, strategy: Strategy | None, base: str, folder: Path,
        recipe: StarRecipe, log: RunLog, progress: Progress, stop: threading.Event | None,
    ) -> None:  # fmt: skip
        self.practice, self.strategy, self.base, self.folder = practice, strategy, base, folder
        self.recipe, self.log, self.progress, self.stop = recipe, log, progress, stop
        self.done: list[dict[str, Any]] = []
        self.spent = Spent(0.0, 0.0)
        self.steps = 0

    def run(self) -> str:
        """All rounds that are left; the folder of the last weights."""
        model, rows = self.base, []
        for number in range(1, self.recipe.rounds + 1):
            place = self.folder / f"round-{number}"
            found = self._record(place)
            if found is None:
                made = self._sampled(place, model, number)
                if made is None:
                    return model
                rows = self._kept(place, rows, made)
                found = self._learned(place, rows, made, number)
            else:
                rows = self._kept(place, rows, None)
            model = str(place / "model")
            self._note(found)
            if self._stopped() and not found["whole"]:
                return model
        return model

    def _sampled(self, place: Path, model: str, number: int) -> Harvest | None:
        """The traces of a round, those of an earlier session where they are whole; None where the
        run was stopped before."""
        recipe, file = self.recipe, place / "harvest.json"
        if file.is_file():
            return Harvest.from_json(json.loads(file.read_text("utf-8")), read(place / "all.jsonl"))
        sitting = Sitting(
            self.practice, self.strategy, recipe.problems, recipe.k, recipe.temperature,
            recipe.hints, recipe.seed + 7919 * number,
        )  # fmt: skip
        left = self._left(number)
        cap = None if left is None else left * recipe.sampling
        made = harvest(model, sitting, place, cap, self._heard(number), self.stop)
        if made is None:
            return None
        save(made.rows, place / "all.jsonl")
        _write(file, made.to_json())
        return made

    def _kept(
        self, place: Path, before: Sequence[TraceRow], made: Harvest | None
    ) -> list[TraceRow]:  # fmt: skip
        """What a round learns from."""
        file = place / "traces.jsonl"
        if not file.is_file():
            if made is None:
                raise BadInput(f"{place} has lost {file.name}: delete that folder, then go on")
            fresh = made.right(self.practice)
            rows = [*(before if self.recipe.gather else ()), *fresh]
            kept = select(rows, each=self.recipe.keep, prefer="random", seed=self.recipe.seed)
            save(list(kept), file)
        return read(file)

    def _learned(
        self, place: Path, rows: Sequence[TraceRow], made: Harvest, number: int
    ) -> dict[str, Any]:
        """Train the base on the traces; the record of the round."""
        if not rows:
            raise BadInput(
                f"round {number} of star found no right trace in {made.sampled} of"
                f" {made.problems} problems: practise on easier ones, or sample more (k)"
            )
        left = self._left(number)
        flops = None if left is None else max(left - made.flops, left * 0.01)
        recipe = self.recipe.training(flops, self.recipe.seed + number)
        weights = train_sft(rows, self.base, place, recipe, self._heard(number), self.stop)
        spent = json.loads((weights / "training.json").read_text("utf-8"))["spent"]
        record = {
            "round": number, "problems": made.problems, "sampled": made.sampled,
            "solved": made.solved, "right": made.passed, "hinted": made.hinted, "kept": len(rows),
            "tokens": made.tokens, "forward": made.forward, "learning": spent["learning"],
            "learned": spent["learned"], "flops": made.flops + spent["flops"],
            "whole": not self._stopped(),
        }  # fmt: skip
        if record["whole"]:
            _write(place / ROUND, record)
        return record

    def _note(self, record: dict[str, Any]) -> None:
        """Count a round; a round that goes on later is counted then."""
        self.done.append(record)
        self.spent.forward, self.spent.learning = record["forward"], record["learning"]
        self.spent.sample(record["tokens"])
        self.spent.learn(record["learned"])
        self.log.append("round", **record)
        self.progress({**record, "flops": self.spent.flops})

    def _left(self, number: int) -> float | None:
        """FLOPs of a round: an even share of what is left."""
        if self.recipe.flops is None:
            return None
        rounds = self.recipe.rounds - number + 1
        return max(0.0, self.recipe.flops - self.spent.flops) / rounds

    def _heard(self, number: int) -> Progress:
        """The training's and the sampling's rows with their round, into this run's log."""
        before, begun = self.spent.flops, self.steps

        def hear(row: dict[str, Any]) -> None:
            told = {**row, "round": number}
            if "step" in row:
                told |= {"step": begun + row["step"], "of": begun + row.get("of", row["step"])}
                self.steps = begun + row["step"]
                self.log.append("metrics", **told, flops_before=before)
            self.progress(told)

        return hear

    def _record(self, place: Path) -> dict[str, Any] | None:
        file = place / ROUND
        return json.loads(file.read_text("utf-8")) if file.is_file() else None

    def _stopped(self) -> bool:
        return self.stop is not None and self.stop.is_set()


def _write(path: Path, value: Any) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
    os.replace(draft, path)
