"""Pretrain a small causal model from nothing on generated examples, on one CPU thread.

The caller brings examples (token ids and a loss mask); this file batches, trains, writes curves
and checkpoints, and resumes exactly. It leaves out evaluation and data.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from evaluators.errors import BadInput
from reasoning.train.muon import Muon

Example = tuple[Sequence[int], Sequence[bool]]
"""Token ids, and for each whether it is to be predicted."""
MakeExample = Callable[[np.random.Generator], Example]


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of one run. Learning rate: linear warm-up, constant, linear decay over the last
    `decay` share of the steps (to 0)."""

    steps: int = 1500
    tokens_per_step: int = 6000
    lr: float = 3e-3
    warmup: int = 40
    decay: float = 0.35
    weight_decay: float = 0.01
    seed: int = 0
    pool: int = 16
    save_every: int = 100


def rate(step: int, settings: PretrainSettings) -> float:
    """The learning rate of a step (0-based)."""
    decay_from = settings.steps * (1 - settings.decay)
    down = (settings.steps - step) / max(1.0, settings.steps - decay_from)
    return settings.lr * min(1.0, (step + 1) / settings.warmup, down)


def batches(
    make: MakeExample, settings: PretrainSettings, start: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches from step `start` on: ids and labels (rows, length), labels -100 where not trained.

    A pool of `pool` batches is drawn from its own seed, sorted by length so that little is padded,
    and shuffled; hence step n is the same whether the run was resumed or not.
    """
    index = start // settings.pool
    skip = start % settings.pool
    while True:
        rng = np.random.default_rng([settings.seed, 77, index])
        yield from _pool(make, settings, rng)[skip:]
        index, skip = index + 1, 0


def _pool(
    make: MakeExample, settings: PretrainSettings, rng: np.random.Generator
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    examples: list[Example] = []
    total = 0
    while total < settings.tokens_per_step * settings.pool:
        examples.append(make(rng))
        total += len(examples[-1][0])
    examples.sort(key=lambda e: len(e[0]))
    out, rows, filled = [], [], 0
    for example in examples:
        rows.append(example)
        filled += len(example[0])
        if filled >= total * (len(out) + 1) / settings.pool:
            out.append(_tensors(rows))
            rows = []
    order = rng.permutation(len(out))
    return [out[i] for i in order]


def _tensors(rows: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    length = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    labels = torch.full((len(rows), length), -100, dtype=torch.long)
    for r, (row, mask) in enumerate(rows):
        t = torch.tensor(row)
        ids[r, : len(row)] = t
        labels[r, : len(row)] = torch.where(torch.tensor(mask), t, -100)
    return ids, labels


def loss_of(model: Any, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy (nats) over the labelled tokens. Rows are padded on the right, where a
    causal model needs no mask; logits are computed at labelled positions only."""
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    wanted = labels[:, 1:] != -100
    return cross_entropy(model.lm_head(hidden[wanted]), labels[:, 1:][wanted])


def optimisers(model: Any, settings: PretrainSettings) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices, AdamW for embeddings and norms."""
    hidden = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    known = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if id(p) not in known]
    return [
        Muon(hidden, lr=settings.lr, weight_decay=settings.weight_decay),
        torch.optim.AdamW(rest, lr=settings.lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def pretrain(
    model: Any,
    make: MakeExample,
    settings: PretrainSettings,
    folder: Path,
    *,
    identity: dict[str, Any],
    progress: Callable[[dict[str, Any]], None] = lambda row: None,
    stop: int | None = None,
) -> list[dict[str, Any]]:
    """Train `model` in place; returns the curve: rows of step, loss (mean of 20 steps), lr, tokens
    and seconds (on the clock, and of the processor).

    Checkpoints go to `folder` every `save_every` steps and a run found there goes on from its last
    one; `identity` (what defines the data) and the settings must be the same, else BadInput.
    `stop` ends the run after that many steps, on the same schedule.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    optims = optimisers(model, settings)
    done, curve, spent, processor = 0, [], 0.0, 0.0
    checkpoint = folder / "checkpoint.pt"
    stamp = {"settings": asdict(settings), **identity}
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if json.loads(state["stamp"]) != json.loads(json.dumps(stamp)):
            raise BadInput(
                f"{folder} holds a run with other settings; choose another folder or delete it"
            )
        model.load_state_dict(state["model"])
        for optim, saved in zip(optims, state["optims"], strict=True):
            optim.load_state_dict(saved)
        done, curve = state["step"], json.loads(state["curve"])
        spent, processor = state["seconds"], state["processor_seconds"]
    model.train()
    began, began_processor = time.perf_counter() - spent, time.process_time() - processor
    recent: deque[float] = deque(maxlen=20)
    source = batches(make, settings, done)
    last = settings.steps if stop is None else min(stop, settings.steps)
    for step in range(done, last):
        ids, labels = next(source)
        lr = rate(step, settings)
        loss = loss_of(model, ids, labels)
        loss.backward()
        recent.append(loss.item())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optim in optims:
            for group in optim.param_groups:
                group["lr"] = lr
            optim.step()
            optim.zero_grad(set_to_none=True)
        if step % 10 == 9 or step + 1 == last:
            row = {
                "step": step + 1, "loss": round(sum(recent) / len(recent), 4), "lr": round(lr, 6),
                "tokens": ids.numel(), "seconds": round(time.perf_counter() - began, 1),
                "processor_seconds": round(time.process_time() - began_processor, 1),
            }  # fmt: skip
            curve.append(row)
            progress(row)
        if (step + 1) % settings.save_every == 0 or step + 1 == last:
            state = {
                "model": model.state_dict(), "optims": [o.state_dict() for o in optims],
                "step": step + 1, "curve": json.dumps(curve), "stamp": json.dumps(stamp),
                "seconds": time.perf_counter() - began,
                "processor_seconds": time.process_time() - began_processor,
            }  # fmt: skip
            partial = checkpoint.with_suffix(".partial")
            torch.save(state, partial)
            partial.replace(checkpoint)
    model.eval()
    return curve
