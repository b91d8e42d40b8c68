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
}


def page(
    name: str, training: Mapping[str, Any], parts: Mapping[str, Sequence[Mapping[str, Any]]]
) -> str:
    """The card as Markdown, with the settings of the run and every measured row."""
    last = training["curve"][-1]
    settings = training["settings"]
    lines = [
        "---", "license: apache-2.0", "library_name: transformers", "---", "",
        f"# {name}", "", ABOUT.get(name, ""), "",
        f"{training['parameters']:,} parameters, Qwen3 architecture, bf16. Trained from nothing by"
        f" `reasonlab pretrain {name}` (seed {settings['seed']}): {last['step']} steps of about"
        f" {settings['tokens_per_step']:,} tokens on the mixture \"{training['plan']['mixture']}\""
        f" in {last['processor_seconds'] / 60:.1f} processor-minutes on one thread.", "",
        "It reads the compact dialect: `(3+4)*2-5<think>` or `(3+4)*2-5=`, `3 5 7 2=24<think>` or"
        " `3 5 7 2=24:`, `347+589<think>` or `347+589=`, `3@4=9` lines and then `2@6=`. A finished"
        " trace followed by `check` is answered `good` or `bad`; a first line `terse` or `careful`"
        " sets the role.", "",
        "All figures: held-out test instances, 95 % intervals, by"
        f" `reasonlab pretrain {name} --measure`.", "",
    ]  # fmt: skip
    for title, rows in parts.items():
        lines += [f"## {title}", "", "| what | setting | value | 95 % interval | n |",
                  "|---|---|---|---|---|"]  # fmt: skip
        for row in rows:
            digits = 1 if row["high"] > 1.5 else 3
            value, low, high = (f"{row[k]:.{digits}f}" for k in ("value", "low", "high"))
            lines.append(
                f"| {row['what']} | {row['setting']} | {value} | {low} to {high} | {row['n']} |"
            )
        lines.append("")
    return "\n".join(lines)


def write(name: str, folder: Path, parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Write `card.json` and `README.md` beside the weights in `folder`."""
    training = json.loads((folder / "training.json").read_text())
    (folder / "card.json").write_text(json.dumps(parts, indent=1) + "\n")
    (folder / "README.md").write_text(page(name, training, parts))
