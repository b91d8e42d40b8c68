"""Self-evaluation: the probability that a model gives to "this is right".

P(True) of Kadavath et al. 2022, "Language models (mostly) know what they know", section 3.1; asked
after every step by Xie et al. 2023, "Self-evaluation guided beam search", section 3.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import ClassVar, Literal

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows
from reasoning.core import Context, LanguageModel, Prompt, Sampling, Trace, Usage
from search.scorers.asking import in_waves, judge_of, question_of, said, turn

CHECK, GOOD, BAD = "check", "good", "bad"  # what the embedded models were trained to answer
TRUE, FALSE = "A", "B"
ASK_TOKENS = 8

_PLAIN = """Question:
{question}

{what}:
\"\"\"
{answer}
\"\"\"

{ask}
(A) Yes
(B) No
Reply with one letter."""
_WHOLE = ("Proposed solution", "Is the proposed solution right?")
_PART = ("Beginning of a solution", "Is its last step right, and does it lead to the answer?")
_LETTER = re.compile(r"[\s*_`\"'(\[]*(A|B|yes|no|true|false|good|bad)\b", re.IGNORECASE)
_YES = frozenset({"a", "yes", "true", "good"})


@dataclass(frozen=True)
class SelfEvaluation:
    """The probability of "yes" against "no" when the model is asked whether a trace, or its last
    step, is right.

    A compact model is asked by `check` behind the trace and answers `good` or `bad`; another is
    asked in a turn of its own. A model that can score gives both answers' log-probabilities; one
    that cannot writes its answer, and its probability is what it reports of its first token, or
    else 1 or 0. `model` is a name or a model (None: the one that writes the traces). The tokens
    read are charged: those after the trace, and the trace itself (by its count of tokens) unless
    its writer goes on reading in the same turn. None where they cannot be paid, or the answer not
    read.
    """

    model: str | LanguageModel | None = None
    needs: frozenset[str] = frozenset()
    knows: ClassVar[Knows] = "nothing"
    scale: ClassVar[Literal["unit", "log"]] = "unit"
    partial: ClassVar[bool] = True
    charged: ClassVar[bool] = True

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        judge = judge_of(self.model, ctx)
        compact = judge.dialect == "compact"
        again = not compact or self.model is not None

        async def rate(trace: Trace) -> float | None:
            if again and not _pay(judge, trace, ctx):
                return None
            if compact:
                prompt = question_of(ctx.task, problem, "compact").forced(trace.text + CHECK)
                return await _rated(judge, prompt, GOOD, BAD, ctx)
            text = asked(ctx.task, problem, trace)
            return await _rated(judge, turn(text, "("), TRUE, FALSE, ctx)

        longest = max((trace.tokens for trace in traces), default=0) if again else 0
        answer = 2 if "score" in judge.can else ASK_TOKENS
        return await in_waves(traces, rate, ctx, tokens=longest + answer)


def asked(task: Task, problem: Problem, trace: Trace) -> str:
    """The plain question whether a trace is right, or the last step of an unfinished one."""
    question = "\n".join(m.content for m in question_of(task, problem, "plain").messages)
    what, ask = _WHOLE if trace.finish == "eos" else _PART
    return _PLAIN.format(question=question, what=what, answer=trace.text.strip(), ask=ask)


def _pay(judge: LanguageModel, trace: Trace, ctx: Context) -> bool:
    """Charge the reading of a trace that the judge has not in its context."""
    grant = ctx.ledger.reserve_reading(
        purpose="score", model=judge.name, key=f"judge/{trace.seed}", tokens=max(1, trace.tokens),
        flops_per_token=judge.flops_per_token,
    )  # fmt: skip
    if grant.empty:
        return False
    grant.settle(Usage())
    return True


async def _rated(
    judge: LanguageModel, prompt: Prompt, yes: str, no: str, ctx: Context
) -> float | None:
    if "score" in judge.can:
        first, second = await judge.score(prompt, [yes, no], ctx.ledger)
        if not first.logprobs or not second.logprobs:
            return None
        return _share(sum(first.logprobs) - sum(second.logprobs))
    if "continue" not in judge.can:
        prompt = Prompt(prompt.messages)  # the turn cannot be begun: the letter is read out
    made = await said(judge, prompt, Sampling(ASK_TOKENS, temperature=0.0), ctx)
    found = _LETTER.match(made.text)
    if found is None:
        return None
    sure = 1.0
    if made.logprobs and made.text.lower().startswith(found.group(1).lower()):
        sure = exp(made.logprobs[0])
    return sure if found.group(1).lower() in _YES else 1 - sure


def _share(odds: float) -> float:
    """The probability of the first of two with these log-odds."""
    return 1 / (1 + exp(-odds)) if odds > -700 else 0.0
