"""Which programs of an evolution to draw, and where: selection and layout of its lineage."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx as nx

SHOW = ("the best and their ancestors", "ancestors of the best", "the last", "those that failed")
"""What can be shown: see `chosen`."""


@dataclass(frozen=True)
class Place:
    """A program's place in the drawing, both coordinates 0..1 (y = 1: the best score)."""

    x: float
    y: float


def parents_of(graph: nx.DiGraph, k: int) -> tuple[int, ...]:
    """The parents that the graph holds, the main one first."""
    return tuple(p for p in graph.nodes[k].get("parents", ()) if p in graph)


def trunk(graph: nx.DiGraph, k: int) -> list[int]:
    """From program `k` along first parents to the start: k, its parent, …"""
    path, seen = [k], {k}
    while found := parents_of(graph, path[-1]):
        if found[0] in seen:
            break
        path.append(found[0])
        seen.add(found[0])
    return path


def ancestors(graph: nx.DiGraph, roots: Iterable[int], limit: int) -> list[int]:
    """`roots` and their ancestors by distance, nearest first; at most `limit`."""
    waiting, found = deque(roots), dict[int, None]()
    while waiting and len(found) < limit:
        k = waiting.popleft()
        if k not in found:
            found[k] = None
            waiting.extend(parents_of(graph, k))
    return list(found)


def ranked(graph: nx.DiGraph) -> list[int]:
    """The programs that have a score, the best first; of equals the earlier."""
    sign = -1.0 if graph.graph["direction"] == "maximise" else 1.0
    scored = [(sign * data["score"], k) for k, data in graph.nodes(data=True)
              if data.get("score") is not None]  # fmt: skip
    return [k for _, k in sorted(scored)]


def chosen(graph: nx.DiGraph, what: str = SHOW[0], limit: int = 400) -> list[int]:
    """At most `limit` programs, by number. The best one's line of first parents is always among
    them; then, by `what`: the best programs (of those that behave alike the first) and their
    ancestors, nearest first; the ancestors of the best alone; the last ones; or the last ones
    without a score, each with its parents."""
    order = ranked(graph)
    best = graph.graph.get("best")
    roots = [int(best)] if best is not None and best in graph else order[:1]
    kept = dict.fromkeys(trunk(graph, roots[0])[:limit] if roots else [])
    if what == SHOW[0]:
        unlike = [k for k in order if graph.nodes[k].get("duplicate_of") is None]
        more: Iterable[int] = ancestors(graph, unlike[: limit // 2], limit)
    elif what == SHOW[1]:
        more = ancestors(graph, roots, limit)
    elif what == SHOW[2]:
        more = sorted(graph, reverse=True)[:limit]
    else:
        failed = [k for k in sorted(graph, reverse=True) if graph.nodes[k].get("score") is None]
        more = [each for k in failed[:limit] for each in (k, *parents_of(graph, k))]
    for k in more:
        if len(kept) >= limit:
            break
        kept.setdefault(k)
    return sorted(kept)


def layout(graph: nx.DiGraph, shown: Sequence[int], by: str = "score") -> dict[int, Place]:
    """Left to right in the order of their numbers; up by the rank of the score among those shown
    (`by="score"`; programs without one lie at the bottom), or, `by="island"`, in a lane for each
    island with the better ones higher in it."""
    scores = {k: graph.nodes[k].get("score") for k in shown}
    sign = 1.0 if graph.graph["direction"] == "maximise" else -1.0
    levels = sorted({sign * s for s in scores.values() if s is not None})
    height = {level: (i + 1) / len(levels) for i, level in enumerate(levels)}
    islands = sorted({graph.nodes[k].get("island", 0) for k in shown})
    last = max(len(shown) - 1, 1)
    places = {}
    for i, k in enumerate(sorted(shown)):
        score = scores[k]
        y = 0.0 if score is None else height[sign * score]
        if by == "island":
            lane = islands.index(graph.nodes[k].get("island", 0))
            y = 1 - (lane + 0.9 - 0.8 * y) / len(islands)
        places[k] = Place(i / last, y)
    return places


def told(graph: nx.DiGraph, shown: Sequence[int]) -> str:
    """What is shown and what is left out, in one sentence."""
    among = set(shown)
    left = [data for k, data in graph.nodes(data=True) if k not in among]
    if not left:
        return f"all {len(graph):,} programs"
    failed = sum(data.get("score") is None for data in left)
    return (
        f"{len(shown):,} of {len(graph):,} programs; left out: {len(left) - failed:,} with a score,"
        f" {failed:,} without"
    )


def verdict_of(data: dict[str, Any]) -> str:
    """A program's verdict; `ended early` where it was scored on some instances only."""
    verdict = data.get("verdict") or "not evaluated"
    return "ended early" if verdict == "ok" and data.get("score") is None else verdict


def title_of(data: dict[str, Any], k: int) -> str:
    """A program in a few words: `program 12, score 3.98, crossover of 7 and 9`."""
    score = data.get("score")
    worth = verdict_of(data)
    if score is not None:
        worth = f"score {score:.5g}"
    parents = " and ".join(map(str, data.get("parents", ())))
    origin = data.get("origin") or ("the start" if k == 0 else "made")
    return f"program {k}, {worth}, {origin}" + (f" of {parents}" if parents else "")
