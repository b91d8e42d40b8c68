"""Problem writing: a model writes new problems after seeds, in the voice of personas
(`personas.py`); they are sifted (Wang et al. 2023, "Self-Instruct", section 2.2), given a verified
answer (`verified.py`), and told how much they differ."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import END_THINK, THINK, Task
from reasoning.core import LanguageModel, Message, Prompt, Sampling, SeedPath
from reasoning.data.decontaminate import HeldOut, canonical, normal
from reasoning.data.diversity import NEAR, Diversity, Shingles, diversity, resemblance, shingles
from reasoning.data.personas import PERSONAS, asked, beginning, read_problem, text_of
from reasoning.data.verified import Answered, answered
from reasoning.ledger import Budget, Ledger
from reasoning.logged import CallFailed, LoggedModel
from reasoning.loop import run


@dataclass(frozen=True)
class Writing:
    """How problems are written.

    `calls` at most (None: four a problem wanted), `shots` seeds in each prompt, at `temperature`,
    of up to `max_tokens` (None: 256, or 48 in the compact dialect). `near`: a question that
    resembles another so much is left out (prose only). `samples` answers of the solver are compared
    where no program knows the answer, and a share of `agree` of them must be equal.
    """

    calls: int | None = None
    shots: int = 3
    temperature: float = 1.0
    max_tokens: int | None = None
    near: float = NEAR
    samples: int = 5
    agree: float = 0.6

    def __post_init__(self) -> None:
        for name, ok, want in (
            ("calls", self.calls is None or self.calls >= 1, "1 or more, or None"),
            ("shots", self.shots >= 1, "1 or more"),
            ("temperature", self.temperature > 0, "above 0"),
            ("max_tokens", self.max_tokens is None or self.max_tokens >= 1, "1 or more, or None"),
            ("near", 0 < self.near <= 1, "in (0, 1]"),
            ("samples", self.samples >= 1, "1 or more"),
            ("agree", 0 < self.agree <= 1, "in (0, 1]"),
        ):
            if not ok:
                raise BadInput(f"writing: {name} must be {want}, not {getattr(self, name)!r}")


@dataclass(frozen=True)
class Proposal:
    """One text that the model wrote, after which seed and by which persona, and what became of it:
    `kept`, or why not."""

    text: str
    state: str
    seed: str
    persona: str | None
    problem: Problem | None = None


@dataclass(frozen=True)
class Written:
    """The task with the new problems, every proposal, how much the new problems and the seeds
    differ (None for none), and the ledger of what was spent."""

    task: Task
    proposals: tuple[Proposal, ...]
    new: Diversity | None
    seeds: Diversity
    ledger: Ledger

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The new problems."""
        return tuple(self.task.problems)

    def __str__(self) -> str:
        counts = Counter(each.state for each in self.proposals)
        states = ", ".join(f"{n} {state}" for state, n in counts.most_common())
        spent = self.ledger.spent
        return (
            f"{len(self.proposals)} proposals in {spent.calls} calls, {spent.completion} tokens:"
            f" {states}\nnew:   {self.new or 'none'}\nseeds: {self.seeds}"
        )


def write_problems(
    task: Task, model: LanguageModel, n: int = 20, *, personas: Sequence[str] = PERSONAS,
    held_out: Sequence[Task] = (), solver: LanguageModel | None = None, seed: int = 0,
    budget: Budget | None = None, **settings: Any,
) -> Written:  # fmt: skip
    """Up to `n` new problems of the task's kind, written by the model after the task's problems.

    Equal instances, test instances and questions of `held_out` are left out. An answer is a
    program's where the task can compute or check one, else that of most of the `solver`'s samples
    (None: the model itself). `settings` are those of `Writing`. Raises BadInput.
    """
    return run(write_problems_async(
        task, model, n, personas=personas, held_out=held_out, solver=solver, seed=seed,
        budget=budget, **settings,
    ))  # fmt: skip


async def write_problems_async(
    task: Task, model: LanguageModel, n: int = 20, *, personas: Sequence[str] = PERSONAS,
    held_out: Sequence[Task] = (), solver: LanguageModel | None = None, seed: int = 0,
    budget: Budget | None = None, **settings: Any,
) -> Written:  # fmt: skip
    """`write_problems` inside a coroutine."""
    try:
        how = Writing(**settings)
    except TypeError as error:
        raise BadInput(f"problem writing has no such setting: {error}") from error
    if n < 1:
        raise BadInput(f"n must be 1 or more problems, not {n}")
    if not task.problems:
        raise BadInput(f"task {task.name!r} has no problems to write after: load it with n=…")
    work = _Work(task, model, n, personas, HeldOut(held_out), solver or model, seed, budget, how)
    return await work.done()


