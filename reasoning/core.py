"""The values that every part passes around, and the three protocols a user may supply.

Data only: nothing here generates, judges or spends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.verdict import Knows, Verdict

if TYPE_CHECKING:
    from evaluators.tasks.base import Task
    from reasoning.ledger import Ledger

Finish = Literal["boundary", "stop", "eos", "length", "budget"]
"""Why a completion (or a step) ended. Only `eos` ends a trace by itself."""

Source = Literal["model", "forced", "tool"]


@dataclass(frozen=True)
class Message:
    """One turn: `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True)
class Prompt:
    """What a model continues: finished turns, and the assistant's turn so far.

    `prefix` is the text of that turn, `prefix_ids` its exact token ids where a local model wrote
    them; continuing uses the ids, never re-tokenised text. A string among the ids is text that
    was forced upon the turn, which the model encodes by itself. Without messages the prefix is raw
    text: no template, nothing added but the beginning-of-sequence token that the tokenizer sets.
    """

    messages: tuple[Message, ...]
    prefix: str = ""
    prefix_ids: tuple[int | str, ...] | None = None

    def extended(self, completion: Completion) -> Prompt:
        """This prompt with a completion appended to the assistant's turn.

        The ids go on as long as they say the text: an end of sequence is left out, and a completion
        that a stop string ended is appended as its text, because its last tokens say more.
        """
        ids: tuple[int | str, ...] | None = None
        if completion.token_ids is not None and (self.prefix_ids is not None or not self.prefix):
            more: tuple[int | str, ...] = completion.token_ids
            if completion.finish == "eos":
                more = more[:-1]
            elif completion.finish == "stop":
                more = (completion.text,) if completion.text else ()
            ids = (self.prefix_ids or ()) + more
        return Prompt(self.messages, self.prefix + completion.text, ids)

    def forced(self, text: str) -> Prompt:
        """This prompt with text appended to the assistant's turn that no model wrote."""
        ids = None if self.prefix_ids is None else (*self.prefix_ids, text)
        return Prompt(self.messages, self.prefix + text, ids)


@dataclass(frozen=True)
class Sampling:
    """How one completion is drawn.

    `temperature` 0 is greedy. `top_k` 0, `top_p` 1 and `min_p` 0 are off; they apply in the order
    temperature, top-k, top-p, min-p. `boundary` ends a step and stays in its text; `stop` strings
    end the completion and are cut from its text. `n` completions are drawn, each with its own
    seed path. At most one of `choices` (the completion is one of these texts), `regex` (its whole
    text matches) and `schema` (a JSON schema, as JSON text, that it satisfies) is enforced while
    decoding: no other token can be drawn, and the end is drawn where the text may end.
    """

    max_tokens: int = 256
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    boundary: str | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    choices: tuple[str, ...] = ()
    regex: str | None = None
    schema: str | None = None

    @property
    def guided(self) -> bool:
        """Whether the form of the text is enforced."""
        return bool(self.choices) or self.regex is not None or self.schema is not None

    def __post_init__(self) -> None:
        for name, ok, want in (
            ("max_tokens", self.max_tokens >= 0, "0 or more"),
            ("temperature", 0.0 <= self.temperature < float("inf"), "0 (greedy) or more"),
            ("top_k", self.top_k >= 0, "0 (off) or more"),
            ("top_p", 0.0 < self.top_p <= 1.0, "in (0, 1]"),
            ("min_p", 0.0 <= self.min_p <= 1.0, "in [0, 1]"),
            ("n", self.n >= 1, "1 or more"),
            ("boundary", self.boundary != "", "a string or None"),
            ("stop", "" not in self.stop, "non-empty strings"),
            ("choices", "" not in self.choices, "non-empty strings"),
        ):
            if not ok:
                raise ValueError(f"sampling.{name} must be {want}, not {getattr(self, name)!r}")
        if bool(self.choices) + (self.regex is not None) + (self.schema is not None) > 1:
            raise ValueError("sampling: only one of choices, regex and schema can be enforced")


@dataclass(frozen=True)
class SeedPath:
    """Where a random draw comes from: run seed, then problem, node, sample index.

    The 128-bit key is a hash of the path, so a draw does not depend on what ran before it.
    """

    seed: int
    parts: tuple[str | int, ...] = ()

    def child(self, *parts: str | int) -> SeedPath:
        return SeedPath(self.seed, self.parts + parts)

    @property
    def text(self) -> str:
        """The path as a log key, `"0/expressions%2F17/3"`: injective in its parts."""
        parts = (str(p).replace("%", "%25").replace("/", "%2F") for p in self.parts)
        return "/".join((str(self.seed), *parts))

    @cached_property
    def key(self) -> tuple[int, int]:
        """Two 64-bit words for a counter-based generator."""
        raw = self.text.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


@dataclass(frozen=True)
class Usage:
    """Tokens of one call: `prompt` read (of which `cached` were not recomputed), `completion`
    generated."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


@dataclass(frozen=True)
class Completion:
    """One sampled continuation.

    `token_ids` and `logprobs` (natural log, under the model's own distribution at temperature 1,
    before any truncation) have one entry a generated token, the end-of-sequence token included;
    `None` where the model does not tell.
    """

    text: str
    finish: Finish
    usage: Usage
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None


@dataclass(frozen=True)
class TokenScores:
    """Log-probabilities of given tokens: `tokens` as text, one natural-log entry each."""

    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class Step:
    """A piece of a trace between two step boundaries."""

    text: str
    tokens: int
    finish: Finish
    logprob: float | None = None
    source: Source = "model"
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Trace:
    """One line of reasoning: its steps, why it ended, its answer and verdict.

    `answer` is `None` unless the trace ended by itself. `seed` is the seed path of its sample;
    `score` is what the strategy's scorer gave it (`None`: not scored or not payable).
    """

    steps: tuple[Step, ...]
    finish: Finish
    answer: str | None = None
    verdict: Verdict | None = None
    score: float | None = None
    seed: str = ""

    @property
    def text(self) -> str:
        return "".join(step.text for step in self.steps)

    @property
    def tokens(self) -> int:
        """Generated tokens (the model's own, not forced ones)."""
        return sum(step.tokens for step in self.steps if step.source == "model")

    @property
    def logprob(self) -> float | None:
        """Sum of the model tokens' log-probabilities, or `None` where one is unknown."""
        logprobs = [step.logprob for step in self.steps if step.source == "model"]
        return None if None in logprobs else sum(x for x in logprobs if x is not None)


@dataclass(frozen=True)
class Solution:
    """What a strategy returns: the answer it stands by, all it made, and why it stopped.

    `chosen` indexes `traces`; `stopped_by` is one word: `done`, `accepted`, `agreed`, `budget`.
    """

    answer: str | None
    traces: tuple[Trace, ...]
    chosen: int | None
    tree: Any = None
    stopped_by: str = "done"


@dataclass(frozen=True)
class Context:
    """What a strategy works with on one problem. `events(kind, **data)` reports progress
    to the run log, where there is one."""

    task: Task
    model: LanguageModel
    ledger: Ledger
    seed: SeedPath
    events: Callable[..., None] = field(default=lambda kind, **data: None)


class BadPrompt(BadInput):
    """A question that the model cannot read (too long, empty, no text): its problem becomes
    `error`, others go on. A started answer that fills the context is none: it ends by `length`."""


@runtime_checkable
class LanguageModel(Protocol):
    """A source of completions. `can` names its abilities out of: continue, logprobs, score, n,
    seed, choices, regex, schema, top_k, min_p, token_ids, tells_stop. `dialect` is what its card
    chose, `flops_per_token` the forward cost of one token (2 x parameters; Kaplan et al. 2020,
    section 2.1), 0 if unknown. A model with a `price` (a `Price`, perhaps None) passes it on to
    `Ledger.reserve`."""

    name: str
    can: frozenset[str]
    dialect: Literal["compact", "plain"]
    flops_per_token: float

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]: ...

    async def score(
        self, prompt: Prompt, continuations: Sequence[str], ledger: Ledger
    ) -> list[TokenScores]: ...

    def fingerprint(self) -> Mapping[str, Any]:
        """What identifies the model in a run log: name, weights hash or revision."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """Rates traces. `scale` is `unit` (0..1) or `log`; `needs` what the model has to be able to
    do."""

    knows: Knows
    scale: Literal["unit", "log"]
    needs: frozenset[str]

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]: ...


@runtime_checkable
class Strategy(Protocol):
    """Spends a budget on one problem. A frozen dataclass of settings."""

    async def solve(self, problem: Problem, ctx: Context) -> Solution: ...
