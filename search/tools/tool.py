"""Tool: what a model may call while it writes, and the marks by which it calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from evaluators.tasks.base import Dialect


@dataclass(frozen=True)
class Marks:
    """How a call is written: `begin`, the call, `end`; its result follows between `before` and
    `after`."""

    begin: str
    end: str
    before: str
    after: str

    def of(self, call: str) -> str:
        """A call as it is written."""
        return self.begin + call + self.end

    def told(self, result: str) -> str:
        """A result as it is written into the turn."""
        return self.before + result + self.after


@dataclass(frozen=True)
class Result:
    """What a tool answers: `text`, and whether the call `failed` (then the text says why)."""

    text: str
    failed: bool = False


class Tool(Protocol):
    """Something to call. `steady` says that equal calls always have equal results; those of other
    tools are answered from the run's log when a run is resumed."""

    @property
    def name(self) -> str: ...

    @property
    def steady(self) -> bool: ...

    def marks(self, dialect: Dialect) -> Marks:
        """How it is called in a dialect."""
        ...

    def explain(self, dialect: Dialect) -> str:
        """What the question tells a model of it; empty for nothing."""
        ...

    def prepare(self) -> None:
        """Raise LabError where it cannot work here. Called before any call of a model."""
        ...

    def run(self, call: str, earlier: Sequence[str], seconds: float) -> Result:
        """The result of a call; a call that is wrong is told, not raised. `earlier` are the calls
        of this tool that the trace made before. Called in a thread, for about `seconds` at most."""
        ...
