"""python: programs in a sandbox, what they print as the result.

A trace's blocks share their variables, as cells of a notebook do: each call runs the trace's
earlier blocks again, unheard, in a fresh child. So no process has to wait while the model writes,
and a resumed run needs none of an earlier session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.code.pool import pool_of
from evaluators.sandbox import Limits, Outcome, Sandbox
from evaluators.tasks.base import Dialect
from reasoning.logged import CallFailed
from search.tools.tool import Marks, Result

MARKS = Marks("```python\n", "\n```", "\n```output\n", "\n```\n")
"""As in ToRA (Gou et al. 2024, figure 2)."""

LONGEST = 20_000
"""Characters of output that leave the sandbox."""

PRELOAD = ("ast", "collections", "fractions", "functools", "itertools", "math", "numpy", "re")

RUNNER = """
import ast
import contextlib
import io
import traceback


def run(blocks, longest):
    space = {"__name__": "__main__"}
    for block in blocks:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            error = one(block, space)
    text = out.getvalue()
    return [text[:longest], error]


def one(block, space):
    try:
        tree = ast.parse(block, "<call>")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<call>", "exec"), space)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "<call>", "eval"), space)
            if value is not None:
                print(repr(value))
    except BaseException as error:
        found = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in found if frame.filename == "<call>"]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
        said = getattr(error, "msg", None) or str(error)
        return type(error).__name__ + (": " + said if said else "") + f" (line {line})"
    return ""
"""


@dataclass(frozen=True)
class Python:
    """Runs a block in the sandbox: what it prints, and the value of a last line that is an
    expression. `sandbox` names the back-end (None: the strongest here), `memory_mb` caps memory,
    `written` are other marks than MARKS.
    """

    sandbox: str | None = None
    memory_mb: int = 256
    written: Marks | None = None

    name = "python"
    steady = False

    def marks(self, dialect: Dialect) -> Marks:
        """A fenced block, its output in another, in both dialects."""
        return self.written or MARKS

    def explain(self, dialect: Dialect) -> str:
        """One sentence with an example in the plain dialect."""
        if dialect == "compact":
            return ""
        example = self.marks(dialect).of("print(12*(3+4))")
        return f"You can run Python: write a block like\n{example}\nand its output follows."

    def prepare(self) -> None:
        """Try it. Raises NoSandbox, which says why each back-end is refused."""
        if self.run("6*7", (), 20.0).text != "42":
            raise CallFailed(f"the sandbox ({self.sandbox or 'default'}) cannot run 6*7")

    def run(self, call: str, earlier: Sequence[str], seconds: float) -> Result:
        """What the block prints, and its error. Raises CallFailed where the sandbox breaks down."""
        limits = Limits(wall=seconds, cpu=seconds, memory_mb=self.memory_mb)
        kind = ("tool", self.sandbox)
        with pool_of(kind, lambda: Sandbox(self.sandbox, preload=PRELOAD)).lend() as sandbox:
            outcome = sandbox.call(RUNNER, "run", [[*earlier, call], LONGEST], limits)
        if outcome.verdict == "sandbox_died":
            raise CallFailed(f"the sandbox broke down: {outcome.reason}")
        return _read(outcome, seconds, self.memory_mb)


def _read(outcome: Outcome, seconds: float, memory_mb: int) -> Result:
    if outcome.verdict == "timeout":
        return Result(f"error: stopped after {seconds:g} seconds", failed=True)
    if outcome.verdict == "memory":
        return Result(f"error: more than {memory_mb} MB of memory", failed=True)
    value = outcome.value
    if not outcome.ok or not isinstance(value, list) or len(value) != 2:
        return Result(f"error: {outcome.reason or outcome.verdict}", failed=True)
    printed, error = (part if isinstance(part, str) else "" for part in value)
    if error:
        return Result(f"{printed}error: {error}", failed=True)
    return Result(printed.rstrip("\n") or "(no output)")
