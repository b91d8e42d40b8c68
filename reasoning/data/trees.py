"""What search trees teach: paths as traces, siblings as preference pairs, nodes as process labels.

The value of a node is known in three ways. `verdict`: the share of the finished traces below it
that the verifier passes, a Monte-Carlo estimate on the search's own sample (Wang et al. 2024,
"Math-Shepherd", section 3.2). `search`: what the search itself thought (the mean of what it backed
up, else a score in 0..1). `exact`: `Task.value`, an oracle. Preferences between siblings are those
of step-wise DPO (Lai et al. 2024, "Step-DPO", section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from evaluators.errors import BadInput, UnknownName
from evaluators.tasks.base import Task
from evaluators.verdict import Verdict
from reasoning.core import Finish
from reasoning.data.branches import Branch, TraceTree
from reasoning.data.code import code_of
from reasoning.data.pairs import PreferencePair, Side
from reasoning.data.rows import Piece, TraceRow, digest, instance_of
from reasoning.data.traces import says, stamp, told
from reasoning.train.labels import Labelled, cut
from reasoning.verify import verdict_of

By = Literal["verdict", "search", "exact"]


def values(tree: TraceTree, task: Task, by: By = "verdict") -> list[float | None]:
    """The value of every node in 0..1, None where it is not known. A step of an equal state has the
    value of the earlier one. Raises UnknownName, and BadInput for a task without exact values."""
    if by == "verdict":
        found = _shares(tree, task)
    elif by == "search":
        found = [_thought(node) for node in tree.nodes]
    elif by == "exact":
        problem = tree.asked()
        ends = [cut(tree.text(at), task.boundary) for at in range(len(tree))]
        found = [task.value(problem, steps) for steps in ends]
        if len(tree) > 1 and all(value is None for value in found[1:]):
            raise BadInput(
                f"task {task.name!r} cannot tell the exact value of a step: use by='verdict'"
            )
    else:
        raise UnknownName("source of values", by, ("verdict", "search", "exact"))
    for at, node in enumerate(tree.nodes):
        if node.same_as >= 0 and found[at] is None:
            found[at] = found[node.same_as]
    return found


def tree_traces(tree: TraceTree, task: Task, by: By = "verdict") -> list[TraceRow]:
    """A row for every trace that ended in the tree or was cut, with the values of its steps as
    labels and its verdict. Raises JudgeFailed where the verifier breaks down."""
    problem, version = tree.asked(), code_of([task, task.verifier]) or "unknown"
    worth, instance = values(tree, task, by), instance_of(task.name, tree.asked())
    rows = []
    for end in tree.ends():
        node, path, text = tree.nodes[end], tree.path(end), tree.text(end)
        ended = node.over
        if ended:
            verdict = verdict_of(task.verifier, problem, tree.prefix + text)
        else:
            verdict = Verdict(0.0, False, None, f"cut by {node.closed}")
        steps = [tree.nodes[at] for at in path]
        logprobs = [step.logprob for step in steps if step.source == "model"]
        rows.append(
            TraceRow(
                id=digest([tree.task, tree.problem, tree.teacher, tree.seed, end, text]),
                task=tree.task, split=str(problem.meta.get("split", "")), seed=tree.seed,
                problem=tree.problem, instance=instance, messages=tree.messages,
                pieces=_pieces(steps), finish=_finish(node), answer=node.answer,
                gold=problem.answer, prefix=tree.prefix, dialect=tree.dialect,
                teacher={**tree.teacher, "seed": node.key, "chosen": end == tree.chosen},
                n_tokens=sum(step.tokens for step in steps if step.source == "model"),
                logprob=None if None in logprobs else sum(x for x in logprobs if x is not None),
                verdict=told(task.verifier, verdict, version), score=node.score,
                labels=_labels(tree, path, worth, text, task.boundary),
                dedup_key=says(instance, tree.prefix + text), created=stamp(),
            )
        )  # fmt: skip
    return rows


def tree_pairs(
    tree: TraceTree, task: Task, by: By = "verdict", *, margin: float = 0.5, each: int = 1
) -> list[PreferencePair]:
    """Pairs of sibling steps whose values differ by at least `margin`, at most `each` for a node:
    the best with the worst, the second best with the second worst, and so on.

    Both sides are one step; the prompt holds the steps before it. Raises BadInput for a margin
    outside (0, 1] and `each` below 1.
    """
    if not 0 < margin <= 1 or each < 1:
        raise BadInput(f"a pair needs a margin in (0, 1] and each >= 1, not {margin} and {each}")
    worth = values(tree, task, by)
    identity = digest([tree.task, tree.problem, tree.teacher, tree.seed])
    instance = instance_of(task.name, tree.asked())
    found = []
    for parent, children in enumerate(tree.children()):
        prefix = tree.prefix + tree.text(parent)
        ranked = _ranked(tree, children, worth, follows=parent > 0)
        for good, bad in list(zip(ranked, reversed(ranked), strict=True))[: len(ranked) // 2][
            :each
        ]:
            (high, a), (low, b) = good, bad
            if high - low < margin:
                break
            sides = [
                Side((Piece(tree.nodes[at].text),), _finish(tree.nodes[at]), f"{identity}/{at}")
                for at in (a, b)
            ]
            found.append(
                PreferencePair(
                    id=digest([identity, a, b, by]), messages=tree.messages, prefix=prefix,
                    chosen=sides[0], rejected=sides[1], dialect=tree.dialect, origin="tree",
                    task=tree.task, instance=instance,
                )
            )  # fmt: skip
    return found


def tree_labels(tree: TraceTree, task: Task, by: By = "verdict") -> list[Labelled]:
    """Every path to a leaf with the values of its steps: what a process model learns from."""
    worth, problem = values(tree, task, by), tree.asked()
    question = tree.messages[-1].content if tree.messages else ""
    parents = {node.parent for node in tree.nodes}
    found = []
    for leaf, node in enumerate(tree.nodes):
        if leaf in parents or not leaf:
            continue
        text = tree.text(leaf)
        labels = _labels(tree, tree.path(leaf), worth, text, task.boundary)
        right = None
        if node.over:
            right = bool(verdict_of(task.verifier, problem, tree.prefix + text).passed)
        steps = cut(text, task.boundary)
        found.append(
            Labelled(tree.task, problem.id, (question, *steps), (None, *labels), right)
        )  # fmt: skip
    return found


# -- inside -----------------------------------------------------------------------------------


def _shares(tree: TraceTree, task: Task) -> list[float | None]:
    """For each node the share of right ones among the traces that end at it or below it."""
    problem = tree.asked()
    right, ended = [0] * len(tree), [0] * len(tree)
    for at in range(len(tree) - 1, 0, -1):
        node = tree.nodes[at]
        if node.over:
            verdict = verdict_of(task.verifier, problem, tree.prefix + tree.text(at))
            ended[at] += 1
            right[at] += verdict.passed is True
        right[node.parent] += right[at]
        ended[node.parent] += ended[at]
    return [r / n if n else None for r, n in zip(right, ended, strict=True)]


def _thought(node: Branch) -> float | None:
    if node.visits:
        mean = node.value / node.visits
        return mean if 0 <= mean <= 1 else None
    return node.score if node.score is not None and 0 <= node.score <= 1 else None


def _ranked(
    tree: TraceTree, children: Sequence[int], worth: Sequence[float | None], *, follows: bool
) -> list[tuple[float, int]]:
    """The siblings of known value, best first, equal texts once; only what the model wrote, and no
    step that was cut before its end."""
    found: dict[str, tuple[float, int]] = {}
    for at in children:
        node, value = tree.nodes[at], worth[at]
        own = node.source == "model" and node.text and not (node.whole and follows)
        own = own and node.finish not in ("length", "budget")
        if own and value is not None:
            found.setdefault(node.text, (value, at))
    return sorted(found.values(), key=lambda pair: (-pair[0], pair[1]))


def _finish(node: Branch) -> Finish:
    finish: Any = "eos" if node.over else node.finish or "boundary"
    return finish


def _pieces(steps: Sequence[Branch]) -> tuple[Piece, ...]:
    found: list[Piece] = []
    for step in steps:
        if found and found[-1].source == step.source:
            found[-1] = Piece(found[-1].text + step.text, step.source)
        elif step.text:
            found.append(Piece(step.text, step.source))
    return tuple(found)


def _labels(
    tree: TraceTree, path: Sequence[int], worth: Sequence[float | None], text: str, boundary: str
) -> tuple[float | None, ...]:
    """The value of each step of the text: that of the node which ends where the step ends."""
    known: dict[int, float | None] = {}
    end = 0
    for at in path:
        end += len(tree.nodes[at].text)
        known[end] = worth[at]
    labels, end = [], 0
    for step in cut(text, boundary):
        end += len(step)
        labels.append(known.get(end))
    return tuple(labels)
