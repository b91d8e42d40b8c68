"""Whatever the server does: nothing that was answered is lost, and nothing runs past a budget."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "search"))

from endpoints import CAN, PRICES, Waits, ask, endpoint
from fault_server import SPOILED, FaultServer
from toy_lab import toy

from evaluators.errors import BadInput, LabError
from reasoning import Budget, Ledger, Sampling, SeedPath
from reasoning.models.endpoint.retry import Breaker, ServerFault
from search import compare

STRATEGIES = {
    "chain": "chain-of-thought",
    "vote": "self-consistency",
    "best": "best-of-n(scorer=likelihood)",
    "checked": "best-of-n(n=6,scorer=verifier,stop=first-accepted)",
    "steps": "step-resample(tries=2,restarts=2)",
}
TOKENS, CALLS, DOLLARS = 60, 9, 0.004
BUDGETS = [Budget(TOKENS), Budget(calls=CALLS), Budget(TOKENS, dollars=DOLLARS)]
LIES = ("no-usage", "negative-usage", "large-usage", "text-usage", "small-usage")
PASSING = ("429-after", "503-after", "500", "drop", "cut", "json", "no-finish", "slow", *LIES)


def some(fault: str, every: int = 3):
    """Every third request of a server fails in this way."""
    return lambda number, body: fault if number % every == 1 else None


@pytest.mark.filterwarnings("ignore:.*the ledger believes:UserWarning")
@pytest.mark.parametrize("fault", ["none", *PASSING])
def test_budgets_hold_and_answers_are_kept_under_every_fault(fault):
    script = some(fault) if fault != "none" else None
    with FaultServer(script) as server:
        model = endpoint(server, **PRICES)
        report = compare(STRATEGIES, toy(2), model, BUDGETS, concurrency=8, progress=False)
    assert len(report.cells) == 2 * len(STRATEGIES) * len(BUDGETS)
    for cell in report.cells:
        if "calls" in cell.budget:
            assert cell.calls <= CALLS, cell
        else:
            assert cell.tokens <= TOKENS, cell
    dollars = Counter()
    for cell in report.cells:
        if "dollars" in cell.budget:
            dollars[cell.arm] += cell.dollars
    assert max(dollars.values()) <= DOLLARS
    kept = sum(cell.completion for cell in report.cells)
    lost = sum(cell.lost for cell in report.cells)
    assert kept + lost >= server.generated > 0
    if fault in LIES:
        assert kept >= server.delivered and lost == 0 and model.doubts
    else:
        assert kept == server.delivered and not model.doubts
        assert sum(cell.prompt for cell in report.cells) == server.read
        assert (lost > 0) == (fault in SPOILED)


def test_a_server_that_hangs_is_left_and_what_it_may_have_written_is_lost():
    with FaultServer(lambda number, body: "hang" if number in (1, 4) else None) as server:
        model = endpoint(server, timeout=1.5)
        report = compare(
            {"vote": "self-consistency(n=4,width=2)"}, toy(2), model, 60, progress=False
        )
    assert {cell.state for cell in report.cells} == {"done"}
    kept, lost = (sum(getattr(c, k) for c in report.cells) for k in ("completion", "lost"))
    assert kept == server.delivered and lost > 0 and kept + lost >= server.generated
    assert all(cell.tokens <= 60 for cell in report.cells)


def test_a_call_that_fails_for_good_is_an_error_and_its_tries_are_lost():
    with FaultServer(lambda at, body: "500" if body["prompt"].startswith("1") else None) as server:
        waits, ledger = Waits(), Ledger()
        model = endpoint(server, waits)
        with pytest.raises(ServerFault, match=r"failed \(500: it broke\), 4 times"):
            asyncio.run(model.generate(ask("1+2:"), Sampling(20), ledger, SeedPath(0)))
        assert [row.lost is not None for row in ledger.rows] == [True] * 4
        assert ledger.spent.tokens == 80 and len(waits.seconds) == 3
        made = asyncio.run(model.generate(ask("2+2:"), Sampling(20), ledger, SeedPath(0)))
        assert made[0].finish == "eos"


def test_a_refused_call_spends_nothing():
    with FaultServer(lambda number, body: "429") as server:
        model, ledger = endpoint(server, **PRICES), Ledger(Budget(tokens=20))
        with pytest.raises(ServerFault, match="limits the rate"):
            asyncio.run(model.generate(ask(), Sampling(20), ledger, SeedPath(0)))
    assert ledger.spent.tokens == ledger.spent.prompt == 0 and ledger.spent.dollars == 0.0
    assert len(server.requests) == 4


def test_a_retry_gets_only_what_the_lost_try_has_left():
    with FaultServer(lambda number, body: "cut" if number == 0 else None) as server:
        model, ledger = endpoint(server), Ledger(Budget(tokens=25))
        made = asyncio.run(model.generate(ask(), Sampling(20), ledger, SeedPath(0)))
        assert [body["max_tokens"] for body in server.requests] == [20, 5]
        assert made[0].finish == "budget" and made[0].usage.completion == 5
        model, ledger = endpoint(server), Ledger(Budget(tokens=20))
        server.requests.clear()
        made = asyncio.run(model.generate(ask(), Sampling(20), ledger, SeedPath(0)))
    assert made[0].finish == "budget" and made[0].text == "" and len(server.requests) == 1
    assert ledger.spent.tokens == 20 and ledger.rows[0].lost


@pytest.mark.parametrize("fault", ["401", "403", "404-model", "quota"])
def test_a_refusal_stops_the_run_after_one_request(fault):
    with FaultServer(lambda number, body: fault) as server:
        model = endpoint(server)
        with pytest.raises(LabError) as error:
            compare(STRATEGIES, toy(4), model, 100, progress=False)
        assert len(server.requests) == 1
        with pytest.raises(LabError):
            asyncio.run(model.generate(ask(), Sampling(20), Ledger(), SeedPath(0)))
        assert len(server.requests) == 1
    said = {"401": "refused|wants a key", "403": "wants a key", "404-model": "Known: toy",
            "quota": "account"}  # fmt: skip
    assert error.match(said[fault])


def test_a_refusal_in_the_middle_stops_what_is_waiting():
    with FaultServer(lambda number, body: "401" if number >= 4 else None) as server:
        model = endpoint(server, concurrency=1)
        with pytest.raises(LabError, match="OPENAI_API_KEY"):
            compare(STRATEGIES, toy(4), model, 100, progress=False)
        assert len(server.requests) == 5


def test_a_server_that_generates_past_max_tokens_is_refused():
    with FaultServer(lambda number, body: "overrun") as server:
        model, ledger = endpoint(server), Ledger(Budget(tokens=30))
        with pytest.raises(LabError, match="does not heed max_tokens"):
            asyncio.run(model.generate(ask(), Sampling(20), ledger, SeedPath(0)))
    assert ledger.spent.completion > 100  # what it can be proved to have generated


def test_a_run_that_failed_goes_on_where_it_stopped_and_repeats_no_answer(tmp_path):
    task, out = toy(4), tmp_path / "run"
    bad = "+".join(map(str, task.problems[1].fields["numbers"]))
    arms = {"vote": "self-consistency(n=4,width=2)", "steps": "step-resample(tries=2,restarts=1)"}

    def fails_later(number, body):
        again = body["prompt"].startswith(bad) and number > 6
        return "500" if again else None

    with FaultServer(fails_later) as server:
        model = endpoint(server, retries=0)
        first = compare(arms, task, model, [60, 200], out=out, concurrency=4, progress=False)
        assert {c.problem for c in first.cells if c.state == "error"} == {task.problems[1].id}
        answered = Counter(asked(body) for body in server.requests if body["fault"] is None)
        server.script, before = None, len(server.requests)
        again = endpoint(server, retries=0)
        second = compare(
            arms, task, again, [60, 200], out=out, resume=True, concurrency=4, progress=False
        )
        answered += Counter(asked(body) for body in server.requests[before:])
    with FaultServer() as server:
        whole = compare(arms, task, endpoint(server), [60, 200], progress=False)
        assert answered == Counter(map(asked, server.requests))
    facts = {cell.place: cell.facts() for cell in second.cells}
    assert facts == {cell.place: cell.facts() for cell in whole.cells}


def asked(body: dict) -> str:
    """A request without what the order of calls decides."""
    return json.dumps([body["prompt"], body["seed"], body["max_tokens"]])


def test_the_breaker_stops_a_run_whose_server_is_down():
    with FaultServer(lambda number, body: "503") as server:
        model = endpoint(server, retries=1)
        with pytest.raises(LabError, match=r"5 calls in a row failed.*--resume"):
            compare({"one": "chain-of-thought"}, toy(40), model, 100, concurrency=1, progress=False)
        assert len(server.requests) == 10
        with pytest.raises(LabError, match="in a row"):
            asyncio.run(model.generate(ask(), Sampling(20), Ledger(), SeedPath(0)))
        assert len(server.requests) == 10


def test_a_control_that_the_server_ignores_is_refused_before_any_arm_is_paid():
    with FaultServer() as server:
        arms = ["chain-of-thought", "self-consistency(n=2,top_k=4)"]
        with pytest.raises(BadInput, match=r"self-consistency.*sets top_k.*not known to take"):
            compare(arms, toy(2), endpoint(server), 60, progress=False)
        assert not server.requests


@pytest.mark.filterwarnings("ignore:.*the ledger believes:UserWarning")
@pytest.mark.parametrize("seed", range(4))
def test_budgets_hold_under_any_mixture_of_faults(seed):
    rng = np.random.default_rng(seed)
    mixed = [*PASSING, None, None, None]
    tokens, calls = int(rng.integers(10, 120)), int(rng.integers(1, 12))
    with FaultServer(lambda number, body: mixed[int(rng.integers(len(mixed)))]) as server:
        model = endpoint(server, retries=int(rng.integers(2, 5)), **PRICES)
        model.retrier = replace(model.retrier, breaker=Breaker("never opens", limit=10**9))
        budget = Budget(tokens, calls, dollars=0.01)
        report = compare(STRATEGIES, toy(4), model, budget, concurrency=8, progress=False)
    for cell in report.cells:
        assert cell.tokens <= tokens and cell.calls <= calls
    for arm in STRATEGIES:
        assert sum(cell.dollars for cell in report.cells if cell.arm == arm) <= 0.01
    assert sum(cell.tokens for cell in report.cells) >= server.generated > 0
    assert sum(cell.completion for cell in report.cells) >= server.delivered


def test_abilities_of_these_tests_are_those_of_the_server():
    with FaultServer() as server:
        assert endpoint(server, can=None).can == frozenset(CAN.split(","))
