"""Search trees that grow before your eyes: live while the search runs, to click in, to replay.

Nothing blocks the cell: a daemon thread looks at the trees, which may be read while they grow, and
sends what is new at most four times a second, a large tree less often. The drawing is the ES module
of `search/tree/page`, which works offline and without a kernel. When the search has ended, a still
picture is stored in the notebook.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets as ipw
import traitlets

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from labs.explore import Exploration, Search, explore
from labs.tree_figure import draw_trees
from labs.widgets.style import ERROR
from reasoning.core import LanguageModel, Strategy
from reasoning.ledger import Budget
from reasoning.verify import verdict_of
from search.tree.html import drawing, scene, style, told
from search.tree.node import Node
from search.tree.tree import SearchTree

if TYPE_CHECKING:
    from search.plot import Chart

INTERVAL = 0.25
"""Seconds between two looks at the trees, of up to SMALL nodes; of larger ones in proportion."""

SMALL = 500


class TreeDrawing(anywidget.AnyWidget):
    """The drawing of one tree. `selected` is the node that was clicked (-1: none yet)."""

    _esm = drawing()
    _css = style()
    scene = traitlets.Dict().tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)


class TreeExplorer:
    """A running exploration. A cell displays it; `widget` is the view, `run` what is watched.

    `drawings` are its trees in the order of the strategies; `node(i)` is the clicked node.
    """

    def __init__(self, run: Exploration) -> None:
        self.run = run
        self.pushed = 0
        self._display = f"tree-{uuid.uuid4().hex}"
        self._shown_in_cell = False
        self._ended, self._seen = threading.Event(), {}
        self.drawings = [TreeDrawing() for _ in run.searches]
        share = f"1 1 {96 // len(run.searches)}%"
        for each in self.drawings:
            each.layout = ipw.Layout(flex=share, min_width="420px")
        self.button = ipw.Button(
            description="Stop", icon="stop", button_style="warning",
            tooltip="Stop the search; what has grown stays",
        )  # fmt: skip
        self.button.on_click(lambda _: self.stop())
        self._status, self._error = ipw.HTML(), ipw.HTML()
        row = ipw.HBox([ipw.HTML(f"<b>{escape(_question(run))}</b>"), self._status, self.button],
                       layout=ipw.Layout(flex_flow="row wrap", grid_gap="12px"))  # fmt: skip
        self.widget = ipw.VBox(
            [
                row,
                self._error,
                ipw.HBox(self.drawings, layout=ipw.Layout(flex_flow="row wrap", grid_gap="16px")),
            ]
        )
        self._thread = threading.Thread(target=self._watch, name="tree-view", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the search to stop. Safe to call more than once, from any thread."""
        if not self.run.done():
            self.button.disabled = True
            self.button.description = "Stopping"
            self.run.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last state is shown. Returns whether it is. In a cell that is to leave
        Stop alive: `await asyncio.to_thread(view.wait)`."""
        return self._ended.wait(timeout)

    def node(self, strategy: int = 0) -> Node | None:
        """The node that was clicked last in the tree of a strategy (its place in the list)."""
        tree, at = self.run.searches[strategy].tree, self.drawings[strategy].selected
        return None if tree is None or at < 0 else tree[at]

    def picture(self) -> Chart:
        """The trees as they stand, as a still figure."""
        found = [search for search in self.run.searches if search.tree is not None]
        trees = [search.tree for search in found if search.tree is not None]
        return draw_trees(trees, [self._title(search) for search in found])

    # -- the watching thread ---------------------------------------------------------------

    def _watch(self) -> None:
        try:
            while not self.run.done():
                largest = max((len(tree) for tree in self.run.trees if tree is not None), default=0)
                self._push()
                self._ended.wait(INTERVAL * max(1.0, largest / SMALL))
            self._push(last=True)
            self.run.wait()  # raises what a strategy raised
        except Exception as error:
            # A thread has no caller to raise to: the view itself says what went wrong.
            self.button.description = "Failed"
            text = escape(f"{type(error).__name__}: {error}")
            self._error.value = f'<div role="alert" style="{ERROR}">{text}</div>'
        finally:
            self.button.disabled = True
            self._ended.set()
            if self._shown_in_cell:
                self._keep_picture()

    def _push(self, last: bool = False) -> None:
        for at, search in enumerate(self.run.searches):
            tree = search.tree
            if tree is None:
                continue
            mark = (len(tree), search.ledger.spent.tokens, tree.settled)
            if last or self._seen.get(at) != mark:
                self._seen[at] = mark
                states = self.run.states(search)
                self.drawings[at].scene = scene(tree, title=self._title(search), states=states)
        self.pushed += 1
        if last:
            self.button.description = "Stopped" if self.run.stopped else "Done"
        self._status.value = "" if last else "searching …"

    def _title(self, search: Search) -> str:
        spent, cap = search.ledger.spent.tokens, search.ledger.budget.tokens
        of = "" if cap is None else f" of {cap:,}"
        said = f"{search.name} · {spent:,}{of} tokens"
        solution = search.solution
        if solution is None:
            return said
        if solution.answer is None:
            return f"{said} · no answer"
        text = solution.answer if solution.chosen is None else solution.traces[solution.chosen].text
        verdict = verdict_of(self.run.task.verifier, self.run.problem, text)
        return f"{said} · answer {solution.answer} {'✓' if verdict.passed else '✗'}"

    # -- in a notebook -----------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        from IPython.display import display

        bundle: dict[str, Any] = dict(self.widget._repr_mimebundle_() or {})
        display({**bundle, "text/plain": self._said()}, raw=True)
        display({"text/html": "", "text/plain": ""}, raw=True, display_id=self._display)
        self._shown_in_cell = True
        if self._ended.is_set():
            self._keep_picture()

    def _keep_picture(self) -> None:
        """Put the picture of the end below the view."""
        from IPython.display import display

        from search.evolve.chart import folded

        still = folded(self.picture(), self._said())
        display({"text/html": still, "text/plain": ""}, raw=True, display_id=self._display,
                update=True)  # fmt: skip

    def _said(self) -> str:
        lines = [
            f"{self._title(search)}: {told(search.tree)}"
            for search in self.run.searches
            if search.tree is not None
        ]
        return "\n".join(lines) or f"a search of {self.run.problem.id} that has not begun"


def watch_trees(
    strategies: str | Strategy | Sequence[str | Strategy], task: Task, model: LanguageModel,
    problem: Problem | str | int = 0, *, budget: int | Budget = 512, seed: int = 0,
    pace: float = 0.0,
) -> TreeExplorer:  # fmt: skip
    """Start searches of one problem (see `labs.explore.explore`) and watch them; returns at
    once."""
    return TreeExplorer(
        explore(strategies, task, model, problem, budget=budget, seed=seed, pace=pace)
    )


class TreeView:
    """The drawing of a tree that has been grown: of a report, or out of a file. A cell displays
    it."""

    def __init__(self, tree: SearchTree, title: str = "") -> None:
        self.tree, self.title = tree, title or tree.problem
        self.drawing = TreeDrawing(scene=scene(tree, title=self.title))
        self.widget = ipw.VBox([self.drawing])

    def node(self) -> Node | None:
        """The node that was clicked last."""
        return None if self.drawing.selected < 0 else self.tree[self.drawing.selected]

    def _ipython_display_(self) -> None:
        from IPython.display import display

        from search.evolve.chart import folded

        said = f"{self.title}: {told(self.tree)}"
        bundle: dict[str, Any] = dict(self.widget._repr_mimebundle_() or {})
        display({**bundle, "text/plain": said}, raw=True)
        still = folded(draw_trees([self.tree], [self.title]), said)
        display({"text/html": still, "text/plain": ""}, raw=True)


def _question(run: Exploration) -> str:
    asked = run.task.render(run.problem, "direct", run.model.dialect).strip()
    short = asked if len(asked) <= 120 else asked[:119] + "…"
    return f"{run.problem.id}: {short}"
