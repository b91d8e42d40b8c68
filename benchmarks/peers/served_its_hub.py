"""its-hub on a served model: python served_its_hub.py KIND URL PROBLEMS ANSWERS BUDGET.

Its own client for OpenAI-compatible servers, its own algorithms, our verifiers as reward models.
KIND is best-of-n (verifier), beam-search or particle-filter (scores of steps); BUDGET is its number
of samples. It has no cap on tokens. Two things are changed: its client writes a field `extra_body`
into the body beside the fields themselves, which is taken out, and what `agenerate` generates,
which it does not count, is counted by its own accumulator.
"""

import asyncio
import json
import sys
import warnings

from its_hub import BestOfN, OpenAICompatibleLanguageModel  # pyright: ignore[reportMissingImports]
from its_hub.api import (  # pyright: ignore[reportMissingImports]
    AbstractOutcomeRewardModel,
    AbstractProcessRewardModel,
    GenerationUsage,
)
from its_hub.core.algorithms.beam_search import BeamSearch  # pyright: ignore[reportMissingImports]
from its_hub.core.algorithms.particle_gibbs import (  # pyright: ignore[reportMissingImports]
    ParticleFiltering,
)
from its_hub.core.lms.step_generation import (  # pyright: ignore[reportMissingImports]
    StepGeneration,
)
from judged import TEMPERATURE, Set, write

AT_ONCE = 32
WIDTH = 2
END = "</think>"


class Counting(OpenAICompatibleLanguageModel):
    """Its client, with every token counted."""

    def __init__(self, url: str, length: int) -> None:
        super().__init__(url, "none", "tiny", temperature=TEMPERATURE, max_completion_tokens=length)
        self.usage = GenerationUsage()
        self.late = 0

    def _prepare_request_data(self, *args, **kwargs) -> dict:
        data = super()._prepare_request_data(*args, **kwargs)
        data.pop("extra_body", None)
        return data

    async def agenerate(self, messages_lst, temperature=None, **kwargs):
        self.late += sum(_ended(messages) for messages in messages_lst)
        calls = (self.agenerate_single(m, temperature=temperature, **kwargs) for m in messages_lst)
        return list(await asyncio.gather(*calls))

    async def agenerate_single(self, messages, **kwargs):
        kwargs["usage_accumulator"] = self.usage
        return await super().agenerate_single(messages, **kwargs)


def _ended(messages) -> bool:
    return messages[-1].role == "assistant" and END in str(messages[-1].content)


class Whole(AbstractOutcomeRewardModel):
    def __init__(self, data: Set, problem) -> None:
        self.data, self.problem = data, problem

    async def ascore(self, conversations, **kwargs):
        return [self.data.whole(self.problem, talk[-1].content or "") for talk in conversations]

    def score(self, conversations, **kwargs):
        raise NotImplementedError("only the asynchronous one is used")


class Steps(AbstractProcessRewardModel):
    def __init__(self, data: Set, problem) -> None:
        self.data, self.problem = data, problem

    async def ascore(self, prompt, response_or_responses, **kwargs):
        return [self.data.steps(self.problem, text) for text in response_or_responses]

    def score(self, prompt, response_or_responses, **kwargs):
        raise NotImplementedError("only the asynchronous one is used")


async def solve(kind: str, url: str, data: Set, problem, budget: int) -> dict:
    """One problem."""
    lm = Counting(url, data.length)
    if kind == "best-of-n":
        algorithm = BestOfN(Whole(data, problem))
    else:
        steps = StepGeneration(
            max_steps=16, step_token="\n", stop_token=END, temperature=TEMPERATURE,
            include_stop_str_in_output=True,
        )  # fmt: skip
        reward = Steps(data, problem)
        if kind == "beam-search":
            algorithm = BeamSearch(steps, reward, min(WIDTH, budget))
        else:
            algorithm = ParticleFiltering(steps, reward)
    made = await algorithm.ainfer(lm, data.question(problem), budget)
    await lm.close()
    return {
        "id": problem.id, "text": made["content"] or "", "late": lm.late,
        "tokens": lm.usage.completion_tokens, "calls": lm.usage.num_calls,
    }  # fmt: skip


async def main() -> None:
    """All problems, so many at a time."""
    kind, url, problems, answers, budget = sys.argv[1:6]
    data, gate = Set.read(problems), asyncio.Semaphore(AT_ONCE)

    async def one(problem) -> dict:
        async with gate:
            return await solve(kind, url, data, problem, int(budget))

    rows = await asyncio.gather(*map(one, data.problems))
    write(answers, rows)
    print(json.dumps({"late": sum(row["late"] for row in rows)}))


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    asyncio.run(main())
