"""SelfRefine: answer, critique, revise (Madaan et al. 2023, Self-Refine, arXiv:2303.17651).

The model answers, reads its answer and says what is wrong with it, and answers again with all that
before its eyes (algorithm 1), until the critique approves, `rounds` are over or the budget ends.

The embedded models cannot read a critique. With the name of a scorer as critic, the scorer reads
the answer step by step, and the revision goes on from before the first step that it does not
approve of. What a critique tells is then where, not what.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows
from reasoning.core import Completion, Context, Message, Prompt, Scorer, SeedPath, Solution
from search.sampler import Sampler, complete, ended, refuse_endless, refuse_greedy
from search.scorers import refuse_whole, resolve
from search.tree.grow import Grower
from search.tree.node import Node
from search.tree.settings import TreeSampler
from search.tree.tree import SearchTree

CRITIQUE = (
    "Check the answer above step by step against the question. Say which step is wrong and why,"
    " and how to mend it. Then end with one line, {approve} if everything is right or {reject} if"
    " anything is wrong."
)
"""How the model is asked for a critique. `{approve}` and `{reject}` are its last line."""

REVISE = (
    "Answer the question again, with everything mended that you found, in the form that was asked"
    " for at first. Write the whole answer, and nothing about the changes."
)
"""How the model is asked for a revision."""

REJECT = "WRONG"


def approved(critique: str, approve: str) -> bool:
    """Whether the last line of the critique is the approving word, whatever stands around it of
    case, quotes, stars and full stops."""
    lines = [line.strip(" \t*_`\"'.!") for line in critique.splitlines()]
    lines = [line for line in lines if line]
    return bool(lines) and lines[-1].casefold() == approve.casefold()


@dataclass(frozen=True)
class SelfRefine(Sampler):
    """One answer, revised at most `rounds` times (None: as long as the budget pays).

    `critic` is a scorer of steps (a name of SCORERS or a Scorer), which approves of a step whose
    score reaches `accept` (None: 1 for a program, .5 for a scorer that knows nothing); without an
    approved answer that of the highest score is taken. A place from which `patience` revisions have
    failed is left for the step before. Or it is `model`, as in the paper: critiques of at most
    `critique_tokens` tokens are asked for by the texts `critique` and `revise`, one that ends with
    the word `approve` ends it, and the last answer is taken.
    """

    rounds: int | None = 3
    critic: str | Scorer = "step-verifier"
    accept: float | None = None
    patience: int = 2
    approve: str = "CORRECT"
    critique: str = CRITIQUE
    revise: str = REVISE
    critique_tokens: int = 512
    step_tokens: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounds is not None and self.rounds < 0:
            raise BadInput(f"self-refine: rounds must be 0 or more, not {self.rounds}")
        for name in ("patience", "critique_tokens"):
            if getattr(self, name) < 1:
                raise BadInput(f"self-refine: {name} must be 1 or more, not {getattr(self, name)}")
        if not self.approve.strip():
            raise BadInput("self-refine: approve must be a word that ends a critique")
        if self.critic != "model":
            refuse_greedy(self, "self-refine with a scorer as critic")

    def needs(self, task: Task) -> frozenset[str]:
        if self.critic == "model":
            return frozenset()
        return frozenset({"continue"}) | resolve(self.critic, task).needs

    def knows(self, task: Task) -> Knows:
        return "nothing" if self.critic == "model" else resolve(self.critic, task).knows

    def prepare(self, task: Task) -> None:
        super().prepare(task)
        if self.critic == "step-verifier" and task.step_verifier is None:
            raise BadInput(
                f"self-refine: task {task.name!r} has no step verifier; use critic=model with an"
                " instruction-tuned model, or another scorer of steps"
            )
        if self.critic != "model":
            refuse_whole(self.critic, task)
            self._least(resolve(self.critic, task))

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The last answer, or with a scorer the best one.

        Raises BadInput for `critic="model"` and a model of the compact dialect.
        """
        refuse_endless(ctx, self.rounds, "self-refine")
        if self.critic != "model":
            return await _Mending(self, problem, ctx).solve()
        if ctx.model.dialect == "compact":
            raise BadInput(
                f"self-refine: model {ctx.model.name!r} was trained on the compact dialect and"
                " reads no critique; name a scorer of steps, such as critic=step-verifier, or take"
                " an instruction-tuned model (hf:…, openai:…)"
            )
        return await _Dialogue(self, problem, ctx).solve()

    def _least(self, scorer: Scorer) -> float:
        if self.accept is not None:
            return self.accept
        if scorer.scale == "log":
            raise BadInput(
                f"self-refine: critic {self.critic!r} gives log scores; say with accept which of"
                " them is good enough, such as accept=-0.5 for mean-likelihood"
            )
        return 0.5 if scorer.knows == "nothing" else 1.0


