"""TraceTree: a search tree as plain data, kept with collected traces and on disk (JSONL).

It knows no search: whatever has `prompt` and `nodes` with the fields of Branch can be taken over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from reasoning.core import Message, Source
from reasoning.data.lines import read_lines, save_lines


@dataclass(frozen=True)
class Branch:
    """One step of a tree; the first one stands for the prompt and has no text.

    `parent` is its index (-1: none), always smaller than its own. `finish` is why the step ended,
    `over` says that the trace ends with it, `closed` why nothing follows. `score` is the scorer's,
    `visits` and `value` (a sum) what the search backed up. `same_as` is the earlier step of an
    equal state (-1: none). The text of a `whole` step does not follow its parent's.
    """

    parent: int = -1
    text: str = ""
    tokens: int = 0
    finish: str = ""
    over: bool = False
    closed: str = ""
    answer: str | None = None
    score: float | None = None
    visits: int = 0
    value: float = 0.0
    logprob: float | None = None
    source: Source = "model"
    same_as: int = -1
    whole: bool = False
    key: str = ""


NAMES = tuple(field.name for field in fields(Branch))


@dataclass(frozen=True)
class TraceTree:
    """The tree of one problem, with what its rows and pairs have to say of their origin."""

    task: str
    problem: Mapping[str, Any]
    messages: tuple[Message, ...]
    nodes: tuple[Branch, ...]
    prefix: str = ""
    dialect: Literal["compact", "plain"] = "compact"
    seed: int = 0
    teacher: Mapping[str, Any] = field(default_factory=dict)
    chosen: int = -1

    def __len__(self) -> int:
        return len(self.nodes)

    def asked(self) -> Problem:
        """The question as a Problem."""
        return Problem(**self.problem)

    def path(self, node: int) -> list[int]:
        """The nodes from the root's child (or the last whole trace) down to this one."""
        found = []
        while node > 0:
            found.append(node)
            node = 0 if self.nodes[node].whole else self.nodes[node].parent
        return found[::-1]

    def text(self, node: int) -> str:
        """What stands after the prompt where the node ends."""
        return "".join(self.nodes[at].text for at in self.path(node))

    def children(self) -> list[list[int]]:
        """For each node its children, in order."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for at, node in enumerate(self.nodes[1:], 1):
            found[node.parent].append(at)
        return found

    def ends(self) -> list[int]:
        """The nodes that end a trace, finished or cut by a length or the budget."""
        cut = ("length", "budget")
        return [i for i, n in enumerate(self.nodes) if i and (n.over or n.closed in cut)]

    def to_json(self) -> dict[str, Any]:
        """JSON values; `from_json` reads them. Values equal to the default are left out at the end
        of a node's row."""
        return {
            **vars(self), "messages": [vars(m) for m in self.messages],
            "nodes": [_row(node) for node in self.nodes],
        }  # fmt: skip

    @staticmethod
    def from_json(row: Mapping[str, Any]) -> TraceTree:
        """A tree from its JSON values. Raises BadInput for values that are none."""
        try:
            nodes = tuple(Branch(**dict(zip(NAMES, n, strict=False))) for n in row["nodes"])
            messages = tuple(Message(**m) for m in row["messages"])
            made = TraceTree(**{**row, "nodes": nodes, "messages": messages})
            if not nodes or any(not 0 <= n.parent < at for at, n in enumerate(nodes) if at):
                raise ValueError("a step stands before its parent")
            return made
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise BadInput(f"this is no tree of traces ({error})") from error


def taken(
    tree: Any, *, task: str, question: Mapping[str, Any], dialect: Literal["compact", "plain"],
    seed: int, teacher: Mapping[str, Any],
) -> TraceTree | None:  # fmt: skip
    """A strategy's search tree (`Solution.tree`) as data; None where it is no tree of steps."""
    prompt, nodes = getattr(tree, "prompt", None), getattr(tree, "nodes", None)
    if prompt is None or not isinstance(nodes, Sequence):
        return None
    ids = {getattr(node, "id", at): at for at, node in enumerate(nodes)}
    made = []
    for node in nodes:
        known = {name: getattr(node, name) for name in NAMES if hasattr(node, name)}
        known["parent"] = ids.get(known.get("parent", -1), -1)
        known["same_as"] = ids.get(known.get("same_as", -1), -1)
        for name in ("score", "value", "logprob"):
            known[name] = _finite(known.get(name), 0.0 if name == "value" else None)
        made.append(Branch(**known))
    return TraceTree(
        task, question, prompt.messages, tuple(made), prompt.prefix, dialect, seed, dict(teacher),
        ids.get(getattr(tree, "chosen", -1), -1),
    )  # fmt: skip


def save(trees: Sequence[TraceTree], path: Path) -> None:
    """One tree a line; the file is there when it is whole."""
    save_lines((t.to_json() for t in trees), path)


def read(path: Path) -> list[TraceTree]:
    """What `save` wrote. Raises BadInput naming the line that cannot be read."""
    return read_lines(path, TraceTree.from_json)


_PLAIN = [getattr(Branch(), name) for name in NAMES]


def _row(node: Branch) -> list[Any]:
    values = [getattr(node, name) for name in NAMES]
    last = len(values)
    while last and values[last - 1] == _PLAIN[last - 1]:
        last -= 1
    return values[:last]


def _finite(number: Any, otherwise: float | None) -> float | None:
    """JSON has no name for what is infinite or no number."""
    if number is None or not float("-inf") < float(number) < float("inf"):
        return otherwise
    return float(number)
