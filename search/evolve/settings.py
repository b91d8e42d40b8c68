"""Settings of the program database, and what a run may spend."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from evaluators.errors import BadInput, UnknownName

Selection = Literal["clusters", "tournament"]


@dataclass(frozen=True)
class Population:
    """How programs are kept and parents chosen.

    Each of `islands` keeps at most `capacity` programs. Parents come by `selection`:
    `clusters` draws score signatures by a softmax at `temperature`, cooled to nothing over `period`
    programs that entered the island, then warm again; `tournament` draws each parent as the best of
    `tournament` programs. Every `reset` commits the weaker half of the islands begins again from a
    program of the others (0: never). A proposer that costs nothing is asked up to `attempts` times
    for a program that nobody has proposed yet.
    """

    islands: int = 8
    capacity: int = 60
    selection: Selection = "clusters"
    temperature: float = 1.0
    period: int = 1000
    tournament: int = 3
    reset: int = 2000
    attempts: int = 4

    def __post_init__(self) -> None:
        for name, least in (
            ("islands", 1), ("capacity", 2), ("period", 1), ("tournament", 1), ("reset", 0),
            ("attempts", 1),
        ):  # fmt: skip
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise BadInput(f"{name} must be a whole number of {least} or more, not {value!r}")
        if not self.temperature > 0:
            raise BadInput(f"temperature must be more than 0, not {self.temperature!r}")
        if self.selection not in ("clusters", "tournament"):
            raise UnknownName("selection", str(self.selection), ("clusters", "tournament"))

    @classmethod
    def of(cls, options: dict[str, Any]) -> Population:
        """Settings by name. Raises UnknownName for one that does not exist."""
        names = [field.name for field in fields(cls)]
        for name in options:
            if name not in names:
                raise UnknownName("setting of evolve", name, names)
        return cls(**options)


@dataclass(frozen=True)
class Allowance:
    """When a run ends: after so many `evaluations` (proposals made, duplicates and programs that
    failed among them), `tokens` generated, `dollars`, or `seconds` of this session. What is in
    flight then is finished. At least one must be set."""

    evaluations: int | None = None
    tokens: int | None = None
    dollars: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        caps = vars(self)
        if all(value is None for value in caps.values()):
            raise BadInput(f"evolve needs an end: set one of {', '.join(caps)}")
        for name, value in caps.items():
            if value is not None and not value > 0:
                raise BadInput(f"{name} must be more than 0, not {value!r}")
