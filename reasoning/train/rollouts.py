"""The traces that a trainer samples: their prompts, their judge, their rewards, their probes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from evaluators.errors import BadInput
from reasoning.models.decoding.stops import TokenBytes
from reasoning.models.encode import Encoder
from reasoning.models.weights import weights_id
from reasoning.train.judge import Asked, Judge, Judged
from reasoning.train.practice import Drawn, Practice
from reasoning.train.probes import Sampled, alarms, distance, probe
from reasoning.train.run import opened, summed
from reasoning.train.spent import Spent

MOST_DRAWN = 100_000
"""The longest deck that is written out; a longer run goes through it again."""
PROBED = 32
"""Traces whose distance to the starting policy is measured."""


class Rollouts:
    """Between a trainer of trl and the judge. `prompts` maps a prompt's text to its ids, `reward`
    is the trainer's reward function, `model` the policy that is trained (set it once it is there).
    A context manager: the judge's process ends with it."""

    def __init__(
        self, practice: Practice, encoder: Encoder, recipe: Any, spent: Spent, start: str,
        log: Any,
    ) -> None:  # fmt: skip
        self.practice, self.encoder, self.recipe = practice, encoder, recipe
        self.spent, self.log = spent, log
        self.prompts: dict[str, list[int]] = {}
        self.model: Any = None
        self._drawn: list[Drawn] = []
        self._pieces = TokenBytes(encoder.tokenizer)
        reward = None if practice.learned is not None else practice.reward
        self._judge = Judge(practice.bare, reward, recipe.judge_seconds)
        self._start_folder, self._start = start, None
        self._first_length: float | None = None

    def __enter__(self) -> Rollouts:
        return self

    def __exit__(self, *_: object) -> None:
        self._judge.close()

    def told(self, folder: Path) -> dict[str, Any]:
        """What was practised and how it was judged, for the record in `folder`; with the outcome
        model that rewarded, where one did."""
        judging = {"processes": self._judge.starts, "unjudged": self._judge.failed}
        told = {"practice": self.practice.told(), "judging": judging}
        place = self.practice.learned
        if place is not None:
            made = {"place": Path(place).name, "weights": weights_id(place, None)}
            if Path(place).is_dir():
                made["path"] = os.path.relpath(place, folder)
            told["reward"] = made
        return told

    def deck(self, steps: int) -> list[dict[str, Any]]:
        """The questions of so many steps as rows of a dataset: `prompt`, and its place `at`."""
        batch = self.recipe.batch
        count = min(steps, max(1, MOST_DRAWN // batch)) * batch
        self._drawn = self.practice.deck(count, self.recipe.seed)
        rows = []
        for at, drawn in enumerate(self._drawn):
            prompt = self.practice.prompt(drawn, self.encoder.dialect)
            text = self.encoder.text(prompt) + prompt.prefix
            if text not in self.prompts:
                self.prompts[text] = self.encoder.ids(prompt)
                if len(self.prompts[text]) >= self.recipe.max_length:
                    raise BadInput(
                        f"the prompt of {drawn.problem.id} has {len(self.prompts[text])} tokens,"
                        f" more than max_length={self.recipe.max_length}: raise it"
                    )
            rows.append({"prompt": text, "at": at})
        return rows

    def reward(
        self, prompts: Sequence[str], completions: Sequence[Any], completion_ids: Sequence[Any],
        at: Sequence[int], trainer_state: Any, log_metric: Callable[[str, float], None], **_: Any,
    ) -> list[float | None]:  # fmt: skip
        """trl's reward function: what each trace earns, None where it cannot be told; logs the
        probes."""
        judged, told = self.judge(prompts, completion_ids, at, trainer_state.global_step)
        for name, value in told.items():
            log_metric(f"probe/{name}", value)
        return [one.reward for one in judged]

    def judge(
        self, prompts: Sequence[str], completion_ids: Sequence[Any], at: Sequence[int], step: int
    ) -> tuple[list[Judged], dict[str, float]]:
        """What the sampled traces of the questions at places `at` of the deck earn, and the probes
        of this step; `recipe.samples` neighbours answer one question. Counts the sampling."""
        ends = set(self._ends())
        asked, lengths, read = [], [], 0
        for prompt, ids, place in zip(prompts, completion_ids, at, strict=True):
            finished = bool(ids) and ids[-1] in ends
            drawn = self._drawn[place]
            asked.append(Asked(drawn.task, drawn.problem, self._pieces.text(ids),
                               "eos" if finished else "length"))  # fmt: skip
            lengths.append(len(ids))
            read += len(self.prompts[prompt]) + len(ids)
        self.spent.sample(summed(read))
        judged = self._judge.judge(asked)
        if self.practice.learned is not None:
            judged = self._rated(prompts, asked, judged)
        traces = [
            Sampled(one.text, length, one.finish == "eos", verdict)
            for one, length, verdict in zip(asked, lengths, judged, strict=True)
        ]
        return judged, self._probe(traces, prompts, completion_ids, step)

    # -- inside -----------------------------------------------------------------------

    def _probe(
        self, traces: Sequence[Sampled], prompts: Sequence[str], completion_ids: Sequence[Any],
        step: int,
    ) -> dict[str, float]:  # fmt: skip
        if self._first_length is None:
            self._first_length = self._length_then(traces)
        told = probe(traces, self.recipe.samples, self._first_length)
        every = self.recipe.probe_every
        if every and step % every == 0:
            told["kl"] = self._distance(prompts, completion_ids)
        for sentence in alarms(told):
            self.log.append("alarm", step=step, says=sentence)
        for error in sorted({t.judged.error for t in traces if t.judged.error is not None}):
            self.log.append("unjudged", step=step, says=error)
        return told

    def _length_then(self, traces: Sequence[Sampled]) -> float:
        """The mean length of the run's first step, also where the run goes on after a stop."""
        for event in self.log.events():
            if event["kind"] == "first_length":
                return event["tokens"]
        mean = sum(trace.tokens for trace in traces) / len(traces)
        self.log.append("first_length", tokens=mean)
        return mean

    def _distance(self, prompts: Sequence[str], completion_ids: Sequence[Any]) -> float:
        """From the start, on some of the traces; reading them is not counted as learning."""
        if self._start is None:
            import transformers

            model, _, _ = opened(self._start_folder, transformers.AutoModelForCausalLM, 0)
            self._start = model.to(self.model.device).eval()
        stride = max(1, len(prompts) // PROBED)
        rows = [
            (self.prompts[prompt], list(ids))
            for prompt, ids in list(zip(prompts, completion_ids, strict=True))[::stride]
        ]
        width = max(len(before) + len(after) for before, after in rows)
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        scored = torch.zeros_like(ids, dtype=torch.bool)
        for row, (before, after) in enumerate(rows):
            ids[row, : len(before) + len(after)] = torch.tensor(before + after)
            scored[row, len(before) : len(before) + len(after)] = True
        device = self.model.device
        was = self.model.training
        self.model.eval()
        found = distance(self.model, self._start, ids.to(device), scored.to(device))
        self.model.train(was)
        return found

    def _rated(
        self, prompts: Sequence[str], asked: Sequence[Asked], judged: Sequence[Judged]
    ) -> list[Judged]:
        """The outcome model's output as the reward."""
        from reasoning.ledger import Ledger
        from reasoning.loop import run
        from reasoning.models.outcome import load_outcome_model

        model = load_outcome_model(self.practice.learned or "")
        texts = [prompt + one.text for prompt, one in zip(prompts, asked, strict=True)]
        ledger = Ledger()
        rated = run(model.rate(texts, ledger))
        self.spent.teacher += ledger.spent.flops
        return [
            replace(one, reward=None if value is None else value[0])
            for one, value in zip(judged, rated, strict=True)
        ]

    def _ends(self) -> list[int]:
        ends = self.model.generation_config.eos_token_id
        found = [ends] if isinstance(ends, int) else list(ends or [])
        return [*found, self.encoder.tokenizer.eos_token_id]
