"""What the decode loop asks of a model, and what is asked of the loop.

`Stepper` is implemented by `fused.py` (the embedded architecture) and `batched.py` (any causal
model of transformers); `loop.py` drives either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from reasoning.core import Finish, Sampling

if TYPE_CHECKING:
    from reasoning.models.decoding.guide import Guide


@dataclass(frozen=True)
class Request:
    """One completion to draw: `ids` is the whole prompt (never empty), `max_tokens` what was
    granted (it replaces `sampling.max_tokens`), `key` the 128-bit key of the seed path.

    `on_token(id, log-probability)` is called for every token drawn, in the decode thread and
    before the request is answered; it must be quick. What it raises fails the request alone.
    `guide` enforces the form that `sampling` asks for.
    """

    ids: Sequence[int]
    sampling: Sampling
    max_tokens: int
    key: tuple[int, int]
    on_token: Callable[[int, float], None] | None = field(default=None, compare=False)
    guide: Guide | None = None


@dataclass(frozen=True)
class Result:
    """One completion drawn. `logprobs`: natural log under the model's own distribution before
    temperature and truncation. `text`: a stop string is cut, a boundary stays, special tokens
    render as nothing. Of `prompt_tokens`, `cached_tokens` were not computed again."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Finish
    text: str
    prompt_tokens: int
    cached_tokens: int


@dataclass(frozen=True)
class Scored:
    """Log-probabilities of the given tokens, and the tokens read to get them."""

    logprobs: tuple[float, ...]
    prompt_tokens: int
    cached_tokens: int


@dataclass(frozen=True)
class Counters:
    """The loop's own counts since it began, what a ledger's rows must add up to.

    `completion` counts every token drawn, those of cancelled rows too; `scored` the tokens whose
    probability was asked for; `prompt` and `cached` are of completions, not of scoring. `steps` are
    batched draws.
    """

    requests: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    scored: int = 0
    steps: int = 0


@dataclass(frozen=True)
class Controls:
    """How each row draws, as arrays of length `max_rows` indexed by row number.

    `temperature` 0 is the most likely token (lowest id on ties); `top_k` 0, `top_p` 1 and `min_p` 0
    are off. `key` is (rows, 2); `counter` is the index of the token to be drawn in its request.
    `allowed`, where there is one, marks the tokens that a row may draw: temperature and truncation
    act on those alone.
    """

    temperature: np.ndarray  # float64
    top_k: np.ndarray  # int64
    top_p: np.ndarray  # float64
    min_p: np.ndarray  # float64
    key: np.ndarray  # uint64, (rows, 2)
    counter: np.ndarray  # uint64
    allowed: np.ndarray | None = None  # bool, (rows, vocabulary)

    @classmethod
    def empty(cls, rows: int) -> Controls:
        return cls(
            np.ones(rows),
            np.zeros(rows, np.int64),
            np.ones(rows),
            np.zeros(rows),
            np.zeros((rows, 2), np.uint64),
            np.zeros(rows, np.uint64),
        )

    def put(self, row: int, sampling: Sampling, key: tuple[int, int]) -> None:
        """Let this row draw its first token by these settings."""
        self.temperature[row] = sampling.temperature
        self.top_k[row] = min(sampling.top_k, 1 << 31)  # no vocabulary is larger
        self.top_p[row], self.min_p[row] = sampling.top_p, sampling.min_p
        self.key[row], self.counter[row] = key, 0

    def take(self, rows: np.ndarray) -> Controls:
        """The controls of these rows, in this order."""
        columns = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return Controls(**{name: c[rows] for name, c in columns.items() if c is not None})


class Stepper(Protocol):
    """A model that decodes rows side by side. Only the loop's thread calls it.

    Row numbers are 0..max_rows-1 and are chosen by the loop. Calls alternate: `join` some rows,
    then `draw` for all rows, `leave` for those that ended, `advance` for the others.
    """

    eos_ids: frozenset[int]
    max_rows: int
    max_positions: int  # prompt and completion together; the loop ends a row there with `length`
    vocabulary: int  # ids are 0..vocabulary-1; the loop refuses others

    def join(
        self, rows: Sequence[int], prompts: Sequence[Sequence[int]], limits: Sequence[int]
    ) -> list[int]:
        """Read these prompts so that `draw` can follow; returns cached token counts.

        `limits[i]` is the most tokens that row i may draw. A shorter list than `rows` (perhaps
        empty) says that only its first rows found room; the loop offers the rest again later. With
        no other row present at least one row must be admitted.
        """
        ...

    def draw(self, rows: np.ndarray, controls: Controls) -> tuple[np.ndarray, np.ndarray]:
        """Draw the next token of each row (int64 array of row numbers) from its logits.

        Returns ids (int64) and untempered log-probabilities (float64), in the order of `rows`.
        """
        ...

    def advance(self, rows: np.ndarray, ids: np.ndarray) -> None:
        """Append `ids` to these rows and compute their next logits."""
        ...

    def leave(self, rows: Sequence[int], generated: Sequence[Sequence[int]]) -> None:
        """Forget these rows. `generated[i]` are all tokens drawn for row i (the last one was never
        advanced), for a prefix cache to keep."""
        ...

    def score(
        self, sequences: Sequence[Sequence[int]], starts: Sequence[int]
    ) -> tuple[list[list[float]], list[int]]:
        """Log-probabilities of each `sequence[start:]` (start >= 1) given what precedes each token,
        and the number of cached tokens of each. Rows in progress stay untouched."""
        ...

    def reset(self) -> None:
        """Forget everything after an error: all rows and every cached prefix."""
        ...


def fault_of(ids: Sequence[int], stepper: Stepper, room: int) -> str | None:
    """Why these ids with `room` more cannot go through the stepper, or `None`."""
    if not ids:
        return "the prompt has no tokens; give at least one"
    for token in ids:
        if not 0 <= token < stepper.vocabulary:
            return (
                f"token id {token} is not in this model's vocabulary of {stepper.vocabulary}; "
                "was the prompt encoded by another tokenizer?"
            )
    if len(ids) + room > stepper.max_positions:
        return (
            f"{len(ids)} tokens (and {room} more) exceed this model's "
            f"{stepper.max_positions} positions; shorten the prompt"
        )
    return None
