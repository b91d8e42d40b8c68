"""trl's SFTTrainer for small models: the same loss without what costs more than the model itself.

Left out where a batch's logits are small: trl's chunked output head, its entropy and its accuracy.
On a model of 0.2 M parameters that is a third of the time of a step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy
from trl.trainer.sft_trainer import SFTTrainer

from reasoning.data.tokens import UNLEARNED
from reasoning.train.order import Grouped
from reasoning.train.spent import Spent

SMALL = 1 << 28
"""Bytes of a batch's logits up to which they are computed in one piece."""


PACKED = (
    "position_ids", "cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "seq_idx",
)  # fmt: skip
"""Where rows that lie end to end begin."""


class Learner(SFTTrainer):
    """Learns rows of `input_ids` and `labels`, padded on the right, in the order of `Grouped`.

    `spent` counts the tokens that all processes learned; `batch` is the rows of a step, all passes
    and processes together.
    """

    def __init__(self, *, spent: Spent, batch: int, **options: Any) -> None:
        self.spent, self._rows = spent, batch
        super().__init__(**options)
        for weight in options["model"].parameters():  # trl makes adapters of packed weights bf16
            if weight.requires_grad:
                weight.data = weight.data.float()
        self._vocabulary = options["model"].config.get_text_config().vocab_size

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Cross-entropy (nats): the sum over the batch's learned tokens by their number in the
        whole step."""
        ids = inputs["input_ids"]
        packed = {k: inputs[k] for k in PACKED if k in inputs}
        if model.training:
            read: Any = torch.tensor(ids.numel()) if packed else inputs["attention_mask"].sum()
            if self.accelerator.num_processes > 1:
                read = self.accelerator.reduce(read.to(ids.device), "sum")
            self.spent.learn(int(read.item()))
        wide = ids.numel() * self._vocabulary * 4 > SMALL
        if wide or return_outputs or self.aux_loss_enabled or num_items_in_batch is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        logits = model(input_ids=ids, use_cache=False, **packed).logits  # right padding: no mask
        labels = inputs["labels"][:, 1:]
        wanted = labels != UNLEARNED
        total = cross_entropy(logits[:, :-1][wanted].float(), labels[wanted], reduction="sum")
        return total / num_items_in_batch * self.accelerator.num_processes

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        lengths = [len(ids) for ids in rows["input_ids"]]
        return Grouped(lengths, self._rows, self.args.seed, lambda: int(self.state.epoch or 0))

    def create_model_card(self, *args: Any, **kw: Any) -> None:
        """None: the record beside the weights says how they were made."""