class _Dialogue:
    """The model as its own critic: a chain of whole answers, each after the critique of the one
    before."""

    def __init__(self, how: SelfRefine, problem: Problem, ctx: Context) -> None:
        self.how, self.ctx = how, ctx
        self.prompt, self.sampling = how.prompt(problem, ctx), how.sampling(ctx)
        self.tree = SearchTree(self.prompt, problem.id)
        self.keys: list[str] = []
        ctx.events("tree", tree=self.tree)

    async def solve(self) -> Solution:
        how, number = self.how, 0
        node = await self._answer(self.tree.root, self.ctx.seed.child(0))
        while node is not None and node.closed != "budget":
            if number == how.rounds:
                return self._solution("done")
            number += 1
            critique = await self._critique(node, number)
            if critique is None:
                break
            if approved(critique, how.approve):
                return self._solution("accepted")
            node = await self._revise(node, critique, number)
        return self._solution("budget")

    async def _critique(self, node: Node, number: int) -> str | None:
        """What the model has to say of the answer; None where it could not be paid in full."""
        text = self.how.critique.replace("{approve}", self.how.approve).replace("{reject}", REJECT)
        self._say("assistant", node.text)
        self._say("user", text)
        wish = replace(self.sampling, max_tokens=self.how.critique_tokens)
        seed = self.ctx.seed.child("critique", number)
        [made] = await complete([(self.prompt, wish, seed)], self.ctx)
        node.note |= {"critique": made.text, "critique_tokens": made.usage.completion}
        if made.finish == "budget" or not made.text.strip():
            self.ctx.ledger.discard(seed.text, f"critique cut by {made.finish}")
            return None
        self.keys.append(seed.text)
        return made.text

    async def _revise(self, node: Node, critique: str, number: int) -> Node | None:
        self._say("assistant", critique)
        self._say("user", self.how.revise)
        return await self._answer(node, self.ctx.seed.child("revision", number))

    async def _answer(self, before: Node, seed: SeedPath) -> Node | None:
        """One whole answer, as a child of the one before; None where it could not be paid."""
        [made] = await complete([(self.prompt, self.sampling, seed)], self.ctx)
        if made.finish == "budget" and not made.usage.completion:
            return None
        return self._grown(before, made, seed.text)

    def _grown(self, before: Node, made: Completion, key: str) -> Node:
        logprobs = made.logprobs
        node = self.tree.add(
            before, made.text, tokens=made.usage.completion, finish=made.finish, key=key,
            ids=made.token_ids, logprob=None if logprobs is None else sum(logprobs), whole=True,
            over=ended(made, "", self.ctx),
        )  # fmt: skip
        if node.over:
            node.answer = self.ctx.task.extract(made.text) or None
        cut = "no answer" if node.over else made.finish
        node.closed = "finished" if node.answer is not None else cut
        return node

    def _say(self, role: str, text: str) -> None:
        self.prompt = Prompt((*self.prompt.messages, Message(role, text)))

    def _solution(self, stopped: str) -> Solution:
        """The last answer there is; what no finished answer follows is discarded."""
        tree, ledger = self.tree, self.ctx.ledger
        finished = tree.finished()
        for node, useful in zip(tree.nodes, tree.useful(), strict=True):
            if node.key and not useful:
                ledger.discard(node.key, node.closed)
        if not finished:
            for key in self.keys:
                ledger.discard(key, "no answer")
        chosen = finished[-1] if finished else None
        tree.settled, tree.stopped_by = True, stopped
        tree.chosen = -1 if chosen is None else chosen.id
        traces = tuple(tree.trace(node) for node in tree.nodes[1:])
        index = None if chosen is None else chosen.id - 1
        return Solution(None if chosen is None else chosen.answer, traces, index, tree, stopped)


class _Mending:
    """A scorer as critic: the answer is written again from before the first bad step."""

    def __init__(self, how: SelfRefine, problem: Problem, ctx: Context) -> None:
        self.how, self.ctx = how, ctx
        self.critic = resolve(how.critic, ctx.task)
        self.least = how._least(self.critic)
        asked = {f.name: getattr(how, f.name) for f in fields(Sampler)}
        steps = TreeSampler(**asked, step_tokens=how.step_tokens, merge=False)
        self.grower = Grower(steps, problem, ctx, scorer=None, merge=False)
        self.failed: dict[int, int] = {}  # node -> revisions that began there and failed

    async def solve(self) -> Solution:
        grower, start, number = self.grower, self.grower.tree.root, 0
        stopped = "done"
        while True:
            before = self.ctx.ledger.spent.tokens
            line = await self._write(start)
            bad = await self._first_bad(line)
            if line and bad is None and line[-1].answer is not None:
                return grower.solution(line[-1], "accepted")
            if grower.spent or not line:
                stopped = "budget"
                break
            if number == self.how.rounds or self.ctx.ledger.spent.tokens == before:
                break
            start, number = self._before(bad or line[-1]), number + 1
        ends = [node for node in grower.tree.finished() if node.score is not None]
        best = max(ends, key=lambda node: node.score or 0.0, default=None)
        found = grower.tree.finished()
        return grower.solution(best or (found[-1] if found else None), stopped)

    async def _write(self, start: Node) -> list[Node]:
        """The rest of the answer after `start`; the new steps."""
        line: list[Node] = []
        while True:
            [made] = await self.grower.expand([(start, 1)])
            if not made:
                return line
            line += made
            start = made[0]
            if start.closed:
                return line

    async def _first_bad(self, line: list[Node]) -> Node | None:
        """The critique: the first new step that has no score or one that is too low, None where
        all are good."""
        self.grower.scorer = self.critic
        await self.grower.score(line)
        self.grower.scorer = None
        bad = (node for node in line if node.score is None or node.score < self.least)
        return next(bad, None)

    def _before(self, bad: Node) -> Node:
        """Where the revision begins: before the bad step, or farther back if that has failed."""
        tree = self.grower.tree
        node = tree[bad.parent]
        while node.parent >= 0 and self.failed.get(node.id, 0) >= self.how.patience:
            node = tree[node.parent]
        self.failed[node.id] = self.failed.get(node.id, 0) + 1
        return node
