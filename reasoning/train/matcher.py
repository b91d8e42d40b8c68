"""A step of logit distillation: examples with what the teacher said of them, and the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reasoning.data.tokens import UNLEARNED, Tokens
from reasoning.train.divergence import divergence, grouped, mixed, softened
from reasoning.train.order import Grouped
from reasoning.train.spent import Spent
from reasoning.train.teacher_cache import TeacherCache


def tokens_in(item: dict[str, list[int]]) -> Tokens:
    """An example as tokens."""
    return Tokens(tuple(item["input_ids"]), tuple(x != UNLEARNED for x in item["labels"]), 0)


class Numbered(torch.utils.data.Dataset):
    """Examples with their number, by which the cache knows them."""

    def __init__(self, data: Sequence[dict[str, list[int]]]) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**self.data[index], "row": index}


@dataclass(frozen=True)
class Collator:
    """Examples as a batch padded on the right, with what the teacher said of their tokens."""

    cache: TeacherCache

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        said = self.cache.of([item["row"] for item in items])
        width = max(len(item["input_ids"]) for item in items)

        def padded(rows: Sequence[Sequence[int]], filling: int) -> Tensor:
            return torch.tensor([[*row, *[filling] * (width - len(row))] for row in rows])

        ids = [item["input_ids"] for item in items]
        return {
            "input_ids": padded(ids, 0), "labels": padded([i["labels"] for i in items], UNLEARNED),
            "lengths": torch.tensor([len(row) for row in ids]),
            "teacher_ids": said.ids, "teacher_events": said.events,
        }  # fmt: skip


def matcher(recipe: Any, spent: Spent) -> type:
    """A transformers Trainer with the loss of a `LogitsRecipe`, that counts in `spent`."""
    import transformers

    class Trainer(transformers.Trainer):
        loss_is_scaled_for_ga = True

        def __init__(self, *args: Any, **kw: Any) -> None:
            super().__init__(*args, **kw)
            self.model_accepts_loss_kwargs = True  # so that a step's learned tokens are counted

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:  # fmt: skip
            read: Any = inputs["lengths"].sum()
            if self.accelerator.num_processes > 1:
                read = self.accelerator.reduce(read, "sum")
            spent.learn(int(read))
            out = model(input_ids=inputs["input_ids"], use_cache=False)  # right padding: no mask
            labels = inputs["labels"][:, 1:]
            wanted = labels != UNLEARNED
            each = losses(recipe, out.logits[:, :-1][wanted], labels[wanted], inputs)
            loss = each.sum() * self.accelerator.num_processes / num_items_in_batch
            return (loss, out) if return_outputs else loss

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            lengths = [len(item["input_ids"]) for item in self.train_dataset.data]  # type: ignore
            return Grouped(lengths, recipe.batch, recipe.seed, lambda: int(self.state.epoch or 0))

    return Trainer


def losses(recipe: Any, logits: Tensor, labels: Tensor, said: dict[str, Tensor]) -> Tensor:
    """The loss of each learned token (N,): `logits` (N, V) of the student, `labels` (N,) the
    trace's own tokens, `said` the teacher's `teacher_ids` and `teacher_events`."""
    student = softened(logits, recipe.temperature)
    near = grouped(student, said["teacher_ids"])
    soft = divergence(recipe.divergence, said["teacher_events"], near, recipe.beta)
    if not recipe.hard:
        return recipe.temperature**2 * soft
    hard = torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")
    return mixed(soft, hard, recipe.temperature, recipe.hard)
