"""Serve requests through transformers' own `generate`, for models that the batched loop refuses.

One call of `generate` serves the waiting requests that share a prompt, so no padding is needed and
any architecture works; different prompts wait for each other. A logits processor draws every token
itself (same controls, same uniform numbers as the loops) and leaves `generate` that one choice, so
seeds and log-probabilities mean what they mean elsewhere and no random state is touched.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import transformers as tf

from evaluators.errors import BadInput, LabError
from reasoning.core import Finish
from reasoning.models.decoding.at_exit import close_at_exit
from reasoning.models.decoding.batched import plain_scores, positions_of
from reasoning.models.decoding.draw_torch import draw_anywhere
from reasoning.models.decoding.guide import Matcher
from reasoning.models.decoding.loop import IDLE
from reasoning.models.decoding.stepper import Controls, Counters, Request, Result, Scored
from reasoning.models.decoding.stops import TokenBytes, Watch

CLOSED = "the model is closed; load it again"


@dataclass
class Row:
    """A request in progress."""

    request: Request
    future: Future[Result]
    watch: Watch
    matcher: Matcher | None
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Finish | None = None
    keep: int | None = None  # bytes of the text, where a stop or boundary set them
    error: Exception | None = None  # what the request's listener or its form raised

    @property
    def over(self) -> bool:
        ended = self.finish is not None or self.error is not None
        return ended or self.future.cancelled()


class Draws(tf.LogitsProcessor):
    """Draws the next token of every row and leaves `generate` that choice alone."""

    def __init__(self, rows: Sequence[Row], pieces: TokenBytes, eos_ids: frozenset[int]) -> None:
        self.rows, self.pieces, self.eos_ids = rows, pieces, eos_ids
        self.steps = self.tokens = 0
        self.controls = Controls.empty(len(rows))
        for i, row in enumerate(rows):
            self.controls.put(i, row.request.sampling, row.request.key)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.controls.counter[:] = self.steps
        controls = self.controls
        if any(row.matcher is not None for row in self.rows):
            controls = replace(controls, allowed=self.mask(*scores.shape))
        ids, logprobs = draw_anywhere(scores, controls)
        self.steps += 1
        for row, token, logprob in zip(self.rows, ids.tolist(), logprobs.tolist(), strict=True):
            if not row.over:
                self.tokens += 1
                self.take(row, token, logprob)
        forced = torch.full_like(scores, -torch.inf)
        return forced.scatter_(1, torch.as_tensor(ids, device=scores.device)[:, None], 0.0)

    def mask(self, rows: int, vocabulary: int) -> np.ndarray:
        """Which tokens each row may draw."""
        allowed = np.ones((rows, vocabulary), np.bool_)
        for row, line in zip(self.rows, allowed, strict=True):
            if row.matcher is not None and not row.over:
                try:
                    row.matcher.allow(line)
                except BadInput as error:
                    row.error = error
                    line[:] = True
        return allowed

    def take(self, row: Row, token: int, logprob: float) -> None:
        """Append a token to a row; its end, if this is it."""
        row.ids.append(token)
        row.logprobs.append(logprob)
        end = row.watch(self.pieces[token])
        if token in self.eos_ids:
            row.finish = "eos"
        elif end is not None:
            row.finish, row.keep = end
        elif len(row.ids) >= row.request.max_tokens:
            row.finish = "length"
        try:
            if row.request.on_token is not None:
                row.request.on_token(token, logprob)
            if row.matcher is not None and row.finish is None:
                row.matcher.take(token)
        except Exception as error:  # of the listener or of the form: only this row fails
            row.error = error


class Over(tf.StoppingCriteria):
    """Tells `generate` which rows have ended or were cancelled: all, once `closed` says so."""

    def __init__(self, rows: Sequence[Row], closed: Callable[[], bool]) -> None:
        self.rows, self.closed = rows, closed

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        over = [self.closed() or row.over for row in self.rows]
        return torch.tensor(over, device=input_ids.device)


class GenerateLoop:
    """Serves what `decode.DecodeLoop` serves, in one daemon thread, by calls of `generate`.

    `max_rows` is the most completions of one prompt drawn side by side.
    """

    def __init__(
        self, model: Any, pieces: TokenBytes, *, eos_ids: frozenset[int], max_rows: int = 16
    ) -> None:
        self.model, self.pieces, self.eos_ids, self.max_rows = model, pieces, eos_ids, max_rows
        self.max_positions = positions_of(model.config)
        self._counters = Counters()
        self._waiting: deque[tuple[Any, Future[Any]]] = deque()
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        close_at_exit(self)

    @property
    def counters(self) -> Counters:
        """What was served so far."""
        return self._counters

    def submit(self, request: Request) -> Future[Result]:
        """A completion of this request; cancelling the future ends it after its current token."""
        return self._enqueue(request)

    def score(self, ids: Sequence[int], start: int) -> Future[Scored]:
        """Log-probabilities of `ids[start:]`."""
        return self._enqueue((tuple(ids), start))

    def close(self, wait: float | None = None) -> None:
        """Fail what is left and end the thread after the token in progress, for which it waits
        (at most so many seconds). Also done when the interpreter ends."""
        with self._change:
            self._closed = True
            self._change.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(wait)

    # -- inside -----------------------------------------------------------------------

    def _enqueue(self, work: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with self._change:
            if self._closed:
                raise LabError(CLOSED)
            self._waiting.append((work, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="generate", daemon=True)
                self._thread.start()
            self._change.notify()
        return future

    def _run(self) -> None:
        while True:
            with self._change:
                if not self._change.wait_for(lambda: self._waiting or self._closed, IDLE):
                    self._thread = None  # nothing holds a loop that its owner has dropped
                    return
                if self._closed:
                    for _, future in self._waiting:
                        answer(future, error=LabError(CLOSED))
                    self._waiting.clear()
                    return
                batch = self._take()
            try:
                self._serve(batch)
            except BaseException as error:
                for _, future in batch:
                    answer(future, error=error)

    def _take(self) -> list[tuple[Any, Future[Any]]]:
        """The first that waits and, where it asks for a completion, its siblings."""
        first = self._waiting.popleft()
        if not isinstance(first[0], Request):
            return [first]
        prompt, batch, rest = list(first[0].ids), [first], deque()
        while self._waiting and len(batch) < self.max_rows:
            item = self._waiting.popleft()
            same = isinstance(item[0], Request) and list(item[0].ids) == prompt
            (batch if same else rest).append(item)
        self._waiting.extendleft(reversed(rest))
        return batch

    def _serve(self, batch: list[tuple[Any, Future[Any]]]) -> None:
        work, future = batch[0]
        if not isinstance(work, Request):
            logprobs = tuple(plain_scores(self.model, *work))
            self._count(scored=len(logprobs))
            answer(future, Scored(logprobs, len(work[0]), 0))
            return
        rows = [
            Row(
                request,
                waiter,
                Watch(request.sampling.boundary, request.sampling.stop),
                None if request.guide is None else request.guide.matcher(),
            )
            for request, waiter in batch
            if not waiter.cancelled()
        ]
        if rows:
            self._generate(rows)

    def _generate(self, rows: list[Row]) -> None:
        prompt = list(rows[0].request.ids)
        room = self.max_positions - len(prompt)
        draws = Draws(rows, self.pieces, self.eos_ids)
        ids = torch.tensor([prompt] * len(rows), device=self.model.device)
        config = tf.GenerationConfig(
            max_new_tokens=min(room, max(row.request.max_tokens for row in rows)),
            do_sample=False,
            pad_token_id=self.model.generation_config.pad_token_id,
        )
        self.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            generation_config=config,
            logits_processor=tf.LogitsProcessorList([draws]),
            stopping_criteria=tf.StoppingCriteriaList([Over(rows, lambda: self._closed)]),
        )
        self._count(
            requests=len(rows),
            prompt=len(prompt) * len(rows),
            completion=draws.tokens,
            steps=draws.steps,
        )
        for row in rows:
            if self._closed and not row.over:
                row.error = LabError(CLOSED)
            text = self.pieces.bytes(row.ids)[: row.keep].decode("utf-8", "replace")
            result = Result(
                tuple(row.ids), tuple(row.logprobs), row.finish or "length", text, len(prompt), 0
            )
            answer(row.future, result, row.error)

    def _count(self, **more: int) -> None:
        now = self._counters
        self._counters = replace(now, **{k: getattr(now, k) + v for k, v in more.items()})


def answer(future: Future[Any], result: Any = None, error: BaseException | None = None) -> None:
    """Fulfil a future that may have been cancelled meanwhile."""
    with suppress(InvalidStateError):
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)
