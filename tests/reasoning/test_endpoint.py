"""A model behind a server: what is asked, what comes back, what is charged."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from endpoints import CAN, PRICES, ask, endpoint
from fault_server import FaultServer

from evaluators.errors import BadInput, LabError
from reasoning import Budget, Ledger, Message, Prompt, Sampling, SeedPath, loop
from reasoning.core import BadPrompt

SEED = SeedPath(7)


def drawn(model, prompt, sampling, ledger=None, seed=SEED):
    return loop.run(model.generate(prompt, sampling, ledger or Ledger(), seed))


@pytest.fixture
def server():
    with FaultServer(right=1.0) as running:
        yield running


def test_a_whole_trace_is_asked_for_and_charged_as_reported(server):
    ledger = Ledger()
    (made,) = drawn(endpoint(server, **PRICES), ask("3+4+5:"), Sampling(20), ledger)
    assert (made.text, made.finish) == ("7\n12\n=12", "eos")
    assert made.usage.completion == 9 and len(made.token_ids) == len(made.logprobs) == 9
    (body,) = server.requests
    assert body["prompt"] == "3+4+5:" and body["max_tokens"] == 20 and "stop" not in body
    assert body["temperature"] == body["top_p"] == 1.0 and "top_k" not in body
    assert 0 <= body["seed"] < 2**31 and body["seed"] == SEED.key[0] % 2**31
    (row,) = ledger.rows
    assert (row.prompt, row.completion, row.tokens, row.key) == (6, 9, 9, SEED.text)
    assert row.dollars == pytest.approx((6 * 1.0 + 9 * 4.0) / 1e6)


def test_the_budget_cuts_a_completion_and_says_so(server):
    model = endpoint(server)
    assert drawn(model, ask(), Sampling(20), Ledger(Budget(tokens=4)))[0].finish == "budget"
    assert drawn(model, ask(), Sampling(4))[0].finish == "length"
    assert drawn(model, ask(), Sampling(4), Ledger(Budget(tokens=4)))[0].finish == "length"
    empty = drawn(model, ask(), Sampling(4), Ledger(Budget(tokens=0)))[0]
    assert (empty.finish, empty.text) == ("budget", "") and len(server.requests) == 3


def test_dollars_are_reserved_for_the_longest_prompt_and_paid_for_the_real_one(server):
    model = endpoint(server, **PRICES)
    ledger = Ledger(Budget(dollars=(6 + 256 + 16 + 16 + 9 * 4) / 1e6))
    assert drawn(model, ask(), Sampling(20), ledger)[0].finish == "eos"
    assert ledger.spent.dollars == pytest.approx((6 + 9 * 4) / 1e6)


CASES = {  # what the server can; the sampling; text, finish of one step, and of the end
    "tells, keeps": ("continue,tells_stop", None, ("7\n", "boundary"), ("=12", "eos")),
    "tells, cuts": ("continue,tells_stop", "bare", ("7\n", "stop"), ("=12\n", "stop")),
    "tells nothing": ("continue", None, ("7\n", "stop"), ("=12\n", "stop")),
}


@pytest.mark.parametrize(("can", "kind", "step", "end"), CASES.values(), ids=CASES)
def test_a_step_keeps_its_boundary_and_says_what_it_knows_of_its_end(can, kind, step, end):
    with FaultServer(right=1.0, bare=kind == "bare") as server:
        model = endpoint(server, can=can if kind is None else "continue")
        one = drawn(model, ask("3+4+5:"), Sampling(20, boundary="\n"))[0]
        last = drawn(model, ask("3+4+5:", "7\n12\n"), Sampling(20, boundary="\n"))[0]
    assert (one.text, one.finish) == step and (last.text, last.finish) == end
    assert server.requests[0]["stop"] == ["\n"]
    assert server.requests[1]["prompt"] == "3+4+5:7\n12\n"


def test_without_stop_strings_the_end_is_the_end_on_any_server():
    with FaultServer(right=1.0, bare=True) as server:
        assert drawn(endpoint(server, can=""), ask(), Sampling(20))[0].finish == "eos"


def test_an_empty_step_of_a_server_that_tells_nothing_stays_empty():
    with FaultServer(right=1.0, bare=True) as server:
        model = endpoint(server, can="continue")
        (made,) = drawn(model, ask("3:"), Sampling(20, boundary="="))
    assert (made.text, made.finish) == ("", "stop")


def test_stop_strings_are_cut_and_told_from_the_boundary(server):
    model = endpoint(server)
    (made,) = drawn(model, ask("3+4+5:"), Sampling(20, stop=("2",)))
    assert (made.text, made.finish) == ("7\n1", "stop")
    (made,) = drawn(model, ask("3+4+5:"), Sampling(20, boundary="\n", stop=("=",)))
    assert (made.text, made.finish) == ("7\n", "boundary")
    (made,) = drawn(model, ask("3+4+5:", "7\n12\n"), Sampling(20, boundary="\n", stop=("=",)))
    assert (made.text, made.finish) == ("", "stop")


def test_n_choices_come_from_one_request_where_each_can_be_counted(server):
    ledger = Ledger()
    made = drawn(endpoint(server), ask(), Sampling(20, n=3), ledger)
    assert len(made) == len(ledger.rows) == 3 and len(server.requests) == 1
    assert [row.prompt for row in ledger.rows] == [6, 0, 0]  # read once
    server.requests.clear()
    made = drawn(endpoint(server, can="seed"), ask(), Sampling(20, n=3))
    assert len(made) == 3 and len(server.requests) == 3
    assert len({body["seed"] for body in server.requests}) == 3


def test_a_short_last_choice_is_asked_for_alone(server):
    made = drawn(endpoint(server), ask(), Sampling(20, n=4), Ledger(Budget(tokens=45)))
    assert [one.finish for one in made] == ["eos", "eos", "budget", "budget"]
    asked = sorted((body.get("n", 1), body["max_tokens"]) for body in server.requests)
    assert asked == [(1, 5), (2, 20)]


def test_choices_that_are_drawn_again_share_what_the_lost_ones_have_left():
    with FaultServer(lambda number, body: "500" if number == 0 else None, right=1.0) as server:
        ledger = Ledger(Budget(tokens=65))
        made = drawn(endpoint(server), ask(), Sampling(20, n=2), ledger)
    assert [(body["n"], body["max_tokens"]) for body in server.requests] == [(2, 20), (2, 5)]
    assert [one.finish for one in made] == ["budget", "budget"]
    assert sum(row.tokens for row in ledger.rows if row.lost) == 40 and ledger.spent.tokens == 50


def test_the_chat_route_continues_an_answer_where_the_server_can(server):
    model = endpoint(server, route="chat", dialect="plain", can=CAN)
    turns = (Message("system", "3+4"), Message("user", "+5:"))
    (made,) = drawn(model, Prompt(turns, "7\n"), Sampling(20, boundary="\n"))
    assert (made.text, made.finish) == ("12\n", "boundary") and len(made.logprobs) == 3
    (body,) = server.requests
    assert body["path"].endswith("/chat/completions")
    assert body["messages"][-1] == {"role": "assistant", "content": "7\n"}
    assert body["continue_final_message"] is True and body["add_generation_prompt"] is False
    with pytest.raises(BadInput, match="not known to take continue"):
        drawn(endpoint(server, route="chat", can="n"), Prompt(turns, "7\n"), Sampling(20))


def test_a_prompt_without_messages_is_raw_text_on_every_route(server):
    drawn(endpoint(server, route="chat"), Prompt((), "3+4+5:7"), Sampling(5))
    (body,) = server.requests
    assert body["path"].endswith("/completions") and body["prompt"] == "3+4+5:7"


@pytest.mark.parametrize("field", [{"top_k": 3}, {"min_p": 0.1}], ids=str)
def test_what_a_server_would_ignore_is_refused_and_what_it_takes_is_sent(server, field):
    (name,) = field
    ledger = Ledger()
    with pytest.raises(BadInput, match=f"not known to take {name}.*top_p"):
        drawn(endpoint(server), ask(), Sampling(5, **field), ledger)
    assert not ledger.rows and not server.requests
    drawn(endpoint(server, can=f"{CAN},{name}"), ask(), Sampling(5, top_p=0.9, **field))
    assert server.requests[0][name] == field[name] and server.requests[0]["top_p"] == 0.9


def test_controls_that_are_off_are_said_to_be_off_where_the_server_knows_them(server):
    drawn(endpoint(server, can=f"{CAN},top_k,min_p"), ask(), Sampling(5))
    body = server.requests[0]
    assert (body["top_p"], body["top_k"], body["min_p"]) == (1.0, 0, 0.0)


def test_a_prompt_beyond_the_context_is_a_bad_one_and_a_full_answer_ends_by_length():
    with FaultServer(lambda number, body: "long") as server:
        model, ledger = endpoint(server), Ledger()
        with pytest.raises(BadPrompt, match="longer than the context of toy"):
            drawn(model, ask(), Sampling(20), ledger)
        (made,) = drawn(model, ask(prefix="7\n"), Sampling(20), ledger)
    assert (made.text, made.finish) == ("", "length") and ledger.spent.tokens == 0


def test_half_a_character_is_a_bad_prompt_and_costs_nothing(server):
    ledger = Ledger()
    with pytest.raises(BadPrompt, match="half a character"):
        drawn(endpoint(server), ask("3+\ud800:"), Sampling(5), ledger)
    assert not ledger.rows and not server.requests


def test_one_model_serves_several_event_loops(server):
    model = endpoint(server)
    call = [model.generate(ask(), Sampling(20), Ledger(), SEED.child(i)) for i in range(3)]
    made = [asyncio.run(call[0]), loop.run(call[1]), asyncio.run(call[2])]
    assert [one[0].text for one in made] == ["7\n12\n=12"] * 3


def test_no_more_requests_are_in_flight_than_the_limit():
    with FaultServer(lambda number, body: "slow") as server:
        model, widest = endpoint(server, concurrency=3, can=CAN), 0
        post = model.wire._post
        running = 0

        async def counted(*args):
            nonlocal running, widest
            running += 1
            widest = max(widest, running)
            try:
                return await post(*args)
            finally:
                running -= 1

        model.wire._post = counted

        async def many():
            calls = [model.generate(ask(), Sampling(9), Ledger(), SEED.child(i)) for i in range(12)]
            await asyncio.gather(*calls)

        asyncio.run(many())
    assert widest == 3


def test_cancelling_closes_the_request_and_loses_its_grant():
    with FaultServer(lambda number, body: "hang") as server:
        model, ledger = endpoint(server), Ledger()

        async def cut():
            task = asyncio.ensure_future(model.generate(ask(), Sampling(9), ledger, SEED))
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while not server.left:
                await asyncio.sleep(0.01)

        asyncio.run(asyncio.wait_for(cut(), 20))
    (row,) = ledger.rows
    assert row.lost == "cancelled" and row.tokens == 9


GUIDED = {
    "choices": Sampling(20, choices=("7\n12\n=12", "no")),
    "regex": Sampling(20, regex=r"(\d+\n)+=12"),
    "stripped": Sampling(4, choices=("7\n1", "7\n12")),
}


@pytest.mark.parametrize("sampling", GUIDED.values(), ids=GUIDED)
def test_a_form_that_the_server_does_not_enforce_is_checked(server, sampling):
    ledger = Ledger()
    (made,) = drawn(endpoint(server), ask("3+4+5:"), sampling, ledger)
    assert made.text in ("7\n12\n=12", "7\n12") and len(ledger.rows) == 1


def test_an_answer_of_another_form_is_discarded_and_asked_for_again():
    with FaultServer(right=0.5) as server:
        model, found = endpoint(server), []
        for i in range(12):
            ledger = Ledger(Budget(tokens=60))
            (made,) = drawn(
                model, ask("3+4+5:"), Sampling(20, regex=r"7\n12\n=12"), ledger, SEED.child(i)
            )
            kept = [row for row in ledger.rows if row.discarded is None]
            assert len(kept) == 1 and kept[0].completion == made.usage.completion
            assert all(
                r.discarded == "not of the form that was asked for" for r in ledger.rows[:-1]
            )
            assert ledger.spent.tokens <= 60 and len(ledger.rows) <= 4
            found.append((made.text == "7\n12\n=12", len(ledger.rows)))
    assert (True, 1) in found and any(right and rows > 1 for right, rows in found)
    sent = [body["seed"] for body in server.requests]
    assert len(set(sent)) == len(sent)


def test_a_form_is_enforced_by_the_server_where_it_can(server):
    can = f"{CAN},choices,regex,schema"
    for sampling, field in (
        (Sampling(9, choices=("a", "b")), {"choice": ["a", "b"]}),
        (Sampling(9, regex="a+"), {"regex": "a+"}),
        (Sampling(9, schema='{"type": "integer"}'), {"json": {"type": "integer"}}),
    ):
        drawn(endpoint(server, can=can), ask(), sampling)
        assert server.requests[-1]["structured_outputs"] == field
    drawn(endpoint(server, can="schema", profile="openai"), ask(), sampling)
    form = server.requests[-1]["response_format"]
    assert form["json_schema"]["schema"] == {"type": "integer"}
    drawn(
        endpoint(server, can="choices", profile="llama.cpp"),
        ask(),
        Sampling(9, choices=('a"', "b")),
    )
    assert server.requests[-1]["grammar"] == r'root ::= "a\"" | "b"'


@pytest.mark.parametrize(
    "sampling",
    [Sampling(9, regex="("), Sampling(9, schema="{"), Sampling(9, schema='{"type": 3}')],
    ids=str,
)
def test_a_wrong_form_is_found_before_anything_is_paid(server, sampling):
    ledger = Ledger()
    with pytest.raises(LabError, match=r"no regular expression|no JSON"):
        drawn(endpoint(server), ask(), sampling, ledger)
    assert not ledger.rows and not server.requests


def test_scoring_needs_a_server_that_echoes(server):
    with pytest.raises(LabError, match=r"cannot score a given text.*tiny.*route=completions"):
        loop.run(endpoint(server).score(ask(), ["7"], Ledger()))


def test_a_model_that_is_thrown_away_leaves_no_noise(server, recwarn):
    drawn(endpoint(server), ask(), Sampling(5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
    assert not [w for w in recwarn if "never awaited" in str(w.message)]
