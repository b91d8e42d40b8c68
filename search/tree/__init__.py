"""The tree of one problem's search: nodes, growth, choice, and the files it is saved to."""

from search.tree.node import Node
from search.tree.tree import SearchTree

__all__ = ["Node", "SearchTree"]
