"""What computes an OutcomeModel: transformers, in the thread of a `DecodeLoop`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from evaluators.errors import BadInput
from reasoning.models.decoding.batched import free_bytes, positions_of
from reasoning.models.decoding.loop import DecodeLoop
from reasoning.models.decoding.stops import TokenBytes
from reasoning.models.outcome import OutcomeModel
from reasoning.models.weights import (
    DTYPES,
    device_of,
    first_line,
    located,
    one_of,
    quiet,
    weights_id,
)


class OutcomeReader:
    """One output a text. Texts of one wave are padded on the right and masked."""

    def __init__(self, model: Any) -> None:
        self.model, self.eos_ids, self.max_rows = model, frozenset[int](), 1
        self.max_positions = positions_of(model.config)
        embedding = model.get_input_embeddings().weight
        self.device, self.vocabulary = embedding.device, embedding.shape[0]
        self.pad = model.config.pad_token_id
        # the widest activations of one token, several times over, must fit
        self._tokens = min(65_536, free_bytes(self.device) // (64 * embedding.shape[1]))

    def reset(self) -> None:
        """Nothing is kept."""

    @torch.inference_mode()
    def score(
        self, sequences: Sequence[Sequence[int]], starts: Sequence[int]
    ) -> tuple[list[list[float]], list[int]]:
        """The model's output for each sequence, once for each token that was read, as the loop
        counts them; `starts` say nothing here."""
        values: list[list[float]] = []
        width = max(map(len, sequences))
        # without a padding token a model of transformers finds the end of one text only
        step = 1 if self.pad is None else max(1, self._tokens // width)
        for at in range(0, len(sequences), step):
            part = sequences[at : at + step]
            longest = max(map(len, part))
            ids = torch.full((len(part), longest), self.pad or 0, dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, text in enumerate(part):
                ids[row, : len(text)] = torch.tensor(list(text))
                mask[row, : len(text)] = 1
            made = self.model(
                input_ids=ids.to(self.device), attention_mask=mask.to(self.device)
            ).logits
            given = made[:, 0].float().cpu().tolist()
            values += [[x] * len(text) for x, text in zip(given, part, strict=True)]
        return values, [0] * len(values)


def open_outcome(name: str, place: str, device: str, dtype: str) -> OutcomeModel:
    """Load a ForSequenceClassification model of one output. Raises BadInput."""
    import transformers

    one_of("dtype", dtype, DTYPES)
    source = located(name, place, None)
    target = device_of("cpu" if device == "auto" and not torch.cuda.is_available() else device)
    wanted = "float32" if dtype == "auto" and target.type == "cpu" else dtype
    with quiet():
        try:
            words = transformers.AutoTokenizer.from_pretrained(**source)
            made: Any = transformers.AutoModelForSequenceClassification
            model, report = made.from_pretrained(**source, dtype=wanted, output_loading_info=True)
        except (OSError, ValueError, ImportError) as error:
            raise BadInput(f"outcome model {name} cannot be loaded: {first_line(error)}") from error
    if any("score" in key or "classifier" in key for key in report["missing_keys"]):
        raise BadInput(
            f"{name} has no trained head for whole texts: it is no outcome model; train one with"
            " `reasonlab train reward --kind outcome`"
        )
    if model.config.num_labels != 1:
        raise BadInput(f"{name} has {model.config.num_labels} outputs; an outcome model has one")
    model = model.to(target).eval().requires_grad_(False)
    reader: Any = OutcomeReader(model)
    embedding = model.get_input_embeddings().weight.numel()
    dialect = getattr(model.config, "reasonlab_dialect", "plain")
    return OutcomeModel(
        name, DecodeLoop(reader, TokenBytes(words)), words,
        dialect="compact" if dialect == "compact" else "plain",
        max_positions=reader.max_positions,
        flops_per_token=2.0 * (model.num_parameters() - embedding),
        identity={"weights": weights_id(place, None), "device": str(target),
                  "dtype": str(model.dtype).removeprefix("torch.")},
    )  # fmt: skip
