"""The rows of a recording, and `Recording`, which writes them while any model answers.

A row has a `prompt`, and either `completions` (with the `sampling` and `seed` that drew them) or
`continuations` with their `scores`. `recorded.py` replays them.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from evaluators.errors import BadInput
from reasoning.core import (
    Completion,
    Finish,
    Message,
    Prompt,
    Sampling,
    SeedPath,
    TokenScores,
    Usage,
)
from reasoning.ledger import Ledger


@dataclass(frozen=True)
class Recorded:
    """One recorded completion; `counted` is false where its tokens are words (hand-written)."""

    completion: Completion
    counted: bool

    def within(self, limit: int) -> Completion:
        """At most `limit` tokens of it. Where the words are not the tokens, the text is cut in
        proportion."""
        whole = self.completion
        total = whole.usage.completion
        if total <= limit:
            return whole
        if self.counted:
            text = whole.text[: len(whole.text) * limit // total]
        else:
            text = "".join(words(whole.text)[:limit])
        return Completion(
            text,
            "length",
            replace(whole.usage, completion=limit),
            whole.token_ids and whole.token_ids[:limit],
            whole.logprobs and whole.logprobs[:limit],
        )

    def ended(self, sampling: Sampling) -> Recorded:
        """A hand-written completion ends where this sampling would have ended it."""
        if self.counted:
            return self
        text, finish = self.completion.text, self.completion.finish
        stops = [text.find(stop) for stop in sampling.stop if stop in text]
        if stops:
            text, finish = text[: min(stops)], "stop"
        if sampling.boundary is not None and sampling.boundary in text:
            text, finish = text[: text.find(sampling.boundary) + len(sampling.boundary)], "boundary"
        return replace(self, completion=by_words(text, self.completion.usage.prompt, finish))

    def after(self, prefix: str) -> Recorded:
        """What follows `prefix` in it, counted in words."""
        text, usage = self.completion.text[len(prefix) :], self.completion.usage
        return Recorded(by_words(text, usage.prompt, self.completion.finish), False)


class Recording:
    """Any model, its calls appended to a JSONL file that `recorded:FILE` replays."""

    def __init__(self, model: Any, file: str | Path) -> None:
        self.model, self.file = model, Path(file)
        self.name, self.can, self.dialect = model.name, model.can, model.dialect
        self.flops_per_token = model.flops_per_token
        self.price = getattr(model, "price", None)
        self._lock = threading.Lock()
        self.file.parent.mkdir(parents=True, exist_ok=True)

    def __getattr__(self, name: str) -> Any:
        if name == "model":  # not there yet, while being copied
            raise AttributeError(name)
        return getattr(self.model, name)

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        """What the model answers, written before it is returned."""
        completions = await self.model.generate(prompt, sampling, ledger, seed)
        self._write(
            prompt,
            sampling=asdict(sampling),
            seed=seed.text,
            completions=[asdict(completion) for completion in completions],
        )
        return completions

    async def score(
        self, prompt: Prompt, continuations: Sequence[str], ledger: Ledger
    ) -> list[TokenScores]:
        """What the model answers, written before it is returned."""
        scores = await self.model.score(prompt, continuations, ledger)
        paid = [
            (text, asdict(score))
            for text, score in zip(continuations, scores, strict=True)
            if score.tokens or not text
        ]
        self._write(prompt, continuations=[t for t, _ in paid], scores=[s for _, s in paid])
        return scores

    def fingerprint(self) -> Mapping[str, Any]:
        """The model's own: recording changes nothing."""
        return self.model.fingerprint()

    def _write(self, prompt: Prompt, **fields: Any) -> None:
        row = {
            "model": self.name,
            "dialect": self.dialect,
            "flops_per_token": self.flops_per_token,
            "prompt": prompt_row(prompt),
            **fields,
        }
        line = json.dumps(row, ensure_ascii=False) + "\n"
        with self._lock, self.file.open("a", encoding="utf-8") as out:
            out.write(line)


def prompt_row(prompt: Prompt) -> dict[str, Any]:
    """A prompt as JSON."""
    return {
        "messages": [asdict(message) for message in prompt.messages],
        "prefix": prompt.prefix,
        "prefix_ids": prompt.prefix_ids and list(prompt.prefix_ids),
    }


