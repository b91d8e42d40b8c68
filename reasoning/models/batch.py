"""The rows in progress of a decode loop: what each has drawn, when it ends, what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from reasoning.core import Finish
from reasoning.models.stepper import Controls, Request, Result, Stepper
from reasoning.models.stops import TokenBytes, Watch


@dataclass
class Row:
    """A request in progress; `end` is a stop or boundary and the bytes of text that it keeps,
    `error` what the request's own listener raised."""

    request: Request
    future: Future[Result]
    cached: int
    watch: Watch | None = None
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
        self.controls = Controls.empty(count)
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
        self.rows: dict[int, Row] = {}
        self._attended: set[int] = set()  # rows whose every token is looked at one by one
        self.vacant = list(range(len(self._limit) - 1, -1, -1))
        self.active = np.zeros(0, np.int64)

    def add(
        self, requests: Sequence[tuple[Request, Future[Result]]], cached: Sequence[int]
    ) -> None:
        """Give the next vacant numbers to these requests, in this order."""
        for (request, future), known in zip(requests, cached, strict=True):
            number, sampling = self.vacant.pop(), request.sampling
            row = self.rows[number] = Row(request, future, known)
            if sampling.boundary is not None or sampling.stop:
                row.watch = Watch(sampling.boundary, sampling.stop)
            if row.watch is not None or request.on_token is not None:
                self._attended.add(number)
            self.controls.put(number, sampling, request.key)
            self._limit[number] = request.max_tokens
        self.active = np.fromiter(self.rows, np.int64, len(self.rows))

    def take(self, ids: np.ndarray, logprobs: np.ndarray) -> np.ndarray:
        """Note the token that each active row has drawn; which of them (bool) end with it."""
        rows = self.active
        drawn = self.controls.counter[rows].astype(np.int64)
        self._ids[rows, drawn] = ids
        self._logprobs[rows, drawn] = logprobs
        self.controls.counter[rows] += np.uint64(1)
        ended = self._eos[ids] | (drawn + 1 >= self._limit[rows])
        if self._attended:
            triples = zip(rows.tolist(), ids.tolist(), logprobs.tolist(), strict=True)
            for at, (number, token, logprob) in enumerate(triples):
                if number in self._attended and self._attend(self.rows[number], token, logprob):
                    ended[at] = True
        return ended

    def _attend(self, row: Row, token: int, logprob: float) -> bool:
        """Look at one token of one row; whether the row ends with it."""
        if row.watch is not None:
            row.end = row.watch(self._pieces[token])
        if row.request.on_token is not None:
            try:
                row.request.on_token(token, logprob)
            except Exception as error:  # it belongs to the caller: only this row fails
                row.error = error
        return row.end is not None or row.error is not None

    def drawn(self, number: int) -> list[int]:
        """The tokens that a row has drawn."""
        return self._ids[number, : int(self.controls.counter[number])].tolist()

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
            self.vacant.append(number)
        self.active = np.fromiter(self.rows, np.int64, len(self.rows))
