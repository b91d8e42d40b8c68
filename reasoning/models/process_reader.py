"""What computes a ProcessModel: the fused kernels where they fit, transformers otherwise.

Both serve a `DecodeLoop`, whose `score(ids, start)` here gives the probability of "good" at the
positions from `start` - 1 on, in place of log-probabilities.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch

from evaluators.errors import BadInput
from reasoning.models.decoding.batched import free_bytes, positions_of
from reasoning.models.decoding.fused import CHUNK, FusedStepper
from reasoning.models.decoding.loop import DecodeLoop
from reasoning.models.decoding.packed import unsupported
from reasoning.models.decoding.prefix import Place
from reasoning.models.decoding.route import FUSED_PARAMETERS
from reasoning.models.decoding.stops import TokenBytes
from reasoning.models.encode import Encoder
from reasoning.models.process import ProcessModel
from reasoning.models.weights import (
    DTYPES,
    device_of,
    first_line,
    located,
    multiplied,
    one_of,
    quiet,
    weights_id,
)

GOOD = 1
"""The label of a good step."""


class FusedReader(FusedStepper):
    """The fused kernels with the difference of the two labels in the place of the vocabulary."""

    def __init__(self, shell: Any, bias: float) -> None:
        super().__init__(shell, max_rows=4)
        self._bias = bias

    def score(
        self, sequences: Sequence[Sequence[int]], starts: Sequence[int]
    ) -> tuple[list[list[float]], list[int]]:
        values: list[list[float]] = []
        cached: list[int] = []
        while len(values) < len(sequences):
            group: list[tuple[Place, Sequence[int], int]] = []
            at = len(values)
            for ids, start in list(zip(sequences, starts, strict=True))[at : at + 64]:
                place = self._take(ids, start - 1, len(ids) - start + 1)
                if place is None:
                    break
                self._table[self.max_rows + len(group), : len(place.slots)] = place.slots
                group.append((place, ids, start))
            values += self._rate_group(group)
            cached += [place.cached for place, _, _ in group]
            for place, ids, start in group:
                self._give(place, ids[start - 1 :])
        return values, cached

    def _rate_group(self, group: list[tuple[Place, Sequence[int], int]]) -> list[list[float]]:
        """P(good) at positions start - 1 .. end of each sequence of the group."""
        parts = [(self.max_rows + i, ids, p.cached) for i, (p, ids, _) in enumerate(group)]
        wanted = [np.arange(p.cached, len(ids)) >= start - 1 for p, ids, start in group]
        rows, positions, tokens = self._tokens(parts)
        asked, found = np.concatenate(wanted), []
        for first in range(0, len(tokens), CHUNK):
            piece = slice(first, first + CHUNK)
            here = asked[piece]
            target = np.where(here, np.cumsum(here) - 1, -1)
            self._run(rows[piece], positions[piece], tokens[piece], target, self._read)
            found.append(self._read[: int(here.sum()), 0].astype(np.float64))
        logits = np.concatenate(found) + self._bias
        good = (1.0 / (1.0 + np.exp(-logits))).tolist()
        ends = np.cumsum([int(w.sum()) for w in wanted]).tolist()
        return [good[end - int(w.sum()) : end] for w, end in zip(wanted, ends, strict=True)]


class PlainReader:
    """Any model of transformers: texts of one wave padded on the right, where a causal model needs
    no mask. Nothing is cached. With `causal` it gives log-probabilities of the tokens from `start`
    on, else P(good) at the positions from `start` - 1 on."""

    def __init__(self, model: Any, causal: bool = False) -> None:
        self.model, self.eos_ids, self.max_rows = model, frozenset[int](), 1
        self._causal = causal
        self.max_positions = positions_of(model.config)
        embedding = model.get_input_embeddings().weight
        self.device, self.vocabulary = embedding.device, embedding.shape[0]
        # the widest activations of one token, several times over, must fit
        self._tokens = min(65_536, free_bytes(self.device) // (64 * embedding.shape[1]))

    def reset(self) -> None:
        """Nothing is kept."""

    @torch.inference_mode()
    def score(
        self, sequences: Sequence[Sequence[int]], starts: Sequence[int]
    ) -> tuple[list[list[float]], list[int]]:
        values: list[list[float]] = []
        width = max(map(len, sequences))
        step = max(1, self._tokens // width)
        for at in range(0, len(sequences), step):
            part = sequences[at : at + step]
            ids = torch.zeros(len(part), width, dtype=torch.long)
            for row, text in enumerate(part):
                ids[row, : len(text)] = torch.tensor(list(text))
            logits = self.model(input_ids=ids.to(self.device), use_cache=False).logits.float()
            told = torch.log_softmax(logits, dim=-1)
            if self._causal:
                told = told[:, :-1].gather(2, ids[:, 1:, None].to(self.device))[..., 0].cpu()
            else:
                told = told[..., GOOD].exp().double().cpu()
            for row, text in enumerate(part):
                last = len(text) - self._causal
                values.append(told[row, starts[at + row] - 1 : last].tolist())
        return values, [0] * len(values)


def open_process(name: str, place: str, device: str, dtype: str) -> ProcessModel:
    """Load a ForTokenClassification model of two labels, or a causal model with a rating in its
    configuration (`reasonlab_rating`). Raises BadInput."""
    import transformers

    one_of("dtype", dtype, DTYPES)
    source = located(name, place, None)
    target = device_of("cpu" if device == "auto" and not torch.cuda.is_available() else device)
    wanted = "float32" if dtype == "auto" and target.type == "cpu" else dtype
    with quiet():
        try:
            config = transformers.AutoConfig.from_pretrained(**source)
            rating = getattr(config, "reasonlab_rating", None)
            made: Any = transformers.AutoModelForTokenClassification
            made = made if rating is None else transformers.AutoModelForCausalLM
            words = transformers.AutoTokenizer.from_pretrained(**source)
            model, report = made.from_pretrained(**source, dtype=wanted, output_loading_info=True)
        except (OSError, ValueError, ImportError) as error:
            raise BadInput(f"process model {name} cannot be loaded: {first_line(error)}") from error
    model = model.to(target).eval().requires_grad_(False)
    if rating is None:
        _refuse_headless(name, model, report["missing_keys"])
    reader, path = _reader(model, rating is not None)
    dialect = getattr(model.config, "reasonlab_dialect", "plain")
    encoder = Encoder(words, "compact" if dialect == "compact" else "plain", name)
    return ProcessModel(
        name, DecodeLoop(reader, TokenBytes(words)), encoder,
        max_positions=reader.max_positions, path=path, flops_per_token=2.0 * multiplied(model),
        rating=None if rating is None else (float(rating[0]), float(rating[1])),
        identity={"weights": weights_id(place, None), "device": str(target),
                  "dtype": str(model.dtype).removeprefix("torch.")},
    )  # fmt: skip


def _refuse_headless(name: str, model: Any, missing: Sequence[str]) -> None:
    if any("score" in key or "classifier" in key for key in missing):
        raise BadInput(
            f"{name} has no trained head for its steps: it is no process model; train one with"
            " `reasonlab train reward --kind process`"
        )
    if model.config.num_labels != 2:
        raise BadInput(
            f"{name} tells {model.config.num_labels} labels apart; a process model has two, bad and"
            " good in this order"
        )


def _reader(model: Any, causal: bool) -> tuple[Any, Literal["fused", "plain"]]:
    """What computes the model, and its name."""
    on_cpu = next(model.parameters()).device.type == "cpu"
    if on_cpu and model.num_parameters() <= FUSED_PARAMETERS and model.dtype == torch.float32:
        if causal and unsupported(model) is None:
            return FusedStepper(model, max_rows=4), "fused"
        if type(model).__name__ == "Qwen3ForTokenClassification":
            shell, bias = _as_causal(model)
            if unsupported(shell) is None:
                return FusedReader(shell, bias), "fused"
    return PlainReader(model, causal), "plain"


def _as_causal(model: Any) -> tuple[Any, float]:
    """A Qwen3ForCausalLM whose first logit is that of "good" less that of "bad", and the bias that
    is to be added to it."""
    from transformers import Qwen3ForCausalLM

    config = copy.deepcopy(model.config)
    config.tie_word_embeddings = False
    shell = Qwen3ForCausalLM(config)
    shell.model.load_state_dict(model.model.state_dict())
    weight, bias = model.score.weight.detach(), model.score.bias
    with torch.no_grad():
        shell.lm_head.weight.zero_()
        shell.lm_head.weight[0] = weight[GOOD] - weight[1 - GOOD]
    return shell.float().eval(), 0.0 if bias is None else float(
        (bias[GOOD] - bias[1 - GOOD]).detach()
    )
