"""The problem that a file of one's own defines."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from evaluators.discovery.base import (
    SPLITS,
    Check,
    Direction,
    DiscoveryProblem,
    Evaluation,
    Split,
    not_again,
)
from evaluators.discovery.own import plain
from evaluators.discovery.own.closure import cut_own
from evaluators.discovery.own.file import (
    execute,
    line_in,
    read_limits,
    read_source,
    read_splits,
    refuse_leak,
    require,
)
from evaluators.discovery.skeleton import in_program
from evaluators.errors import BadInput, UnknownName
from evaluators.sandbox.outcome import Ending, Outcome

if TYPE_CHECKING:
    from evaluators.sandbox import Sandbox


def load_own(path: str) -> OwnProblem:
    """The problem in a Python file. Raises BadInput naming file, line and remedy."""
    problem = OwnProblem(path, read_source(path))
    carried = problem.parts.before + problem.parts.after
    refuse_leak(path, carried, problem.module, problem.splits)
    return problem


class OwnProblem(DiscoveryProblem):
    """The problem that a file defines. It travels as path and source, and runs the file anew where
    it arrives."""

    def __init__(self, path: str, source: str) -> None:
        self.path, self.source = path, source
        try:
            self.parts = cut_own(source, path)
        except (SyntaxError, ValueError, RecursionError) as error:
            line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
            said = error.msg if isinstance(error, SyntaxError) else error
            raise BadInput(f"{path}{line}: not Python: {said}") from error
        self.module = module = execute(path, source)
        require(path, source, module)
        if module.DIRECTION not in get_args(Direction):
            wanted = " or ".join(repr(d) for d in get_args(Direction))
            raise BadInput(f"{path}: DIRECTION must be {wanted}, not {module.DIRECTION!r}")
        if not callable(module.score):
            raise BadInput(f"{path}: score must be a function of an instance and an answer")
        self.direction: Direction = module.DIRECTION
        self.name = Path(path).stem
        self.function = self.parts.name
        marked = f"@evolve\n{self.parts.function}"
        self.skeleton = f"{self.parts.before}{marked}\n\n{self.parts.after}".rstrip() + "\n"
        said = getattr(module, "DESCRIPTION", None) or module.__doc__ or ""
        self.description = str(said).strip()
        self.limits = read_limits(path, getattr(module, "LIMITS", {}))
        self._baselines: dict[str, str] = dict(getattr(module, "baselines", {}))
        self._score: Callable[[Any, Any], Any] = module.score
        self._verify: Callable[[Any, Any], Any] = getattr(module, "verify", module.score)
        self.entry = "solve" if hasattr(module, "solve") else self.function
        self.splits = read_splits(path, module)
        self.patience = 60.0 + 2 * self.limits.wall * max(map(len, self.splits.values()))

    def __reduce__(self) -> Any:
        return OwnProblem, (self.path, self.source)

    @property
    def start(self) -> str:
        return self.parts.function

    @property
    def baselines(self) -> Mapping[str, str]:
        return self._baselines

    def cases(self, split: Split) -> Mapping[str, Any]:
        """The instances of a split by name."""
        if split not in SPLITS:
            raise UnknownName("split", split, SPLITS)
        return self.splits[split]

    def instances(self, split: Split) -> Sequence[str]:
        return list(self.cases(split))

    def fingerprint(self) -> Mapping[str, Any]:
        digest = hashlib.sha256(self.source.encode()).hexdigest()[:16]
        counts = [len(self.splits[s]) for s in SPLITS]
        return {"problem": self.name, "sha256": digest, "instances": counts}

    def evaluate(
        self, source: str, sandbox: Sandbox, split: Split = "train", floor: float | None = None
    ) -> Evaluation:
        """The mean of `score` over the split. Every instance has a child of its own. Nothing ends
        early: what a score may still become is not known. `behaviour` digests the answers."""
        scores: list[float] = []
        outcomes: list[Outcome] = []
        digest = hashlib.blake2b(digest_size=16)
        verdict: Ending = "ok"
        reason, line = "", None
        for name, instance in self.cases(split).items():
            outcome = self._answer(source, sandbox, instance)
            outcomes.append(outcome)
            if not outcome.ok:
                verdict, reason, line = outcome.verdict, outcome.reason, outcome.line
                break
            value, reason = self.judge(instance, outcome.value)
            if value is None:
                verdict, reason = "invalid", f"{name}: {reason}"
                break
            plain.digest(outcome.value, digest)
            scores.append(value)
        whole = verdict == "ok"
        return Evaluation(
            verdict,
            float(np.mean(scores)) if whole else None,
            tuple(scores),
            reason=reason,
            line=line,
            behaviour=digest.hexdigest() if whole else "",
            cpu=sum(o.cpu for o in outcomes),
            memory_mb=max(o.memory_mb for o in outcomes),
        )

    def judge(self, instance: Any, answer: Any, exact: bool = False) -> tuple[float | None, str]:
        """The score of an answer by the file's `score` (`exact`: its `verify`), or None and why."""
        function = self._verify if exact else self._score
        name = "verify" if exact and self._verify is not self._score else "score"
        try:
            value = function(instance, answer)
        except (ValueError, AssertionError) as error:
            return None, str(error) or f"{name} refused the answer"
        except Exception as error:
            where = f" ({self.path}{line_in(error, self.path)})"
            return None, f"{name} raised {type(error).__name__}: {error}{where}"
        if value is None:
            return None, f"{name} refused the answer"
        if isinstance(value, bool | np.bool_):
            value = float(value)
        if not isinstance(value, int | float | np.integer | np.floating):
            return None, f"{name} returned {type(value).__name__}, not a number"
        if not math.isfinite(value):
            return None, f"{name} returned {float(value)}"
        return float(value), ""

    def audit(self, source: str, sandbox: Sandbox) -> str:
        """Whether a second run gives the same answer to the first training instance."""
        name, instance = next(iter(self.cases("train").items()))
        digests = []
        for _ in range(2):
            outcome = self._answer(source, sandbox, instance)
            if not outcome.ok:
                return f"{name}: {not_again(outcome)}"
            digest = hashlib.blake2b(digest_size=16)
            plain.digest(outcome.value, digest)
            digests.append(digest.hexdigest())
        same = digests[0] == digests[1]
        return "" if same else f"{name}: the answer differs from run to run, so no score repeats"

    def artefact(self, source: str, sandbox: Sandbox) -> Any:
        """The answers to the held-out instances."""
        answers = {}
        for name, instance in self.cases("held-out").items():
            outcome = self._answer(source, sandbox, instance)
            if not outcome.ok:
                return None
            answers[name] = plain.to_json(outcome.value)
        return {
            "problem": self.name,
            "split": "held-out",
            "file_sha256": self.fingerprint()["sha256"],
            "answers": answers,
        }

    def verify(self, artefact: Any) -> Check:
        """Score the stored answers again, with the file's `verify` or `score`."""
        if not isinstance(artefact, Mapping) or not isinstance(artefact.get("answers"), Mapping):
            return Check(False, None, 'an artefact needs "answers", an object by instance')
        split = artefact.get("split", "held-out")
        if split not in SPLITS:
            return Check(False, None, f"unknown split {split!r}")
        cases, answers = self.cases(split), artefact["answers"]
        if odd := sorted(set(cases) ^ set(answers)):
            side = "is not an instance of this problem" if odd[0] in answers else "has no answer"
            return Check(False, None, f"instance {odd[0]!r} {side}")
        scores = []
        for name, instance in cases.items():
            try:
                answer = plain.from_json(answers[name])
            except (ValueError, TypeError, KeyError) as error:
                return Check(False, None, f"{name}: not an answer: {error}")
            value, reason = self.judge(instance, answer, exact=True)
            if value is None:
                return Check(False, None, f"{name}: {reason}")
            scores.append(value)
        return Check(True, float(np.mean(scores)))

    def _answer(self, source: str, sandbox: Sandbox, instance: Any) -> Outcome:
        module, offset = self.parts.compose(source)
        outcome = sandbox.call(module, self.entry, (instance,), self.limits)
        return in_program(outcome, offset, source)
