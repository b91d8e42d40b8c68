"""DiscoveryProblem: a skeleton with one function to evolve, and a score that only we compute."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from evaluators.errors import CannotJudge
from evaluators.sandbox.outcome import Ending, Limits, Outcome

if TYPE_CHECKING:
    from evaluators.sandbox import Sandbox

Split = Literal["train", "validation", "held-out"]
SPLITS: tuple[Split, ...] = ("train", "validation", "held-out")
Direction = Literal["maximise", "minimise"]


@dataclass(frozen=True)
class Evaluation:
    """What a program is worth on one split.

    `score` is the mean of `scores` (one an instance, in the split's order, in the problem's own
    unit); None unless every instance was scored: a program that fails has no score. `cut` says that
    it could not reach the floor it was given, so it was ended early or not audited. `behaviour` is
    a digest of what the program returned: equal digests, equal behaviour. `line` counts in the
    program's source; `cpu` (seconds) and `memory_mb` are the program's own.
    """

    verdict: Ending
    score: float | None = None
    scores: tuple[float, ...] = ()
    reason: str = ""
    line: int | None = None
    behaviour: str = ""
    cut: bool = False
    cpu: float = 0.0
    memory_mb: float = 0.0

    def to_row(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Evaluation:
        """The inverse of `to_row`."""
        return cls(**{**row, "scores": tuple(row["scores"])})


@dataclass(frozen=True)
class Check:
    """A verifier's word on an artefact: whether it is what it claims, its exact score, why not."""

    valid: bool
    score: float | None
    reason: str = ""


class DiscoveryProblem(ABC):
    """What evolution works on. A program is the source of a module that defines `function`; it is
    put in the place of the marked function of `skeleton` and runs in the sandbox, nowhere else.

    `description` is what a model is told of the task. `version` is raised when the verifier
    changes. `patience` is how many seconds one evaluation may take before its worker is replaced.
    `preload` are modules that programs find loaded: importing one that is not costs its import in
    every program, one that is makes every program's process dearer (numpy: about 1 ms).
    """

    name: str
    function: str
    direction: Direction
    skeleton: str
    description: str
    limits: Limits = Limits()
    patience: float = 120.0
    preload: Sequence[str] = ("numpy",)
    version: ClassVar[int] = 1

    @property
    @abstractmethod
    def start(self) -> str:
        """The starting program: the source of the marked function."""

    @property
    def baselines(self) -> Mapping[str, str]:
        """Known programs by name, as sources of the function."""
        return {}

    @property
    def hints(self) -> Mapping[str, Any]:
        """What helps a proposer that knows no language: `terms`, number-valued expressions over the
        function's parameters (`"remaining - item"`); `operators` to build from, in place of all
        that `mutate` has; `constants` that mean something in the problem."""
        return {}

    @abstractmethod
    def instances(self, split: Split) -> Sequence[str]:
        """The names of a split's instances, cheap ones first."""

    def warm(self) -> None:  # noqa: B027 - most problems have nothing to prepare
        """Prepare what the first evaluation would wait for (compiled code). Asked once in every
        worker process."""

    @abstractmethod
    def evaluate(
        self, source: str, sandbox: Sandbox, split: Split = "train", floor: float | None = None
    ) -> Evaluation:
        """The program's worth on a split. With a `floor` (a score) a program that can no longer
        reach it may be ended early. Never raises for what the program does."""

    def audit(self, source: str, sandbox: Sandbox) -> str:
        """Why the program's score must not be trusted (look-ahead, chance); empty if it may. Asked
        for programs that enter an archive. Raises CannotJudge where the sandbox broke down."""
        return ""

    def artefact(self, source: str, sandbox: Sandbox) -> Any:
        """What the program made, as JSON values, to be verified without running it again; None
        where it fails."""
        return None

    def verify(self, artefact: Any) -> Check:
        """Check an artefact exactly, without running any program."""
        return Check(False, None, f"{self.name} has no artefacts to check")

    def better(self, a: float, b: float) -> bool:
        """Whether score `a` is strictly better than `b`."""
        return a > b if self.direction == "maximise" else a < b

    @abstractmethod
    def fingerprint(self) -> Mapping[str, Any]:
        """What identifies problem and instances in a run log (JSON values)."""


def failed(outcome: Outcome, reason: str = "") -> Evaluation:
    """The evaluation of a program whose call did not end well, or whose value is refused."""
    return Evaluation(
        verdict="invalid" if outcome.ok else outcome.verdict,
        reason=reason or outcome.reason,
        line=outcome.line,
        cpu=outcome.cpu,
        memory_mb=outcome.memory_mb,
    )


def audited(
    problem: DiscoveryProblem, source: str, sandbox: Sandbox, found: Evaluation
) -> Evaluation:
    """A scored program's evaluation after the problem's audit: `cheating` where that caught it,
    `sandbox_died` where it could not be made."""
    verdict: Ending = "cheating"
    try:
        reason = problem.audit(source, sandbox)
    except CannotJudge as error:
        verdict, reason = "sandbox_died", str(error)
    return (
        replace(found, verdict=verdict, score=None, scores=(), reason=reason) if reason else found
    )


def not_again(failure: Evaluation | Outcome) -> str:
    """What an audit says of a program that ran before and fails now. Raises CannotJudge where the
    sandbox is to blame."""
    if failure.verdict == "sandbox_died":
        raise CannotJudge(f"the audit could not be made: {failure.reason}")
    return f"it does not run again: {failure.verdict}: {failure.reason}"
