"""One batched step for any causal model of transformers that keeps plain keys and values.

Rows of different lengths share a left-padded batch; new rows are prefilled beside it and joined,
finished rows are dropped. A prompt that several rows share is computed once, and what a row has
in common with a live or recent one is copied. The position and mask of every row are explicit.

A row's log-probabilities may differ in the last bits with the company it keeps: matrix products
of other shapes round differently. (The fused path in `fused.py` avoids that.)
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import DynamicCache

from reasoning.models.decoding.draw_torch import draw_anywhere
from reasoning.models.decoding.rows import Rows, joined, right_aligned, taken
from reasoning.models.decoding.sources import Source, grouped, longest
from reasoning.models.decoding.stepper import Controls

KEEP_ROWS = 256
"""Rows that have left whose keys and values are kept, at most."""


class BatchedStepper:
    """Implements `decode.Stepper` over `model(...)` of transformers.

    `pool_bytes` bounds the keys and values of the rows in progress (by default 4 GiB, on a GPU a
    third of what is free); `keep_tokens` those of rows that have left, in tokens over all rows: a
    continuation of such a row computes only what is new. 0 shares no prefix at all.
    """

    def __init__(
        self,
        model: Any,
        *,
        eos_ids: frozenset[int],
        max_rows: int = 64,
        max_positions: int | None = None,
        pool_bytes: int | None = None,
        keep_tokens: int = 32_768,
    ) -> None:
        self.model, self.eos_ids, self.max_rows = model, eos_ids, max_rows
        self.max_positions = max_positions or positions_of(model.config)
        embedding = model.get_input_embeddings().weight
        self.device, self.vocabulary = embedding.device, embedding.shape[0]
        self._accepts = accepted(model)
        self._pool_bytes = pool_bytes or free_bytes(self.device)
        self._keep_tokens, self._token_bytes = keep_tokens, 0
        self.reset()

    # -- the protocol -----------------------------------------------------------------

    def reset(self) -> None:
        """Forget all rows and everything kept."""
        self._slots: list[int] = []  # the loop's row number of each row of the batch
        self._ids: dict[int, list[int]] = {}  # the tokens behind each row's keys
        self._final: dict[int, int] = {}  # the length each row may reach
        self._rows: Rows | None = None
        self._logits = torch.empty(0)
        self._kept: OrderedDict[tuple[int, ...], Rows] = OrderedDict()
        self._kept_tokens = 0

    @torch.inference_mode()
    def join(
        self, rows: Sequence[int], prompts: Sequence[Sequence[int]], limits: Sequence[int]
    ) -> list[int]:
        """Prefill as many of these rows as find room; returns their cached token counts."""
        ends = [len(ids) + limit for ids, limit in zip(prompts, limits, strict=True)]
        slots = list(rows)[: self._room(ends)]
        if not slots:
            return []
        keys = [tuple(int(i) for i in prompt) for prompt in prompts[: len(slots)]]
        parts, logits = [], []
        place: dict[tuple[int, ...], int] = {}
        saved: dict[tuple[int, ...], int] = {}
        order: list[int] = []
        # without a cache not even siblings share: every row is a group of its own
        for wave in [keys] if self._keep_tokens else [[key] for key in keys]:
            found = self._longest(dict.fromkeys(wave))
            for group in grouped(found):
                fresh, last, reused = self._prefill(group, [found[key] for key in group])
                start = sum(len(part.lengths) for part in parts)
                for at, (key, count) in enumerate(zip(group, reused, strict=True)):
                    place[key], saved[key] = start + at, count
                parts.append(fresh)
                logits.append(last)
            order += [place[key] for key in wave]
        new, last = joined(parts).pick(order), torch.cat(logits)[order]
        self._logits = torch.cat([self._logits, last]) if self._slots else last
        self._rows = joined([self._rows, new]) if self._rows is not None else new
        self._slots += slots
        cached = []
        for slot, key, end in zip(slots, keys, ends, strict=False):
            self._ids[slot], self._final[slot] = list(key), end
            cached.append(saved[key])
            if self._keep_tokens:
                saved[key] = len(key)  # a sibling is copied whole
        return cached

    @torch.inference_mode()
    def draw(self, rows: np.ndarray, controls: Controls) -> tuple[np.ndarray, np.ndarray]:
        """The next token of each row and its log-probability, in the order of `rows`."""
        return draw_anywhere(self.logits(rows.tolist()), controls.take(rows))

    def logits(self, rows: Iterable[int]) -> torch.Tensor:
        """The next token's logits of these rows: (rows, vocabulary) float32 on the model's
        device."""
        at = {slot: index for index, slot in enumerate(self._slots)}
        return self._logits[[at[int(row)] for row in rows]]

    @torch.inference_mode()
    def advance(self, rows: np.ndarray, ids: np.ndarray) -> None:
        """Feed each row its token and compute its next logits; needs every row still here."""
        token = {int(row): int(i) for row, i in zip(rows, ids, strict=True)}
        if set(token) != set(self._slots):
            raise ValueError(f"advance of rows {sorted(token)} while {sorted(self._slots)} are in")
        if self._rows is None:
            return
        for slot in self._slots:
            self._ids[slot].append(token[slot])
        lengths = [n + 1 for n in self._rows.lengths]
        tails = [[token[slot]] for slot in self._slots]
        self._rows, self._logits = self._forward(tails, lengths, self._rows)

    @torch.inference_mode()
    def extend(
        self, rows: Sequence[int], kept: Sequence[int], tails: Sequence[Sequence[int]]
    ) -> torch.Tensor:
        """Cut rows to their first `kept` tokens, feed `tails`; logits after every token fed."""
        assert self._rows is not None
        at = {slot: index for index, slot in enumerate(self._slots)}
        widest = max(map(len, tails))
        texts = [
            [*self._ids[row][:count], *tail]
            for row, count, tail in zip(rows, kept, tails, strict=True)
        ]
        # a row with fewer new tokens reads some again, so that no gap comes between its columns
        heads = [max(0, len(text) - widest) for text in texts]
        past = self._rows.heads([at[row] for row in rows], heads) if max(heads) else None
        fed = [text[head:] for text, head in zip(texts, heads, strict=True)]
        new, logits = self._pass(fed, [len(text) for text in texts], past, widest)
        others = [slot for slot in self._slots if slot not in set(rows)]
        index = [at[slot] for slot in others]
        self._rows = joined([self._rows.pick(index), new]) if others else new
        self._logits = torch.cat([self._logits[index], logits[:, -1]])
        self._slots = [*others, *rows]
        self._ids.update(zip(rows, texts, strict=True))
        parts = [logits[i, widest - len(tail) :] for i, tail in enumerate(tails)]
        return torch.cat(parts)

    @torch.inference_mode()
    def leave(self, rows: Sequence[int], generated: Sequence[Sequence[int]]) -> None:
        """Drop these rows; their keys and values stay for a while for continuations."""
        gone = {int(row) for row in rows}
        if not gone or self._rows is None:
            return
        for index, slot in enumerate(self._slots):
            if slot in gone:
                self._keep(tuple(self._ids.pop(slot)), index)
                del self._final[slot]
        stay = [index for index, slot in enumerate(self._slots) if slot not in gone]
        self._slots = [self._slots[index] for index in stay]
        self._rows = self._rows.pick(stay) if stay else None
        self._logits = self._logits[stay]

    def score(
        self, sequences: Sequence[Sequence[int]], starts: Sequence[int]
    ) -> tuple[list[list[float]], list[int]]:
        """Log-probabilities (natural) of each `sequence[start:]`; nothing is cached."""
        pairs = zip(sequences, starts, strict=True)
        return [plain_scores(self.model, ids, start) for ids, start in pairs], [0] * len(starts)

    # -- inside -----------------------------------------------------------------------

    def _room(self, ends: Sequence[int]) -> int:
        """How many rows that may grow to these lengths fit beside the present ones."""
        if not self._token_bytes:
            self._prefill([(0,)], [Source(None, 0, 0)])
        widest, live, count = max(self._final.values(), default=0), len(self._slots), 0
        for end in ends:
            widest = max(widest, end)
            wanted = (live + count + 1) * widest * self._token_bytes
            if live + count and wanted > self._pool_bytes:
                break
            count += 1
        return count

    def _prefill(
        self, prompts: Sequence[tuple[int, ...]], sources: Sequence[Source]
    ) -> tuple[Rows, torch.Tensor, list[int]]:
        lengths = [len(prompt) for prompt in prompts]
        new = max(n - source.tokens for n, source in zip(lengths, sources, strict=True))
        reused = [max(0, n - new) for n in lengths]
        past = None
        if max(reused) > 0:
            some = next(source for source in sources if source.rows is not None)
            past = joined(
                [
                    (source if count else some).head(count)
                    for source, count in zip(sources, reused, strict=True)
                ]
            )
        tails = [prompt[count:] for prompt, count in zip(prompts, reused, strict=True)]
        rows, logits = self._forward(tails, lengths, past)
        self._token_bytes = rows.token_bytes
        return rows, logits, reused

    def _forward(
        self, tails: Sequence[Sequence[int]], lengths: Sequence[int], past: Rows | None
    ) -> tuple[Rows, torch.Tensor]:
        """Feed `tails`, the last tokens of rows then `lengths` long; returns their next logits."""
        rows, logits = self._pass(tails, lengths, past, 1)
        return rows, logits[:, -1]

    def _pass(
        self, tails: Sequence[Sequence[int]], lengths: Sequence[int], past: Rows | None, keep: int
    ) -> tuple[Rows, torch.Tensor]:
        """As `_forward`, with the logits after each of the last `keep` tokens."""
        new = max(len(tail) for tail in tails)
        ids = torch.tensor([[0] * (new - len(tail)) + list(tail) for tail in tails])
        ends = torch.tensor(list(lengths))[:, None]
        positions = (ends - new + torch.arange(new)).clamp(min=0).to(self.device)
        fed = right_aligned([len(tail) for tail in tails], new, self.device)
        mask = fed if past is None else torch.cat([past.mask(self.device), fed], dim=1)
        cache = DynamicCache() if past is None else past.cache()
        options = {"position_ids": positions, "logits_to_keep": keep}
        output = self.model(
            input_ids=ids.to(self.device),
            attention_mask=mask.long(),
            past_key_values=cache,
            use_cache=True,
            **{name: value for name, value in options.items() if name in self._accepts},
        )
        return taken(cache, lengths), output.logits[:, -keep:].float()

    def _longest(self, prompts: Iterable[tuple[int, ...]]) -> dict[tuple[int, ...], Source]:
        """Where most of each prompt's keys and values already are."""
        known: list[tuple[Sequence[int], Source]] = []
        if self._keep_tokens:
            for row, slot in enumerate(self._slots):
                ids = self._ids[slot]
                known.append((ids, Source(self._rows, row, len(ids))))
            known += [(ids, Source(rows, 0, len(ids))) for ids, rows in self._kept.items()]
        return longest(prompts, known)

    def _keep(self, ids: tuple[int, ...], row: int) -> None:
        if len(ids) > self._keep_tokens:
            return
        assert self._rows is not None
        old = self._kept.pop(ids, None)
        self._kept[ids] = old if old is not None else self._rows.head(row, len(ids))
        self._kept_tokens += len(ids) if old is None else 0
        while self._kept_tokens > self._keep_tokens or len(self._kept) > KEEP_ROWS:
            first, _ = self._kept.popitem(last=False)
            self._kept_tokens -= len(first)


