"""Speculative decoding: a draft proposes tokens, the model reads them all in one call.

At every position the model draws its own token, with the uniform number of that position, and a
proposal is taken while it equals that draw; the first that differs is replaced by the draw. So what
comes out are the tokens that the model would have drawn alone: the same bits where its logits do
not depend on how many tokens are read at once (the fused path), else up to rounding. A draft that
draws with the same numbers agrees often (Daliri, Musco and Suresh 2024, drafter-invariant
speculation). The rule of Leviathan et al. 2023 and Chen et al. 2023 keeps the distribution only,
not the draw, and may accept a little more: 1 - TV(model, draft) of the proposals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reasoning.models.decoding.draft import Draft, Extends, drawn
from reasoning.models.decoding.stepper import Controls


@dataclass(frozen=True)
class Speculation:
    """What speculation did so far.

    `calls` are verifying calls of the model (batched), `rounds` rows in them; `proposed` the tokens
    put before it, of which `accepted` were its own draws; `computed` the tokens that a draft model
    read to propose them. `drawn` counts verified tokens, `handed` those that the loop took (what a
    ledger charges): the rest was left behind by rows that ended.
    """

    calls: int = 0
    rounds: int = 0
    proposed: int = 0
    accepted: int = 0
    computed: int = 0
    drawn: int = 0
    handed: int = 0

    @property
    def rate(self) -> float:
        """Accepted share of the proposed tokens; 0 where none was proposed."""
        return self.accepted / self.proposed if self.proposed else 0.0

    @property
    def per_round(self) -> float:
        """Tokens that one reading of a row brought, at most `tokens` + 1; 0 before the first."""
        return (self.accepted + self.rounds) / self.rounds if self.rounds else 0.0


@dataclass
class _Row:
    """A row in progress: all its verified tokens, and those of them not handed out yet."""

    ids: list[int]
    prompt: int
    limit: int
    held: int  # tokens behind the model's keys that are verified
    ahead: deque[tuple[int, float]] = field(default_factory=deque)
    over: bool = False

    @property
    def drawn(self) -> int:
        return len(self.ids) - self.prompt


class SpeculativeStepper:
    """A `Stepper` that hands out the tokens of `target`, `tokens` proposals of `draft` at a time.

    When a row has no token left to hand out, every row that is not further ahead than one round
    takes part in the next reading, so rows of unequal luck keep company. While the text of any row
    is guided, all go one token a reading: the mask of the token after the next is not known.
    """

    def __init__(self, target: Extends, draft: Draft, tokens: int = 4) -> None:
        self.target, self.draft, self.tokens = target, draft, tokens
        self.max_rows, self.max_positions = target.max_rows, target.max_positions
        self.vocabulary, self.eos_ids = target.vocabulary, target.eos_ids
        self.speculation = Speculation()
        self._rows: dict[int, _Row] = {}

    def join(
        self, rows: Sequence[int], prompts: Sequence[Sequence[int]], limits: Sequence[int]
    ) -> list[int]:
        cached = self.target.join(rows, prompts, limits)
        count = len(cached)
        for row, ids, limit in list(zip(rows, prompts, limits, strict=True))[:count]:
            self._rows[row] = _Row(list(ids), len(ids), limit, len(ids))
        if count:
            self.draft.join(rows[:count], prompts[:count], limits[:count])
        return cached

    def draw(self, rows: np.ndarray, controls: Controls) -> tuple[np.ndarray, np.ndarray]:
        numbers = rows.tolist()
        empty = [row for row in numbers if not self._rows[row].ahead]
        if empty:
            self._refill(numbers, empty, controls)
        given = [self._rows[row].ahead.popleft() for row in numbers]
        self._count(handed=len(given))
        return np.array([i for i, _ in given], np.int64), np.array([p for _, p in given])

    def advance(self, rows: np.ndarray, ids: np.ndarray) -> None:
        """Nothing to do: the tokens are read when the next are needed."""

    def leave(self, rows: Sequence[int], generated: Sequence[Sequence[int]]) -> None:
        for row in rows:
            del self._rows[row]
        self.target.leave(rows, generated)
        self.draft.leave(rows, generated)

    def score(
        self, sequences: Sequence[Sequence[int]], starts: Sequence[int]
    ) -> tuple[list[list[float]], list[int]]:
        return self.target.score(sequences, starts)

    def reset(self) -> None:
        self._rows.clear()
        self.draft.reset()
        self.target.reset()

    # -- inside -----------------------------------------------------------------------

    def _refill(self, rows: list[int], empty: list[int], controls: Controls) -> None:
        """See that each of the `empty` rows has a token to hand out."""
        fresh = [row for row in empty if not self._rows[row].drawn]
        if fresh:  # the logits after the prompt are there since the row joined
            ids, logprobs = self.target.draw(np.array(fresh), controls)
            for row, *token in zip(fresh, ids.tolist(), logprobs.tolist(), strict=True):
                self._append(self._rows[row], [tuple(token)])
        if len(fresh) < len(empty):
            most = self.tokens if controls.allowed is None else 0
            states = {row: self._rows[row] for row in rows}
            short = [r for r, s in states.items() if not s.over and len(s.ahead) <= most]
            self._round(short, most, controls)

    def _round(self, rows: list[int], most: int, controls: Controls) -> None:
        """Read these rows with at most so many proposals each."""
        states = [self._rows[row] for row in rows]
        counts = [min(most, state.limit - state.drawn - 1) for state in states]
        how = controls.take(np.array(rows))
        how.counter[:] = [state.drawn for state in states]
        proposals = self.draft.propose(rows, [state.ids for state in states], counts, how)
        proposals = [self._usable(ids) for ids in proposals]
        tails = [
            [*state.ids[state.held :], *ids] for state, ids in zip(states, proposals, strict=True)
        ]
        logits = self.target.extend(rows, [state.held for state in states], tails)
        sizes = [len(tail) for tail in tails]
        how = how.take(np.repeat(np.arange(len(rows)), sizes))
        how.counter[:] += np.concatenate([np.arange(n) for n in sizes]).astype(np.uint64)
        ids, logprobs = drawn(logits, how)
        tokens = iter(zip(ids.tolist(), logprobs.tolist(), strict=True))
        accepted = 0
        for state, proposed in zip(states, proposals, strict=True):
            own = [next(tokens) for _ in range(len(proposed) + 1)]
            agreed = agreement(proposed, [token for token, _ in own])
            accepted += agreed
            state.held += 1 + agreed
            self._append(state, own[: agreed + 1])
        self._count(calls=1, rounds=len(rows), proposed=sum(map(len, proposals)), accepted=accepted)
        self.speculation = replace(self.speculation, computed=self.draft.computed)

    def _append(self, state: _Row, tokens: Sequence[tuple[int, float]]) -> None:
        state.ids += [token for token, _ in tokens]
        state.ahead.extend(tokens)
        state.over = state.ids[-1] in self.eos_ids or state.drawn >= state.limit
        self._count(drawn=len(tokens))

    def _usable(self, ids: Sequence[int]) -> list[int]:
        """The proposals before one that ends the text or that the model does not know."""
        known = (i for i, t in enumerate(ids) if t in self.eos_ids or t >= self.vocabulary)
        return list(ids[: next(known, len(ids))])

    def _count(self, **more: int) -> None:
        now = self.speculation
        self.speculation = replace(now, **{k: getattr(now, k) + v for k, v in more.items()})


def agreement(proposed: Sequence[int], own: Sequence[int]) -> int:
    """How many first proposals equal the model's own draws."""
    for i, token in enumerate(proposed):
        if token != own[i]:
            return i
    return len(proposed)
