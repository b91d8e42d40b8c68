"""ProcessModel: a model that rates the steps of a text, for all callers.

A process reward model (Lightman et al. 2023, "Let's verify step by step") reads a question and the
steps after it and tells after each the probability that it is good. It is causal, so what it says
of a step does not depend on what follows, and a beginning that was read once is not read again.
Readings of many problems wait together and go through the model in one batch.

Two kinds of weights are read. A token-classification model tells "good" at the last token of a
step. A causal model with a `rating` (a, b) in its configuration tells sigmoid(a + b log p(step)):
the likelihood of the step as an energy, trained until likely means good (a process reward out of
likelihoods, as in Yuan et al. 2024, arXiv:2412.01981, here without a reference model).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from hashlib import blake2b
from math import exp
from pathlib import Path
from typing import Any, Literal

from evaluators.errors import BadInput, UnknownName
from reasoning.core import BadPrompt, Usage
from reasoning.ledger import Ledger
from reasoning.models.decoding.stepper import Scored
from reasoning.models.encode import Encoder
from reasoning.models.local import Loop, settled

Pieces = tuple[str, ...]

PROCESS_MODELS: dict[str, str] = {
    "tiny-prm": "rates the steps of `tiny`: expressions and countdown; 0.85 M parameters",
}
"""The embedded process models, each with one line on what it is."""


class ProcessModel:
    """Rates the pieces of texts. `flops_per_token` as for a LocalModel; `dialect` is what it reads.

    `path` says how it is computed: `fused` (a rating is the same to the bit alone or in a batch,
    and known beginnings are kept) or `plain` (any architecture of transformers; no cache).
    """

    can = frozenset({"rate"})

    def __init__(
        self, name: str, loop: Loop, encoder: Encoder, *, max_positions: int,
        flops_per_token: float, path: Literal["fused", "plain"] = "fused",
        rating: tuple[float, float] | None = None, identity: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.name, self.path = name, path
        self.dialect: Literal["compact", "plain"] = encoder.dialect
        self.rating = rating
        self.max_positions, self.flops_per_token = max_positions, flops_per_token
        self._loop, self._encoder, self._identity = loop, encoder, dict(identity or {})
        self._ids: dict[str, tuple[int, ...]] = {}

    def __repr__(self) -> str:
        return f"ProcessModel({self.name!r}, {self.path})"

    async def rate(
        self, texts: Sequence[str | Pieces], ledger: Ledger, *, known: Sequence[int] = ()
    ) -> list[list[float] | None]:
        """For every text the probability, at the end of each piece, that it stands well.

        A text is one string, or its pieces: the question, then the steps. `known[i]` of its pieces
        have been read before: they are neither charged nor rated again. Pieces that begin several
        of the texts are charged once. All that is new in a text is charged as read before anything
        is awaited, or the text is None. Raises BadPrompt for a text longer than the model reads.
        """
        cut = [(text,) if isinstance(text, str) else tuple(text) for text in texts]
        before = list(known) or [0] * len(cut)
        paid: set[Pieces] = set()
        grants, requests, spans = [], [], []
        for pieces, first in zip(cut, before, strict=True):
            parts = [self._encoded(piece) for piece in pieces]
            ids = [token for part in parts for token in part]
            if len(ids) > self.max_positions:
                raise BadPrompt(
                    f"a text of {len(ids)} tokens is to be rated, but {self.name} reads at most"
                    f" {self.max_positions}; shorten the traces or take a model that reads more"
                )
            ends = [sum(map(len, parts[: at + 1])) for at in range(len(parts))]
            start = ends[first - 1] if first else 0
            spans.append([(end - len(part), end, start) for end, part in
                          zip(ends[first:], parts[first:], strict=True)])  # fmt: skip
            reused = max((at for at in range(1, len(pieces) + 1) if pieces[:at] in paid),
                         default=0)  # fmt: skip
            fresh = len(ids) - max(start, ends[reused - 1] if reused else 0)
            grant = None
            if fresh > 0:
                grant = ledger.reserve_reading(
                    purpose="rate", model=self.name, key=rate_key(pieces), tokens=fresh,
                    flops_per_token=self.flops_per_token,
                )  # fmt: skip
            payable = grant is None or not grant.empty
            if payable:
                paid.update(pieces[: at + 1] for at in range(len(pieces)))
            grants.append(grant)
            requests.append((ids, start) if payable and len(ids) > start else None)
        results = await settled(grants, requests, self._read, lambda scored: Usage())
        return [
            None if grant is not None and grant.empty
            else [self._rated(result, *places) for places in span]
            for grant, result, span in zip(grants, results, spans, strict=True)
        ]  # fmt: skip

    def fingerprint(self) -> dict[str, Any]:
        """Name, weights and how it is computed: what a run log compares."""
        return {"name": self.name, "path": self.path, "dialect": self.dialect, **self._identity}

    @property
    def counters(self) -> Any:
        """What the loop counted since it began; `scored` are the tokens read."""
        return self._loop.counters

    def close(self) -> None:
        """Stop the reading thread; later calls fail."""
        self._loop.close()

    def _read(self, request: tuple[Sequence[int], int]) -> Future[Scored]:
        ids, start = request
        # a likelihood needs a token before; a class is told from `start` on
        return self._loop.score(ids, start + 1 if self.rating is None else max(start, 1))

    def _rated(self, scored: Scored | None, begin: int, end: int, start: int) -> float:
        """The rating of the piece of tokens `begin`..`end` of a text that was read from `start` on;
        0.5 where there is not even a token to rate."""
        if scored is None or end == begin:
            return 0.5
        if self.rating is None:
            return scored.logprobs[end - 1 - start]
        first = max(start, 1)
        shift, slope = self.rating
        known = sum(scored.logprobs[max(begin, first) - first : end - first])
        return 1.0 / (1.0 + exp(-(shift + slope * known)))

    def _encoded(self, piece: str) -> tuple[int, ...]:
        """A piece's ids: each piece is encoded by itself, in training as in use."""
        found = self._ids.get(piece)
        if found is None:
            if len(self._ids) > 50_000:
                self._ids.clear()
            found = self._ids[piece] = tuple(self._encoder.after(piece))
        return found


def rate_key(pieces: Pieces) -> str:
    """The ledger key of reading a text."""
    return "rate/" + blake2b("\0".join(pieces).encode("utf-8", "surrogatepass"),
                             digest_size=8).hexdigest()  # fmt: skip


_LOADED: dict[str, ProcessModel] = {}


def load_process_model(
    name: str | ProcessModel = "tiny-prm", *, device: str = "auto", dtype: str = "auto"
) -> ProcessModel:
    """A process model by name (PROCESS_MODELS) or by the folder of a saved ForTokenClassification
    model, `hf:` before it or not; an object is returned as it is. One that is loaded stays.

    Raises UnknownName for a name that is neither, BadInput for a folder that cannot be used.
    """
    if isinstance(name, ProcessModel):
        return name
    place = name.removeprefix("hf:")
    if place in PROCESS_MODELS:
        found = Path(__file__).parent / "tiny" / place
        if not (found / "config.json").is_file():
            raise BadInput(
                f"the weights of {name!r} are not there: run `reasonlab train reward --recipe"
                f" {name}`, or reinstall the package that contains them"
            )
        place = str(found)
    elif place == name and not Path(place).expanduser().is_dir():
        raise UnknownName("process model (or folder of one)", name, PROCESS_MODELS)
    key = f"{place} {device} {dtype}"
    if key not in _LOADED:
        from reasoning.models.process_reader import open_process

        _LOADED[key] = open_process(name, place, device, dtype)
    return _LOADED[key]
