from dataclasses import dataclass, replace

import numpy as np
import pytest
from transformers import AutoTokenizer

from evaluators import load_task
from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem
from evaluators.tasks import chains
from evaluators.tasks.expressions import Expressions
from evaluators.tasks.writers import KINDS, kinds, write
from reasoning import solver_traces
from reasoning.data.rows import fingerprint
from reasoning.data.tokens import tokenised
from reasoning.models import embedded_folder
from reasoning.models.encode import Encoder
from reasoning.train.labels import cut
from tests.reasoning.collecting import sums

TASKS = ("expressions", "countdown", "chain-sum", "operator")
CASES = [(name, kind) for name in TASKS for kind in kinds(load_task(name, n=1))]


@pytest.mark.parametrize("dialect", ["compact", "plain"])
@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{n}-{k}" for n, k in CASES])
def test_every_trace_is_accepted_whole_and_step_by_step(name, kind, dialect):
    task = load_task(name, split="train", n=12)
    rows = solver_traces(task, kind, 2, dialect=dialect)
    assert len(rows) >= 12 and all(row.correct and row.finish == "eos" for row in rows)
    for row in rows if kind != "answer" and task.step_verifier else ():
        steps = cut(row.text, task.boundary)
        forced = {p.text for p in row.pieces if p.source == "forced"}
        for at, step in enumerate(steps):
            verdict = task.step_verifier.check(row.asked(), steps[: at + 1])
            assert verdict.passed is (step not in forced), (steps, at, verdict)
        assert len(forced) == (kind == "repair")


def test_which_kinds_a_task_has():
    assert kinds(load_task("expressions", n=1)) == KINDS[:-1]
    assert kinds(load_task("countdown", n=1)) == (
        "answer", "shortest", "random", "backtracking", "repair"
    )  # fmt: skip
    assert kinds(load_task("operator", n=1)) == ("answer",)
    told = Problem("x", {"question": "6 trips of 3?"}, "18", {"solution": "6*3=18\n#### 18"})
    from evaluators.tasks.gsm8k import Gsm8k

    task = Gsm8k("gsm8k", (told,))
    assert kinds(task) == ("answer", "reference")
    [row] = solver_traces(task, "reference", dialect="plain")
    assert row.text == "6*3=18\nAnswer: 18" and row.correct


def own(expression: str) -> Expressions:
    return Expressions("expressions", (Expressions.parse_problem(expression),))


def test_random_paths_are_all_the_legal_orders_and_no_other():
    rows = solver_traces(own("(1+2)*(3+4)"), "random", 40)
    assert {row.thinking for row in rows} == {"3*(3+4)\n3*7\n21\n", "(1+2)*7\n3*7\n21\n"}
    [straight] = solver_traces(own("(1+2)*(3+4)"), "shortest", 40)
    assert straight.thinking == "3*(3+4)\n3*7\n21\n"
    assert straight.teacher["model"] == "solver" and straight.teacher["strategy"] == "shortest"


def test_each_random_path_of_countdown_is_drawn():
    from evaluators.tasks.countdown import Countdown

    problem = Problem("countdown/x", {"numbers": [2, 3, 4], "target": 24})
    rows = solver_traces(Countdown("countdown", (problem,)), "random", 200)
    firsts = {row.text.split("=")[0] for row in rows}
    assert firsts == {"2*3", "3*2", "2*4", "4*2", "3*4", "4*3"}


def test_answers_are_asked_directly():
    [row] = solver_traces(own("2*3+4"), "answer")
    assert row.text == "10" and row.messages[0].content == "2*3+4="
    [row] = solver_traces(own("2*3+4"), "answer", dialect="plain")
    assert row.text == "Answer: 10"


def test_labels_are_the_exact_values():
    [row] = solver_traces(own("2*3+4"), "repair", labels=True)
    assert [piece.source for piece in row.pieces][-1] == "model"
    wrong = [label == 0.0 for label in row.labels]
    lines = cut(row.text, "\n")
    assert wrong == [chains.is_wait(after) for after in [*lines[1:], ""]]


def test_a_line_that_is_wrong_on_purpose_is_never_learned():
    encoder = Encoder(AutoTokenizer.from_pretrained(embedded_folder("tiny")), "compact", "tiny")
    for row in solver_traces(load_task("expressions", split="train", n=5), "repair"):
        tokens = tokenised(row, encoder)
        learned = encoder.tokenizer.decode(
            [i for i, on in zip(tokens.ids, tokens.learn, strict=True) if on]
        ).replace(" ", "")
        [forced] = [p.text for p in row.pieces if p.source == "forced"]
        kept = "".join(p.text for p in row.pieces if p.source == "model")
        assert learned.startswith(kept.replace(" ", "")) and len(learned) < len(kept) + 10
        assert len(tokens.ids) - tokens.prompt > sum(tokens.learn) and forced


def test_seeds_decide():
    task = load_task("countdown", split="train", n=8)
    a, b, c = (solver_traces(task, "random", 2, seed=s) for s in (0, 0, 1))
    assert fingerprint(a) == fingerprint(b) != fingerprint(c)


def test_a_problem_without_a_solution_is_an_error_of_its_own():
    task = load_task("countdown", split="train", n=2)
    hopeless = Problem("countdown/none", {"numbers": [1, 1, 1], "target": 59})
    rows = solver_traces(replace(task, problems=(*task.problems, hopeless)), "random")
    assert len(rows) == 2 and list(rows.errors) == ["countdown/none"]
    with pytest.raises(BadInput, match="no problem of 'countdown' could be solved"):
        solver_traces(replace(task, problems=(hopeless,)))


def test_what_cannot_be_written_is_said():
    with pytest.raises(UnknownName, match=r"kind of trace.*Did you mean 'random'"):
        solver_traces(own("1+2"), "randm")
    with pytest.raises(BadInput, match="no problems"):
        solver_traces(load_task("expressions", n=0))
    with pytest.raises(BadInput, match="k must be"):
        solver_traces(own("1+2"), k=0)
    bare = replace(sums(1), problems=(Problem("sums/0", {"numbers": [1, 2, 3]}),))
    with pytest.raises(BadInput, match="collect them from a model"):
        write(bare, bare.problems[0], "shortest", "compact", np.random.default_rng(0))


def write_trace(problem, kind, dialect, rng):
    a, b, c = problem.fields["numbers"]
    return f"{a + b}\n{a + b + c}\n={a + b + c}", []


def test_a_task_of_ones_own_brings_its_writer():
    from tests.reasoning.collecting import Sums

    @dataclass(frozen=True)
    class Own(Sums):
        pass

    task = Own("sums", sums(2).problems)
    assert kinds(task) == ("answer", "shortest")
    assert all(row.correct for row in solver_traces(task))
