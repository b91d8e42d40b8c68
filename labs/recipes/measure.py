"""What a model can do, measured: the rows of its card.

Every row is one number with its 95 % interval and the count behind it. Test instances only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from evaluators import load_task
from evaluators.intervals import bootstrap_interval, wilson_interval
from evaluators.metrics import pass_at_k
from evaluators.problem import Problem
from evaluators.tasks import chain_sum, chains, countdown, expressions
from evaluators.tasks.base import Task
from labs.recipes.mixture import JUDGE
from reasoning.core import Completion, LanguageModel, Message, Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run
from reasoning.prompts import PromptStyle, build

WRITERS: dict[str, Any] = {
    "expressions": expressions, "countdown": countdown, "chain-sum": chain_sum
}  # fmt: skip
GREEDY, SAMPLED = Sampling(temperature=0.0), Sampling(temperature=1.0)


@dataclass(frozen=True)
class Row:
    """One measurement: `value` with its interval `low..high`, over `n` problems."""

    what: str
    setting: str
    value: float
    low: float
    high: float
    n: int


def share(what: str, setting: str, hits: Sequence[bool]) -> Row:
    """A proportion with its Wilson interval."""
    interval = wilson_interval(sum(hits), len(hits))
    return Row(what, setting, sum(hits) / len(hits), interval.low, interval.high, len(hits))


def mean(what: str, setting: str, values: Sequence[float]) -> Row:
    """A mean with its bootstrap interval."""
    interval = bootstrap_interval(values, np.random.default_rng(0))
    return Row(what, setting, float(np.mean(values)), interval.low, interval.high, len(values))


def complete(
    model: LanguageModel, prompts: Sequence[Prompt], sampling: Sampling, seed: int = 0
) -> list[list[Completion]]:
    """`sampling.n` completions of every prompt, decoded together."""
    ledger = Ledger()

    async def work() -> list[list[Completion]]:
        paths = [SeedPath(seed, ("card", i)) for i in range(len(prompts))]
        calls = [
            model.generate(p, sampling, ledger, path)
            for p, path in zip(prompts, paths, strict=True)
        ]
        return await asyncio.gather(*calls)

    return run(work())


def judged(task: Task, problem: Problem, completion: Completion, before: str = "") -> bool:
    """Whether a completion that ended by itself is right; `before` was forced."""
    if completion.finish != "eos":
        return False
    return bool(task.verifier.check(problem, before + completion.text).passed)


def hits(
    model: LanguageModel, task: Task, style: PromptStyle, sampling: Sampling = GREEDY
) -> tuple[np.ndarray, np.ndarray]:
    """(problems, samples) of right or wrong, and of generated tokens."""
    sampling = replace(sampling, max_tokens=task.max_tokens(style.format, model.dialect))
    prompts = [build(task, problem, style, model.dialect) for problem in task.problems]
    rows = complete(model, prompts, sampling)
    right = [
        [judged(task, problem, c) for c in row]
        for problem, row in zip(task.problems, rows, strict=True)
    ]
    return np.array(right), np.array([[c.usage.completion for c in row] for row in rows])


Setting = tuple[str, dict[str, Any]]
SETTINGS: tuple[Setting, ...] = (
    *(("countdown", {"numbers": k}) for k in (3, 4, 5)),
    *(("expressions", {"ops": k}) for k in (3, 4, 6, 8, 10)),
    *(("chain-sum", {"terms": t, "digits": d}) for t, d in ((2, 3), (3, 4), (4, 5))),
)


def named(task: str, options: dict[str, Any]) -> str:
    """`expressions ops=6`."""
    return " ".join([task, *(f"{k}={v}" for k, v in options.items())])


def chain_against_direct(model: LanguageModel, n: int) -> list[Row]:
    """Greedy accuracy of both formats at every setting."""
    rows = []
    for name, options in SETTINGS:
        task = load_task(name, n=n, **options)
        for format in ("chain", "direct"):
            right, _ = hits(model, task, PromptStyle(format))
            rows.append(share(f"greedy {format}", named(name, options), right[:, 0].tolist()))
    return rows


def sampling_room(model: LanguageModel, n: int, k: int = 16) -> list[Row]:
    """pass@1, pass@4 and pass@k of chains at temperature 1."""
    rows = []
    settings: tuple[Setting, ...] = (("countdown", {"numbers": 4}), ("expressions", {"ops": 8}))
    for name, options in settings:
        task = load_task(name, n=n, **options)
        right, _ = hits(model, task, PromptStyle(), replace(SAMPLED, n=k))
        for size in (1, 4, k):
            values = pass_at_k(np.full(n, k), right.sum(axis=1), np.full(n, size))
            rows.append(mean(f"sampled chain pass@{size}", named(name, options), values))
    return rows


def in_context(model: LanguageModel, n: int) -> list[Row]:
    """The hidden operator with more and more of its examples in the prompt: same questions."""
    whole = load_task("operator", n=n, shots=6)
    rows = []
    for shots in (0, 1, 2, 4, 6):
        fewer = [
            replace(p, fields={**p.fields, "examples": p.fields["examples"][:shots]})
            for p in whole.problems
        ]
        right, _ = hits(model, replace(whole, problems=fewer), PromptStyle("direct"))
        rows.append(share("greedy direct", f"operator shots={shots}", right[:, 0].tolist()))
    return rows


def roles(model: LanguageModel, n: int) -> list[Row]:
    """Accuracy and length under no role, `terse` and `careful`; and with a worked example."""
    task = load_task("expressions", n=n, ops=6)
    rows = []
    styles = {
        "no role": PromptStyle(),
        "terse": PromptStyle(role="terse"),
        "careful": PromptStyle(role="careful"),
        "one example": PromptStyle(shots=1),
    }
    for label, style in styles.items():
        right, tokens = hits(model, task, style)
        rows.append(share("greedy chain", f"expressions ops=6, {label}", right[:, 0].tolist()))
        rows.append(mean("tokens a chain", f"expressions ops=6, {label}", tokens[:, 0].tolist()))
    return rows


def beginning(name: str, problem: Problem, error: bool, rng: np.random.Generator) -> str:
    """The first lines of a right chain; the last of them wrong with `error`."""
    text, errors = WRITERS[name].write_trace(problem, "repair", "compact", rng)
    lines, at = text.splitlines(keepends=True), errors[0]  # then `wait`, then the right line
    return "".join([*lines[:at], lines[at if error else at + 2]])


def repair(model: LanguageModel, n: int) -> list[Row]:
    """Chains forced to begin with a wrong line, and with the right one.

    `writes wait` is the share whose next line takes the forced one back.
    """
    rows = []
    settings: tuple[Setting, ...] = (("expressions", {"ops": 5}), ("countdown", {"numbers": 4}))
    for name, options in settings:
        task = load_task(name, n=n, **options)
        rng = np.random.default_rng(1)
        for label, error in (("after a wrong line", True), ("after a right line", False)):
            forced = [beginning(name, problem, error, rng) for problem in task.problems]
            prompts = [
                replace(build(task, problem, PromptStyle(), "compact"), prefix=before)
                for problem, before in zip(task.problems, forced, strict=True)
            ]
            outs = [row[0] for row in complete(model, prompts, GREEDY)]
            waits = [chains.is_wait(out.text.partition("\n")[0]) for out in outs]
            right = [
                judged(task, problem, out, before)
                for problem, out, before in zip(task.problems, outs, forced, strict=True)
            ]
            rows.append(share("writes wait", f"{named(name, options)}, {label}", waits))
            rows.append(share("greedy chain", f"{named(name, options)}, {label}", right))
    return rows


def judgement(model: LanguageModel, n: int) -> list[Row]:
    """The model's own `good` or `bad` on its own sampled traces, against the verifier.

    AUC of the log-odds of `good` (0.5 is chance), with a bootstrap over traces.
    """
    rows = []
    settings: tuple[Setting, ...] = (("expressions", {"ops": 6}), ("countdown", {"numbers": 4}))
    for name, options in settings:
        task = load_task(name, n=n, **options)
        prompts = [build(task, problem, PromptStyle(), "compact") for problem in task.problems]
        outs = [row[0] for row in complete(model, prompts, SAMPLED)]
        done = [
            (prompt, out.text, judged(task, problem, out))
            for prompt, problem, out in zip(prompts, task.problems, outs, strict=True)
            if out.finish == "eos"
        ]

        async def odds(done: Sequence[tuple[Prompt, str, bool]]) -> list[float]:
            asked = [
                Prompt((Message("user", prompt.messages[0].content + text + JUDGE),))
                for prompt, text, _ in done
            ]
            ledger = Ledger()
            scored = await asyncio.gather(
                *(model.score(prompt, ["good", "bad"], ledger) for prompt in asked)
            )
            return [good.logprobs[0] - bad.logprobs[0] for good, bad in scored]

        truth = np.array([right for _, _, right in done])
        if truth.all() or not truth.any():
            continue
        score = np.array(run(odds(done)))
        rng = np.random.default_rng(2)
        draws = []
        for _ in range(1000):
            pick = rng.integers(len(truth), size=len(truth))
            if truth[pick].any() and not truth[pick].all():
                draws.append(auc(truth[pick], score[pick]))
        low, high = np.percentile(draws, [2.5, 97.5])
        value = auc(truth, score)
        rows.append(
            Row("AUC of good/bad", named(name, options), value, float(low), float(high), len(truth))
        )
        rows.append(
            share("verdict is right", named(name, options), ((score > 0) == truth).tolist())
        )
        rows.append(share("traces that are right", named(name, options), truth.tolist()))
    return rows


def auc(truth: np.ndarray, score: np.ndarray) -> float:
    """The chance that a right trace scores above a wrong one, ties at half (Mann-Whitney)."""
    right, wrong = score[truth], score[~truth]
    above = (right[:, None] > wrong[None, :]).mean() + (right[:, None] == wrong[None, :]).mean() / 2
    return float(above)


PARTS: dict[str, Callable[[LanguageModel, int], list[Row]]] = {
    "Chain against direct": chain_against_direct,
    "Room for search": sampling_room,
    "Learning from the prompt": in_context,
    "Role and worked example": roles,
    "Error and repair": repair,
    "Judging its own traces": judgement,
}


def measure(
    model: LanguageModel, n: int = 200, progress: Callable[[str], None] = lambda part: None
) -> dict[str, list[dict[str, Any]]]:
    """Every part of the card, as plain data."""
    out = {}
    for title, part in PARTS.items():
        progress(title)
        out[title] = [asdict(row) for row in part(model, n)]
    return out
