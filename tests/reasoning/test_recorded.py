"""A recording replays what was answered; hand-written files work; faults name file and line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evaluators.errors import BadInput
from reasoning import (
    Budget,
    Completion,
    LanguageModel,
    Ledger,
    Message,
    Prompt,
    Sampling,
    SeedPath,
    TokenScores,
    Usage,
    load_model,
)

SEED = SeedPath(0, ("p", 1))


class Counting:
    """Answers `n` numbered completions of two tokens, or one where the grant is one."""

    name, dialect, flops_per_token = "counting", "compact", 4.0
    can = frozenset({"n", "seed", "logprobs", "token_ids", "score"})
    calls = 0

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        out = []
        for i in range(sampling.n):
            grant = ledger.reserve(
                purpose="sample", model=self.name, key=seed.child(i).text, max_tokens=2
            )
            self.calls += 1
            got = grant.max_tokens
            text, usage = f"x{self.calls}"[:got], Usage(5, 1, got)
            finish = "eos" if got == 2 else "budget"
            out.append(Completion(text, finish, usage, (7, 8)[:got], (-1.0, -2.0)[:got]))
            grant.settle(usage)
        return out

    async def score(
        self, prompt: Prompt, continuations: Sequence[str], ledger: Ledger
    ) -> list[TokenScores]:
        return [TokenScores((text,), (-0.5,)) for text in continuations]

    def fingerprint(self) -> dict[str, Any]:
        return {"name": self.name}


def ask(text: str, prefix: str = "", system: str = "") -> Prompt:
    said = (Message("system", system),) if system else ()
    return Prompt((*said, Message("user", text)), prefix)


def generate(
    model: Any, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath = SEED
) -> list[Completion]:
    return asyncio.run(model.generate(prompt, sampling, ledger, seed))


def written(folder: Path, *rows: Any) -> str:
    file = folder / "file.jsonl"
    file.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return f"recorded:{file}"


def texts(completions: Sequence[Completion]) -> list[str]:
    return [completion.text for completion in completions]


# -- recording and replaying ------------------------------------------------------------


def test_a_recorded_run_replays_the_same_completions_and_ledger(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "run.jsonl"
    recording = load_model(Counting(), record=file)
    sampling, ledger, again = Sampling(max_tokens=2, n=3), Ledger(), Ledger()
    said = generate(recording, ask("q"), sampling, ledger)
    later = generate(recording, ask("q"), sampling, Ledger(), SEED.child("other"))
    replay: Any = load_model(f"recorded:{file}")
    assert isinstance(replay, LanguageModel)
    assert generate(replay, ask("q"), sampling, again) == said
    assert generate(replay, ask("q"), sampling, Ledger(), SEED.child("other")) == later != said
    assert (replay.dialect, replay.flops_per_token) == ("compact", 4.0)
    assert {"logprobs", "token_ids"} <= replay.can and "score" not in replay.can
    assert [(r.tokens, r.prompt) for r in again.rows] == [(r.tokens, r.prompt) for r in ledger.rows]


def test_an_unknown_seed_takes_the_samples_of_the_prompt_in_order(tmp_path: Path) -> None:
    recording = load_model(Counting(), record=tmp_path / "r.jsonl")
    said = generate(recording, ask("q"), Sampling(max_tokens=2, n=3), Ledger())
    replay = load_model(f"recorded:{tmp_path / 'r.jsonl'}")
    one = Sampling(max_tokens=2)
    for i in range(3):
        assert generate(replay, ask("q"), one, Ledger(), SeedPath(9, ("z", i))) == [said[i]]


def test_a_completion_that_a_budget_cut_is_not_passed_off_as_whole(tmp_path: Path) -> None:
    file, sampling = tmp_path / "r.jsonl", Sampling(max_tokens=2, n=2)
    cut = generate(load_model(Counting(), record=file), ask("q"), sampling, Ledger(Budget(3)))
    assert [c.finish for c in cut] == ["eos", "budget"]
    replay = load_model(f"recorded:{file}")
    assert generate(replay, ask("q"), sampling, Ledger(Budget(3))) == cut
    with pytest.raises(BadInput, match="recorded under a budget that cut it"):
        generate(replay, ask("q"), sampling, Ledger())


def test_scores_are_recorded_and_replayed(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    recording: Any = load_model(Counting(), record=file)
    generate(recording, ask("q"), Sampling(max_tokens=2), Ledger())
    said = asyncio.run(recording.score(ask("q"), ["a", "b"], Ledger()))
    replay: Any = load_model(f"recorded:{file}")
    ledger = Ledger(Budget(tokens=1))
    assert asyncio.run(replay.score(ask("q"), ["b", "a"], ledger)) == [said[1], TokenScores((), ())]
    assert ledger.spent.scored == 1
    with pytest.raises(BadInput, match="no score of 'c'"):
        asyncio.run(replay.score(ask("q"), ["c"], Ledger()))


# -- hand-written files -------------------------------------------------------------------


def test_hand_written_completions_are_counted_in_words(tmp_path: Path) -> None:
    model: Any = load_model(
        written(tmp_path, {"prompt": "2+3?", "completions": ["it is five", "6"]})
    )
    ledger = Ledger()
    got = generate(model, ask("2+3?"), Sampling(n=3), ledger)
    assert texts(got) == ["it is five", "6", "it is five"]
    assert [c.finish for c in got] == ["eos"] * 3 and got[0].token_ids is None
    assert [row.tokens for row in ledger.rows] == [3, 1, 3]
    assert model.dialect == "plain" and "logprobs" not in model.can


def test_the_budget_and_max_tokens_cut_between_words(tmp_path: Path) -> None:
    model = load_model(written(tmp_path, {"prompt": "q", "completions": ["one two three four"]}))
    assert generate(model, ask("q"), Sampling(max_tokens=2), Ledger())[0] == Completion(
        "one two", "length", Usage(1, 0, 2)
    )
    ledger = Ledger(Budget(tokens=5))
    got = generate(model, ask("q"), Sampling(max_tokens=4, n=3), ledger)
    assert [(c.text, c.finish) for c in got] == [
        ("one two three four", "eos"),
        ("one", "budget"),
        ("", "budget"),
    ]
    assert ledger.spent.tokens == 5


def test_steps_end_at_the_boundary_and_continue_the_written_text(tmp_path: Path) -> None:
    model = load_model(written(tmp_path, {"prompt": "q", "completions": ["a b\nc\nd"]}))
    step, ledger, prompt, seen = Sampling(boundary="\n"), Ledger(), ask("q"), []
    for _ in range(3):
        (got,) = generate(model, prompt, step, ledger)
        seen.append((got.text, got.finish))
        prompt = prompt.extended(got)
    assert seen == [("a b\n", "boundary"), ("c\n", "boundary"), ("d", "eos")]
    (stopped,) = generate(model, ask("q"), Sampling(stop=("\nd",)), ledger)
    assert (stopped.text, stopped.finish) == ("a b\nc", "stop")


def test_a_written_prompt_matches_all_messages_or_the_last_alone(tmp_path: Path) -> None:
    rows = [
        {"prompt": "be brief\nq", "completions": ["whole"]},
        {"prompt": "r", "completions": ["last"]},
        {"prompt": {"messages": [{"role": "user", "content": "s"}]}, "completions": ["rows"]},
    ]
    model = load_model(written(tmp_path, *rows))
    assert texts(generate(model, ask("q", system="be brief"), Sampling(), Ledger())) == ["whole"]
    assert texts(generate(model, ask("r", system="be brief"), Sampling(), Ledger())) == ["last"]
    assert texts(generate(model, ask("s"), Sampling(), Ledger())) == ["rows"]


def test_a_prompt_that_is_not_there_names_its_start_and_the_file(tmp_path: Path) -> None:
    model = load_model(written(tmp_path, {"prompt": "q", "completions": ["a"]}))
    ledger = Ledger()
    with pytest.raises(BadInput, match=r"file\.jsonl holds no completion of the prompt 'zzz"):
        generate(model, ask("zzz" * 40), Sampling(), ledger)
    assert ledger.rows == []


GOOD = '{"prompt": "q", "completions": ["a"]}'


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([GOOD, "{"], ":2: not JSON"),
        ([GOOD, "", GOOD], ":2: empty line"),
        (["[1]"], ":1: no prompt"),
        (['{"completions": ["a"]}'], ":1: no prompt"),
        (['{"prompt": "q"}'], ":1: completions must be a list"),
        (['{"prompt": "q", "completions": []}'], ":1: completions must be a list"),
        ([GOOD, '{"prompt": "q", "completions": "a"}'], ":2: completions must be a list"),
        (['{"prompt": "q", "completions": [5]}'], ":1: a completion must be"),
        (['{"prompt": "q", "completions": [{"text": 5}]}'], ":1: a completion needs"),
        (['{"prompt": 5, "completions": ["a"]}'], ":1: prompt must be"),
        (['{"prompt": "q", "continuations": ["a"], "scores": []}'], ":1: continuations need"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_bad_line_is_named(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(BadInput) as error:
        load_model(written(tmp_path, *rows))
    assert "file.jsonl" + message in str(error.value)


def test_an_empty_or_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"file\.jsonl is empty"):
        load_model(written(tmp_path))
    with pytest.raises(BadInput, match=r"none\.jsonl cannot be read"):
        load_model(f"recorded:{tmp_path / 'none.jsonl'}")


def test_a_wave_of_replayed_calls_reserves_before_the_first_settles(tmp_path: Path) -> None:
    model: Any = load_model(written(tmp_path, {"prompt": "q", "completions": ["a"]}))
    ledger = Ledger(Budget(tokens=10))

    async def wave() -> list[str]:
        calls = (model.generate(ask("q"), Sampling(max_tokens=4), ledger, SEED) for _ in range(4))
        return [completion.finish for (completion,) in await asyncio.gather(*calls)]

    assert asyncio.run(wave()) == ["eos", "eos", "eos", "budget"], "4 + 4 + 2 are reserved first"
    assert ledger.spent.tokens == 3
