import asyncio

import pytest

from evaluators.errors import BadInput
from reasoning import logged as module
from reasoning.core import Completion, Message, Prompt, Sampling, SeedPath, TokenScores, Usage
from reasoning.ledger import Budget, Ledger
from reasoning.logged import CallFailed, LoggedModel, responses
from reasoning.runlog import RunLog, read_events


class Echo:
    """Writes the last part of its seed path; `waits` says whether it lets the loop turn."""

    name, dialect, flops_per_token = "echo", "compact", 2.0
    can = frozenset({"continue", "score"})

    def __init__(self, waits=True, error=None):
        self.asked, self.waits, self.error = [], waits, error

    def fingerprint(self):
        return {"name": self.name}

    async def generate(self, prompt, sampling, ledger, seed):
        seeds = [seed.child(i) for i in range(sampling.n)] if sampling.n > 1 else [seed]
        grants = [
            ledger.reserve(purpose="sample", model=self.name, key=s.text, prompt_tokens=5,
                           max_tokens=sampling.max_tokens, flops_per_token=2.0)
            for s in seeds
        ]  # fmt: skip
        if self.waits:
            await asyncio.sleep(0.001)
        self.asked.append(seed.text)
        made = []
        for path, grant in zip(seeds, grants, strict=True):
            if self.error:
                grant.lose("broken")
                continue
            used = min(4, grant.max_tokens)
            usage = Usage(5, 2, used)
            grant.settle(usage)
            made.append(Completion(f"{path.parts[-1]}:{grant.max_tokens}", "eos", usage, (1, 2),
                                   (-0.1, -1 / 3)))  # fmt: skip
        if self.error:
            raise self.error
        return made

    async def score(self, prompt, continuations, ledger):
        grants = [ledger.reserve_reading(purpose="score", model=self.name, key=c, tokens=len(c))
                  for c in continuations]  # fmt: skip
        await asyncio.sleep(0)
        self.asked.append("score")
        for grant in grants:
            grant.settle(Usage())
        return [TokenScores(tuple(c), (-0.5,) * len(c)) for c in continuations]


PROMPT = Prompt((Message("user", "2+2="),))
SEED = SeedPath(0, ("p",))


def wave(model, ledger, indices=range(4), prompt=PROMPT, length=10):
    async def go():
        calls = [model.generate(prompt, Sampling(length), ledger, SEED.child(i)) for i in indices]
        return await asyncio.gather(*calls)

    return [made[0] for made in asyncio.run(go())]


def past(folder):
    return responses(read_events(folder), frozenset())


def facts(ledger):
    return [(r.key, r.prompt, r.cached, r.completion, r.flops, r.tokens) for r in ledger.rows]


def test_a_logged_response_is_not_asked_again_and_charged_alike(tmp_path):
    first, budget = Echo(), Budget(tokens=25)
    with RunLog(tmp_path, {}) as log:
        one = Ledger(budget)
        answers = wave(LoggedModel(first, log, "s"), one)
    second = Echo()
    with RunLog(tmp_path, {}, resume=True) as log:
        two = Ledger(budget)
        again = wave(LoggedModel(second, log, "s", past(tmp_path)), two)
    assert again == answers
    assert [a.text for a in answers] == ["0:10", "1:10", "2:5", "3:0"]
    assert facts(one) == facts(two)
    assert second.asked == [SEED.child(3).text]  # the one that could not be paid


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("kept", [(0,), (2,), (1, 3), (3,)])
def test_a_wave_that_was_half_answered_reserves_as_it_did(tmp_path, waits, kept):
    budget = Budget(tokens=25)
    with RunLog(tmp_path / "a", {}) as log:
        whole = Ledger(budget)
        answers = wave(LoggedModel(Echo(waits), log, "s"), whole)
    events = [e for e in read_events(tmp_path / "a") if e["kind"] == "response"]
    some = [e for e in events if int(e["key"].split("|")[1][-1]) in kept]
    model, half = Echo(waits), Ledger(budget)
    resumed = wave(LoggedModel(model, None, "s", responses(some, frozenset())), half)
    assert resumed == answers
    assert facts(half) == facts(whole)
    assert not {SEED.child(i).text for i in kept if i < 3} & set(model.asked)


def test_an_edited_prompt_or_sampling_or_scope_gets_no_stale_answer(tmp_path):
    with RunLog(tmp_path, {}) as log:
        wave(LoggedModel(Echo(), log, "s"), Ledger(), [0])
    edited = Prompt((Message("user", "2+3="),))
    for scope, prompt, length in (("s", edited, 10), ("s", PROMPT, 11), ("t", PROMPT, 10)):
        model = Echo()
        wave(LoggedModel(model, None, scope, past(tmp_path)), Ledger(), [0], prompt, length)
        assert len(model.asked) == 1
    model = Echo()
    wave(LoggedModel(model, None, "s", past(tmp_path)), Ledger(), [0])
    assert model.asked == []


