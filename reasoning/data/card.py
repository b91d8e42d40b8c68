"""The card of a data set of traces: a README.md that tells what is in it, who wrote it, how it was
selected, and how it is read. Every figure is computed from the rows."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from evaluators.intervals import Interval
from reasoning.data.diversity import diversity
from reasoning.data.rows import TraceRow, fingerprint
from reasoning.data.summary import Summary, summaries, teachers

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Size categories of dataset cards (the hub's names), each with its upper end."""


def card(
    rows: Sequence[TraceRow], name: str, *, files: Sequence[str] = (),
    selection: Mapping[str, Any] | None = None, held_against: Mapping[str, Any] | None = None,
    license: str | None = None, examples: int = 1,
) -> str:  # fmt: skip
    """The card as Markdown with the metadata block that data hubs read.

    `selection` is `Selected.told()`, `held_against` is `Clean.told()`: what is not given is said to
    be unknown. `examples` traces of each verdict are shown. Raises BadInput for no rows.
    """
    if not rows:
        raise BadInput("there are no traces to describe")
    found = summaries(rows)
    parts = [
        _front(rows, name, license), f"# {name}\n", _opening(rows, found[-1]),
        "## What is in it\n", _tasks(found), _difficulty(found), "## Who wrote it\n",
        _writers(rows), "## How it was selected\n", _selected(selection, held_against),
        "## What is learned from it\n", _learned(found[-1]), "## Examples\n",
        _examples(rows, examples), "## How it is read\n", _reading(files),
    ]  # fmt: skip
    return "\n".join(parts).rstrip() + "\n"


def write_card(rows: Sequence[TraceRow], folder: Path, name: str, **told: Any) -> Path:
    """The card as `README.md` in the folder. Raises BadInput."""
    place = folder / "README.md"
    draft = place.with_name("README.md.new")
    text = card(rows, name, **told)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, "utf-8", "surrogatepass")
        os.replace(draft, place)
    except OSError as error:
        raise BadInput(f"{place} cannot be written: {error}") from error
    return place


# -- the parts -----------------------------------------------------------------------------


def _front(rows: Sequence[TraceRow], name: str, license: str | None) -> str:
    size = next((label for end, label in SIZES if len(rows) < end), "n>1M")
    lines = [f"pretty_name: {json.dumps(name, ensure_ascii=False)}"]
    lines += [f"license: {license}"] if license else []
    lines += ["task_categories:", "- text-generation", "size_categories:", f"- {size}", "tags:"]
    lines += ["- reasoning", "- chain-of-thought"]
    lines += ["- synthetic"] if any(row.teacher for row in rows) else []
    return "\n".join(["---", *lines, "---", ""])


def _opening(rows: Sequence[TraceRow], whole: Summary) -> str:
    dates = sorted(row.created for row in rows if row.created)
    when = f" Made between {dates[0]} and {dates[-1]}." if dates else ""
    return (
        f"{whole.traces:,} reasoning traces of {whole.problems:,} problems; {whole.judged:,} were"
        f" judged by a verifier, {_share(whole.accuracy)} of those are right.{when} Fingerprint of"
        f" what they teach: `{fingerprint(rows)}`.\n"
    )


def _tasks(found: Sequence[Summary]) -> str:
    head = ("task", "split", "problems", "traces", "different", "right (95 % interval)",
            "tokens: least, quartiles, most")  # fmt: skip
    lines = [
        (s.name, _counts(s.splits), f"{s.problems:,}", f"{s.traces:,}", f"{s.different:,}",
         _interval(s.accuracy), ", ".join(map(str, s.tokens)))
        for s in found
    ]  # fmt: skip
    return _table(head, lines)


def _difficulty(found: Sequence[Summary]) -> str:
    head = ("solved", *found[0].bands)
    lines = [(s.name, *map(str, s.bands.values())) for s in found]
    return (
        "Problems by the share of their judged traces that are right (those written with a hint"
        " left out):\n\n" + _table(head, lines)
    )


