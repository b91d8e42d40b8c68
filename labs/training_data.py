"""What a training method learns from: files of traces or pairs, traces that a solver or a model
writes for named tasks, or the tasks themselves for methods that sample."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evaluators.errors import BadInput
from labs.recipe_options import options_of

if TYPE_CHECKING:
    from evaluators.tasks.base import Dialect, Task
    from reasoning.data.rows import TraceRow
    from reasoning.data.traces import Traces

FILE = "data.jsonl"
"""The traces or pairs that a run learns from, in its folder."""

SOLVER = "solver"
"""The writer of traces that is no model; `solver:KIND` names one of its ways to write."""

_CALL = re.compile(r"\s*([^()\s]+)\s*(?:\((.*)\))?\s*", re.DOTALL)


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Source:
    """Where the data come from; `FIELDS` says which of the settings a kind of data has."""

    data: tuple[str, ...] = _setting((), "files of traces (for preferences: of traces or of pairs)")
    task: tuple[str, ...] = _setting(
        (), "in place of files: tasks with their difficulty, expressions(ops=2..4),countdown"
    )
    problems: int = _setting(1000, "training problems of each task")
    pool: int = _setting(2000, "training problems of each task to draw from")
    writer: str = _setting(
        SOLVER,
        "who writes the traces: solver (the task's own; solver:random, solver:answer), or a model",
    )
    samples: int = _setting(4, "traces written of each problem")
    keep: Literal["correct", "all"] = _setting(
        "correct",
        "which traces are learned: those that the verifier passed, or all (of a file,"
        " correct keeps those without a verdict too)",
    )
    most: int = _setting(4, "most traces (of --task) or pairs kept of one problem")
    format: Literal["chain", "direct"] = _setting(
        "chain", "how a question is asked: for a chain of thought, or for the answer alone"
    )
    mix: tuple[float, ...] = _setting((), "shares of the tasks in the mix (none: equal)")
    reward: str = _setting(
        "verifier", "what a sample earns: a name such as verifier, or model:FOLDER (outcome model)"
    )
    strategy: str = _setting(
        "", "how a model writes traces: a search such as step-resample(restarts=3) (none: samples)"
    )
    data_seed: int = _setting(0, "what problems and samples are drawn by")

    def __post_init__(self) -> None:
        for name in ("problems", "pool", "samples", "most"):
            if getattr(self, name) < 1:
                raise BadInput(f"--{name} must be 1 or more, not {getattr(self, name)}")
        if self.data and self.task:
            raise BadInput("--data names files, --task what to make data of: give one of them")
        if self.mix and (len(self.mix) != len(self.task) or min(self.mix) <= 0):
            raise BadInput(f"--mix takes one number above 0 for each of {len(self.task)} tasks")


FIELDS: dict[str, tuple[str, ...]] = {
    "rows": ("data", "task", "problems", "writer", "strategy", "samples", "keep", "most",
             "format", "data_seed"),
    "pairs": ("data", "task", "problems", "writer", "strategy", "samples", "most", "format",
              "data_seed"),
    "task": ("task", "pool", "format", "mix", "reward", "data_seed"),
    "none": (),
}  # fmt: skip
"""Which fields of Source a kind of data has."""

OWN: dict[str, tuple[str, ...]] = {
    "star": ("task", "pool", "format", "mix", "strategy", "data_seed"),
    "quantise": ("task", "format", "mix", "data_seed"),
}
"""The fields of methods that look at others than their kind does."""

TESTED = ("quantise",)
"""Methods that learn nothing: their `problems` are of the test split."""


@dataclass(frozen=True)
class Gathered:
    """`data` as a method takes them, a `hash` of them, how many there are, and where they came
    from in words; `flops` is what a model spent on writing them now."""

    data: Any
    hash: str
    rows: int
    about: str
    flops: float = 0.0


def tasks_of(source: Source, count: int, part: str = "train") -> list[Task]:
    """The tasks that a source names, with `count` problems of a split each. Raises BadInput and
    UnknownName."""
    from evaluators import load_task

    if not source.task:
        raise BadInput("nothing to learn from: give --data FILE, or --task NAME")
    found = []
    for text in source.task:
        name, options = named(text)
        found.append(load_task(name, part, count, source.data_seed, **options))
    return found


def named(text: str) -> tuple[str, dict[str, Any]]:
    """`"expressions(ops=2..4)"` as a name and options. Raises BadInput."""
    call = _CALL.fullmatch(text)
    if call is None:
        raise BadInput(f"{text!r} is no task: write it like name or name(option=value)")
    return call.group(1), options_of(call.group(2) or "", call.group(1))


def fields_of(method: str, kind: str) -> tuple[str, ...]:
    """Which fields of Source a method of that kind looks at."""
    return OWN.get(method, FIELDS[kind])


def gather(
    source: Source, kind: str, folder: Path, dialect: Dialect = "compact", method: str = ""
) -> Gathered:  # fmt: skip
    """The data of a run of a method of that kind. Traces and pairs are kept in the folder, and read
    from there the next time. A solver writes in `dialect`. Raises LabError."""
    if kind == "none":
        return Gathered(None, "", 0, "")
    if kind == "task":
        return _practice(source, method)
    if kind == "pairs":
        return _pairs(source, folder, dialect)
    from reasoning.data import rows

    kept, cost = folder / FILE, 0.0
    if kept.is_file():
        known = rows.read(kept)
    else:
        known, cost = _raw(source, folder, dialect)
        if source.data and not known:
            raise BadInput(f"{_about(source)} holds no trace: collect some (reasonlab traces)")
        if source.keep == "correct":
            known = _right(known, bool(source.data))
        known = known if source.data else _at_most(known, source.most)
        if not known and source.data:
            raise BadInput(
                f"the verifier passed no trace of {_about(source)}: collect more, or --keep all"
            )
        if not known:
            raise BadInput(
                f"no trace was kept of {_about(source)}: take easier problems, more samples a"
                " problem, or --keep all"
            )
        rows.save(known, kept)
    return Gathered(known, rows.fingerprint(known), len(known), _about(source), cost)


def _pairs(source: Source, folder: Path, dialect: Dialect) -> Gathered:
    from reasoning.data import pairs

    kept, cost = folder / FILE, 0.0
    if kept.is_file():
        known = pairs.read(kept)
    else:
        if source.data and _holds_pairs(Path(source.data[0])):
            known = [one for name in source.data for one in pairs.read(Path(name))]
        else:
            rows, cost = _raw(source, folder, dialect)
            known = pairs.pairs_from(rows, each=source.most, seed=source.data_seed)
        if not known:
            raise BadInput(
                f"{_about(source)} give no pair: no problem has a right and a wrong trace. Sample"
                " more traces a problem (--samples), by a model (--writer), or harder problems"
            )
        pairs.save(known, kept)
    return Gathered(known, pairs.fingerprint(known), len(known), _about(source), cost)


def _holds_pairs(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return '"chosen"' in file.readline()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error}") from error


def _read(names: Sequence[str]) -> list[TraceRow]:
    from reasoning.data import rows

    return [row for name in names for row in rows.read(Path(name))]


def _raw(source: Source, folder: Path, dialect: Dialect) -> tuple[list[TraceRow], float]:
    """Traces of the files, or of the named tasks by their solvers or by a model, and the FLOPs of
    the model; says how many problems failed."""
    if source.data:
        return _read(source.data), 0.0
    tasks = tasks_of(source, source.problems)
    found: list[TraceRow] = []
    solver, _, kind = source.writer.partition(":")
    if solver == SOLVER:
        from reasoning.data.solver import solver_traces

        kind = kind or ("answer" if source.format == "direct" else "shortest")
        for task in tasks:
            found += _told(
                task.name,
                solver_traces(task, kind, source.samples, dialect=dialect, seed=source.data_seed),
            )
        return found, 0.0
    from reasoning.data.collect import collect_traces
    from reasoning.models import load_model
    from search.strategies import parse

    how: dict[str, Any] = {"format": source.format}
    if source.strategy:
        how = {"strategy": parse(source.strategy)}
    model, cost = load_model(source.writer), 0.0
    for at, task in enumerate(tasks):
        made = collect_traces(
            task, model, k=source.samples, seed=source.data_seed, **how,
            out=folder / "collected" / f"{at}-{task.name}",
        )  # fmt: skip
        found += _told(task.name, made)
        cost += made.spent.flops
    return found, cost


def _told(task: str, made: Traces) -> Traces:
    if made.errors:
        first = next(iter(made.errors.items()))
        print(f"{task}: {len(made.errors)} problems failed, as {first[0]}: {first[1]}")
    return made


def _right(rows: Sequence[TraceRow], unjudged: bool) -> list[TraceRow]:
    """The traces that the verifier passed, and those that it did not judge where `unjudged`; says
    how many of a file are left out."""
    kept = [
        row for row in rows
        if row.correct or (unjudged and (row.verdict or {}).get("passed") is None)
    ]  # fmt: skip
    if unjudged and len(kept) < len(rows):
        print(f"{len(rows) - len(kept):,} of {len(rows):,} traces are wrong and left out"
              " (--keep all learns them too)")  # fmt: skip
    return kept


def _at_most(rows: Sequence[TraceRow], most: int) -> list[TraceRow]:
    """The first `most` different traces of each question."""
    seen: dict[Any, set[str]] = {}
    kept = []
    for row in rows:
        texts = seen.setdefault((row.task, row.messages, row.prefix), set())
        if row.text not in texts and len(texts) < most:
            texts.add(row.text)
            kept.append(row)
    return kept


def _about(source: Source) -> str:
    if source.data:
        return ", ".join(Path(name).name for name in source.data)
    who = f"traces of {source.writer}"
    return f"{who} of {', '.join(source.task)}"


def _practice(source: Source, method: str) -> Gathered:
    from reasoning.prompts import PromptStyle
    from reasoning.train.practice import Practice

    tasks = tasks_of(source, source.pool, "test" if method in TESTED else "train")
    shares = source.mix or (1.0,) * len(tasks)
    made = Practice(
        tuple(zip(tasks, shares, strict=True)), PromptStyle(source.format), source.reward
    )  # fmt: skip
    about = f"problems of {', '.join(source.task)}"
    if method not in TESTED:
        about += f", paid by {source.reward}"
    if not source.strategy:
        return Gathered(made, made.fingerprint(), len(made), about)
    from search.strategies import parse

    return Gathered(
        (made, parse(source.strategy)), made.fingerprint(), len(made),
        f"{about}, searched by {source.strategy}",
    )  # fmt: skip
