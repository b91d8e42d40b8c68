"""Verify: the artefacts of a run checked again, exactly, without running any program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.discovery.base import Check, DiscoveryProblem
from evaluators.errors import BadInput, LabError
from reasoning.runlog import differences, read_settings
from search.evolve.side import ARTEFACTS, stored

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Verified:
    """An artefact file of program `k`, the verifier's word on it, and the scores that the run had
    claimed, by split. It is `valid` where the verifier accepts it and gives one of these scores
    (an artefact belongs to one split); `reason` says what is wrong."""

    file: Path
    k: int
    check: Check
    claimed: Mapping[str, float | None]
    reason: str = ""

    @property
    def split(self) -> str:
        """The split whose score the artefact proves; empty where it is none."""
        return next((name for name, s in self.claimed.items() if _same(s, self.check.score)), "")

    @property
    def valid(self) -> bool:
        return not self.reason


def verify_run(folder: str | Path, problem: DiscoveryProblem | None = None) -> list[Verified]:
    """Check every artefact of a run folder.

    `problem` is loaded as the run's settings name it, unless it is given. Raises BadInput for a
    folder that holds no run or no artefact, or whose problem is another one now.
    """
    settings = read_settings(folder)
    problem = problem or problem_of(settings)
    changes = differences(settings["data"], json.loads(json.dumps(dict(problem.fingerprint()))))
    if changes:
        raise BadInput(
            f"{folder} was run on other data than {problem.name} has now; restore it. Changed: "
            + "; ".join(changes)
        )
    files = stored(Path(folder))
    if not files:
        raise BadInput(
            f"{folder} holds no artefacts ({ARTEFACTS}/K.json): the run has found none yet, or its"
            " problem makes none"
        )
    return [_verified(file, problem) for file in files]


def problem_of(settings: Mapping[str, Any]) -> DiscoveryProblem:
    """The problem that a run's settings name. Raises BadInput where it was given as an object that
    no name loads."""
    from evaluators.discovery import load_problem

    spec = settings["problem"]
    try:
        return load_problem(spec["name"], **spec.get("options", {}))
    except LabError as error:
        if "options" in spec:
            raise
        raise BadInput(
            f"the run's problem was an object ({spec['object']}) that no name loads; give it:"
            " verify_run(folder, problem)"
        ) from error


def _verified(file: Path, problem: DiscoveryProblem) -> Verified:
    try:
        told = json.loads(file.read_text("utf-8"))
        k, claimed, artefact = int(told["k"]), dict(told["scores"]), told["artefact"]
        version = int(told["version"])
    except (ValueError, KeyError, TypeError) as error:
        return Verified(file, -1, Check(False, None), {}, f"the file is damaged ({error!r})")
    try:
        check = problem.verify(artefact)
    except Exception as error:  # a verifier meets whatever the file holds
        reason = f"the verifier failed: {type(error).__name__}: {error}"
        return Verified(file, k, Check(False, None, reason), claimed, reason)
    reason = "" if check.valid else check.reason or "the verifier refuses it"
    if check.valid and version > problem.version:
        reason = f"made with verifier version {version}, newer than this one ({problem.version})"
    elif check.valid and not any(_same(score, check.score) for score in claimed.values()):
        reason = f"its score is {check.score!r}, which the run does not claim ({claimed})"
    return Verified(file, k, check, claimed, reason)


def _same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= _TOLERANCE * max(1.0, abs(a))
