"""Side jobs: validation and held-out scores and artefacts of the best programs.

They show how far the training score can be trusted, and the final choice is made on validation;
the search itself never sees them. They are logged and, in a resumed run, not done again.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluators.discovery.base import DiscoveryProblem, Evaluation, Split
from reasoning.runlog import RunLog
from search.evolve.once import evaluation_of
from search.evolve.pool import Job, Pool
from search.evolve.program import Program
from search.evolve.progress import Meter

KIND, ARTEFACTS = "measured", "artefacts"

Key = tuple[str, Split]
"""A program's number as text, or `baseline/NAME`; and the split."""


class Side:
    """Measures programs beside the search, one new best at a time."""

    def __init__(
        self,
        problem: DiscoveryProblem,
        pool: Pool,
        log: RunLog,
        meter: Meter,
        failed: Callable[[BaseException], None],
    ) -> None:
        self.problem, self.pool, self.log, self.meter = problem, pool, log, meter
        self._failed = failed
        self.found: dict[Key, Evaluation] = {}
        wanted: tuple[Split, ...] = ("validation", "held-out")
        self.splits = tuple[Split, ...](split for split in wanted if problem.instances(split))
        self._busy: asyncio.Task[None] | None = None
        self._next: Program | None = None

    def recall(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take what an earlier session measured."""
        for event in events:
            if event["kind"] == KIND:
                key: Key = (event["who"], event["split"])
                self._keep(key, Evaluation.from_row(event["evaluation"]))

    def improved(self, program: Program) -> None:
        """A new best by training score: measure it, when the one before it is done."""
        self._next = program
        if self._busy is None or self._busy.done():
            self._busy = asyncio.get_running_loop().create_task(self._follow())

    async def finish(self, finalists: Sequence[Program]) -> Program | None:
        """Measure the finalists and return the best on validation (on training, where there are no
        validation instances); then its held-out score and its artefact, and the baselines'."""
        if self._busy is not None:
            self._next = None
            await self._busy
        if "validation" in self.splits:
            await asyncio.gather(*(self._measure(p, "validation") for p in finalists))
        best = self.choose(finalists)
        if best is None:
            return None
        first = finalists[0]
        if "held-out" in self.splits:
            both = [best] if first.k == best.k else [best, first]
            await asyncio.gather(*(self._measure(p, "held-out") for p in both))
            await asyncio.gather(*(
                self._evaluate((f"baseline/{name}", "held-out"), source)
                for name, source in self.problem.baselines.items()
            ))  # fmt: skip
        await self._artefact(best)
        self.log.append("best", k=best.k)
        return self.told(best)

    def choose(self, finalists: Sequence[Program]) -> Program | None:
        """The best on validation of those that were measured; else the best on training."""
        if "validation" not in self.splits:
            return finalists[0] if finalists else None
        known = [(p, self.score(p, "validation")) for p in finalists]
        scored = [(p, s) for p, s in known if s is not None]
        if not scored:
            return finalists[0] if finalists else None
        best, top = scored[0]
        for program, score in scored[1:]:
            if self.problem.better(score, top):
                best, top = program, score
        return best

    def score(self, program: Program, split: Split) -> float | None:
        """A program's score on a split, where it was measured."""
        found = self.found.get((str(program.k), split))
        return found.score if found else None

    def told(self, program: Program) -> Program:
        """The program with its validation and held-out scores."""
        return replace(
            program,
            validation=self.score(program, "validation"),
            held_out=self.score(program, "held-out"),
        )

    async def cancel(self) -> None:
        """Leave what is not measured."""
        if self._busy is not None:
            self._busy.cancel()
            await asyncio.gather(self._busy, return_exceptions=True)

    # -- inside -----------------------------------------------------------------------

    async def _follow(self) -> None:
        try:
            while self._next is not None:
                program, self._next = self._next, None
                await asyncio.gather(*(self._measure(program, split) for split in self.splits))
                await self._artefact(program)
        except Exception as error:
            self._failed(error)

    async def _measure(self, program: Program, split: Split) -> None:
        assert program.source is not None
        await self._evaluate((str(program.k), split), program.source)

    async def _evaluate(self, key: Key, source: str) -> None:
        if key in self.found:
            return
        answer = await self._answer(Job(source, _nobody, key[1]))
        evaluation = evaluation_of(answer)
        self.log.append(KIND, who=key[0], split=key[1], evaluation=evaluation.to_row())
        self._keep(key, evaluation)

    def _keep(self, key: Key, evaluation: Evaluation) -> None:
        self.found[key] = evaluation
        if key[1] == "held-out" and key[0].isdigit() and evaluation.score is not None:
            self.meter.held_out[int(key[0])] = evaluation.score

    async def _artefact(self, program: Program) -> None:
        """Store what the program makes beside the log; only the latest two are kept."""
        path = self.log.folder / ARTEFACTS / f"{program.k}.json"
        if path.exists():
            os.utime(path)
            return
        assert program.source is not None
        answer = await self._answer(Job(program.source, _nobody, artefact=True))
        if answer.get("artefact") is None:
            return
        path.parent.mkdir(exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps({
            "k": program.k, "problem": self.problem.name, "version": self.problem.version,
            "fingerprint": dict(self.problem.fingerprint()), "scores": self._scores(program),
            "artefact": answer["artefact"],
        }), "utf-8")  # fmt: skip
        os.replace(draft, path)
        for old in stored(self.log.folder)[:-2]:
            old.unlink()

    def _scores(self, program: Program) -> dict[str, float | None]:
        """What is claimed of a program: its score on every split."""
        return {"train": program.score, **{s: self.score(program, s) for s in self.splits}}

    async def _answer(self, job: Job) -> dict[str, Any]:
        done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        job.done = lambda answer: None if done.done() else done.set_result(answer)
        self.pool.submit(job, first=True)
        return await done


def stored(folder: Path) -> list[Path]:
    """The artefacts of a run folder, oldest first."""
    return sorted((folder / ARTEFACTS).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)


def _nobody(answer: dict[str, Any]) -> None:
    raise RuntimeError("an answer to a job that nobody waits for")