class _Work:
    """One writing under way."""

    def __init__(
        self, task: Task, model: LanguageModel, n: int, personas: Sequence[str], guard: HeldOut,
        solver: LanguageModel, seed: int, budget: Budget | None, how: Writing,
    ) -> None:  # fmt: skip
        self.task, self.n, self.how, self.guard = task, n, how, guard
        self.model, self.solver = LoggedModel(model), LoggedModel(solver)
        self.personas = tuple(personas) if model.dialect == "plain" else ()
        self.seed, self.ledger = SeedPath(seed, ("problems", task.name)), Ledger(budget)
        self.keys = {canonical(task.name, p) for p in task.problems}
        self.shown = [text_of(task, p) for p in task.problems]
        self.near: list[Shingles] = []
        if "question" in task.problems[0].fields:
            self.near = [shingles(text) for text in self.shown]
        self.proposals: list[Proposal] = []
        self.kept: list[Problem] = []

    async def done(self) -> Written:
        calls = self.how.calls or 4 * self.n
        at = 0
        while at < calls and len(self.kept) < self.n:
            width = min(calls - at, max(8, 2 * (self.n - len(self.kept))))
            made = await asyncio.gather(*(self.propose(at + i) for i in range(width)))
            if at == 0 and all(each.state.startswith("call failed") for each in made):
                raise BadInput(f"no call was answered; the first: {made[0].state}")
            at += width
            sifted = [self.sifted(each) for each in made]
            for each in await asyncio.gather(*(self.solved(one) for one in sifted)):
                self.take(each)
            if self.ledger.bounded and self.ledger.width(1, 1) == 0:
                break
        texts = [text_of(self.task, problem) for problem in self.kept]
        return Written(
            replace(self.task, problems=tuple(self.kept)), tuple(self.proposals),
            diversity(texts) if texts else None, diversity(self.shown), self.ledger,
        )  # fmt: skip

    async def propose(self, at: int) -> Proposal:
        """Ask for one problem."""
        path = self.seed.child(at)
        rng = np.random.Generator(np.random.Philox(key=path.child("choice").key))
        picked = rng.permutation(len(self.shown))[: self.how.shots]
        first = self.task.problems[int(picked[0])]
        shown = [self.shown[int(i)] for i in picked]
        persona = self.personas[int(rng.integers(len(self.personas)))] if self.personas else None
        if self.model.dialect == "plain":
            start, prompt = "", Prompt((Message("user", asked(shown, persona)),))
        else:
            start = beginning(shown[0], rng)
            prompt = Prompt((Message("user", start),))
        plain = self.model.dialect == "plain"
        sampling = Sampling(
            self.how.max_tokens or (256 if plain else 48), self.how.temperature,
            stop=() if plain else ("\n", THINK, END_THINK),
        )  # fmt: skip
        try:
            (made,) = await self.model.generate(prompt, sampling, self.ledger, path)
        except CallFailed as error:
            return Proposal("", f"call failed: {error}", first.id, persona)
        state = "new" if made.finish in ("eos", "stop") else f"cut by {made.finish}"
        return Proposal(start + made.text, state, first.id, persona)

    def sifted(self, given: Proposal) -> Proposal:
        """Read it, and leave out what is no problem, or one that there is."""
        if given.state != "new":
            return given
        problem = read_problem(self.task, given.text)
        if problem is None:
            return replace(given, state="unreadable")
        key = canonical(self.task.name, problem)
        text = text_of(self.task, problem)
        if key in self.keys:
            return replace(given, state="repeats another", problem=problem)
        why = self.guard.why_not(self.task.name, problem, [normal(text)])
        if why is not None:
            return replace(given, state=why, problem=problem)
        if self.near:
            mine = shingles(text)
            if max(resemblance(mine, other) for other in self.near) >= self.how.near:
                return replace(given, state="much like another", problem=problem)
            self.near.append(mine)
        self.keys.add(key)
        return replace(given, problem=problem)

    async def solved(self, given: Proposal) -> Proposal:
        """Find its answer."""
        if given.state != "new" or given.problem is None:
            return given
        found: Answered | str = await answered(
            self.task, given.problem, self.solver, self.ledger,
            self.seed.child("answer", canonical(self.task.name, given.problem)),
            samples=self.how.samples, agree=self.how.agree,
        )  # fmt: skip
        if isinstance(found, str):
            return replace(given, state=found)
        key = canonical(self.task.name, given.problem).partition("|")[2]
        meta = {
            "key": key, "split": "train", "after": given.seed, "persona": given.persona,
            "writer": self.model.name, "verified": found.by, "agreement": found.share,
        }  # fmt: skip
        problem = replace(given.problem, answer=found.answer, meta=meta)
        return replace(given, state="kept", problem=problem)

    def take(self, given: Proposal) -> None:
        if given.state == "kept" and given.problem is not None:
            if len(self.kept) >= self.n:
                given = replace(given, state="more than wanted")
            else:
                named = replace(given.problem, id=f"{self.task.name}/written-{len(self.kept)}")
                given = replace(given, problem=named)
                self.kept.append(named)
        self.proposals.append(given)
