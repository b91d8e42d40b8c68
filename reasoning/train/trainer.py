"""What trl's sampling trainers do otherwise here: exact prompts, our decoder, little padding.

On a CPU a small model is sampled by the fused decode loop, whose rows leave when they end and whose
draws come from seed paths; elsewhere trl's own generation serves. Probabilities are computed over
rows of like length together: one long trace does not pad all others.
"""

from __future__ import annotations

from typing import Any

import torch

from evaluators.errors import LabError
from reasoning.core import Sampling, SeedPath
from reasoning.models.decoding.fused import FusedStepper, eos_of
from reasoning.models.decoding.loop import DecodeLoop, Request
from reasoning.models.decoding.route import unfused
from reasoning.models.decoding.stops import TokenBytes
from reasoning.train.run import summed

ROWS = 64
"""Rows whose probabilities are computed together on a CPU."""


class FusedSampler:
    """Samples from the live weights of a small model on a CPU. A context manager."""

    def __init__(self, model: Any, words: Any) -> None:
        self._stepper: Any = FusedStepper(model)
        self._loop = DecodeLoop(self._stepper, TokenBytes(words))

    def __enter__(self) -> FusedSampler:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def draw(
        self, model: Any, prompts: list[list[int]], sampling: Sampling, seed: SeedPath
    ) -> list[list[int]]:
        """One completion of every prompt by the weights that `model` has now; the draw of row i is
        that of the seed path's child i. Raises LabError for one without a token."""
        self._stepper.refresh(model)
        waiting = [
            self._loop.submit(Request(ids, sampling, sampling.max_tokens, seed.child(at).key))
            for at, ids in enumerate(prompts)
        ]
        drawn = [list(one.result().token_ids) for one in waiting]
        if not all(drawn):
            raise LabError(
                f"a prompt fills the {self._stepper.max_positions} tokens that the model reads, so"
                " nothing can be sampled after it: shorten the questions"
            )
        return drawn

    def close(self) -> None:
        """End the decode thread."""
        self._loop.close()


class PlainSampler:
    """Samples by transformers' `generate`, for every other model. A context manager."""

    def __init__(self, model: Any, words: Any) -> None:
        self._pad = words.pad_token_id if words.pad_token_id is not None else words.eos_token_id
        self._ends = sorted(eos_of(model) | {words.eos_token_id})

    def __enter__(self) -> PlainSampler:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @torch.no_grad()
    def draw(
        self, model: Any, prompts: list[list[int]], sampling: Sampling, seed: SeedPath
    ) -> list[list[int]]:
        """As `FusedSampler.draw`; the draws come from one generator of the seed path."""
        width = max(map(len, prompts))
        ids = torch.tensor([[self._pad] * (width - len(one)) + one for one in prompts])
        mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in prompts])
        was = model.training
        model.eval()
        with torch.random.fork_rng():
            torch.manual_seed(seed.key[0] % 2**63)
            made = model.generate(
                input_ids=ids.to(model.device), attention_mask=mask.to(model.device),
                do_sample=True, temperature=sampling.temperature, top_k=0, top_p=1.0,
                repetition_penalty=1.0, max_new_tokens=sampling.max_tokens, pad_token_id=self._pad,
                eos_token_id=self._ends,
            )[:, width:].tolist()  # fmt: skip
        model.train(was)
        return [self._cut(one) for one in made]

    def _cut(self, ids: list[int]) -> list[int]:
        """Up to and with the first end of sequence."""
        at = next((i for i, one in enumerate(ids) if one in self._ends), len(ids))
        return ids[: at + 1]


def sampler_of(model: Any, words: Any) -> FusedSampler | PlainSampler:
    """What samples from a model that is being trained."""
    return FusedSampler(model, words) if unfused(model) is None else PlainSampler(model, words)


def sampling_trainer(kind: Any, rollouts: Any, spent: Any, seed: int) -> Any:
    """trl's GRPOTrainer or RLOOTrainer as a class that samples and learns as told above. `rollouts`
    holds the prompts' ids, `spent` counts what is learned."""

    class Trainer(kind):
        sampler: FusedSampler | None = None

        def _tokenize_prompts(self, prompts: list[str]) -> Any:
            return [rollouts.prompts[text] for text in prompts], None, {}

        def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kw: Any) -> Any:
            if unfused(self.model) is not None:
                return super()._generate_single_turn(prompt_ids, *args, **kw)
            if self.sampler is None:
                self.sampler = FusedSampler(self.model, self._tokenizer)
            path = SeedPath(seed, ("practice", self.state.global_step,
                                   self.accelerator.process_index))  # fmt: skip
            sampling = Sampling(self.args.max_completion_length, self.temperature)
            drawn = self.sampler.draw(self.model, prompt_ids, sampling, path)
            return drawn if self._name == "RLOO" else (drawn, None)

        def _get_per_token_logps_and_entropies(
            self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int,
            batch_size: int | None = None, compute_entropy: bool = False, **kw: Any,
        ) -> Any:  # fmt: skip
            if not torch.is_grad_enabled():
                spent.look(summed(int(attention_mask.sum())))
            together = ROWS if input_ids.device.type == "cpu" else (batch_size or len(input_ids))
            first, last = ends(attention_mask)
            order = torch.argsort(last - first)
            start = input_ids.size(1) - logits_to_keep
            told, entropies = [], []
            for rows in order.split(together):
                left, right = int(first[rows].min()), max(int(last[rows].max()), start + 1)
                kept = right - start
                found, entropy, _ = super()._get_per_token_logps_and_entropies(
                    model, input_ids[rows, left:right], attention_mask[rows, left:right], kept,
                    compute_entropy=compute_entropy, **kw,
                )  # fmt: skip
                wide = (0, logits_to_keep - kept)
                told.append(torch.nn.functional.pad(found, wide))
                if entropy is not None:
                    entropies.append(torch.nn.functional.pad(entropy, wide))
            back = torch.argsort(order)
            spread = torch.cat(entropies)[back] if entropies else None
            return torch.cat(told)[back], spread, None

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kw: Any) -> Any:
            if self._name == "GRPO" and self.beta == 0:
                inputs = telling(inputs)
            tokens = inputs["prompt_mask"].sum() + inputs["completion_mask"].sum()
            spent.learn(summed(int(tokens)))
            return super().compute_loss(model, inputs, *args, **kw)

        def create_model_card(self, *args: Any, **kw: Any) -> None:
            """None: the record beside the weights says how they were made."""

    return Trainer


def telling(inputs: dict[str, Any]) -> dict[str, Any]:
    """The rows of a batch that have an advantage. The others (a group that earned the same) add
    nothing to the gradient of a loss that is normalised by the whole batch, so they are not
    read; one is kept where there is no other."""
    keep = inputs["advantages"] != 0
    if not keep.any():
        keep[0] = True
    rows = len(keep)
    return {
        name: value[keep] if isinstance(value, torch.Tensor) and value.shape[:1] == (rows,)
        else value for name, value in inputs.items()
    }  # fmt: skip


def ends(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first column of each row of a mask (rows, length) that is on, and the one after the
    last."""
    place = torch.arange(mask.size(1), device=mask.device)
    on = mask.bool()
    first = torch.where(on, place, mask.size(1)).min(dim=1).values
    last = torch.where(on, place + 1, 0).max(dim=1).values
    return first, last
