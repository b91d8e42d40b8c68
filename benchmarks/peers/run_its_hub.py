"""its-hub's beam search and best-of-N on the toy of `steps.py`: python run_its_hub.py KIND COUNT.

A subclass of its language model answers at once, in the process: no server, no network. KIND is
beam-search or best-of-n; the budget is the greatest with at most COUNT calls. Nothing is logged.
Prints one line of JSON.
"""

import asyncio
import random
import sys

from its_hub import BestOfN  # pyright: ignore[reportMissingImports]
from its_hub.api import (  # pyright: ignore[reportMissingImports]
    AbstractLanguageModel,
    AbstractOutcomeRewardModel,
    AbstractProcessRewardModel,
)
from its_hub.core.algorithms.beam_search import BeamSearch  # pyright: ignore[reportMissingImports]
from its_hub.core.lms.step_generation import (  # pyright: ignore[reportMissingImports]
    StepGeneration,
)
from steps import CHOICES, LENGTH, QUESTION, Clock, line, value

WIDTH = 4


class Instant(AbstractLanguageModel):
    """Writes the next line where a stop is given, else all of them."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.calls, self.late, self.rng = clock, 0, 0, random.Random(0)

    def _one(self, messages, stop) -> dict:
        before = messages[-1].content if messages[-1].role == "assistant" else ""
        written = before.count("\n")
        self.calls += 1
        self.late += before.endswith(".\n")
        self.clock.at(self.calls)
        count = 1 if stop else LENGTH - written
        text = "".join(line(self.rng.randrange(CHOICES), written + at) for at in range(count))
        return {"role": "assistant", "content": text}

    async def agenerate(self, messages, stop=None, **kwargs):
        return [self._one(each, stop) for each in messages]

    async def agenerate_single(self, messages, stop=None, **kwargs):
        return self._one(messages, stop)


class Process(AbstractProcessRewardModel):
    async def ascore(self, prompt, response_or_responses, **kwargs):
        return [value(text) for text in response_or_responses]

    def score(self, prompt, response_or_responses, **kwargs):
        raise NotImplementedError("only the asynchronous one is used")


class Outcome(AbstractOutcomeRewardModel):
    async def ascore(self, conversations, **kwargs):
        return [value(messages[-1].content) for messages in conversations]

    def score(self, conversations, **kwargs):
        raise NotImplementedError("only the asynchronous one is used")


async def main() -> None:
    """One question."""
    kind, count = sys.argv[1], int(sys.argv[2])
    clock = Clock([count * part // 10 for part in range(1, 11)])
    lm = Instant(clock)
    if kind == "beam-search":
        steps = StepGeneration(
            max_steps=LENGTH + 4, step_token="\n", stop_token=".\n", include_stop_str_in_output=True
        )
        budget = max(WIDTH, round(count / (LENGTH - 1 + 1 / WIDTH)) // WIDTH * WIDTH)
        made = await BeamSearch(steps, Process(), WIDTH).ainfer(
            lm, QUESTION, budget, return_response_only=False
        )
    else:
        made = await BestOfN(Outcome()).ainfer(lm, QUESTION, count, return_response_only=False)
    clock.tell(lm.calls, late=lm.late, answered=bool(made.the_one), nodes=lm.calls)


if __name__ == "__main__":
    asyncio.run(main())
