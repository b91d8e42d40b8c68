"""`check`: whether a problem's file can be evolved, and what was found in it."""

from __future__ import annotations

import ast
import time
from typing import TYPE_CHECKING, Any

from evaluators.discovery.base import SPLITS, Evaluation
from evaluators.discovery.own.problem import OwnProblem, load_own
from evaluators.errors import BadInput

if TYPE_CHECKING:
    from evaluators.sandbox import Sandbox


def check(path: str, sandbox: Sandbox | None = None) -> str:
    """Run the starting program and the baselines in the sandbox, score them, and report.

    Without a `sandbox` the strongest back-end that works here is used. Raises BadInput with line
    and remedy for the first thing that is wrong, and NoSandbox.
    """
    from evaluators.sandbox import Sandbox

    problem = load_own(path)
    if sandbox is not None:
        return _report(problem, sandbox)
    with Sandbox(preload=problem.preload) as fresh:
        return _report(problem, fresh)


def _report(problem: OwnProblem, sandbox: Sandbox) -> str:
    parts = problem.parts
    lines = [f"{problem.path}: evolves {problem.function} (line {parts.line}), {problem.direction}"]
    carried = _names(parts.before + parts.after)
    entry = "solve(instance)" if problem.entry == "solve" else f"{problem.function}(instance)"
    lines.append(f"  in the sandbox: {entry}, with {', '.join(carried) or 'nothing else'}")
    counts = [f"{len(problem.cases(s))} {s}" for s in SPLITS]
    lines.append(f"  instances: {', '.join(counts)}; none in two splits")
    began = time.monotonic()
    first = {s: _run(problem, problem.start, sandbox, s, "the starting program") for s in SPLITS}
    seconds = time.monotonic() - began
    again = _run(problem, problem.start, sandbox, "train", "the starting program")
    if again.behaviour != first["train"].behaviour:
        raise BadInput(
            f"{problem.path}:{parts.line}: the starting program answers differently from run to"
            " run: seed what it draws, in solve"
        )
    if again.scores != first["train"].scores:
        raise BadInput(
            f"{problem.path}: score gives {first['train'].score} and then {again.score} for the"
            " same answers: it must depend on instance and answer alone"
        )
    shown = ", ".join(f"{s} {first[s].score:.6g}" for s in SPLITS)
    many = sum(len(problem.cases(s)) for s in SPLITS)
    lines.append(f"  starting program: {shown} ({1000 * seconds / many:.1f} ms an instance)")
    for name, source in problem.baselines.items():
        scored = _run(problem, source, sandbox, "train", f"baseline {name!r}")
        lines.append(f"  baseline {name}: train {scored.score:.6g}")
    lines.append(f"  ready: reasonlab evolve {problem.path}")
    return "\n".join(lines)


def _run(problem: OwnProblem, source: str, sandbox: Sandbox, split: Any, what: str) -> Evaluation:
    found = problem.evaluate(source, sandbox, split)
    if found.score is None:
        line = ""
        if found.line and source == problem.start:
            line = f":{problem.parts.line + found.line - 1}"
        elif found.line:
            line = f" (line {found.line} of it)"
        raise BadInput(f"{problem.path}{line}: {what} fails: {found.verdict}: {found.reason}")
    return found


def _names(source: str) -> list[str]:
    """What the statements define or import, in order."""
    names: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if getattr(node, "module", "") != "__future__":
                names += [a.asname or a.name for a in node.names]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        else:
            stored = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
            names += [n.id for n in stored if isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys(n for n in names if n != "solve"))