def _writers(rows: Sequence[TraceRow]) -> str:
    lines = []
    for known, n in teachers(rows):
        if not known:
            lines.append(f"- {n:,} traces: not told")
            continue
        told = json.dumps(known, ensure_ascii=False, sort_keys=True, default=str)
        lines.append(f"- {n:,} traces: `{told}`")
    hinted = sum(row.hint_used for row in rows)
    judged = [row.verdict for row in rows if row.verdict is not None]
    checkers = Counter(
        f"`{v.get('checker', 'not told')}` (knows: {v.get('knows', 'not told')}; version"
        f" {v.get('version') or 'not told'})"
        for v in judged
    )
    lines += [f"- {n:,} verdicts of {name}" for name, n in checkers.most_common()]
    lines.append(
        f"- {hinted:,} traces were written with a hint, which their prompts no longer hold"
    )
    return "\n".join(lines) + "\n"


def _selected(selection: Mapping[str, Any] | None, held: Mapping[str, Any] | None) -> str:
    if selection is None:
        text = "Nothing is known of a selection: take it that these are all traces there were.\n"
    else:
        lines = [(s["rule"], f"{s['rows']:,}", f"{s['problems']:,}") for s in selection["sieves"]]
        text = _table(("rule", "traces left", "problems left"), lines)
    if held is None:
        return text + "\nIt was not held against test questions.\n"
    dropped = sum(held["dropped"].values())
    why = "".join(f"; {n:,}: {reason}" for reason, n in held["dropped"].items())
    return text + (
        f"\nHeld against test instances and {held['held_out']:,} questions by canonical instance"
        f" and text: {dropped:,} traces taken out{why}.\n"
    )


def _learned(whole: Summary) -> str:
    return (
        "Prompts, forced text and a tool's words are read and not learned:"
        f" {whole.masked:.1%} of the traces' characters are no model's. The end of sequence is"
        f" learned where a trace ended by itself ({whole.finishes.get('eos', 0):,} traces; ends:"
        f" {_counts(whole.finishes)}). {whole.labelled:,} traces have values of their steps.\n"
    )


def _examples(rows: Sequence[TraceRow], each: int) -> str:
    blocks = []
    for word, right in (("Right", True), ("Not right", False)):
        for row in [r for r in rows if r.correct == right][:each]:
            asked = "\n".join(message.content for message in row.messages)
            reason = (row.verdict or {}).get("reason", "not judged")
            text = asked + row.prefix + row.text
            fence = "`" * (max((len(run) for run in _ticks(text)), default=0) + 3)
            blocks.append(f"{word} ({row.task}, {reason}):\n\n{fence}text\n{text}\n{fence}\n")
    texts = [row.text for row in rows if row.text]
    if texts:
        blocks.append(f"Diversity of the traces: {diversity(texts)}.\n")
    return "\n".join(blocks)


def _reading(files: Sequence[str]) -> str:
    listed = "".join(f"- `{name}`\n" for name in files)
    first = next((name for name in files if name.endswith(".jsonl")), "traces.jsonl")
    return (
        (f"Files:\n\n{listed}\n" if listed else "")
        + "```python\nfrom pathlib import Path\nfrom reasoning.data import rows\n\n"
        + f'traces = rows.read(Path("{first}"))\n```\n\n'
        + f"`reasonlab traces view {first} --as messages --out messages.parquet` makes what other"
        " tools read.\n"
    )


def _ticks(text: str) -> Sequence[str]:
    """The runs of backticks."""
    return "".join(c if c == "`" else " " for c in text).split()


def _share(value: Interval | None) -> str:
    return "none" if value is None else f"{value.value:.1%}"


def _interval(value: Interval | None) -> str:
    return "-" if value is None else f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in found.items())


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "".join("| " + " | ".join(_cell(c) for c in row) + " |\n" for row in rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
