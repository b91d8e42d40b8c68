"""ModelProposer on a small problem: what is asked, what an answer becomes, what is charged."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from evaluators.discovery.base import DiscoveryProblem, Evaluation
from evaluators.errors import BadInput, UnknownName
from reasoning import load_model
from reasoning.core import Completion, Context, Sampling, SeedPath, Usage
from reasoning.ledger import Budget, Ledger
from reasoning.logged import CallFailed, LoggedModel, responses
from reasoning.runlog import RunLog
from search import evolve
from search.evolve.model_proposer import ModelProposer, style_of
from search.evolve.program import Program, Request
from search.evolve.prompt import STOPS, ask

SKELETON = '''
import numpy as np
from evaluators.discovery import evolve

SIZES = (3, 5)


@evolve
def weigh(item, room):
    """How much an item is wanted; the highest goes first."""
    return 0


def run():
    return [weigh(i, 9) for i in SIZES]
'''


class Bins(DiscoveryProblem):
    name, function, direction = "bins", "weigh", "minimise"
    description = "Sort items into few bins."
    skeleton = SKELETON
    start = 'def weigh(item, room):\n    """Start."""\n    return 0\n'

    def __init__(self, count: int = 2):
        self._names = [f"case-{i}" for i in range(count)]

    def instances(self, split):
        return self._names

    def evaluate(self, source, sandbox, split="train", floor=None):
        raise NotImplementedError

    def fingerprint(self):
        return {"problem": self.name}


class Scripted:
    """Answers from a function of the prompt's text; a token is a word."""

    name, dialect, flops_per_token = "scripted", "plain", 0.0
    can = frozenset({"continue", "n", "seed", "tells_stop"})

    def __init__(self, answer: Callable[[str], str], finish: Any = "eos") -> None:
        self.answer, self.finish, self.asked = answer, finish, []

    async def generate(self, prompt, sampling, ledger, seed):
        self.asked.append((prompt, sampling, seed))
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens
        )
        if grant.empty:
            return [Completion("", "budget", Usage())]
        text = self.answer("\n".join(m.content for m in prompt.messages) + prompt.prefix)
        usage = Usage(completion=min(grant.max_tokens, len(text.split())))
        grant.settle(usage)
        return [Completion(text, self.finish, usage)]

    async def score(self, prompt, continuations, ledger):
        raise NotImplementedError

    def fingerprint(self):
        return {"name": self.name}


def program(k: int, body: str, *scores: float, reason: str = "", helpers: str = "") -> Program:
    evaluation = Evaluation("ok", float(np.mean(scores)), scores) if scores else None
    source = f"{helpers}def weigh(item, room):\n    {body}\n"
    return Program(k, source, 0, (), "model", evaluation, reason)


WORSE, BETTER = program(3, "return item", 5.0, 7.0), program(8, "return -item", 4.0, 4.5)


def request(*parents: Program, count: int = 2, **rest: Any) -> Request:
    return Request(9, Bins(count), 0, parents, **rest)


def context(model: Any, ledger: Ledger | None = None) -> Context:
    return Context(cast(Any, None), model, ledger or Ledger(), SeedPath(0, ("evolve", 9)))


def propose(proposer: ModelProposer, asked: Request, ctx: Context | None):
    return asyncio.run(proposer.propose(asked, np.random.default_rng(0), ctx))


def text_of(model: Scripted) -> str:
    prompt = model.asked[-1][0]
    return "\n".join(m.content for m in prompt.messages) + prompt.prefix


def fenced(body: str) -> str:
    return f"Tighter.\n```python\ndef weigh_v2(item, room):\n    return {body}\n```"


