"""Search trees as a still figure: for a notebook that is opened again, for files and papers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from search.tree.tree import SearchTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from search.plot import Chart

SHOWN = 1_500
"""Nodes of one tree that are drawn: the first ones, and the way to the chosen node."""


def places(tree: SearchTree, limit: int = SHOWN) -> dict[int, tuple[float, float]]:
    """Where each drawn node stands: (depth, row), a parent half-way between its first and its last
    child. No recursion: any depth."""
    nodes = tree.nodes[:]
    keep = set(range(min(limit, len(nodes))))
    if 0 <= tree.chosen < len(nodes):
        keep |= {node.id for node in tree.ancestors(nodes[tree.chosen])}
    children: dict[int, list[int]] = {k: [] for k in sorted(keep)}
    for k in children:
        if k:
            children[nodes[k].parent].append(k)
    rows: dict[int, float] = {}
    stack, free = [0], 0
    while stack:
        k = stack.pop()
        stack += reversed(children[k])
        if not children[k]:
            rows[k], free = float(free), free + 1
    for k in reversed(children):
        if children[k]:
            rows[k] = (rows[children[k][0]] + rows[children[k][-1]]) / 2
    return {k: (float(nodes[k].depth), rows[k]) for k in children}


def draw_trees(trees: Sequence[SearchTree], titles: Sequence[str]) -> Chart:
    """The trees side by side, the way to each chosen node lit; colour is the score's rank."""
    from search.plot import Chart

    figure = Chart(figsize=(1 + 5.2 * max(len(trees), 1), 3.8), layout="constrained")
    panels = figure.subplots(1, max(len(trees), 1), squeeze=False)[0]
    for axes, tree, title in zip(panels, trees, titles, strict=True):
        _draw(axes, tree)
        axes.set_title(title, fontsize="small", wrap=True)
    return figure


def _draw(axes: Axes, tree: SearchTree) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap

    at = places(tree)
    lit = set()
    if tree.chosen >= 0:
        lit = {node.id for node in tree.ancestors(tree[tree.chosen])}
    for wanted, colour, width in ((False, "0.75", 0.6), (True, "#d55e00", 1.8)):
        ends = [[at[tree[k].parent], at[k]] for k in at if k and (k in lit) == wanted]
        axes.add_collection(LineCollection(ends, colors=colour, linewidths=width))
    levels = sorted({tree[k].score for k in at} - {None})  # type: ignore[type-var]
    rank = {score: i / max(len(levels) - 1, 1) for i, score in enumerate(levels)}
    ramp = LinearSegmentedColormap.from_list("score", ["#e6aa00", "#34a078", "#0072b2"])
    fills = ["white" if tree[k].score is None else ramp(rank[tree[k].score]) for k in at]
    ends = [tree[k].over and tree[k].answer is not None for k in at]
    axes.scatter(
        [x for x, _ in at.values()], [y for _, y in at.values()], c=fills, zorder=3,
        s=[90 if k == tree.chosen else 40 if e else 16 for k, e in zip(at, ends, strict=True)],
        edgecolors=["#d55e00" if tree[k].closed and not e else "0.25"
                    for k, e in zip(at, ends, strict=True)],
        linewidths=[1.6 if e else 0.6 for e in ends],
    )  # fmt: skip
    axes.invert_yaxis()
    axes.set_yticks([])
    axes.set_xlabel("depth (steps)")
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
