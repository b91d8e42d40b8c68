"""Unit tests on candidates: the tests in one sandbox, the candidate in another, plain data between.

The tests' `candidate(…)` is a remote function: its arguments go as text to the trusted side, which
hands them to the candidate's own process and its answer back. So a candidate meets no assert, no
`check` and no comparison that it could patch, and an exit ends itself alone. What crosses, and what
cannot, is the table of `evaluators.code.crossing`.

The tests always run in a sandbox too: those that a model wrote need nothing else. What nobody could
pass is no failure: where the tests are at fault, or need values that cannot cross, the ending is
`unjudged` and the reason begins with "cannot judge". Where it is open whether the candidate or the
problem is to blame (an answer that cannot cross, tests that never end or break down after they had
an answer), the canonical solution decides: where that passes, the candidate failed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from evaluators.code import candidate, crossing, unit_tests
from evaluators.code.extract import texts
from evaluators.code.problem import CodeProblem
from evaluators.code.shipped import shipped
from evaluators.sandbox import Limits, Outcome, Sandbox, Session

ENDINGS = (
    "passed", "wrong", "exception", "timeout", "memory", "crashed", "forbidden", "bad_output",
    "unjudged", "sandbox_died",
)  # fmt: skip
"""How a judging ends. `wrong`: an assert failed, or the tests choked on an answer. The next six are
the candidate's, as the sandbox tells them. `unjudged`: the problem's fault; `sandbox_died`: the
infrastructure's. The last two are neither passed nor failed."""

DOUBTFUL = {
    "fault": "wrong", "uncrossable": "bad_output", "unchecked": "wrong", "doubt": "wrong",
}  # fmt: skip
"""Reports of the tests that may be the problem's fault, and how a candidate to blame ends."""

TIMEOUT = 3.0
"""Seconds that a candidate may take for all calls of its tests together."""

MAX_CHARS = 65_536
"""Longer completions are refused."""


@dataclass(frozen=True)
class Judgement:
    """What came of one completion: `passed` is None where it could not be judged; `calls` the
    candidate got, `checks` the tests made; `seconds` in all; `backend` what isolated both."""

    passed: bool | None
    ending: str
    reason: str = ""
    calls: int = 0
    checks: int = 0
    seconds: float = 0.0
    backend: str = ""


CANDIDATE = shipped(crossing, candidate)
TESTS = shipped(crossing, unit_tests)
PRELOAD = (
    "numpy", "ast", "base64", "datetime", "decimal", "fractions", "json", "symtable", "traceback",
    "typing",
)  # fmt: skip
"""What both programs and most candidates import."""


