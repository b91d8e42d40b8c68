"""What `evolve` was given, checked and made into an Evolution."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from evaluators.discovery.base import DiscoveryProblem
from evaluators.errors import BadInput
from reasoning.core import LanguageModel
from reasoning.describe import describe
from reasoning.runlog import RUN, read_settings
from search.evolve.evolution import Evolution
from search.evolve.program import Proposer
from search.evolve.progress import Watcher
from search.evolve.proposers import proposer_of
from search.evolve.session import Plan
from search.evolve.settings import Allowance, Population
from search.progress import watcher_of

WINDOW = 4
"""Default window in proposals a worker: enough that none waits for a slow one."""


def begin(
    problem: str | DiscoveryProblem,
    proposer: Any,
    *,
    caps: Mapping[str, Any],
    population: Mapping[str, Any],
    workers: int,
    seed: int,
    out: str | Path | None,
    resume: bool,
    model: LanguageModel | None,
    window: int | None,
    sandbox: str | None,
    options: Mapping[str, Any],
    progress: bool | Watcher | None,
) -> Evolution:
    """See `evolve`. Nothing runs yet."""
    allowance = Allowance(**caps)
    if resume and out is None:
        raise BadInput("there is nothing to resume without a run folder: name it (out=, --out)")
    if type(seed) is not int:
        raise BadInput(f"seed must be a whole number, not {seed!r}")
    if model is not None and not isinstance(model, LanguageModel):
        raise BadInput(f"model must be a language model, load_model(…), not {model!r}")
    chosen = proposer_of(proposer)
    asked = getattr(chosen, "model", None) or model
    _check_model(chosen, asked, allowance)
    if type(workers) is not int or workers < 1:
        raise BadInput(f"workers must be a whole number of 1 or more, not {workers!r}")
    if window is None:
        window = _recorded_window(out) if resume else None
    window = WINDOW * workers if window is None else window
    if type(window) is not int or window < 1:
        raise BadInput(f"window must be a whole number of 1 or more, not {window!r}")
    people = Population.of({**getattr(chosen, "prefers", {}), **population})
    spec: dict[str, Any] | None = None
    if isinstance(problem, str):
        from evaluators.discovery import load_problem

        own = problem.endswith(".py")  # found again from any folder
        spec = {"name": str(Path(problem).absolute()) if own else problem, "options": {**options}}
        problem = load_problem(problem, **options)
    elif options:
        raise BadInput("options are for a problem given by name")
    settings = {
        "problem": spec or {"object": type(problem).__qualname__, "name": problem.name},
        "data": dict(problem.fingerprint()),
        "verifier": problem.version,
        "proposer": {"name": chosen.name, **_described(chosen)},
        "model": dict(asked.fingerprint()) if asked is not None else None,
        "population": vars(people),
        "seed": seed,
        "window": window,
    }
    settings = json.loads(json.dumps(settings, default=str))
    watcher: Any = watcher_of(cast(Any, progress))  # its line shows any snapshot with `ended`
    plan = Plan(problem, chosen, asked, people, allowance, seed, window, workers, sandbox, settings)
    return Evolution(plan, out, resume=resume, watcher=watcher)


def _check_model(proposer: Proposer, model: LanguageModel | None, allowance: Allowance) -> None:
    """Raises BadInput for a model that is missing, or a cap that nothing would count against."""
    if model is None:
        if getattr(proposer, "needs_model", False):
            raise BadInput(
                f"proposer {proposer.name!r} asks a language model: give model=load_model(…)"
                " (--model NAME), or take proposer 'mutate', which needs none"
            )
        if allowance.evaluations is None and allowance.seconds is None:
            raise BadInput(
                f"proposer {proposer.name!r} spends neither tokens nor dollars, so the run would"
                " never end: set evaluations or seconds"
            )
    elif allowance.dollars is not None and getattr(model, "price", None) is None:
        raise BadInput(
            f"a dollar budget needs a price for model {model.name!r}: cap tokens, or give the model"
            " a price (for openai: price_prompt and price_completion)"
        )


def _recorded_window(out: str | Path | None) -> int | None:
    if out is None or not (Path(out) / RUN).exists():
        return None
    return read_settings(out).get("window")


def _described(proposer: Proposer) -> dict[str, Any]:
    """Its settings, without the model, which is described beside it."""
    told = describe(proposer)
    return {name: value for name, value in dict(told).items() if name != "model"}
