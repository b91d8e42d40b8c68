"""gsm8k from a made-up sample that is always here, and from the real file where there is one."""

import json
import os
import sys
import types
from pathlib import Path

import pytest

from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem
from evaluators.tasks import gsm8k, load_task
from evaluators.verdict import Verifier

SAMPLE = Path(__file__).parent / "data" / "gsm8k_sample.jsonl"
REAL = os.environ.get(gsm8k.PATH_VARIABLE)


def sample(**options):
    return load_task("gsm8k", path=str(SAMPLE), **options)


def altered(solution):
    """The worked solution with another final number."""
    head, _, tail = solution.rpartition("####")
    number = tail.strip().replace(",", "")
    other = str(int(number) + 1) if "." not in number else str(float(number) + 1)
    return f"{head}#### {other}"


def judge_all(task):
    for problem in task.problems:
        solution = problem.meta["solution"]
        yield problem, task.verifier.check(problem, solution), task.verifier.check(
            problem, altered(solution)
        )  # fmt: skip


def test_every_solution_of_the_sample_is_right_and_wrong_with_another_number():
    verdicts = list(judge_all(sample()))
    assert len(verdicts) == 5
    for problem, right, wrong in verdicts:
        assert right.passed and right.score == 1.0, problem
        assert not wrong.passed and wrong.answer is not None, problem


@pytest.mark.skipif(not REAL, reason=f"{gsm8k.PATH_VARIABLE} does not name the real file")
def test_every_solution_of_the_real_file_is_right_and_wrong_with_another_number():
    task = load_task("gsm8k")
    assert len(task) == 1319
    for problem, right, wrong in judge_all(task):
        assert right.passed, (problem.id, right)
        assert not wrong.passed, (problem.id, wrong)


@pytest.mark.parametrize(
    ("solution", "number"),
    [("… #### 1,250", "1250"), ("#### $18", "18"), ("####-5", "-5"), ("#### 2.50", "2.5"),
     ("no mark, 7", "7"), ("12", "12")],
)  # fmt: skip
def test_references_lose_separators_and_currency(solution, number):
    assert gsm8k.reference(solution) == number


def test_a_solution_without_a_number_is_refused():
    with pytest.raises(BadInput, match="####"):
        gsm8k.reference("#### none")


@pytest.mark.parametrize(
    ("completion", "passed"),
    [
        ("Answer: 1250", True),
        ("The rest is 2000 - 750 = 1250.\nAnswer: $1,250", True),
        ("Answer: 1,250 dollars", True),
        (r"\boxed{1250}", True),
        ("2000\n1250\n</think>1250", True),
        ("Answer: 1251", False),
        ("Answer: 1,25", False),
        ("", False),
        ("Answer:", False),
        ("Answer: 1250 or 1350", False),
    ],
)
def test_completions_are_judged_by_their_final_number(completion, passed):
    task = sample()
    assert task.verifier.check(task.problems[1], completion).passed is passed


def test_the_verifier_says_that_it_reads_the_reference():
    assert isinstance(sample().verifier, Verifier)
    assert sample().verifier.knows == "reference"
    assert sample().step_verifier is None


def test_votes_are_counted_on_the_number():
    task = sample()
    votes = [task.extract(text) for text in ("Answer: 1,250", "#### 1250.0", "so $1250")]
    assert votes == ["1250"] * 3
    assert task.extract("no idea") is None


@pytest.mark.parametrize("dialect", ["plain", "compact"])
@pytest.mark.parametrize("format", ["direct", "chain"])
def test_the_worked_examples_are_right_by_their_own_verifier(format, dialect):
    task = sample()
    shown = task.examples(format, dialect, len(gsm8k.EXAMPLES))
    for (asked, told), (question, _steps, answer) in zip(shown, gsm8k.EXAMPLES, strict=True):
        problem = task.from_fields({"question": question, "answer": answer})
        assert asked == task.render(problem, format, dialect)
        assert task.verifier.check(problem, told).passed
        assert ("\n" in told) == (format == "chain")


