import asyncio
from dataclasses import dataclass, replace

import pytest

from evaluators.errors import BadInput, LabError, UnknownName
from evaluators.problem import Problem
from reasoning import Traces, collect_traces
from reasoning.core import BadPrompt, Message, Prompt, Sampling, Solution, Step, Trace
from reasoning.data.collect import collect_traces_async
from reasoning.data.rows import Piece, fingerprint, instance_of
from reasoning.ledger import Budget, Price
from tests.reasoning.collecting import Judge, Lenient, Scripted, sums


def collect(task, model, **options):
    return collect_traces(task, model, progress=False, **options)


def questions(model):
    return [question for question, _ in model.asked]


def test_a_row_says_all_of_a_trace():
    task, model = sums(1), Scripted(right=1.0)
    [row] = collect(task, model, k=1, temperature=0.5, seed=3)
    [problem] = task.problems
    a, b, c = problem.fields["numbers"]
    text = f"{a + b}\n{a + b + c}\n={a + b + c}"
    assert row.text == text and row.pieces == (Piece(text),)
    assert (row.task, row.split, row.seed, row.finish) == ("sums", "train", 3, "eos")
    assert row.messages == (Message("user", f"{a}+{b}+{c}:"),) and row.prefix == ""
    assert row.asked() == problem and row.instance == instance_of("sums", problem)
    assert row.answer == row.gold == problem.answer
    assert row.n_tokens == len(text) + 1 and row.logprob == -0.25 * row.n_tokens
    assert row.verdict["passed"] is True and row.verdict["reason"] == "right"
    assert row.verdict["checker"] == "Judge" and row.verdict["knows"] == "reference"
    assert row.teacher["model"] == "scripted" and row.teacher["strategy"] == "Samples"
    assert row.teacher["seed"] == "3/sums%2F0/0"
    assert row.teacher["sampling"] == {"max_tokens": 40, "temperature": 0.5}
    assert row.labels is None and not row.hint_used and row.created.endswith("+00:00")


def test_every_trace_is_a_row_right_or_wrong_in_the_order_of_the_problems():
    task = sums(6)
    rows = collect(task, Scripted(right=0.5), k=4)
    assert [row.problem["id"] for row in rows] == [p.id for p in task.problems for _ in range(4)]
    right = [row.correct for row in rows]
    assert any(right) and not all(right)
    assert all(row.correct == (row.answer == row.gold) for row in rows)
    assert len({row.id for row in rows}) == 24
    assert isinstance(rows, Traces) and rows.spent.calls == 24
    assert rows.spent.completion == sum(row.n_tokens for row in rows)
    assert repr(rows) == f"<24 traces ({sum(right) / 24:.0%} correct) of 6 problems>"


def test_many_problems_are_in_flight_at_once():
    model = Scripted(delay=0.01)
    collect(sums(12), model, k=2, concurrency=5)
    assert model.widest == 10


def test_rows_do_not_depend_on_what_else_is_in_flight():
    one, many = (collect(sums(8), Scripted(), k=3, concurrency=c) for c in (1, 8))
    assert fingerprint(one) == fingerprint(many) and [r.id for r in one] == [r.id for r in many]


def test_sample_i_is_the_one_that_every_other_strategy_draws():
    from search import BestOfN

    plain = collect(sums(3), Scripted(), k=4)
    model = Scripted()
    best = collect(sums(3), model, strategy=BestOfN(4, temperature=1.0))
    assert [r.text for r in plain] == [r.text for r in best]
    assert [r.teacher["seed"] for r in plain] == [r.teacher["seed"] for r in best]
    chosen = [row for row in best if row.teacher["chosen"]]
    assert len(chosen) == 3 and best[0].teacher["settings"]["n"] == 4
    assert all(row.score == row.correct for row in best)


def test_a_strategy_may_run_several_times():
    from search import ChainOfThought

    rows = collect(sums(2), Scripted(), strategy=ChainOfThought(temperature=1.0), k=3)
    assert [row.teacher["seed"] for row in rows[:3]] == [
        "0/sums%2F0/0", "0/sums%2F0/run/1/0", "0/sums%2F0/run/2/0"
    ]  # fmt: skip


def test_a_cut_trace_is_kept_unread_and_has_failed():
    rows = collect(sums(1, judge=Broken()), Scripted(), k=2, max_tokens=3)
    assert [row.finish for row in rows] == ["length"] * 2
    assert [row.answer for row in rows] == [None] * 2
    assert {row.verdict["reason"] for row in rows} == {"cut by length"}
    assert not any(row.correct for row in rows)


def test_a_budget_of_tokens_holds_for_each_problem():
    rows = collect(sums(3), Scripted(), k=8, budget=25)
    by_problem = [[r for r in rows if r.problem["id"] == f"sums/{i}"] for i in range(3)]
    assert all(sum(r.n_tokens for r in group) <= 25 for group in by_problem)
    assert {r.finish for r in rows} == {"eos", "budget"}
    assert rows.unpaid == 0


