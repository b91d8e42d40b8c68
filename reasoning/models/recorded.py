"""Replay completions from a JSONL file: `recorded:FILE`.

A line is what `Recording` wrote, or hand-written:

    {"prompt": "What is 2+3?", "completions": ["5", "It is 5"]}

A prompt given as a string matches the messages' contents joined by newlines, or the last message
alone, each followed by the assistant's turn so far; a longer turn continues those completions
that begin with it. `load_model(..., record=FILE)` writes such files from any model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from evaluators.errors import BadInput
from reasoning.core import Completion, Prompt, Sampling, SeedPath, TokenScores, Usage
from reasoning.ledger import Grant, Ledger
from reasoning.models.recording import (
    Recorded,
    as_prompt,
    as_recorded,
    as_scores,
    canonical,
    flatten,
    prompt_row,
    read_rows,
    score_key,
    start_of,
)

Key = tuple[str, str, str]


class RecordedModel:
    """Answers from a file, never from a model; a prompt that is not in it is a BadInput.

    A call that was recorded with this prompt, sampling and seed path gets its own completions.
    Any other call of a known prompt gets them in file order: sample i of k is the (i mod k)-th,
    i being the sample index, or the last number of the seed path where n is 1. Tokens of
    hand-written completions are counted as whitespace-separated words. `dialect` overrides what
    the file says.
    """

    def __init__(self, file: str | Path, *, dialect: str | None = None) -> None:
        self.file = Path(file)
        self.name = f"recorded:{file}"
        self._exact: dict[Key, list[list[Recorded]]] = {}
        self._samples: dict[str, list[Recorded]] = {}
        self._scores: dict[str, TokenScores] = {}
        rows = list(read_rows(self.file))
        for where, row in rows:
            self._add(where, row)
        said = {str(row["dialect"]) for _, row in rows if "dialect" in row}
        chosen = dialect or (said.pop() if len(said) == 1 else "plain")
        if chosen not in ("compact", "plain"):
            raise BadInput(f"{self.file}: dialect must be compact or plain, not {chosen!r}")
        self.dialect: Literal["compact", "plain"] = "compact" if chosen == "compact" else "plain"
        self.flops_per_token = float(rows[-1][1].get("flops_per_token", 0.0))
        every = [sample.completion for group in self._samples.values() for sample in group]
        self.can = frozenset(
            {"continue", "n", "seed", "tells_stop"}
            | ({"logprobs"} if every and all(c.logprobs is not None for c in every) else set())
            | ({"token_ids"} if every and all(c.token_ids is not None for c in every) else set())
            | ({"score"} if self._scores else set())
        )

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        """The recorded completions, cut to what the ledger grants."""
        found = [self._find(prompt, sampling, seed, index) for index in range(sampling.n)]
        grants = [
            ledger.reserve(
                purpose="sample",
                model=self.name,
                key=(seed.child(index) if sampling.n > 1 else seed).text,
                max_tokens=sampling.max_tokens,
                prompt_tokens=choices[0].completion.usage.prompt,
                flops_per_token=self.flops_per_token,
            )
            for index, choices in enumerate(found)
        ]
        answers: list[Completion] = []
        try:
            for grant, choices in zip(grants, found, strict=True):
                answers.append(self._answer(prompt, sampling, grant, choices))
            await asyncio.sleep(0)  # a wave of calls reserves before the first of them settles
        except BaseException as error:
            for grant in grants:
                grant.lose(repr(error))
            raise
        for grant, answer in zip(grants, answers, strict=True):
            grant.settle(answer.usage)
        return answers

    async def score(
        self, prompt: Prompt, continuations: Sequence[str], ledger: Ledger
    ) -> list[TokenScores]:
        """The recorded scores; empty where the ledger cannot pay."""
        found = []
        for text in continuations:
            known = self._scores.get(score_key(prompt, text))
            if known is None:
                raise BadInput(f"{self.file} holds no score of {start_of(text)}; record it first")
            found.append(known)
        grants = [
            ledger.reserve_reading(
                purpose="score",
                model=self.name,
                key=score_key(prompt, text),
                tokens=len(scores.tokens),
                flops_per_token=self.flops_per_token,
            )
            for text, scores in zip(continuations, found, strict=True)
            if scores.tokens
        ]
        for grant in grants:
            grant.settle(Usage())
        paid = iter(grants)
        empty = TokenScores((), ())
        return [empty if not s.tokens or next(paid).empty else s for s in found]

    def fingerprint(self) -> dict[str, Any]:
        """Name and content hash of the file."""
        digest = sha256(self.file.read_bytes()).hexdigest()
        return {"name": self.name, "path": "recorded", "sha256": digest, "dialect": self.dialect}

    # -- inside -----------------------------------------------------------------------

    def _add(self, where: str, row: Mapping[str, Any]) -> None:
        prompt = row["prompt"]
        flat = prompt if isinstance(prompt, str) else flatten(as_prompt(where, prompt))[0]
        if "continuations" in row:
            for text, scores in as_scores(where, row):
                self._scores[score_key(as_prompt(where, prompt), text)] = scores
            return
        samples = [as_recorded(where, item, flat) for item in row["completions"]]
        self._samples.setdefault(flat, []).extend(samples)
        if "seed" in row and "sampling" in row:
            sampling = asdict(Sampling()) | row["sampling"]  # older rows lack newer settings
            key = (canonical(prompt), canonical(sampling), str(row["seed"]))
            slots = self._exact.setdefault(key, [[] for _ in samples])
            for slot, sample in zip(slots, samples, strict=True):
                slot.append(sample)

    def _find(
        self, prompt: Prompt, sampling: Sampling, seed: SeedPath, index: int
    ) -> list[Recorded]:
        key = (canonical(prompt_row(prompt)), canonical(asdict(sampling)), seed.text)
        if key in self._exact:
            return self._exact[key][index]
        if sampling.guided:
            raise BadInput(
                f"{self.file} was not recorded with this sampling, and a recording cannot enforce"
                " choices, a regex or a schema: record it so, or take a local model such as tiny"
            )
        last = seed.parts[-1] if seed.parts else 0
        number = index if sampling.n > 1 or not isinstance(last, int) else last
        whole, short = flatten(prompt)
        for text in (whole, short):
            if text in self._samples:
                return [self._samples[text][number % len(self._samples[text])]]
        for text in (whole, short):
            base = text.removesuffix(prompt.prefix) if prompt.prefix else None
            going_on = [
                sample
                for sample in self._samples.get(base or "", ())
                if sample.completion.text.startswith(prompt.prefix)
            ]
            if going_on:
                return [going_on[number % len(going_on)].after(prompt.prefix)]
        raise BadInput(
            f"{self.file} holds no completion of the prompt {start_of(whole)}; record it"
            f' (load_model(..., record=FILE)) or add a line {{"prompt": ..., "completions": [...]}}'
        )

    def _answer(
        self, prompt: Prompt, sampling: Sampling, grant: Grant, choices: Sequence[Recorded]
    ) -> Completion:
        if grant.empty:
            return Completion("", "budget", Usage(), (), ())
        limit = grant.max_tokens
        whole = [c for c in choices if c.completion.finish != "budget"]
        same = [c for c in choices if c.completion.usage.completion == limit]
        more = [c for c in choices if c.completion.usage.completion > limit]
        fits = [c for c in whole if c.completion.usage.completion <= limit]
        chosen = next(iter(fits or same or more), None)
        if chosen is None:
            raise BadInput(
                f"{self.file}: the completion of {start_of(flatten(prompt)[0])} was recorded under"
                f" a budget that cut it before {limit} tokens; record it again with a larger one"
            )
        answer = chosen.ended(sampling).within(limit)
        if answer.finish == "length" and limit < sampling.max_tokens:
            answer = replace(answer, finish="budget")
        return answer
