"""`openai:tiny@URL` is `tiny`: the same texts, scores and forms, and what it can is found out."""

import pytest

from evaluators.errors import BadInput, UnknownName
from evaluators.tasks import load_task
from labs.server.listen import Server
from reasoning import Ledger, Message, Prompt, Sampling, SeedPath, load_model, loop
from reasoning.models.endpoint.server import ABILITIES

TASK = load_task("expressions", n=4)
SCHEMA = '{"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}'


@pytest.fixture(scope="module")
def tiny():
    return load_model("tiny")


@pytest.fixture(scope="module")
def server(tiny):
    with Server(tiny) as running:
        yield running


@pytest.fixture(scope="module")
def served(server):
    return load_model(f"openai:tiny@{server.url.removesuffix('/v1')}")


def question(index: int) -> Prompt:
    text = TASK.render(TASK.problems[index], "chain", "compact")
    return Prompt((Message("user", text),))


def drawn(model, prompt, sampling, seed=0, ledger=None):
    return loop.run(model.generate(prompt, sampling, ledger or Ledger(), SeedPath(seed)))


def test_it_can_what_the_server_can_and_the_probe_was_small(served):
    assert served.can == frozenset(ABILITIES) and served.dialect == "compact"
    assert served.server.route == "completions" and served.flops_per_token > 0
    assert served.probe["completion"] < 200 and served.probe["requests"] < 25


@pytest.mark.parametrize("index", range(4))
def test_greedy_completions_are_the_same_and_so_are_their_steps(tiny, served, index):
    for sampling in (Sampling(80, 0.0), Sampling(80, 0.0, boundary="\n"), Sampling(5, 0.0)):
        (here,), (there,) = (drawn(m, question(index), sampling) for m in (tiny, served))
        assert there.text == here.text and there.finish == here.finish
        assert there.token_ids == here.token_ids
        assert there.logprobs == pytest.approx(here.logprobs, abs=1e-4)
        assert there.usage.completion == here.usage.completion
    step = question(index).extended(drawn(served, question(index), Sampling(80, boundary="\n"))[0])
    (here,), (there,) = (drawn(m, step, Sampling(80, 0.0)) for m in (tiny, served))
    assert (there.text, there.finish) == (here.text, here.finish)


def test_samples_repeat_by_their_seed_and_differ_without(served):
    texts = [drawn(served, question(1), Sampling(80, 1.5), seed)[0].text for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1] and len(set(texts)) > 1
    assert len(drawn(served, question(1), Sampling(80, n=3))) == 3


def test_scores_are_the_same_and_charged_alike(tiny, served):
    texts = ["6+16\n", "6", "</think>20"]
    here, there = Ledger(), Ledger()
    read = loop.run(tiny.score(question(2), texts, here))
    told = loop.run(served.score(question(2), texts, there))
    for one, other in zip(read, told, strict=True):
        assert other.tokens == one.tokens
        assert other.logprobs == pytest.approx(one.logprobs, abs=1e-4)
    assert there.spent.scored == here.spent.scored == there.spent.tokens


def test_the_server_enforces_forms(served):
    assert drawn(served, question(0), Sampling(20, choices=("maybe", "no")))[0].text in (
        "maybe", "no",
    )  # fmt: skip
    assert len(drawn(served, question(0), Sampling(20, regex="[xyz]{3}"))[0].text) == 3
    assert drawn(served, question(0), Sampling(40, schema=SCHEMA))[0].text.startswith("{")


def test_a_name_that_is_not_served_lists_those_that_are(server):
    with pytest.raises(UnknownName, match=r"'tinny'.*Did you mean 'tiny'.*tiny/best-of-n"):
        load_model(f"openai:tinny@{server.url}")


def test_a_strategy_of_the_server_is_a_model_that_keeps_the_budget(server):
    model = load_model(f"openai:tiny/best-of-n@{server.url}")
    ledger = Ledger()
    (made,) = drawn(model, question(0), Sampling(300), ledger=ledger)
    assert made.finish == "eos" and 100 < made.usage.completion <= 300
    assert ledger.spent.completion == made.usage.completion and not model.doubts


def test_what_a_strategy_of_the_server_reads_cannot_be_capped_in_dollars_or_flops(server):
    name = f"openai:tiny/best-of-n@{server.url}"
    assert load_model(name).flops_per_token == 0.0  # such a cap is refused before a run
    with pytest.raises(BadInput, match=r"is a strategy.*cap tokens"):
        load_model(name, price_prompt=0.1, price_completion=0.4)
