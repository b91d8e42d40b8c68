"""Work on one request: completions of its prompts, and the log-probabilities it asks for."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from labs.server.asked import Asked
from labs.server.errors import bad, too_long
from labs.server.models import reach
from reasoning.core import BadPrompt, Completion, LanguageModel, Prompt, SeedPath, Usage
from reasoning.ledger import Budget, Ledger
from reasoning.models.local import LocalModel

GUIDED = {"choices": "structured_outputs.choice", "regex": "structured_outputs.regex",
          "schema": "structured_outputs.json"}  # fmt: skip

LEAST = -9999.0
"""What is told of a token that cannot be drawn, as OpenAI does."""


@dataclass(frozen=True)
class Told:
    """What is reported of one token: its text, the characters that it adds to the text of all, its
    log-probability (None: it has none), and the likeliest tokens in its place."""

    text: str
    size: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Choice:
    """One completion as it is answered. `echoed` is the prompt's text where it is asked back;
    `told` the tokens of `echoed` and of the completion, where log-probabilities are asked for."""

    index: int
    text: str
    finish_reason: Literal["stop", "length"]
    stop_reason: str | None
    token_ids: tuple[int, ...] | None = None
    prompt_ids: tuple[int, ...] | None = None
    echoed: str = ""
    told: tuple[Told, ...] | None = None


@dataclass(frozen=True)
class Answer:
    """The choices of all prompts in order, the tokens used, and what a strategy adds."""

    choices: tuple[Choice, ...]
    usage: Usage
    extension: dict[str, Any] | None = None


@dataclass(frozen=True)
class Ready:
    """A prompt that the model can read, and the ids it reads where it is local."""

    prompt: Prompt
    ids: tuple[int, ...] | None = None


def check(asked: Asked, model: LanguageModel) -> list[Ready]:
    """The prompts, made ready. Raises ApiError for what the model cannot do and for a prompt that
    it cannot read."""
    for name, field in GUIDED.items():
        if getattr(asked.sampling, name) and name not in model.can:
            raise bad(f"{model.name} cannot enforce {field}; leave it out", field)
    for name in ("top_k", "min_p"):
        if getattr(asked.sampling, name) and name not in model.can:
            raise bad(f"{model.name} cannot draw by {name}; leave it out", name)
    if isinstance(model, LocalModel):
        return [_ready(prompt, model, asked) for prompt in asked.prompts]
    for name, wanted in (
        ("echo", asked.echo),
        ("logprobs", asked.logprobs is not None),
        ("prompt as token ids", any(p.prefix_ids is not None for p in asked.prompts)),
        # which of several ended the text is not told, so it cannot be put back
        ("include_stop_str_in_output of several", asked.include_stop and len(asked.stop) > 1),
    ):
        if wanted:
            raise bad(f"{name} needs a model in the server's own process", name.split()[0])
    return [Ready(prompt) for prompt in asked.prompts]


def _ready(prompt: Prompt, model: LocalModel, asked: Asked) -> Ready:
    try:
        ids = tuple(model.encode(prompt))
    except BadPrompt as error:
        raise bad(str(error), "prompt") from error
    if prompt.prefix_ids is not None:
        vocabulary = len(model.tokenizer)
        wrong = next((i for i in prompt.prefix_ids if not 0 <= int(i) < vocabulary), None)
        if wrong is not None:
            raise bad(f"token id {wrong} is not in the vocabulary of {vocabulary}", "prompt")
        if len(ids) > len(prompt.prefix_ids):  # the tokenizer's beginning of sequence was added
            if ids[0] != ids[1]:
                raise bad(f"token ids for {model.name} begin with its token {ids[0]}", "prompt")
            ids = ids[1:]
            prompt = Prompt((), prefix_ids=ids[1:])
    elif model.dialect == "compact":  # spares encoding it once more
        prompt = Prompt((), prefix_ids=ids)
    most, room = reach(model) or 0, 0 if asked.sampling.max_tokens == 0 else 1
    if len(ids) + room > most:
        raise too_long(
            f"this model's maximum context length is {most} tokens, those it writes among them, and"
            f" the prompt has {len(ids)} tokens; shorten the prompt"
        )
    return Ready(prompt, ids)


async def answer(asked: Asked, model: LanguageModel, prompts: Sequence[Ready]) -> Answer:
    """All completions of one request. Every prompt is drawn as if it had been sent alone."""
    parts = await asyncio.gather(*(_complete(asked, model, ready.prompt) for ready in prompts))
    choices: list[Choice] = []
    used = Usage()
    for given, ready, completions in zip(asked.prompts, prompts, parts, strict=True):
        used = added(used, usage_of(completions, ready.ids))
        text, before = await echo(asked, model, given, ready)
        for drawn in completions:
            made = choice(len(choices), drawn, asked, model, ready.ids)
            if isinstance(model, LocalModel) and asked.logprobs is not None:
                after = await told(asked.logprobs, model, ready.ids or (), drawn)
                made = replace(made, told=(*before, *after))
            choices.append(replace(made, echoed=text) if text else made)
    return Answer(tuple(choices), used)


async def _complete(asked: Asked, model: LanguageModel, prompt: Prompt) -> list[Completion]:
    if asked.sampling.max_tokens == 0:
        return [Completion("", "length", Usage(), (), ())] * asked.sampling.n
    return await model.generate(prompt, asked.sampling, Ledger(Budget()), SeedPath(asked.seed))


def usage_of(completions: Sequence[Completion], ids: tuple[int, ...] | None) -> Usage:
    """The tokens of one prompt's completions: the prompt once, whatever `n` is."""
    first = completions[0].usage
    prompt = first.prompt if ids is None else len(ids)
    return Usage(prompt, first.cached, sum(c.usage.completion for c in completions))


