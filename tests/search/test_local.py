"""The comparison on the embedded model: what the decode loop counts is what the report says."""

import pytest

from search import compare

ARMS = ["direct", "chain-of-thought", "self-consistency(adaptive=0.9)",
        "best-of-n(scorer=mean-likelihood)", "step-resample",
        "budget-forcing(think=24,answer=8)", "budget-forcing(waits=2)"]  # fmt: skip


@pytest.fixture(scope="module")
def model():
    from reasoning import load_model

    loaded = load_model("tiny")
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def task():
    from evaluators import load_task

    return load_task("expressions", n=8)


def test_the_cells_sum_to_the_decode_loops_own_counters(model, task, tmp_path):
    before = model.counters
    report = compare(ARMS, task, model, [24, 96], out=tmp_path / "run")
    after = model.counters
    for column in ("prompt", "cached", "completion"):
        spent = sum(getattr(cell, column) for cell in report.cells)
        assert spent == getattr(after, column) - getattr(before, column) > 0, column
    assert all(cell.completion <= int(cell.budget) for cell in report.cells)
    assert not any(cell.lost for cell in report.cells)


def test_what_else_is_in_the_batch_changes_nothing(model, task):
    one = compare(ARMS, task, model, [64], concurrency=3)
    two = compare(ARMS[::-1], task, model, [64], concurrency=64)
    assert one.facts() == two.facts()
    logprobs = [
        {c.place: [t.logprob for t in c.traces] for c in report.cells} for report in (one, two)
    ]
    assert logprobs[0] == logprobs[1]
