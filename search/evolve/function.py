"""evolve: write programs, score them in a sandbox, let the best return; to the end of a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.errors import UnknownName
from search.evolve.settings import Population

if TYPE_CHECKING:
    from evaluators.discovery.base import DiscoveryProblem
    from reasoning.core import LanguageModel
    from search.evolve.evolution import Evolution
    from search.evolve.program import Proposer
    from search.evolve.progress import Watcher


def evolve(
    problem: str | DiscoveryProblem,
    proposer: str | LanguageModel | Proposer | Callable[..., Any] = "mutate",
    *,
    evaluations: int | None = None,
    tokens: int | None = None,
    dollars: float | None = None,
    seconds: float | None = None,
    islands: int | None = None,
    workers: int = 2,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    model: LanguageModel | None = None,
    window: int | None = None,
    sandbox: str | None = None,
    options: Mapping[str, Any] | None = None,
    progress: bool | Watcher | None = None,
    wait: bool = True,
    **population: Any,
) -> Evolution:
    """Search for a better program on a discovery problem.

    `problem` is a name (`bin-packing:weibull-5k`, `cap-set:6`, a file `my_problem.py`), with
    `options` for it, or an object. `proposer` is a name in PROPOSERS, a language model, an object,
    or a plain function `(request, rng) -> source`; `model` is for a proposer that asks one. The run
    ends after so many `evaluations` (proposals, duplicates and failures among them), generated
    `tokens`, `dollars` or `seconds` of this session, or when 10,000 proposals in a row were nothing
    new; what is in flight then is finished. `workers` processes evaluate. Proposal k sees the
    programs up to k - `window` (default 4 times the workers); the same seed and window give the
    same run. `population` are fields of `settings.Population` (capacity, selection, temperature,
    reset, …).

    `out` is a run folder, `resume` goes on with the one that is there: nothing that was answered is
    asked or evaluated again; only the budget may differ. `sandbox` names a back-end. With
    `wait=False` it returns at once. Raises LabError for what cannot work, before anything is paid
    for; Ctrl-C raises after what was answered has been logged.
    """
    from search.evolve.begin import begin

    known = {*signature(evolve).parameters, *(field.name for field in fields(Population))}
    for name in population:
        if name not in known:
            raise UnknownName("argument of evolve", name, known)
    run = begin(
        problem, proposer,
        caps={"evaluations": evaluations, "tokens": tokens, "dollars": dollars, "seconds": seconds},
        population={**population, **({} if islands is None else {"islands": islands})},
        workers=workers, seed=seed, out=out, resume=resume, model=model, window=window,
        sandbox=sandbox, options=options or {}, progress=progress,
    )  # fmt: skip
    return run.run() if wait else run.start()