def canonical(value: Any) -> str:
    """One string for equal JSON values (tuples count as lists)."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def score_key(prompt: Prompt, continuation: str) -> str:
    """The ledger key of reading a continuation."""
    content = canonical([prompt_row(prompt), continuation])
    return "score/" + sha256(content.encode()).hexdigest()[:16]


def flatten(prompt: Prompt) -> tuple[str, str]:
    """A prompt as one string: all contents joined by newlines, and the last content alone; each
    followed by the assistant's turn so far."""
    contents = [message.content for message in prompt.messages]
    last = contents[-1] if contents else ""
    return "\n".join(contents) + prompt.prefix, last + prompt.prefix


def start_of(text: str) -> str:
    """The beginning of a text for a message."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def words(text: str) -> list[str]:
    """A text in pieces of one word each with the white space before it; the last keeps its own."""
    pieces = re.findall(r"\s*\S+(?:\s+\Z)?", text)
    return pieces or ([text] if text else [])


def by_words(text: str, prompt_tokens: int, finish: Finish) -> Completion:
    """A completion whose tokens are its words."""
    return Completion(text, finish, Usage(prompt_tokens, 0, len(words(text))))


def read_rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row with `file:line` for messages; raises BadInput naming the line and the fault."""
    try:
        lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise BadInput(f"recording {file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"recording {file} is not UTF-8 text ({error.reason})") from error
    if lines == [""]:
        raise BadInput(f"recording {file} is empty; {EXPECTED}")
    for number, line in enumerate(lines, 1):
        where = f"{file}:{number}"
        if not line.strip():
            raise BadInput(f"{where}: empty line; remove it")
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadInput(f"{where}: not JSON ({error.msg}); {EXPECTED}") from error
        if not isinstance(row, dict) or "prompt" not in row:
            raise BadInput(f"{where}: no prompt; {EXPECTED}")
        if "continuations" not in row:
            completions = row.get("completions")
            if not isinstance(completions, list) or not completions:
                raise BadInput(f"{where}: completions must be a list with entries; {EXPECTED}")
        yield where, row


EXPECTED = 'a line is {"prompt": "...", "completions": ["...", ...]}'


def as_prompt(where: str, value: Any) -> Prompt:
    """The prompt of a row; raises BadInput naming the line."""
    if isinstance(value, str):
        return Prompt((Message("user", value),))
    try:
        value = {"messages": value} if isinstance(value, list) else value
        messages = tuple(Message(str(m["role"]), str(m["content"])) for m in value["messages"])
        ids = value.get("prefix_ids")
        return Prompt(messages, value.get("prefix", ""), None if ids is None else tuple(ids))
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f'{where}: prompt must be a string or {{"messages": [{{"role", "content"}}]}}'
        ) from error


def as_recorded(where: str, value: Any, prompt: str) -> Recorded:
    """A completion of a row; raises BadInput naming the line."""
    if isinstance(value, str):
        return Recorded(by_words(value, len(words(prompt)), "eos"), False)
    try:
        text, finish = value["text"], value.get("finish", "eos")
        if not isinstance(text, str) or finish not in get_args(Finish):
            raise BadInput(f"{where}: a completion needs a text and one of {get_args(Finish)}")
        if "usage" not in value:
            return Recorded(by_words(text, len(words(prompt)), finish), False)
        ids, logprobs = value.get("token_ids"), value.get("logprobs")
        completion = Completion(
            text,
            finish,
            Usage(**value["usage"]),
            None if ids is None else tuple(ids),
            None if logprobs is None else tuple(logprobs),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f'{where}: a completion must be a string or {{"text": ..., "finish": ...}}'
        ) from error
    return Recorded(completion, True)


def as_scores(where: str, row: Mapping[str, Any]) -> list[tuple[str, TokenScores]]:
    """The continuations of a row and their scores; raises BadInput naming the line."""
    try:
        return [
            (text, TokenScores(tuple(scores["tokens"]), tuple(scores["logprobs"])))
            for text, scores in zip(row["continuations"], row["scores"], strict=True)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{where}: continuations need as many scores, each with tokens and logprobs"
        ) from error
