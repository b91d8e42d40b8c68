"""The worker program: evaluates candidates in a sandbox of its own, for the pool that started it.

Run as `python -P worker.py`. The first line of standard input is a header (JSON: `path`, `size`,
`sandbox`, `journal`), then come `size` bytes of the pickled problem, then one job a line. Answers
go to what was standard output, one JSON object a line; whatever a problem prints goes to standard
error. The end of standard input, also that of a killed parent, ends the worker at once, in the
middle of a job too. Nothing heavy is imported before the problem asks for it.
"""

from __future__ import annotations

import json
import math
import os
import queue
import sys
import threading
import time
import traceback
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from evaluators.discovery.base import DiscoveryProblem, Evaluation
    from evaluators.sandbox import Sandbox


def main() -> None:
    """Serve jobs until standard input ends."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    stream = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    header = json.loads(stream.readline())
    sys.path[:] = header["path"]
    raw = stream.read(header["size"])
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(stream, jobs), daemon=True).start()
    try:
        import cloudpickle

        problem = cloudpickle.loads(raw)
        bench = Bench(problem, header["sandbox"])
        from search.evolve.journal import Journal

        journal = Journal(header["journal"])
        problem.warm()
    except BaseException as error:  # whatever it is, the parent must hear of it
        from evaluators.errors import LabError

        kind = "" if isinstance(error, LabError) else type(error).__name__
        _send(out, json.dumps({"failed": str(error) or kind, "kind": kind}).encode())
        raise SystemExit(1) from error
    _send(out, json.dumps({"ready": bench.backend}).encode())
    while True:
        line = jobs.get()
        answer = bench.answer(json.loads(line))
        journal.note(line, answer)
        _send(out, answer)


def _listen(stream: BinaryIO, jobs: queue.SimpleQueue[bytes]) -> None:
    for line in stream:
        jobs.put(line)
    os._exit(0)


def _send(out: Any, answer: bytes) -> None:
    raw = memoryview(answer + b"\n")
    while raw:
        raw = raw[out.write(raw) :]


def _encoded(answer: dict[str, Any], began: float) -> bytes:
    answer["cpu"] = round(time.process_time() - began, 6)
    return json.dumps(answer, separators=(",", ":")).encode()


class Bench:
    """A problem and a sandbox, and what is done with a candidate there."""

    def __init__(self, problem: DiscoveryProblem, backend: str | None) -> None:
        self.problem, self._backend = problem, backend
        self._sandbox = self._fresh()
        self.backend = self._sandbox.backend

    def answer(self, job: dict[str, Any]) -> bytes:
        """The answer to a job, a JSON object: the `evaluation` as a row (or the `artefact`), the
        processor time `cpu` that this process spent on it, whether it was `retried` in a fresh
        sandbox. `broken` is why the problem's own code failed, where it did; then there is no
        evaluation."""
        began = time.process_time()
        answer: dict[str, Any] = {"id": job["id"], "retried": False}
        try:
            if job.get("artefact"):
                answer["artefact"] = self.problem.artefact(job["source"], self._sandbox)
            else:
                evaluation, answer["retried"] = self._evaluate(job)
                answer["evaluation"] = vars(evaluation)
            raw = _encoded(answer, began)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(last.filename)}:{last.lineno}"
            reason = f"{type(error).__name__}: {error} ({where})"
            raw = _encoded({"id": job["id"], "retried": False, "broken": reason}, began)
        return raw

    def _fresh(self) -> Sandbox:
        from evaluators.sandbox import Sandbox

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the weak back-end the run itself warns, once
            return Sandbox(self._backend, preload=self.problem.preload)

    def _evaluate(self, job: dict[str, Any]) -> tuple[Evaluation, bool]:
        evaluation = self._once(job)
        if evaluation.verdict != "sandbox_died":
            return evaluation, False
        self._sandbox.close()
        self._sandbox = self._fresh()
        return self._once(job), True

    def _once(self, job: dict[str, Any]) -> Evaluation:
        from evaluators.discovery.base import audited  # not before the parent's path is known

        source, floor = job["source"], job["floor"]
        evaluation = _sound(self.problem.evaluate(source, self._sandbox, job["split"], floor))
        score = evaluation.score
        if not job["audit"] or score is None:
            return evaluation
        if floor is not None and self.problem.better(floor, score):
            return replace(evaluation, cut=True)  # not audited, so it must not enter
        return audited(self.problem, source, self._sandbox, evaluation)


def _sound(evaluation: Evaluation) -> Evaluation:
    """The evaluation as plain floats; one that claims a score which is no finite number, or a score
    for a program that failed, is `invalid` or has none."""
    if evaluation.verdict != "ok":
        return replace(evaluation, score=None)
    if evaluation.score is None:
        return evaluation
    scores = tuple(map(float, evaluation.scores))
    score = float(evaluation.score)
    if not all(map(math.isfinite, (score, *scores))):
        reason = "the score is not a finite number"
        return replace(evaluation, verdict="invalid", score=None, scores=(), reason=reason)
    return replace(evaluation, score=score, scores=scores)


if __name__ == "__main__":
    main()
