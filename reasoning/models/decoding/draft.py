"""Who proposes tokens for a larger model to verify: a small model, or the text itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from reasoning.models.decoding.draw import draw
from reasoning.models.decoding.stepper import Controls, Stepper

LONGEST, TRIED = 8, 64  # tokens of a suffix compared; earlier places looked at


class Extends(Stepper, Protocol):
    """A stepper that can take tokens back and read several at once."""

    def extend(
        self, rows: Sequence[int], kept: Sequence[int], tails: Sequence[Sequence[int]]
    ) -> Any:
        """Cut each row to its first `kept` tokens (prompt included), feed its `tails` (never
        empty); returns the logits after every token fed, row by row: (tokens, vocabulary)."""
        ...


class Draft(Protocol):
    """Proposes continuations. Rows join and leave as in a `Stepper`."""

    computed: int  # tokens that a model computed for the proposals so far; prompts not counted

    def join(
        self, rows: Sequence[int], prompts: Sequence[Sequence[int]], limits: Sequence[int]
    ) -> None: ...

    def propose(
        self,
        rows: Sequence[int],
        texts: Sequence[Sequence[int]],
        counts: Sequence[int],
        controls: Controls,
    ) -> list[list[int]]:
        """At most `counts[i]` tokens after `texts[i]`, all tokens of row `rows[i]` so far.
        `controls` are in the order of `rows`, each at the counter of its next token."""
        ...

    def leave(self, rows: Sequence[int], generated: Sequence[Sequence[int]]) -> None: ...

    def reset(self) -> None: ...


def drawn(logits: Any, controls: Controls) -> tuple[np.ndarray, np.ndarray]:
    """Draw a token for each row of logits, arrays or tensors: ids and log-probabilities."""
    if isinstance(logits, np.ndarray):
        return draw(logits, controls)
    from reasoning.models.decoding.draw_torch import draw_anywhere

    return draw_anywhere(logits, controls)


class ModelDraft:
    """A model that draws the proposals with the very uniform numbers and controls of the row, so
    that it tends to draw the same tokens as the model that verifies them.

    A row that finds no room in it, or a token that it does not know, goes without proposals.
    """

    def __init__(self, stepper: Extends) -> None:
        self.stepper, self.computed = stepper, 0
        self._held: dict[int, list[int]] = {}  # the tokens behind each row's keys
        self._sure: dict[int, int] = {}  # how many of them are verified at least
        self._span: dict[int, tuple[int, int]] = {}  # length of the prompt, the most it may reach

    def join(
        self, rows: Sequence[int], prompts: Sequence[Sequence[int]], limits: Sequence[int]
    ) -> None:
        known, most = self.stepper.vocabulary, self.stepper.max_positions
        able = [
            (row, list(ids), min(limit, most - len(ids)))
            for row, ids, limit in zip(rows, prompts, limits, strict=True)
            if len(ids) < most and max(ids) < known
        ]
        if not able:
            return
        names, texts, spans = zip(*able, strict=True)
        cached = self.stepper.join(names, texts, spans)
        for (row, ids, limit), _ in zip(able, cached, strict=False):
            self._held[row], self._sure[row] = ids, len(ids)
            self._span[row] = len(ids), len(ids) + limit

    def propose(
        self,
        rows: Sequence[int],
        texts: Sequence[Sequence[int]],
        counts: Sequence[int],
        controls: Controls,
    ) -> list[list[int]]:
        proposals: list[list[int]] = [[] for _ in rows]
        live, wanted, kept, tails = self._unread(rows, texts, counts)
        for step in range(max(counts, default=0)):
            if not live:
                break
            logits = self.stepper.extend([rows[i] for i in live], kept, tails)
            self.computed += sum(map(len, tails))
            for i, start, tail in zip(live, kept, tails, strict=True):
                self._held[rows[i]][start:] = tail
            how = controls.take(np.array(live))
            how.counter[:] += np.uint64(step)
            ids, _ = drawn(logits[np.cumsum([len(tail) for tail in tails]) - 1], how)
            for i, token in zip(live, ids.tolist(), strict=True):
                proposals[i].append(token)
            live = [
                i
                for i in live
                if len(proposals[i]) < wanted[i] and proposals[i][-1] not in self.stepper.eos_ids
            ]
            kept = [len(self._held[rows[i]]) for i in live]
            tails = [proposals[i][-1:] for i in live]
        return proposals

    def _unread(
        self, rows: Sequence[int], texts: Sequence[Sequence[int]], counts: Sequence[int]
    ) -> tuple[list[int], dict[int, int], list[int], list[list[int]]]:
        """Which texts can be continued; how far, how much of them was read, and the rest."""
        wanted, kept, tails = {}, [], []
        for i, (row, text, count) in enumerate(zip(rows, texts, counts, strict=True)):
            if row not in self._held:
                continue
            room = min(count, self._span[row][1] - len(text))
            start = shared(self._held[row], text, self._sure[row])
            if room > 0 and max(text[start:]) < self.stepper.vocabulary:
                self._sure[row] = len(text)
                wanted[i] = room
                kept.append(start)
                tails.append(list(text[start:]))
        return list(wanted), wanted, kept, tails

    def leave(self, rows: Sequence[int], generated: Sequence[Sequence[int]]) -> None:
        here = [row for row in rows if row in self._held]
        read = []
        for row in here:
            held, (start, _) = self._held.pop(row), self._span.pop(row)
            del self._sure[row]
            read.append([*held[start:], 0])  # a stepper counts the last token as drawn, not read
        self.stepper.leave(here, read)

    def reset(self) -> None:
        for rows in (self._held, self._sure, self._span):
            rows.clear()
        self.stepper.reset()


def shared(held: Sequence[int], text: Sequence[int], least: int) -> int:
    """How many first tokens two texts share (at least `least`), but not all of `text`."""
    most = min(len(held), len(text) - 1)
    return next((i for i in range(min(least, most), most) if held[i] != text[i]), most)


class NgramDraft:
    """Proposes what followed the longest earlier occurrence of the text's last tokens, the latest
    of equals: prompt lookup (Saxena 2023). Costs no model and knows no temperature."""

    computed = 0

    def __init__(self, shortest: int = 1) -> None:
        self.shortest = shortest
        self._places: dict[int, tuple[int, dict[int, list[int]]]] = {}

    def join(
        self, rows: Sequence[int], prompts: Sequence[Sequence[int]], limits: Sequence[int]
    ) -> None:
        for row in rows:
            self._places[row] = 0, {}

    def propose(
        self,
        rows: Sequence[int],
        texts: Sequence[Sequence[int]],
        counts: Sequence[int],
        controls: Controls,
    ) -> list[list[int]]:
        wanted = zip(rows, texts, counts, strict=True)
        return [self._after(row, text, count) if count else [] for row, text, count in wanted]

    def _after(self, row: int, text: Sequence[int], count: int) -> list[int]:
        seen, places = self._places[row]
        for at in range(seen, len(text) - 1):  # the last token's own place would find itself
            places.setdefault(text[at], []).append(at)
        self._places[row] = max(seen, len(text) - 1), places
        best, start = self.shortest - 1, 0
        for at in reversed(places.get(text[-1], ())[-TRIED:]):
            length = 1
            while length < min(LONGEST, at + 1) and text[at - length] == text[-1 - length]:
                length += 1
            if length > best:
                best, start = length, at + 1
        return list(text[start : start + count]) if start else []

    def leave(self, rows: Sequence[int], generated: Sequence[Sequence[int]]) -> None:
        for row in rows:
            self._places.pop(row, None)

    def reset(self) -> None:
        self._places.clear()