class Judge:
    """Two sandboxes that judge one completion after the other. Not for two threads at once.

    `sandbox` names the back-end (None: the strongest here), `timeout` the seconds of a candidate
    for all its calls, `memory_mb` what it may use. Raises NoSandbox at the first judging where no
    back-end works.
    """

    def __init__(
        self, sandbox: str | None = None, timeout: float = TIMEOUT, memory_mb: int = 512
    ) -> None:
        self.timeout = timeout
        self._limits = Limits(wall=timeout, cpu=timeout, memory_mb=memory_mb)
        # the tests wait while the candidate works, and may themselves be slow
        self._test_limits = Limits(wall=4 * timeout + 10, cpu=2 * timeout + 5, memory_mb=1024)
        self._candidates = Sandbox(sandbox, preload=PRELOAD)
        self._tests = Sandbox(sandbox, preload=PRELOAD)
        self._sound: dict[CodeProblem, Judgement] = {}

    def judge(self, problem: CodeProblem, completion: str) -> Judgement:
        """The judgement of one completion: the function, its body, fenced or not."""
        began = time.perf_counter()
        refused = _refused(completion)
        if refused:
            return Judgement(False, "bad_output", refused, backend=self._candidates.backend)
        found, doubt = self._run(problem, completion)
        if doubt:
            found = self._decide(problem, found)
        return replace(found, seconds=time.perf_counter() - began, backend=self._candidates.backend)

    def canonical(self, problem: CodeProblem) -> Judgement:
        """The judgement of the problem's own solution. Remembered, unless a sandbox died."""
        if problem.canonical_solution is None:
            return Judgement(None, "unjudged", "it has no canonical solution")
        if problem not in self._sound:
            found = self._run(problem, problem.canonical_solution)[0]
            if found.ending == "sandbox_died":
                return found
            self._sound[problem] = found
        return self._sound[problem]

    def close(self) -> None:
        """End both sandboxes."""
        self._candidates.close()
        self._tests.close()

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decide(self, problem: CodeProblem, found: Judgement) -> Judgement:
        """Whether a doubtful failure is the candidate's, by the canonical solution."""
        sound = self.canonical(problem)
        if sound.passed:
            return found
        if sound.ending == "sandbox_died":
            return sound
        why = sound.reason if problem.canonical_solution is None else (
            f"nor does the canonical solution pass: {sound.reason or sound.ending}"
        )  # fmt: skip
        reason = f"cannot judge: {found.reason} ({why})"
        return replace(found, passed=None, ending="unjudged", reason=reason)

    def _run(self, problem: CodeProblem, completion: str) -> tuple[Judgement, bool]:
        """The judgement, and whether the problem itself may be to blame for it."""
        with self._candidates.session(CANDIDATE, self._limits) as session:
            given = texts(completion, problem.entry_point)
            outcome = session.call("load", [problem.prompt, given, problem.entry_point])
            if not outcome.ok:
                return _of(outcome), False
            if outcome.value != ["ok"]:
                return Judgement(False, "exception", f"no program: {_second(outcome.value)}"), False
            return self._test(problem, session)

    def _test(self, problem: CodeProblem, session: Session) -> tuple[Judgement, bool]:
        """Run the tests and carry their calls to the candidate's session."""
        calls, spent = 0, 0.0
        with self._tests.session(TESTS, self._test_limits) as tests:
            asked = tests.call("run", [problem.prompt, problem.test, problem.entry_point])
            while asked.ok and (sent := _call_in(asked.value)) is not None:
                calls += 1
                answered = session.call("call", [sent])
                spent += answered.wall
                if answered.ok and spent > self.timeout:
                    reason = f"more than {self.timeout:g} s in {calls} calls"
                    return Judgement(False, "timeout", reason, calls), False
                if answered.ok and not _reply(answered.value):
                    return Judgement(False, "bad_output", "a forged answer", calls), False
                if not answered.ok:
                    return replace(_of(answered), calls=calls), False
                asked = tests.call("run", [answered.value])
        if asked.ok:
            return _told(asked.value, calls)
        if asked.verdict == "sandbox_died":
            return replace(_of(asked), calls=calls), False
        ending = asked.verdict if asked.verdict in ENDINGS else "wrong"
        reason = f"the tests ended by {asked.verdict}: {asked.reason}"
        return Judgement(False, ending, reason, calls), True


def _call_in(value: Any) -> str | None:
    """The call that the tests ask for; None where they say something else."""
    call = isinstance(value, list) and len(value) == 2 and value[0] == "call"
    return value[1] if call and isinstance(value[1], str) else None


def _told(value: Any, calls: int) -> tuple[Judgement, bool]:
    """What the tests reported, and whether it is in doubt."""
    try:
        _, told = value
        ended, reason, checks, loss = (told[k] for k in ("ended", "reason", "checks", "loss"))
    except (TypeError, ValueError, KeyError):
        ended, reason, checks, loss = "fault", "the tests gave a forged report", 0, ""
    if ended == "passed":
        return Judgement(True, "passed", "", calls, checks), False
    if ended == "fault" and not calls:
        return Judgement(None, "unjudged", f"cannot judge: {reason}", calls, checks), False
    doubt = ended in DOUBTFUL or bool(loss)
    if loss:
        reason = f"{reason}; {loss}"
    return Judgement(False, DOUBTFUL.get(ended, ended), reason, calls, checks), doubt


def _refused(completion: str) -> str:
    """Why a completion is not even sent; empty where it is."""
    if len(completion) > MAX_CHARS:
        return f"the completion is longer than {MAX_CHARS} characters"
    try:
        completion.encode()
    except UnicodeEncodeError:
        return "the completion is no Unicode text: it holds half a surrogate pair"
    return ""


def _of(outcome: Outcome) -> Judgement:
    """A candidate's own ending."""
    died = outcome.verdict == "sandbox_died"
    return Judgement(None if died else False, outcome.verdict, outcome.reason)


def _reply(value: Any) -> bool:
    """Whether a candidate's process answered in the form of `candidate.call`."""
    return (
        isinstance(value, list) and len(value) in (3, 4)
        and all(isinstance(part, str) for part in value)
        and value[0] in ("value", "raised", "uncrossable")
        and (len(value) == 4) == (value[0] == "raised")
    )  # fmt: skip


def _second(value: Any) -> str:
    return str(value[1])[:300] if isinstance(value, list) and len(value) > 1 else "a forged answer"