class Broken(Judge):
    def check(self, problem, text):
        raise ZeroDivisionError("no")


class Fussy(Judge):
    def check(self, problem, text):
        if problem.id == "sums/1":
            raise ZeroDivisionError("no")
        return super().check(problem, text)


def test_a_verifier_that_breaks_down_on_a_problem_makes_it_an_error():
    rows = collect(sums(3, judge=Fussy()), Scripted(), k=2)
    assert list(rows.errors) == ["sums/1"] and "ZeroDivisionError" in rows.errors["sums/1"]
    assert len(rows) == 4 and "1 errors" in repr(rows)


def test_a_call_that_fails_makes_its_problem_an_error():
    def fault(question, seed):
        if seed.parts[0] == "sums/2" and seed.parts[-1] == 1:
            raise ConnectionError("the line is dead")

    rows = collect(sums(4), Scripted(fault=fault), k=3)
    assert list(rows.errors) == ["sums/2"] and "the line is dead" in rows.errors["sums/2"]
    assert {row.problem["id"] for row in rows} == {"sums/0", "sums/1", "sums/3"}


def test_a_server_that_never_answers_ends_the_collection():
    def fault(question, seed):
        raise ConnectionError("nobody there")

    model = Scripted(fault=fault)
    with pytest.raises(LabError, match=r"the first 8 problems all failed.*nobody there"):
        collect(sums(100), model, k=1, concurrency=4)
    assert len(model.asked) < 20


def test_long_questions_do_not_end_a_collection_of_short_ones():
    def fault(question, seed):
        if int(seed.parts[0].split("/")[1]) < 10:
            raise BadPrompt("too long")

    rows = collect(sums(12), Scripted(fault=fault), k=1, concurrency=2)
    assert len(rows) == 2 and len(rows.errors) == 10


@dataclass(frozen=True)
class Forcing:
    """Lets the model begin, forces a line, lets it end."""

    seeded: bool = True

    async def solve(self, problem, ctx):
        prompt = asking(ctx.task.render(problem, "chain", "compact"))
        a, b, _ = problem.fields["numbers"]
        forced = f"{a + b}\n"
        [made] = await ctx.model.generate(
            prompt.forced(forced), Sampling(40), ctx.ledger, ctx.seed.child("end")
        )
        steps = (Step(forced, 0, "boundary", source="forced"),
                 Step(made.text, made.usage.completion, made.finish))  # fmt: skip
        seed = ctx.seed.child("end").text if self.seeded else ""
        trace = Trace(steps, "eos", ctx.task.extract(forced + made.text), seed=seed)
        return Solution(trace.answer, (trace, Trace((), "budget")), 0)


def asking(question):
    return Prompt((Message("user", question),))


@pytest.mark.parametrize("seeded", [True, False])
def test_forced_text_is_a_piece_of_its_own_and_the_prompt_is_the_question(seeded):
    [row] = collect(sums(1), Scripted(right=1.0), strategy=Forcing(seeded))
    assert [piece.source for piece in row.pieces] == ["forced", "model"]
    assert row.prefix == "" and row.correct and row.teacher["chosen"]
    assert row.messages[0].content.endswith(":")
    assert row.n_tokens == len(row.pieces[1].text) + 1


def test_a_trace_that_tells_no_prompt_is_refused():
    @dataclass(frozen=True)
    class Nameless:
        async def solve(self, problem, ctx):
            for at, text in enumerate(("1+1+1:", "2+2+2:")):
                prompt = asking(text)
                await ctx.model.generate(prompt, Sampling(40), ctx.ledger, ctx.seed.child(at))
            return Solution(None, (Trace((Step("x", 1, "eos"),), "eos"),), None)

    with pytest.raises(BadInput, match=r"let the strategy set Trace\.seed"):
        collect(sums(1), Scripted(), strategy=Nameless())