def added(one: Usage, other: Usage) -> Usage:
    """The sum of two."""
    return Usage(
        one.prompt + other.prompt, one.cached + other.cached, one.completion + other.completion
    )


def choice(
    index: int, completion: Completion, asked: Asked, model: LanguageModel,
    prompt_ids: tuple[int, ...] | None,
) -> Choice:  # fmt: skip
    """A completion as it is answered, the stop string put back where it is asked for."""
    reason = stop_reason(completion, asked, model)
    back = asked.include_stop and completion.finish == "stop" and reason is not None
    ids = asked.token_ids
    return Choice(
        index,
        completion.text + reason if back and reason is not None else completion.text,
        "length" if completion.finish in ("length", "budget") else "stop",
        reason,
        completion.token_ids if ids else None,
        prompt_ids if ids else None,
    )


def stop_reason(completion: Completion, asked: Asked, model: LanguageModel) -> str | None:
    """The stop string that ended a completion; None at the end of the sequence or of the length.

    A model elsewhere does not tell which of several it was: then all of them are named.
    """
    if completion.finish not in ("stop", "boundary") or not asked.stop:
        return None
    if len(asked.stop) == 1:
        return asked.stop[0]
    if not isinstance(model, LocalModel) or completion.token_ids is None:
        return " or ".join(asked.stop)
    whole = model.token_bytes.text(completion.token_ids)
    found = [s for s in asked.stop if whole.startswith(s, len(completion.text))]
    return min(found, key=len)  # of several at one place the shortest was complete first


async def echo(
    asked: Asked, model: LanguageModel, given: Prompt, ready: Ready
) -> tuple[str, tuple[Told, ...]]:
    """A prompt's text and its tokens, as far as they are asked back."""
    if not asked.echo or not isinstance(model, LocalModel):
        return "", ()
    ids = ready.ids or ()
    text = given.prefix or model.token_bytes.text(ids)
    if asked.logprobs is None:
        return text, ()
    scores = await model.read(ids, 1) if len(ids) > 1 else ()
    top = await alternatives(model, ids, 1, asked.logprobs)
    return text, tell(model, ids, (None, *scores), ((), *top))


async def told(
    k: int, model: LocalModel, before: tuple[int, ...], drawn: Completion
) -> tuple[Told, ...]:
    """The tokens of a completion as they are reported."""
    ids = drawn.token_ids or ()
    top = await alternatives(model, (*before, *ids), len(before), k)
    return tell(model, ids, drawn.logprobs or (), top)


async def alternatives(
    model: LocalModel, ids: Sequence[int], start: int, k: int
) -> Sequence[tuple[tuple[int, float], ...]]:
    """The k likeliest tokens at each place of `ids[start:]`; none are computed for k = 0."""
    if k == 0 or len(ids) <= start:
        return [()] * (len(ids) - start)
    from reasoning.models.introspect import alternatives as look

    found = await asyncio.to_thread(look, model, ids, start, k)
    return [tuple(row) for row in found]


def tell(
    model: LocalModel, ids: Sequence[int], logprobs: Sequence[float | None],
    tops: Sequence[tuple[tuple[int, float], ...]] | None = None,
) -> tuple[Told, ...]:  # fmt: skip
    """Tokens as they are reported. JSON has no infinity: no log-probability is below LEAST."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    sizes = [len(decode(model.token_bytes[i])) for i in ids]
    rows = zip(ids, sizes, map(_told, logprobs), tops or [()] * len(ids), strict=True)
    return tuple(
        Told(piece(model, i), size, logprob, tuple((j, max(LEAST, value)) for j, value in top))
        for i, size, logprob, top in rows
    )


def _told(logprob: float | None) -> float | None:
    return None if logprob is None else max(LEAST, logprob)


def piece(model: Any, token: int) -> str:
    """A token as text, special ones by their names."""
    return model.tokenizer.decode([token], skip_special_tokens=False)
