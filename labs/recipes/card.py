"""The card of an embedded model: its measurements as JSON and as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ABOUT = {
    "tiny": "The lab's small reasoner: trained on the whole mixture.",
    "tiny-weak": "The same run as `tiny`, stopped early: weak alone, with room for search.",
    "tiny-student": "A quarter of the size, trained on direct answers and arithmetic facts only:"
    " it has never seen a chain.",
    "tiny-tools": "`tiny`, trained on to write calls of a calculator for what it cannot do in its"
    " head.",
}

READS = {
    "full": "It reads the compact dialect: `(3+4)*2-5<think>` or `(3+4)*2-5=`, `3 5 7 2=24<think>`"
    " or `3 5 7 2=24:`, `347+589<think>` or `347+589=`, lines like `3@4=7` and then `?2@6=`. It was"
    " also trained to answer `check` after a finished trace by `good` or `bad`, and to follow a"
    " first line `terse` or `careful`.",
    "direct only": "It reads direct questions in the compact dialect: `(3+4)*2-5=`,"
    " `3 5 7 2=24:`, `347+589=`, lines like `3@4=7` and then `?2@6=`. Chains, roles and `check` are"
    " not part of its training.",
    "tools": "It reads what `tiny` reads. In a chain on larger numbers it writes calls in brackets,"
    " `23*47+188<think>[23*47]`; behind one stands the result, `=1081` and the end of the line: the"
    " calculator's under the strategy `tool-use`, else a guess of its own. The loss was on all that"
    " the model writes; results were learned in a fifth of such chains only (`results written`), so"
    " that it can go on without a calculator. A sum of two numbers such as `347+589<think>` reads"
    " as an expression and is called, not added by columns. No token is new: brackets, `=` and"
    " numbers are those of `tiny`.",
}
"""What a model of each mixture reads."""

Parts = Mapping[str, Sequence[Mapping[str, Any]]]

CLAIMS = (
    ("A chain beats a direct answer", "greedy chain", "expressions ops=6", "greedy direct",
     "expressions ops=6"),
    ("Examples in the prompt define the operator", "greedy direct", "operator shots=4",
     "greedy direct", "operator shots=0"),
    ("`terse` shortens the chain", "tokens a chain", "expressions ops=6, no role",
     "tokens a chain", "expressions ops=6, terse"),
    ("`careful` is more accurate than `terse`", "greedy chain", "expressions ops=6, careful",
     "greedy chain", "expressions ops=6, terse"),
    ("A wrong line is taken back more often than a right one", "writes wait",
     "expressions ops=5, after a wrong line", "writes wait",
     "expressions ops=5, after a right line"),
)  # fmt: skip
"""What the mixture was meant to teach: (claim, larger row, smaller row), rows by what and
setting."""

_LARGE = "expressions ops=3 leaf=99 most=9999"
TOOL_CLAIMS = (
    ("The calculator's results beat results of its own", "greedy chain", f"{_LARGE}, calculator",
     "greedy chain", f"{_LARGE}, results of its own"),
    ("The calculator's results beat `tiny`", "greedy chain", f"{_LARGE}, calculator",
     "greedy chain", f"{_LARGE}, tiny"),
)  # fmt: skip
"""The same for the mixture with tools."""


MEANT = {"full": CLAIMS, "tools": TOOL_CLAIMS}


def claims(parts: Parts, meant: Sequence[Sequence[str]] = CLAIMS) -> list[str]:
    """Which ingredients of the mixture took: an effect counts when the intervals do not touch, and
    judging when the interval of its AUC lies above chance."""
    rows = {(row["what"], row["setting"]): row for part in parts.values() for row in part}
    lines = []
    for claim, *pair in meant:
        more, less = rows[pair[0], pair[1]], rows[pair[2], pair[3]]
        took = more["low"] > less["high"]
        lines.append(_claim(claim, took, f"{_number(more)} against {_number(less)}"))
    for (what, setting), row in rows.items():
        if what == "AUC of good/bad":
            claim = f"`good` and `bad` tell right from wrong traces ({setting})"
            lines.append(_claim(claim, row["low"] > 0.5, f"AUC {_number(row)}"))
    return lines


def _claim(claim: str, took: bool, figures: str) -> str:
    return f"- {claim}: {'took' if took else '**did not take**'} ({figures})."


def _number(row: Mapping[str, Any]) -> str:
    digits = 1 if row["high"] > 1.5 else 3
    value, low, high = (f"{row[k]:.{digits}f}" for k in ("value", "low", "high"))
    return f"{value}, {low} to {high}"


def page(name: str, training: Mapping[str, Any], parts: Parts) -> str:
    """The card as Markdown, with the settings of the run and every measured row."""
    last = training["curve"][-1]
    settings = training["settings"]
    mixture, start = training["plan"]["mixture"], training["plan"].get("start")
    begun = f"Trained on from the weights of `{start}`" if start else "Trained from nothing"
    lines = [
        "---", "license: apache-2.0", "library_name: transformers", "---", "",
        f"# {name}", "", ABOUT.get(name, ""), "",
        f"{training['parameters']:,} parameters, Qwen3 architecture, bf16. {begun} by"
        f" `reasonlab pretrain {name}` (seed {settings['seed']}): {last['step']} steps of about"
        f" {settings['tokens_per_step']:,} tokens on the mixture \"{mixture}\""
        f" in {last['processor_seconds'] / 60:.1f} processor-minutes on one thread.", "",
        READS[mixture], "",
        "All figures: held-out test instances, 95 % intervals, by"
        f" `reasonlab pretrain {name} --measure`.", "",
    ]  # fmt: skip
    if mixture in MEANT:
        lines += ["## What the mixture taught", "", *claims(parts, MEANT[mixture]), ""]
    for title, rows in parts.items():
        lines += [f"## {title}", "", "| what | setting | value | 95 % interval | n |",
                  "|---|---|---|---|---|"]  # fmt: skip
        for row in rows:
            figures = _number(row).replace(", ", " | ")
            lines.append(f"| {row['what']} | {row['setting']} | {figures} | {row['n']} |")
        lines.append("")
    return "\n".join(lines)


def write(name: str, folder: Path, parts: Parts) -> None:
    """Write `card.json` and `README.md` beside the weights in `folder`."""
    training = json.loads((folder / "training.json").read_text())
    (folder / "card.json").write_text(json.dumps(parts, indent=1) + "\n")
    (folder / "README.md").write_text(page(name, training, parts))
