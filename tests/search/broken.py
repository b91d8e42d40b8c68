"""A small strategy that conforms, and others like it, each with one defect."""

from __future__ import annotations

import asyncio
import copy
import random
from dataclasses import dataclass, field, replace

from reasoning.core import Prompt, Solution, Step, Trace
from reasoning.ledger import Ledger
from search.best_of_n import BestOfN, scored
from search.sampler import draw, waves
from search.scorers import resolve
from search.tree.settings import TreeSampler


@dataclass(frozen=True)
class Climb(TreeSampler):
    """Draws `width` steps, follows the best of them to the end, and begins again."""

    width: int = 4
    merge: bool = field(default=False, kw_only=True)

    async def solve(self, problem, ctx):
        grower = self.grower(problem, ctx)
        while not grower.spent:
            node, before = grower.tree.root, ctx.ledger.spent.tokens
            while not node.closed:
                children = await self.children(grower, node)
                if not children:
                    break
                node = self.pick(children)
            if ctx.ledger.spent.tokens == before:
                break
        return self.end(grower)

    async def children(self, grower, node):
        [children] = await grower.expand([(node, self.width)])
        return children

    def pick(self, children):
        return max(children, key=lambda child: child.score or 0.0)

    def end(self, grower):
        return grower.solution(self.best(grower), "budget")


# -- look-ahead -----------------------------------------------------------------------


class LookAheadNeverScored(Climb):
    """Writes every child to its end, which costs most of the budget, and scores none of it."""

    async def children(self, grower, node):
        children = await super().children(grower, node)
        scorer, grower.scorer = grower.scorer, None
        await grower.expand([(child, 1) for child in children if not child.closed], to_end=True)
        grower.scorer = scorer
        return children


class LookAheadNotHeeded(Climb):
    """Scores the ends that it writes and goes where the unfinished trace looks best all the same,
    and answers with what came first."""

    async def children(self, grower, node):
        children = await super().children(grower, node)
        await grower.expand([(child, 1) for child in children if not child.closed], to_end=True)
        return children

    def best(self, grower):
        found = grower.tree.finished()
        tree = grower.tree
        return max(
            found, default=None, key=lambda node: max(n.score or 0 for n in tree.path(node)[:1])
        )


# -- calls for nothing ----------------------------------------------------------------


class AsksAfterTheEnd(BestOfN):
    """One trace, and then four more calls to go on with it."""

    async def solve(self, problem, ctx):
        prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
        [trace] = await draw(prompt, sampling, problem, ctx, [0])
        for number in range(4):
            longer = Prompt(prompt.messages, trace.text)
            seed = ctx.seed.child("more", number)
            await ctx.model.generate(longer, sampling, ctx.ledger, seed)
        return Solution(trace.answer, (trace,), 0 if trace.answer else None)


class DropsWhatItBatched(BestOfN):
    """Hands out eight calls at a time and keeps the result that it waited for."""

    async def solve(self, problem, ctx):
        prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
        kept, scorer = [], resolve(self.scorer, ctx.task)
        async for wave in waves(prompt, sampling, problem, ctx, n=None, width=8):
            for trace in wave[1:]:
                ctx.ledger.discard(trace.seed, "no longer needed")
            kept += await scored(wave[:1], scorer, problem, ctx)
        best = max(range(len(kept)), key=lambda i: kept[i].score or 0.0, default=None)
        answer = None if best is None else kept[best].answer
        return Solution(answer, tuple(kept), best if answer else None, stopped_by="budget")


class DropsInSilence(Climb):
    """Says nothing on the ledger of what it did not use."""

    def end(self, grower):
        discard, grower.ctx.ledger.discard = grower.ctx.ledger.discard, lambda *_: None
        try:
            return super().end(grower)
        finally:
            grower.ctx.ledger.discard = discard


# -- values ---------------------------------------------------------------------------


class ValuesDoNotDecide(Climb):
    """Pays for scores and answers with the first trace that has finished."""

    def best(self, grower):
        return next(iter(grower.tree.finished()), None)


class ScoresDoNotDecide(BestOfN):
    """Scores every sample and takes the first."""

    def _choose(self, traces, scorer, problem, ctx):
        return next((i for i, trace in enumerate(traces) if trace.answer), None)


class ValuesDoNotSteer(Climb):
    """Follows the first child whatever it is worth."""

    def pick(self, children):
        return children[0]


class WorstFirst(Climb):
    """Mistakes a score for a cost."""

    def pick(self, children):
        return min(children, key=lambda child: child.score or 0.0)

    def best(self, grower):
        found = grower.tree.finished()
        return min(found, key=lambda node: node.score or 0.0, default=None)


# -- state ----------------------------------------------------------------------------


class CopiesItsState(Climb):
    """Copies the whole tree before every step, to be able to go back."""

    async def children(self, grower, node):
        copy.deepcopy(grower.tree.nodes)
        return await super().children(grower, node)


class SortsAllNodes(Climb):
    """Looks for the best node by sorting all there are."""

    async def children(self, grower, node):
        sorted(grower.tree.nodes, key=lambda n: (n.score or 0.0, n.id))
        return await super().children(grower, node)


class Recursive(Climb):
    """Goes down by calling itself."""

    async def solve(self, problem, ctx):
        grower = self.grower(problem, ctx)
        await self._down(grower, grower.tree.root)
        return self.end(grower)

    async def _down(self, grower, node):
        children = await self.children(grower, node)
        if children and not (best := self.pick(children)).closed:
            await self._down(grower, best)


