"""Asking a verifier, in a run where one that breaks down must not end the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from evaluators.errors import BadInput, CannotJudge, LabError
from evaluators.problem import Problem
from evaluators.verdict import StepVerifier, Verdict, Verifier

PATIENCE = 0.02
"""Seconds that a judge may hold up the event loop."""


class JudgeFailed(LabError):
    """A verifier that broke down on one problem, which becomes `error`; others go on."""


def verdict_of(verifier: Verifier | StepVerifier, problem: Problem, work: Any) -> Verdict:
    """What a verifier says of a text, or of steps. Raises JudgeFailed where it raises, and BadInput
    where it returns something else than a Verdict."""
    name = f"verifier {type(verifier).__name__}"
    try:
        verdict = verifier.check(problem, work)
    except CannotJudge as error:
        raise JudgeFailed(str(error)) from error
    except LabError:
        raise
    except Exception as error:
        raise JudgeFailed(
            f"{name} failed on problem {problem.id!r} ({type(error).__name__}: {error}): let it"
            " return a verdict with score 0 for what it cannot read"
        ) from error
    if not isinstance(verdict, Verdict):
        raise BadInput(f"{name} must return a Verdict, not {type(verdict).__name__}")
    return verdict


_BLOCKING: set[type] = set()  # judges that were seen to take their time


async def judge(verifier: Verifier, problem: Problem, text: str) -> Verdict:
    """The verdict on one text. A judge that says it is `slow`, or that has once taken longer than
    PATIENCE seconds, works in a thread, so that decoding goes on meanwhile."""
    return (await judge_all(verifier, problem, [text]))[0]


async def judge_all(verifier: Verifier, problem: Problem, texts: Sequence[str]) -> list[Verdict]:
    """The verdicts on texts of one problem, as `judge` has each."""
    kind = type(verifier)
    if kind in _BLOCKING or getattr(verifier, "slow", False):
        return await asyncio.to_thread(_verdicts, verifier, problem, texts)
    made = []
    for at, text in enumerate(texts):
        began = time.perf_counter()
        made.append(verdict_of(verifier, problem, text))
        if time.perf_counter() - began > PATIENCE:
            _BLOCKING.add(kind)
            return made + await asyncio.to_thread(_verdicts, verifier, problem, texts[at + 1 :])
    return made


def _verdicts(verifier: Verifier, problem: Problem, texts: Sequence[str]) -> list[Verdict]:
    return [verdict_of(verifier, problem, text) for text in texts]
