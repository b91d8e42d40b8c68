"""SearchTree: the nodes of one problem's search, in the order in which they were written.

A child is written after its parent, so its id is greater: every walk is a loop over ids, and no
depth is too great for it. A node knows its own step only; what stands before it is read off its
path when it is asked for.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import networkx as nx

from reasoning.core import Prompt, Trace
from search.tree.node import ROOT, Node


class SearchTree:
    """The nodes of one problem; `problem` is its id, `prompt` what the root stands for.

    `settled` is true when the search has ended, `chosen` the id of the node whose trace was chosen
    (-1: none). A tree that is being grown may be read from another thread.
    """

    def __init__(self, prompt: Prompt, problem: str = "") -> None:
        self.prompt, self.problem = prompt, problem
        self.nodes: list[Node] = [Node(ROOT)]
        self.states: dict[Hashable, int] = {}
        self.chosen = -1
        self.settled = False
        self.stopped_by = ""

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, node: int) -> Node:
        return self.nodes[node]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @property
    def root(self) -> Node:
        return self.nodes[ROOT]

    @property
    def depth(self) -> int:
        """The depth of the deepest node; the root has 0."""
        return max(node.depth for node in self.nodes)

    def add(self, parent: Node, text: str, **known: Any) -> Node:
        """A new child, the last of its parent's. `known` are further fields of Node."""
        node = Node(len(self.nodes), parent.id, parent.depth + 1, text, **known)
        before = 0 if node.whole else parent.total
        node.total = before + (node.tokens if node.source == "model" else 0)
        self.nodes.append(node)
        parent.children.append(node.id)
        return node

    def path(self, node: Node) -> list[Node]:
        """The nodes from the root's child (or the last whole trace) down to `node`."""
        found = []
        while node.id != ROOT:
            found.append(node)
            if node.whole:
                break
            node = self.nodes[node.parent]
        return found[::-1]

    def ancestors(self, node: Node) -> Iterator[Node]:
        """`node`, its parent, and so on up to the root."""
        yield node
        while node.id != ROOT:
            node = self.nodes[node.parent]
            yield node

    def children(self, node: Node) -> list[Node]:
        """The children in the order in which they were written."""
        return [self.nodes[child] for child in node.children]

    def texts(self, node: Node) -> list[str]:
        """The steps that lead to the node, its own last."""
        return [step.text for step in self.path(node)]

    def trace(self, node: Node) -> Trace:
        """The line of reasoning that ends with the node; it has an answer only if it is over."""
        steps = tuple(step.step for step in self.path(node))
        cut = node.closed if node.closed in ("length", "budget") else node.finish
        finish: Any = "eos" if node.over else cut or "boundary"
        return Trace(steps, finish, node.answer, score=node.score, seed=node.key)

    def prompt_at(self, node: Node) -> Prompt:
        """The prompt that the model continues at this node: exact token ids as long as every step
        has them (see `Prompt.extended`), the text otherwise."""
        path = self.path(node)
        if not path:
            return self.prompt
        prefix = self.prompt.prefix + "".join(step.text for step in path)
        if self.prompt.prefix and self.prompt.prefix_ids is None:
            return Prompt(self.prompt.messages, prefix)
        ids: list[int | str] = list(self.prompt.prefix_ids or ())
        for step in path:
            if step.source != "model" or step.finish == "stop":
                ids += [step.text] if step.text else []
            elif step.ids is None:
                return Prompt(self.prompt.messages, prefix)
            else:
                ids += step.ids
        return Prompt(self.prompt.messages, prefix, tuple(ids))

    def finished(self) -> list[Node]:
        """The nodes that end a trace with an answer, in the order in which they were written."""
        return [node for node in self.nodes if node.over and node.answer is not None]

    def leaves(self) -> list[Node]:
        """The nodes without children, the root left out."""
        return [node for node in self.nodes[1:] if not node.children]

    def useful(self) -> list[bool]:
        """For each node whether a finished trace runs through it."""
        flags = [node.over and node.answer is not None for node in self.nodes]
        for node in reversed(self.nodes):
            if flags[node.id] and node.parent >= 0:
                flags[node.parent] = True
        return flags

    def graph(self) -> nx.DiGraph:
        """The tree as a networkx graph: nodes by id with all fields of Node as attributes, edges
        from parent to child."""
        graph = nx.DiGraph(problem=self.problem, chosen=self.chosen, stopped_by=self.stopped_by)
        names = Node.__slots__
        for node in self.nodes:
            graph.add_node(node.id, **{name: getattr(node, name) for name in names if name != "id"})
        graph.add_edges_from((node.parent, node.id) for node in self.nodes[1:])
        return graph
