"""The narrow table of a report says why problems failed."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators import load_task
from labs.summary import summary
from reasoning.core import BadPrompt, Completion, Prompt, Sampling, SeedPath, Usage
from reasoning.ledger import Ledger
from search import compare


@dataclass(frozen=True)
class Choosy:
    """Reads no question with a plus sign in it, and answers every other one by 1."""

    name: str = "choosy"
    can: frozenset[str] = frozenset()
    dialect: str = "compact"
    flops_per_token: float = 0.0

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        if "+" in prompt.messages[0].content:
            raise BadPrompt("no plus signs, please")
        grant = ledger.reserve(purpose="x", model=self.name, key=seed.text, max_tokens=1)
        grant.settle(Usage(1, 0, 1))
        return [Completion("1", "eos", Usage(1, 0, 1))]

    def fingerprint(self) -> dict[str, str]:
        return {"name": self.name}


def test_the_caption_says_how_many_failed_and_why_the_first_did() -> None:
    task = load_task("expressions", n=20, ops=1)
    failing = sum("+" in problem.fields["expression"] for problem in task.problems)
    assert 0 < failing < 20
    text = summary(compare("direct", task, Choosy(), [8]))  # type: ignore[arg-type]
    assert f"{failing} errors" in text
    assert "no plus signs, please" in text
