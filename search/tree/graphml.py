"""A search tree as GraphML, for networkx, yEd or Gephi."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import networkx as nx

from reasoning.describe import describe
from search.tree.tree import SearchTree

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML cannot hold."""


def to_graphml(tree: SearchTree) -> bytes:
    """The file's content: nodes by id with the fields of Node as plain attributes (token ids as
    text, `note` as JSON; what is None is left out), edges from parent to child. A character that
    XML cannot hold is written as its escape (`\\u0000`)."""
    graph = nx.DiGraph(
        problem=_fit(tree.problem), prompt=_fit(_question(tree)), chosen=tree.chosen,
        settled=tree.settled, stopped_by=_fit(tree.stopped_by),
    )  # fmt: skip
    for key, data in tree.graph().nodes(data=True):
        kept = {name: value for name, value in data.items() if name != "children"}
        graph.add_node(key, **{n: _plain(n, v) for n, v in kept.items() if v is not None})
        if key:
            graph.add_edge(data["parent"], key)
    raw = io.BytesIO()
    nx.write_graphml(graph, raw)
    return raw.getvalue()


def _plain(name: str, value: Any) -> str | int | float | bool:
    if name in ("score", "logprob", "value"):
        return float(value)
    if name == "ids":
        return " ".join(map(str, value))
    if name == "note":
        return _fit(json.dumps(describe(value), ensure_ascii=False))
    return _fit(value) if isinstance(value, str) else value


def _question(tree: SearchTree) -> str:
    return "\n".join(message.content for message in tree.prompt.messages) + tree.prompt.prefix


def _fit(text: str) -> str:
    return _UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