def test_a_strategy_that_returns_nothing_is_named():
    @dataclass(frozen=True)
    class Odd:
        async def solve(self, problem, ctx):
            return None

    with pytest.raises(BadInput, match="Odd must return a Solution"):
        collect(sums(1), Scripted(), strategy=Odd())


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"task": "sums"}, BadInput, "load_task"),
        ({"model": "tiny"}, BadInput, "load_model"),
        ({"task": sums(0)}, BadInput, "no problems"),
        ({"strategy": "best-of-n"}, BadInput, "strategy object"),
        ({"strategy": Forcing}, BadInput, "strategy object"),
        ({"strategy": Forcing(), "temperature": 1.0}, BadInput, "on the strategy itself"),
        ({"strategy": Forcing(), "k": 0}, BadInput, "k must be"),
        ({"k": 0}, BadInput, "k must be"),
        ({"temprature": 1.0}, UnknownName, "Did you mean 'temperature'"),
        ({"temperature": 0.0, "k": 2}, BadInput, "every sample is the same"),
        ({"format": "prose"}, UnknownName, "prompt format"),
        ({"concurrency": 0}, BadInput, "concurrency"),
        ({"budget": Budget(dollars=1)}, BadInput, "price"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_cannot_work_is_said_before_the_first_call(change, kind, says):
    model = Scripted()
    given = {"task": sums(2), "model": model, **change}
    with pytest.raises(kind, match=says):
        collect_traces(given.pop("task"), given.pop("model"), progress=False, **given)
    assert not model.asked


def test_problems_that_cannot_be_kept_are_named():
    twice = replace(sums(2), problems=(sums(1).problems[0],) * 2)
    with pytest.raises(BadInput, match="two problems 'sums/0'"):
        collect(twice, Scripted())
    odd = Problem("sums/odd", {"numbers": [1, 2, 3]}, "6", {"made": {1, 2}})
    with pytest.raises(BadInput, match="'sums/odd' is no JSON"):
        collect(replace(sums(1), problems=(odd,)), Scripted())


def test_a_strategy_that_needs_what_the_model_lacks_is_refused():
    from search import DeepConf

    model = Scripted()
    model.can = frozenset({"continue"})
    with pytest.raises(BadInput, match="needs a model that can logprobs"):
        collect(sums(1), model, strategy=DeepConf())


def test_progress_tells_what_there_is():
    seen = []
    rows = collect_traces(sums(5), Scripted(), k=2, progress=seen.append)
    last = seen[-1]
    assert (last.done, last.total, last.traces, last.errors) == (5, 5, 10, 0) and last.ended
    assert last.correct == sum(r.correct for r in rows) and last.tokens == rows.spent.tokens
    assert str(last).startswith("5/5 problems, 10 traces (")


def test_in_a_coroutine_it_is_awaited():
    rows = asyncio.run(collect_traces_async(sums(2), Scripted(), k=2, progress=False))
    assert fingerprint(rows) == fingerprint(collect(sums(2), Scripted(), k=2))


def test_in_the_background_it_can_be_watched_and_stopped(tmp_path):
    model = Scripted(delay=0.01)
    going = collect_traces(
        sums(60), model, k=2, concurrency=2, progress=False, wait=False, out=tmp_path
    )
    while going.progress.done < 3:
        pass
    assert len(going.rows()) >= 6
    going.stop()
    some = going.result(timeout=30)
    assert 0 < len(some) < 120 and not some.errors
    rest = Scripted()
    whole = collect(sums(60), rest, k=2, out=tmp_path)
    assert len(whole) == 120 and len(rest.asked) < 120 - len(some) + 8
    assert fingerprint(whole) == fingerprint(collect(sums(60), Scripted(), k=2))


def test_a_run_that_cannot_pay_for_all_says_so_and_a_richer_one_goes_on(tmp_path):
    def priced():
        model = Scripted()
        model.price = Price(0.0, 0.0, 1e6)  # a dollar a token
        return model

    poor = collect(sums(12), priced(), k=1, budget=Budget(dollars=90), out=tmp_path, concurrency=1)
    assert poor.spent.dollars <= 90 and 0 < poor.unpaid < 12 and len(poor) < 12
    model = priced()
    rich = collect(sums(12), model, k=1, budget=Budget(dollars=5000), out=tmp_path)
    assert len(rich) == 12 and rich.unpaid == 0
    assert len(model.asked) == poor.unpaid
    assert fingerprint(rich) == fingerprint(collect(sums(12), Scripted(), k=1))


def test_out_of_time_everything_is_left_for_later(tmp_path):
    model = Scripted()
    rows = collect(sums(5), model, k=2, budget=Budget(seconds=0), out=tmp_path)
    assert rows == [] and rows.unpaid == 5 and not model.asked and "5 unpaid" in repr(rows)
    assert len(collect(sums(5), model, k=2, out=tmp_path)) == 10


def test_the_embedded_model_writes_rows_that_can_be_learned_from():
    from evaluators import load_task
    from reasoning import load_model
    from reasoning.data.tokens import tokenised

    model = load_model("tiny")
    rows = collect(load_task("expressions", split="train", n=3, ops=2), model, k=2)
    assert len(rows) == 6
    for row in rows:
        tokens = tokenised(row, model._encoder)
        assert sum(tokens.learn) == row.n_tokens and row.finish == "eos"
        assert row.messages[0].content.endswith("<think>") and "</think>" in row.text
    assert sum(row.n_tokens for row in rows) == rows.spent.completion


def test_lenient_and_strict_judges_differ():
    strict, lenient = (collect(sums(6, judge=j), Scripted(), k=4) for j in (Judge(), Lenient()))
    assert sum(r.correct for r in strict) < sum(r.correct for r in lenient) == 24
    assert [r.id for r in strict] == [r.id for r in lenient]
