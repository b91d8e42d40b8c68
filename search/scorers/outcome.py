"""The number that an outcome model gives a finished trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from evaluators.problem import Problem
from evaluators.verdict import Knows
from reasoning.core import Context, Trace

if TYPE_CHECKING:
    from reasoning.models.outcome import OutcomeModel


@dataclass(frozen=True)
class Outcome:
    """The sigmoid of an outcome model's number for question and trace: trained on pairs, it orders
    traces; as a probability it is not calibrated (see `Report.scorer_quality`).

    `model` is the folder of one (`load_outcome_model`) or an OutcomeModel. What it reads is
    charged; None where that cannot be paid.
    """

    model: str | OutcomeModel
    needs: frozenset[str] = frozenset()
    knows: ClassVar[Knows] = "nothing"
    scale: ClassVar[Literal["unit", "log"]] = "unit"
    charged: ClassVar[bool] = True

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        model = self._opened()
        beside = getattr(ctx.model, "beside", None)  # in a run: what it reads is logged too
        reader: Any = model if beside is None else beside(model)
        question = ctx.task.render(problem, "chain", model.dialect)  # type: ignore[arg-type]
        texts = list(dict.fromkeys(question + trace.text for trace in traces))
        given = dict(zip(texts, await reader.rate(texts, ctx.ledger), strict=True))
        rated = [given[question + trace.text] for trace in traces]
        return [None if one is None else 1 / (1 + exp(-max(-700.0, one[0]))) for one in rated]

    def _opened(self) -> OutcomeModel:
        if not isinstance(self.model, str):
            return self.model
        from reasoning.models.outcome import load_outcome_model

        return load_outcome_model(self.model)
