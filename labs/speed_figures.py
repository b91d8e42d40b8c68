"""Charts of lab 10: readings, proposals, and guesses beside measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from labs.figures import COLOURS, MARKERS
from labs.speed import Timing


def readings(times: Mapping[str, Mapping[int, float]]) -> Figure:
    """How many times longer a model takes to read n tokens than to read one."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for at, (name, seconds) in enumerate(times.items()):
        one = seconds[min(seconds)]
        axes.plot(
            list(seconds), [value / one for value in seconds.values()],
            marker=MARKERS[at], color=COLOURS[at], label=name,
        )  # fmt: skip
    most = max(max(seconds) for seconds in times.values())
    axes.plot([1, most], [1, most], linestyle=":", color="#999999", label="n times one token")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.set_xlabel("tokens read in one pass")
    axes.set_ylabel("time, in times of one token")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def shares(columns: Mapping[str, Sequence[float]], tokens: Sequence[str]) -> Figure:
    """Distributions over a few tokens side by side."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    wide = 0.8 / len(columns)
    for at, (name, values) in enumerate(columns.items()):
        places = [x + (at - (len(columns) - 1) / 2) * wide for x in range(len(tokens))]
        axes.bar(places, list(values), wide, label=name, color=COLOURS[at])
    axes.set_xticks(range(len(tokens)), tokens)
    axes.set_ylabel("share")
    axes.legend(fontsize="small")
    return figure


def gained(
    formula: Mapping[float, Mapping[int, float]], measured: Mapping[str, Mapping[int, float]]
) -> Figure:
    """Tokens that a reading brings, by the number of proposals: lines of the formula for some
    acceptance rates, points as measured for each draft."""
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axes = figure.subplots()
    for rate, values in formula.items():
        axes.plot(list(values), list(values.values()), color="#bbbbbb", linewidth=1)
        last = max(values)
        axes.annotate(
            f"a = {rate:g}", (last, values[last]), (4, 0), textcoords="offset points",
            fontsize="x-small", color="#777777", va="center", annotation_clip=False,
        )  # fmt: skip
    for at, (name, values) in enumerate(measured.items()):
        axes.plot(
            list(values), list(values.values()), MARKERS[at] + "-", color=COLOURS[at], label=name
        )
    axes.margins(x=0.1)  # room for the names of the lines
    axes.set_xlabel("proposed tokens k")
    axes.set_ylabel("tokens a reading")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def guessed(timings: Sequence[Timing], guesses: Mapping[str, float]) -> Figure:
    """How many times faster each arm was, least to most over the rounds, beside a guess (◇)."""
    shown = list(reversed(timings))
    figure = Figure(figsize=(7, 0.9 + 0.42 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for at, timing in enumerate(shown):
        ratio = timing.wall
        axes.barh(at, ratio.value, color=COLOURS[0], alpha=0.6)
        axes.plot([ratio.low, ratio.high], [at, at], color="#000000", linewidth=1.5)
        if timing.arm in guesses:
            axes.plot([guesses[timing.arm]], [at], "D", color=COLOURS[1], markerfacecolor="none")
    axes.axvline(1.0, color="#000000", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [timing.arm for timing in shown])
    axes.set_xlabel(f"times the tokens a second of {timings[0].arm} (◇ your guess)")
    return figure
