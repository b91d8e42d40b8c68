"""A search tree as rows, and the JSONL file of them: one line of head, then one line a node.

A row holds what cannot be read off the others: `id`, `depth`, `total` and `children` follow from
the parents. Values equal to the field's default are left out at the row's end, so that a row is as
long as what there is to say. The same rows go into a run's log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from reasoning.core import Message, Prompt
from reasoning.describe import describe
from search.tree.node import Node
from search.tree.tree import SearchTree

VERSION = 1

_DERIVED = ("id", "depth", "total", "children")
_FIRST = ("parent", "text", "tokens", "finish", "score", "key", "closed", "draws", "state")
_FLOATS = ("score", "logprob", "value")
_DEFAULTS: dict[str, Any] = {
    f.name: f.default_factory() if f.default_factory is not MISSING else f.default
    for f in fields(Node)
    if f.name not in _DERIVED
} | {"state": None}

COLUMNS = (*_FIRST, *(name for name in _DEFAULTS if name not in _FIRST))
"""What a row holds, in this order: the fields of Node that are not derived, and `state`, the text
of the state that the node was the first to reach."""


def save_tree(tree: SearchTree, path: str | Path) -> Path:
    """Write the tree into a file; its ending says how: .jsonl (which `load_tree` reads), .graphml
    (networkx, yEd, Gephi), .html (a page to look at, offline), .eval (Inspect's log viewer; needs
    the extra `inspect`). Returns the path. Raises BadInput for any other ending."""
    file = Path(path)
    writers: dict[str, Callable[[SearchTree], bytes]] = {
        ".jsonl": to_jsonl, ".graphml": _graphml, ".html": _html,
    }  # fmt: skip
    if file.suffix == ".eval":
        from search.tree.inspect_log import write_eval

        write_eval([tree], file)
    elif file.suffix in writers:
        replace(file, writers[file.suffix](tree))
    else:
        known = ", ".join([*writers, ".eval"])
        raise BadInput(f"cannot tell how to save {file.name!r}: let its name end in {known}")
    return file


def load_tree(path: str | Path) -> SearchTree:
    """The tree of a .jsonl file. A last line that was only half written is left out. Raises
    BadInput for a file that holds no tree."""
    file = Path(path)
    if file.suffix != ".jsonl":
        raise BadInput(f"trees are loaded from .jsonl files, not from {file.name!r}")
    try:
        *lines, _ = file.read_bytes().split(b"\n")  # not at U+2028, which stands in texts
    except OSError as error:
        raise BadInput(f"cannot read {file}: {error.strerror}") from error
    try:
        head, *rows = (json.loads(line.decode("utf-8", "surrogatepass")) for line in lines)
        return from_rows(head, rows)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"{file} holds no tree ({error}): write one with save_tree") from error


def to_jsonl(tree: SearchTree) -> bytes:
    """The file's content."""
    head, rows = to_rows(tree)
    return b"".join(_line(value) for value in (head, *rows))


def to_rows(
    tree: SearchTree, leave_out: Iterable[str] = ()
) -> tuple[dict[str, Any], list[list[Any]]]:
    """Head and rows of a tree, as JSON values; `leave_out` names columns to go without. Infinite
    scores are texts ("-inf"), for JSON has no name for them."""
    without = set(leave_out)
    columns = [name for name in COLUMNS if name not in without]
    nodes = list(tree.nodes)  # one that is being grown goes on growing
    states = {node: _state(state) for state, node in list(tree.states.items())}
    head = {
        "kind": "tree", "version": VERSION, "problem": tree.problem, "nodes": len(nodes),
        "chosen": tree.chosen, "settled": tree.settled, "stopped_by": tree.stopped_by,
        "prompt": _prompt_row(tree.prompt), "columns": columns,
    }  # fmt: skip
    return head, [_row(node, columns, states.get(node.id)) for node in nodes]


def from_rows(head: Mapping[str, Any], rows: Iterable[Sequence[Any]]) -> SearchTree:
    """The tree of these rows; a column that is missing has its default everywhere. The keys of its
    `states` are texts. Where rows are missing at the end the tree is not settled, and a choice
    that is among them is forgotten. Raises BadInput for another version's columns."""
    columns = list(head["columns"])
    if head.get("version") != VERSION or not set(columns) <= set(COLUMNS):
        odd = sorted(set(columns) - set(COLUMNS)) or [f"version {head.get('version')}"]
        raise BadInput(f"a tree of another version (it has {', '.join(odd)}): use that version")
    prompt = head["prompt"]
    messages = tuple(Message(*pair) for pair in prompt["messages"])
    ids = prompt["prefix_ids"]
    tree = SearchTree(
        Prompt(messages, prompt["prefix"], None if ids is None else tuple(ids)), head["problem"]
    )
    for at, row in enumerate(rows):
        known = dict(zip(columns, row, strict=False))
        state, parent = known.pop("state", None), known.pop("parent", -1)
        for name in _FLOATS:
            if known.get(name) is not None:
                known[name] = float(known[name])
        if known.get("ids") is not None:
            known["ids"] = tuple(known["ids"])
        if at == 0:
            for name, value in known.items():
                setattr(tree.root, name, value)
        elif not 0 <= parent < at:
            raise ValueError(f"node {at} has the parent {parent}")
        else:
            tree.add(tree[parent], known.pop("text", ""), **known)
        if state is not None:
            tree.states.setdefault(state, at)
    whole = len(tree) == head["nodes"]
    tree.chosen = head["chosen"] if head["chosen"] < len(tree) else -1
    tree.settled, tree.stopped_by = head["settled"] and whole, head["stopped_by"]
    return tree


def replace(path: Path, content: bytes) -> None:
    """Write a whole file or nothing. Raises BadInput where it cannot be written."""
    draft = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}; name another file") from error


# -- inside ---------------------------------------------------------------------------------


def _row(node: Node, columns: Sequence[str], state: str | None) -> list[Any]:
    values = [state if name == "state" else getattr(node, name) for name in columns]
    last = len(values)
    while last and values[last - 1] == _DEFAULTS[columns[last - 1]]:
        last -= 1
    return [_plain(name, value) for name, value in zip(columns, values[:last], strict=False)]


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _FLOATS:
        number = float(value)
        return number if abs(number) < float("inf") else str(number)
    return describe(value) if name == "note" else value


def _state(key: Any, between: str = ", ") -> str:
    """A state as text: `((10, 23), 31)` is "10 23, 31"."""
    if isinstance(key, (tuple, list)):
        return between.join(_state(part, " ") for part in key)
    return str(key)


def _prompt_row(prompt: Prompt) -> dict[str, Any]:
    return {
        "messages": [[m.role, m.content] for m in prompt.messages],
        "prefix": prompt.prefix, "prefix_ids": prompt.prefix_ids,
    }  # fmt: skip


def _line(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _graphml(tree: SearchTree) -> bytes:
    from search.tree.graphml import to_graphml

    return to_graphml(tree)


def _html(tree: SearchTree) -> bytes:
    from search.tree.html import to_html

    return to_html(tree).encode("utf-8", "backslashreplace")
