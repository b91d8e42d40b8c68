"""Asking an instruction-tuned model for next steps and for its vote among several traces.

Yao et al. 2023, "Tree of thoughts", section 3: thoughts are proposed one after the other in one
prompt (2b), states are compared with each other in a vote (3b).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from evaluators.answers import marked
from evaluators.errors import BadInput
from reasoning.core import Completion, Context, Finish, Message, Prompt, SeedPath, Usage
from search.sampler import complete
from search.tree.grow import Grower
from search.tree.node import Node

PROPOSE = """{question}

Steps so far:
{steps}

List up to {k} different steps that may come next, each complete on a line of its own, without \
numbers and without remarks. Where the steps so far already give the result, list the line \
"Answer: <result>"."""

VOTE = """{question}

Here are {n} beginnings of a solution.

{listed}

Which of them is the most likely to lead to the right answer? Reply with its number alone."""

VOTE_TOKENS = 32
"""How long a vote may be."""

_MARK = re.compile(r"^\s*(?:[-*•]\s+|\(?\d{1,2}[.):]\s+|(?:Step|Option)\s+\d{1,2}\s*:\s*)", re.I)
_NUMBER = re.compile(r"\d+")


def refuse_compact(ctx: Context, what: str, instead: str) -> None:
    """Raises BadInput for a model that follows no instructions."""
    if ctx.model.dialect == "compact":
        raise BadInput(
            f"{what} needs a model that follows instructions, and {ctx.model.name!r} was trained on"
            f" the compact dialect: take {instead}, or an instruction-tuned model (hf:…, openai:…)"
        )


def listed(text: str, k: int) -> list[str]:
    """The steps that a model listed: different lines without list marks, at most `k`."""
    lines = (_MARK.sub("", line).strip() for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line))[:k]


def _ask(ctx: Context, prompt: Prompt, text: str, **values: object) -> Prompt:
    """The prompt with `text` around its question."""
    question = prompt.messages[-1].content
    asked = Message("user", text.format(question=question, **values))
    return Prompt((*prompt.messages[:-1], asked))


async def propose(grower: Grower, nodes: Sequence[Node], k: int) -> list[list[Node]]:
    """Up to `k` proposed children for each node, not scored; the tokens of a call are shared out
    among its steps. Fewer nodes where the budget ends. What cannot be read is discarded."""
    ctx, tree, made = grower.ctx, grower.tree, [[] for _ in nodes]
    length = min(grower.sampling.max_tokens, k * grower.step_tokens)
    first = 0
    while first < len(nodes):
        fits = ctx.ledger.width(len(nodes) - first, length)
        if fits == 0:
            break
        asks, wave = [], nodes[first : first + fits]
        for node in wave:
            steps = "".join(tree.texts(node)).rstrip() or "(none)"
            prompt = _ask(ctx, tree.prompt, PROPOSE, steps=steps, k=k)
            seed = ctx.seed.child("propose", node.id, node.draws)
            node.draws += 1
            asks.append((prompt, replace(grower.sampling, max_tokens=length), seed))
        answers = await complete(asks, ctx)
        for at, (node, answer, (_, _, seed)) in enumerate(zip(wave, answers, asks, strict=True)):
            made[first + at] = _children(grower, node, answer, seed, k)
        first += fits
    return made


def _children(grower: Grower, node: Node, answer: Completion, seed: SeedPath, k: int) -> list[Node]:
    tokens, boundary = answer.usage.completion, grower.ctx.task.boundary
    lines = listed(answer.text, k)
    if answer.finish in ("length", "budget") and not answer.text.endswith("\n"):
        lines = lines[:-1]  # cut in the middle
    if not lines:
        if tokens:
            grower.ctx.ledger.discard(seed.text, "no step could be read")
        return []
    found = []
    for at, line in enumerate(lines):
        share = tokens // len(lines) + (at < tokens % len(lines))
        last = marked(line) is not None
        finish: Finish = "eos" if last else "boundary"
        text = line if last else line + boundary
        child = grower.grown(node, Completion(text, finish, Usage(0, 0, share)), seed.text)
        if child is not None:
            child.note["proposed"] = len(lines)
            found.append(child)
    return found


async def vote(grower: Grower, nodes: Sequence[Node], votes: int, number: int) -> None:
    """Give each node the share of `votes` votes that it got as its score; none where no vote could
    be paid or read. `number` tells this ballot from others."""
    if len(nodes) == 1:
        nodes[0].score = 1.0
    if len(nodes) < 2:
        return
    ctx, counts, read = grower.ctx, [0] * len(nodes), 0
    shown = [
        f"({at})\n{''.join(grower.tree.texts(node)).rstrip()}" for at, node in enumerate(nodes, 1)
    ]
    prompt = _ask(ctx, grower.tree.prompt, VOTE, n=len(nodes), listed="\n\n".join(shown))
    wish = replace(grower.sampling, max_tokens=VOTE_TOKENS)
    seeds = [ctx.seed.child("vote", number, at) for at in range(votes)]
    seeds = seeds[: ctx.ledger.width(votes, VOTE_TOKENS)]
    for answer, seed in zip(
        await complete([(prompt, wish, seed) for seed in seeds], ctx), seeds, strict=True
    ):
        named = _NUMBER.search(answer.text)
        if named is not None and 1 <= int(named.group()) <= len(nodes):
            counts[int(named.group()) - 1] += 1
            read += 1
        elif answer.usage.completion:
            ctx.ledger.discard(seed.text, "a vote without a number")
    for node, count in zip(nodes, counts, strict=True):
        node.score = count / read if read else None
