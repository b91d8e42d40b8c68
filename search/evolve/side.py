"""Side jobs: validation and held-out scores and artefacts of the best programs.

They show how far the training score can be trusted, and the final choice is made on validation;
the search itself never sees them. They are logged and, in a resumed run, not done again.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evaluators.discovery.base import DiscoveryProblem, Split
from evaluators.errors import LabError
from reasoning.runlog import RunLog
from search.evolve.measured import KIND, Key, Measured
from search.evolve.once import evaluation_of
from search.evolve.pool import Job, Pool
from search.evolve.program import Program

ARTEFACTS = "artefacts"


class Side:
    """Measures programs beside the search, one new best at a time."""

    def __init__(
        self,
        problem: DiscoveryProblem,
        pool: Pool,
        log: RunLog,
        measured: Measured,
        failed: Callable[[BaseException], None],
    ) -> None:
        self.problem, self.pool, self.log, self.measured = problem, pool, log, measured
        self._failed = failed
        wanted: tuple[Split, ...] = ("validation", "held-out")
        self.splits = tuple[Split, ...](split for split in wanted if problem.instances(split))
        self._busy: asyncio.Task[None] | None = None
        self._next: Program | None = None

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
        best = self.measured.choose(finalists)
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
        return self.measured.told(best)

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
        if key in self.measured.found:
            return
        answer = await self._answer(Job(source, _nobody, key[1]))
        if "broken" in answer and key[0] == "0":
            raise LabError(
                f"the scorer of {self.problem.name} failed on the {key[1]} instances, for the"
                f" starting program already: {answer['broken']}; mend it first"
            )
        evaluation = evaluation_of(answer)
        self.log.append(KIND, who=key[0], split=key[1], evaluation=evaluation.to_row())
        self.measured.found[key] = evaluation

    async def _artefact(self, program: Program) -> None:
        """Store what the program makes beside the log; only the latest two are kept."""
        path = self.log.folder / ARTEFACTS / f"{program.k}.json"
        if path.exists():
            os.utime(path)
            return
        assert program.source is not None
        answer = await self._answer(Job(program.source, _nobody, artefact=True))
        if answer.get("artefact") is None:
            self.log.append("no artefact", k=program.k, reason=answer.get("broken", "none made"))
            return
        text = json.dumps({
            "k": program.k, "problem": self.problem.name, "version": self.problem.version,
            "fingerprint": dict(self.problem.fingerprint()), "scores": self._scores(program),
            "artefact": answer["artefact"],
        })  # fmt: skip
        try:
            _write(path, text)
            for old in stored(self.log.folder)[:-2]:
                old.unlink()
        except OSError as error:
            raise LabError(
                f"the artefact {path} cannot be written: {error}; make room, then resume"
            ) from error

    def _scores(self, program: Program) -> dict[str, float | None]:
        """What is claimed of a program: its score on every split."""
        return {"train": program.score, **{s: self.measured.score(program, s) for s in self.splits}}

    async def _answer(self, job: Job) -> dict[str, Any]:
        done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        job.done = lambda answer: None if done.done() else done.set_result(answer)
        self.pool.submit(job, first=True)
        return await done


def _write(path: Path, text: str) -> None:
    """Write a whole file or nothing."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(text, "utf-8")
    os.replace(draft, path)


def stored(folder: Path) -> list[Path]:
    """The artefacts of a run folder, oldest first."""
    return sorted((folder / ARTEFACTS).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)


def _nobody(answer: dict[str, Any]) -> None:
    raise RuntimeError("an answer to a job that nobody waits for")
