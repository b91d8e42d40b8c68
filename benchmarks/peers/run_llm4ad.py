"""LLM4AD's FunSearch on the work of `work.py`.

    python run_llm4ad.py COUNT TURNS STAMPS [WORKERS] [HOW] [kept|lost]

A subclass of its `LLM` answers at once. Programs are `kept` in a folder by its profiler, as in its
own examples, or `lost`. HOW is `fork` (a forked process an evaluation, the fastest that it can
end), `spawn` (how the package comes) or `thread` (in the process: a looping candidate would never
end). STAMPS gets a line for every evaluation.
"""

import sys
import tempfile
from typing import Any

from llm4ad.base import LLM, Evaluation  # pyright: ignore[reportMissingImports]
from llm4ad.method.funsearch import FunSearch  # pyright: ignore[reportMissingImports]
from llm4ad.method.funsearch.profiler import (  # pyright: ignore[reportMissingImports]
    FunSearchProfiler,
)
from work import fresh, stamp

COUNT, TURNS, STAMPS = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
WORKERS = int(sys.argv[4]) if len(sys.argv) > 4 else 2
HOW = sys.argv[5] if len(sys.argv) > 5 else "fork"
KEPT = len(sys.argv) <= 6 or sys.argv[6] == "kept"

TEMPLATE = '''
def work(x: int) -> float:
    """Work.

    Args:
        x: a number
    Return:
        the score
    """
    return 0.0
'''


class Instant(LLM):
    """A model that answers at once with another program."""

    def draw_sample(self, prompt: str | Any, *args: Any, **kwargs: Any) -> str:
        return fresh(TURNS)


class Work(Evaluation):
    """The program's own value is its score."""

    def __init__(self) -> None:
        super().__init__(TEMPLATE, "Work.", timeout_seconds=20, safe_evaluate=HOW != "thread")

    def evaluate_program(self, program_str: str, callable_func: Any, **kwargs: Any) -> float:
        score = callable_func(1)
        stamp(STAMPS)
        return score


def main() -> None:
    """Run COUNT samples (whole batches of four)."""
    with tempfile.TemporaryDirectory() as folder:
        profiler = FunSearchProfiler(log_dir=folder, log_style="simple") if KEPT else None
        FunSearch(
            Instant(), Work(), profiler,
            num_samplers=WORKERS, num_evaluators=WORKERS, max_sample_nums=COUNT,
            fork_proc=HOW == "fork",
        ).run()  # fmt: skip


if __name__ == "__main__":
    main()
