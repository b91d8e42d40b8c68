"""The rows in progress of a decode loop: what each has drawn, when it ends, what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np

from reasoning.core import Finish
from reasoning.models.decoding.guide import Guide, Matcher
from reasoning.models.decoding.stepper import Controls, Request, Result, Stepper
from reasoning.models.decoding.stops import TokenBytes, Watch


@dataclass
class Row:
    """A request in progress; `end` is a stop or boundary and the bytes of text that it keeps,
    `error` what the request's listener or its form raised."""

    request: Request
    future: Future[Result]
    cached: int
    watch: Watch | None = None
    matcher: Matcher | None = None
    end: tuple[Finish, int] | None = None
    error: Exception | None = None


class Batch:
    """Book of the rows that a stepper decodes side by side; only the loop's thread uses it.

    `rows` are the rows in progress by number, `active` their numbers (int64) in the order in which
    they are drawn, `vacant` the free numbers, the next one last.
    """

    def __init__(self, stepper: Stepper, pieces: TokenBytes) -> None:
        count = stepper.max_rows
        self._pieces = pieces
        self._plain = self._masked = Controls.empty(count)
        self._mask = np.zeros((0, stepper.vocabulary), np.bool_)  # made when first needed
        self._limit = np.zeros(count, np.int64)
        self._ids = np.empty((count, stepper.max_positions), np.int32)
        self._logprobs = np.empty((count, stepper.max_positions))
        self._eos = np.zeros(stepper.vocabulary, np.bool_)
        self._eos[[token for token in stepper.eos_ids if token < stepper.vocabulary]] = True
        self.clear()

    def __len__(self) -> int:
        return len(self.rows)

    def clear(self) -> None:
        """Forget every row."""
        self._mask[:] = True
        self.rows: dict[int, Row] = {}
        self._attended: set[int] = set()  # rows whose every token is looked at one by one
        self._guided: set[int] = set()
        self.vacant = list(range(len(self._limit) - 1, -1, -1))
        self.active = np.zeros(0, np.int64)

    @property
    def controls(self) -> Controls:
        """How each row draws; with a mask while the text of any row has to have a form."""
        return self._masked if self._guided else self._plain

    def add(
        self, requests: Sequence[tuple[Request, Future[Result]]], cached: Sequence[int]
    ) -> None:
        """Give the next vacant numbers to these requests, in this order."""
        for (request, future), known in zip(requests, cached, strict=True):
            number, sampling = self.vacant.pop(), request.sampling
            row = self.rows[number] = Row(request, future, known)
            if sampling.boundary is not None or sampling.stop:
                row.watch = Watch(sampling.boundary, sampling.stop)
            if request.guide is not None:
                self._guide(number, row, request.guide)
            if row.watch is not None or row.matcher is not None or request.on_token is not None:
                self._attended.add(number)
            self._plain.put(number, sampling, request.key)
            self._limit[number] = request.max_tokens
        self.active = np.fromiter(self.rows, np.int64, len(self.rows))

    def _guide(self, number: int, row: Row, guide: Guide) -> None:
        if not len(self._mask):
            self._mask = np.ones((len(self._limit), self._mask.shape[1]), np.bool_)
            self._masked = replace(self._plain, allowed=self._mask)  # the other arrays are shared
        row.matcher = guide.matcher()
        row.matcher.allow(self._mask[number])
        self._guided.add(number)

    def take(self, ids: np.ndarray, logprobs: np.ndarray) -> np.ndarray:
        """Note the token that each active row has drawn; which of them (bool) end with it."""
        rows = self.active
        drawn = self._plain.counter[rows].astype(np.int64)
        self._ids[rows, drawn] = ids
        self._logprobs[rows, drawn] = logprobs
        self._plain.counter[rows] += np.uint64(1)
        ended = self._eos[ids] | (drawn + 1 >= self._limit[rows])
        if self._attended:
            triples = zip(rows.tolist(), ids.tolist(), logprobs.tolist(), strict=True)
            for at, (number, token, logprob) in enumerate(triples):
                if number in self._attended:
                    ended[at] |= self._attend(number, token, logprob, bool(ended[at]))
        return ended

    def _attend(self, number: int, token: int, logprob: float, last: bool) -> bool:
        """Look at one token of one row, perhaps its last; whether the row ends with it. An error
        of the listener or of the form is the request's own: only this row fails."""
        row = self.rows[number]
        if row.watch is not None:
            row.end = row.watch(self._pieces[token])
        try:
            if row.request.on_token is not None:
                row.request.on_token(token, logprob)
            if row.matcher is not None and row.end is None and not last:
                row.matcher.take(token)
                row.matcher.allow(self._mask[number])
        except Exception as error:
            row.error = error
        return row.end is not None or row.error is not None

    def drawn(self, number: int) -> list[int]:
        """The tokens that a row has drawn."""
        return self._ids[number, : int(self._plain.counter[number])].tolist()

    def answer(self, number: int) -> Result | Exception:
        """What a row that ended has to say."""
        row, ids = self.rows[number], self.drawn(number)
        if row.error is not None:
            return row.error
        text = self._pieces.bytes(ids)
        finish: Finish = "length"
        if row.end is not None:
            finish, length = row.end
            text = text[:length]
        elif self._eos[ids[-1]]:
            finish = "eos"
        return Result(
            token_ids=tuple(ids),
            logprobs=tuple(self._logprobs[number, : len(ids)].tolist()),
            finish=finish,
            text=text.decode("utf-8", "replace"),
            prompt_tokens=len(row.request.ids),
            cached_tokens=row.cached,
        )

    def remove(self, numbers: Sequence[int]) -> None:
        """Free these rows' numbers."""
        for number in numbers:
            del self.rows[number]
            self._attended.discard(number)
            if number in self._guided:
                self._guided.discard(number)
                self._mask[number] = True
            self.vacant.append(number)
        self.active = np.fromiter(self.rows, np.int64, len(self.rows))
