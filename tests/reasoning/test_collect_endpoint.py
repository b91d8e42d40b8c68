"""Traces from a server that fails: what was answered is kept, what failed is asked again."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from endpoints import PRICES, endpoint
from fault_server import FaultServer

from evaluators.errors import LabError
from evaluators.problem import Problem
from reasoning import Budget, collect_traces
from tests.reasoning.collecting import Sums


def task(n: int) -> Sums:
    found = [[3, 4, 5], [2, 7, 1], [6, 6, 2], [1, 2, 9], [8, 1, 1], [5, 5, 5]]
    problems = [Problem(f"sums/{i}", {"numbers": x}, str(sum(x))) for i, x in enumerate(found[:n])]
    return Sums("sums", tuple(problems))


def refusing(*questions: str):
    """A server that breaks on these questions, as often as they come."""

    def script(number, body):
        told = str(body.get("prompt") or body.get("messages"))
        return "500" if any(question in told for question in questions) else None

    return script


def collect(server, n=6, **options):
    return collect_traces(
        task(n), endpoint(server, **PRICES), k=3, progress=False, **options
    )  # fmt: skip


def test_what_a_server_fails_at_is_counted_and_asked_again_later(tmp_path):
    with FaultServer(refusing("2+7+1", "8+1+1")) as server:
        rows = collect(server, out=tmp_path)
        assert sorted(rows.errors) == ["sums/1", "sums/4"] and len(rows) == 12
        assert "500" in rows.errors["sums/1"] or "broke" in rows.errors["sums/1"]
        server.script = None
        before = len(server.requests)
        healed = collect(server, out=tmp_path)
        later = server.requests[before:]
        asked = [str(body.get("prompt") or body.get("messages")) for body in later]
    assert not healed.errors and len(healed) == 18
    assert len(asked) == 6 and all("2+7+1" in text or "8+1+1" in text for text in asked)
    kept = [row for row in healed if row.problem["id"] not in rows.errors]
    assert [replace(row, created="") for row in kept] == [replace(r, created="") for r in rows]


def test_lost_calls_are_still_paid_for_after_a_restart(tmp_path):
    with FaultServer(refusing("2+7+1")) as server:
        first = collect(server, out=tmp_path)
        server.script = None
        second = collect(server, out=tmp_path)
    whole = sum(row.n_tokens for row in second)
    assert second.spent.dollars > first.spent.dollars > 0
    assert second.spent.completion == whole


def test_a_server_that_is_not_there_ends_it():
    with FaultServer() as server:
        model = endpoint(server, can="continue,seed", retries=0)
    many = Sums("sums", tuple(Problem(f"sums/{i}", {"numbers": [1, 2, 3]}, "6") for i in range(20)))
    with pytest.raises(LabError):
        collect_traces(many, model, k=1, progress=False, concurrency=2)


def test_dollars_are_never_overspent():
    with FaultServer() as server:
        rows = collect(server, budget=Budget(dollars=0.0006), concurrency=1)
    assert 0 < rows.spent.dollars <= 0.0006 and rows.unpaid > 0