def test_more_examples_than_there_are_is_refused():
    with pytest.raises(BadInput, match="6 worked examples"):
        sample().examples("chain", "plain", 7)


def test_the_prompt_holds_the_question_and_not_the_answer():
    task = sample()
    for format in task.formats:
        for dialect in ("plain", "compact"):
            prompt = task.render(task.problems[0], format, dialect)
            assert task.problems[0].fields["question"] in prompt
            assert "149" not in prompt
    assert task.render(task.problems[0], "chain", "compact").endswith("<think>")


def test_a_sample_is_drawn_by_seed_and_keeps_the_order():
    ids = [p.id for p in sample(n=3, seed=1).problems]
    assert ids == [p.id for p in sample(n=3, seed=1).problems] == sorted(ids)
    assert len({tuple(p.id for p in sample(n=3, seed=s).problems) for s in range(8)}) > 1
    with pytest.raises(BadInput, match=r"1\.\.5"):
        sample(n=6)


def test_the_environment_variable_may_name_a_folder(tmp_path, monkeypatch):
    (tmp_path / "gsm8k_test.jsonl").write_bytes(SAMPLE.read_bytes())
    monkeypatch.setenv(gsm8k.PATH_VARIABLE, str(tmp_path))
    assert len(load_task("gsm8k")) == 5
    with pytest.raises(BadInput, match=r"train\.jsonl"):
        load_task("gsm8k", split="train")


def test_the_test_file_is_not_taken_for_training(tmp_path):
    path = tmp_path / "gsm8k_test.jsonl"
    path.write_bytes(SAMPLE.read_bytes())
    with pytest.raises(BadInput, match="'test'"):
        load_task("gsm8k", split="train", path=str(path))
    assert len(load_task("gsm8k", path=str(path))) == 5


def test_an_unknown_split_lists_the_known_ones():
    with pytest.raises(UnknownName, match="test, train"):
        sample(split="dev")


def test_the_hub_is_asked_where_there_is_no_file(monkeypatch):
    rows = [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]
    hub = types.SimpleNamespace(load_dataset=lambda name, config, split: rows)
    monkeypatch.setitem(sys.modules, "datasets", hub)
    monkeypatch.delenv(gsm8k.PATH_VARIABLE, raising=False)
    assert [p.answer for p in load_task("gsm8k").problems] == ["149", "1250", "-5", "2.5", "35"]


@pytest.mark.parametrize("installed", [True, False])
def test_without_file_and_hub_both_remedies_are_named(monkeypatch, installed):
    def unreachable(*_, **__):
        raise ConnectionError("no network")

    hub = types.SimpleNamespace(load_dataset=unreachable) if installed else None
    monkeypatch.setitem(sys.modules, "datasets", hub)
    monkeypatch.delenv(gsm8k.PATH_VARIABLE, raising=False)
    with pytest.raises(BadInput) as caught:
        load_task("gsm8k")
    assert gsm8k.PATH_VARIABLE in str(caught.value) and "pip install datasets" in str(caught.value)


def test_a_row_without_a_final_number_is_named_by_line(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"question": "a", "answer": "#### 1"}\n{"question": "b", "answer": "none"}\n')
    with pytest.raises(BadInput, match="line 2"):
        load_task("gsm8k", path=str(path))


def test_judging_alone_needs_no_data(monkeypatch):
    monkeypatch.setenv(gsm8k.PATH_VARIABLE, "/nowhere.jsonl")
    task = load_task("gsm8k", n=0)
    assert len(task) == 0
    for gold in ("18", "6*3=18\n#### 18"):
        problem = Problem("own", {}, gold)
        assert task.verifier.check(problem, "Answer: $18").passed
        assert not task.verifier.check(problem, "Answer: $19").passed