def test_another_grant_is_another_call(tmp_path):
    with RunLog(tmp_path, {}) as log:
        wave(LoggedModel(Echo(), log, "s"), Ledger(Budget(tokens=6)), [0])
    model, ledger = Echo(), Ledger(Budget(tokens=8))
    [made] = wave(LoggedModel(model, None, "s", past(tmp_path)), ledger, [0])
    assert (made.text, len(model.asked), len(ledger.rows)) == ("0:8", 1, 1)


def test_each_logged_response_answers_one_call(tmp_path):
    with RunLog(tmp_path, {}) as log:
        logged = LoggedModel(Echo(), log, "s")
        wave(logged, Ledger(), [0])
    model = Echo()
    logged = LoggedModel(model, None, "s", past(tmp_path))
    wave(logged, Ledger(), [0, 0])
    assert len(model.asked) == 1


def test_several_samples_of_one_call_come_back_together(tmp_path):
    async def ask(model, ledger):
        return await model.generate(PROMPT, Sampling(10, n=3), ledger, SEED)

    one, two, model = Ledger(Budget(tokens=25)), Ledger(Budget(tokens=25)), Echo()
    with RunLog(tmp_path, {}) as log:
        answers = asyncio.run(ask(LoggedModel(Echo(), log, "s"), one))
    again = asyncio.run(ask(LoggedModel(model, None, "s", past(tmp_path)), two))
    assert again == answers and facts(one) == facts(two) and model.asked == []
    assert [answer.text for answer in again] == ["0:10", "1:10", "2:5"]


def test_scores_are_logged_too(tmp_path):
    async def ask(model, ledger):
        return await model.score(PROMPT, ["ab", "cde"], ledger)

    one, two, model = Ledger(), Ledger(), Echo()
    with RunLog(tmp_path, {}) as log:
        answers = asyncio.run(ask(LoggedModel(Echo(), log, "s"), one))
    again = asyncio.run(ask(LoggedModel(model, None, "s", past(tmp_path)), two))
    assert again == answers and model.asked == []
    assert two.spent.scored == one.spent.scored == 5


def test_a_call_that_fails_is_lost_and_a_call_failed(tmp_path):
    with RunLog(tmp_path, {}) as log:
        ledger = Ledger(Budget(tokens=30))
        with pytest.raises(CallFailed, match="'echo' failed: gone"):
            wave(LoggedModel(Echo(error=ConnectionError("gone")), log, "s"), ledger, [0])
    assert ledger.left_tokens == 20
    assert ledger.rows[0].lost == "broken"
    assert not past(tmp_path)


@pytest.mark.parametrize("error", [BadInput("wrong key"), TypeError("a bug")])
def test_a_fault_of_every_call_is_passed_on_as_it_is(error):
    with pytest.raises(type(error), match=str(error)):
        wave(LoggedModel(Echo(error=error)), Ledger(), [0])


def test_a_call_that_the_model_drops_is_a_call_failed_and_not_a_stop():
    with pytest.raises(CallFailed, match="was it closed"):
        wave(LoggedModel(Echo(error=asyncio.CancelledError())), Ledger(), [0])


def test_stopping_logs_a_call_that_was_answered_and_cuts_one_that_was_not(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "GRACE", 0.5)

    class Half(Echo):
        async def generate(self, prompt, sampling, ledger, seed):
            if seed.parts[-1] == 1:
                grant = ledger.reserve(purpose="sample", model="m", key=seed.text, max_tokens=9)
                try:
                    await asyncio.sleep(30)
                finally:
                    grant.lose("cut")
            await asyncio.sleep(0.03)
            return await super().generate(prompt, sampling, ledger, seed)

    ledger = Ledger()

    async def go():
        with RunLog(tmp_path, {}) as log:
            model = LoggedModel(Half(), log, "s")
            calls = [model.generate(PROMPT, Sampling(9), ledger, SEED.child(i)) for i in (0, 1)]
            task = asyncio.gather(*calls)
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(go())
    assert [key.split("|")[1] for key in past(tmp_path)] == [SEED.child(0).text]
    assert {row.key: row.lost for row in ledger.rows} == {
        SEED.child(0).text: None, SEED.child(1).text: "cut"
    }  # fmt: skip
