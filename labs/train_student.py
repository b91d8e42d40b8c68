"""`reasonlab train METHOD`, for the methods of `reasoning.train.methods`, and `train chain`, for
several in a row; the same command goes on with a run that was stopped."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from labs.recipe_options import add_options, given
from labs.stage import Report, Stage, kind_of, made, recipe_kind, run_stage
from labs.training_data import Source, fields_of

GO_ON = "the same command goes on from the last checkpoint"

_LEARNS = {
    "rows": "It learns from traces: --data FILE (as `reasonlab traces collect` writes them), or"
    " --task 'expressions(ops=2..4),countdown' with traces by --writer.",
    "pairs": "It learns from pairs of a preferred and another trace: --data FILE (pairs, or traces"
    " with verdicts), or --task NAME with traces by --writer MODEL.",
    "task": "It samples by itself on the problems of --task 'expressions(ops=2..4),countdown'.",
    "none": "",
}


def parser(method: str) -> argparse.ArgumentParser:
    """The options of a method: policy, folder, data, and one for each field of its recipe."""
    from reasoning.train.methods import METHODS

    kind, recipe = kind_of(method), recipe_kind(method)
    found = argparse.ArgumentParser(
        f"reasonlab train {method}",
        description=f"{method}: {METHODS[method].about}. {_LEARNS[kind]} Ctrl-C keeps a checkpoint"
        " and the weights so far; the same command goes on.",
    )
    found.add_argument(
        "--policy", default="tiny-student",
        help="the model to start from: an embedded one, hf:FOLDER, hf:ORG/NAME (tiny-student)",
    )  # fmt: skip
    found.add_argument("--out", type=Path, help=f"folder of the run (runs/{method})")
    found.add_argument(
        "--trackio", metavar="PROJECT", help="show the metrics in trackio too, where installed"
    )
    if fields_of(method, kind):
        add_options(found, Source, "data", fields_of(method, kind))
    add_options(found, recipe)
    return found


def line(row: Mapping[str, Any]) -> str | None:
    """One line of progress: the step, what there is of loss, reward and accuracy, the FLOPs; or
    what a round came to. None for a row that says nothing of these."""
    if "kept" in row:
        return (
            f"round {row['round']} · {row['right']:,} of {row['sampled']:,} samples right,"
            f" {row['kept']:,} learned"
        )
    shown = [
        f"{name} {row[name]:.4g}"
        for name in ("loss", "reward", "accuracy", "kl")
        if isinstance(row.get(name), (int, float))
    ]
    if not shown:
        return None
    of = f" of {row['of']}" if "of" in row else ""
    spent = f" · {row['flops']:.3g} FLOPs" if "flops" in row else ""
    return f"step {row.get('step', 0):5d}{of} · {' · '.join(shown)}{spent}"


def printed(row: Mapping[str, Any]) -> None:
    """A report that prints one line."""
    text = line(row)
    if text is not None:
        print(text, flush=True)


def listener(
    project: str | None, name: str, settings: Mapping[str, Any]
) -> AbstractContextManager[Report]:  # fmt: skip
    """Who hears of a run's metrics while it lasts: the terminal, and trackio for a project."""
    if project is None:
        return nullcontext(printed)
    from labs.trackio_log import tracked

    return tracked(project, name, settings, printed)


def run(argv: Sequence[str]) -> int:
    """One method: its name, then its options."""
    method, *rest = argv
    options = vars(parser(method).parse_args(list(rest)))
    asked = {**given(Source, options), **given(recipe_kind(method), options)}
    stage = made(method, method, options["policy"], asked, f"reasonlab train {method}")
    folder: Path = options["out"] or Path("runs") / method
    recipe = stage.asked()["recipe"]
    try:
        with listener(options["trackio"], folder.name, recipe) as heard:
            place = run_stage(stage, folder, heard)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("; ".join(filter(None, (str(stop), GO_ON)))) from stop
    from reasoning.train.run import leads

    if leads():
        print(f"weights: {place} (load them with hf:{place})")
    return 0


def chain_parser() -> argparse.ArgumentParser:
    """The options of `reasonlab train chain`."""
    found = argparse.ArgumentParser(
        "reasonlab train chain",
        description="Train stage after stage, as a TOML file says: [[stage]] with name, method and"
        " the options of that method (reasonlab train METHOD --help); policy = \"stage:NAME\" or"
        " reward = \"stage:NAME\" stand for what an earlier stage made. A chain that was stopped"
        " goes on when the same command is given again.",
    )  # fmt: skip
    found.add_argument("file", type=Path, help="the TOML file")
    found.add_argument("--out", type=Path, help="folder of the chain (runs/NAME of the file)")
    found.add_argument("--check", action="store_true", help="read the file and say what it asks")
    found.add_argument("--trackio", metavar="PROJECT", help="show the metrics in trackio too")
    return found


def run_file(argv: Sequence[str]) -> int:
    """`reasonlab train chain FILE.toml`."""
    from labs.stages import read_chain, run_chain

    options = chain_parser().parse_args(list(argv))
    chain = read_chain(options.file)
    folder: Path = options.out or Path("runs") / options.file.stem
    width = max(len(one.name) for one in chain.stages)
    for stage in chain.stages:
        print(f"{stage.name.ljust(width)}  {stage.method} from {stage.policy}")
    if options.check:
        return 0

    def begins(stage: Stage) -> AbstractContextManager[Report]:
        print(f"-- {stage.name}: {stage.method}", flush=True)
        return listener(options.trackio, f"{folder.name}/{stage.name}", stage.asked()["recipe"])

    try:
        made_by = run_chain(chain, folder, begins, lambda stage, place: print(f"   {place}"))
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("; ".join(filter(None, (str(stop), GO_ON)))) from stop
    print(f"ancestry: reasonlab train ancestry {made_by[chain.stages[-1].name]}")
    return 0
