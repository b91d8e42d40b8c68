"""The verifier of programs: passes the completion whose program passes the problem's unit tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from evaluators.code.extract import code_of
from evaluators.code.judge import TIMEOUT, Judge, Judgement
from evaluators.code.pool import pool_of
from evaluators.code.problem import CodeProblem
from evaluators.errors import CannotJudge
from evaluators.problem import Problem
from evaluators.verdict import Knows, Verdict


@dataclass(frozen=True)
class CodeVerifier:
    """Runs the unit tests on a completion, both in sandboxes.

    `sandbox` names the back-end, None the strongest; `timeout` is a candidate's seconds for all
    its calls, `memory_mb` its memory. Safe in threads; slow, so async code calls it in one.
    """

    sandbox: str | None = None
    timeout: float = TIMEOUT
    memory_mb: int = 512
    knows: Knows = "check"
    slow: ClassVar[bool] = True

    def check(self, problem: Problem, text: str) -> Verdict:
        """The verdict; score 1 where every test passes, else 0. Raises CannotJudge where the
        problem is to blame, NoSandbox where nothing isolates, BadInput for fields that are none."""
        wanted = CodeProblem.from_fields({"task_id": problem.id, **problem.fields}, problem.id)
        answer = code_of(text)
        found = self.judgement(wanted, text)
        if found.passed is None:
            raise CannotJudge(f"problem {problem.id}: {found.reason or found.ending}")
        reason = "all tests passed" if found.passed else f"{found.ending}: {found.reason}"
        return Verdict(float(found.passed), found.passed, answer, reason, found.seconds)

    def judgement(self, problem: CodeProblem, text: str) -> Judgement:
        """What came of a completion, as `reasonlab judge` reports it."""
        kind = (self.sandbox, self.timeout, self.memory_mb)
        with pool_of(kind, lambda: Judge(*kind)).lend() as judge:
            return judge.judge(problem, text)


def judge_program(
    problem: CodeProblem, completion: str, sandbox: str | None = None, timeout: float = TIMEOUT
) -> Judgement:
    """The judgement of one completion, by sandboxes of its own. For many, keep a `Judge`."""
    with Judge(sandbox, timeout) as judge:
        return judge.judge(problem, completion)
