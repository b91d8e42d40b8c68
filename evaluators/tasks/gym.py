"""gym:NAME: any task of reasoning-gym, the extra package (`pip install 'reasoning-lab[gym]'`).

Problems are generated from a seed; a problem belongs to the split `test`, `val` or `train` by its
text alone, so no seed draws a test problem for training. Options are the generator's own
(`min_terms=3`). The package's scorer judges, inside a sandbox, because several scorers evaluate
the answer's text. Scores lie in 0..1; only the full score passes.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import evaluators
from evaluators.code import crossing
from evaluators.code.extract import blocks
from evaluators.code.pool import pool_of
from evaluators.code.shipped import shipped
from evaluators.errors import BadInput, CannotJudge, LabError, UnknownName
from evaluators.problem import Problem
from evaluators.sandbox import Limits, Sandbox
from evaluators.tasks import gym_child, gym_scorer
from evaluators.tasks.base import END_THINK, THINK, Dialect, Format, Task
from evaluators.verdict import Knows, Verdict

LIMITS = Limits(wall=15.0, cpu=5.0, memory_mb=1024)
"""What scoring one answer may use: some scorers simplify formulas. The wall limit is for those that
sleep; on a busy machine a right answer must not run into it."""

MAX_CHARS = 20_000
"""Longer answers are refused."""

PROGRAM = shipped(crossing, gym_scorer)
BEFORE = f"{inspect.getsource(gym_child.stand_in)}\n\nstand_in()\n"
"""What the sandbox runs ahead of the package: matplotlib would want a folder to write to."""

INSTALL = "pip install 'reasoning-lab[gym]'"
_MARK = re.compile(r"^[*_# \t]*(?:final[ \t]+)?answer[*_ \t]*:[*_]*[ \t]*", re.I | re.M)


@dataclass(frozen=True)
class GymVerifier:
    """Scores an answer as reasoning-gym does, inside a sandbox. It knows the generated entry."""

    sandbox: str | None = None
    knows: Knows = "reference"
    slow: ClassVar[bool] = True

    def check(self, problem: Problem, text: str) -> Verdict:
        """The verdict; `passed` for the full score. An answer on which the scorer breaks down has
        score 0. Raises CannotJudge where the sandbox or the package broke down, and NoSandbox."""
        began = time.perf_counter()
        answer = answer_of(text)
        if answer is None:
            return Verdict(0.0, False, None, "no answer")
        if len(answer) > MAX_CHARS:
            return Verdict(0.0, False, None, f"an answer of more than {MAX_CHARS} characters")
        answer = answer.encode("utf-8", "replace").decode()  # halves of surrogate pairs
        fields = problem.fields
        arguments = [fields["gym"], dict(fields["config"]), fields["entry"], answer]
        kind = ("gym", self.sandbox)
        with pool_of(kind, lambda: _sandbox(self.sandbox)).lend() as sandbox:
            outcome = sandbox.call(PROGRAM, "score", arguments)
        seconds = time.perf_counter() - began
        if outcome.verdict == "sandbox_died" or "ModuleNotFoundError" in outcome.reason:
            raise CannotJudge(f"problem {problem.id}: {outcome.reason}")
        if not outcome.ok:
            reason = f"the scorer ended by {outcome.verdict}: {outcome.reason}"
            return Verdict(0.0, False, answer, reason, seconds)
        score = outcome.value
        if score == -1.0:
            raise CannotJudge(f"problem {problem.id}: its scorer gives any answer the full score")
        if type(score) is not float or not 0 <= score <= 1:
            raise CannotJudge(f"problem {problem.id}: the scorer said {score!r}, not 0..1")
        return Verdict(score, score == 1, answer, f"score {score:g}", seconds)


def _sandbox(backend: str | None) -> Sandbox:
    return Sandbox(backend, LIMITS, ("numpy", "reasoning_gym"), before=BEFORE)


def answer_of(text: str) -> str | None:
    """The answer in a completion, over several lines where it has them: what follows the last mark
    (`Answer:`, `<answer>`), or the whole after the reasoning; out of its fence. `None` if empty."""
    told = text.rpartition(END_THINK)[2]
    marks = list(_MARK.finditer(told))
    lower = told.lower()
    end = lower.rfind("</answer>")
    begin = lower.rfind("<answer>", 0, max(end, 0))
    if begin >= 0:
        told = told[begin + len("<answer>") : end]
    elif marks:
        told = told[marks[-1].end() :]
    before, fenced = blocks(told.strip("\n"))
    if len(fenced) == 1 and not before.strip():
        told = fenced[0]
    return told.strip() or None


@dataclass(frozen=True)
class Gym(Task):
    """Generated problems. Fields: `question`, `gym` and `config` (the generator), `entry` (what it
    made, encoded for the scorer)."""

    sandbox: str | None = None

    @property
    def verifier(self) -> GymVerifier:
        return GymVerifier(self.sandbox)

    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        question = problem.fields["question"].strip()
        if dialect == "compact":
            return question + (THINK if format == "chain" else "")
        if format == "direct":
            return f"{question}\n\nReply with the answer alone, after `Answer:`."
        return f"{question}\n\nThink step by step. End with `Answer:` and the answer alone."

    def extract(self, text: str) -> str | None:
        return answer_of(text)

    def answer_key(self, problem: Problem, text: str) -> str | None:
        answer = answer_of(text)
        return None if answer is None else " ".join(answer.split())

    def max_tokens(self, format: Format, dialect: Dialect) -> int:
        return 2048 if format == "chain" else 512


def load(
    split: str = "test",
    n: int | None = None,
    seed: int = 0,
    path: str | None = None,
    sandbox: str | None = None,
    **config: Any,
) -> Gym:
    """`n` (default 100) problems of the reasoning-gym task that stands behind the colon (`path`).

    `config` are the generator's options, `sandbox` names the back-end that scores. Raises BadInput
    for an option, UnknownName for a task or split, LabError where the package is missing.
    """
    if split not in gym_child.SPLITS:
        raise UnknownName("split", split, gym_child.SPLITS)
    if n == 0 and not path:
        return Gym("gym", sandbox=sandbox)
    if not path:
        raise BadInput("gym needs the name of a task: load_task('gym:chain_sum')")
    count = 100 if n is None else n
    if count < 0:
        raise BadInput(f"n must be 0 or more, not {n}")
    name = f"gym:{path}"
    problems = []
    for row in _drawn({"name": path, "config": config, "split": split, "n": count, "seed": seed}):
        fields = {"question": row["question"], "gym": path, "config": config, "entry": row["entry"]}
        meta = {"split": split, "seed": seed}
        problems.append(Problem(f"{name}/{len(problems)}", fields, row["answer"], meta))
    if len(problems) < count:
        raise BadInput(
            f"{name} has only about {len(problems)} different {split} problems with these options"
            f" ({config}); ask for fewer or for a wider difficulty"
        )
    return Gym(name, tuple(problems), sandbox)


def _drawn(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of `gym_child` for a request. Raises what `load` raises."""
    root = str(Path(evaluators.__file__).parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-P", "-m", "evaluators.tasks.gym_child"]
    try:
        text = json.dumps(request)
    except TypeError as error:
        raise BadInput(
            f"the options of gym:{request['name']} are no JSON values: {error}"
        ) from error
    done = subprocess.run(
        command, input=text, capture_output=True, encoding="utf-8", env=environment
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    last = rows[-1] if rows else {}
    if "missing" in last:
        raise LabError(f"gym needs the package reasoning-gym ({last['missing']}): {INSTALL}")
    if "known" in last:
        raise UnknownName("task of reasoning-gym", request["name"], last["known"])
    if "refused" in last:
        raise BadInput(
            f"gym:{request['name']} refuses its options: {last['refused']}; it has"
            f" {', '.join(last['options'])}"
        )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["no word"]
        raise LabError(f"the generator of gym:{request['name']} broke down: {said[0]}")
    return rows
