"""OpenEvolve on the work of `work.py`: python run_openevolve.py COUNT TURNS STAMPS [WORKERS].

Its own hook for a client (`init_client`) takes a model that answers at once, in the process: no
server, no network. Whole programs instead of diffs, one evaluation stage, little logging, all else
as it comes. STAMPS gets a line for every evaluation.
"""

import os
import sys
import tempfile
from pathlib import Path

from openevolve import run_evolution  # pyright: ignore[reportMissingImports]
from openevolve.config import Config, LLMModelConfig  # pyright: ignore[reportMissingImports]
from openevolve.llm.base import LLMInterface  # pyright: ignore[reportMissingImports]
from work import fresh, program

COUNT, TURNS, STAMPS = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
WORKERS = int(sys.argv[4]) if len(sys.argv) > 4 else 2

EVALUATOR = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from work import stamp

def evaluate(path):
    namespace = {{}}
    with open(path) as file:
        exec(file.read(), namespace)
    score = namespace["work"](1)
    stamp({STAMPS!r})
    return {{"combined_score": score}}
"""


class Instant(LLMInterface):
    """A model that answers at once with another program."""

    def __init__(self, config: LLMModelConfig) -> None:
        self.model, self.weight = "instant", config.weight

    async def generate(self, prompt: str, **kwargs) -> str:
        return f"```python\n{fresh(TURNS)}```"

    async def generate_with_context(self, system_message, messages, **kwargs) -> str:
        return await self.generate("")


def instant(config: LLMModelConfig) -> Instant:
    """What OpenEvolve calls to make its client."""
    return Instant(config)


def main() -> None:
    """Run COUNT iterations."""
    with tempfile.TemporaryDirectory() as folder:
        evaluator = Path(folder) / "evaluator.py"
        evaluator.write_text(EVALUATOR)
        config = Config()
        config.llm.models = [LLMModelConfig(name="instant", init_client=instant)]
        config.diff_based_evolution = False
        config.evaluator.parallel_evaluations = WORKERS
        config.evaluator.cascade_evaluation = False
        config.log_level = "ERROR"
        run_evolution(
            program(0, TURNS), evaluator, config, iterations=COUNT,
            output_dir=os.path.join(folder, "out"),
        )  # fmt: skip


if __name__ == "__main__":
    main()
