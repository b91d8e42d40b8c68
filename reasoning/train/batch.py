"""Sampled traces as tensors: what a policy-gradient step computes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Batch:
    """Traces after their prompts. `ids` (rows, width): prompt and trace, padded on the right, where
    a causal model needs no mask. `places` (rows, length): for each token of a trace the place in
    `ids` from which it is predicted; `targets` the token itself; `mask` 1.0 where there is one."""

    ids: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    mask: torch.Tensor

    @property
    def last(self) -> torch.Tensor:
        """The index of each trace's last token, (rows,)."""
        return self.mask.sum(dim=1).long() - 1

    @property
    def tokens(self) -> int:
        """Tokens that a pass reads, prompts included, padding not."""
        ends = self.places.gather(1, self.last[:, None])[:, 0] + 2
        return int(ends.sum())

    def rows(self, chosen: Any) -> Batch:
        """Some of the rows."""
        return Batch(self.ids[chosen], self.places[chosen], self.targets[chosen], self.mask[chosen])

    def pieces(self, together: int = 64) -> tuple[torch.Tensor, list[Batch]]:
        """The batch cut into pieces of rows of like length, without their common padding, and the
        order of the rows in them."""
        order = torch.argsort(self.mask.sum(dim=1))
        return order, [self.rows(rows).narrow() for rows in order.split(together)]

    def narrow(self) -> Batch:
        """Without the padding that all rows share."""
        length = int(self.last.max()) + 1
        width = int(self.places[:, :length].max()) + 2
        return Batch(self.ids[:, :width], self.places[:, :length], self.targets[:, :length],
                     self.mask[:, :length])  # fmt: skip

    def at_traces(self, model: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The model's logits (rows, length, vocabulary) for the traces' tokens, and the last hidden
        state they come from."""
        out = model(input_ids=self.ids, use_cache=False, output_hidden_states=True,
                    logits_to_keep=self.ids.new_zeros(1))  # fmt: skip
        hidden = out.hidden_states[-1]
        rows = torch.arange(len(hidden), device=hidden.device)[:, None]
        kept = hidden[rows, self.places]
        return model.get_output_embeddings()(kept), kept


def batched(
    prompts: Sequence[Sequence[int]], traces: Sequence[Sequence[int]], device: Any = "cpu"
) -> Batch:
    """Prompts and what was sampled after them (one token or more each) as a batch."""
    width = max(len(a) + len(b) for a, b in zip(prompts, traces, strict=True))
    length = max(map(len, traces))
    shape = (len(traces), length)
    ids = torch.zeros(len(traces), width, dtype=torch.long)
    places, targets = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    mask = torch.zeros(shape)
    for row, (before, after) in enumerate(zip(prompts, traces, strict=True)):
        ids[row, : len(before) + len(after)] = torch.tensor([*before, *after])
        places[row, : len(after)] = torch.arange(len(after)) + len(before) - 1
        targets[row, : len(after)] = torch.tensor(list(after))
        mask[row, : len(after)] = 1.0
    return Batch(*(tensor.to(device) for tensor in (ids, places, targets, mask)))
