"""`reasonlab traces select`: what is worth learning from, without test questions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput

DESCRIPTION = (
    "Select traces by verdict, difficulty, length, repetition and novelty, leave out test"
    " instances and held-out questions, and tell what every rule took away."
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser("reasonlab traces select", description=DESCRIPTION)
    made.add_argument("files", type=Path, nargs="+", help="traces; folders of collections")
    made.add_argument("--out", type=Path, required=True, help="the file to write, .jsonl")
    made.add_argument("--verdict", choices=("right", "wrong", "any"), default="right")
    made.add_argument("--cut", action="store_true", help="keep traces that did not end as well")
    made.add_argument("--no-hinted", action="store_true", help="none that was written with a hint")
    made.add_argument("--solved", default="0..1", help="solve rate of the problem: 0.1..0.9")
    made.add_argument("--tokens", default="0..", help="length: 20..200, ..200")
    made.add_argument("--sound", action="store_true", help="no step that a verifier rejects")
    made.add_argument("--distinct", choices=("text", "answer", "none"), default="text")
    made.add_argument("--novelty", type=float, default=0.0, help="least distance to those kept")
    made.add_argument("--each", type=int, help="at most so many a problem")
    made.add_argument(
        "--prefer", default="first",
        choices=("first", "random", "shortest", "longest", "likely", "novel"),
    )  # fmt: skip
    made.add_argument("--limit", type=int, help="at most so many in all, drawn by the seed")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument(
        "--held-out", action="append", default=[], metavar="TASK",
        help="a task whose test problems must not be learned from, such as countdown(numbers=4)",
    )  # fmt: skip
    made.add_argument("--words", type=int, help="runs of words that may not be shared (prose)")
    made.add_argument(
        "--keep-test", action="store_true", help="do not look for test instances at all"
    )
    return made


def between(text: str, name: str, kind: type, low: Any, high: Any) -> tuple[Any, Any]:
    """`"0.1..0.9"` as two numbers; an end that is left out is `low` or `high`. Raises BadInput."""
    first, dots, last = text.partition("..")
    try:
        if not dots:
            raise ValueError("no ..")
        return kind(first) if first else low, kind(last) if last else high
    except ValueError as error:
        raise BadInput(f"{name} takes two ends, as in 0.1..0.9 or ..200, not {text!r}") from error


def run(argv: list[str]) -> int:
    """The command. 1 where nothing is left."""
    given = parser().parse_args(argv)
    from labs.traces_files import held_out, rows_in, sources_of, write_rows
    from reasoning.data.decontaminate import decontaminate
    from reasoning.data.select import select

    found = select(
        rows_in(given.files), verdict=given.verdict, ended=not given.cut,
        hinted=not given.no_hinted, solved=between(given.solved, "--solved", float, 0.0, 1.0),
        tokens=between(given.tokens, "--tokens", int, 0, None), distinct=given.distinct,
        sound=given.sound, novelty=given.novelty, each=given.each, prefer=given.prefer,
        limit=given.limit, seed=given.seed,
    )  # fmt: skip
    print(found)
    rows, made = list(found), {"sources": sources_of(given.files), "selection": found.told()}
    if given.keep_test:
        if given.held_out or given.words:
            raise BadInput("--keep-test looks for nothing: leave --held-out and --words out")
    else:
        clean = decontaminate(rows, held_out(given.held_out), words_in_common=given.words)
        rows, made["held_against"] = list(clean.rows), clean.told()
        print(clean)
    if not rows:
        print("nothing is left: no file was written")
        return 1
    write_rows(rows, given.out, made)
    print(f"traces: {given.out}")
    return 0