def accepted(model: Any) -> frozenset[str]:
    """Names of the arguments that the model's forward pass takes."""
    return frozenset(inspect.signature(model.forward).parameters)


def free_bytes(device: torch.device) -> int:
    """What the rows may take: joining and leaving copy them once, so a third of a GPU's rest."""
    return torch.cuda.mem_get_info(device)[0] // 3 if device.type == "cuda" else 4 << 30


def positions_of(config: Any) -> int:
    """The longest sequence the model was built for; 131,072 where its config names none."""
    text = config.get_text_config(decoder=True)
    found = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    return int(found) if found else 1 << 17


@torch.inference_mode()
def plain_scores(model: Any, ids: Sequence[int], start: int) -> list[float]:
    """Log-probabilities of `ids[start:]` by one forward pass without a cache; `start` >= 1."""
    if not 1 <= start <= len(ids):
        raise ValueError(f"start must be within 1..{len(ids)}, not {start}")
    tokens = torch.tensor([list(ids)], device=model.get_input_embeddings().weight.device)
    wanted = len(ids) - start + 1
    options = {"logits_to_keep": wanted, "use_cache": False}
    options = {name: value for name, value in options.items() if name in accepted(model)}
    logits = model(input_ids=tokens, **options).logits[0, -wanted:-1].float()
    targets = tokens[0, start:, None]
    return torch.log_softmax(logits, dim=-1).gather(1, targets)[:, 0].tolist()
