"""The lineage of an evolution as a drawing to click in: each program with its source, what changed
from its parent, and its scores.

The layout is made in Python, the drawing by the ES module beside this file, which works offline.
Where a notebook is opened again without its kernel, a picture stands in its place.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets as ipw
import traitlets

from labs.ancestry import (
    SHOW,
    chosen,
    layout,
    parents_of,
    ranked,
    title_of,
    told,
    trunk,
    verdict_of,
)
from labs.diff import difference
from labs.widgets.style import LINEAGE

if TYPE_CHECKING:
    import networkx as nx

    from search.plot import Chart

RAMP = ((230, 170, 0), (52, 160, 120), (0, 114, 178))
"""Colours of the worst, the middle and the best score: seen on light and on dark ground."""


class Drawing(anywidget.AnyWidget):
    """The drawing itself; `Lineage` fills it."""

    _esm = Path(__file__).with_suffix(".js")
    _css = LINEAGE
    scene = traitlets.Dict().tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    path = traitlets.List().tag(sync=True)
    detail = traitlets.Dict().tag(sync=True)


class Lineage:
    """The explorer of a run, or of a graph with the same attributes. A cell displays it.

    `limit` is how many programs are drawn at most. While a run goes on, **update** reads it again.
    """

    def __init__(self, run: Any, limit: int = 400) -> None:
        self._run, self.limit = run, limit
        self.drawing = Drawing()
        self.show = ipw.Dropdown(options=SHOW, description="show")
        self.by = ipw.Dropdown(options=["score", "island"], description="height")
        self.update = ipw.Button(description="update", icon="refresh",
                                 tooltip="Read the run again")  # fmt: skip
        self.show.observe(lambda _: self._draw(), names="value")
        self.by.observe(lambda _: self._draw(), names="value")
        self.update.on_click(lambda _: self.refresh())
        self.drawing.observe(lambda change: self._tell(change["new"]), names="selected")
        self.widget = ipw.VBox([ipw.HBox([self.show, self.by, self.update]), self.drawing])
        self.refresh()

    def refresh(self) -> None:
        """Read the run again and draw it; what was chosen stays chosen."""
        self.graph: nx.DiGraph = self._run.lineage() if hasattr(self._run, "lineage") else self._run
        self._draw()
        if self.drawing.selected in self.graph:
            self._tell(self.drawing.selected)
        elif (best := self.best) is not None:
            self.drawing.selected = best

    @property
    def best(self) -> int | None:
        """The number of the best program; None where none has a score."""
        best = self.graph.graph.get("best")
        return best if best in self.graph else next(iter(ranked(self.graph)), None)

    def _draw(self) -> None:
        self._shown = chosen(self.graph, self.show.value or SHOW[0], self.limit)
        self.drawing.scene = scene(self.graph, self._shown, self.by.value or "score", self.best)

    def _tell(self, k: int) -> None:
        if k in self.graph:
            self.drawing.path = trunk(self.graph, k)
            self.drawing.detail = detail(self.graph, k, best=k == self.best)

    def picture(self) -> Chart:
        """What is drawn, as a still figure."""
        return portrait(self.graph, self._shown, self.by.value or "score", self.best)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        from search.evolve.chart import folded

        said = f"lineage: {told(self.graph, self._shown)}"
        display({**(self.widget._repr_mimebundle_() or {}), "text/plain": said}, raw=True)
        display({"text/html": folded(self.picture(), said), "text/plain": ""}, raw=True)

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(self.widget._repr_mimebundle_() or {})
        bundle["image/png"] = b64encode(self.picture()._repr_png_()).decode()
        bundle["text/plain"] = f"lineage: {told(self.graph, self._shown)}"
        return bundle


def colours(graph: nx.DiGraph, shown: list[int]) -> dict[int, str]:
    """A colour for each program with a score, by the rank of its score; bluest is best."""
    among, found = set(shown), {}
    order = [k for k in reversed(ranked(graph)) if k in among]
    levels = list(dict.fromkeys(graph.nodes[k]["score"] for k in order))
    rank = {score: i / max(len(levels) - 1, 1) for i, score in enumerate(levels)}
    for k in order:
        place = rank[graph.nodes[k]["score"]] * (len(RAMP) - 1)
        low = min(int(place), len(RAMP) - 2)
        mixed = (
            round(a + (b - a) * (place - low))
            for a, b in zip(RAMP[low], RAMP[low + 1], strict=True)
        )
        found[k] = "#" + "".join(f"{part:02x}" for part in mixed)
    return found


def scene(graph: nx.DiGraph, shown: list[int], by: str, best: int | None) -> dict[str, Any]:
    """What the ES module draws: plain data."""
    places, fills = layout(graph, shown, by), colours(graph, shown)
    nodes = []
    for k in shown:
        data = graph.nodes[k]
        idle = verdict_of(data) in ("duplicate", "ended early")
        nodes.append(
            {
                "k": k, "x": places[k].x, "y": places[k].y, "colour": fills.get(k, ""),
                "kind": "scored" if k in fills else "idle" if idle else "failed",
                "score": data.get("score"), "title": title_of(data, k),
                "parents": list(parents_of(graph, k)),
            }
        )  # fmt: skip
    note = f"{told(graph, shown)}. Click a program, or walk with the arrow keys."
    said = f"lineage of {graph.graph.get('problem', 'an evolution')}: {told(graph, shown)}"
    x, y = axes(graph, shown, by)
    return {"nodes": nodes, "best": best, "note": note, "said": said, "xticks": x, "yticks": y}


def axes(graph: nx.DiGraph, shown: list[int], by: str) -> tuple[list, list]:
    """Marks of both axes as (place 0..1, text)."""
    places = layout(graph, shown, by)
    step = max(1, (len(shown) - 1) // 8)
    x = [(places[k].x, f"{k:,}") for k in shown[::step]]
    if by == "island":
        lanes: dict[int, list[float]] = {}
        for k in shown:
            lanes.setdefault(graph.nodes[k].get("island", 0), []).append(places[k].y)
        count = len(lanes)
        return x, [
            (1 - (i + 0.5) / count, f"island {lane}") for i, lane in enumerate(sorted(lanes))
        ]
    levels = {graph.nodes[k]["score"]: places[k].y for k in shown
              if graph.nodes[k].get("score") is not None}  # fmt: skip
    rows = sorted(levels.items(), key=lambda pair: pair[1])
    step = max(1, (len(rows) - 1) // 6)
    y = [(place, f"{score:.4g}") for score, place in rows[::-1][::step]]
    if len(levels) and any(graph.nodes[k].get("score") is None for k in shown):
        y.append((0.0, "no score"))
    return x, y


def detail(graph: nx.DiGraph, k: int, best: bool = False) -> dict[str, Any]:
    """Everything the panel tells of a program: plain data, no markup."""
    data = graph.nodes[k]
    parents = parents_of(graph, k)
    facts = [("verdict", verdict_of(data))]
    for name, label in (("score", "training"), ("validation", "validation"),
                        ("held_out", "held out")):  # fmt: skip
        if data.get(name) is not None:
            facts.append((label, f"{data[name]:.5g}"))
    facts += [("island", str(data.get("island", 0))), ("made by", data.get("origin") or "start")]
    source = data.get("source")
    diffs = []
    for parent in parents:
        old = graph.nodes[parent].get("source")
        if old is not None and source is not None:
            diffs.append({"parent": parent, "rows": difference(old, source)})
    texts = [("what the model was asked", data.get("prompt")),
             ("what it answered", data.get("response"))]  # fmt: skip
    scores, against = _scores(graph, k, parents[:1])
    return {
        "k": k, "title": f"Program {k}" + (" · the best" if best else ""), "facts": facts,
        "parents": list(parents), "children": sorted(graph.successors(k))[:40],
        "reason": _reason(data), "source": source, "diffs": diffs, "scores": scores,
        "against": against, "texts": [(name, text) for name, text in texts if text],
    }  # fmt: skip


def _reason(data: dict[str, Any]) -> str:
    reason = data.get("reason") or ""
    if data.get("duplicate_of") is not None:
        same = f"the same as program {data['duplicate_of']}"
        reason = f"{same}: {reason}" if reason else same
    line = data.get("line")
    return f"{reason} (line {line})" if reason and line else reason


def _scores(graph: nx.DiGraph, k: int, parent: tuple[int, ...]) -> tuple[list[list[str]], str]:
    own = graph.nodes[k].get("scores") or ()
    names = graph.graph.get("instances") or ()
    theirs = graph.nodes[parent[0]].get("scores") or () if parent else ()
    rows = []
    for i, score in enumerate(own):
        row = [names[i] if i < len(names) else str(i), f"{score:.5g}"]
        rows.append([*row, f"{theirs[i]:.5g}" if i < len(theirs) else "–"] if theirs else row)
    return rows, f"parent {parent[0]}" if theirs else ""


def portrait(graph: nx.DiGraph, shown: list[int], by: str, best: int | None) -> Chart:
    """The drawing as a still figure, with the best program's line of first parents lit."""
    from matplotlib.collections import LineCollection

    from search.plot import Chart

    places, fills = layout(graph, shown, by), colours(graph, shown)
    figure = Chart(figsize=(8.6, 3.8), layout="constrained")
    area = figure.subplots()
    line = trunk(graph, best) if best is not None else []
    lit = set(zip(line[1:], line, strict=False))
    pairs = [(p, k) for k in shown for p in parents_of(graph, k) if p in places]
    for wanted, colour, width in ((False, "0.8", 0.5), (True, "#d55e00", 1.8)):
        ends = [[(places[p].x, places[p].y), (places[k].x, places[k].y)]
                for p, k in pairs if ((p, k) in lit) == wanted]  # fmt: skip
        area.add_collection(LineCollection(ends, colors=colour, linewidths=width))
    area.scatter(
        [places[k].x for k in shown], [places[k].y for k in shown],
        s=[70 if k == best else 22 for k in shown], c=[fills.get(k, "none") for k in shown],
        edgecolors=["0.3" if k in fills else "#d55e00" for k in shown], linewidths=0.6, zorder=3,
    )  # fmt: skip
    x, y = axes(graph, shown, by)
    area.set_xticks([place for place, _ in x], [text for _, text in x])
    area.set_yticks([place for place, _ in y], [text for _, text in y])
    area.set_xlabel("number of the program")
    area.set_title(told(graph, shown), fontsize="small")
    return figure
