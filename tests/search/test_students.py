"""evaluate_students: figures by hand on scripted models, pairing, costs, resuming."""

from __future__ import annotations

import json

import numpy as np
import pytest
from toy_lab import Scripted, toy

from evaluators import load_task
from evaluators.errors import BadInput, UnknownName
from reasoning.core import Completion, Usage
from search import Cost, evaluate_students
from search.student_cost import cost_of
from search.student_report import SAMPLE
from search.student_samples import error_interval, interval

TASK, OTHER = toy(4), toy(3, length=3)


class Answers(Scripted):
    """Sample i of every problem says what the i-th sign says: 1 the right answer, 2 and 3 two wrong
    ones, 0 none (it is cut)."""

    flops_per_token = 10.0

    def __init__(self, name: str, signs: str) -> None:
        super().__init__()
        self.name, self.signs = name, signs

    def _write(self, question, prefix, sampling, seed, granted):
        total = sum(int(x) for x in question[:-1].split("+"))
        sign = int(self.signs[int(seed.parts[-1]) % len(self.signs)])
        if not sign:
            return Completion("?", "length", Usage(0, 0, 40), None, (-0.1,) * 40)
        text = f"={total + sign - 1:>5}"
        return Completion(text, "eos", Usage(0, 0, 6), None, (-0.1,) * 6)


def evaluate(*students, **more):
    models = {name: Answers(name, signs) for name, signs in students}
    given = {"k": 4, "ks": (2,), "elsewhere": {"other": OTHER}, "progress": False} | more
    return evaluate_students(models, {"toy": TASK}, **given)


def test_single_sample_accuracy_pass_at_k_and_tokens_are_those_of_the_samples():
    one = evaluate(("a", "1102")).sampled("a", "toy")
    assert one.single.value == 0.5
    assert one.passes[2].value == pytest.approx(1 - 1 / 6)  # one pair of six has no right sample
    assert one.tokens.value == (6 + 6 + 40 + 6) / 4
    assert one.flops == pytest.approx(10 * (8 + one.tokens.value))  # the prompt has 8 characters
    assert (one.problems, one.samples, one.unanswered, one.errors) == (4, 16, 0.25, 0)


def test_agreement_is_the_share_of_the_other_samples_that_say_the_same():
    found = evaluate(("a", "1102")).sampled("a", "toy")
    assert found.agreement is not None and found.agreement.n == 12  # those without answer say none
    # each right sample: one of three others agrees; the wrong one: none does
    assert found.agreement.brier == pytest.approx((2 * (1 - 1 / 3) ** 2 + 0) / 3)
    assert found.agreement.ece == pytest.approx(2 / 3 * (1 - 1 / 3))
    assert found.error is not None and found.error.value == pytest.approx(found.agreement.ece)
    assert found.agreement.auc is not None and found.agreement.auc.value == 1.0


def test_students_are_compared_problem_by_problem():
    report = evaluate(("base", "1222"), ("better", "1112"))
    apart = report.difference("better", "toy")
    assert apart is not None and apart.value == 0.5
    assert (apart.low, apart.high) == (0.5, 0.5)  # the same on every problem: no spread
    pairs = report.difference("better", "toy", k=2)
    assert pairs is not None and pairs.value == pytest.approx(1.0 - 0.5)
    assert "better" in str(report.table()) and "worse" not in str(report.forgetting())


def test_what_is_worse_elsewhere_is_called_worse():
    report = evaluate(("base", "1111"), ("forgot", "1222"))
    assert "worse" in str(report.forgetting())
    assert "other" in str(report.forgetting()) and "toy" not in str(report.forgetting())


def test_strategies_run_at_equal_budget_and_are_paired():
    report = evaluate(
        ("base", "2211"), ("better", "1111"),
        strategies={"vote": "self-consistency", "check": "best-of-n"}, budgets=[40, 160],
    )  # fmt: skip
    apart = report.search_difference("better", "toy", "vote", 40)
    assert apart is not None and apart.value == 1.0
    check = report.search_difference("better", "toy", "check", 160)
    assert check is not None and check.value == 0.0  # a verifier finds the third sample
    assert [p.arm for p in report.points() if p.student == "base"] == [
        SAMPLE, "vote", "check", "vote", "check"
    ]  # fmt: skip
    assert {p.oracle for p in report.points() if p.arm == "check"} == {True}
    assert "reference (oracle)" in str(report.strategies_table())
    with pytest.raises(BadInput, match="no strategy was run on other"):
        report.search_difference("better", "other", "vote", 40)


def test_strategies_run_for_those_that_are_to_search():
    more = {"strategies": "best-of-n", "budgets": 40}
    report = evaluate(("a", "1111"), ("b", "1111"), searched=["b"], **more)
    assert list(report.searches) == [("b", "toy")] and "best-of-n" in str(report)
    with pytest.raises(UnknownName, match="student"):
        evaluate(("a", "1111"), searched=["c"], **more)


