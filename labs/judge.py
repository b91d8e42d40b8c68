"""`reasonlab judge PROBLEMS.jsonl SAMPLES.jsonl`: pass@k against unit tests, each side isolated.

Formats are HumanEval's: problems `task_id, prompt, entry_point, canonical_solution, test`, samples
`task_id, completion`, several a task, files gzipped or not. A completion continues the prompt, or
is the whole function, bare or in a fenced block (`evaluators.code.candidate.readings` has the
rule). With `--out` every judgement is written as it comes, and `--resume` goes on after them. The
last line is `passed P/T`: P of all T samples passed.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab judge",
        description="pass@k of code samples against unit tests, both in sandboxes. The last line"
        " is `passed P/T`: samples that passed, of all.",
    )
    made.add_argument("problems", type=Path, help="JSONL or JSONL.gz in the format of HumanEval")
    made.add_argument(
        "samples", type=Path, nargs="?", help='rows {"task_id": …, "completion": …}, JSONL or .gz'
    )
    made.add_argument(
        "--canonical", action="store_true", help="judge the problems' own solutions instead"
    )
    made.add_argument("--k", help="pass@k for these k (default: those of 1,10,100 that can be)")
    made.add_argument("--workers", type=int, default=2, help="samples judged at once")
    made.add_argument("--sandbox", help="bwrap, landlock or process; default: the strongest here")
    made.add_argument(
        "--timeout", type=float, default=3.0, help="seconds for all calls of one sample"
    )
    made.add_argument("--out", type=Path, help="write one judgement a line, as they come")
    made.add_argument("--resume", action="store_true", help="go on after what --out holds")
    return made


def sizes(text: str) -> list[int]:
    """The k's of `--k`. Raises BadInput."""
    try:
        found = sorted({int(part) for part in text.split(",") if part.strip()})
    except ValueError as error:
        raise BadInput(
            f"--k takes numbers with commas between, as in 1,10: not {text!r}"
        ) from error
    if not found or found[0] < 1:
        raise BadInput(f"--k takes numbers of 1 or more, as in 1,10: not {text!r}")
    return found


def read_earlier(path: Path, samples: Sequence[Any]) -> list[dict[str, Any]]:
    """The judgements that an interrupted run left, in order; a torn last line is cut off.

    Raises BadInput where the file cannot be used or they are of other samples.
    """
    rows: list[dict[str, Any]] = []
    if not path.exists():
        return rows
    if not path.is_file():
        raise BadInput(f"cannot resume {path}: it is no file; name one with --out")
    try:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)
    except OSError as error:
        raise BadInput(f"cannot resume {path}: {error.strerror or error}") from error
    for line in data[:whole].split(b"\n")[:-1]:
        at = len(rows)
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadInput(
                f"{path}, line {at + 1}: not JSON ({error}); delete the file, or write to another"
            ) from error
        same = at < len(samples) and isinstance(row, dict) and (
            (row.get("task_id"), row.get("completion"))
            == (samples[at].task_id, samples[at].completion)
        )  # fmt: skip
        if not same or "passed" not in row or "ending" not in row:
            raise BadInput(
                f"{path}, line {at + 1}: a judgement of another sample; resume with the samples"
                " that it was written for, or write to another file"
            )
        rows.append(row)
    return rows