def test_a_chat_prompt_shows_the_best_versions_in_ascending_order_and_asks_for_the_next():
    model = Scripted(lambda text: fenced("room"))
    made = propose(
        ModelProposer(), request(program(1, "return 1", 9), WORSE, BETTER), context(model)
    )
    text = text_of(model)
    assert text.startswith("Sort items into few bins.")
    assert "`weigh(item, room)`" in text and "`import numpy as np`" in text
    assert "How much an item is wanted" in text and "evolve" not in text
    order = [
        "lower scores are better",
        "Version 0, score 6",
        "def weigh_v0(item, room):\n    return item",
        "Version 1, score 4.25",
        "def weigh_v1(item, room):\n    return -item",
        "Write `weigh_v2`",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "return 1" not in text  # the third-best
    assert made.source == "def weigh(item, room):\n    return room\n"
    assert (made.parents, made.origin, made.reason) == ((3, 8), "model", "")
    assert made.prompt == text and made.response == fenced("room")


def test_feedback_tells_scores_by_instance_and_the_latest_failure():
    failed = Program(
        7, "def weigh(item, room):\n    return 1 / 0\n", 0, (), "model",
        Evaluation("exception", reason="ZeroDivisionError: division by zero", line=2),
    )  # fmt: skip
    model = Scripted(lambda text: fenced("room"))
    propose(ModelProposer(), request(WORSE, BETTER, failure=failed), context(model))
    told = text_of(model)
    assert "score 4.25 (case-0 4, case-1 4.5)" in told
    assert "exception: ZeroDivisionError: division by zero (line 2)" in told and "1 / 0" in told
    propose(ModelProposer(feedback=False), request(WORSE, BETTER, failure=failed), context(model))
    silent = text_of(model)
    assert "score 4.25:" in silent and "case-0" not in silent and "1 / 0" not in silent


def test_of_many_instances_the_best_and_the_worst_are_told():
    scores = [float(i) for i in range(20)]
    model = Scripted(lambda text: fenced("room"))
    propose(ModelProposer(), request(program(1, "return 1", *scores), count=20), context(model))
    assert (
        "score 9.5 (best of 20 instances: case-0 0, case-1 1, case-2 2;"
        " worst: case-17 17, case-18 18, case-19 19)" in text_of(model)
    )


def test_a_continuation_is_a_module_that_breaks_off_after_the_next_header():
    model = Scripted(lambda text: "    gap = room - item\n    return gap\n")
    made = propose(ModelProposer(style="continuation"), request(WORSE, BETTER), context(model))
    prompt, sampling, _ = model.asked[0]
    assert prompt.messages == () and sampling.stop == STOPS
    end = 'def weigh_v2(item, room):\n    """Improved version of `weigh_v1`."""\n'
    assert prompt.prefix.endswith(end) and prompt.prefix.startswith('"""Sort items')
    namespace: dict[str, Any] = {}
    exec(prompt.prefix + "    return 0\n", namespace)  # a module indeed
    assert namespace["weigh_v0"](2, 9) == 2 and namespace["weigh_v1"](2, 9) == -2
    assert made.source == "def weigh(item, room):\n    gap = room - item\n    return gap\n"


def test_with_thought_the_idea_is_kept_and_shown_with_its_program_later():
    model = Scripted(lambda text: fenced("room"))
    made = propose(ModelProposer(thought=True), request(WORSE, BETTER), context(model))
    assert made.reason == "Tighter." and "one sentence" in text_of(model)
    child = program(9, "return room", 3.0, 3.0, reason=made.reason)
    propose(ModelProposer(thought=True), request(BETTER, child), context(model))
    assert "Version 1, score 3 (case-0 3, case-1 3):\nIdea: Tighter.\n```python" in text_of(model)


def test_helpers_of_one_name_are_told_apart_and_a_version_that_is_called_comes_along():
    one = program(3, "return _f(item)", 5.0, helpers="def _f(x):\n    return x\n\n\n")
    two = program(8, "return _f(item)", 4.0, helpers="def _f(x):\n    return -x\n\n\n")
    model = Scripted(lambda text: fenced("weigh_v0(item, room) + weigh_v1(item, room)"))
    made = propose(ModelProposer(), request(one, two), context(model))
    assert "def _f2(x):\n    return -x" in text_of(model)
    namespace: dict[str, Any] = {}
    exec(made.source or "", namespace)
    assert namespace["weigh"](7, 0) == 0  # 7 of the one and -7 of the other
    assert not re.search(r"_v\d", made.source or "")


def test_versions_that_would_make_the_prompt_too_long_are_left_out_worst_first():
    long = program(3, "return 1  # " + "x" * 900, 5.0)
    model = Scripted(lambda text: fenced("1").replace("v2", "v1"))
    made = propose(ModelProposer(longest=500), request(long, BETTER), context(model))
    assert "weigh_v1`, with" in text_of(model) and "xxx" not in text_of(model)
    assert made.source is not None
    propose(ModelProposer(longest=10), request(BETTER, long), context(model))
    assert "xxx" in text_of(model)  # the best one always fits


def test_without_parents_the_starting_program_is_version_0():
    model = Scripted(lambda text: fenced("1").replace("v2", "v1"))
    assert propose(ModelProposer(), request(), context(model)).source is not None
    assert "def weigh_v0(item, room):" in text_of(model)


@pytest.mark.parametrize(
    ("answer", "finish", "reason"),
    [
        ("I cannot.", "eos", "no function weigh_v1"),
        ("def weigh_v1(item, room):\n    x = 1", "length", "inside the function"),
        ("def weigh_v1(item):\n    return 1", "eos", "takes 1 arguments, not 2"),
    ],
    ids=["prose", "cut", "signature"],
)
def test_an_unusable_answer_is_a_proposal_without_source_and_its_tokens_are_discarded(
    answer, finish, reason
):
    ledger = Ledger()
    made = propose(
        ModelProposer(), request(BETTER), context(Scripted(lambda text: answer, finish), ledger)
    )
    assert made.source is None and reason in made.reason and made.response == answer
    assert [row.discarded for row in ledger.rows] == [f"no program: {made.reason}"]


def test_a_used_up_budget_is_said():
    ledger = Ledger(Budget(tokens=5))
    ledger.reserve(purpose="sample", model="m", key="k", max_tokens=5).settle(Usage(completion=5))
    model = Scripted(lambda text: fenced("1"))
    assert propose(ModelProposer(), request(BETTER), context(model, ledger)).reason == (
        "the budget is used up"
    )


def test_answers_are_logged_and_come_from_the_log_after_a_restart(tmp_path):
    model = Scripted(lambda text: fenced(f"room * {len(model.asked)}"))
    asked = request(WORSE, BETTER)
    with RunLog(tmp_path, {}) as log:
        first = propose(ModelProposer(), asked, context(LoggedModel(model, log, "program/9")))
        past = responses(log.events(), frozenset())
    ledger = Ledger()
    again = LoggedModel(model, None, "program/9", past)
    second = propose(ModelProposer(), asked, context(again, ledger))
    assert second == first and len(model.asked) == 1
    assert ledger.spent.completion > 0  # charged as the call was


def test_the_draw_comes_from_the_seed_path_and_the_attempt():
    model = Scripted(lambda text: fenced("1"))
    for attempt in (0, 1):
        propose(ModelProposer(), request(BETTER, attempt=attempt), context(model))
    assert [seed.text for _, _, seed in model.asked] == ["0/evolve/9/0", "0/evolve/9/1"]


def test_sampling_is_that_of_the_proposer():
    model = Scripted(lambda text: fenced("1"))
    propose(ModelProposer(max_tokens=77, temperature=0.4), request(BETTER), context(model))
    assert model.asked[0][1] == Sampling(max_tokens=77, temperature=0.4)


def test_a_failed_call_is_raised_for_the_loop_to_count():
    def down(text: str) -> str:
        raise ConnectionError("no route")

    ctx = context(LoggedModel(Scripted(down)))
    with pytest.raises(CallFailed, match="no route"):
        propose(ModelProposer(), request(BETTER), ctx)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(BadInput, match="needs a model"):
        propose(ModelProposer(), request(BETTER), None)
    with pytest.raises(UnknownName, match="prompt style"):
        ModelProposer(style=cast(Any, "poem"))
    with pytest.raises(BadInput, match="best_k"):
        ModelProposer(best_k=0)
    with pytest.raises(BadInput, match="temperature must be 0"):
        ModelProposer(temperature=-1.0)


def test_a_model_without_chat_is_asked_to_continue():
    class Base(Scripted):
        tokenizer = type("Tokenizer", (), {"chat_template": None})

    class Chat(Scripted):
        tokenizer = type("Tokenizer", (), {"chat_template": "{{ messages }}"})

    class Completions(Scripted):
        server = type("Server", (), {"route": "completions"})

    styles = [style_of(LoggedModel(kind(str))) for kind in (Scripted, Chat, Base, Completions)]
    assert styles == ["chat", "chat", "continuation", "continuation"]


def test_the_embedded_model_cannot_write_python_which_is_said():
    proposer = ModelProposer(max_tokens=24)
    made = propose(proposer, request(BETTER), context(LoggedModel(load_model("tiny"))))
    assert made.source is None and made.response
    assert "function" in made.reason or "Python" in made.reason


def test_the_whole_prompt_is_made_for_the_shipped_problems():
    from evaluators.discovery import load_problem

    for name in ("bin-packing:weibull-5k", "cap-set:4"):
        problem = load_problem(name)
        start = Program(0, problem.start, 0, (), "start", Evaluation("ok", 1.0, (1.0,)))
        for chat in (True, False):
            asked = ask(
                Request(1, problem, 0, (start,)), chat=chat, best_k=2, feedback=True,
                thought=False, longest=9000,
            )  # fmt: skip
            assert f"{problem.function}_v1" in str(asked.prompt)
            assert asked.wanted.parameters >= 1


def test_a_good_heuristic_among_garbage_is_found():
    good = (
        "Small gaps are worst.\n```python\ndef priority_v9(item, remaining):\n"
        "    gap = remaining - item\n"
        "    return np.select([gap <= 2, gap <= 3, gap <= 5, gap <= 7, gap <= 9, gap <= 12,"
        " gap <= 15], [4, 3, 2, 1, 0.9, 0.95, 0.97], 0.99)\n```"
    )
    garbage = (
        "I cannot.", "```python\ndef priority_v1(item, remaining):\n    return (\n```",
        "def priority_v1(item):\n    return item",
        "def priority(item, remaining):\n    return 1 / 0",
        "```\ndef priority_v1(item, remaining):\n    return -item\n```",
    )  # fmt: skip

    class Author(Scripted):
        async def generate(self, prompt, sampling, ledger, seed):
            k = int(seed.parts[1])
            self.answer = lambda text: good if k == 7 else garbage[k % len(garbage)]
            return await super().generate(prompt, sampling, ledger, seed)

    run = evolve(
        "bin-packing:or-3", Author(str), evaluations=12, workers=1, islands=1, progress=False,
        options={"train": 4, "validation": 8, "held_out": 2},
    )  # fmt: skip
    best, start = run.best, run.measured()[("0", "validation")].score
    assert best is not None and best.k == 7 and best.origin == "model"
    assert best.validation is not None and start is not None and best.validation < start
    assert dict(run.snapshot().verdicts)["no source"] >= 5
