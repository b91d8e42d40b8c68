"""Labels of steps: exact ones, rollouts against their true share, and how they are kept."""

from __future__ import annotations

import asyncio

import pytest

from evaluators import load_task
from evaluators.errors import BadInput
from reasoning.core import Completion, Usage
from reasoning.ledger import Ledger
from reasoning.train import labels
from reasoning.train.labels import Draws, Labelled, exact, label, states

TASK = load_task("countdown", n=0)
PROBLEM = TASK.parse_problem("3 5 7 2=24")
QUESTION = "3 5 7 2=24<think>"
RIGHT = "3*7=21 5 2\n5-2=3 21\n21+3=24\n</think>24"
LOST = "3*7=21 5 2\n21*5=105 2\n105*2=210\n</think>210"


class Writer:
    """Writes given texts in turn; after a started line it goes on rightly every `share`-th time."""

    name, dialect, flops_per_token = "writer", "compact", 2.0
    can = frozenset({"continue", "n"})

    def __init__(self, texts, share=4):
        self.texts, self.share, self.asked = texts, share, []

    async def generate(self, prompt, sampling, ledger, seed):
        self.asked.append((prompt.prefix, sampling.n))
        made = []
        for at in range(sampling.n):
            grant = ledger.reserve(purpose="sample", model="writer", key=seed.child(at).text,
                                   max_tokens=sampling.max_tokens)  # fmt: skip
            usage = Usage(1, 0, 5)
            grant.settle(usage)
            text = self.texts[at % len(self.texts)]
            if prompt.prefix:
                right = text.startswith(prompt.prefix) and at % self.share == 0
                text = text.removeprefix(prompt.prefix) if right else "</think>7"
            made.append(Completion(text, "eos", usage))
        return made


def alone(text, finish="eos"):
    return Completion(text, finish, Usage(1, 0, 5))


def test_exact_labels_say_from_which_step_on_a_trace_is_lost():
    assert exact(TASK, PROBLEM, alone(RIGHT), QUESTION) == Labelled(
        "countdown", PROBLEM.id,
        (QUESTION, "3*7=21 5 2\n", "5-2=3 21\n", "21+3=24\n", "</think>24"),
        (None, 1.0, 1.0, 1.0, 1.0), True,
    )  # fmt: skip
    lost = exact(TASK, PROBLEM, alone(LOST), QUESTION)
    assert lost.labels == (None, 1.0, 0.0, 0.0, 0.0) and lost.right is False


def test_a_cut_trace_is_not_right_whatever_it_says():
    assert exact(TASK, PROBLEM, alone(RIGHT, "length"), QUESTION).right is False


def test_a_task_without_a_solver_is_told_to_use_rollouts():
    task = load_task("operator", n=1)
    with pytest.raises(BadInput, match="rollouts"):
        exact(task, task.problems[0], alone("7"), "?")


def test_rollouts_give_each_step_the_share_of_continuations_that_end_right():
    model, ledger = Writer([RIGHT]), Ledger()
    one = asyncio.run(
        labels.rollouts(TASK, model, PROBLEM, alone(RIGHT), QUESTION, k=8, ledger=ledger,
                        seed=labels.SeedPath(0))
    )  # fmt: skip
    assert one.labels == (None, 0.25, 0.25, 0.25, 1.0) and one.right
    assert [prefix for prefix, _ in model.asked] == [
        "3*7=21 5 2\n", "3*7=21 5 2\n5-2=3 21\n", "3*7=21 5 2\n5-2=3 21\n21+3=24\n"
    ]  # fmt: skip
    assert len(ledger.rows) == 24  # every rollout is paid for
    lost = asyncio.run(
        labels.rollouts(TASK, model, PROBLEM, alone(LOST), QUESTION, k=8, ledger=ledger,
                        seed=labels.SeedPath(1))
    )  # fmt: skip
    assert lost.labels == (None, 0.25, 0.0, 0.0, 0.0)


def test_equal_traces_of_a_problem_are_labelled_once():
    task = load_task("countdown", "train", 2)
    rows = asyncio.run(label(task, Writer([RIGHT, LOST]), Draws(samples=6)))
    assert [(row.problem, len(row.pieces)) for row in rows] == [
        (problem.id, 5) for problem in task.problems for _ in range(2)
    ]
    assert rows[0].pieces[0] == task.render(task.problems[0], "chain", "compact")


def test_states_are_the_task_s_texts_each_once_a_problem():
    task = load_task("countdown", n=0)
    task = type(task)(task.name, (PROBLEM,))
    rows = [exact(task, PROBLEM, alone(text), QUESTION) for text in (RIGHT, LOST)]
    found = [(row.pieces, row.labels) for row in states(rows, task)]
    assert found[0] == (("21 5 2=24",), (1.0,)) and found.count(found[0]) == 1
    assert (("105 2=24",), (0.0,)) in found


def test_rows_are_kept_as_they_are_and_another_label_changes_the_fingerprint(tmp_path):
    rows = [exact(TASK, PROBLEM, alone(RIGHT), QUESTION), Labelled("t", "p", ("é\u2028",), (0.5,))]
    labels.save(rows, tmp_path / "rows.jsonl")
    assert labels.read(tmp_path / "rows.jsonl") == rows
    other = [*rows[:1], Labelled("t", "p", ("é\u2028",), (0.6,))]
    assert labels.fingerprint(rows) != labels.fingerprint(other)


def test_what_ends_while_rows_are_written_leaves_no_half_file(tmp_path):
    whole = Labelled("t", "p", ("a",), (0.5,))
    broken = Labelled("t", "p", (b"a",), (0.5,))  # type: ignore[arg-type]  # cannot be written
    with pytest.raises(TypeError):
        labels.save([whole, broken], tmp_path / "rows.jsonl")
    assert not (tmp_path / "rows.jsonl").exists()


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"task": 1}\n')
    with pytest.raises(BadInput, match="no labelled traces"):
        labels.read(tmp_path / "rows.jsonl")
