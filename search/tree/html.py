"""A search tree as one HTML file to look at: no network, no kernel, nothing but a browser.

The drawing is the one that notebooks show (`page/`): a click on a node tells its text, state,
scores, tokens and why it ended, and lights its path to the root; a slider replays the search. Of a
very large tree parts are folded, to be opened by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from search.tree.save import to_rows
from search.tree.tree import SearchTree

_PAGE = Path(__file__).with_name("page")


@cache
def drawing() -> str:
    """The source of the ES module that draws a `scene`, for anywidget or for a page."""
    return "\n".join((_PAGE / name).read_text("utf-8") for name in ("panel.js", "drawing.js"))


@cache
def style() -> str:
    """The style sheet of the drawing."""
    return (_PAGE / "style.css").read_text("utf-8")


def scene(
    tree: SearchTree, *, title: str = "", note: str = "", states: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """What the module draws, as JSON values: the rows of the tree, and beside them its question, a
    title, a note below the drawing, and texts of states by node where they are better known than
    from the tree."""
    head, rows = to_rows(tree, leave_out=("ids", "key"))
    asked = "\n\n".join(message.content for message in tree.prompt.messages)
    return {
        **{name: head[name] for name in ("problem", "chosen", "settled", "stopped_by", "columns")},
        "rows": rows, "question": asked + tree.prompt.prefix, "title": title,
        "note": note or told(tree),
        "states": {str(node): text for node, text in (states or {}).items()},
    }  # fmt: skip


def told(tree: SearchTree) -> str:
    """One line on the tree: its size, how it ended, what it answered."""
    nodes = list(tree.nodes)
    tokens = sum(node.tokens for node in nodes if node.source == "model")
    ends = sum(node.over and node.answer is not None for node in nodes)
    said = f"{len(nodes):,} nodes, {max(node.depth for node in nodes):,} deep, {tokens:,} tokens,"
    said += f" {ends:,} finished"
    if tree.settled:
        answer = tree[tree.chosen].answer if tree.chosen >= 0 else None
        said += f" · stopped by {tree.stopped_by} · "
        said += "no answer" if answer is None else f"answer {answer}"
    return said


def to_html(tree: SearchTree, *, title: str = "", states: Mapping[int, str] | None = None) -> str:
    """The page. `states` are texts of states by node, as for `scene`."""
    name = title or f"search tree of {tree.problem}".strip()
    data = json.dumps(scene(tree, title=name, states=states), separators=(",", ":"))
    data = data.replace("<", "\\u003c")  # no text can end the element that holds it
    return _TEMPLATE.format(
        title=escape(name),
        style=style(),
        data=data,
        module=drawing().replace("export default", "const explorer ="),
    )


_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 16px 20px; font: 13px/1.5 system-ui, sans-serif; }}
{style}
.rl-tree .rl-drawing {{ max-height: 62vh; }}
</style></head><body><div id="tree"></div>
<script type="application/json" id="data">{data}</script>
<script type="module">
{module}
const values = {{ scene: JSON.parse(document.getElementById("data").textContent), selected: -1 }};
const heard = {{}};
const model = {{
  get: (name) => values[name],
  set(name, value) {{
    const changed = values[name] !== value;
    values[name] = value;
    if (changed) for (const act of heard[`change:${{name}}`] ?? []) act();
  }},
  save_changes() {{}},
  on(name, act) {{ (heard[name] ??= []).push(act); }},
  off() {{}},
}};
explorer.render({{ model, el: document.getElementById("tree") }});
</script></body></html>
"""
