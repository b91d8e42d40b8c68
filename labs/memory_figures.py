"""Charts of lab 09: memory by part, and what a rank reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from labs.figures import COLOURS, MARKERS

if TYPE_CHECKING:
    from labs.ranks import Reached
    from reasoning.train.estimate import Memory


def stacked(ways: Mapping[str, Memory], limit: float | None = None) -> Figure:
    """Memory of each way of training, part by part (GiB); `limit` (bytes) is drawn as a line."""
    figure = Figure(figsize=(7, 0.6 + 0.5 * len(ways)), layout="constrained")
    axes = figure.subplots()
    places = list(range(len(ways)))
    left = [0.0] * len(ways)
    memories = list(ways.values())
    for at, field in enumerate(fields(memories[0])):
        sizes = [getattr(memory, field.name) / 2**30 for memory in memories]
        axes.barh(places, sizes, left=left, color=COLOURS[at], label=field.name)
        left = [a + b for a, b in zip(left, sizes, strict=True)]
    if limit is not None:
        axes.axvline(limit / 2**30, color="#666666", linestyle=":", label="the card")
    axes.set_yticks(places, list(ways))
    axes.invert_yaxis()
    axes.set_xlabel("memory, GiB")
    figure.legend(loc="outside right center", fontsize="small")
    return figure


def ranks_figure(found: Mapping[str, Mapping[str, Reached]]) -> Figure:
    """Held-out loss and accuracy against the weights trained, a line for each change."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for at, (name, ends) in enumerate(found.items()):
        rows = sorted(ends.values(), key=lambda end: end.trained)
        sizes = [end.trained for end in rows]
        style = {"marker": MARKERS[at], "color": COLOURS[at], "label": name}
        loss.plot(sizes, [end.loss for end in rows], **style)
        spread = [
            [end.accuracy.value - end.accuracy.low for end in rows],
            [end.accuracy.high - end.accuracy.value for end in rows],
        ]
        accuracy.errorbar(
            sizes, [end.accuracy.value for end in rows], yerr=spread, capsize=3, **style
        )
    loss.set_ylabel("loss on held-out traces, nats a token")
    loss.set_yscale("log")
    accuracy.set_ylabel("greedy accuracy, 95 % interval")
    for axes in (loss, accuracy):
        axes.set_xscale("log")
        axes.set_xlabel("weights trained")
        axes.grid(alpha=0.3)
    loss.legend(fontsize="small")
    return figure
