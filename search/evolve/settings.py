"""Settings of the program database, what a run may spend, and a whole run as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from evaluators.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from search.evolve.evolution import Evolution
    from search.evolve.progress import Watcher

Value = int | float | bool | str

Selection = Literal["clusters", "tournament"]


@dataclass(frozen=True)
class Population:
    """How programs are kept and parents chosen.

    Each of `islands` keeps at most `capacity` programs. Parents come by `selection`:
    `clusters` draws score signatures by a softmax at `temperature`, cooled to nothing over `period`
    programs that entered the island, then warm again; `tournament` draws each parent as the best of
    `tournament` programs. Every `reset` commits the weaker half of the islands begins again from a
    program of the others (0: never). On its island a program stands as if each syntax node cost it
    the share `parsimony` of its score. A proposer that costs nothing is asked up to `attempts`
    times for a program that nobody has proposed yet.
    """

    islands: int = 8
    capacity: int = 60
    selection: Selection = "clusters"
    temperature: float = 1.0
    period: int = 1000
    tournament: int = 3
    reset: int = 2000
    attempts: int = 4
    parsimony: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (
            ("islands", 1), ("capacity", 2), ("period", 1), ("tournament", 1), ("reset", 0),
            ("attempts", 1),
        ):  # fmt: skip
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise BadInput(f"{name} must be a whole number of {least} or more, not {value!r}")
        if not 0 <= self.parsimony < 1:
            raise BadInput(f"parsimony must be 0 or more and less than 1, not {self.parsimony!r}")
        if not self.temperature > 0:
            raise BadInput(f"temperature must be more than 0, not {self.temperature!r}")
        if self.selection not in ("clusters", "tournament"):
            raise UnknownName("selection", str(self.selection), ("clusters", "tournament"))

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Population:
        """Settings by name. Raises UnknownName for one that does not exist."""
        names = [field.name for field in fields(cls)]
        for name in options:
            if name not in names:
                raise UnknownName("setting of the population", name, names)
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
            if value is None:
                continue
            kinds = (int,) if name in ("evaluations", "tokens") else (int, float)
            if not isinstance(value, kinds) or isinstance(value, bool):
                what = "whole number" if kinds == (int,) else "number"
                raise BadInput(f"{name} must be a {what}, not {value!r}")
            if not value > 0:
                raise BadInput(f"{name} must be more than 0, not {value!r}")


@dataclass(frozen=True)
class EvolveSettings:
    """A run of `evolve` as plain values, shared by the command line and TOML files.

    `options` go to the problem (`skeleton=priority`, `train=24`), `proposer_options` to the
    proposer, `model_options` to the model (`price_completion=0.4`), `population` holds fields of
    Population (`capacity=100`, `selection=tournament`, `reset=0`).
    """

    problem: str = "bin-packing:weibull-5k"
    proposer: str = "mutate"
    model: str | None = None
    options: Mapping[str, Value] = field(default_factory=dict)
    proposer_options: Mapping[str, Value] = field(default_factory=dict)
    model_options: Mapping[str, Value] = field(default_factory=dict)
    population: Mapping[str, Value] = field(default_factory=dict)
    evaluations: int | None = None
    tokens: int | None = None
    dollars: float | None = None
    seconds: float | None = None
    islands: int | None = None
    workers: int = 2
    window: int | None = None
    seed: int = 0
    sandbox: str | None = None
    out: str | None = None
    resume: bool = False


def evolve_from(
    settings: EvolveSettings, progress: bool | Watcher | None = None, wait: bool = True
) -> Evolution:
    """Load the model by name, if there is one, and evolve. With a model, proposer `mutate` (the
    default) becomes `model`. Raises LabError for what cannot work."""
    from search.evolve.function import evolve
    from search.evolve.proposers import proposer_of

    name = settings.proposer
    if settings.model is not None and name == EvolveSettings.proposer:
        name = "model"
    proposer = proposer_of(name, **settings.proposer_options)
    model = None
    if settings.model is not None:
        from reasoning.models import load_model

        model_options: dict[str, Any] = dict(settings.model_options)
        model = load_model(settings.model, **model_options)
    population: dict[str, Any] = dict(settings.population)
    Population.of(population)
    islands = population.pop("islands", None)
    islands = islands if settings.islands is None else settings.islands
    return evolve(
        settings.problem, proposer, evaluations=settings.evaluations, tokens=settings.tokens,
        dollars=settings.dollars, seconds=settings.seconds, islands=islands,
        workers=settings.workers, seed=settings.seed, out=settings.out, resume=settings.resume,
        model=model, window=settings.window, sandbox=settings.sandbox, options=settings.options,
        progress=progress, wait=wait, **population,
    )  # fmt: skip
