"""How likely one more child of a node would be a new one.

A model that is sure of its next step writes it again and again; what is drawn there is paid for and
says nothing. The end of a trace is the plainest case.
"""

from __future__ import annotations

from collections import Counter
from math import exp

from search.tree.node import ROOT, Node
from search.tree.tree import SearchTree

STALE = 0.1
"""Below this a node is not worth another child for its own sake."""


def novelty(tree: SearchTree, node: Node) -> float:
    """The probability, 0..1, that the next child's text is none of the children's so far.

    What the model said of the different children is left off from 1, where it reports
    log-probabilities (taken at temperature 1). Else the share of children seen once, with one
    unseen added, stands for the unseen mass (Good 1953, equation 9). 1 before the first child.
    """
    children = [child for child in tree.children(node) if child.key]
    if not children:
        return 1.0
    known = {child.text: child.logprob for child in children}
    if None not in known.values():
        return max(0.0, 1.0 - sum(exp(logprob or 0.0) for logprob in known.values()))
    once = sum(count == 1 for count in Counter(child.text for child in children).values())
    return (once + 1) / (len(children) + 1)


def close_exhausted(tree: SearchTree, first: int = 1) -> None:
    """Close nodes below which nothing new is left as "exhausted": the model is sure of their next
    step, and what follows it has ended. `first` is the first node that was not there before."""
    for end in reversed(tree.nodes[first:]):
        node = end
        while node.id != ROOT and (node.closed or _drained(tree, node)):
            node.closed = node.closed or "exhausted"
            node = tree[node.parent]


def _drained(tree: SearchTree, node: Node) -> bool:
    if not node.children or novelty(tree, node) >= STALE:
        return False
    return all(_ended(tree, child) for child in tree.children(node))


def _ended(tree: SearchTree, node: Node) -> bool:
    """Whether nothing will follow the node or the equal state it stands for."""
    closed = tree[node.same_as].closed if node.same_as >= 0 else node.closed
    return closed not in ("", "pruned", "equal state")
