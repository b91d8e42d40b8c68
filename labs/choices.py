"""Enumerated answers: the model must answer with one of a few, at once or after a chain.

The form is enforced while decoding, so no answer is unreadable. What the form cannot do is know
which of them is right: blind choosing is right once in as many times as there are choices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import END_THINK, Dialect, Format, Task
from evaluators.tasks.expressions import Expressions
from reasoning.core import Context, Sampling, Solution, Step, Trace
from search.sampler import Sampler, step_of

ANSWER_TOKENS = {"compact": 4, "plain": 16}
"""Kept back from the budget of a chain for the answer after it."""

NEAR = (-10, -2, -1, 1, 2, 10)
"""How far the wrong choices lie from the right one: slips of one, of two and of a carry."""


@dataclass(frozen=True)
class Listed(Expressions):
    """expressions with a list of answers to choose from (`fields["choices"]`, one of them right).

    The plain dialect lists them after the question. The embedded models cannot read a list: to
    them only the enforced form tells the choices.
    """

    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        asked = super().render(problem, format, dialect)
        listed = ", ".join(problem.fields["choices"])
        return asked if dialect == "compact" else f"{asked}\nThe number is one of {listed}."


def listed(task: Task, seed: int = 0) -> Listed:
    """The problems of an expressions task with four choices each, in random order. Raises BadInput
    for another task."""
    if not isinstance(task, Expressions):
        raise BadInput("listed takes an expressions task: load_task('expressions')")
    rng = np.random.default_rng(seed)
    problems = []
    for problem in task.problems:
        right = int(problem.answer or 0)
        near = [right + d for d in NEAR if right + d >= 0]
        choices = [right, *(int(x) for x in rng.choice(near, 3, replace=False))]
        rng.shuffle(choices)
        texts = [str(x) for x in choices]
        problems.append(replace(problem, fields={**problem.fields, "choices": texts}))
    return Listed(task.name, tuple(problems))


@dataclass(frozen=True, kw_only=True)
class Choose(Sampler):
    """Answers with one of the problem's choices, enforced: at once, or with `think` after a chain,
    greedy by default. A chain that the budget cuts is answered from as far as it came."""

    think: bool = False
    temperature: float = 0.0

    def needs(self, task: Task) -> frozenset[str]:
        return frozenset({"choices", "continue"} if self.think else {"choices"})

    def prepare(self, task: Task) -> None:
        super().prepare(task)
        if any("choices" not in problem.fields for problem in task.problems):
            raise BadInput("choose needs problems with choices: listed(load_task('expressions'))")

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The enforced answer, after what was thought."""
        asking = replace(self, format="chain" if self.think else "direct")
        prompt, sampling = asking.prompt(problem, ctx), asking.sampling(ctx)
        compact = ctx.model.dialect == "compact"
        kept = ANSWER_TOKENS[ctx.model.dialect]
        mark = END_THINK if compact else "Answer:"
        steps: list[Step] = []
        if self.think:
            left = ctx.ledger.left_tokens
            room = sampling.max_tokens if left is None else max(0, left - kept)
            wish = replace(sampling, max_tokens=min(sampling.max_tokens, room), boundary=mark)
            if wish.max_tokens:
                [chain] = await ctx.model.generate(prompt, wish, ctx.ledger, ctx.seed)
                prompt = prompt.extended(chain)
                steps.append(step_of(chain))
            if not prompt.prefix.rstrip().endswith(mark):
                begun = "" if not prompt.prefix or prompt.prefix.endswith("\n") else "\n"
                prompt = prompt.forced(begun + mark)
                steps.append(Step(begun + mark, 0, "boundary", source="forced"))
        lead = "" if compact else " " if self.think else "Answer: "
        forms = tuple(lead + choice for choice in problem.fields["choices"])
        wish = Sampling(kept, sampling.temperature, choices=forms)
        [answer] = await ctx.model.generate(prompt, wish, ctx.ledger, ctx.seed.child("answer"))
        steps.append(step_of(answer))
        text = "".join(step.text for step in steps)
        given = ctx.task.extract(text) if answer.finish == "eos" else None
        trace = Trace(tuple(steps), answer.finish, given, seed=ctx.seed.text)
        stopped = "budget" if answer.finish == "budget" else "done"
        return Solution(given, (trace,), 0 if given else None, stopped_by=stopped)
