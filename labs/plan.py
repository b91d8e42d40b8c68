"""`reasonlab plan`: fit the plan of an adaptive strategy on training problems, into a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.errors import BadInput

if TYPE_CHECKING:
    from search.plan import Plan
    from search.table import Table

DESCRIPTION = (
    "Run every strategy at every budget on training problems, learn what pays at which predicted"
    " difficulty, and write the plan that `adaptive(plan=FILE,mean=128)` follows."
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser("reasonlab plan", description=DESCRIPTION)
    made.add_argument("out", type=Path, help="the file to write, such as plan.json")
    made.add_argument("--task", default="expressions")
    made.add_argument("--options", default="", help="of the task: ops=8, or several, by commas")
    made.add_argument("--model", default="tiny")
    made.add_argument(
        "--strategy", default="self-consistency,best-of-n(scorer=mean-likelihood)",
        help="what may be chosen, by commas",
    )  # fmt: skip
    made.add_argument("--budget", default="40,80,160,320,640", help="tokens a problem, by commas")
    made.add_argument("--problems", type=int, default=300, help="training problems")
    made.add_argument("--probes", type=int, default=2, help="samples to predict with; 0: none")
    made.add_argument("--bins", type=int, default=4, help="bins of difficulty")
    made.add_argument("--seed", type=int, default=0)
    return made


def run(argv: list[str]) -> int:
    """The command: fit, save, show what is done at which difficulty."""
    given = parser().parse_args(argv)
    from evaluators.tasks import load_task
    from reasoning.models import load_model
    from search.calls import split
    from search.fit import fit_adaptive
    from search.strategies import parse

    strategies = split(given.strategy)
    for text in strategies:
        parse(text)  # names fail before a model is loaded
    try:
        budgets = [int(part) for part in split(given.budget)]
    except ValueError as error:
        raise BadInput(f"--budget takes whole numbers of tokens, not {given.budget!r}") from error
    if given.out.is_dir() or not given.out.absolute().parent.is_dir():
        raise BadInput(f"{given.out} cannot be written: name a file in a folder that is there")
    options = dict(_option(part) for part in split(given.options))
    task = load_task(given.task, split="train", n=given.problems, seed=given.seed, **options)
    adaptive = fit_adaptive(
        task, load_model(given.model), strategies, budgets,
        probes=given.probes, bins=given.bins, seeds=(given.seed,),
    )  # fmt: skip
    adaptive.fitted.save(given.out)
    for budget in sorted(budgets):
        print(shown(adaptive.fitted, budget), end="\n\n")
    print(f"plan: {given.out}; use it as adaptive(plan={given.out},mean={sorted(budgets)[0]})")
    return 0


def shown(plan: Plan, mean: int) -> Table:
    """What the plan does at a mean of so many tokens, a row for each bin, the hardest first."""
    from search.table import Table

    predictor, chosen = plan.choose(mean, None)
    rows = []
    for at, option in enumerate(chosen):
        index = plan.options.index(option)
        rows.append(
            (at + 1, f"{predictor.shares[at]:.2f}", option.strategy, option.tokens or "-",
             round(predictor.spent[at][index]), f"{predictor.accuracy[at][index]:.2f}")
        )  # fmt: skip
    head = ("difficulty", "share", "strategy", "at most", "spends", "solves")
    how = f"{predictor.probes} probes" if predictor.weights else "the same for all"
    caption = f"mean {mean} tokens: {how}, {predictor.mean.get(mean, 0.0):.3f} solved (validation)"
    return Table(head, rows, caption)


def _option(text: str) -> tuple[str, Any]:
    """`ops=8` as a name and a value: a whole number, else text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"--options takes name=value pairs, not {text!r}")
    return name.strip(), int(value) if value.strip().lstrip("-").isdigit() else value.strip()
