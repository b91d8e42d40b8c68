"""Groups of problems in one run: mixing, results by group, prompts of one's own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from evaluators import load_task
from evaluators.errors import BadInput
from labs.chain_figures import families_chart, groups_chart
from labs.groups import by_group, group_table, mix
from labs.shots import OwnPrompt, shown, wordless
from reasoning.core import Completion, Prompt, Sampling, SeedPath, Usage
from reasoning.ledger import Ledger
from reasoning.prompts import PromptStyle, build
from search import compare
from search.report import Report


@dataclass(frozen=True)
class Shouting:
    """Answers 1 whatever is asked, at two tokens."""

    name: str = "shouting"
    can: frozenset[str] = frozenset()
    dialect: str = "compact"
    flops_per_token: float = 0.0

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        grant = ledger.reserve(purpose="sample", model=self.name, key=seed.text, max_tokens=2)
        grant.settle(Usage(5, 0, 2))
        return [Completion("1", "eos", Usage(5, 0, 2))]

    def fingerprint(self) -> dict[str, str]:
        return {"name": self.name}


@pytest.fixture(scope="module")
def report() -> Report:
    task = load_task("operator", n=30, shots=2)
    return compare("direct", mix({"none": shown(task, 0), "two": task}), Shouting(), 16)


def test_mixed_problems_have_different_ids_and_know_their_group() -> None:
    task = load_task("operator", n=3, shots=1)
    mixed = mix({"a": shown(task, 0), "b": task})
    assert len({problem.id for problem in mixed.problems}) == 6
    assert [problem.meta["group"] for problem in mixed.problems] == ["a"] * 3 + ["b"] * 3
    with pytest.raises(BadInput, match="one kind"):
        mix({"a": task, "b": load_task("expressions", n=1)})


def test_results_by_group_are_the_shares_of_right_answers(report: Report) -> None:
    ones = sum(problem.answer == "1" for problem in load_task("operator", n=30, shots=2).problems)
    assert 0 < ones < 30
    groups = by_group(report)
    assert [group.name for group in groups] == ["none", "two"]
    for group in groups:
        assert group.accuracy.value == pytest.approx(ones / 30)
        assert group.accuracy.low < ones / 30 < group.accuracy.high
        assert (group.problems, group.tokens) == (30, 2.0)
    assert f"{ones / 30:.2f}" in str(group_table(report))
    assert groups_chart(groups, "examples")._repr_png_().startswith(b"\x89PNG")


def test_fewer_examples_keep_the_question() -> None:
    task = load_task("operator", n=2, shots=3)
    for fewer, whole in zip(shown(task, 1).problems, task.problems, strict=True):
        assert fewer.fields["examples"] == whole.fields["examples"][:1]
        assert (fewer.fields["a"], fewer.answer) == (whole.fields["a"], whole.answer)
    with pytest.raises(BadInput, match="4 examples"):
        shown(task, 4)


@pytest.mark.parametrize("shots", [0, 1, 4])
def test_the_wordless_prompt_is_the_task_s_own(shots: int) -> None:
    task = load_task("operator", n=5, shots=shots)
    own = OwnPrompt("operator", task.problems, write=wordless)
    for problem in task.problems:
        asked = [build(t, problem, PromptStyle("direct"), "compact") for t in (task, own)]
        assert asked[0] == asked[1]
    [message] = build(own, own.problems[0], PromptStyle("direct"), "plain").messages
    assert message.content.endswith("Answer: <number>")


def test_families_of_arms_are_drawn_without_those_that_did_not_run(report: Report) -> None:
    figure = families_chart(report, {"asked": ["direct"], "missing": ["chain-of-thought"]})
    [axes] = figure.axes
    assert axes.get_legend_handles_labels()[1] == ["asked"]
    assert axes.get_lines()[0].get_xdata().tolist() == [2.0]
