"""A language model behind a failing server: nothing is lost, no more is paid than the budget."""

import itertools
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from toys import Numbers

sys.path.insert(0, str(Path(__file__).parents[2] / "reasoning"))

from endpoints import CAN, PRICES, endpoint
from fault_server import LIST, SPOILED, FaultServer

from evaluators.errors import LabError
from reasoning.runlog import read_events
from search import evolve
from search.evolve.lineage import programs_of
from search.evolve.model_proposer import ModelProposer

ANSWERED = ("slow", "no-usage", "negative-usage", "text-usage", "small-usage", None)
PASSING = ("429", "429-after", "500", "503", "drop", "cut", "json", "empty", "no-finish")
pytestmark = [
    pytest.mark.usefixtures("in_process"),
    pytest.mark.filterwarnings("ignore:openai.*the ledger believes"),
]
PROPOSER = ModelProposer(max_tokens=90)


class Author(FaultServer):
    """Writes programs for Numbers: mostly a small step up from the best it was shown, now and then
    prose, a broken one, or one that was there before."""

    def write(self, prompt: str, body: dict[str, Any], index: int) -> dict[str, Any]:
        asked = re.search(r"Write `(\w+)`", prompt)
        shown = [int(n) for n in re.findall(r"return (-?\d+)", prompt)]
        rng = random.Random(f"{body.get('seed', random.random())}/{prompt}")
        number = shown[-1] + rng.randrange(6) if shown else 0
        name = asked[1] if asked else "f"
        kind = rng.random()
        text = f"```python\ndef {name}():\n    return {number}\n```"
        if kind < 0.1:
            text = "I would rather not."
        elif kind < 0.2:
            text = f"```python\ndef {name}():\n    return (\n```"
        tokens = [*text, ""]
        limit = int(body.get("max_tokens", 16))
        reason = "stop" if len(tokens) <= limit else "length"
        tokens = tokens[:limit]
        return {"text": "".join(tokens), "tokens": tokens, "reason": reason, "matched": None}


def faults(share: float, kinds: tuple[str | None, ...], seed: int = 0):
    """A script that makes a share of the requests fail, in each of these ways in turn."""
    rng, turns = random.Random(seed), itertools.cycle(kinds)
    return lambda number, body: next(turns) if rng.random() < share else None


def run(server: FaultServer, out: Path, model: dict[str, Any] | None = None, **options: Any):
    """A run of 60 proposals unless told otherwise."""
    options = {"evaluations": 60, "islands": 3, "progress": False, "out": out, **options}
    told = {"route": "chat", "can": CAN.replace("continue,", ""), "timeout": 2.0}
    return evolve(Numbers(), PROPOSER, model=endpoint(server, **{**told, **(model or {})}),
                  **options)  # fmt: skip


def delivered(server: FaultServer) -> int:
    """How many requests were answered as they should."""
    return sum(r["fault"] not in (*SPOILED, *LIST) for r in server.requests)


def logged(out: Path) -> int:
    return sum(event["kind"] == "response" for event in read_events(out))


def whole(out: Path, count: int) -> Counter[str]:
    """The verdicts of a run in which every proposal from 0 to `count` has exactly one state."""
    rows = Counter(event["k"] for event in read_events(out) if event["kind"] == "program")
    assert sorted(rows) == list(range(count + 1)) and set(rows.values()) == {1}
    programs = list(programs_of(out, Numbers()))
    for p in programs:
        states = [p.evaluation is not None, p.duplicate_of is not None and p.evaluation is None,
                  p.source is None and not p.lost, p.lost]  # fmt: skip
        assert sum(states) == 1, p
        assert p.source is not None or p.reason
    return Counter(p.verdict for p in programs)


def test_of_a_failing_server_nothing_is_lost(tmp_path):
    with Author(faults(0.4, (*PASSING, *ANSWERED))) as server:
        made = run(server, tmp_path)
    verdicts = whole(tmp_path, 60)
    assert {"ok", "no source"} <= set(verdicts)
    assert {r["fault"] for r in server.requests} >= set(PASSING)
    assert logged(tmp_path) == delivered(server) == 60 - verdicts["lost"]
    assert (
        made.best is not None and made.best.score > Numbers().evaluate(Numbers().start, None).score
    )


