"""The measurements and the page of a model's card, on a scripted model with known answers."""

import json
from pathlib import Path

import numpy as np
import pytest

from evaluators import load_task
from evaluators.tasks import expressions
from labs.recipes import card, measure
from labs.recipes.tiny import PLANS, train
from reasoning.core import Completion, TokenScores, Usage
from reasoning.prompts import PromptStyle

MODELS = Path(card.__file__).parents[2] / "reasoning" / "models" / "tiny"


class Solver:
    """Solves every expression whose value is even; calls right traces good, but for a few."""

    name, can, dialect, flops_per_token = "solver", frozenset(), "compact", 0.0

    async def generate(self, prompt, sampling, ledger, seed):
        question = prompt.messages[0].content.removesuffix("<think>").removesuffix("=")
        problem = expressions.Expressions.parse_problem(question)
        value = int(problem.answer or 0)
        text = f"</think>{value + value % 2}"
        return [Completion(text, "eos", Usage(1, 0, 3))] * sampling.n

    async def score(self, prompt, continuations, ledger):
        return [TokenScores((text,), (-1.0,)) for text in continuations]


def test_a_measured_share_is_the_models_true_one() -> None:
    task = load_task("expressions", n=80, ops=4)
    even = [int(p.answer or 0) % 2 == 0 for p in task.problems]
    right, tokens = measure.hits(Solver(), task, PromptStyle())
    assert right[:, 0].tolist() == even and set(tokens[:, 0]) == {3}
    row = measure.share("greedy chain", "expressions ops=4", right[:, 0].tolist())
    assert row.value == pytest.approx(sum(even) / 80) and row.low < row.value < row.high


def test_a_truncated_completion_is_wrong_whatever_it_says() -> None:
    task = load_task("expressions", n=1)
    text = f"</think>{task.problems[0].answer}"
    for finish, right in (("eos", True), ("length", False), ("budget", False)):
        assert measure.judged(task, task.problems[0], Completion(text, finish, Usage())) is right


@pytest.mark.parametrize("name", ["expressions", "countdown"])
def test_a_forced_beginning_is_right_but_for_its_last_line(name: str) -> None:
    task = load_task(name, n=30)
    rng = np.random.default_rng(0)
    for problem in task.problems:
        for error in (False, True):
            lines = measure.beginning(name, problem, error, rng).splitlines(keepends=True)
            passed = [
                task.step_verifier.check(problem, lines[: i + 1]).passed for i in range(len(lines))
            ]
            assert passed == [True] * (len(lines) - 1) + [not error]


AUC = [
    ("perfect", [1, 1, 0, 0], [4, 3, 2, 1], 1.0), ("reversed", [0, 0, 1, 1], [4, 3, 2, 1], 0.0),
    ("all equal", [1, 0, 1, 0], [1, 1, 1, 1], 0.5), ("one pair wrong", [1, 0, 1], [3, 2, 1], 0.5),
    ("a tie", [1, 0, 0], [2, 2, 1], 0.75),
]  # fmt: skip


@pytest.mark.parametrize(("truth", "score", "want"), [r[1:] for r in AUC], ids=[r[0] for r in AUC])
def test_auc_by_hand(truth: list[int], score: list[int], want: float) -> None:
    assert measure.auc(np.array(truth, bool), np.array(score)) == want


@pytest.mark.parametrize("name", list(PLANS))
def test_the_shipped_page_is_made_from_the_shipped_figures(name: str) -> None:
    folder = MODELS / name
    training = json.loads((folder / "training.json").read_text())
    parts = json.loads((folder / "card.json").read_text())
    assert (folder / "README.md").read_text() == card.page(name, training, parts)
    assert (folder / "model.safetensors").stat().st_size <= 3_500_000


def value(name: str, what: str, setting: str) -> float:
    parts = json.loads((MODELS / name / "card.json").read_text())
    rows = [r for part in parts.values() for r in part]
    return next(r["value"] for r in rows if (r["what"], r["setting"]) == (what, setting))


def test_the_shipped_models_are_what_they_are_meant_to_be() -> None:
    four = "countdown numbers=4"
    assert 0.25 <= value("tiny", "greedy chain", four) <= 0.65
    assert 0.25 <= value("tiny", "greedy chain", "expressions ops=10") <= 0.65
    for ops in (3, 4, 6, 8, 10):
        gap = (value("tiny", f"greedy {f}", f"expressions ops={ops}") for f in ("chain", "direct"))
        chain, direct = gap
        assert chain - direct >= 0.25
    assert 0.08 <= value("tiny-weak", "sampled chain pass@1", four) <= 0.20
    assert value("tiny-weak", "sampled chain pass@16", four) >= 0.45
    for setting in (four, "expressions ops=3", "chain-sum terms=2 digits=3"):
        assert value("tiny-student", "greedy chain", setting) < 0.05


def test_an_effect_took_only_when_the_intervals_do_not_touch() -> None:
    rows = [
        {"what": what, "setting": setting, "value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
        for _, *pair in card.CLAIMS
        for what, setting in (pair[:2], pair[2:])
    ]
    assert all("did not take" in line for line in card.claims({"all": rows}))
    for row in rows:
        if (row["what"], row["setting"]) == ("greedy direct", "operator shots=4"):
            row |= {"value": 0.9, "low": 0.61, "high": 1.0}
    assert ["did not take" in line for line in card.claims({"all": rows})].count(False) == 1


def test_the_recipe_runs_from_nothing_to_a_folder_that_loads(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = train("tiny-student", tmp_path, steps=2)
    model = AutoModelForCausalLM.from_pretrained(folder)
    words = AutoTokenizer.from_pretrained(folder)
    ids = words("3+4=", return_tensors="pt")["input_ids"]
    assert model.generate(ids, max_new_tokens=2, do_sample=False).shape[1] <= 6
    assert str(model.dtype) == "torch.bfloat16"


def test_the_shipped_weights_reach_the_shipped_figures() -> None:
    from reasoning import load_model

    task = load_task("expressions", n=200, ops=6)
    model = load_model("tiny")
    chain, _ = measure.hits(model, task, PromptStyle())
    direct, _ = measure.hits(model, task, PromptStyle("direct"))
    setting = "expressions ops=6"
    assert chain.mean() == pytest.approx(value("tiny", "greedy chain", setting), abs=0.02)
    assert direct.mean() == pytest.approx(value("tiny", "greedy direct", setting), abs=0.02)
