"""OutcomeModel: a sequence-classification model with one output, which rates whole texts.

An outcome reward model (Cobbe et al. 2021, "Training verifiers to solve math word problems") reads
a question and a finished trace and gives one number, greater for better. Texts that wait together
go through the model in one batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from evaluators.errors import UnknownName
from reasoning.core import BadPrompt, Usage
from reasoning.ledger import Ledger
from reasoning.models.decoding.stepper import Scored
from reasoning.models.local import Loop, settled


class OutcomeModel:
    """Rates texts by one output, a logit. `dialect` is what it reads, `flops_per_token` as for a
    LocalModel. A text is encoded whole, its end of sequence added, as trl's RewardTrainer does."""

    can = frozenset({"rate"})

    def __init__(
        self, name: str, loop: Loop, tokenizer: Any, *, dialect: str, max_positions: int,
        flops_per_token: float, identity: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.name, self.dialect = name, dialect
        self.max_positions, self.flops_per_token = max_positions, flops_per_token
        self._loop, self._tokenizer, self._identity = loop, tokenizer, dict(identity or {})

    def __repr__(self) -> str:
        return f"OutcomeModel({self.name!r})"

    async def rate(
        self, texts: Sequence[str | tuple[str, ...]], ledger: Ledger, *, known: Sequence[int] = ()
    ) -> list[list[float] | None]:
        """One number a text (in pieces or not) in a list of its own; None where the ledger cannot
        pay for its tokens, which are charged as read before anything is awaited. `known` is for a
        process model and must be empty. Raises BadPrompt for a text longer than the model reads."""
        if known:
            raise ValueError("an outcome model reads whole texts: it knows no beginnings")
        whole = [text if isinstance(text, str) else "".join(text) for text in texts]
        encoded = [self._encoded(text) for text in whole]
        grants = [
            ledger.reserve_reading(
                purpose="rate", model=self.name, key=_key(text), tokens=len(ids),
                flops_per_token=self.flops_per_token,
            )
            for text, ids in zip(whole, encoded, strict=True)
        ]  # fmt: skip
        requests = [
            None if g.empty else ids for g, ids in zip(grants, encoded, strict=True)
        ]  # fmt: skip
        results = await settled(grants, requests, self._read, lambda scored: Usage())
        return [None if result is None else [result.logprobs[0]] for result in results]

    def fingerprint(self) -> dict[str, Any]:
        """Name and weights: what a run log compares."""
        return {"name": self.name, "dialect": self.dialect, **self._identity}

    @property
    def counters(self) -> Any:
        """What the loop counted since it began; `scored` are the tokens read."""
        return self._loop.counters

    def close(self) -> None:
        """Stop the reading thread; later calls fail."""
        self._loop.close()

    def _read(self, ids: Sequence[int]) -> Future[Scored]:
        return self._loop.score(ids, len(ids))

    def _encoded(self, text: str) -> list[int]:
        end = self._tokenizer.eos_token or ""
        ids = list(self._tokenizer(text if text.endswith(end) else text + end)["input_ids"])
        if len(ids) > self.max_positions:
            raise BadPrompt(
                f"a text of {len(ids)} tokens is to be rated, but {self.name} reads at most"
                f" {self.max_positions}; shorten the traces or take a model that reads more"
            )
        return ids


def _key(text: str) -> str:
    """The ledger key of reading a text."""
    return "rate/" + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@lru_cache(maxsize=8)
def load_outcome_model(name: str, device: str = "auto", dtype: str = "auto") -> OutcomeModel:
    """The outcome model in the folder of a saved ForSequenceClassification model, or on the hub
    (`hf:ORG/NAME`). One that is loaded stays.

    Raises UnknownName for a folder that is not there, BadInput for one that cannot be used.
    """
    place = name.removeprefix("hf:")
    if place == name and not Path(place).expanduser().is_dir():
        raise UnknownName("folder of an outcome model", name, ("a folder", "hf:ORG/NAME"))
    from reasoning.models.outcome_reader import open_outcome

    return open_outcome(name, place, device, dtype)
