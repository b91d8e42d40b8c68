"""One batched decode loop for every waiting request of every problem.

A daemon thread owns a `Stepper` (the model) and repeats: let waiting requests join, draw one token
for every row, let finished rows leave, feed the others. Requests come from any thread and are
answered by futures. What a request gets does not depend on what else is in the batch: every draw
uses the uniform number of (request key, index of the token), and the steppers promise the rest.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

from evaluators.errors import BadInput, LabError
from reasoning.models.decoding.at_exit import close_at_exit
from reasoning.models.decoding.batch import Batch
from reasoning.models.decoding.stepper import (
    Controls,
    Counters,
    Request,
    Result,
    Scored,
    Stepper,
    fault_of,
)
from reasoning.models.decoding.stops import TokenBytes

__all__ = ["Controls", "Counters", "DecodeLoop", "Request", "Result", "Scored", "Stepper"]

READINGS = 256  # sequences scored between two steps
IDLE = 5.0  # seconds after which an idle thread ends; the next request starts another


class DecodeLoop:
    """Decodes requests side by side in one daemon thread, which runs while there are any.

    `pieces` gives each token's bytes. Cancelling a future frees its row at the next step. An error
    of the stepper fails the requests in progress with that error and the loop goes on; if even
    `stepper.reset()` fails, later requests are refused.
    """

    def __init__(self, stepper: Stepper, pieces: TokenBytes) -> None:
        self.stepper, self.pieces, self.eos_ids = stepper, pieces, stepper.eos_ids
        self._wake = threading.Condition()
        self._waiting: deque[tuple[Request, Future[Result]]] = deque()
        self._readings: deque[tuple[list[int], int, Future[Scored]]] = deque()
        self._cancelled = False
        self._closed = False
        self._broken: Exception | None = None
        self._thread: threading.Thread | None = None
        self._counters = Counters()
        self._batch = Batch(stepper, pieces)
        close_at_exit(self)

    @property
    def counters(self) -> Counters:
        """The counts up to the last finished step."""
        return self._counters

    def submit(self, request: Request) -> Future[Result]:
        """Queue a request. One that cannot be decoded fails its future with a LabError."""
        future: Future[Result] = Future()
        ids = [int(token) for token in request.ids]
        fault = fault_of(ids, self.stepper, 1)
        limit = min(request.max_tokens, self.stepper.max_positions - len(ids))
        if fault is not None:
            future.set_exception(BadInput(fault))
        elif limit < 1:
            future.set_result(Result((), (), "length", "", 0, 0))
        else:
            self._put(self._waiting, (replace(request, ids=ids, max_tokens=limit), future), future)
        return future

    def score(self, ids: Sequence[int], start: int) -> Future[Scored]:
        """Queue a reading: log-probabilities of ids[start:], each given all before it."""
        future: Future[Scored] = Future()
        ids = [int(token) for token in ids]
        fault = fault_of(ids, self.stepper, 0)
        if fault is None and not 1 <= start <= len(ids):
            fault = f"start must be in 1..{len(ids)}, not {start}"
        if fault is not None:
            future.set_exception(BadInput(fault))
        else:
            self._put(self._readings, (ids, start, future), future)
        return future

    def close(self, wait: float | None = None) -> None:
        """Cancel what is left and end the thread after the step in progress, for which it waits
        (at most so many seconds). Also done when the interpreter ends."""
        with self._wake:
            self._closed = True
            self._wake.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():  # a future's callback
            thread.join(wait)

    def _put(self, queue: deque, item: tuple, future: Future) -> None:
        with self._wake:
            if self._broken is not None:
                raise LabError(f"the decode loop is broken: {self._broken!r}; load the model again")
            if self._closed:
                raise LabError("the model is closed; load it again")
            queue.append(item)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
                self._thread.start()
            self._wake.notify()
        future.add_done_callback(self._note_cancel)

    def _note_cancel(self, future: Future) -> None:
        if future.cancelled():
            self._cancelled = True

    def _asked(self) -> bool:
        return bool(self._closed or self._waiting or self._readings or self._batch)

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._wake.wait_for(self._asked, IDLE):
                    self._thread = None  # nothing holds a loop that its owner has dropped
                    return
                if self._closed:
                    break
            joining: list[tuple[Request, Future[Result]]] = []
            reading: list[tuple[list[int], int, Future[Scored]]] = []
            try:
                self._drop_cancelled()
                self._read(reading)
                self._join(joining)
                if self._batch:
                    self._step()
            except BaseException as error:  # a panic of a compiled library is no Exception
                futures = [row.future for row in self._batch.rows.values()]
                self._fail(error, [*futures, *(f for _, f in joining), *(r[2] for r in reading)])
                if self._broken is not None:
                    break
        left = [row.future for row in self._batch.rows.values()]
        left += [future for _, future in self._waiting]
        for future in [*left, *(reading[2] for reading in self._readings)]:
            if self._broken is None:
                future.cancel()
            elif future.set_running_or_notify_cancel():
                future.set_exception(self._broken)

    def _fail(self, error: BaseException, futures: Sequence[Future]) -> None:
        """Answer `futures` with `error` and empty the batch."""
        try:
            self.stepper.reset()
        except Exception as worse:
            worse.__cause__ = error
            with self._wake:
                self._broken = worse
        self._batch.clear()
        for future in futures:
            if not future.done() and future.set_running_or_notify_cancel():
                future.set_exception(error)

    def _drop_cancelled(self) -> None:
        if self._cancelled:
            self._cancelled = False
            gone = [number for number, row in self._batch.rows.items() if row.future.cancelled()]
            self._leave(gone)

    def _read(self, batch: list[tuple[list[int], int, Future[Scored]]]) -> None:
        while self._readings and len(batch) < READINGS:
            item = self._readings.popleft()
            if not item[2].cancelled():
                batch.append(item)
        if not batch:
            return
        scores, cached = self.stepper.score([b[0] for b in batch], [b[1] for b in batch])
        self._count(scored=sum(map(len, scores)))
        for (_, start, future), values, known in zip(batch, scores, cached, strict=True):
            if future.set_running_or_notify_cancel():
                future.set_result(Scored(tuple(values), start, known))

    def _join(self, batch: list[tuple[Request, Future[Result]]]) -> None:
        """Give vacant rows to the first waiting requests, as far as the stepper has room."""
        while self._waiting and len(batch) < len(self._batch.vacant):
            item = self._waiting.popleft()
            if not item[1].cancelled():
                batch.append(item)
        if not batch:
            return
        numbers = self._batch.vacant[-len(batch) :][::-1]
        requests = [request for request, _ in batch]
        cached = self.stepper.join(
            numbers, [r.ids for r in requests], [r.max_tokens for r in requests]
        )
        while len(batch) > len(cached):
            self._waiting.appendleft(batch.pop())
        if not batch and not self._batch:
            raise LabError("the model has no room for a single request; give it a larger pool")
        self._batch.add(batch, cached)
        self._count(
            requests=len(batch), prompt=sum(len(r.ids) for r, _ in batch), cached=sum(cached)
        )

    def _step(self) -> None:
        """Draw for every row, answer those that ended, feed the others."""
        rows = self._batch.active
        ids, logprobs = self.stepper.draw(rows, self._batch.controls)
        ended = self._batch.take(ids, logprobs)
        self._count(completion=len(rows), steps=1)
        if ended.any():
            gone = rows[ended].tolist()
            answers = [(self._batch.rows[n].future, self._batch.answer(n)) for n in gone]
            rows, ids = rows[~ended], ids[~ended]
            self._leave(gone)
            for future, answer in answers:
                if not future.set_running_or_notify_cancel():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
        if len(rows):
            self.stepper.advance(rows, ids)

    def _leave(self, numbers: list[int]) -> None:
        if numbers:
            self.stepper.leave(numbers, [self._batch.drawn(number) for number in numbers])
            self._batch.remove(numbers)

    def _count(self, **more: int) -> None:
        old = self._counters
        self._counters = replace(old, **{k: getattr(old, k) + v for k, v in more.items()})
