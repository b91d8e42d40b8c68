"""A trace as the token ids that a local model learns from, with a mask of what is the model's own.

The prompt is encoded as at inference. Text of one source is encoded in one piece; forced text and a
tool's words are read and never learned. The end of sequence is learned where the trace ended so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.errors import BadInput
from reasoning.core import Prompt
from reasoning.data.rows import Piece, TraceRow
from reasoning.models.encode import Encoder

UNLEARNED = -100
"""The label of a token that no loss sees."""


@dataclass(frozen=True)
class Tokens:
    """`ids` of prompt and trace, `learn` for each whether it is to be predicted; the first
    `prompt` of them are the prompt's."""

    ids: tuple[int, ...]
    learn: tuple[bool, ...]
    prompt: int

    @property
    def labels(self) -> list[int]:
        """The ids to predict, UNLEARNED elsewhere."""
        return [i if on else UNLEARNED for i, on in zip(self.ids, self.learn, strict=True)]


def prompt_of(row: TraceRow) -> Prompt:
    """The prompt that the row's trace continues."""
    return Prompt(row.messages, row.prefix)


def tokens_of(
    prompt: Prompt, pieces: Sequence[Piece], finish: str, encoder: Encoder
) -> Tokens:  # fmt: skip
    """Prompt and trace as ids. Raises BadInput for a tokenizer without an end of sequence."""
    ids = encoder.ids(prompt)
    learn = [False] * len(ids)
    start = len(ids)
    for text, source in _joined(pieces):
        more = encoder.after(text)
        ids += more
        learn += [source == "model"] * len(more)
    if finish == "eos":
        end = encoder.tokenizer.eos_token_id
        if end is None:
            raise BadInput(f"the tokenizer of {encoder.name} has no end of sequence: set eos_token")
        ids.append(end)
        learn.append(not pieces or pieces[-1].source == "model")
    return Tokens(tuple(ids), tuple(learn), start)


def tokenised(row: TraceRow, encoder: Encoder) -> Tokens:
    """A row for the model of this encoder."""
    return tokens_of(prompt_of(row), row.pieces, row.finish, encoder)


def _joined(pieces: Sequence[Piece]) -> list[tuple[str, str]]:
    """Neighbours of one source as one text: a token may span them."""
    found: list[tuple[str, str]] = []
    for piece in pieces:
        if found and found[-1][1] == piece.source:
            found[-1] = (found[-1][0] + piece.text, piece.source)
        elif piece.text:
            found.append((piece.text, piece.source))
    return found
