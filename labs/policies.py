"""Policy tables of bin packing as pictures: which bin an item of each size prefers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from evaluators.errors import BadInput

if TYPE_CHECKING:
    from evaluators.discovery.bin_packing.table import TableProblem
    from evaluators.sandbox import Sandbox
    from search.plot import Chart


def table_of(problem: TableProblem, source: str, sandbox: Sandbox) -> np.ndarray:
    """The priorities that a program of the table skeleton gives: (C + 1, C + 1), rows by item size,
    columns by remaining capacity. Raises BadInput where the program fails."""
    from evaluators.discovery.bin_packing.table import read_table

    module, _ = problem.parts.compose(source)
    capacity = problem.source.widest
    outcome = sandbox.call(module, "table", (capacity,), problem.limits)
    table, reason = read_table(outcome.value, capacity) if outcome.ok else (None, outcome.reason)
    if table is None:
        raise BadInput(f"the program gives no table: {outcome.verdict}: {reason}")
    return table


def preference(table: np.ndarray) -> np.ndarray:
    """(item, gap) -> 0..1: how the item likes a bin that it would leave with that gap, among all
    that have room; 1 is taken first, of equal priorities the smaller gap. NaN where no bin can be
    (item 0, gaps beyond an empty bin's)."""
    count = len(table)
    liked = np.full((count, count), np.nan)
    for item in range(1, count):
        row = table[item, item:]  # by gap
        order = np.lexsort((-np.arange(len(row)), row))
        liked[item, order] = np.arange(len(row)) / max(len(row) - 1, 1)
    return liked


def draw_policies(tables: Mapping[str, np.ndarray]) -> Chart:
    """The tables side by side: what each item prefers, by the gap it would leave."""
    from search.plot import Chart

    count = len(tables)
    figure = Chart(figsize=(2.1 + 3.0 * count, 3.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, count, sharey=True))
    image = None
    for axes, (name, table) in zip(panels, tables.items(), strict=True):
        image = axes.imshow(
            preference(table), origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=1,
            interpolation="nearest",
        )  # fmt: skip
        axes.set_title(name, fontsize="medium")
        axes.set_xlabel("gap left in the bin")
        axes.set_facecolor("0.93")
    panels[0].set_ylabel("size of the item")
    if image is not None:
        bar = figure.colorbar(image, ax=list(panels), ticks=[0, 1])
        bar.ax.set_yticklabels(["last", "first"])
    return figure