class Rows:
    """The file of `--out`, written after what it holds; its folders are made. Raises BadInput."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise BadInput(f"cannot write --out {path}: {error.strerror or error}") from error

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one line."""
        data = memoryview((json.dumps(row) + "\n").encode())
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise BadInput(
                f"cannot write --out {self._path}: {error.strerror or error}; what it holds is"
                " kept: make room, then go on with --resume"
            ) from error

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def judged(options: argparse.Namespace, problems: Mapping[str, Any], samples: Sequence[Any],
           earlier: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The judgement rows of all samples in order, written to `--out` as they come."""
    from evaluators.code.batch import judge_all

    yield from earlier
    with ExitStack() as stack:
        out = stack.enter_context(Rows(options.out)) if options.out else None
        rest = samples[len(earlier) :]
        found = judge_all(problems, rest, options.workers, options.sandbox, options.timeout)
        for sample, judgement in zip(rest, found, strict=True):
            row = {"task_id": sample.task_id, "completion": sample.completion} | asdict(judgement)
            if out:
                out.add(row)
            yield row


def report(
    rows: Sequence[Mapping[str, Any]], ks: Sequence[int], missing: int, wanted: bool = True
) -> list[str]:
    """The lines of the report: endings, what could not be judged, pass@k, `passed P/T`. `wanted`
    tells which of `ks` there are too few samples for."""
    from evaluators.code.batch import pass_rates
    from evaluators.code.judge import ENDINGS

    counts = Counter(row["ending"] for row in rows)
    lines = [f"{name.ljust(12)} {counts[name]:6d}" for name in ENDINGS if counts[name]]
    unjudged: dict[str, str] = {}
    for row in rows:
        if row["passed"] is None:
            unjudged.setdefault(row["task_id"], row["reason"] or row["ending"])
    lines += [f"not judged: {task_id}: {why}" for task_id, why in unjudged.items()]
    if missing:
        lines.append(f"{missing} problems have no sample; the rates are over the others")
    rates, fewest = pass_rates([r["task_id"] for r in rows], [r["passed"] for r in rows], ks)
    if rates:
        problems = f"{rates[0].problems} problems"
        lines += [f"{rate} (95 % interval over {problems})" for rate in rates]
    left = [str(k) for k in ks if k > fewest]
    if left and fewest and wanted:
        lines.append(f"no pass@{', pass@'.join(left)}: a problem has only {fewest} judged samples")
    return [*lines, f"passed {sum(row['passed'] is True for row in rows)}/{len(rows)}"]


class Progress:
    """One line on standard error where that is a terminal, at most five times a second."""

    def __init__(self, total: int, earlier: int) -> None:
        self._total, self._done, self._passed, self._earlier = total, 0, 0, earlier
        self._began = self._told = time.monotonic()
        self._shown = sys.stderr.isatty()

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a judgement."""
        self._done += 1
        self._passed += row["passed"] is True
        now = time.monotonic()
        if self._shown and (now - self._told >= 0.2 or self._done == self._total):
            self._told = now
            rate = (self._done - self._earlier) / max(now - self._began, 1e-9)
            end = "\n" if self._done == self._total else ""
            said = f"{self._done}/{self._total} judged, {self._passed} passed, {rate:.0f}/s"
            print(f"\r{said}   ", end=end, file=sys.stderr, flush=True)


def run(argv: list[str]) -> int:
    """The command: judge, print the report. 1 where the sandbox itself broke down on a sample."""
    options = parser().parse_args(argv)
    ks = sizes("1,10,100" if options.k is None else options.k)
    if options.workers < 1:
        raise BadInput(f"--workers must be 1 or more, not {options.workers}")
    if not 0 < options.timeout < float("inf"):
        raise BadInput(f"--timeout must be a number of seconds above 0, not {options.timeout:g}")
    if options.resume and not options.out:
        raise BadInput("--resume goes on after what --out FILE holds: give --out")
    problems, samples = read(options)
    if options.out and options.out.exists() and not options.resume:
        raise BadInput(f"{options.out} exists; add --resume to go on with it, or name another file")
    earlier = read_earlier(options.out, samples) if options.resume else []
    missing = len(problems) - len({sample.task_id for sample in samples})
    progress = Progress(len(samples), len(earlier))
    rows: list[dict[str, Any]] = []
    try:
        for row in judged(options, problems, samples, earlier):
            rows.append(row)
            progress.add(row)
    except KeyboardInterrupt as stop:
        again = [*argv, *([] if options.resume else ["--resume"])]
        advice = f"continue with: reasonlab judge {shlex.join(again)}"
        lost = "nothing was kept; give --out FILE to be able to resume"
        raise KeyboardInterrupt(advice if options.out else lost) from stop
    print("\n".join(report(rows, ks, missing, wanted=options.k is not None)))
    return 1 if any(row["ending"] == "sandbox_died" for row in rows) else 0


def read(options: argparse.Namespace) -> tuple[Mapping[str, Any], Sequence[Any]]:
    """Problems and samples of the files. Raises BadInput."""
    from evaluators.code.problem import Sample, read_problems, read_samples

    if options.canonical == (options.samples is not None):
        raise BadInput(
            "give either a file of samples, or --canonical to judge the problems' own solutions"
        )
    problems = read_problems(options.problems)
    if not options.canonical:
        return problems, read_samples(options.samples, problems)
    solved = [p for p in problems.values() if p.canonical_solution is not None]
    if not solved:
        raise BadInput(f"{options.problems}: no problem has a canonical_solution to judge")
    return problems, [Sample(p.task_id, p.canonical_solution or "", 0) for p in solved]