def test_a_search_on_the_cheap_costs_what_its_ledger_says():
    report = evaluate(("a", "1111"), strategies="self-consistency(n=2)", budgets=400)
    [point] = [p for p in report.points() if p.arm != SAMPLE]
    assert point.flops == pytest.approx(2 * 10 * (8 + 6)) and point.tokens == 12


def test_a_run_that_is_resumed_asks_nothing_again(tmp_path):
    models = {"a": Answers("a", "1102")}
    more = {"k": 4, "ks": (2,), "out": tmp_path, "progress": False, "strategies": "best-of-n",
            "budgets": 40}  # fmt: skip
    first = evaluate_students(models, {"toy": TASK}, **more)
    asked = models["a"].calls
    again = evaluate_students(models, {"toy": TASK}, resume=True, **more)
    assert models["a"].calls == asked > 0
    assert str(again) == str(first)
    assert json.loads(json.dumps(again.to_json(), allow_nan=False)) == json.loads(
        json.dumps(first.to_json(), allow_nan=False)
    )


def test_problems_whose_calls_fail_are_counted_and_not_scored():
    def fault(question, seed):
        if question == "+".join(map(str, TASK.problems[0].fields["numbers"])) + ":":
            raise ConnectionError("gone")

    model = Answers("a", "1111")
    model.fault = fault
    report = evaluate_students({"a": model}, {"toy": TASK}, k=4, ks=(2,), progress=False)
    one = report.sampled("a", "toy")
    assert (one.problems, one.errors, one.single.value) == (3, 1, 1.0)


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(BadInput, match="at least one student"):
        evaluate_students({}, TASK)
    with pytest.raises(BadInput, match="load_task"):
        evaluate_students("tiny-weak", "countdown")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="two tasks are called 'toy'"):
        evaluate_students("tiny-weak", [TASK, OTHER])
    with pytest.raises(BadInput, match="both practised and elsewhere"):
        evaluate_students("tiny-weak", TASK, elsewhere=OTHER)
    with pytest.raises(BadInput, match="none of the students"):
        evaluate(("a", "1111"), baseline="b")
    report = evaluate(("a", "1111"))
    with pytest.raises(UnknownName, match="student"):
        report.sampled("b", "toy")
    with pytest.raises(UnknownName, match="task"):
        report.single("a", "nothing")


def test_an_interval_of_equal_values_has_a_width():
    assert interval([1.0] * 20).low == pytest.approx(0.8389, abs=1e-4)  # Wilson, 20 of 20
    assert interval([0.5, 0.5]).low == 0.5


def test_the_calibration_error_is_resampled_by_problem():
    rng = np.random.default_rng(0)
    said = rng.choice([0.25, 0.75], 400)
    right = rng.random(400) < said
    found = error_interval(said.tolist(), right.tolist(), list(range(400)))
    gap = sum(abs((said - right)[said == x].sum()) for x in (0.25, 0.75)) / 400
    assert found.value == pytest.approx(gap)
    assert found.low <= found.value <= found.high < 0.15
    one = error_interval(said.tolist(), right.tolist(), ["same"] * 400)
    assert one.low == one.high == pytest.approx(gap)  # one problem has no spread


def test_costs_are_summed_along_the_parents(tmp_path):
    def place(name, record):
        (tmp_path / name).mkdir()
        (tmp_path / name / "training.json").write_text(json.dumps(record), "utf-8")

    plan = {
        "parameters": 100,
        "plan": {"stop": 50},
        "settings": {"steps": 80, "tokens_per_step": 7},
    }
    place("base", plan)
    place("sft", {"spent": {"flops": 1e6, "teacher": 5.0}, "parent": {"path": "../base"}})
    place("rl", {"spent": {"flops": 2e6, "teacher": 0.0}, "parent": {"path": "../sft"}})
    assert cost_of(str(tmp_path / "rl")) == Cost(6.0 * 100 * 50 * 7, 3e6, 5.0)
    assert cost_of(f"hf:{tmp_path / 'base'}") == Cost(pretraining=6.0 * 100 * 50 * 7)
    assert cost_of("recorded:nothing") == Cost()
    assert cost_of("tiny-weak").pretraining == 6.0 * 853_632 * 1200 * 3000
    assert Cost(1.0, 2.0, 3.0).total == 6.0


def test_costs_that_are_given_replace_what_records_say():
    report = evaluate(("a", "1111"), costs={"a": Cost(training=7.0)})
    assert report.costs["a"].total == 7.0
    with pytest.raises(BadInput, match="costs name 'b'"):
        evaluate(("a", "1111"), costs={"b": Cost()})


def test_the_weaker_embedded_model_is_the_worse_student():
    task = load_task("countdown", n=12, numbers=3)
    report = evaluate_students(
        ["tiny-weak", "tiny"], {"countdown": task}, k=4, ks=(4,), progress=False
    )
    assert report.single("tiny", "countdown").value > report.single("tiny-weak", "countdown").value
    assert report.sampled("tiny", "countdown").flops > 2 * 853_632