def test_a_call_that_fails_for_good_is_counted_and_the_run_goes_on(tmp_path):
    with Author(faults(0.4, ("500", "drop", "json"))) as server:
        run(server, tmp_path, {"retries": 0})
    verdicts = whole(tmp_path, 60)
    assert verdicts["lost"] == 60 - delivered(server) > 5
    assert logged(tmp_path) == delivered(server)


@pytest.mark.parametrize("kinds", [(None,), (*PASSING, *ANSWERED)], ids=["sound", "failing"])
def test_the_dollars_spent_never_pass_the_budget(tmp_path, kinds):
    cap, seen = 0.02, []

    def script(number: int, body: dict[str, Any]) -> str | None:
        seen.append(evolution.snapshot().dollars)  # reservations in flight are in it
        return choose(number, body)

    choose = faults(0.4, kinds)
    with Author(script) as server:
        evolution = run(server, tmp_path, PRICES, dollars=cap, evaluations=None, wait=False)
        evolution.wait(60)
        paid = server.read * PRICES["price_prompt"] + server.generated * PRICES["price_completion"]
    assert evolution.snapshot().stopped_by == "dollars"
    assert len(seen) > 10 and max(seen) <= cap + 1e-12
    spent = evolution.snapshot().dollars
    assert 0.5 * cap < spent <= cap + 1e-12
    if kinds == (None,):
        assert spent == pytest.approx(paid / 1e6)
    else:  # what the server may have written for nothing is counted at its reserved maximum
        assert spent >= paid / 1e6
    whole(tmp_path, evolution.snapshot().committed - 1)


@pytest.mark.parametrize("fault", ["401", "403", "404-model", "quota"])
def test_a_refusal_that_concerns_every_call_stops_the_run_at_once(tmp_path, fault):
    with Author(lambda number, body: fault) as server:
        with pytest.raises(LabError, match=r"key|account|unknown model"):
            run(server, tmp_path)
        assert len(server.requests) == 1
        server.script = None  # and it can be taken up again
        run(server, tmp_path, resume=True, evaluations=20)
    whole(tmp_path, 20)


def test_a_key_that_expires_stops_a_run_that_keeps_all_it_was_answered(tmp_path):
    with Author(lambda number, body: "401" if number >= 25 else None) as server:
        with pytest.raises(LabError, match="key"):
            run(server, tmp_path)
        refused = sum(r["fault"] == "401" for r in server.requests)
        assert refused <= 8  # those in flight
        assert logged(tmp_path) == 25
        server.script = None
        run(server, tmp_path, resume=True)
        assert delivered(server) == logged(tmp_path) == 60  # nothing was asked twice
    whole(tmp_path, 60)


def test_a_server_that_is_down_ends_the_run_and_resuming_goes_on_where_it_was(tmp_path):
    with Author(lambda number, body: "500" if number >= 30 else None) as server:
        with pytest.raises(LabError, match=r"failed|lost"):
            run(server, tmp_path, {"retries": 1})
        before = delivered(server)
        assert logged(tmp_path) == before and len(server.requests) < 90
        server.script = None
        made = run(server, tmp_path, {"retries": 1}, resume=True)
        lost = sum(p.lost for p in programs_of(tmp_path, Numbers()))
        assert delivered(server) == logged(tmp_path) == 60 - lost
    verdicts = whole(tmp_path, 60)
    assert verdicts["lost"] == lost and made.snapshot().stopped_by == "evaluations"


def test_a_stopped_run_asks_nothing_twice_and_ends_as_if_it_had_not_been_stopped(tmp_path):
    def facts(out: Path) -> list[Any]:
        made = programs_of(out, Numbers())
        return [(p.k, p.source, p.parents, p.duplicate_of, p.score) for p in made]

    with Author() as server:
        run(server, tmp_path / "whole")
        stopping = run(server, tmp_path / "cut", wait=False)
        while stopping.snapshot().committed < 20:
            time.sleep(0.002)
        stopping.stop()
        stopping.wait(30)
        answered, asked = logged(tmp_path / "cut"), len(server.requests)
        assert answered < 60
        run(server, tmp_path / "cut", resume=True)
        assert len(server.requests) - asked == 60 - answered
    assert facts(tmp_path / "cut") == facts(tmp_path / "whole")