# -- counting -------------------------------------------------------------------------


@dataclass(frozen=True)
class CountsWrong(BestOfN):
    """Says that every step had `tokens` tokens."""

    tokens: int = 0

    async def solve(self, problem, ctx):
        solution = await BestOfN(n=self.n, scorer=self.scorer).solve(problem, ctx)
        traces = [
            replace(trace, steps=tuple(replace(step, tokens=self.tokens) for step in trace.steps))
            for trace in solution.traces
        ]
        return replace(solution, traces=tuple(traces))


class BooksElsewhere(Climb):
    """Spends from a ledger of its own."""

    async def solve(self, problem, ctx):
        own = Ledger(ctx.ledger.budget)
        return await _climb(self).solve(problem, replace(ctx, ledger=own))


class SpendsTwice(Climb):
    """Gives each of its two halves the whole budget."""

    async def solve(self, problem, ctx):
        first = await _climb(self).solve(problem, ctx)
        own = Ledger(ctx.ledger.budget)
        second = await _climb(self).solve(
            problem, replace(ctx, ledger=own, seed=ctx.seed.child("second"))
        )
        ctx.ledger.rows += own.rows
        for row in own.rows:
            ctx.ledger._add(row, 1)
        return second if second.answer else first


class LeavesCallsBehind(Climb):
    """Answers while a call is under way that nobody waits for."""

    async def solve(self, problem, ctx):
        solution = await _climb(self).solve(problem, replace(ctx, ledger=Ledger(parent=ctx.ledger)))
        prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
        ctx.ledger.budget = replace(ctx.ledger.budget, tokens=10_000)
        seed = ctx.seed.child("left")
        task = asyncio.ensure_future(ctx.model.generate(prompt, sampling, ctx.ledger, seed))
        await asyncio.sleep(0)
        _LEFT.append(task)
        return solution


_LEFT: list[asyncio.Future] = []


class RaisesWhenSpent(Climb):
    """Takes the end of the budget for an error."""

    def end(self, grower):
        if not grower.tree.finished():
            raise RuntimeError("out of budget")
        return super().end(grower)


class GivesNoAnswerWhenSpent(Climb):
    """Forgets what has finished when the budget ends."""

    def end(self, grower):
        solution = super().end(grower)
        return replace(solution, answer=None, chosen=None) if grower.spent else solution


class AsksForEver(Climb):
    """Goes on asking when nothing is granted."""

    async def solve(self, problem, ctx):
        prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
        while True:
            [trace] = await draw(prompt, sampling, problem, ctx, [0])
            if trace.score == 1.0:
                return Solution(trace.answer, (trace,), 0)


# -- repetition -----------------------------------------------------------------------


class TakesTheQuickest(BestOfN):
    """Takes results as they come."""

    async def solve(self, problem, ctx):
        prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
        width = ctx.ledger.width(4, sampling.max_tokens)
        calls = [draw(prompt, sampling, problem, ctx, [i]) for i in range(width)]
        traces = [trace for call in asyncio.as_completed(calls) for trace in await call]
        traces = [trace for trace in traces if trace.steps]
        chosen = next((i for i, trace in enumerate(traces) if trace.answer), None)
        answer = None if chosen is None else traces[chosen].answer
        return Solution(answer, tuple(traces), chosen, stopped_by="done")


class PrefersByName(Climb):
    """Breaks ties by the text."""

    def pick(self, children):
        return max(children, key=lambda child: child.text)


class GlobalLuck(Climb):
    """Draws from the global generator."""

    def pick(self, children):
        return random.choice(children)


class SameSeedAgain(BestOfN):
    """Draws every sample from the same seed path."""

    async def solve(self, problem, ctx):
        prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
        made = [(await draw(prompt, sampling, problem, ctx, [0]))[0] for _ in range(3)]
        traces = tuple(trace for trace in made if trace.steps)
        chosen = 0 if traces and traces[0].answer else None
        return Solution(None if chosen is None else traces[0].answer, traces, chosen)


class DeafToItsSeed(BestOfN):
    """Draws the same whatever the seed."""

    async def solve(self, problem, ctx):
        fixed = replace(ctx, seed=replace(ctx.seed, seed=0))
        return await BestOfN(n=2, scorer=self.scorer).solve(problem, fixed)


class RunsItsOwnLoop(Climb):
    """Calls asyncio.run, which works in a script and not in a notebook."""

    async def solve(self, problem, ctx):
        return asyncio.run(_climb(self).solve(problem, ctx))


_NUMBER = iter(range(10**9))


class NumbersItsCalls(Climb):
    """Draws from seed paths that count on from the last problem, so that no log knows them."""

    async def solve(self, problem, ctx):
        seed = ctx.seed.child(next(_NUMBER))
        return await _climb(self).solve(problem, replace(ctx, seed=seed))


class AnswersOutOfNowhere(Climb):
    """Answers with what no trace says."""

    def end(self, grower):
        return replace(super().end(grower), answer="nothing of the kind")


class InventsTraces(Climb):
    """Hands over a trace that no model has written."""

    def end(self, grower):
        trace = Trace((Step("=zzz", 5, "eos"),), "eos", "zzz")
        return Solution("zzz", (trace,), 0, stopped_by="budget")


def _climb(strategy):
    """The sound strategy with the same settings."""
    return Climb(scorer=strategy.scorer, width=getattr(strategy, "width", 4))
