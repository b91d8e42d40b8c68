"""Dollars, seconds and flops of a run: capped, carried over a resume, refused where unknown."""

import asyncio
import sys
from pathlib import Path

import pytest
from toy_lab import Scripted, toy

sys.path.insert(0, str(Path(__file__).parent.parent / "reasoning"))

from endpoints import PRICES, endpoint
from fault_server import FaultServer

from evaluators.errors import BadInput, LabError
from labs.compare import read_config, settings_of
from reasoning import Budget, Ledger, Sampling, SeedPath
from reasoning.logged import LoggedModel, responses
from reasoning.runlog import RunLog, read_events
from search import CompareSettings, Report, compare, compare_from

WORST = (9 + 256 + 16 + 40 * 4) / 1e6
"""What one call of the toy task is reserved at: the longest prompt, 40 tokens, PRICES."""


class Unpriced(Scripted):
    flops_per_token = 0.0


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(64, dollars=1.0), "needs a price for model 'scripted'"),
        (Budget(flops=1e9), "flops cannot be counted with model 'scripted'"),
    ],
    ids=["dollars", "flops"],
)
def test_a_cap_that_cannot_be_counted_is_refused_before_the_first_call(budget, said):
    model = Unpriced()
    with pytest.raises(BadInput, match=said):
        compare("direct", toy(2), model, budget, progress=False)
    assert model.calls == 0


def test_an_arm_spends_its_dollars_and_no_more_and_the_next_has_its_own():
    with FaultServer() as server:
        model = endpoint(server, **PRICES)
        budget = Budget(dollars=4 * WORST)
        report = compare(
            {"a": "self-consistency(n=4)", "b": "best-of-n(n=4)"}, toy(12), model, budget,
            concurrency=1, progress=False,
        )  # fmt: skip
    for arm in ("a", "b"):
        cells = [cell for cell in report.cells if cell.arm == arm]
        assert 0 < sum(cell.dollars for cell in cells) <= 4 * WORST + 1e-12
        assert f"; {sum(cell.dollars for cell in report.cells):.3g} dollars" in report.caption()
        assert cells[0].calls == 4 and cells[-1].calls == 0 and len(cells) == 12


def test_what_failed_calls_cost_counts_after_a_resume(tmp_path):
    def broken(number, body):
        return "500" if number >= 2 else None

    budget, out = Budget(dollars=4.5 * WORST), tmp_path / "run"
    arms, task = {"a": "chain-of-thought"}, toy(6)
    with FaultServer(broken) as server:
        model = endpoint(server, retries=0, **PRICES)
        first = compare(arms, task, model, budget, out=out, concurrency=1, progress=False)
        assert [c.state for c in first.cells].count("error") >= 2
        lost = [event["dollars"] for event in read_events(out) if event["kind"] == "lost"]
        assert sum(lost) == pytest.approx(sum(c.dollars for c in first.cells if c.lost))
        server.script, before = None, len(server.requests)
        again = endpoint(server, retries=0, **PRICES)
        second = compare(
            arms, task, again, budget, out=out, resume=True, concurrency=1, progress=False
        )
        anew = len(server.requests) - before
    kept = sum(cell.dollars for cell in second.cells)
    assert 0 < kept + sum(lost) <= 4.5 * WORST + 1e-12
    assert anew == 0, "what the failed calls may have cost was spent again"
    assert {c.stopped_by for c in second.cells[2:]} == {"budget"}
    assert Report.load(out).facts() == second.facts()


def test_a_cancelled_call_is_noted_with_what_it_may_have_cost(tmp_path):
    with FaultServer(lambda number, body: "hang") as server:
        model = endpoint(server, **PRICES)
        log = RunLog(tmp_path / "run", {})
        logged = LoggedModel(model, log, "s")

        async def cut():
            from endpoints import ask

            call = logged.generate(ask("1+2:"), Sampling(40), Ledger(), SeedPath(0))
            task = asyncio.ensure_future(call)
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])

        asyncio.run(cut())
        log.close()
    (event,) = [e for e in read_events(tmp_path / "run") if e["kind"] == "lost"]
    assert event["dollars"] == pytest.approx((4 + 256 + 16 + 40 * 4) / 1e6)


def test_an_answer_that_was_refused_for_its_form_is_discarded_again_on_replay(tmp_path):
    from endpoints import ask

    sampling = Sampling(20, regex=r"7\n12\n=12")
    with FaultServer(right=0.3) as server:
        model, log = endpoint(server), RunLog(tmp_path / "run", {})
        rows = []
        for i in range(6):
            ledger = Ledger()
            logged = LoggedModel(model, log, str(i))
            asyncio.run(logged.generate(ask("3+4+5:"), sampling, ledger, SeedPath(i)))
            rows.append(ledger.rows)
        past, asked = responses(log.events(), frozenset()), len(server.requests)
        log.close()
        assert asked > 6
        for i in range(6):
            ledger = Ledger()
            logged = LoggedModel(model, None, str(i), past)
            asyncio.run(logged.generate(ask("3+4+5:"), sampling, ledger, SeedPath(i)))
            assert ledger.rows == rows[i]
        assert len(server.requests) == asked


def test_a_few_that_fail_fast_do_not_stop_a_run_whose_first_ones_are_slow():
    class SlowFirst(Scripted):
        async def generate(self, prompt, sampling, ledger, seed):
            if seed.parts[0] == "toy/0":
                await released.wait()
            elif int(str(seed.parts[0])[4:]) in range(1, 20):
                ledger.reserve(purpose="s", model="m", key="k", max_tokens=1).lose("down")
                failed.append(seed)
                if len(failed) == 19:
                    released.set()
                raise OSError("connection reset")
            return await super().generate(prompt, sampling, ledger, seed)

    released, failed = asyncio.Event(), []
    report = compare("chain-of-thought", toy(24), SlowFirst(), 64, concurrency=24, progress=False)
    states = [cell.state for cell in report.cells]
    assert states.count("error") == 19 and states.count("done") == 5
    with pytest.raises(LabError, match="problems all failed"):
        compare("chain-of-thought", toy(19), AllDown(), 64, concurrency=19, progress=False)


class AllDown(Scripted):
    async def generate(self, prompt, sampling, ledger, seed):
        raise OSError("connection reset")


def test_settings_take_dollars_and_seconds_from_flags_and_files(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('task = "expressions"\ndollars = 1\nseconds = 2.5\n')
    settings = read_config(file)
    assert (settings.dollars, settings.seconds) == (1.0, 2.5)
    settings = settings_of(["--config", str(file), "--dollars", "0.25"])
    assert (settings.dollars, settings.seconds) == (0.25, 2.5)
    file.write_text('dollars = "much"\n')
    with pytest.raises(BadInput, match="dollars is a number, not 'much'"):
        read_config(file)


def test_the_command_caps_a_run_in_dollars(monkeypatch):
    import reasoning.models

    with FaultServer() as server:
        model = endpoint(server, **PRICES)
        monkeypatch.setattr(reasoning.models, "load_model", lambda name, **options: model)
        settings = CompareSettings(
            strategy=("chain-of-thought",), budget=(32,), problems=3, dollars=1e-9
        )
        report = compare_from(settings, progress=False)
        assert not server.requests and all(c.stopped_by == "budget" for c in report.cells)
