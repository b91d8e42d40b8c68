"""Runs whose proposer asks a model: budgets, lost calls, and what a resumed run asks again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from toys import FakePool, Numbers, facts, number

from evaluators.errors import BadInput, LabError
from reasoning.budget import Price
from reasoning.core import Completion, Message, Prompt, Sampling, Usage
from reasoning.ledger import Budget, Ledger
from reasoning.runlog import read_events
from search import evolve
from search.evolve.gate import Amount, Gate
from search.evolve.program import Proposal

pytestmark = pytest.mark.usefixtures("in_process")

LONGEST = 40
"""Tokens that a call may generate; most generate 7 to 16."""


@dataclass
class Fake:
    """A model that answers with a number of the seed path, after a while. `fault(k)` may raise."""

    price: Price | None = None
    fault: Callable[[str], BaseException | None] = lambda path: None
    name: str = "fake"
    can: frozenset[str] = frozenset()
    dialect: Any = "plain"
    flops_per_token: float = 0.0
    asked: Counter = field(default_factory=Counter)
    billed: list[tuple[int, float]] = field(default_factory=list)

    async def generate(self, prompt, sampling, ledger, seed):
        grant = ledger.reserve(purpose="test", model=self.name, key=seed.text, price=self.price,
                               max_tokens=sampling.max_tokens, prompt_tokens=5)  # fmt: skip
        if grant.empty:
            return [Completion("", "budget", Usage())]
        self.asked[seed.text] += 1
        for _ in range(seed.key[0] % 9):
            await asyncio.sleep(0)
        error = self.fault(seed.text)
        if error is not None:
            grant.lose(str(error))
            raise error
        used = min(grant.max_tokens, 7 + seed.key[0] % 10)
        usage = Usage(5, 0, used)
        grant.settle(usage)
        self.billed.append((used, self.price.of(usage) if self.price else 0.0))
        return [Completion(str(seed.key[1] % 90), "eos", usage)]

    async def score(self, prompt, continuations, ledger):
        raise NotImplementedError

    def fingerprint(self):
        return {"name": self.name}


class Asks:
    """Proposes the number that the model says."""

    name, wants, needs_model = "asks", 1, True

    async def propose(self, request, rng, ctx):
        prompt = Prompt((Message("user", f"better than {request.parents[-1].score}"),))
        sampling = Sampling(max_tokens=LONGEST)
        (answer,) = await ctx.model.generate(prompt, sampling, ctx.ledger, ctx.seed)
        if answer.finish == "budget":
            return Proposal(None, reason="the budget is used up")
        return Proposal(
            number(answer.text), prompt=prompt.messages[0].content, response=answer.text
        )

    def fingerprint(self):
        return {"asks": 1}


def run(model: Fake, **options):
    return evolve(Numbers(), Asks(), model=model, islands=2, progress=False, **options)


def test_tokens_are_kept_and_used_up_to_the_last_call() -> None:
    model = Fake()
    evolution = run(model, tokens=1000)
    spent = sum(tokens for tokens, _ in model.billed)
    snapshot = evolution.snapshot()
    assert snapshot.stopped_by == "tokens"
    assert spent == snapshot.tokens == 1000  # the last call was shortened to what was left
    assert len(model.billed) > 1000 / 17


def test_dollars_are_kept() -> None:
    model = Fake(Price(1.0, 1.0, 10.0))
    evolution = run(model, dollars=0.01)
    spent = sum(dollars for _, dollars in model.billed)
    snapshot = evolution.snapshot()
    assert snapshot.stopped_by == "dollars"
    assert snapshot.dollars == pytest.approx(spent)
    one = Price(1.0, 1.0, 10.0).of(Usage(5, 0, LONGEST))
    assert 0.01 - one < spent <= 0.01


def test_a_cap_that_cannot_be_counted_is_refused() -> None:
    with pytest.raises(BadInput, match="needs a price"):
        run(Fake(), dollars=1.0)
    with pytest.raises(BadInput, match="asks a language model"):
        evolve(Numbers(), Asks(), evaluations=5, progress=False)


@pytest.mark.parametrize("cap", [{"evaluations": 70}, {"tokens": 700}], ids=str)
def test_a_resumed_run_asks_nothing_twice_and_its_costs_are_carried(
    in_process: type[FakePool], tmp_path: Path, cap: dict
) -> None:
    price = Price(1.0, 1.0, 10.0)

    class Stop(Exception):
        pass

    stopped = [25]

    def stop(path: str) -> BaseException | None:
        if model.asked.total() == stopped[0]:
            raise LabError("the key was withdrawn")
        return None

    model = Fake(price, stop)
    with pytest.raises(LabError, match="withdrawn"):
        run(model, out=tmp_path / "run", **cap)
    answered = {e["key"].split("|")[1] for e in read_events(tmp_path / "run")
                if e["kind"] == "response"}  # fmt: skip
    assert len(answered) >= 15
    stopped[0] = -1
    asked = Counter(model.asked)
    in_process.seed = 5
    evolution = run(model, out=tmp_path / "run", resume=True, **cap)
    assert not any(model.asked[path] > asked[path] for path in answered)
    snapshot, billed = evolution.snapshot(), sum(tokens for tokens, _ in model.billed)
    lost = snapshot.tokens - billed
    assert 0 <= lost <= LONGEST * 8  # calls cut by the fault stand at their maximum
    if "evaluations" in cap:
        whole = run(Fake(price), **cap)
        assert facts(evolution.folder, Numbers()) == facts(whole.folder, Numbers())
    else:
        assert snapshot.tokens <= cap["tokens"]


def test_a_lost_call_is_a_state_of_its_proposal_and_stays_one(tmp_path: Path) -> None:
    def fault(path: str) -> BaseException | None:
        return ConnectionError("reset") if path in ("0/evolve/20", "0/evolve/31") else None

    evolution = run(Fake(fault=fault), evaluations=50, out=tmp_path / "run")
    assert evolution.snapshot().verdicts["lost"] == 2
    nodes = evolution.lineage().nodes
    assert nodes[20]["verdict"] == "lost" and "reset" in nodes[20]["reason"]
    assert nodes[21]["verdict"] in ("ok", "duplicate")
    again = run(Fake(), evaluations=60, out=tmp_path / "run", resume=True)
    assert again.snapshot().verdicts["lost"] == 2


def test_when_the_first_are_all_lost_it_raises_and_a_resumed_run_goes_on(tmp_path: Path) -> None:
    model = Fake(fault=lambda path: ConnectionError("refused"))
    with pytest.raises(LabError, match=r"last 8 proposals were all lost: .*refused"):
        run(model, evaluations=500, out=tmp_path / "run")
    assert model.asked.total() <= 8 + 8
    again = run(Fake(), evaluations=60, out=tmp_path / "run", resume=True)
    assert again.snapshot().committed == 61


def test_when_all_there_are_are_lost_it_raises() -> None:
    with pytest.raises(LabError, match="last 3 proposals were all lost"):
        run(Fake(fault=lambda path: ConnectionError("refused")), evaluations=3)


def test_an_outage_in_the_night_does_not_eat_the_budget() -> None:
    def fault(path: str) -> BaseException | None:
        return ConnectionError("refused") if int(path.split("/")[-1]) > 30 else None

    model = Fake(fault=fault)
    with pytest.raises(LabError, match="last 16 proposals were all lost"):
        run(model, evaluations=10_000)
    assert model.asked.total() <= 30 + 16 + 8


def test_a_systemic_error_stops_at_once_and_keeps_what_was_committed(tmp_path: Path) -> None:
    def fault(path: str) -> BaseException | None:
        return LabError("401: wrong key") if path == "0/evolve/30" else None

    model = Fake(fault=fault)
    with pytest.raises(LabError, match="401"):
        run(model, evaluations=5000, out=tmp_path / "run")
    assert model.asked.total() <= 38
    rows = [e["k"] for e in read_events(tmp_path / "run") if e["kind"] == "program"]
    assert len(rows) >= 20


def test_prompt_response_and_cost_are_in_the_log() -> None:
    evolution = run(Fake(Price(1.0, 1.0, 10.0)), evaluations=10)
    rows = [e for e in read_events(evolution.folder) if e["kind"] == "program"][1:]
    assert all(row["prompt"].startswith("better than") and row["response"] for row in rows)
    assert all(row["cost"]["calls"] == 1 and row["cost"]["dollars"] > 0 for row in rows)


def test_seconds_cut_off_a_model_that_never_answers_only_when_stopped() -> None:
    class Mute(Fake):
        async def generate(self, prompt, sampling, ledger, seed):
            await asyncio.sleep(3600)

    evolution = evolve(Numbers(), Asks(), model=Mute(), evaluations=5, wait=False, progress=False)
    with pytest.raises(TimeoutError):
        evolution.wait(0.5)
    evolution.stop()
    assert evolution.wait(5).snapshot().stopped_by == "stopped"


# -- the gate --------------------------------------------------------------------------


def test_the_gate_lets_calls_through_in_order_while_they_can_be_paid_in_full() -> None:
    async def scene() -> list[str]:
        gate, said = Gate(Ledger(Budget(tokens=100))), []

        async def call(name: str, most: int, used: int, turns: int) -> None:
            await gate.enter(Amount(most))
            said.append(f"+{name}")
            for _ in range(turns):
                await asyncio.sleep(0)
            said.append(f"-{name}")
            gate.leave(Amount(most), Amount(used))

        calls = [("a", 60, 10, 9), ("b", 30, 30, 3), ("c", 50, 5, 1), ("d", 5, 5, 1)]
        await asyncio.gather(*(call(*c) for c in calls))
        return said

    # a and b fit together; c must wait for a, and d does not overtake it
    assert asyncio.run(scene()) == ["+a", "+b", "-b", "-a", "+c", "+d", "-c", "-d"]


def test_a_call_that_no_budget_pays_in_full_goes_alone() -> None:
    async def scene() -> bool:
        gate = Gate(Ledger(Budget(tokens=10)))
        await asyncio.wait_for(gate.enter(Amount(500)), 1)
        second = asyncio.ensure_future(gate.enter(Amount(500)))
        await asyncio.sleep(0)
        waits = not second.done()
        gate.leave(Amount(500), Amount(3))
        await asyncio.wait_for(second, 1)
        return waits

    assert asyncio.run(scene())


def test_a_cancelled_call_gives_its_place_up() -> None:
    async def scene() -> None:
        gate = Gate(Ledger(Budget(dollars=1.0)))
        await gate.enter(Amount(0, 0.9))
        first, second = (asyncio.ensure_future(gate.enter(Amount(0, 0.5))) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        gate.leave(Amount(0, 0.9), Amount(0, 0.6))
        await asyncio.wait_for(second, 1)  # alone, whatever is left

    asyncio.run(scene())
