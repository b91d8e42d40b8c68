"""What an outcome model thinks of traces: whole texts in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reasoning.data.rows import TraceRow
from reasoning.data.tokens import prompt_of
from reasoning.ledger import Ledger
from reasoning.loop import run
from reasoning.models.encode import Encoder
from reasoning.models.outcome import load_outcome_model


def encoder_of(model: Any) -> Encoder:
    """The encoder of a local model: how it reads prompts."""
    return Encoder(model.tokenizer, model.dialect, model.name)


def text_of(row: TraceRow, encoder: Encoder) -> str:
    """Question and trace as the text that an outcome model reads."""
    return encoder.text(prompt_of(row)) + row.prefix + row.text


def rated(model: str, texts: Sequence[str]) -> np.ndarray:
    """The numbers that the outcome model in the folder `model` gives to whole texts. Raises
    UnknownName and BadInput for a folder that holds none."""
    found = run(load_outcome_model(model).rate(list(texts), Ledger()))
    return np.array([one[0] for one in found if one is not None])
