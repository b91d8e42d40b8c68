"""What a set of traces holds, in figures: counts, accuracy, difficulty, lengths, origins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import numpy as np

from evaluators.errors import BadInput
from evaluators.intervals import Interval, accuracy_interval
from reasoning.core import SeedPath
from reasoning.data.rows import TraceRow
from reasoning.data.select import question_of, said, solve_rates

BANDS = ((0.0, 0.0), (0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0), (1.0, 1.0))
"""Bands of the solve rate: never, up to a quarter, …, below always, always."""


@dataclass(frozen=True)
class Summary:
    """Figures of the traces of one task (or of all).

    `accuracy` is the share of the judged traces that are right, with a 95 % interval over problems;
    None where none was judged. `tokens` are least, quartiles and greatest of the model's own.
    `bands` counts problems by their solve rate. `masked` is the share of the characters of traces
    that no model wrote.
    """

    name: str
    traces: int
    problems: int
    judged: int
    accuracy: Interval | None
    tokens: tuple[int, int, int, int, int]
    bands: dict[str, int]
    finishes: dict[str, int]
    splits: dict[str, int]
    different: int
    hinted: int
    labelled: int
    masked: float

    def told(self) -> dict[str, Any]:
        """JSON values."""
        sure = self.accuracy
        interval = None if sure is None else [sure.value, sure.low, sure.high]
        return {**vars(self), "accuracy": interval, "tokens": list(self.tokens)}


def summaries(rows: Sequence[TraceRow]) -> list[Summary]:
    """One summary a task, in order of appearance, and one of all where there are several. Raises
    BadInput for no rows."""
    names = list(dict.fromkeys(row.task for row in rows))
    found = [summary([row for row in rows if row.task == name], name) for name in names]
    return [*found, summary(rows, "all")] if len(found) != 1 else found


def summary(rows: Sequence[TraceRow], name: str = "all") -> Summary:
    """The figures of these rows. Raises BadInput for no rows."""
    if not rows:
        raise BadInput("there are no traces to describe")
    judged = [row for row in rows if row.verdict is not None]
    accuracy = None
    if judged:
        rng = np.random.Generator(np.random.Philox(key=SeedPath(0, ("summary", name)).key))
        hits = [row.correct for row in judged]
        accuracy = accuracy_interval(hits, rng, [question_of(row) for row in judged])
    characters = sum(len(row.text) for row in rows)
    own = sum(len(p.text) for row in rows for p in row.pieces if p.source == "model")
    return Summary(
        name=name, traces=len(rows), problems=len({question_of(row) for row in rows}),
        judged=len(judged), accuracy=accuracy, tokens=_spread([row.n_tokens for row in rows]),
        bands=_bands(rows), finishes=_counted(row.finish for row in rows),
        splits=_counted(row.split or "not told" for row in rows),
        different=len({(question_of(row), said(row)) for row in rows}),
        hinted=sum(row.hint_used for row in rows),
        labelled=sum(row.labels is not None for row in rows),
        masked=1 - own / characters if characters else 0.0,
    )  # fmt: skip


def teachers(rows: Iterable[TraceRow]) -> list[tuple[dict[str, Any], int]]:
    """Who wrote the rows, the most first: what is known of a teacher without seed path and choice,
    and how many rows are its."""
    counts: Counter[str] = Counter()
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = {k: v for k, v in row.teacher.items() if k not in ("seed", "chosen")}
        key = repr(sorted(known.items(), key=lambda item: item[0]))
        found.setdefault(key, known)
        counts[key] += 1
    return [(found[key], n) for key, n in counts.most_common()]


def band_name(low: float, high: float) -> str:
    """`never`, `always`, or the open end of a band."""
    if low == high:
        return "never" if low == 0 else "always"
    return f"to {high:.0%}" if high < 1 else "below 100%"


def _bands(rows: Sequence[TraceRow]) -> dict[str, int]:
    """Problems by solve rate: the inner bands hold their upper end, save the last."""
    shares = [rate.share for rate in solve_rates(rows).values() if rate.share is not None]
    found = dict.fromkeys((band_name(*band) for band in BANDS), 0)
    for share in shares:
        for low, high in BANDS:
            inner = low < share <= high and share < 1
            if (low == high == share) or (low < high and inner):
                found[band_name(low, high)] += 1
                break
    return found


def _spread(values: Sequence[int]) -> tuple[int, int, int, int, int]:
    if len(values) == 1:
        values = [values[0], values[0]]
    low, middle, high = (round(x) for x in quantiles(values, n=4, method="inclusive"))
    return min(values), low, middle, high, max(values)


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())
