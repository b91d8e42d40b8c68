"""Strategies as models: what a client gets is what the strategy gives in process."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from labs.server.limits import Limits
from labs.server.listen import Server
from labs.solve import ask as pose
from labs.solve import solve
from tests.labs.serving import QUESTION, Scripted, ask, client, health, post, until

PROBLEMS = {"expressions": "(3+4)*2-5", "countdown": "3 5 7 2=24", "chain-sum": "347+589+126"}


@pytest.mark.parametrize(
    ("strategy", "settings", "task"),
    [
        ("direct", {}, "expressions"),
        ("chain-of-thought", {"temperature": 0.7}, "chain-sum"),
        ("self-consistency", {"n": 5}, "countdown"),
        ("best-of-n", {"n": 4}, "countdown"),
        ("best-of-n", {"n": 4, "scorer": "likelihood", "vote": True}, "expressions"),
        ("best-of-n", {"scorer": "step-verifier", "width": 2}, "chain-sum"),
        ("step-resample", {"tries": 2, "restarts": 3}, "expressions"),
        ("step-resample", {}, "countdown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_strategy_gives_what_it_gives_in_process(
    tiny_server: Any, strategy: str, settings: dict[str, Any], task: str
) -> None:
    tiny, text = tiny_server.served.models["tiny"], PROBLEMS[task]
    written = ",".join(f"{k}={str(v).lower()}" for k, v in settings.items())
    own, ledger = solve(pose(task, text), tiny, f"{strategy}({written})", 256, 5)
    made = ask(
        tiny_server, f"tiny/{strategy}", text, task=task, strategy=settings, seed=5,
        budget={"tokens": 256},
    )  # fmt: skip
    [choice], told = made["choices"], made["reasonlab"]
    chosen = None if own.chosen is None else own.traces[own.chosen]
    assert choice["message"]["content"] == ("" if chosen is None else chosen.text)
    assert told["origin"] == (None if chosen is None else chosen.seed)
    assert told["score"] == (None if chosen is None else chosen.score)
    assert (told["answer"], told["stopped_by"]) == (own.answer, own.stopped_by)
    assert (told["traces"], told["calls"]) == (len(own.traces), ledger.spent.calls)
    assert told["strategy"].startswith(strategy) and told["budget"] == {"tokens": 256}
    assert made["usage"]["completion_tokens"] == ledger.spent.completion <= 256
    assert made["usage"]["prompt_tokens"] == ledger.spent.prompt


def test_the_usage_is_all_that_the_server_drew(tiny_server: Any) -> None:
    for strategy, settings in (("best-of-n", {"n": 6}), ("step-resample", {"restarts": 1})):
        before = health(tiny_server)["models"]["tiny"]
        made = ask(
            tiny_server, f"tiny/{strategy}", "(3+4)*2-5", task="expressions", strategy=settings
        )
        after = health(tiny_server)["models"]["tiny"]
        used = made["usage"]
        assert used["completion_tokens"] == after["completion"] - before["completion"]
        assert used["prompt_tokens"] == after["prompt"] - before["prompt"]
        cached = used["prompt_tokens_details"]["cached_tokens"]
        assert cached == after["cached"] - before["cached"]
        assert made["reasonlab"]["calls"] == after["requests"] - before["requests"]


def test_a_problem_may_be_given_by_its_fields_and_by_the_plain_client(tiny_server: Any) -> None:
    made = client(tiny_server).chat.completions.create(
        model="tiny/best-of-n",
        messages=[{"role": "user", "content": '{"numbers": [1, 2], "target": 3}'}],
        seed=0,
        extra_body={"task": "countdown", "strategy": {"n": 2}, "budget": {"tokens": 99}},
    )
    assert made.reasonlab["task"] == "countdown"  # type: ignore[attr-defined]
    assert made.reasonlab["knows"] == "check"  # type: ignore[attr-defined]
    raw = post(
        tiny_server, "completions", model="tiny/direct", prompt="(3+4)*2-5", task="expressions"
    ).json()
    assert raw["reasonlab"]["answer"] == raw["choices"][0]["text"]


def test_a_free_question_is_asked_as_it_stands() -> None:
    scripted = Scripted("Two and two. The answer is 4.")
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "Well:"},
    ]
    with Server(scripted) as server:
        made = post(
            server, "chat/completions", model="scripted/self-consistency", messages=turns,
            continue_final_message=True, strategy={"n": 3}, temperature=0.5, max_tokens=9,
        ).json()  # fmt: skip
    assert len(scripted.seen) == 3
    for prompt, sampling in scripted.seen:
        assert [(m.role, m.content) for m in prompt.messages] == [
            ("system", "Be brief."),
            ("user", "2+2?"),
        ]
        assert prompt.prefix == "Well:"
        assert (sampling.temperature, sampling.max_tokens) == (0.5, 9)
    assert made["reasonlab"]["answer"] == "4"
    assert made["choices"][0]["message"]["content"] == scripted.text
    assert made["usage"] == {
        "prompt_tokens": 21,
        "completion_tokens": 21,
        "total_tokens": 42,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def test_without_a_task_best_of_n_takes_a_scorer_that_needs_none(tiny_server: Any) -> None:
    made = ask(tiny_server, "tiny/best-of-n", QUESTION, strategy={"n": 3}, seed=1)
    assert "scorer=likelihood" in made["reasonlab"]["strategy"]
    with Server(Scripted()) as server:
        made = ask(server, "scripted/best-of-n", "2+2?", strategy={"n": 3})
        assert "scorer=vote" in made["reasonlab"]["strategy"]
        assert made["reasonlab"]["score"] == 1.0


@pytest.mark.parametrize(
    ("strategy", "more", "said"),
    [
        ("step-resample", {"budget": {"tokens": 9}}, "step verifier"),
        ("best-of-n", {"strategy": {"n": 2, "scorer": "verifier"}}, "likelihood"),
        ("best-of-n", {"strategy": {"n": 2, "scorer": "nope"}}, "unknown scorer"),
        ("best-of-n", {"strategy": {"m": 2}}, "unknown option"),
        ("best-of-n", {"strategy": {"n=2,temperature": 1}}, "unknown option"),
        ("best-of-n", {"strategy": {"n": [2]}}, "strategy.n"),
        ("best-of-n", {"strategy": {"n": 0}}, "1 or more"),
        ("best-of-n", {"strategy": {"n": 2, "role": "terse"}}, "name the task"),
        ("best-of-n", {"strategy": 3}, "JSON object"),
        ("best-of-n", {"strategy": {"n": 2}, "temperature": 0}, "temperature"),
        ("best-of-n", {"strategy": {"n": 2, "top_k": 3}, "top_k": 4}, "given twice"),
        ("best-of-n", {}, "never ends"),
        ("best-of-n", {"budget": {"tokens": -1}}, "budget.tokens"),
        ("best-of-n", {"budget": {"tokens": 10**9}}, "at most"),
        ("best-of-n", {"budget": {"dollars": 1}}, "price"),
        ("best-of-n", {"budget": {"hours": 1}}, "budget.hours"),
        ("best-of-n", {"budget": {"flops": 10**301}}, "budget.flops"),
        ("best-of-n", {"strategy": {"n": 2}, "n": 2}, "setting of its own"),
        ("best-of-n", {"strategy": {"n": 2}, "stop": "x"}, "no stop"),
        ("best-of-n", {"strategy": {"n": 2}, "logprobs": True}, "no logprobs"),
        ("best-of-n", {"strategy": {"n": 2}, "task": "nope"}, "unknown task"),
        ("best-of-n", {"strategy": {"n": 2}, "task": "jsonl:/etc/passwd"}, "name of a task"),
        ("best-of-n", {"strategy": {"n": 2}, "task": "expressions"}, "no expression"),
        ("best-of-n", {"strategy": {"n": 2}, "task": 3}, "name of a task"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_work_is_refused_with_the_strategys_own_sentence(
    tiny_server: Any, strategy: str, more: dict[str, Any], said: str
) -> None:
    before = health(tiny_server)["models"]
    turns = [{"role": "user", "content": "(3+"}]
    answer = post(tiny_server, "chat/completions", model=f"tiny/{strategy}", messages=turns, **more)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]["message"]
    assert health(tiny_server)["models"] == before


def test_a_request_cannot_hold_up_the_server_with_worked_examples(tiny_server: Any) -> None:
    turns, settings = [{"role": "user", "content": "(3+4)*2"}], {"n": 2, "shots": 10**9}
    answer = post(tiny_server, "chat/completions", model="tiny/best-of-n", messages=turns,
                  task="expressions", strategy=settings)  # fmt: skip
    assert answer.status_code == 400 and "at most 64 worked examples" in answer.text


def test_the_servers_own_cap_ends_a_strategy(tiny_server: Any) -> None:
    tiny = tiny_server.served.models["tiny"]
    with Server(tiny, limits=Limits(spend=100)) as server:
        made = ask(server, "tiny/best-of-n", "(3+4)*2-5", task="expressions", strategy={"n": 50})
        assert made["reasonlab"]["stopped_by"] == "budget"
        assert 50 < made["usage"]["completion_tokens"] <= 100


def test_a_client_that_leaves_ends_the_strategy() -> None:
    import httpx

    scripted = Scripted()
    scripted.open.clear()
    body = {"model": "scripted/self-consistency", "prompt": "2+2?", "strategy": {"n": 8}}
    with Server(scripted) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/completions", json=body, timeout=0.3)
        until(lambda: scripted.cancelled == 8)
        until(lambda: health(server)["requests"]["left"] == 1)


def test_a_streamed_strategy_comes_in_one_chunk_with_its_extension(tiny_server: Any) -> None:
    with client(tiny_server).chat.completions.create(
        model="tiny/chain-of-thought",
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        first, last = stream
    assert first.choices[0].delta.content
    assert first.reasonlab["strategy"] == "chain-of-thought"  # type: ignore[attr-defined]
    assert last.usage is not None and last.usage.completion_tokens > 0


def test_strategies_work_in_front_of_another_server(tiny_server: Any) -> None:
    body = {
        "task": "expressions", "strategy": {"n": 3, "scorer": "likelihood", "temperature": 0.01},
        "seed": 2,
    }  # fmt: skip
    near = ask(tiny_server, "tiny/best-of-n", "(3+4)*2-5", **body)
    with Server(f"openai:tiny@{tiny_server.url}") as front:
        probed = asdict(tiny_server.served.models["tiny"].counters)
        far = ask(front, "tiny/best-of-n", "(3+4)*2-5", **body)
    after = asdict(tiny_server.served.models["tiny"].counters)
    assert far["choices"][0]["message"] == near["choices"][0]["message"]
    assert far["reasonlab"]["origin"] == near["reasonlab"]["origin"]
    assert far["usage"]["completion_tokens"] == after["completion"] - probed["completion"]
