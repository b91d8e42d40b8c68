"""A completion taken apart for reading: its tokens as text, how likely each was, what else was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from labs.traces import visible
from reasoning.core import Completion, LanguageModel, Prompt, TokenScores
from reasoning.models.distribution import Distribution

ALTERNATIVES = 5
"""Tokens listed beside the one that was drawn."""


@dataclass(frozen=True)
class Token:
    """A token's text, its natural log-probability at temperature 1 (`None`: not told), and the
    likeliest tokens at its place with theirs, likeliest first (empty: not told)."""

    text: str
    logprob: float | None = None
    others: tuple[tuple[str, float], ...] = ()

    @property
    def probability(self) -> float | None:
        return None if self.logprob is None else math.exp(self.logprob)

    @property
    def rank(self) -> int | None:
        """1 for the likeliest; `None` where it is not among those listed."""
        names = [text for text, _ in self.others]
        return names.index(self.text) + 1 if self.text in names else None

    @property
    def name(self) -> str:
        """The text on one line: spaces and control characters made visible."""
        return "".join("␣" if c == " " else visible_character(c) for c in self.text) or "(nothing)"


def visible_character(character: str) -> str:
    """A character as it can be shown: a line's end as ⏎, other control characters as escapes."""
    return "⏎" if character == "\n" else visible(character)


def tokens_of(
    model: LanguageModel, prompt: Prompt, completion: Completion, k: int = ALTERNATIVES
) -> tuple[Token, ...]:
    """The tokens of a completion of this prompt: of a local model all there is to know by one
    forward pass; of an endpoint their text and log-probability where it scores. Else the whole
    text as one token without a probability.
    """
    if completion.token_ids is not None and getattr(model, "torch_model", None) is not None:
        return _local(model, prompt, completion, k)
    if "score" in model.can and completion.text:
        return scored(read(model, prompt, completion.text))
    return (Token(completion.text),) if completion.text else ()


def scored(scores: TokenScores) -> tuple[Token, ...]:
    """Tokens out of the log-probabilities that a model gave to a text."""
    return tuple(Token(t, lp) for t, lp in zip(scores.tokens, scores.logprobs, strict=True))


def read(model: LanguageModel, prompt: Prompt, text: str) -> TokenScores:
    """The log-probabilities of a text after this prompt, charged to nobody; blocks meanwhile."""
    from reasoning.ledger import Ledger
    from reasoning.loop import run

    return run(model.score(prompt, [text], Ledger()))[0]


def _local(
    model: LanguageModel, prompt: Prompt, completion: Completion, k: int
) -> tuple[Token, ...]:
    from reasoning.models.introspect import alternatives, vocabulary

    names = vocabulary(model)  # type: ignore[arg-type]
    before, drawn = model.encode(prompt), completion.token_ids or ()  # type: ignore[attr-defined]
    told = alternatives(model, [*before, *drawn], len(before), k)  # type: ignore[arg-type]
    logprobs: Sequence[float | None] = completion.logprobs or [None] * len(drawn)
    return tuple(
        Token(names[token], logprob, tuple((names[i], value) for i, value in row))
        for token, logprob, row in zip(drawn, logprobs, told, strict=True)
    )


def token_table(model: LanguageModel, prompt: Prompt) -> str:
    """The ids that a model reads for this prompt and the text of each, as two lines. One sentence
    for an endpoint, whose ids stay at the server."""
    if getattr(model, "torch_model", None) is None:
        return f"{model.name} cuts the text into tokens at its server and tells only their number."
    from reasoning.models.introspect import vocabulary

    names, ids = vocabulary(model), model.encode(prompt)  # type: ignore[arg-type, attr-defined]
    pairs = [(Token(names[i]).name, str(i)) for i in ids]
    widths = [max(len(text), len(number)) for text, number in pairs]
    lines = [
        " ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        for cells in zip(*pairs, strict=True)
    ]
    return f"text {lines[0]}\nid   {lines[1]}"


def likeliest(shown: Distribution, k: int = 8) -> str:
    """The k likeliest next tokens with logarithm and probability, as a table."""
    lines = ["token     log-probability  probability"]
    for text, logprob in zip(shown.tokens[:k], shown.logprobs[:k], strict=True):
        lines.append(f"{Token(text).name:9} {logprob:15.4f}  {math.exp(logprob):11.4f}")
    return "\n".join(lines)
