"""Which of two traces is better? Clicks of a person become a file of preference pairs.

One question at a time with two traces side by side, in an order that the seed shuffles, so that
neither place wins by itself. Every click is written to the file at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Literal

import ipywidgets as ipw
import numpy as np

from evaluators.errors import BadInput
from labs.widgets.style import ERROR, RATER
from reasoning.core import SeedPath
from reasoning.data.pairs import PreferencePair, pair, read, save
from reasoning.data.rows import TraceRow

Choice = Literal["left", "right", "equal"]
Couple = tuple[TraceRow, TraceRow]


def couples(rows: Sequence[TraceRow], count: int, seed: int = 0) -> list[Couple]:
    """`count` pairs of different traces of one prompt, drawn by the seed, each prompt about as
    often as any other. Raises BadInput where no prompt has two different traces."""
    groups: dict[object, dict[str, TraceRow]] = {}
    for row in rows:
        groups.setdefault((row.messages, row.prefix), {}).setdefault(row.text, row)
    ready = [list(group.values()) for group in groups.values() if len(group) > 1]
    if not ready:
        raise BadInput("no question has two different traces to compare: sample more of each")
    rng = np.random.Generator(np.random.Philox(key=SeedPath(seed, ("couples",)).key))
    found: list[Couple] = []
    while len(found) < count:
        for at in rng.permutation(len(ready))[: count - len(found)]:
            first, second = rng.choice(len(ready[at]), 2, replace=False)
            found.append((ready[at][first], ready[at][second]))
    return found


class Rater:
    """A cell that asks, couple by couple, which trace is better.

    `pairs` are the preferences so far and `file` holds the same (JSONL, origin `person`); a couple
    called equal makes no pair. Opened again on the same couples and file it goes on where it was.
    `agreement` compares the clicks with the traces' verdicts, which are not shown.
    """

    def __init__(self, couples: Sequence[Couple], file: str | Path) -> None:
        self.couples, self.file = list(couples), Path(file)
        self._chosen: list[Choice] = []
        self._question, self._left, self._right = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self._state, self._error = ipw.HTML(), ipw.HTML()
        self.buttons = {
            "left": ipw.Button(description="Left is better", icon="arrow-left"),
            "equal": ipw.Button(description="Cannot tell", icon="minus"),
            "right": ipw.Button(description="Right is better", icon="arrow-right"),
            "back": ipw.Button(description="Back", icon="undo", tooltip="Take the last click back"),
        }
        for name in ("left", "equal", "right"):
            self.buttons[name].on_click(lambda _, name=name: self._click(name))
        self.buttons["back"].on_click(lambda _: self.back())
        half = ipw.Layout(width="50%", min_width="240px")
        self._left.layout = self._right.layout = half
        self.widget = ipw.VBox([
            ipw.HTML(RATER), self._question, ipw.HBox([self._left, self._right]),
            ipw.HBox(list(self.buttons.values())), self._state, self._error,
        ])  # fmt: skip
        if self.file.is_file():
            self._recall(read(self.file))
        self._show()

    def choose(self, choice: Choice) -> None:
        """What a click does. Raises BadInput for another word and where nothing is left."""
        if choice not in ("left", "right", "equal"):
            raise BadInput(f"choose left, right or equal, not {choice!r}")
        if self.done:
            raise BadInput("every couple was compared: make more couples, or take clicks back")
        self._chosen.append(choice)
        self._keep()

    def back(self) -> None:
        """Take the last choice back."""
        if self._chosen:
            self._chosen.pop()
            self._keep()

    def stand_in(self, prefers: Callable[[TraceRow, TraceRow], Choice], most: int = 10**6) -> None:
        """Let a function click in a person's place for what is left, at most `most` couples."""
        for couple in self.couples[len(self._chosen) :][:most]:
            self._chosen.append(prefers(*couple))
        self._keep()

    @property
    def done(self) -> bool:
        """Whether every couple was compared."""
        return len(self._chosen) >= len(self.couples)

    @property
    def pairs(self) -> list[PreferencePair]:
        """The preferences so far."""
        found = []
        for (left, right), choice in zip(self.couples, self._chosen, strict=False):
            if choice != "equal":
                better, worse = (left, right) if choice == "left" else (right, left)
                found.append(pair(better, worse, "person"))
        return found

    @property
    def agreement(self) -> tuple[int, int]:
        """How many clicks on a right and a wrong trace chose the right one, and how many such
        clicks there were."""
        hits = [
            left.correct == (choice == "left")
            for (left, right), choice in zip(self.couples, self._chosen, strict=False)
            if choice != "equal" and left.correct != right.correct
        ]
        return sum(hits), len(hits)

    # -- inside -----------------------------------------------------------------------

    def _click(self, name: str) -> None:
        try:
            self.choose(name)  # type: ignore[arg-type]
        except (BadInput, OSError) as error:  # a click has no caller to raise to
            self._error.value = f'<div role="alert" style="{ERROR}">{escape(str(error))}</div>'

    def _keep(self) -> None:
        save(self.pairs, self.file)
        self._error.value = ""
        self._show()

    def _recall(self, kept: Sequence[PreferencePair]) -> None:
        """The choices that made the pairs of the file; a couple passed over was called equal."""
        waiting = list(kept)
        for left, right in self.couples:
            if not waiting:
                return
            sides = {"left": pair(left, right, "person"), "right": pair(right, left, "person")}
            found = [name for name, made in sides.items() if made.id == waiting[0].id]
            self._chosen.append(found[0] if found else "equal")  # type: ignore[arg-type]
            if found:
                waiting.pop(0)
        if waiting:
            raise BadInput(
                f"{self.file} holds pairs of other couples: name another file, or delete it"
            )

    def _show(self) -> None:
        at, total = len(self._chosen), len(self.couples)
        for name in ("left", "equal", "right"):
            self.buttons[name].disabled = self.done
        self.buttons["back"].disabled = not self._chosen
        self._state.value = (
            f'<span class="rl-dim">{at} of {total} compared, {len(self.pairs)} pairs in'
            f" {escape(self.file.name)}</span>"
        )
        if self.done:
            self._question.value = "<b>Every couple is compared.</b>"
            self._left.value = self._right.value = ""
            return
        left, right = self.couples[at]
        asked = "\n".join(message.content for message in left.messages) + left.prefix
        self._question.value = f'<pre class="rl-asked">{escape(asked)}</pre>'
        self._left.value, self._right.value = _side("left", left), _side("right", right)

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, str] | None:
        return self.widget._repr_mimebundle_(**kwargs)


def _side(name: str, row: TraceRow) -> str:
    ended = "" if row.finish == "eos" else '<span class="rl-dim">[does not end]</span>'
    return (
        f'<div class="rl-side" role="group" aria-label="{name} trace">'
        f"<pre>{escape(row.text)}{ended}</pre></div>"
    )
