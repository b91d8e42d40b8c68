"""What it cost to make a student, in floating-point operations, read from the records that training
leaves beside the weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput

RECORD = "training.json"


@dataclass(frozen=True)
class Cost:
    """FLOPs of making a model: `pretraining` from nothing, `training` of the student and of those
    that it was trained from (their own sampling included), `teacher` what other models spent for
    it."""

    pretraining: float = 0.0
    training: float = 0.0
    teacher: float = 0.0

    @property
    def total(self) -> float:
        return self.pretraining + self.training + self.teacher

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.pretraining + other.pretraining,
            self.training + other.training,
            self.teacher + other.teacher,
        )


def cost_of(model: Any) -> Cost:
    """What the records say: of the model (an embedded one, `hf:FOLDER`, a folder, or a model opened
    from one) and of its parents, as far as they are there. Traces that a teacher wrote before the
    training began are on no record: add `Cost(teacher=…)`.

    Pretraining is 6 N a token (Kaplan et al. 2020, section 2.1) over the recipe's steps. A model
    without a record costs nothing that is known.
    """
    from reasoning.train.methods import policy_folder

    try:
        place: Path | None = Path(policy_folder(model))
    except BadInput:
        return Cost()
    found = Cost()
    while place is not None and (place / RECORD).is_file():
        record = json.loads((place / RECORD).read_text("utf-8"))
        found += _own(record)
        path = record.get("parent", {}).get("path")
        place = None if path is None else place / path
    return found


def _own(record: dict[str, Any]) -> Cost:
    if "spent" in record:
        return Cost(training=record["spent"]["flops"], teacher=record["spent"]["teacher"])
    settings, plan = record.get("settings", {}), record.get("plan", {})
    if "tokens_per_step" in settings and "parameters" in record:
        steps = plan.get("stop") or settings["steps"]
        return Cost(pretraining=6.0 * record["parameters"] * steps * settings["tokens_per_step"])
    return Cost()
