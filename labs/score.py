"""`reasonlab score PROBLEM [FILE]`: score one program on a discovery problem, JSON last.

FILE.py holds the problem's function (for bin packing `priority(item, bins)` or `priority(item,
remaining)`); it runs in the sandbox. FILE.json holds an artefact, for cap sets also a plain list of
vectors, and is checked without running anything. `--baseline NAME` scores a known one instead.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evaluators.discovery import SPLITS, DiscoveryProblem, Evaluation, load_problem, names
from evaluators.discovery.base import audited
from evaluators.errors import BadInput, UnknownName


def read(file: Path) -> str:
    """The text of a program or artefact. Raises BadInput, naming a file of a similar name."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not UTF-8 text ({error}); give a program or JSON") from error
    except OSError as error:
        others = [p.name for p in file.parent.glob("*.*")] if file.parent.is_dir() else []
        near = [] if file.exists() else get_close_matches(file.name, others, n=1)
        hint = f"; did you mean {file.parent / near[0]}?" if near else ""
        raise BadInput(f"cannot read {file}: {error.strerror or error}{hint}") from error


def parameters(source: str, function: str) -> list[str] | None:
    """The parameter names of a function at top level; None where there is none to be found."""
    try:
        body = ast.parse(source[:65536]).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = [n for n in body if isinstance(n, ast.FunctionDef) and n.name == function]
    return [a.arg for a in (*found[-1].args.posonlyargs, *found[-1].args.args)] if found else None


def skeleton_of(source: str, file: Path) -> str:
    """Which skeleton of bin packing a program is written for, by its second parameter. Raises
    BadInput where the name does not tell."""
    known = parameters(source, "priority")
    if known is None or len(known) < 2:
        return "table"  # it fails in either: the sandbox says how
    second = known[1].lower()
    if "bin" in second:
        return "priority"
    if any(word in second for word in ("remain", "left", "room", "capacity", "rest")):
        return "table"
    raise BadInput(
        f"{file}: priority({', '.join(known)}) may be written for either skeleton: name it with"
        " --skeleton priority (item, bins) or --skeleton table (item, remaining)"
    )


def row(problem: DiscoveryProblem, found: Evaluation, split: str) -> dict[str, Any]:
    """What is printed of an evaluation: `score` is null unless `valid`."""
    valid = found.verdict == "ok" and found.score is not None
    fields: dict[str, Any] = {"problem": problem.name, "split": split}
    fields |= {"score": found.score if valid else None}
    if problem.name.startswith("bin-packing"):
        fields |= {"excess": fields["score"]}
        if valid:
            fields |= bins(problem, found, split)
    fields |= {"valid": valid, "verdict": found.verdict}
    if not valid:
        fields |= {"reason": found.reason, "line": found.line}
    elif len(found.scores) > 1:
        by_name = zip(problem.instances(split), found.scores, strict=True)  # type: ignore[arg-type]
        fields |= {"scores": dict(by_name)}
    return fields


def bins(problem: Any, found: Evaluation, split: str) -> dict[str, Any]:
    """Mean bins, mean L1 bound, and the excess of the one over the other (as papers report)."""
    cases = problem.cases(split)
    bounds = [c.bound for c in cases]
    used = [round(b * (1 + s / 100)) for b, s in zip(bounds, found.scores, strict=True)]
    return {
        "bins": sum(used) / len(used),
        "bound": sum(bounds) / len(bounds),
        "excess_of_means": 100 * (sum(used) / sum(bounds) - 1),
    }


def judge_json(problem: DiscoveryProblem, text: str, file: Path) -> Evaluation:
    """An artefact's exact check, as an evaluation. Raises BadInput for what is not JSON."""
    try:
        artefact = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file}: not JSON: {error}") from error
    check = problem.verify(artefact)
    return Evaluation("ok" if check.valid else "invalid", check.score, reason=check.reason)


def judge_program(
    problem: DiscoveryProblem, source: str, split: Any, backend: str | None, audit: bool
) -> Evaluation:
    """Score a program in the sandbox, and audit it."""
    from evaluators.sandbox import Sandbox

    with Sandbox(backend, preload=problem.preload) as sandbox:
        print(f"sandbox: {sandbox.backend}", flush=True)
        problem.warm()
        found = problem.evaluate(source, sandbox, split)
        if found.verdict == "ok" and audit:
            found = audited(problem, source, sandbox, found)
    return found


