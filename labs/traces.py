"""A trace taken apart for reading: its steps, each with the step verifier's verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Verdict
from reasoning.core import Solution, Trace
from search.sampler import pieces

MARKS = {True: "✓", False: "✗", None: "?"}
_COLOURS = {
    True: "var(--jp-success-color1, #2e7d32)",
    False: "var(--jp-error-color1, #c62828)",
    None: "var(--jp-border-color1, #9e9e9e)",
}


@dataclass(frozen=True)
class JudgedStep:
    """One step's text and what the step verifier says of it; `verdict` is `None` without one."""

    text: str
    verdict: Verdict | None

    @property
    def mark(self) -> str:
        """`✓` accepted, `✗` rejected, `?` neither (unparsed, or no step verifier)."""
        return MARKS[self.verdict.passed if self.verdict else None]


def judge_steps(task: Task, problem: Problem, text: str) -> list[JudgedStep]:
    """Every step of a written trace, judged after the steps before it."""
    steps = pieces(text, task.boundary)
    judge = task.step_verifier
    return [
        JudgedStep(step, judge.check(problem, steps[: at + 1]) if judge else None)
        for at, step in enumerate(steps)
    ]


def inserted(task: Task, trace: Trace) -> list[str]:
    """For every step as `judge_steps` cuts them what in it no model wrote, and who did:
    `tool: =21`; empty where the model wrote all of it."""
    notes: list[str] = []
    end = 0
    for piece in pieces(trace.text, task.boundary):
        start, end = end, end + len(piece)
        told, at = [], 0
        for step in trace.steps:
            low, at = at, at + len(step.text)
            part = trace.text[max(low, start) : min(at, end)]
            if step.source != "model" and part.strip():
                told.append(f"{step.source}: {visible(part)}")
        notes.append(", ".join(told))
    return notes


def heading(number: int, trace: Trace, chosen: bool, verdict: Verdict | None) -> str:
    """One line on a trace: verdict, answer, tokens, why it ended, score."""
    parts = [f"trace {number}"]
    if chosen:
        parts.append("chosen")
    if verdict is not None:
        parts.append("right" if verdict.passed else f"wrong ({verdict.reason})")
    parts += [f"answer {trace.answer}" if trace.answer is not None else "no answer"]
    parts += [f"{trace.tokens} tokens", f"ended by {trace.finish}"]
    if trace.score is not None:
        parts.append(f"score {trace.score:.3g}")
    return " · ".join(parts)


def final_verdict(task: Task, problem: Problem, trace: Trace) -> Verdict | None:
    """The verdict on a whole trace; `None` for one that did not end by itself."""
    if trace.verdict is not None:
        return trace.verdict
    return task.verifier.check(problem, trace.text) if trace.finish == "eos" else None


def as_text(task: Task, problem: Problem, solution: Solution) -> str:
    """All traces of a solution for the terminal, one step a line behind its mark."""
    lines: list[str] = []
    for at, trace in enumerate(solution.traces):
        verdict = final_verdict(task, problem, trace)
        lines.append(heading(at + 1, trace, at == solution.chosen, verdict))
        steps = judge_steps(task, problem, trace.text)
        for step, note in zip(steps, inserted(task, trace), strict=True):
            why = f"    ({step.verdict.reason})" if step.mark == "✗" and step.verdict else ""
            by = f"    [{note}]" if note else ""
            lines.append(f"  {step.mark} {visible(step.text)}{by}{why}")
    return "\n".join(lines)


def visible(text: str) -> str:
    """A step on one line: its end dropped, control characters shown as escapes."""
    text = text.rstrip("\n")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def as_html(task: Task, problem: Problem, solution: Solution) -> str:
    """All traces of a solution as escaped HTML that follows JupyterLab's theme."""
    blocks = [
        _trace_html(task, problem, trace, at, at == solution.chosen)
        for at, trace in enumerate(solution.traces)
    ]
    return (
        '<div style="color: var(--jp-ui-font-color1, inherit)">'
        + ("".join(blocks) or "no traces: the budget paid for none")
        + "</div>"
    )


def _trace_html(task: Task, problem: Problem, trace: Trace, at: int, chosen: bool) -> str:
    title = escape(heading(at + 1, trace, chosen, final_verdict(task, problem, trace)))
    steps: Sequence[JudgedStep] = judge_steps(task, problem, trace.text)
    weight = "bold" if chosen else "normal"
    return (
        f'<details {"open" if chosen or at < 3 else ""} style="margin: 6px 0">'
        f'<summary style="font-weight: {weight}">{title}</summary>'
        + "".join(map(_step_html, steps, inserted(task, trace)))
        + "</details>"
    )


def _step_html(step: JudgedStep, note: str) -> str:
    colour = _COLOURS[step.verdict.passed if step.verdict else None]
    reason = escape(step.verdict.reason) if step.verdict else "not judged"
    by = f' <i style="opacity: 0.7">[{escape(note)}]</i>' if note else ""
    return (
        f'<div title="{reason}" style="border-left: 4px solid {colour}; margin: 2px 0 2px 12px;'
        ' padding: 1px 8px; font-family: var(--jp-code-font-family, monospace);'
        f' white-space: pre-wrap">{step.mark} {escape(visible(step.text))}{by}</div>'
    )  # fmt: skip
