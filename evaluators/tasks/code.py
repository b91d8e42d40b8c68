"""code:FILE: programming problems with unit tests, in the format of HumanEval.

One JSON object a line, gzipped or not: `task_id`, `prompt` (the beginning of a program, up to the
docstring of a function), `entry_point`, `test` (defines `check(candidate)`), and where there is
one `canonical_solution`. Tests and programs run in sandboxes. Equal answers are programs with the
same syntax tree, comments and docstrings aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.code.extract import code_of, key_of
from evaluators.code.judge import TIMEOUT
from evaluators.code.problem import NEEDED, CodeProblem, read_problems
from evaluators.code.verifier import CodeVerifier
from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks import rows
from evaluators.tasks.base import THINK, Dialect, Format, Task

_ASKED = {
    "direct": "Reply with the whole function, imports included, in one block: ```python … ```",
    "chain": "Think first. End with the whole function, imports included, in one block:"
    " ```python … ```",
}


@dataclass(frozen=True)
class Code(Task):
    """Functions to be written. Fields: `prompt`, `entry_point`, `test`, `canonical_solution`."""

    sandbox: str | None = None
    timeout: float = TIMEOUT

    @property
    def verifier(self) -> CodeVerifier:
        return CodeVerifier(self.sandbox, self.timeout)

    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        prompt = problem.fields["prompt"]
        if dialect == "compact":
            return prompt + (THINK if format == "chain" else "")
        name = problem.fields["entry_point"]
        return (
            f"Write the Python function {name}.\n\n```python\n{prompt.strip()}\n```\n\n"
            f"{_ASKED[format]}"
        )

    def extract(self, text: str) -> str | None:
        return code_of(text)

    def answer_key(self, problem: Problem, text: str) -> str | None:
        code = code_of(text)
        return None if code is None else key_of(code)

    def examples(self, format: Format, dialect: Dialect, k: int) -> list[tuple[str, str]]:
        if k:
            raise BadInput(f"{self.name} has no worked examples; ask with shots=0")
        return []

    def max_tokens(self, format: Format, dialect: Dialect) -> int:
        return 2048 if format == "chain" else 1024

    def from_fields(self, fields: Mapping[str, Any]) -> Problem:
        """A problem from its fields. Raises BadInput naming the one that is missing."""
        return _problem(f"{self.name}/own", CodeProblem.from_fields(fields, "a code problem"))


def load(
    split: str = "test",
    n: int | None = None,
    seed: int = 0,
    path: str | None = None,
    sandbox: str | None = None,
    timeout: float = TIMEOUT,
) -> Code:
    """The problems of the file `path`, all or `n` of them drawn by `seed`.

    `sandbox` names the back-end (None: the strongest here), `timeout` is a program's seconds for
    all its tests. A file has one split: `split` is only recorded. Raises BadInput naming line and
    field.
    """
    if not timeout > 0:
        raise BadInput(f"timeout must be more than 0 seconds, not {timeout}")
    if n == 0:
        return Code("code", sandbox=sandbox, timeout=timeout)  # to judge answers, no file is needed
    if not path:
        raise BadInput("code needs a file: load_task('code:FILE') or path=FILE")
    file = Path(path)
    name = f"code:{file.name.removesuffix('.gz').removesuffix('.jsonl')}"
    problems = [
        _problem(f"{name}/{problem.task_id}", problem, {"split": split})
        for problem in read_problems(file).values()
    ]
    return Code(name, rows.choose(problems, n, seed, str(file)), sandbox, timeout)


def _problem(id: str, problem: CodeProblem, meta: Mapping[str, Any] | None = None) -> Problem:
    fields = {name: getattr(problem, name) for name in NEEDED}
    if problem.canonical_solution is not None:
        fields["canonical_solution"] = problem.canonical_solution
    return Problem(id, fields, None, meta or {})