def baseline(problem: Any, name: str, exact: bool, split: str) -> Evaluation | str:
    """A published heuristic's evaluation by compiled code where the problem has it (`exact`), else
    the source of a baseline to run. Raises UnknownName."""
    published: tuple[str, ...] = ()
    if hasattr(problem, "reference"):
        from evaluators.discovery.bin_packing.references import REFERENCES as published
    if exact and name in published:
        scores = tuple(problem.reference(name, split))
        return Evaluation("ok", sum(scores) / len(scores), scores)
    known: Mapping[str, str] = problem.baselines
    if name not in known:
        raise UnknownName("baseline", name, {*known, *(published if exact else ())})
    return known[name]


def run(argv: list[str]) -> int:
    """The command: 0 where the program is valid, 1 where it is not."""
    given = _parser().parse_args(argv)
    if given.file is not None and given.baseline is not None:
        raise BadInput("give a file or --baseline, not both")
    chosen = {"skeleton": given.skeleton, "instances": given.instances, "seed": given.seed}
    chosen |= {"train": given.train, "validation": given.validation, "held_out": given.held_out}
    chosen |= {"seconds": given.seconds}
    options = {name: value for name, value in chosen.items() if value is not None}
    if given.instances is not None:
        options["divide"] = False
    text = read(given.file) if given.file else ""
    if given.file and given.file.suffix == ".json":
        problem = load_problem(given.problem, **options)
        found = judge_json(problem, text, given.file)
        print(json.dumps(_checked(problem, found), ensure_ascii=False))
        return 0 if found.verdict == "ok" else 1
    packing = given.problem.startswith("bin-packing")
    if given.file and packing and "skeleton" not in options:
        options["skeleton"] = skeleton_of(text, given.file)
        print(f"skeleton: {options['skeleton']} (by the parameters)")
    problem = load_problem(given.problem, **options)
    if given.seconds is None and hasattr(problem, "allow"):
        problem.allow(problem.time_for(3e-6))  # type: ignore[attr-defined]  # loops over bins too
    split = "all" if given.instances is not None and given.split is None else given.split
    over = "held-out" if split in (None, "all") else split
    source: Evaluation | str = text if given.file else problem.start
    if given.baseline is not None:
        source = baseline(problem, given.baseline, given.skeleton is None, over)
    if isinstance(source, str):
        found = judge_program(problem, source, over, given.sandbox, given.audit)
    else:
        found = source
    fields = row(problem, found, over)
    print(json.dumps({**fields, "split": split or over}, ensure_ascii=False, allow_nan=False))
    return 0 if fields["valid"] else 1


def _checked(problem: DiscoveryProblem, found: Evaluation) -> dict[str, Any]:
    """What is printed of an artefact."""
    valid = found.verdict == "ok"
    fields: dict[str, Any] = {"problem": problem.name, "score": found.score}
    if problem.name.startswith("bin-packing"):
        fields |= {"excess": found.score}
    fields |= {"valid": valid, "verdict": found.verdict}
    return fields if valid else {**fields, "reason": found.reason}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "reasonlab score", description="Score one program on a discovery problem."
    )
    parser.add_argument("problem", help="bin-packing:weibull-5k, cap-set:6, …, or a file of yours")
    parser.add_argument(
        "file", type=Path, nargs="?", help="FILE.py: the function; FILE.json: an artefact to check"
    )
    parser.add_argument("--baseline", help="score a known program instead of a file")
    parser.add_argument("--split", choices=SPLITS, help="which instances (held-out)")
    parser.add_argument("--instances", help='FILE.json: {name: {"capacity": C, "items": […]}}')
    parser.add_argument("--skeleton", help="bin packing: table or priority (by the parameters)")
    parser.add_argument("--seconds", type=float, help="priority skeleton: time for an instance")
    parser.add_argument("--sandbox", help="bwrap or landlock; process isolates nothing")
    parser.add_argument(
        "--audit", action=argparse.BooleanOptionalAction, default=True, help="look for cheating"
    )
    for option in ("seed", "train", "validation", "held-out"):
        what = "instances are drawn by it" if option == "seed" else f"number of {option} instances"
        parser.add_argument(f"--{option}", type=int, help=what)
    parser.epilog = "problems: " + ", ".join(names())
    return parser
