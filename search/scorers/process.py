"""The rating of a process model as a score: of every step of a trace, or of its last state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from weakref import WeakKeyDictionary

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows
from reasoning.core import Context, Trace
from reasoning.ledger import Ledger
from search.sampler import pieces

if TYPE_CHECKING:
    from reasoning.models.process import ProcessModel

Pieces = tuple[str, ...]
Aggregate = Literal["min", "product", "last"]


@dataclass(frozen=True)
class Processed:
    """What a process model says of a trace's steps, as one number.

    `model` is a name for `load_process_model`, or a ProcessModel. With `input="trace"` it reads the
    question and the steps, and `aggregate` makes one number of the ratings of all steps (Lightman
    et al. 2023, appendix F, take the product or the minimum). A rating of `sure` or more counts as
    1, so that a search does not turn back for small doubts; a lower one as the power `doubt` of its
    proportion to `sure`, so that it does for greater ones. With
    `input="state"` it reads the task's text of each state (`Task.state_text`); a step without one
    scores 0. What the model has read of a problem, it is not charged for again: a beginning, or an
    equal text.
    """

    model: str | ProcessModel = "tiny-prm"
    input: Literal["trace", "state"] = "trace"
    aggregate: Aggregate = "min"
    sure: float = 1.0
    doubt: float = 1.0
    needs: frozenset[str] = frozenset()
    scale: ClassVar[Literal["unit", "log"]] = "unit"
    partial: ClassVar[bool] = True
    charged: ClassVar[bool] = True
    _memory: WeakKeyDictionary[Ledger, dict[Pieces, list[float]]] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.input not in ("trace", "state"):
            raise BadInput(f"a process model reads 'trace' or 'state', not {self.input!r}")
        if self.aggregate not in ("min", "product", "last"):
            raise BadInput(f"aggregate is min, product or last, not {self.aggregate!r}")
        if not 0 < self.sure <= 1:
            raise BadInput(f"sure lies above 0 and up to 1, not {self.sure}")
        if not 0 < self.doubt < inf:
            raise BadInput(f"doubt is a power above 0, not {self.doubt}")

    @property
    def knows(self) -> Knows:
        """Nothing; to write the state down, a task may have to check the steps."""
        return "nothing" if self.input == "trace" else "check"

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        model = self._opened()
        beside = getattr(ctx.model, "beside", None)  # in a run: what it reads is logged too
        reader: Any = model if beside is None else beside(model)
        steps = [tuple(p for p in pieces(t.text, ctx.task.boundary) if p) for t in traces]
        if self.input == "trace":
            question = ctx.task.render(problem, "chain", model.dialect)
            rated = await self._rated([(question, *some) for some in steps], reader, ctx.ledger)
            return [None if r is None else self._one(r[1:]) for r in rated]
        texts = [self._states(ctx.task, problem, some) for some in steps]
        asked = list(dict.fromkeys((text,) for some in texts for text in some if text is not None))
        found = dict(zip(asked, await self._rated(asked, reader, ctx.ledger), strict=True))
        return [self._of_states(some, found) for some in texts]

    async def _rated(
        self, texts: Sequence[Pieces], reader: Any, ledger: Ledger
    ) -> list[list[float] | None]:
        """The ratings of all pieces of each text; what was read before is remembered."""
        memory = self._memory.setdefault(ledger, {})
        asked = [text for text in dict.fromkeys(texts) if text not in memory]
        known = [_beginning(text, memory) for text in asked]
        if asked:
            given = await reader.rate(asked, ledger, known=known)
            for text, first, new in zip(asked, known, given, strict=True):
                if new is None:
                    continue
                whole = [*(memory[text[:first]] if first else []), *new]
                for at in range(1, len(text) + 1):
                    memory.setdefault(text[:at], whole[:at])
        return [memory.get(text) for text in texts]

    def _states(self, task: Task, problem: Problem, steps: Pieces) -> list[str | None]:
        """The texts of the states that the aggregate asks for."""
        first = len(steps) if self.aggregate == "last" else 1
        return [task.state_text(problem, steps[:at]) for at in range(first, len(steps) + 1)]

    def _of_states(
        self, texts: Sequence[str | None], found: dict[Pieces, list[float] | None]
    ) -> float | None:
        rated = [[0.0] if text is None else found[text,] for text in texts]
        if any(r is None for r in rated):
            return None
        return self._one([r[-1] for r in rated if r is not None])

    def _one(self, ratings: Sequence[float]) -> float:
        if not ratings:
            return 1.0
        ratings = [min(1.0, rating / self.sure) ** self.doubt for rating in ratings]
        if self.aggregate == "last":
            return ratings[-1]
        return min(ratings) if self.aggregate == "min" else prod(ratings)

    def _opened(self) -> ProcessModel:
        from reasoning.models.process import load_process_model

        return load_process_model(self.model)


def _beginning(text: Pieces, memory: dict[Pieces, list[float]]) -> int:
    """How many of the text's pieces have been read."""
    return next((at for at in range(len(text) - 1, 0, -1) if text[:at] in memory), 0)
