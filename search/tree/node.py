"""Node: one step of a search tree, and all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reasoning.core import Source, Step

ROOT = 0
"""The id of the root, which stands for the prompt."""


@dataclass(slots=True, eq=False)
class Node:
    """One step that was written, or a whole trace (`whole`: its text does not follow its parent's).

    `tokens` are the step's own, `total` those of the path that ends here. `key` is the seed path of
    the call that wrote it, `draws` how many children were asked for. `finish` is why the step
    ended; `over` says that the trace ends with it, and `answer` what it answers. `closed` is why
    nothing more will follow it ("" while it is open), `same_as` the earlier node of an equal state
    (-1: none). `score` is the scorer's (None: not scored or not payable); `visits` and `value` (a
    sum) are what a strategy backs up; `note` is for what else it wants to show.
    """

    id: int
    parent: int = -1
    depth: int = 0
    text: str = ""
    tokens: int = 0
    total: int = 0
    finish: str = ""
    ids: tuple[int, ...] | None = None
    logprob: float | None = None
    source: Source = "model"
    key: str = ""
    whole: bool = False
    over: bool = False
    answer: str | None = None
    score: float | None = None
    visits: int = 0
    value: float = 0.0
    draws: int = 0
    closed: str = ""
    same_as: int = -1
    children: list[int] = field(default_factory=list)
    note: dict[str, Any] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """The mean of the values backed up; 0 before the first."""
        return self.value / self.visits if self.visits else 0.0

    @property
    def step(self) -> Step:
        """The node as a step of a trace."""
        finish: Any = self.finish or "boundary"
        return Step(self.text, self.tokens, finish, self.logprob, self.source)
