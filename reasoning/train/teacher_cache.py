"""A teacher's next-token distributions on given traces, on disk: its k likeliest tokens at every
learned position, and what bounds the loss of fidelity that keeping only those brings.

A cache is a folder of plain arrays under a name made of its content (the teacher's weights, the
tokens, temperature, k), so that another teacher or other traces never meet an old one. Building it
is resumed where it was interrupted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evaluators.errors import BadInput
from reasoning.data.tokens import Tokens
from reasoning.models.weights import multiplied, weights_id
from reasoning.train.divergence import softened

CARD = "cache.json"
FORM = 1
"""Of the arrays; another number is another cache."""


@dataclass(frozen=True)
class Known:
    """What a cache tells of N positions: `ids` (N, k) of the teacher's likeliest tokens, `logprobs`
    (N, k) of them, and of all other tokens together `tail` (N, 4): the log of their probability,
    the entropy of the distribution among them (nats), the largest and the smallest of their
    log-probabilities. With k = V there are no others, and their log-probability is -inf."""

    ids: Tensor
    logprobs: Tensor
    tail: Tensor
    vocabulary: int

    @property
    def whole(self) -> bool:
        """Whether every token of the vocabulary is kept."""
        return self.ids.shape[-1] >= self.vocabulary

    @property
    def events(self) -> Tensor:
        """(N, k+1) log-probabilities of the kept tokens and of all others; (N, V) where there are
        no others. The same events of a student: `divergence.grouped(student, ids)`."""
        return self.logprobs if self.whole else torch.cat([self.logprobs, self.tail[:, :1]], -1)


@dataclass(frozen=True)
class TeacherCache:
    """An open cache. `card` tells teacher, temperature, k, vocabulary, positions, what building it
    cost in FLOPs, and the probability outside the k tokens (mean and largest)."""

    folder: Path
    card: dict[str, Any]

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return tuple(np.load(self.folder / f"{n}.npy", mmap_mode="r") for n in _NAMES)  # type: ignore

    @cached_property
    def starts(self) -> np.ndarray:
        """The first position of each trace, and the end of the last: (rows + 1,)."""
        return np.load(self.folder / "starts.npy")

    def of(self, rows: Sequence[int]) -> Known:
        """What is known of the learned positions of these traces, one after the other."""
        parts = [slice(self.starts[i], self.starts[i + 1]) for i in rows]
        ids, logprobs, tail = (
            np.concatenate([array[part] for part in parts]) for array in self._arrays
        )
        return Known(
            torch.from_numpy(ids.astype(np.int64)),
            torch.from_numpy(logprobs),
            torch.from_numpy(tail),
            self.card["vocabulary"],
        )


def teacher_cache(
    tokens: Sequence[Tokens], teacher: str, folder: Path, *, top_k: int | None = 32,
    temperature: float = 1.0, device: str = "cpu", batch: int | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> TeacherCache:  # fmt: skip
    """The cache of the teacher in the folder `teacher` on these traces; built under `folder` where
    it is not there yet, about `batch` tokens (padding included) at a time (None: as many as make
    half a gigabyte of logits, 16,384 at most).

    `top_k` None keeps the whole vocabulary. `temperature` is that of the distributions kept: a
    divergence at another one needs another cache. `progress` is told traces done and traces in all.
    Raises BadInput.
    """
    if top_k is not None and top_k < 1:
        raise BadInput(f"top_k must be 1 or more, or None for all tokens, not {top_k}")
    if temperature <= 0:
        raise BadInput(f"a teacher's temperature must be above 0, not {temperature}")
    if not any(any(t.learn) for t in tokens):
        raise BadInput("no token of these traces is a model's: there is nothing to ask a teacher")
    key = {"form": FORM, "teacher": weights_id(teacher, None), "temperature": temperature,
           "top_k": top_k, "tokens": _hash(tokens)}  # fmt: skip
    place = folder / blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=8).hexdigest()
    if not (place / CARD).is_file():
        _build(tokens, teacher, place, key, device, batch, progress)
    return TeacherCache(place, json.loads((place / CARD).read_text("utf-8")))


def known(logits: Tensor, top_k: int, temperature: float = 1.0) -> Known:
    """What a cache keeps of logits (N, V)."""
    logprobs = softened(logits, temperature)
    size = logprobs.shape[-1]
    kept, ids = logprobs.topk(min(top_k, size), dim=-1)
    if top_k >= size:
        nothing = torch.tensor([-torch.inf, 0.0, -torch.inf, -torch.inf])
        return Known(ids, kept, nothing.to(kept).expand(len(ids), 4), size)
    others = logprobs.scatter(-1, ids, -torch.inf)
    mass = others.logsumexp(dim=-1)
    within = others - mass[:, None]
    entropy = -(within.exp() * within.masked_fill(torch.isneginf(within), 0.0)).sum(-1)
    least = logprobs.scatter(-1, ids, torch.inf).amin(-1)
    return Known(ids, kept, torch.stack([mass, entropy, others.amax(-1), least], -1), size)


# -- inside ---------------------------------------------------------------------------

_NAMES = ("ids", "logprobs", "tail")


def _hash(tokens: Sequence[Tokens]) -> str:
    """Of ids and of which are learned."""
    made = blake2b(digest_size=16)
    for each in tokens:
        made.update(np.asarray([len(each.ids), *each.ids, *each.learn], np.int64).tobytes())
    return made.hexdigest()


def _build(
    tokens: Sequence[Tokens], teacher: str, place: Path, key: dict[str, Any], device: str,
    batch: int | None, progress: Callable[[int, int], None],
) -> None:  # fmt: skip
    import transformers

    from reasoning.train.run import opened

    model, _, _ = opened(teacher, transformers.AutoModelForCausalLM, 0)
    model = model.to(device).eval().requires_grad_(False)
    size = model.config.get_text_config().vocab_size
    top = max(max(t.ids) for t in tokens if t.ids)
    if top >= size:
        raise BadInput(
            f"a trace has token {top}, the teacher's vocabulary ends at {size - 1}: teacher and"
            " student must share their vocabulary"
        )
    k = min(key["top_k"] or size, size)
    batch = batch or max(1, min(1 << 14, (1 << 27) // size))
    starts = np.concatenate([[0], np.cumsum([sum(t.learn) for t in tokens])])
    place.mkdir(parents=True, exist_ok=True)
    shapes = {"ids": (k, np.uint16 if size <= 1 << 16 else np.int32), "logprobs": (k, np.float32),
              "tail": (4, np.float32)}  # fmt: skip
    done_file = place / "done"
    done = int(done_file.read_text()) if done_file.is_file() else 0
    arrays = [
        np.lib.format.open_memmap(
            place / f"{name}.npy", "r+" if done else "w+",
            **({} if done else {"dtype": kind, "shape": (int(starts[-1]), width)}),
        )
        for name, (width, kind) in shapes.items()
    ]  # fmt: skip
    np.save(place / "starts.npy", starts)
    order = sorted(range(len(tokens)), key=lambda i: -len(tokens[i].ids))  # widest batches first
    while done < len(order):
        rows = order[done : done + max(1, batch // len(tokens[order[done]].ids))]
        found = known(read_logits(model, [tokens[i] for i in rows]), k, key["temperature"])
        at = 0
        for i in rows:
            here, end = slice(starts[i], starts[i + 1]), at + int(starts[i + 1] - starts[i])
            for array, name in zip(arrays, _NAMES, strict=True):
                array[here] = getattr(found, name)[at:end].cpu().numpy()
            at = end
        done += len(rows)
        for array in arrays:
            array.flush()
        _write(done_file, str(done))
        progress(done, len(order))
    outside = np.exp(np.asarray(arrays[2][:, 0], np.float64))
    read = sum(len(t.ids) for t in tokens)
    card = {**key, "top_k": k, "vocabulary": size, "positions": int(starts[-1]),
            "rows": len(tokens), "tokens_read": read, "flops": 2.0 * multiplied(model) * read,
            "outside_mean": float(outside.mean()), "outside_max": float(outside.max())}  # fmt: skip
    _write(place / CARD, json.dumps(card, indent=1) + "\n")
    done_file.unlink()


def read_logits(model: Any, rows: Sequence[Tokens]) -> Tensor:
    """The logits (N, V) from which the learned tokens of these traces come, one after the other."""
    width = max(len(t.ids) for t in rows)
    ids = torch.tensor([[*t.ids, *[0] * (width - len(t.ids))] for t in rows])
    learn = torch.tensor([[*t.learn, *[False] * (width - len(t.ids))] for t in rows])
    there = torch.tensor([[1] * len(t.ids) + [0] * (width - len(t.ids)) for t in rows])
    device = model.device
    with torch.inference_mode():
        out = model(input_ids=ids.to(device), attention_mask=there.to(device), use_cache=False)
    return out.logits[:, :-1][learn[:, 1:].to(device)]


def _write(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_text(text, "utf-8")
    os.replace(draft, path)
